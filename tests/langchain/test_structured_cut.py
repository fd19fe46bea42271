"""Wherever an answer is cut, it is no answer: models and values of every kind, at every point, by every method."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from langchain_openrouter_opts import ChatOpenRouter, InvalidOutput, Truncated
from langchain_openrouter_opts.schemas import AnswerSchema
from openrouter_opts.errors import Empty
from openrouter_opts.http.transport import Transport
from tests.fake_wire import JSON, SSE, Attempt, FakeWire
from tests.wire_bytes import COMPLETION, DONE, USAGE_CHUNK, delta

METHODS = ["function_calling", "json_schema", "json_mode"]


class Inner(BaseModel):
    text: str = ""
    number: int | None = None


class Tree(BaseModel):
    name: str
    branches: list[Tree] = []


NASTY = [
    "```",
    "```json\n{}\n```",
    '{"text": "x"}',
    "{}",
    "[{",
    "<think>",
    "</think>{}",
    '"}',
    "\\",
    "\n",
    "é😀",
]
text = st.text(max_size=4) | st.sampled_from(NASTY)
inner = st.fixed_dictionaries({"text": text}, optional={"number": st.none() | st.integers()})
leaf = st.fixed_dictionaries({"name": text})
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, text),
    (int, st.integers(-(2**53), 2**53)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (str | None, st.none() | text),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (list[str], st.lists(text, max_size=2)),
    (dict[str, int], st.dictionaries(text, st.integers(0, 9), max_size=2)),
    (Inner, inner),
    (list[Inner], st.lists(inner, max_size=2)),
    (Tree, st.fixed_dictionaries({"name": text, "branches": st.lists(leaf, max_size=2)})),
]


@st.composite
def answers(draw: st.DrawFn) -> tuple[type[BaseModel], str]:
    """A class, and the JSON of one of its instances, as a model may write it."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    has_default = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    fields: dict[str, Any] = {
        f"field_{number}": (kind, None if optional else ...)
        for number, ((kind, _), optional) in enumerate(zip(kinds, has_default, strict=False))
    }
    value = {f"field_{number}": draw(values) for number, (_, values) in enumerate(kinds)}
    how = {"indent": draw(st.sampled_from([None, 1])), "ensure_ascii": draw(st.booleans())}
    return create_model("Answer", **fields), json.dumps(value, **how)


AROUND = [("", ""), ("```json\n", "\n```"), ("Here you are: ", "\nBye."), ('<think>{"a": 1}</think>', "")]


def message_of(method: str, text: str) -> dict[str, Any]:
    if method != "function_calling":
        return {"content": text}
    function = {"name": "Answer", "arguments": text}
    return {
        "content": None,
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}],
    }


def attempt(message: dict[str, Any], reason: str | None, *, stream: bool) -> Attempt:
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
        return [JSON, json.dumps({**COMPLETION, "choices": [choice]}).encode()]
    pieces = {key: value for key, value in message.items() if value is not None}
    return [SSE, delta(**pieces), delta("", finish_reason=reason), USAGE_CHUNK, DONE]


@contextmanager
def answering(*attempts: Attempt) -> Iterator[None]:
    """Within it, every request of a call meets these answers in turn, and no socket."""

    with pytest.MonkeyPatch.context() as patch:
        waiting = iter(attempts)
        patch.setattr(Transport, "wire", lambda _: FakeWire([next(waiting)]))
        yield


def run(structured: Any, *, stream: bool) -> Any:
    return list(structured.stream("Who?"))[-1] if stream else structured.invoke("Who?")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("method", METHODS)
@given(
    answer=answers(),
    around=st.sampled_from(AROUND),
    reason=st.sampled_from(["stop", "tool_calls", None]),
    as_dict=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_a_whole_answer_is_read_and_a_cut_one_never(
    method: Any, stream: bool, answer: Any, around: tuple[str, str], reason: str | None, as_dict: bool
) -> None:
    cls, written = answer
    before, after = ("", "") if method == "function_calling" else around
    schema = {"title": "Answer", **cls.model_json_schema()} if as_dict else cls
    expected = json.loads(written) if as_dict else cls.model_validate_json(written)
    llm = ChatOpenRouter(model="m/x", api_key="sk-or-x", check="off", max_retries=0)
    structured = llm.with_structured_output(schema, method=method)

    def said(text: str) -> Attempt:
        return attempt(message_of(method, text), reason, stream=stream)

    with answering(said(before + written + after)):
        assert run(structured, stream=stream) == expected
    # A call without arguments is how the API writes a call with `{}`.
    cuts = range(1 if method == "function_calling" else 0, len(written))
    with answering(*(said(before + written[:cut]) for cut in cuts)):
        for cut in cuts:
            with pytest.raises(Truncated if cut else (InvalidOutput, Empty)):
                run(structured, stream=stream)


@given(answers())
@settings(max_examples=100, deadline=None)
def test_what_fits_a_class_fits_the_schema_that_is_sent_for_it(answer: Any) -> None:
    cls, written = answer
    asked = AnswerSchema.of(cls)
    for schema in (asked.schema, asked.tool()["function"]["parameters"]):
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json.loads(written), schema)
