"""A request that would certainly go wrong is said to, through LlamaIndex."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool

from openrouter_opts import Catalog, preflight
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.sandbox import Sandbox

HI = [ChatMessage("hi")]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture(autouse=True)
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has said nothing yet."""
    monkeypatch.setattr(preflight, "_warned", set())


def test_it_warns_once_at_the_users_line(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(temperature=0.2)
    with pytest.warns(UserWarning, match="temperature: no endpoint of openai/gpt-5-mini") as said:
        llm.complete("hi")
    assert [warning.filename for warning in said] == [__file__]
    llm.chat(HI)
    assert [request.body["temperature"] for request in sandbox.requests] == [0.2, 0.2]


async def test_as_an_error_it_comes_before_anything_is_sent(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(check="error", temperature=0.2)
    for made in (llm, pickle.loads(pickle.dumps(llm)), copy.deepcopy(llm)):
        for call in (made.chat, made.stream_chat):
            with pytest.raises(ConfigurationError, match="temperature"):
                list(call(HI))
        with pytest.raises(ConfigurationError, match="temperature"):
            await made.achat(HI)
        with pytest.raises(ConfigurationError, match="temperature"):
            await made.astream_chat(HI)
    assert not sandbox.requests
    llm.chat(HI, check="off")
    assert sandbox.last.body["temperature"] == 0.2


def test_a_plain_call_with_tools_says_nothing(make_llm: Any) -> None:
    llm = make_llm(check="error")
    response = llm.chat_with_tools([FunctionTool.from_defaults(add)], "What is 2 + 3?")
    assert llm.get_tool_calls_from_response(response)


def test_with_endpoints_in_the_catalogue_routing_is_judged(make_llm: Any) -> None:
    catalog = Catalog.bundled().with_endpoints(make_llm().client.endpoints("openai/gpt-5-mini"))
    llm = make_llm(check="error", catalog=catalog)
    with pytest.raises(ConfigurationError, match=r"provider\.only: leaves no endpoint of openai/gpt-5-mini"):
        llm.complete("hi", provider={"only": ["anthropic"]})
