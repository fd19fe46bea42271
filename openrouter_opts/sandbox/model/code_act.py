"""The text protocol of agents that act by code: Python between `<execute>` and `</execute>`, and what it printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from openrouter_opts.sandbox.model.conversation import AskedCall, Conversation, FunctionTool
from openrouter_opts.sandbox.model.protocol import Protocol
from openrouter_opts.sandbox.model.tool_choice import call_in_words

_CODE = re.compile(r"<execute>(.*?)</execute>", re.DOTALL)
_FUNCTION = re.compile(r"^def \w+\(.*\).*:$(?:\n\s*\"\"\"\n(?P<told>(?:.*\n)*?)\s*\"\"\"$)?", re.MULTILINE)
_RESULT = re.compile(r"^\s*Result of executing the code given:\s*")
_TYPES: Final = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}


def code_act(talk: Conversation) -> Protocol | None:
    """The protocol, if the system prompt lays it down."""
    if not _CODE.search(talk.system):
        return None
    # What stands between the tags is an example of code.
    tools = tuple(_tools(_CODE.sub("", talk.system)))
    return Protocol(tools, _action, str, _asked, _RESULT)


def _tools(described: str) -> Iterator[FunctionTool]:
    for match in _FUNCTION.finditer(described):
        head = match.group().partition("\n")[0]
        with suppress(SyntaxError, ValueError):  # prose that begins like a function
            (function,) = ast.parse(f"{head} ...").body
            assert isinstance(function, ast.FunctionDef)
            yield FunctionTool(function.name, (match["told"] or "").strip(), _parameters(function))


def _parameters(function: ast.FunctionDef) -> dict[str, Any]:
    given = function.args
    by_place = [*given.posonlyargs, *given.args]
    needed = by_place[: len(by_place) - len(given.defaults)]
    needed += [each for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if not default]
    properties = {each.arg: _schema(each.annotation) for each in (*by_place, *given.kwonlyargs)}
    return {"type": "object", "properties": properties, "required": [each.arg for each in needed]}


def _schema(annotation: ast.expr | None) -> dict[str, Any]:
    match annotation:
        case ast.Name(id=name) | ast.Constant(value=str(name)) if name in _TYPES:
            return {"type": _TYPES[name]}
    return {}


def _action(thought: str, call: AskedCall) -> str:
    return f"{thought}\n<execute>\nprint({call_in_words(call)})\n</execute>"


def _asked(text: str) -> AskedCall | None:
    """The call in code of the form that `_action` writes; None for code of another form, which someone put into the history."""
    code = _CODE.search(text)
    with suppress(SyntaxError, ValueError):
        match ast.parse(code[1].strip() if code else "", mode="eval").body:
            case ast.Call(func=ast.Name(id="print"), args=[ast.Call(func=ast.Name(id=name), keywords=given)]):
                return AskedCall(
                    name, {each.arg: ast.literal_eval(each.value) for each in given if each.arg is not None}
                )
    return None
