"""Wherever an answer is cut, it is no object: classes and values of every kind, at every point, in every way."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, create_model

from llamaindex_openrouter_opts import InvalidOutput, OpenRouter, Truncated
from openrouter_opts.errors import Empty
from openrouter_opts.http.transport import Transport
from tests.fake_wire import JSON, SSE, Attempt, FakeWire
from tests.wire_bytes import COMPLETION, DONE, USAGE_CHUNK, delta

WAYS: dict[str, dict[str, Any]] = {
    "schema": {"should_use_structured_outputs": True},
    "tool": {"should_use_structured_outputs": False, "is_function_calling_model": True},
    "text": {"pydantic_program_mode": PydanticProgramMode.LLM},
}
PROMPT = PromptTemplate("Who?")


class Inner(BaseModel):
    text: str = ""
    number: int | None = None


class Tree(BaseModel):
    name: str
    branches: list[Tree] = []


text = st.text(max_size=4) | st.sampled_from(["```", "{}", "[{", "<think>", '"}', "\\", "\n", "é😀"])
inner = st.fixed_dictionaries({"text": text}, optional={"number": st.none() | st.integers(0, 99)})
leaf = st.fixed_dictionaries({"name": text})
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, text),
    (int, st.integers(-(2**53), 2**53)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool | None, st.none() | st.booleans()),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (dict[str, int], st.dictionaries(text, st.integers(0, 9), max_size=2)),
    (list[Inner], st.lists(inner, max_size=2)),
    (Tree, st.fixed_dictionaries({"name": text, "branches": st.lists(leaf, max_size=2)})),
]


@st.composite
def answers(draw: st.DrawFn) -> tuple[type[BaseModel], str]:
    """A class, and the JSON of one of its instances; every field may have a default, so that half an object would fit the class too."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    optional = draw(st.booleans())
    fields: dict[str, Any] = {
        f"field_{number}": (kind | None, None) if optional else (kind, ...)
        for number, (kind, _) in enumerate(kinds)
    }
    value = {f"field_{number}": draw(values) for number, (_, values) in enumerate(kinds)}
    return create_model("Answer", **fields), json.dumps(value, ensure_ascii=draw(st.booleans()))


AROUND = [("", ""), ("```json\n", "\n```"), ("Here you are: ", "\nBye."), ('<think>{"a": 1}</think>', "")]


def said(way: str, written: str, reason: str | None, *, stream: bool) -> Attempt:
    function = {"name": "Answer", "arguments": written}
    message: dict[str, Any] = {"content": written}
    if way == "tool":
        message = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    if stream:
        return [SSE, delta(**message), delta("", finish_reason=reason), USAGE_CHUNK, DONE]
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return [JSON, json.dumps({**COMPLETION, "choices": [choice]}).encode()]


class AsyncFakeWire(FakeWire):
    async def perform(self, step: Any) -> Any:
        return super().perform(step)

    async def close(self) -> None:
        super().close()


async def last_of(llm: OpenRouter, cls: Any, *, stream: bool, asynchronous: bool) -> Any:
    if not stream:
        return (
            await llm.astructured_predict(cls, PROMPT)
            if asynchronous
            else llm.structured_predict(cls, PROMPT)
        )
    if asynchronous:
        return [step async for step in await llm.astream_structured_predict(cls, PROMPT)][-1]
    return list(llm.stream_structured_predict(cls, PROMPT))[-1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", WAYS)
@given(
    answer=answers(),
    around=st.sampled_from(AROUND),
    reason=st.sampled_from(["stop", "tool_calls", "length", None]),
    asynchronous=st.booleans(),
)
@settings(max_examples=10, deadline=None)
def test_a_whole_answer_is_an_object_and_a_cut_one_never(
    way: str, stream: bool, answer: Any, around: tuple[str, str], reason: str | None, asynchronous: bool
) -> None:
    cls, written = answer
    before, after = ("", "") if way == "tool" else around
    # Without arguments at all, a call is one with `{}` for the API.
    cuts = range(1 if way == "tool" else 0, len(written))
    whole = said(way, before + written + after, None if reason == "length" else reason, stream=stream)
    waiting = iter([whole, *(said(way, before + written[:cut], reason, stream=stream) for cut in cuts)])
    llm = OpenRouter("m/x", api_key="sk-or-x", check="off", max_retries=0, **WAYS[way])

    async def run() -> None:
        how = {"stream": stream, "asynchronous": asynchronous}
        assert await last_of(llm, cls, **how) == cls.model_validate_json(written)
        for cut in cuts:
            with pytest.raises(Truncated if cut else (InvalidOutput, Empty)):
                await last_of(llm, cls, **how)

    # No sockets: there are too many cuts for them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "wire", lambda _: FakeWire([next(waiting)]))
        patch.setattr(Transport, "async_wire", lambda _: AsyncFakeWire([next(waiting)]))
        asyncio.run(run())
