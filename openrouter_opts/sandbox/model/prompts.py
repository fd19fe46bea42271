"""The other prompts that retrieval frameworks send: rephrase, pick, rank, name keywords, think of queries.

Each is known by what it asks to be written, not by its whole wording, so that a user's own variant works as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from openrouter_opts.sandbox.model.conversation import Conversation
from openrouter_opts.sandbox.model.retrieval import fenced
from openrouter_opts.sandbox.model.text import STOP_WORDS, capitalised, keywords, names, topic, words

_CHOICE = re.compile(r"^\((\d+)\)\s*(.*)$", re.MULTILINE)
_CHOOSE = re.compile(r"most relevant to the\s+question:\s*'(.+?)'", re.DOTALL)
_DOCUMENT = re.compile(r"^Document (\d+):\s*$", re.MULTILINE)
_RANKED = re.compile(r"\bDoc: \d+, Relevance: \d+")
_RANK = re.compile(r"\brelevance score\b", re.IGNORECASE)
_STANDALONE = re.compile(r"standalone question", re.IGNORECASE)
_FOLLOW_UP = re.compile(
    r"^\W*Follow[ -]?Up (?:Input|Message|Question)[>:]\s*(.+?)\s*(?:^\W*Standalone|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|he|him|his|she|her|this|that|there)\b", re.IGNORECASE)
_KEYWORDS = re.compile(r"KEYWORDS: <keywords>")
_KEYWORD_COUNT = re.compile(r"up to (\d+)\s+keywords")
_UNIQUE_KEYWORDS = re.compile(r"(.*)\bGive (\d+) unique keywords for this document\b", re.DOTALL)
_QUESTIONS = re.compile(
    r"(?:[^\n]*:\n)?(.*?)(?:\n\s*\n[^\n]*)?\bgenerate (\d+) questions this context can\b", re.DOTALL
)
_QUERIES = re.compile(
    r"\bgenerate (\w+) (?:search queries|(?:different )?versions of the (?:given )?user question)"
    r".*(?:^Query|Original question):\s*([^\n]+)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_SUB_QUESTIONS = re.compile(
    r"<Tools>\s*```json\s*(\{.*?\})\s*```\s*<User Question>\s*(.+?)\s*<Output>\s*\Z", re.DOTALL
)
_NEXT_CLAUSE = re.compile(r",?\s+and\s+(?=(?:who|what|when|where|which|why|how)\s+\w+\s+\w)", re.IGNORECASE)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}


def chosen(talk: Conversation) -> int | None:
    """The number of the choice that fits best, when the prompt lists some as `(1) …` and asks to choose."""
    asked = _CHOOSE.search(talk.question)
    choices = _CHOICE.findall(talk.question) if asked else []
    if not asked or not choices:
        return None
    wanted = set(keywords(asked[1]))
    return int(max(choices, key=lambda choice: len(wanted.intersection(keywords(choice[1]))))[0])


def respond(talk: Conversation) -> str | None:
    """The answer in the form that the prompt asks for; None for a prompt that is none of these."""
    return next((text for form in _FORMS if (text := form(talk))), None)


def _choice(talk: Conversation) -> str | None:
    number = chosen(talk)
    if number is None:
        return None
    reason = "It shares the most words with the question."
    if "ANSWER: <number" in talk.question:
        return f"ANSWER: {number}. {reason}"
    return json.dumps([{"choice": number, "reason": reason}])


def relevance(talk: Conversation) -> dict[int, int]:
    """How well each document that the prompt numbers fits its question, from 1 to 10: those that share words with it, best first."""
    examples = list(_RANKED.finditer(talk.question))
    if not examples and not _RANK.search(talk.question):
        return {}
    # Everything up to the last example line is instruction.
    shown = talk.question[examples[-1].end() :] if examples else talk.question
    listed, _, asked = shown.rpartition("Question:")
    wanted = set(keywords(asked.removesuffix("\n").removesuffix("Answer:")))
    pieces = _DOCUMENT.split(listed)[1:]
    shared = {
        int(number): len(wanted.intersection(keywords(text)))
        for number, text in zip(pieces[::2], pieces[1::2], strict=True)
    }
    ranked = sorted((number for number, count in shared.items() if count), key=lambda number: -shared[number])
    return {number: min(10, 4 + 2 * shared[number]) for number in ranked}


def _ranking(talk: Conversation) -> str | None:
    if not _RANKED.search(talk.question):
        return None
    return (
        "\n".join(f"Doc: {number}, Relevance: {score}" for number, score in relevance(talk).items()) or None
    )


def _standalone(talk: Conversation) -> str | None:
    """The follow-up question with its pronouns replaced by what the conversation was about."""
    in_prompt = _FOLLOW_UP.search(talk.question) if _STANDALONE.search(talk.question) else None
    if in_prompt:
        return _resolved(in_prompt[1], talk.question[: in_prompt.start()])
    if _STANDALONE.search(talk.system):
        return _resolved(talk.question, "\n".join(turn.text for turn in talk.earlier))
    return None


def _resolved(question: str, history: str) -> str:
    known = [
        span.text
        for span in sorted(names(history), key=lambda span: span.start)
        if span.text not in _SPEAKERS
    ]
    if not known or names(question):
        return question
    replaced, count = _PRONOUN.subn(known[-1], question, count=1)
    return replaced if count else f"{question.rstrip(' ?.')} (about {known[-1]})?"


_SPEAKERS = frozenset({"Human", "Assistant", "User", "AI", "Chat History", "System"})


def _keywords(talk: Conversation) -> str | None:
    if unique := _UNIQUE_KEYWORDS.match(talk.question):
        return ", ".join(_told(unique[1])[: int(unique[2])])
    if not _KEYWORDS.search(talk.question):
        return None
    pieces = re.split(r"-{3,}", talk.question)
    most = _KEYWORD_COUNT.search(talk.question)
    told = _told(pieces[1] if len(pieces) > 2 else talk.question)
    return f"KEYWORDS: {', '.join(told[: int(most[1]) if most else 10])}"


def _told(text: str) -> list[str]:
    """The words that carry meaning, each once."""
    body = fenced(text) or text
    return list(dict.fromkeys(word for word in words(body) if word not in STOP_WORDS))


def _questions(talk: Conversation) -> str | None:
    """Questions that a text answers: about the names in it, and then about what else it tells of."""
    asked = _QUESTIONS.match(talk.question) if "questions this context can" in talk.question else None
    if asked is None:
        return None
    told = _told(asked[1])
    known = [span.text for span in names(fenced(asked[1]) or asked[1])]
    subjects = list(dict.fromkeys([*known, *told]))[: int(asked[2])]
    return "\n".join(f"{at}. What is told about {subject}?" for at, subject in enumerate(subjects, 1))


def _queries(talk: Conversation) -> str | None:
    match = _QUERIES.search(talk.question)
    if match is None:
        return None
    wanted = int(match[1]) if match[1].isdigit() else _COUNTS.get(match[1].casefold(), 3)
    return "\n".join(_variants(match[2].strip(), wanted))


def _variants(question: str, wanted: int) -> Iterator[str]:
    subject = topic(question)
    for at in range(min(wanted, 20)):
        yield _VARIANTS[at % len(_VARIANTS)].format(question, subject)


_VARIANTS = ("{0}", "What is known about {1}?", "{1} explained", "Details on {1}", "Examples of {1}")


def _sub_questions(talk: Conversation) -> str | None:
    """The part of the user's question that each tool fits; all of it for all of them where none does."""
    matches = list(_SUB_QUESTIONS.finditer(talk.question[talk.question.rfind("<Tools>") :]))
    if not matches:
        return None
    tools: dict[str, str] = json.loads(matches[0][1])
    asked = matches[0][2]
    fitting = {name: part for name, told in tools.items() if (part := _part_for(f"{name} {told}", asked))}
    items = [
        {"sub_question": part, "tool_name": name}
        for name, part in (fitting or dict.fromkeys(tools, asked)).items()
    ]
    return f"```json\n{json.dumps({'items': items}, ensure_ascii=False)}\n```"


def _part_for(tool: str, question: str) -> str | None:
    """The clause of the question that shares most words with what a tool says of itself."""
    known = set(keywords(tool))

    def shared(clause: str) -> int:
        return len(known.intersection(keywords(clause)))

    best = max(_NEXT_CLAUSE.split(question), key=shared)
    return f"{capitalised(best.strip(' ?.'))}?" if shared(best) else None


_FORMS: tuple[Callable[[Conversation], str | None], ...] = (
    _choice,
    _ranking,
    _standalone,
    _keywords,
    _questions,
    _queries,
    _sub_questions,
)
