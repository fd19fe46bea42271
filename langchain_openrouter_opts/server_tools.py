"""What a server did by itself in the middle of an answer: a search, code that ran, a tool behind MCP.

OpenRouter keeps its own server tools in `reasoning_details`, which go back as they came. Those of other integrations it can't take up
again, so what they did and found becomes text, since the answer after it rests on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from langchain_openrouter_opts.media import Block
from openrouter_opts.protocol.completion import ToolCall
from openrouter_opts.protocol.replay import json_text


class Call(NamedTuple):
    """A call that a server answered itself."""

    id: str | None
    name: str
    args: Any


class Result(NamedTuple):
    """What came of it."""

    id: str | None
    output: Any
    failed: bool = False


def notes(blocks: Iterable[Block]) -> list[str | None]:
    """Return for each block of a message the text that stands for it; `None` if it is not about a server's tools.

    A call is told together with its result, where the call stands; then the result has the text `""`.
    """
    read = [_read(block) for block in blocks]
    told = _with_ids(read)
    results = {each.id: each for said in told for each in said if isinstance(each, Result)}
    called = {each.id for said in told for each in said if isinstance(each, Call)}

    def note(each: Call | Result) -> str:
        if isinstance(each, Result):
            return "" if each.id in called else f"[a tool of the server {_ending(each)}]"
        return f"[{each.name}({_as_text(each.args)}) {_ending(results.get(each.id))}]"

    texts = ["\n".join(filter(None, map(note, said))) for said in told]
    return [None if said is None else text for said, text in zip(read, texts, strict=True)]


def _with_ids(read: Iterable[list[Call | Result] | None]) -> list[list[Call | Result]]:
    """Number the calls that have no id, and the results that have none, which come in the same order."""
    numbers: dict[type, Iterator[int]] = {Call: count(), Result: count()}
    return [
        [each if each.id else each._replace(id=f"#{next(numbers[type(each)])}") for each in said or ()]
        for said in read
    ]


def of_openrouter(details: Sequence[Any] | None) -> list[tuple[Call, Result]]:
    """Return the server tools that `reasoning_details` tell of; a call without an id is given one."""
    kind = "reasoning.server_tool_call"
    served = [each for each in details or () if isinstance(each, Mapping) and each.get("type") == kind]
    return [
        (
            Call(call_id, str(entry.get("tool_name") or ""), _parsed(entry.get("arguments"))),
            Result(call_id, entry.get("result")),
        )
        for number, entry in enumerate(served)
        for call_id in [entry.get("tool_call_id") or f"server_tool_{number}"]
    ]


def _ending(result: Result | None) -> str:
    output = _as_text(result.output) if result and result.output else ""
    if result and result.failed:
        return f"failed: {output}" if output else "failed"
    return f"returned: {output}" if output else "was run"


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(_readable(value))


def _readable(value: Any) -> Any:
    """Leave out what only its maker can read, and what is no text."""
    if isinstance(value, Mapping):
        return {key: _readable(each) for key, each in value.items() if not str(key).startswith("encrypted_")}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    is_data = isinstance(value, bytes) or (isinstance(value, str) and value.startswith("data:"))
    return "(data)" if is_data else value


def _parsed(arguments: Any) -> Any:
    """Return arguments that may be JSON text; text that is no JSON stays text."""
    if not isinstance(arguments, str):
        return arguments or {}
    args = ToolCall("", "", arguments).args
    return arguments if args is None else args


# --- how each integration writes them ---


def _read(block: Block) -> list[Call | Result] | None:
    kind = str(block.get("type"))
    # Anthropic has a type for the result of each of its tools.
    read = _result if kind.endswith("_tool_result") else _READERS.get(kind)
    return None if read is None else list(read(block))


def _call(block: Block) -> Iterator[Call]:
    """LangChain's and Anthropic's; `partial_json` is what a stream leaves."""
    extras = block.get("extras") or {}
    # Of a tool behind MCP, LangChain keeps the name beside.
    name = extras.get("tool_name") or block.get("name")
    args = block.get("args") or block.get("input") or block.get("partial_json")
    yield Call(block.get("id"), str(name or ""), _parsed(args))


def _result(block: Block) -> Iterator[Result]:
    output = block.get("output", block.get("content"))
    refused = isinstance(output, Mapping) and bool(output.get("error_code"))
    failed = refused or bool(block.get("is_error")) or block.get("status") == "error"
    yield Result(block.get("tool_call_id", block.get("tool_use_id")), output, failed)


def _code(block: Block) -> Iterator[Call]:
    """Google's: neither it nor its result need have an id."""
    yield Call(None, "code_interpreter", {"code": block.get("executable_code")})


def _code_result(block: Block) -> Iterator[Result]:
    yield Result(None, block.get("code_execution_result"), block.get("outcome", 1) != 1)


def _item(name: str, asked: str, found: str) -> Callable[[Block], Iterator[Call | Result]]:
    """Return a reader for an item of OpenAI's Responses, or of Groq, which holds call and result in one.

    Args:
        name: The tool, if the item doesn't name it.
        asked: Where the arguments are.
        found: Where the result is: beside them, or among them.
    """

    def read(block: Block) -> Iterator[Call | Result]:
        given = block.get(asked)
        given = _parsed(given) if asked == "arguments" else given
        args = dict(given) if isinstance(given, Mapping) else {asked: given} if given else {}
        among = args.pop(found, None)
        error = block.get("error")
        yield Call(block.get("id"), str(block.get("name") or name), args)
        yield Result(
            block.get("id"),
            error or block.get(found) or among,
            bool(error) or block.get("status") == "failed",
        )

    return read


def _nothing(_block: Block) -> Iterator[Call]:
    """Which tools there are to choose from, and pieces of what the message holds whole: of no use to a later model."""
    yield from ()


_READERS: Final[Mapping[str, Callable[[Block], Iterator[Call | Result]]]] = {
    "server_tool_call": _call,
    "server_tool_use": _call,
    "mcp_tool_use": _call,
    "executable_code": _code,
    "code_execution_result": _code_result,
    "web_search_call": _item("web_search", "action", "sources"),
    "file_search_call": _item("file_search", "queries", "results"),
    "code_interpreter_call": _item("code_interpreter", "code", "outputs"),
    "mcp_call": _item("mcp", "arguments", "output"),
    "mcp_approval_request": _item("mcp", "arguments", "output"),
    "tool_search_call": _item("tool_search", "arguments", "tools"),
    "executed_tools": _item("tool", "arguments", "output"),
    "mcp_list_tools": _nothing,
    "tool_search_output": _nothing,
    "server_tool_call_chunk": _nothing,
}
