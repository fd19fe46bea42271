"""What the sandbox's model says: the same request always gets the same, sensible answer.

A request is read into a `Conversation`; the first behaviour of the table below that has something to say answers it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from openrouter_opts.sandbox.model.clues import Clues
from openrouter_opts.sandbox.model.code_act import code_act
from openrouter_opts.sandbox.model.conversation import AskedCall, Conversation, ToolResult, read
from openrouter_opts.sandbox.model.handoff import hand_over
from openrouter_opts.sandbox.model.media import picture
from openrouter_opts.sandbox.model.prompts import chosen, relevance, respond
from openrouter_opts.sandbox.model.react import react
from openrouter_opts.sandbox.model.retrieval import answer_from, best_sentences, read_prompt
from openrouter_opts.sandbox.model.schema import fill
from openrouter_opts.sandbox.model.skills import converse, practise, styled
from openrouter_opts.sandbox.model.text import quoted, topic
from openrouter_opts.sandbox.model.tool_choice import call_in_words, choose_calls

__all__ = ["Answer", "AskedCall", "answer"]

_LONG_RESULT = 800


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says: text, tool calls, its reasoning when it was asked for, and pictures as data URLs."""

    text: str | None
    tool_calls: tuple[AskedCall, ...] = ()
    reasoning: str | None = None
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Move:
    """What a behaviour decided, and why in one sentence."""

    why: str
    text: str | None = None
    calls: tuple[AskedCall, ...] = ()
    images: tuple[str, ...] = ()


def answer(body: Mapping[str, Any], *, reasons: bool) -> Answer:
    """The answer to a chat request that has been checked already.

    Args:
        body: The request, as `POST /chat/completions` takes it. It is not changed.
        reasons: Whether to give `reasoning` as well.
    """
    talk = _with_evidence(_asked_in_words(read(body)))
    move = next(move for behaviour in _BEHAVIOURS if (move := behaviour(talk)))
    text = _continued(talk.prefill, move.text) if move.text is not None else None
    return Answer(text, move.calls, _reasoning(talk, move) if reasons else None, move.images)


def _with_evidence(talk: Conversation) -> Conversation:
    """A choice among numbered options, or their ranking, is made before anything is filled in from it."""
    number = chosen(talk)
    if number is not None:
        return replace(
            talk, evidence=f"index: {number}\nchoice: {number}\nselection: {number}\nreason: It fits best."
        )
    ranked = relevance(talk) if talk.schema is not None or talk.forced else {}
    if not ranked:
        return talk
    # Nothing but this, since the numbers in the instructions are no answer.
    return replace(
        talk,
        question="\n".join(f"document_number: {each}\nrelevance: {score}" for each, score in ranked.items()),
    )


def _reasoning(talk: Conversation, move: _Move) -> str:
    asked = (
        f"The user asks about {topic(talk.question)}."
        if talk.question.strip()
        else "The user asks nothing yet."
    )
    known = f" {len(talk.results)} tool result(s) are known by now." if talk.results else ""
    return f"{asked}{known} {move.why}"


def _continued(prefill: str, text: str) -> str:
    """The text without the beginning that the caller has written already."""
    begun = prefill.rstrip()
    overlap = next(
        (size for size in range(min(len(begun), len(text)), 0, -1) if begun.endswith(text[:size])), 0
    )
    return text[overlap:] if overlap or not begun else f"{'' if prefill[-1:].isspace() else ' '}{text}"


# -- behaviours, in the order in which they are tried ------------------------------------------------------------------


def _use_protocol(talk: Conversation) -> _Move | None:
    """Some agents ask for tools in text; the same machinery answers, in their format."""
    protocol = react(talk) or code_act(talk)
    if protocol is None:
        return None
    observed = protocol.observe(talk)
    calls = choose_calls(observed)
    if calls:
        thought = f"I need the tool {calls[0].name} to answer the question."
        return _Move(thought, protocol.action(thought, calls[0]))
    said = _say(observed)
    return _Move(said.why, protocol.final(said.text or ""))


def _call_tools(talk: Conversation) -> _Move | None:
    handed = hand_over(talk)
    calls = _forms(talk) or choose_calls(talk) or ((handed,) if handed else ())
    if not calls:
        return None
    return _Move(f"The tools fit, so I call {' and '.join(map(call_in_words, calls))}.", calls=calls)


def _forms(talk: Conversation) -> tuple[AskedCall, ...]:
    """The one tool that must be called, where there is a text to answer from: a form for the answer."""
    tool = next((tool for tool in talk.tools if tool.name == talk.forced), None)
    if tool is None or talk.results or read_prompt(talk.question, talk.system) is None:
        return ()
    return (AskedCall(tool.name, _json_answer(talk, {"type": "object", **tool.parameters})),)


def _fill_schema(talk: Conversation) -> _Move | None:
    if talk.schema is None:
        return None
    value = _json_answer(talk, talk.schema)
    return _Move("The answer must be JSON, so I fill in its fields.", json.dumps(value, ensure_ascii=False))


def _draw(talk: Conversation) -> _Move | None:
    if not talk.draws:
        return None
    subject = topic(talk.question)
    image = picture(talk.question, talk.seed)
    return _Move(
        "A picture is wanted, so I draw a small one.", f"Here is an image: {subject}.", images=(image,)
    )


def _say(talk: Conversation) -> _Move:
    """Plain words, from the first source that has some."""
    return next(move for source in _SOURCES if (move := source(talk)))


_BEHAVIOURS: tuple[Callable[[Conversation], _Move | None], ...] = (
    _use_protocol,
    _call_tools,
    _fill_schema,
    _draw,
    _say,
)


# -- sources of plain words --------------------------------------------------------------------------------------------


def _from_results(talk: Conversation) -> _Move | None:
    if not talk.results:
        return None
    lines = [_reported(result, talk.question) for result in talk.results]
    text = lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)
    return _Move("The tools have answered, so I report what they say.", text)


def _reported(result: ToolResult, question: str) -> str:
    said = "failed" if result.failed else "says"
    text = result.text.strip() or "(nothing)"
    if len(text) > _LONG_RESULT:
        text = best_sentences(text, question) or f"{text[:_LONG_RESULT]}…"
    return f"{call_in_words(result.call)} {said}: {text}"


def _from_prompt_form(talk: Conversation) -> _Move | None:
    text = respond(talk)
    return _Move("The prompt asks for a certain form, so I keep to it.", text) if text else None


def _from_context(talk: Conversation) -> _Move | None:
    reading = read_prompt(talk.question, talk.system)
    if reading is None:
        return None
    return _Move("The text given with the question answers it.", styled(answer_from(reading), talk))


def _from_attachments(talk: Conversation) -> _Move | None:
    if not talk.attachments:
        return None
    given = ", ".join(one.description for one in talk.attachments)
    return _Move("Something is attached, so I say what it is.", f"You gave me {given}. {_asked_for(talk)}")


def _asked_for(talk: Conversation) -> str:
    return f"You ask: “{topic(talk.question)}”." if talk.question.strip() else "What shall I do with it?"


def _from_skills(talk: Conversation) -> _Move | None:
    practised = practise(talk)
    if practised is None:
        return None
    name, text = practised
    return _Move(f"That calls for {name}.", styled(text, talk))


def _from_nothing(talk: Conversation) -> _Move:
    return _Move("Nothing special is needed, so I answer in general terms.", styled(converse(talk), talk))


_SOURCES: tuple[Callable[[Conversation], _Move | None], ...] = (
    _from_results,
    _from_prompt_form,
    _from_context,
    _from_attachments,
    _from_skills,
    _from_nothing,
)


# -- JSON --------------------------------------------------------------------------------------------------------------

_MOST_BRACES = 50
_WANTS_JSON = re.compile(
    r"\bJSON schema to follow\b|\b(?:output|return|answer with|reply with)\b[^.\n]*\bJSON\b", re.IGNORECASE
)
_KEYS = re.compile(r"\b(?:keys?|fields?|properties|attributes)\b", re.IGNORECASE)


def _json_answer(talk: Conversation, schema: Mapping[str, Any]) -> Any:
    """A value for the schema; a free JSON object takes the keys that the prompt names."""
    spoken = _say(replace(talk, schema=None)).text or ""
    wanted = schema or _schema_from(f"{talk.system}\n{talk.question}")
    told = "\n".join((talk.evidence, *(result.text for result in talk.results), talk.question))
    clues = Clues(
        told, whole=f"{talk.question}\n{told}" if talk.results else "", spoken=spoken, seed=talk.seed
    )
    return fill(wanted, clues, eager=True)


def _schema_from(prompt: str) -> Mapping[str, Any]:
    """A schema written into the prompt, or one with the keys that the prompt puts in quotation marks."""
    written = _embedded_schema(prompt)
    if written is not None:
        return written
    keys = (
        [span.text for span in quoted(prompt) if re.fullmatch(r"\w{1,40}", span.text)]
        if _KEYS.search(prompt)
        else []
    )
    names = dict.fromkeys(keys or ["answer"])
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
    }


def _asked_in_words(talk: Conversation) -> Conversation:
    """The conversation with the schema, and what is said of it, taken out of the question, where that asks for JSON in words."""
    prompt = talk.question
    if '{{"' in prompt:  # LlamaIndex sends the braces as it escapes them for its templates
        prompt = prompt.replace("{{", "{").replace("}}", "}")
    found = _schema_within(prompt) if _WANTS_JSON.search(prompt) else None
    if found is None or talk.schema is not None:
        return talk
    schema, start, end = found
    before = prompt[:start].rstrip()
    if before.endswith(":"):
        before = before[: before.rfind("\n") + 1]
    after = "\n".join(line for line in prompt[end:].split("\n") if "JSON" not in line)
    return replace(talk, question=before + after, schema=schema)


def _embedded_schema(prompt: str) -> Mapping[str, Any] | None:
    found = _schema_within(prompt)
    return found[0] if found else None


def _schema_within(prompt: str) -> tuple[Mapping[str, Any], int, int] | None:
    """A schema of an object that is written into the prompt, and where it stands."""
    start, last = prompt.find("{"), prompt.rfind('"properties"')
    for _ in range(_MOST_BRACES):
        if not 0 <= start < last:
            break
        try:
            found, end = json.JSONDecoder().raw_decode(prompt, start)
        except ValueError:  # an example in braces, not JSON: the next brace may open the schema
            found, end = None, start + 1
        if isinstance(found, dict) and isinstance(found.get("properties"), dict) and "type" in found:
            return found, start, end
        start = prompt.find("{", end)
    return None
