"""An object that was asked for, and an answer that is none: its error says how it was found out, in both frameworks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import PromptTemplate
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.errors import Malformed
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, USAGE, answer, delta, event, streamed

BUSY = [answer({"error": {"code": 503}}, 503, Retry_After="0")]
PROSE = {**COMPLETION, "choices": [{"message": {"content": "no object"}, "finish_reason": "stop"}]}
WHOLE = [answer(PROSE, cf_ray="ray-1")]


class Person(BaseModel):
    """A person."""

    name: str


def langchain(url: str) -> Any:
    model = ChatOpenRouter(model="m/x", api_key="k", base_url=url)
    return model.with_structured_output(Person, method="json_schema")


def llamaindex(url: str) -> Any:
    return OpenRouter("m/x", api_key="k", api_base=url, should_use_structured_outputs=True)


ASK = PromptTemplate("Who?")
WAYS: dict[str, Callable[[str], Any]] = {
    "LangChain": lambda url: langchain(url).invoke("Who?"),
    "LangChain, async": lambda url: asyncio.run(langchain(url).ainvoke("Who?")),
    "LlamaIndex": lambda url: llamaindex(url).structured_predict(Person, ASK),
    "LlamaIndex, async": lambda url: asyncio.run(llamaindex(url).astructured_predict(Person, ASK)),
}
STREAMED: dict[str, Callable[[str], Any]] = {
    "LangChain": lambda url: list(langchain(url).stream("Who?")),
    "LlamaIndex": lambda url: list(llamaindex(url).stream_structured_predict(Person, ASK)),
}


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)
def test_an_answer_that_does_not_fit_says_how_many_requests_it_took_and_their_id(ask: Any):
    with ScriptedServer([BUSY, WHOLE]) as server, pytest.raises(Malformed) as caught:
        ask(server.base_url)
    assert (caught.value.attempts, caught.value.request_id) == (2, "ray-1")


@pytest.mark.parametrize("ask", STREAMED.values(), ids=STREAMED)
def test_a_streamed_one_does_too(ask: Any):
    head, *rest = streamed(delta("no object"), delta("", finish_reason="stop"), event({"usage": USAGE}), DONE)
    assert isinstance(head, bytes)
    said = [head.replace(b"\r\n", b"\r\nCF-Ray: ray-1\r\n", 1), *rest]
    with ScriptedServer([BUSY, said]) as server, pytest.raises(Malformed) as caught:
        ask(server.base_url)
    assert (caught.value.attempts, caught.value.request_id) == (2, "ray-1")


def test_what_needed_one_request_says_nothing_of_it():
    with ScriptedServer([[answer(COMPLETION)]]) as server:
        said = (
            ChatOpenRouter(model="m/x", api_key="k", base_url=server.base_url).invoke("hi").response_metadata
        )
    assert not {"attempts", "request_id"} & said.keys()
