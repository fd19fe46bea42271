"""Every option makes the same request, to the byte, through both frameworks, and OpenRouter takes it.

`python -m tests.golden_options` writes the expected requests anew; look at what has changed before it is committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.options import OPTIONS
from openrouter_opts.sandbox import Sandbox
from openrouter_opts.sandbox.seen import SeenRequest
from tests.golden_options import golden, line, model_for, options_for

GOLDEN = golden()
every_option = pytest.mark.parametrize("option", OPTIONS)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(credits="1000") as sandbox:
        yield sandbox


def unstreamed(request: SeenRequest) -> SeenRequest:
    """Return a streamed request as it would be without streaming, which is one key more."""
    body = request.raw.replace(b',"stream":true', b"")
    assert len(body) < len(request.raw)
    return SeenRequest(**{name: getattr(request, name) for name in request.__slots__} | {"raw": body})


@every_option
@pytest.mark.parametrize("given", ["constructor", "call"])
async def test_langchain_makes_the_request(option: str, given: str, sandbox: Sandbox) -> None:
    sandbox.reset()
    options = {"provider_options": options_for(option)}
    made, called = (options, {}) if given == "constructor" else ({}, options)
    llm = ChatOpenRouter(
        model=model_for(option), base_url=sandbox.base_url, api_key=sandbox.api_key, check="off", **made
    )

    llm.invoke("hi", **called)
    await llm.ainvoke("hi", **called)
    list(llm.stream("hi", **called))
    [chunk async for chunk in llm.astream("hi", **called)]

    assert_same(option, sandbox)


@every_option
@pytest.mark.parametrize("given", ["constructor", "call"])
async def test_llamaindex_makes_the_request(option: str, given: str, sandbox: Sandbox) -> None:
    sandbox.reset()
    options = {"provider_options": options_for(option)}
    made, called = (options, {}) if given == "constructor" else ({}, options)
    llm = OpenRouter(
        model_for(option), api_base=sandbox.base_url, api_key=sandbox.api_key, check="off", **made
    )
    hi = [ChatMessage(role="user", content="hi")]

    llm.chat(hi, **called)
    await llm.achat(hi, **called)
    list(llm.stream_chat(hi, **called))
    [response async for response in await llm.astream_chat(hi, **called)]

    assert_same(option, sandbox)


def assert_same(option: str, sandbox: Sandbox) -> None:
    plain, aplain, streamed, astreamed = sandbox.requests
    for request in (plain, aplain, unstreamed(streamed), unstreamed(astreamed)):
        assert line(option, request) == GOLDEN[option]


def test_every_option_has_its_line_in_the_order_in_which_they_go_out() -> None:
    assert list(GOLDEN) == list(OPTIONS)


def test_the_file_is_json() -> None:
    lines: dict[str, Any] = json.loads("{" + ",".join(GOLDEN.values()) + "}")
    assert lines["seed"]["body"]["seed"] == 7
