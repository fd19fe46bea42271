"""Options reach OpenRouter through every door of LlamaIndex, as they were given, and nothing of them gets lost."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from llama_index.core import Document, PromptTemplate, SummaryIndex, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import ConfigurationError, ProviderOptions, Reasoning
from openrouter_opts.options import SPELLINGS, deprecated
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.conftest import WordEmbedding

Make = Callable[..., OpenRouter]
HI = [ChatMessage(role="user", content="hi")]
TEMPLATE = PromptTemplate("Say {word}.")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Said(BaseModel):
    """What was said."""

    word: str


TOOLS = [FunctionTool.from_defaults(add)]
Way = Callable[..., Awaitable[object]]


async def _chat(llm: OpenRouter, **call: Any) -> object:
    return llm.chat(HI, **call)


async def _achat(llm: OpenRouter, **call: Any) -> object:
    return await llm.achat(HI, **call)


async def _stream_chat(llm: OpenRouter, **call: Any) -> object:
    return list(llm.stream_chat(HI, **call))


async def _astream_chat(llm: OpenRouter, **call: Any) -> object:
    return [response async for response in await llm.astream_chat(HI, **call)]


async def _complete(llm: OpenRouter, **call: Any) -> object:
    return llm.complete("hi", **call)


async def _acomplete(llm: OpenRouter, **call: Any) -> object:
    return await llm.acomplete("hi", **call)


async def _stream_complete(llm: OpenRouter, **call: Any) -> object:
    return list(llm.stream_complete("hi", **call))


async def _astream_complete(llm: OpenRouter, **call: Any) -> object:
    return [response async for response in await llm.astream_complete("hi", **call)]


async def _chat_with_tools(llm: OpenRouter, **call: Any) -> object:
    return llm.chat_with_tools(TOOLS, "hi", **call)


async def _achat_with_tools(llm: OpenRouter, **call: Any) -> object:
    return await llm.achat_with_tools(TOOLS, "hi", **call)


async def _stream_chat_with_tools(llm: OpenRouter, **call: Any) -> object:
    return list(llm.stream_chat_with_tools(TOOLS, "hi", **call))


async def _astream_chat_with_tools(llm: OpenRouter, **call: Any) -> object:
    return [response async for response in await llm.astream_chat_with_tools(TOOLS, "hi", **call)]


async def _predict_and_call(llm: OpenRouter, **call: Any) -> object:
    return llm.predict_and_call(TOOLS, "What is 12 + 7? Use add.", **call)


async def _apredict_and_call(llm: OpenRouter, **call: Any) -> object:
    return await llm.apredict_and_call(TOOLS, "What is 12 + 7? Use add.", **call)


async def _structured_predict(llm: OpenRouter, **call: Any) -> object:
    return llm.structured_predict(Said, TEMPLATE, llm_kwargs=call, word="hi")


async def _structured_predict_args(llm: OpenRouter, **call: Any) -> object:
    return llm.structured_predict(Said, TEMPLATE, word="hi", **call)


async def _astructured_predict(llm: OpenRouter, **call: Any) -> object:
    return await llm.astructured_predict(Said, TEMPLATE, llm_kwargs=call, word="hi")


async def _stream_structured_predict(llm: OpenRouter, **call: Any) -> object:
    return list(llm.stream_structured_predict(Said, TEMPLATE, llm_kwargs=call, word="hi"))


async def _astream_structured_predict(llm: OpenRouter, **call: Any) -> object:
    stream = await llm.astream_structured_predict(Said, TEMPLATE, llm_kwargs=call, word="hi")
    return [said async for said in stream]


async def _predict(llm: OpenRouter, **call: Any) -> object:
    return llm.predict(TEMPLATE, word="hi", **call)


async def _apredict(llm: OpenRouter, **call: Any) -> object:
    return await llm.apredict(TEMPLATE, word="hi", **call)


async def _predict_kwargs(llm: OpenRouter, **call: Any) -> object:
    return llm.predict(TEMPLATE, word="hi", llm_kwargs=call)


async def _stream(llm: OpenRouter, **call: Any) -> object:
    return list(llm.stream(TEMPLATE, word="hi", **call))


async def _astream(llm: OpenRouter, **call: Any) -> object:
    return [token async for token in await llm.astream(TEMPLATE, word="hi", **call)]


CALLS: list[Way] = [
    *(_chat, _achat, _stream_chat, _astream_chat),
    *(_complete, _acomplete, _stream_complete, _astream_complete),
    *(_chat_with_tools, _achat_with_tools, _stream_chat_with_tools, _astream_chat_with_tools),
    *(_predict_and_call, _apredict_and_call),
    *(_structured_predict, _structured_predict_args, _astructured_predict),
    *(_stream_structured_predict, _astream_structured_predict),
    *(_predict, _apredict, _predict_kwargs, _stream, _astream),
]


def every(ways: list[Way]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", ways, ids=lambda way: way.__name__.strip("_"))


@pytest.fixture(autouse=True)
def nothing_warned_about_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", set())


@pytest.fixture
def make_llm(sandbox: Sandbox) -> Make:
    """Make models here, where warnings should point, that send what they are told whether or not it does anything for that model."""

    def make(model: str = "openai/gpt-5-mini", **arguments: Any) -> OpenRouter:
        where = {"api_base": sandbox.base_url, "api_key": sandbox.api_key}
        return OpenRouter(model, check="off", **where, **arguments)

    return make


def body(sandbox: Sandbox) -> dict[str, Any]:
    """Return what the last request said of the options that these tests give."""
    given = (
        "temperature",
        "top_k",
        "seed",
        "max_tokens",
        "models",
        "provider",
        "reasoning",
        "reasoning_effort",
    )
    return {key: value for key, value in sandbox.last.body.items() if key in given}


# --- every door ---

# A schema would keep the options away that this model's endpoints don't take.
ANYWHERE = {"order": ["openai"], "require_parameters": False}


@every(CALLS)
async def test_options_of_the_constructor_are_sent(way: Way, make_llm: Make, sandbox: Sandbox) -> None:
    await way(make_llm(provider=ANYWHERE, provider_options={"openrouter_seed": 3}, top_k=5))
    assert body(sandbox) == {"top_k": 5, "seed": 3, "provider": ANYWHERE}


@every(CALLS)
async def test_options_of_a_call_are_laid_over_those_of_the_constructor(
    way: Way, make_llm: Make, sandbox: Sandbox
) -> None:
    llm = make_llm(max_tokens=900, provider=ANYWHERE, app_title="Mine")
    options = ProviderOptions.of(zdr=False, max_price={"prompt": 5})
    await way(llm, max_tokens=700, top_k=5, provider_options=options, app_title="This call's")
    assert body(sandbox) == {
        "top_k": 5,
        "max_tokens": 700,
        "provider": {**ANYWHERE, "zdr": False, "max_price": {"prompt": 5}},
    }
    assert sandbox.last.headers["x-openrouter-title"] == "This call's"

    await way(llm)
    assert body(sandbox) == {"max_tokens": 900, "provider": ANYWHERE}
    assert sandbox.last.headers["x-openrouter-title"] == "Mine"


async def test_a_variable_of_a_prompt_is_no_option_and_an_option_is_no_variable(
    make_llm: Make, sandbox: Sandbox
) -> None:
    about = PromptTemplate("Say {user}.", template_var_mappings={"seed": "user"})
    await make_llm().apredict(about, seed="hi", temperature=0.5)
    assert sandbox.last.body["messages"] == [{"role": "user", "content": "Say hi."}]
    assert body(sandbox) == {"temperature": 0.5}

    make_llm().structured_predict(Said, PromptTemplate("Say {user}."), user="hi", temperature=0.5)
    assert body(sandbox) == {"temperature": 0.5}
    assert "user" not in sandbox.last.body

    shouted = PromptTemplate("Say {word}.", function_mappings={"word": lambda user, **_: user.upper()})
    make_llm().predict(shouted, user="hi", temperature=0.5)
    assert sandbox.last.body["messages"] == [{"role": "user", "content": "Say HI."}]


@pytest.mark.parametrize("way", [_predict, _apredict, _stream, _astream, _structured_predict_args])
async def test_a_keyword_that_looks_like_an_option_and_is_none_is_warned_about(
    way: Way, make_llm: Make, sandbox: Sandbox
) -> None:
    with pytest.warns(UserWarning, match="temprature is neither .* did you mean temperature"):
        await way(make_llm(), temprature=0)
    assert sandbox.requests


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "simple_summarize"])
def test_a_query_engine_sends_the_options_of_its_llm(
    mode: str, streaming: bool, make_llm: Make, sandbox: Sandbox
) -> None:
    llm = make_llm(
        provider={"order": ["openai"]}, provider_options={"seed": 3}, models=["openai/gpt-4o-mini"]
    )
    index = SummaryIndex.from_documents([Document(text="Ida Holm lives in Bergen.")])
    engine = index.as_query_engine(llm=llm, response_mode=mode, streaming=streaming)
    assert "Bergen" in str(engine.query("Where does Ida Holm live?"))
    assert body(sandbox) == {"seed": 3, "models": ["openai/gpt-4o-mini"], "provider": {"order": ["openai"]}}


async def test_an_async_query_engine_and_a_chat_engine_send_the_options_of_their_llm(
    make_llm: Make, sandbox: Sandbox, embedding: WordEmbedding
) -> None:
    llm = make_llm(provider_options={"sort": "price"}, reasoning={"effort": "low"})
    index = VectorStoreIndex.from_documents(
        [Document(text="Ida Holm lives in Bergen.")], embed_model=embedding
    )
    sent = {"provider": {"sort": "price"}, "reasoning": {"effort": "low"}}
    await index.as_query_engine(llm=llm).aquery("Where does Ida Holm live?")
    assert body(sandbox) == sent
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    index.as_chat_engine(llm=llm, chat_mode="context", memory=memory).chat("Where does Ida Holm live?")
    assert body(sandbox) == sent


# --- whatever is said is sent ---


def test_fallback_models_are_sent(make_llm: Make, sandbox: Sandbox) -> None:
    make_llm(models=["openai/gpt-4o-mini"]).chat(HI)
    assert body(sandbox) == {"models": ["openai/gpt-4o-mini"]}


def test_an_argument_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="not_a_thing"):
        OpenRouter("a/b", not_a_thing=1)


@pytest.mark.parametrize(
    "given",
    [
        {"reasoning": {"effort": "high"}},
        {"reasoning": Reasoning(effort="high")},
        {"reasoning_effort": "high"},
    ],
    ids=str,
)
def test_reasoning_is_sent_whatever_the_model_and_thought_about(
    given: dict[str, Any], make_llm: Make, sandbox: Sandbox
) -> None:
    make_llm("openai/gpt-5.5", **given).chat(HI)
    effort = body(sandbox).get("reasoning", {}).get("effort") or body(sandbox)["reasoning_effort"]
    assert effort == "high"


def test_routing_of_a_call_joins_that_of_the_constructor(make_llm: Make, sandbox: Sandbox) -> None:
    make_llm(provider={"order": ["azure"]}).chat(HI, provider={"only": ["azure", "openai"]})
    assert body(sandbox) == {"provider": {"order": ["azure"], "only": ["azure", "openai"]}}


def test_callers_dicts_stay_as_they_are_and_are_nobody_elses(make_llm: Make, sandbox: Sandbox) -> None:
    arguments = {"additional_kwargs": {"extra_body": {"newer": {"a": 1}}}, "provider": {"sort": "price"}}
    call = {"provider": {"zdr": False}, "provider_options": {"max_price": {"prompt": 9}}}
    before = copy.deepcopy((arguments, call))
    make_llm(order=["openai"], **{**arguments, "provider": {}}).chat(HI, **call)
    make_llm(**arguments).chat(HI)
    assert (arguments, call) == before
    assert body(sandbox) == {"provider": {"sort": "price"}}


# --- names of yesterday, and misspelt ones ---

DOORS: dict[str, Callable[[Make, dict[str, Any]], object]] = {
    "keyword": lambda make, options: make(**options).chat(HI),
    "provider_options": lambda make, options: make(provider_options=options).chat(HI),
    "additional_kwargs": lambda make, options: make(additional_kwargs=options).chat(HI),
    "chat": lambda make, options: make().chat(HI, **options),
    "stream_chat": lambda make, options: list(make().stream_chat(HI, **options)),
    "complete": lambda make, options: make().complete("hi", **options),
    "achat": lambda make, options: asyncio.run(make().achat(HI, **options)),
    "chat_with_tools": lambda make, options: make().chat_with_tools(TOOLS, "hi", **options),
    "provider_options of a call": lambda make, options: make().chat(HI, provider_options=options),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("old", "sent"),
    [
        ({"openrouter_route": "sort"}, {"provider": {"sort": {"partition": "none"}}}),
        ({"usage": {"include": True}}, {}),
        ({"include_reasoning": False}, {"reasoning": {"exclude": True}}),
    ],
    ids=str,
)
def test_a_deprecated_option_warns_once_at_the_users_line_and_is_sent_in_todays_terms(
    old: dict[str, Any], sent: dict[str, Any], door: str, make_llm: Make, sandbox: Sandbox
) -> None:
    name = next(iter(old)).removeprefix("openrouter_")
    with pytest.warns(DeprecationWarning, match=f"{name} is deprecated: ") as caught:
        DOORS[door](make_llm, old)
    DOORS[door](make_llm, old)
    assert [warning.filename for warning in caught] == [__file__]
    assert body(sandbox) == sent


@given(
    st.sampled_from(sorted(SPELLINGS)),
    st.integers(0, 30),
    st.sampled_from("abcdefghijklmnopqrstuvwxyz_"),
    st.sampled_from(sorted(DOORS)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_misspelt_option_never_passes(
    make_llm: Make, sandbox: Sandbox, name: str, place: int, letter: str, door: str
) -> None:
    cut = place % len(name)
    misspelt = name[:cut] + letter + name[cut + 1 :]
    assume(misspelt not in SPELLINGS.keys() | OpenRouter.model_fields.keys())
    with pytest.raises(ConfigurationError, match=misspelt):
        DOORS[door](make_llm, {misspelt: 1})
    assert not sandbox.requests
