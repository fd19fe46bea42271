"""A: what is wrong before anything is sent, is said before anything is sent."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import itertools
import json
import math
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumpd, load
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import OpenRouterClient, ProviderOptions
from openrouter_opts.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    InsecureTransportWarning,
)
from openrouter_opts.protocol import request as wire_request
from openrouter_opts.protocol.request import chat_body, chat_request
from tests.both import Caller, Side
from tests.faults.aftermath import HI, KEY, both_kinds, failure, frames_that_show
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, answer, streamed

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]


def wrong(
    caller: Callers, server: ScriptedServer, *, settings: Any = None, **call: Any
) -> ConfigurationError:
    """Return the error in which a call ends that sends nothing."""
    error = failure(caller(server, api_key=KEY, **(settings or {})), ConfigurationError, **call)
    assert (error.delivered, error.attempts, server.connections) == ("no", 0, 0)
    return error


# --- A1-A5: the key ---


@pytest.mark.parametrize(
    "key", ["", "  ", "sk-or-\u201cx", "sk-or-\u200bx", "sk-or-\0x", "sk-or-v1-\nx", None]
)
@both_kinds
def test_a_key_that_cannot_be_one_sends_nothing(
    key: str | None, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    error = failure(caller(server, api_key=key), ConfigurationError, stream=stream)
    assert "OPENROUTER_API_KEY" in str(error)
    assert key is None or not key.strip() or key not in str(error)
    assert (server.connections, error.delivered, error.attempts) == (0, "no", 0)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY} \r\n"])
@both_kinds
def test_white_space_around_a_key_does_no_harm(key: str, stream: bool, scripted: Servers, caller: Callers):
    server = scripted(streamed(STREAM) if stream else [answer(COMPLETION)])
    client = caller(server, api_key=key)
    if stream:
        list(client.stream(HI))
    else:
        client.complete(HI)
    assert server.deliveries[0].headers["authorization"] == f"Bearer {KEY}"


def raises() -> str:
    raise LookupError(f"the vault has {KEY}")


async def asynchronous() -> str:
    return KEY


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (raises, "raised LookupError"),
        (lambda: None, "there is no API key"),
        (lambda: 5, "is a int, not a string"),
        (asynchronous, "is a coroutine, not a string"),
    ],
    ids=["raises", "none", "number", "async"],
)
@both_kinds
def test_a_callable_that_gives_no_key_sends_nothing(
    source: Any, words: str, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    error = failure(caller(server, api_key=source), ConfigurationError, stream=stream)
    assert words in str(error)
    assert server.connections == 0


def keyed(good: str) -> Callable[[Delivery], Script]:
    def choose(sent: Delivery) -> Script:
        if sent.headers["authorization"] != f"Bearer {good}":
            return [answer({"error": {"code": 401, "message": "no such key"}}, 401)]
        return streamed(STREAM) if sent.json.get("stream") else [answer(COMPLETION)]

    return choose


@both_kinds
def test_a_key_that_was_replaced_on_the_way_is_tried_once(stream: bool, scripted: Servers, caller: Callers):
    keys = itertools.chain([KEY], itertools.repeat("sk-or-v1-new"))
    server = scripted(choose=keyed("sk-or-v1-new"))
    client = caller(server, api_key=lambda: next(keys))
    if stream:
        assert "".join(step.text for step in client.stream(HI)) == "Hello"
    else:
        assert client.complete(HI).attempts == 2
    assert [sent.headers["authorization"] for sent in server.deliveries] == [
        f"Bearer {KEY}",
        "Bearer sk-or-v1-new",
    ]


def test_a_key_that_was_replaced_is_not_tried_where_one_request_is_all_that_was_allowed(
    scripted: Servers, caller: Callers
):
    """`max_retries=0` means what it says; the next call has the new key anyway."""
    keys = itertools.chain([KEY], itertools.repeat("sk-or-v1-new"))
    server = scripted(choose=keyed("sk-or-v1-new"))
    client = caller(server, api_key=lambda: next(keys), max_retries=0)
    assert failure(client, AuthenticationError).attempts == len(server.deliveries) == 1
    assert client.complete(HI).text == "Hello"


@pytest.mark.parametrize(
    ("keys", "attempts"),
    [
        ([KEY, KEY, KEY], 1),
        ([KEY, "sk-or-v1-second", "sk-or-v1-second", "sk-or-v1-third", "sk-or-v1-fourth"], 2),
        ([KEY, ""], 1),
    ],
    ids=["the same", "always another", "none any more"],
)
def test_a_refused_key_is_tried_again_only_if_it_changed_and_only_once(
    keys: list[str], attempts: int, scripted: Servers, caller: Callers
):
    server = scripted(choose=keyed("another"))
    rotating = iter(keys)
    error = failure(caller(server, api_key=lambda: next(rotating), max_retries=5), AuthenticationError)
    assert (error.attempts, len(server.deliveries)) == (attempts, attempts)


# --- A6-A8: headers ---


@pytest.mark.parametrize("title", ["x\r\nX-Evil: 1", "x\0y", "x\ny"])
@pytest.mark.parametrize("where", ["constructor", "call"])
def test_a_header_cannot_be_smuggled_in(title: str, where: str, scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    settings, call = ({"app_title": title}, {}) if where == "constructor" else ({}, {"app_title": title})
    with pytest.raises(ConfigurationError, match="app_title: character 2 cannot be in the header"):
        caller(server, provider_options=settings).complete(HI, **call)
    assert server.connections == 0


def test_a_title_may_be_written_in_any_script(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    caller(server, provider_options={"app_title": "日本 é 😀"}).complete(HI)
    assert server.deliveries[0].headers["x-openrouter-title"] == "日本 é 😀"


# The matrix would refuse this one, too; a gateway in front of OpenRouter may want its own, and it is no key of ours.
@both_kinds
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_an_authorization_of_ones_own_goes_in_place_of_the_key(
    name: str, stream: bool, scripted: Servers, caller: Callers
):
    own = "Basic b3duOnBhc3N3b3Jk"
    refusal = answer({"error": {"code": 401, "message": f"no such user: {own}"}}, 401)
    server = scripted(choose=lambda _: [refusal])
    client = caller(server, provider_options={"extra_headers": {name: own}})
    error = failure(client, AuthenticationError, stream=stream)
    assert [sent.headers["authorization"] for sent in server.deliveries] == [own]
    assert "b3duOnBhc3N3b3Jk" not in str(error)
    with pytest.raises(AuthenticationError):
        client.key()
    assert {sent.headers["authorization"] for sent in server.deliveries} == {own}


def test_an_authorization_of_ones_own_needs_no_key(
    scripted: Servers, caller: Callers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    server = scripted([answer(COMPLETION)])
    client = caller(
        server, api_key=None, provider_options={"extra_headers": {"Authorization": "Bearer mine"}}
    )
    assert client.complete(HI).attempts == 1


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Proxy-Authorization"])
def test_a_header_that_is_not_the_users_to_set_is_refused(name: str, scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    with pytest.raises(ConfigurationError, match=f"extra_headers.{name}: this header cannot be set"):
        caller(server).complete(HI, extra_headers={name: "x"})
    assert server.connections == 0


# --- A9-A13: the address ---


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("openrouter.ai/api/v1", "there is no `http://` or `https://`"),
        ("ftp://openrouter.ai/api/v1", "there is no `http://` or `https://`"),
        ("https://open router.ai/api/v1", "there is white space"),
        ("https://other.example\\.openrouter.ai/api/v1", "there is a backslash"),
        ("https://openrouter.ai:x/api/v1", "there is no valid host or port"),
        ("https://openrouter.ai/api/v1?a=b", "there is a query or fragment"),
        ("https://openrouter.ai/api/v1#a", "there is a query or fragment"),
        ("https://openrouter.ai", "there is no `/api/v1`"),
        ("https://openrouter.ai/v1", "there is no `/api/v1`"),
        ("https://eu.openrouter.ai/", "there is no `/api/v1`"),
        # No knob lets these through: no gateway lives there, and one that does can be called by a name.
        ("http://169.254.169.254/latest", "there is a link-local address"),
        *(
            (f"http://{same}/api/v1", "there is a link-local address")
            for same in (
                "[fe80::1]",
                "[::ffff:169.254.169.254]",
                "[::ffff:a9fe:a9fe]",
                "2852039166",
                "0xa9fea9fe",
                "0251.0376.0251.0376",
                "169.254.43518",
                "169.254.169.254.",
            )
        ),
    ],
)
def test_a_base_url_that_leads_nowhere_says_what_is_wrong(url: str, problem: str):
    with pytest.raises(ConfigurationError) as caught:
        OpenRouterClient(api_key=KEY, base_url=url)
    assert f"base_url: {problem}" in str(caught.value)
    assert "it looks like 'https://openrouter.ai/api/v1'" in str(caught.value)


@pytest.mark.parametrize("url", ["https://me:hunter2@host/api/v1", "https://me:hunter2@host:x/v1"])
def test_a_password_in_the_base_url_is_refused_and_not_shown(url: str):
    with pytest.raises(ConfigurationError, match="base_url: ") as caught:
        OpenRouterClient(api_key=KEY, base_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://-bad-.exa\u0000mple/v1", "http://127.0.0.1\x7f:1/v1"])
@pytest.mark.filterwarnings("ignore::openrouter_opts.errors.InsecureTransportWarning")
def test_a_base_url_that_turns_out_impossible_is_a_wrong_setting(url: str, side: Side):
    client = Caller(side, OpenRouterClient(api_key=KEY, base_url=url))
    failure(client, ConfigurationError)
    client.close()


def test_a_connection_that_everybody_can_read_is_warned_about_at_the_callers_line():
    with pytest.warns(InsecureTransportWarning, match=r"gateway\.example can read the key") as caught:
        OpenRouterClient(api_key=KEY, base_url="http://gateway.example/v1")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_key_of_the_environment_that_goes_elsewhere_is_warned_about(monkeypatch: pytest.MonkeyPatch):
    elsewhere = "https://gateway.example/v1"
    with pytest.warns(UserWarning, match=r"the key of the environment goes to gateway\.example") as caught:
        OpenRouterClient(base_url=elsewhere)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=r"goes to gateway\.example"):
        ChatOpenRouter(model="m/x", base_url=elsewhere)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OpenRouterClient(api_key=KEY, base_url=elsewhere)
        OpenRouterClient(base_url="https://eu.openrouter.ai/api/v1")
        OpenRouterClient(base_url="http://localhost:8000/v1")
        # Whoever sets the environment sets both.
        monkeypatch.setenv("OPENROUTER_API_BASE", elsewhere)
        OpenRouterClient()


LOADED: dict[str, tuple[dict[str, Any], bool]] = {
    "from a gateway": ({"openrouter_api_base": "https://gateway.example/v1"}, False),
    "through a proxy": ({"proxy": "http://gateway.example:3128"}, False),
    "in the clear": ({"openrouter_api_base": "http://openrouter.ai/api/v1"}, False),
    "from whoever says so": ({"verify": False}, False),
    "from OpenRouter": ({"openrouter_api_base": "https://eu.openrouter.ai/api/v1"}, True),
    "from this machine": ({"openrouter_api_base": "http://localhost:8000/v1"}, True),
    "from wherever it is": ({}, True),
}


@pytest.mark.parametrize(("said", "loads"), LOADED.values(), ids=LOADED)
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.filterwarnings("ignore::openrouter_opts.errors.InsecureTransportWarning")
def test_a_model_that_is_loaded_takes_no_key_of_the_environment_elsewhere(
    said: dict[str, Any], loads: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    written = dumpd(ChatOpenRouter(model="m/x", api_key=KEY))
    # Not as it was written, but as somebody else would write it.
    written["kwargs"] |= said
    allowed: Any = {
        "allowed_objects": [ChatOpenRouter],
        "valid_namespaces": ["langchain_openrouter_opts"],
    }
    with nullcontext() if loads else pytest.raises(ConfigurationError, match="secrets_map"):
        assert load(written, **allowed).openrouter_api_key is None
    # LangChain puts a key into what it loads only if it is told to, and then it is meant.
    meant = load(written, **allowed, secrets_map={"OPENROUTER_API_KEY": "sk-meant"})
    assert meant.openrouter_api_key.get_secret_value() == "sk-meant"


BY_LLAMAINDEX: dict[str, Callable[..., Any]] = {
    "from_dict": lambda cls, written, **given: cls.from_dict(written, **given),
    "from_json": lambda cls, written, **given: cls.from_json(json.dumps(written), **given),
}
by_llamaindex = pytest.mark.parametrize("way", BY_LLAMAINDEX.values(), ids=BY_LLAMAINDEX)
of_llamaindex = pytest.mark.parametrize("cls", [OpenRouter, OpenRouterEmbedding])


@of_llamaindex
@by_llamaindex
@pytest.mark.filterwarnings("ignore::openrouter_opts.errors.InsecureTransportWarning")
@pytest.mark.parametrize("name", ["api_base", "base_url"])
@pytest.mark.parametrize(("said", "loads"), LOADED.values(), ids=LOADED)
def test_a_model_that_llamaindex_loads_takes_no_key_of_the_environment_elsewhere(
    said: dict[str, Any],
    loads: bool,
    name: str,
    way: Callable[..., Any],
    cls: Any,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    written = cls(model="m/x", api_key=KEY).to_dict()
    del written["api_base"]
    written |= {name if each == "openrouter_api_base" else each: value for each, value in said.items()}
    with nullcontext() if loads else pytest.raises(ConfigurationError, match=r"from_dict\(…, api_key=…\)"):
        assert way(cls, written).api_key is None
    assert way(cls, written, api_key="sk-meant").api_key.get_secret_value() == "sk-meant"


@of_llamaindex
@by_llamaindex
def test_an_address_that_llamaindex_is_given_beside_what_it_loads_is_warned_about(
    way: Callable[..., Any], cls: Any
):
    written = cls(model="m/x", api_key=KEY, api_base="https://other.example/v1").to_dict()
    with pytest.warns(UserWarning, match=r"the key of the environment goes to gateway\.example"):
        way(cls, written, api_base="https://gateway.example/v1")


@of_llamaindex
def test_no_frame_of_a_model_that_is_not_loaded_shows_a_key(cls: Any):
    written = {"model_name" if "model_name" in cls.model_fields else "model": "m/x", "temprature": 1}
    with pytest.raises(ConfigurationError) as caught:
        cls.from_dict(written | {"extra_headers": {"X-Key": KEY}}, api_key=KEY)
    assert frames_that_show(KEY, caught.value) == []


@pytest.mark.parametrize("url", ["https://[::1", "https://host:x/v1"])
@pytest.mark.parametrize("make", [ChatOpenRouter, OpenRouter, partial(OpenRouter.from_dict, {})])
def test_a_url_that_is_none_is_a_wrong_setting_where_no_key_is_given(make: Any, url: str):
    with pytest.raises(ConfigurationError, match="base_url: there is no valid host or port"):
        make(model="m/x", base_url=url)


@pytest.mark.parametrize("name", ["api_base", "base_url"])
def test_a_url_that_is_none_is_a_wrong_setting_of_what_is_loaded(name: str):
    with pytest.raises(ConfigurationError, match="base_url: there is no valid host or port"):
        OpenRouter.from_dict({"model": "m/x", name: "https://[::1"})


def test_an_image_is_fetched_by_openrouter_and_never_from_here(scripted: Servers, caller: Callers):
    elsewhere, server = scripted([answer(b"pixels")]), scripted([answer(COMPLETION)])
    url = f"http://127.0.0.1:{elsewhere.port}/latest/meta-data"
    caller(server).complete([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
    assert server.deliveries[0].json["messages"][0]["content"][0]["image_url"]["url"] == url
    assert elsewhere.connections == 0


# --- A14-A20: what goes into the body ---


class Model(BaseModel):
    value: int = 1


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


circle: list[Any] = []
circle.append(circle)
ENDLESS = {"deep": nested(100_000), "a circle": circle}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.nan, "nan is no JSON number"),
        (math.inf, "inf is no JSON number"),
        (b"bytes", "JSON has no form for a bytes"),
        ({1}, "JSON has no form for a set"),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "JSON has no form for a datetime"),
        (decimal.Decimal(1), "JSON has no form for a Decimal"),
        (Model(), "JSON has no form for a Model"),
    ],
    ids=["nan", "inf", "bytes", "set", "datetime", "Decimal", "model"],
)
def test_what_json_cannot_say_is_named_with_its_path(
    value: Any, problem: str, scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    function = {"name": "f", "parameters": {"type": "object", "default": value}}
    error = wrong(caller, server, tools=[{"type": "function", "function": function}])
    assert "tools[0].function.parameters.default" in str(error)
    assert problem in str(error)


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_is_nested_without_end_is_refused(kind: str, scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    client = caller(server)
    for path, call in {
        "tools": {"tools": ENDLESS[kind]},
        "extra_body": {"extra_body": {"x": ENDLESS[kind]}},
        r"messages\[0\]\.x": {"messages": [{"role": "user", "content": "hi", "x": ENDLESS[kind]}]},
    }.items():
        with pytest.raises(ConfigurationError, match=f"^{path}.*(contains itself|is nested too deep)"):
            client.complete(**{"messages": HI, **call})
    assert server.connections == 0


@pytest.mark.parametrize(
    ("text", "sent"), [("a\ud83d", "a\ufffd"), ("\ud83d\ude00", "😀"), ("\ude00b", "\ufffdb")]
)
@pytest.mark.wrong_on_purpose
def test_half_a_character_does_not_stop_a_request(text: str, sent: str, scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    caller(server).complete([{"role": "user", "content": text}])
    assert server.deliveries[0].json["messages"][0]["content"] == sent


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(content=JSON, extra=st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_what_the_caller_gave_is_the_same_after_the_call(content: Any, extra: dict[str, Any]):
    messages = [{"role": "user", "content": content}]
    given = {"extra_body": extra, "metadata": {"a": "b"}, "provider": {"order": ["a"]}}
    before = copy.deepcopy((messages, given))
    extra.pop("stream", None)
    before[1]["extra_body"].pop("stream", None)
    options = ProviderOptions.of({"provider": {"order": ["b"], "zdr": True}}).merged(
        ProviderOptions.of(given)
    )
    chat_request(chat_body(messages, model="m/x", options=options), options.headers)
    assert (messages, given) == before


@both_kinds
@pytest.mark.wrong_on_purpose
def test_what_the_caller_gave_is_the_same_after_a_call_with_attempts(
    stream: bool, scripted: Servers, caller: Callers
):
    busy = answer({"error": {"code": 503}}, 503, Retry_After="0")
    server = scripted([busy], streamed(STREAM) if stream else [answer(COMPLETION)])
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "n"}]
    call = {"tools": [{"type": "function", "function": {"name": "f"}}], "provider": {"order": ["a"]}}
    before = copy.deepcopy((messages, call))
    client = caller(server, provider_options={"provider": {"zdr": True}})
    if stream:
        list(client.stream(messages, **call))
    else:
        client.complete(messages, **call)
    assert (messages, call) == before
    assert len(server.deliveries) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temprature": 1}, "temperature"),
        ({"provider": {"ordr": ["a"]}}, "order"),
        ({"temperature": "hot"}, "temperature"),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, "reasoning"),
    ],
    ids=["unknown", "unknown inside", "wrong type", "conflict"],
)
def test_an_option_that_cannot_be_says_what_is_meant(
    options: dict[str, Any], words: str, scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    assert words in str(wrong(caller, server, **options))


@pytest.mark.wrong_on_purpose
def test_what_is_not_known_here_goes_out_as_it_is(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    caller(server).complete(HI, extra_body={"of_tomorrow": {"a": [1, None]}})
    assert server.deliveries[0].json["of_tomorrow"] == {"a": [1, None]}


SIZE = 20 * 1024 * 1024


@pytest.mark.wrong_on_purpose
def test_a_large_image_is_written_once_and_sent_as_it_was_each_time(scripted: Servers, caller: Callers):
    """Once for all attempts, and sent in pieces that add up to what the length says."""
    busy = answer({"error": {"code": 503}}, 503, Retry_After="0")
    server = scripted([busy], [busy], [answer(COMPLETION)])
    client = caller(server, check="off")
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * SIZE}}]
    with count_of_bytes() as written:
        completion = client.complete([{"role": "user", "content": content}])
    assert (completion.attempts, written) == (3, [len(server.deliveries[0].body)])
    bodies = [sent.body for sent in server.deliveries]
    assert bodies[0] == bodies[1] == bodies[2]
    assert {sent.headers["content-length"] for sent in server.deliveries} == {str(len(bodies[0]))}
    assert not any("transfer-encoding" in sent.headers for sent in server.deliveries)


@contextmanager
def count_of_bytes() -> Iterator[list[int]]:
    """Note the size of every body that is written."""
    sizes: list[int] = []

    def noted(body: Mapping[str, Any]) -> bytes:
        raw = write(body)
        sizes.append(len(raw))
        return raw

    write = wire_request.encode_in_pieces
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire_request, "encode_in_pieces", noted)
        yield sizes


def test_writing_a_large_image_takes_little_more_memory_than_it():
    messages = [{"role": "user", "content": "A" * SIZE}]
    tracemalloc.start()
    try:
        request = chat_request(chat_body(messages, model="m/x", options=ProviderOptions()), {}).written()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(request.body or b"") < peak < 1.3 * SIZE


# --- A21: the environment ---


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "ftp://proxy", "ALL_PROXY: is no URL of a proxy"),
        ("HTTPS_PROXY", "ftp://me:hunter2@proxy", "HTTPS_PROXY: is no URL of a proxy"),
        ("HTTPS_PROXY", "http://[::1", "HTTPS_PROXY: is no URL of a proxy"),
        ("ALL_PROXY", "socks5://proxy:1080", "httpx[socks]"),
        ("SSL_CERT_FILE", "/no/such/file", "SSL_CERT_FILE='/no/such/file': the certificates cannot be read"),
    ],
)
@both_kinds
def test_a_wrong_environment_is_named_at_the_first_call(
    name: str, value: str, words: str, stream: bool, side: Side, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("openrouter_opts.http.pools._shared", {})
    monkeypatch.setenv(name, value)
    client = Caller(side, OpenRouterClient(api_key=KEY, base_url="https://openrouter.invalid/v1"))
    error = failure(client, ConfigurationError, stream=stream)
    assert words in str(error)
    assert "hunter2" not in str(error)
    client.close()


@pytest.mark.parametrize("junk", ["[::1", "*.", "://", ",,"])
def test_junk_in_no_proxy_is_passed_over(
    junk: str, side: Side, monkeypatch: pytest.MonkeyPatch, refusing: str
):
    monkeypatch.setattr("openrouter_opts.http.pools._shared", {})
    monkeypatch.setenv("NO_PROXY", junk)
    monkeypatch.setenv("HTTPS_PROXY", refusing.removesuffix("/api/v1"))
    client = Caller(
        side, OpenRouterClient(api_key=KEY, base_url="https://openrouter.invalid/v1", max_retries=0)
    )
    assert "through the proxy 127.0.0.1" in str(failure(client, ConnectionFailed))
    client.close()
