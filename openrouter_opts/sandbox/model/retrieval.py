"""Answering from a given text: the prompts of LlamaIndex and LangChain that carry context, and summaries."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from openrouter_opts.sandbox.model.text import keywords, names, numbers, sentences, stem, word_set

_CONTEXT = (
    r"(?P<context>[^\n]{0,240}\b(?:context|documents?|passages?|excerpts?|sources|articles?)\b[^\n:]{0,160}"
    r"(?::[ \t]*|\bbelow\.?[ \t]*(?=\n)|(?=\n[ \t]*-{3,}[ \t]*\n)))"
)
# An instruction alone on its line, with the context behind it: "Use the pieces of context to answer the question."
_LOOSE = r"(?P<loose>(?:use|using|given|based on|answer)\b[^\n]{0,240}\bcontext\b[^\n]{0,240}\n[ \t]*(?=\n))"
_ASKED = r"(?:Query|Question|User question|The original query is as follows|Input|Task):"
_KNOWN = r"(?:Original Answer|Existing Answer|We have provided an existing answer):"
_END = r"(?:Answer|New Answer|Refined Answer|Helpful Answer|Response|SUMMARY)\s*:|Instruction:|Given the (?:new )?context"
_LABEL = re.compile(
    rf"^[ \t]{{0,40}}(?:(?P<known>{_KNOWN})|(?P<asked>{_ASKED})|(?P<end>{_END})|{_CONTEXT}|{_LOOSE})",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]*(?:-{3,}|={3,}|`{3,}|\"{3,})[ \t]*$", re.MULTILINE)
_METADATA = re.compile(r"^[a-z_]+: \S*$", re.IGNORECASE)
_SUMMARY = re.compile(
    r"\b(?:summar\w+|tl;?dr|key (?:points|takeaways)|main (?:idea|points?)|what (?:the|this) (?:provided )?text is about)\b",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(r"^[ \t]*(?:summari[sz]e\b.*|summary:[ \t]*)$", re.IGNORECASE | re.MULTILINE)
_PRONOUN = re.compile(r"^(?:it|they|he|she|this|these|its|their|his|her)\b", re.IGNORECASE)
_EMPTY = frozenset(
    map(stem, word_set("summary summarize summarise document context text article please write about"))
)
_MOST_SENTENCES = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """A question with the text to answer it from, and the answer so far when that is to be refined."""

    context: str
    question: str
    known: str = ""


def read_prompt(prompt: str, system: str = "") -> Reading | None:
    """The parts of a retrieval prompt; the context may stand in the system prompt, the question then is the prompt."""
    found = _parts(prompt)
    if found and found.context and found.question:
        return found
    given = _parts(system) if not found else None
    if given and given.context and prompt.strip():
        return Reading(given.context, prompt.strip(), given.known)
    if _SUMMARY.search(prompt[:400]):
        return _to_summarise(prompt)
    return None


def _parts(prompt: str) -> Reading | None:
    labels = list(_LABEL.finditer(prompt))
    asked = next((label for label in reversed(labels) if label["asked"]), None)
    opening = next((label for label in labels if label["context"] or (asked and label["loose"])), None)
    if opening is None:
        return None
    known = next((label for label in reversed(labels) if label["known"]), None)
    context = fenced(prompt, opening.end()) or _until(prompt, opening, [asked, known, *_ends(labels, asked)])
    return Reading(
        context=_without_metadata(context),
        question=_until(prompt, asked, [one for one in labels if one is not asked], lines=4) if asked else "",
        known=_until(prompt, known, [one for one in labels if one is not known]) if known else "",
    )


def _ends(labels: list[re.Match[str]], asked: re.Match[str] | None) -> list[re.Match[str]]:
    """The last closing label; behind the question it closes what comes in between too."""
    ends = [label for label in labels if label["end"]]
    return ends[-1:] if asked or ends else []


def fenced(prompt: str, start: int = 0) -> str:
    """What stands between the first line of dashes and the last one, if there are two."""
    fences = [fence for fence in _FENCE.finditer(prompt) if fence.start() >= start - 4]
    return prompt[fences[0].end() : fences[-1].start()].strip() if len(fences) >= 2 else ""


def _until(
    prompt: str, label: re.Match[str] | None, others: list[re.Match[str] | None], *, lines: int | None = None
) -> str:
    """The text from a label to the next of the others."""
    if label is None:
        return ""
    end = min(
        (other.start() for other in others if other and other.start() > label.start()), default=len(prompt)
    )
    text = prompt[label.end() : end].strip()
    return "\n".join(text.split("\n")[:lines]).strip() if lines else text


def _to_summarise(prompt: str) -> Reading | None:
    """`Summarize the following: …`: the request is the first line, the text everything behind it."""
    head, separator, rest = prompt.partition(":")
    if not (separator and len(rest.strip()) > 40):
        head, separator, rest = prompt.strip().partition("\n")
    context = rest.strip().removesuffix('SUMMARY:"""').removesuffix("CONCISE SUMMARY:").strip(' "\n`')
    if not _SUMMARY.search(head):  # what is to be done stands behind the text
        context, head = _INSTRUCTION.sub("", context).strip(), "Summarize it."
    return Reading(context, head) if len(context) > 40 else None


def _without_metadata(context: str) -> str:
    return "\n".join(line for line in context.split("\n") if not _METADATA.match(line.strip()))


def answer_from(reading: Reading) -> str:
    """The sentences of the context that answer the question, or the central ones when it asks for a summary."""
    asked = [word for word in keywords(reading.question) if word not in _EMPTY]
    if not asked or _SUMMARY.search(reading.question):
        return reading.known or summary(reading.context)
    best = best_sentences(reading.context, reading.question)
    if best:
        return f"{reading.known} {best}".strip() if reading.known and best not in reading.known else best
    return reading.known or f"I don't know: nothing in the context answers “{reading.question.strip()}”"


def best_sentences(text: str, question: str) -> str:
    """Up to three sentences that share the most telling words with the question, in the text's order; "" if none do."""
    # A question in the text, as above its answer, answers nothing.
    pieces = [piece for piece in sentences(text) if not piece.endswith("?")]
    stems = [frozenset(keywords(piece)) for piece in pieces]
    spread = Counter(word for piece in stems for word in piece)
    asked = frozenset(keywords(question)) - _EMPTY
    weights = [sum(1 / spread[word] + 1 for word in asked & piece) for piece in stems]
    scores = [
        weight
        + _suits(question, piece) * bool(weight)
        + (weights[at - 1] / 2 if at and _PRONOUN.match(piece) else 0)
        for at, (piece, weight) in enumerate(zip(pieces, weights, strict=True))
    ]
    top = max(scores, default=0)
    if top <= 0:
        return ""
    ranked = sorted(range(len(pieces)), key=lambda at: -scores[at])[:_MOST_SENTENCES]
    return " ".join(pieces[at] for at in sorted(ranked) if scores[at] >= 0.75 * top)


def _suits(question: str, sentence: str) -> float:
    """Half a word's worth for a sentence that has what the question word asks for: a number, a name."""
    opening = question.casefold()
    if re.search(r"\b(?:when|how (?:many|much|old|long|far)|year|date)\b", opening):
        return 0.5 if numbers(sentence) else 0
    return 0.5 if re.search(r"\b(?:who|whose|where)\b", opening) and names(sentence) else 0


def summary(text: str) -> str:
    """The first sentence and the two whose words come up most often, in the text's order."""
    pieces = [piece for piece in sentences(_without_metadata(text)) if len(piece.split()) > 2] or [
        text.strip()
    ]
    spread = Counter(word for piece in pieces for word in keywords(piece))

    def weight(at: int) -> float:
        stems = keywords(pieces[at])
        return sum(spread[word] for word in stems) / (len(stems) + 3)

    central = sorted(range(1, len(pieces)), key=weight, reverse=True)[: _MOST_SENTENCES - 1]
    return " ".join(pieces[at] for at in (0, *sorted(central)))
