"""Tool calls that must not be run, kept that way by whoever puts the pieces of an answer together.

langchain-core reads the pieces of calls again whenever a chunk is made, from JSON or by adding, and mends arguments that are half a JSON
object. So the last piece of a broken call is one that it can't mend.
"""

from __future__ import annotations

import re
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.utils.json import parse_partial_json

from langchain_openrouter_opts.results import MODEL_PROVIDER, tool_calls
from openrouter_opts.protocol.completion import Choice, ToolCall

_NOTE: Final = "\n… and here it breaks off: not to be run "
# One of these closes what isn't open, wherever the arguments end: outside of a string or in it, in an object or in a list.
_CLOSERS: Final = ("]", "}", '"]', '"}')
_END: Final = re.compile(re.escape(_NOTE) + '"?[]}]$')


def end_of(arguments: str) -> str:
    """Return the piece that ends the arguments of a broken call, such that langchain-core takes the whole for broken too."""
    ends = (_NOTE + closer for closer in _CLOSERS)
    return next(end for end in ends if parse_partial_json(arguments + end) is None)


def written(arguments: str | None) -> str | None:
    """Return the arguments of a broken call as the model wrote them."""
    return arguments and _END.sub("", arguments)


def read_strictly(message: AIMessageChunk) -> tuple[list[Any], list[Any]]:
    """Return the calls of a sum of chunks that may be run, and those that must not."""
    pieces = [
        ToolCall(piece["id"] or "", piece["name"] or "", written(piece["args"]) or "")
        for piece in message.tool_call_chunks
        if piece["id"] or piece["name"] or written(piece["args"])
    ]
    return tool_calls(
        Choice(tool_calls=tuple(pieces), finish_reason=message.response_metadata.get("finish_reason"))
    )


def sent_back(message: AIMessage) -> list[Any]:
    """Return the calls of a message that goes back, the broken ones with the text that the model wrote."""
    broken = {}
    if (
        isinstance(message, AIMessageChunk)
        and message.response_metadata.get("model_provider") == MODEL_PROVIDER
    ):
        broken = {call["id"]: call for call in read_strictly(message)[1]}
    return [
        *(broken.get(call["id"], call) for call in message.tool_calls),
        *({**call, "args": written(call["args"])} for call in message.invalid_tool_calls),
    ]
