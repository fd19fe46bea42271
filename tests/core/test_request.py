"""Requests: the right bytes, or a clear error with a path before anything is sent."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import ProviderOptions
from openrouter_opts.protocol.request import Request, chat_body, chat_request, encode, get_request

HI = [{"role": "user", "content": "hi"}]


def request_of(
    messages: Any = HI, model: str | None = "m/x", stream: bool = False, **options: Any
) -> Request:
    given = ProviderOptions.of(options)
    return chat_request(chat_body(messages, model=model, options=given, stream=stream), given.headers)


def body_of(messages: Any = HI, model: str | None = "m/x", stream: bool = False, **options: Any) -> bytes:
    request = request_of(messages, model, stream, **options)
    assert request.body is not None
    return request.body


def test_a_plain_request():
    request = request_of()
    assert (request.method, request.path, request.stream) == ("POST", "/chat/completions", False)
    assert request.body == b'{"model":"m/x","messages":[{"role":"user","content":"hi"}]}'


def test_the_order_of_the_keys_is_fixed():
    assert body_of(stream=True, temperature=0.5, max_tokens=7) == body_of(
        stream=True, max_tokens=7, temperature=0.5
    )
    assert list(json.loads(body_of(stream=True, temperature=0.5)))[:3] == ["model", "stream", "messages"]


def test_without_a_model_the_accounts_default_answers():
    assert "model" not in json.loads(body_of(model=None))


def test_headers_come_from_the_options():
    request = request_of(app_title="日本 é")
    assert request.headers["X-OpenRouter-Title"] == "日本 é"


def test_a_request_without_messages_is_refused():
    with pytest.raises(ConfigurationError, match="messages"):
        body_of([])


def test_the_model_itself_is_no_fallback():
    assert json.loads(body_of(model="a/a", models=["b/b", "a/a", "c/c", "d/d"]))["models"] == [
        "b/b",
        "c/c",
        "d/d",
    ]
    assert "models" not in json.loads(body_of(model="a/a", models=["a/a"]))
    assert json.loads(body_of(model="a/a", models=[]))["models"] == []
    extra = {"models": ["a/a", "b/b"]}
    assert json.loads(body_of(model="a/a", models=["c/c"], extra_body=extra))["models"] == ["a/a", "b/b"]


@pytest.mark.parametrize("model", ["e/e", None])
def test_more_than_three_other_models_are_refused(model: str | None):
    with pytest.raises(
        ConfigurationError, match=r"^models: has 4 models, .* takes at most 3; leave some out$"
    ):
        body_of(model=model, models=["a/a", "b/b", "c/c", "d/d"])


def test_streaming_is_asked_for_by_the_method_not_by_an_option():
    with pytest.raises(ConfigurationError, match=r"extra_body\.stream"):
        body_of(extra_body={"stream": True})
    with pytest.raises(ConfigurationError, match=r"extra_body\.stream"):
        body_of(stream=True, extra_body={"stream": False})


def test_nothing_that_is_given_is_changed():
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "\ud83d"}], "cache_control": {"a": 1}}
    ]
    before = copy.deepcopy(messages)
    body_of(messages, extra_body={"messages": HI})
    assert messages == before


def test_text_goes_out_as_utf_8():
    assert "é 😀 日本".encode() in body_of([{"role": "user", "content": "é 😀 日本"}])


@pytest.mark.parametrize(
    ("text", "sent"), [("\ud83d\ude00", "😀"), ("a\ud83d", "a\ufffd"), ("\ude00", "\ufffd")]
)
def test_halves_of_a_character_are_mended(text: str, sent: str):
    assert json.loads(encode({"text": text, "é": 1})) == {"text": sent, "é": 1}


def test_dicts_of_a_kind_and_tuples_are_fine():
    assert encode({"a": OrderedDict(b=(1, 2))}) == b'{"a":{"b":[1,2]}}'


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "nan is no JSON number"),
        (float("-inf"), "-inf is no JSON number"),
        (b"x", "a bytes"),
        ({1}, "a set"),
        (Decimal(1), "a Decimal"),
        (datetime.now(UTC), "a datetime"),
        (object(), "a object"),
        (MappingProxyType({}), "a mappingproxy"),
        ({("a", "b"): 1}, "strings as keys"),
        ({float("nan"): 1}, "strings as keys"),
    ],
)
def test_what_json_cannot_say_is_named_with_its_path(value: object, problem: str):
    body = {
        "model": "m/x",
        "fine": OrderedDict(a=[1, None, True]),
        "tools": [{"function": {"parameters": {"default": value}}}],
    }
    with pytest.raises(ConfigurationError) as caught:
        encode(body)
    assert str(caught.value).startswith("tools[0].function.parameters.default: ")
    assert problem in str(caught.value)


def test_what_python_itself_cannot_write_is_refused_with_its_reason():
    with pytest.raises(ConfigurationError, match=r"^body: cannot be written as JSON: .* digits"):
        encode({"metadata": {"n": 10**5000}})


def test_what_contains_itself_is_named():
    cyclic: dict[str, Any] = {}
    cyclic["again"] = [cyclic]
    with pytest.raises(ConfigurationError, match=r"metadata\.again\[0\]: contains itself"):
        encode({"metadata": cyclic})


def test_what_is_nested_too_deep_is_refused():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ConfigurationError, match="nested too deep"):
        encode({"metadata": deep})


def test_the_same_thing_twice_is_no_circle():
    twice = {"a": 1}
    assert encode({"x": twice, "y": [twice]}) == b'{"x":{"a":1},"y":[{"a":1}]}'


def test_lookups():
    assert get_request("models").path == "/models"
    assert get_request("models", "a/b:free", "endpoints").path == "/models/a/b:free/endpoints"
    assert get_request("models", "a b?c#d", "endpoints").path == "/models/a%20b%3Fc%23d/endpoints"
    assert get_request("generation", id="gen-1&x=y").path == "/generation?id=gen-1%26x%3Dy"
