"""Deciding on tool calls: which tools a question speaks for, how often, and with which arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from openrouter_opts.sandbox.model.arithmetic import Operation, find_sum, plain, steps
from openrouter_opts.sandbox.model.clues import Clues
from openrouter_opts.sandbox.model.conversation import AskedCall, Conversation, FunctionTool, ToolResult
from openrouter_opts.sandbox.model.schema import fill
from openrouter_opts.sandbox.model.text import gist, keywords, names, numbers, quoted, stem, word_set, words

_FITS = 3
_MOST_CLAUSES = 40
_CLAUSE = re.compile(
    r"(\s*;\s*|(?<=[?!])\s+|\.\s+(?=[A-Z])|,?\s+(?:and then|then|and also|and|as well as|plus|or|vs\.?|versus|with the)\s+|,\s+)"
)
_BACK = re.compile(
    r"\b(?:the|that|this|its)\s+(?:result|answer|sum|product|total|outcome|difference|quotient)\b|\b(?:it|that)\b",
    re.IGNORECASE,
)
_TOLD_TO_USE = re.compile(
    r"\b(?:us(?:e|ing)|call(?:ing)?|invok(?:e|ing))\b[^.?!]*\b(?:tools?|functions?)\b", re.IGNORECASE
)
_ASKS = re.compile(
    r"^\W*(?:who|what|when|where|which|why|how|is|are|was|were|does|do|did|can|tell me|explain|describe|find|look|search)\b",
    re.IGNORECASE,
)
_EMPTY_WORDS = frozenset(
    stem(word)
    for word in word_set(
        """get set fetch find use tool function make return given value input output call using useful run
    natural language user provide provides give take check current based new string float int integer str number list
    request"""
    )
)
_CONCEPTS: Mapping[str, str] = {
    stem(word): group.split()[0]
    for group in (
        "weather forecast temperature sunny rain raining hot cold umbrella climate degrees",
        "search lookup look google web internet browse retrieve retriever query knowledge wikipedia rag document",
        "email mail send",
        "calculate calculator compute math arithmetic evaluate",
        "convert conversion converter exchange",
        "add adder plus sum addition",
        "subtract minus difference subtraction",
        "multiply times product multiplication multiplier",
        "divide quotient division",
        "power exponent exponentiate",
        "modulo remainder mod",
        "price cost quote stock",
    )
    for word in group.split()
}


@dataclass(frozen=True, slots=True)
class _Task:
    """One tool and the part of the question that speaks for it."""

    tool: FunctionTool
    text: str


def choose_calls(talk: Conversation) -> tuple[AskedCall, ...]:
    """The calls to make now: none when no tool fits, all have answered, or tools are off."""
    talk = replace(talk, question=gist(talk.question))
    tools = tuple(tool for tool in talk.tools if talk.forced in (None, tool.name))
    if talk.tool_choice == "none" or not tools:
        return ()
    planned = _unique(_planned(talk, tools))
    calls = _not_made(planned, talk.results)
    if not calls and talk.tool_choice == "required":
        calls = (_obliged(talk, tools),)
    return calls if talk.parallel else calls[:1]


def _unique(calls: Iterator[AskedCall]) -> tuple[AskedCall, ...]:
    kept: list[AskedCall] = []
    for call in calls:
        if call not in kept:
            kept.append(call)
    return tuple(kept)


def _not_made(planned: tuple[AskedCall, ...], results: tuple[ToolResult, ...]) -> tuple[AskedCall, ...]:
    """The planned calls that are still open.

    A call made with other arguments than planned (someone edited the history) counts as made, unless it failed.
    """
    made = [result.call for result in results]
    open_calls = [call for call in planned if call not in made]
    spare: dict[str, int] = {}
    for result in results:
        if result.call not in planned and not result.failed:
            spare[result.call.name] = spare.get(result.call.name, 0) + 1
    kept: list[AskedCall] = []
    for call in open_calls:
        if spare.get(call.name, 0):
            spare[call.name] -= 1
        else:
            kept.append(call)
    return tuple(kept)


def _obliged(talk: Conversation, tools: tuple[FunctionTool, ...]) -> AskedCall:
    """The call when one is required and none fits: of the tools called least often the one that fits best."""
    called = [result.call.name for result in talk.results]
    least = min(called.count(tool.name) for tool in tools)
    open_tools = [tool for tool in tools if called.count(tool.name) == least]
    best = max(open_tools, key=lambda tool: _relevance(tool, talk.question))
    return _call(_Task(best, talk.question), talk)


def _planned(talk: Conversation, tools: tuple[FunctionTool, ...]) -> Iterator[AskedCall]:
    """Every call that the question needs, as far as it can be known by now."""
    last: AskedCall | None = None
    for task in _tasks(talk, tools):
        text = _with_result(task.text, last, talk.results)
        if text is None:
            return
        for last in _sum_calls(text, tools, talk.results) or (_call(_Task(task.tool, text), talk),):
            yield last


def _with_result(text: str, last: AskedCall | None, results: tuple[ToolResult, ...]) -> str | None:
    """The text with "the result" replaced by the last call's result; None while that isn't there."""
    if last is None or not _BACK.search(text):
        return text
    known = _result_of(last, results)
    return None if known is None else _BACK.sub(lambda _: known, text, count=1)


def _result_of(call: AskedCall, results: tuple[ToolResult, ...]) -> str | None:
    text = next((result.text for result in results if result.call == call), None)
    found = numbers(text) if text is not None and len(text) < 200 else ()
    return str(found[-1].value) if found else text


def _call(task: _Task, talk: Conversation) -> AskedCall:
    told = "\n".join((talk.question, *(result.text for result in talk.results)))
    clues = Clues(f"{talk.evidence}\n{task.text}".strip(), whole=told, seed=talk.seed)
    arguments = fill({"type": "object", **task.tool.parameters}, clues)
    return AskedCall(task.tool.name, arguments if isinstance(arguments, dict) else {})


# -- from the question to tasks ----------------------------------------------------------------------------------------


def _tasks(talk: Conversation, tools: tuple[FunctionTool, ...]) -> tuple[_Task, ...]:
    """The tools that the question's clauses speak for, each with its part of the question."""
    found: list[_Task] = []
    aside: list[str] = []
    for separator, clause in _clauses(talk.question):
        tool = _best(tools, clause)
        last = found[-1] if found else None
        before = last.tool if last else _used_before(talk, tools)
        if tool and not (last and tool is last.tool and not _values(clause)):
            found.append(_Task(tool, clause if _values(clause) else " ".join((*aside, clause))))
        elif not tool and before and _bare(clause, before) and not (last and _short(last)):
            found.append(_Task(before, clause))
        elif last and (tool or not _asks(clause)):
            found[-1] = _Task(last.tool, last.text + separator + clause)
        else:
            aside.append(clause)
    return (*found, *_searches(aside, tools)) if found else _tasks_without_match(talk, tools)


def _tasks_without_match(talk: Conversation, tools: tuple[FunctionTool, ...]) -> tuple[_Task, ...]:
    """A question that names no tool may still ask for one: "use the tool", or something that a search can find."""
    if talk.forced is not None or _TOLD_TO_USE.search(talk.question):
        return (_Task(max(tools, key=lambda tool: _relevance(tool, talk.question)), talk.question),)
    return _searches([talk.question], tools)


def _searches(questions: list[str], tools: tuple[FunctionTool, ...]) -> tuple[_Task, ...]:
    """The questions that a search tool, if there is one, can find something about."""
    search = next((tool for tool in tools if "search" in _concepts(f"{tool.name} {tool.description}")), None)
    return tuple(_Task(search, question) for question in questions if _asks(question)) if search else ()


def _asks(text: str) -> bool:
    """Whether the text asks for some fact, other than the result of a sum."""
    return bool(_ASKS.match(text) and _concepts(text) and not find_sum(text))


def _clauses(question: str) -> list[tuple[str, str]]:
    """The question in clauses, each with the separator before it; a sum such as "add 3 and 4" stays whole."""
    pieces = ["", *_CLAUSE.split(question.strip(), maxsplit=_MOST_CLAUSES)]
    clauses: list[tuple[str, str]] = []
    for separator, clause in zip(pieces[::2], pieces[1::2], strict=True):
        joined = clauses[-1][1] + separator + clause if clauses else ""
        if clauses and (
            _one_place(separator, clause)
            or _sum_length(joined) > _sum_length(clauses[-1][1]) + _sum_length(clause)
        ):
            clauses[-1] = (clauses[-1][0], joined)
        elif clause:
            clauses.append((separator, clause))
    return clauses


def _one_place(separator: str, clause: str) -> bool:
    """`CA` in "San Francisco, CA" is no clause."""
    return separator.startswith(",") and re.match(r"[A-Z]{2}\b", clause) is not None


def _sum_length(text: str) -> int:
    found = find_sum(text)
    return len(tuple(steps(found))) if found else 0


def _best(tools: tuple[FunctionTool, ...], clause: str) -> FunctionTool | None:
    best = max(tools, key=lambda tool: _relevance(tool, clause))
    return best if _relevance(best, clause) >= _FITS else None


def _relevance(tool: FunctionTool, text: str) -> float:
    """How well the tool fits: its name counts most, then the words of its description and of its parameters."""
    asked = _concepts(text)
    name = _concepts(tool.name)
    described = _concepts(tool.description) | _concepts(_told_by_parameters(tool.parameters))
    in_name, elsewhere = asked & name, asked & (described - name)
    literal = 10 if tool.name and re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", text) else 0
    return literal + 3 * len(in_name) + 1.5 * len(elsewhere) + len(in_name) / (len(name) + 1)


def _told_by_parameters(parameters: Mapping[str, Any]) -> str:
    properties = parameters.get("properties") or {}
    told = (
        f"{name} {inner.get('description', '')}"
        for name, inner in properties.items()
        if isinstance(inner, Mapping)
    )
    return " ".join(told)


@lru_cache(maxsize=1024)  # every clause is compared with the same tools
def _concepts(text: str) -> frozenset[str]:
    """The meaningful words, synonyms brought together; a sum speaks for calculating and for its operations."""
    found = find_sum(text)
    operations = {step.name for step in steps(found)} | {"calculate"} if found else set()
    return (
        frozenset(_CONCEPTS.get(word, word) for word in keywords(text) if word not in _EMPTY_WORDS)
        | operations
    )


def _used_before(talk: Conversation, tools: tuple[FunctionTool, ...]) -> FunctionTool | None:
    """The tool of the conversation's last call: "And in Rome?" asks for it again."""
    last = next((turn.calls[-1].name for turn in reversed(talk.earlier) if turn.calls), None)
    return next((tool for tool in tools if tool.name == last), None)


def _bare(clause: str, tool: FunctionTool) -> bool:
    """Whether the clause only names values for the tool, such as "in Rome" or "4"."""
    known = frozenset(keywords(f"{_values(clause)} {tool.parameters}"))
    given = [word for word in keywords(clause) if word not in _EMPTY_WORDS]
    return bool(tool.parameters.get("properties") and given and _values(clause)) and known.issuperset(given)


def _values(clause: str) -> str:
    """The names, quotations and numbers in a clause."""
    found = (span.text for span in (*names(clause), *quoted(clause)))
    return " ".join((*found, *(clause[number.start : number.end] for number in numbers(clause))))


def _short(task: _Task) -> bool:
    """Whether the task's tool needs more values than its text has, so that the next clause completes it."""
    properties = task.tool.parameters.get("properties") or {}
    needed = [_type(properties.get(name)) for name in task.tool.parameters.get("required") or ()]
    wanted = sum(kind in ("integer", "number") for kind in needed)
    lists = any(_type(inner) == "array" for inner in properties.values())
    named = len(names(task.text)) + len(quoted(task.text))
    return lists or wanted > len(numbers(task.text)) or needed.count("string") > named


# -- sums --------------------------------------------------------------------------------------------------------------


def _sum_calls(
    text: str, tools: tuple[FunctionTool, ...], results: tuple[ToolResult, ...]
) -> tuple[AskedCall, ...]:
    """The calls for a sum with one tool per operation, as far as their operands are known; () if tools are missing."""
    found = find_sum(text)
    operations = tuple(steps(found)) if found else ()
    by_name = {operation.name: _tool_for(operation, tools) for operation in operations}
    calls: dict[Operation, AskedCall] = {}
    for operation in operations:
        tool = by_name[operation.name]
        if tool is None:
            return ()
        operands = [_known(side, calls, results) for side in (operation.left, operation.right)]
        if None not in operands:
            first, second = _number_parameters(tool)
            calls[operation] = AskedCall(tool.name, {first: operands[0], second: operands[1]})
    return tuple(calls.values())


def _known(
    operand: float | Operation, calls: Mapping[Operation, AskedCall], results: tuple[ToolResult, ...]
) -> int | float | None:
    """An operand's value: a number as it stands, an inner operation once its tool has answered."""
    if not isinstance(operand, Operation):
        return operand
    text = _result_of(calls[operand], results) if operand in calls else None
    found = numbers(text) if text else ()
    return plain(found[-1].value) if found else None


def _tool_for(operation: Operation, tools: tuple[FunctionTool, ...]) -> FunctionTool | None:
    """The tool for an operation: it says so, and takes exactly two numbers."""
    fitting = [tool for tool in tools if len(_number_parameters(tool)) == 2]
    named = [tool for tool in fitting if operation.name in _words_of(tool.name)]
    described = [tool for tool in fitting if operation.name in _words_of(tool.description)]
    return next(iter(named + described), None)


def _words_of(text: str) -> frozenset[str]:
    return frozenset(_CONCEPTS.get(stem(word), word) for word in words(text))


def _number_parameters(tool: FunctionTool) -> tuple[str, ...]:
    properties = tool.parameters.get("properties") or {}
    return tuple(name for name, inner in properties.items() if _type(inner) in ("integer", "number"))


def _type(schema: Any) -> Any:
    """The type that a property's schema states; `true` and `false` are schemas too."""
    return schema.get("type") if isinstance(schema, Mapping) else None


def call_in_words(call: AskedCall) -> str:
    """The call as one writes it in code."""
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"
