"""What a model thought goes back to it to the byte: after each way to call, in both output versions, and from a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    message_chunk_to_message,
    messages_from_dict,
    messages_to_dict,
)

from tests.langchain.conftest import Ask, either, model_at
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, USAGE_CHUNK, delta

Start = Callable[..., ScriptedServer]
Entry = dict[str, Any]

CLAUDE, GEMINI, OPENAI = "anthropic-claude-v1", "google-gemini-v1", "openai-responses-v1"


def text(said: str | None = None, index: int | None = 0, form: str = CLAUDE, **more: Any) -> Entry:
    given = {"text": said, "format": form, "index": index, **more}
    return {"type": "reasoning.text"} | {key: value for key, value in given.items() if value is not None}


ENCRYPTED = {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": GEMINI, "index": 0}
SECRET = {"type": "reasoning.encrypted", "data": "blob", "id": "rs_1", "format": OPENAI, "index": 0}
SUMMARY = {"type": "reasoning.summary", "format": OPENAI, "index": 0}
NOVEL = {"type": "reasoning.novel", "depth": {"b": [1, 2]}, "index": 0}
SERVED = {
    "type": "reasoning.server_tool_call",
    "tool_name": "openrouter:fusion",
    "arguments": "{}",
    "result": "r",
    "tool_call_id": "t1",
    "index": 0,
}


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        pytest.param(
            [
                [text("", signature="")],
                [text("Let me ")],
                [text("think.")],
                [text(signature="S")],
            ],
            [text("Let me think.", signature="S")],
            id="Claude's, whose signature comes last and alone",
        ),
        pytest.param(
            [[text("Hm.", form=GEMINI, signature="S")], [ENCRYPTED]],
            [text("Hm.", form=GEMINI, signature="S"), ENCRYPTED],
            id="Gemini's, which number a thought and its signature alike",
        ),
        pytest.param(
            [[{**SUMMARY, "summary": "In "}], [{**SUMMARY, "summary": "short."}], [SECRET]],
            [{**SUMMARY, "summary": "In short."}, SECRET],
            id="OpenAI's, which number a summary and what it sums up alike",
        ),
        pytest.param([[NOVEL]], [NOVEL], id="of a type that is new", marks=pytest.mark.wrong_on_purpose),
        pytest.param(
            [[text("Hm.", form="someone-v9", signature="S", depth=1)]],
            [text("Hm.", form="someone-v9", signature="S", depth=1)],
            id="of a format that is new",
        ),
        pytest.param(
            [[text("a", 0)], [text("b", 1)], [text("c", 0, signature="S")], [text("d", 1, signature="T")]],
            [text("ac", 0, signature="S"), text("bd", 1, signature="T")],
            id="two thoughts that come by turns",
        ),
        pytest.param([[SERVED]], [SERVED], id="what a server tool did"),
        pytest.param([[]], [], id="none, which DeepSeek wants back as well"),
    ],
)
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_reasoning_goes_back_to_the_byte(
    ask: Ask, scripted: Start, version: str, pieces: Sequence[list[Entry]], whole: list[Entry]
) -> None:
    answer = {"role": "assistant", "content": "So.", "reasoning": "Hm.", "reasoning_details": whole}
    body = {**COMPLETION, "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}]}
    chunks = [delta(reasoning="Hm."), *(delta(reasoning_details=piece) for piece in pieces)]
    server = scripted(choose=either(body, *chunks, delta("So.", finish_reason="stop"), USAGE_CHUNK, DONE))
    llm = model_at(server, output_version=version)
    message = ask(llm, "hi")
    assert message.text == "So."
    for kept in (message, *stored(message)):
        llm.invoke([HumanMessage("hi"), kept, HumanMessage("And?")])
        _, assistant, _ = json.loads(server.deliveries[-1].body)["messages"]
        sent = json.dumps(assistant["reasoning_details"])
        assert sent == json.dumps(whole)
        assert assistant["content"] == "So."


def stored(message: AIMessage) -> list[AIMessage]:
    """Return the message as it comes back from where people keep messages, and what only its content blocks tell."""
    (kept,) = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
    read = type(message).model_validate_json(message.model_dump_json())
    loaded = loads(dumps(message), allowed_objects="messages")
    whole = message_chunk_to_message(message)  # type: ignore[arg-type]  # takes whole ones as well
    blocks = AIMessage(content_blocks=message.content_blocks)
    return [kept, read, loaded, whole, blocks]  # type: ignore[list-item]
