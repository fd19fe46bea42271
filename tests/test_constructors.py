"""The constructors of all five classes: what is wrong with one shows no secret that was given to it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import ConfigurationError, OpenRouterClient
from tests.faults.aftermath import chain, frames_that_show

KEY, PASSWORD = "sk-or-v1-0123456789abcdef", "a-password-of-a-url"
HI = [{"role": "user", "content": "hi"}]
PROXY = f"http://user:{PASSWORD}@127.0.0.1:9"
REFUSED = {
    "user and password": f"https://user:{PASSWORD}@gateway.example/api/v1",
    "a password that is not escaped": f"https://user:pass/{PASSWORD}@gateway.example/api/v1",
    "a password before no host": f"https://user:{PASSWORD}@[::1",
    "a password as the user": f"https://{PASSWORD}@gateway.example/api/v1",
    "a key in the query": f"https://gateway.example/api/v1?key={PASSWORD}",
}
CLASSES: list[Callable[..., Any]] = [
    OpenRouterClient,
    ChatOpenRouter,
    OpenRouter,
    OpenRouterEmbeddings,
    OpenRouterEmbedding,
]
WRONG: dict[str, Mapping[str, Any]] = {
    "an URL": {"base_url": "ftp://x"},
    "an option": {"provider_options": {"temprature": 1}},
    "an option of a wrong type": {"provider_options": {"provider": "fast"}},
    "a timeout": {"timeout": "x"},
    "a number of attempts": {"max_retries": "many"},
    "a model": {"model": ["m/x"]},
    "a limit": {"spend_limit": "much"},
    "a proxy": {"proxy": PROXY.replace("http", "ftp")},
    "a proxy that is no URL": {"proxy": f"http://user:{PASSWORD}@[::1"},
    "a key in a list": {"api_key": [KEY], "max_retries": -1},
    **{f"a URL with {what}": {"base_url": url} for what, url in REFUSED.items()},
}
of_all_classes = pytest.mark.parametrize("cls", CLASSES)


@of_all_classes
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_an_argument_shows_neither_key_nor_password(
    cls: Any, wrong: Mapping[str, Any]
) -> None:
    with pytest.raises(ValueError) as caught:
        cls(**{"model": "m/x", "api_key": KEY, "proxy": PROXY, **wrong})
    for secret in (KEY, PASSWORD):
        assert frames_that_show(secret, caught.value) == []
        assert not [link for link in chain(caught.value) if secret in f"{link} {link!r}"]


@pytest.mark.parametrize("cls", CLASSES[1:])
def test_an_argument_that_does_not_exist_shows_neither_key_nor_password(cls: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cls(model="m/x", api_key=KEY, proxy=PROXY, temprature=1)
    assert frames_that_show(KEY, caught.value) + frames_that_show(PASSWORD, caught.value) == []


@of_all_classes
@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_a_url_of_the_environment_that_is_refused_shows_no_password(
    url: str, cls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_BASE", url)
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        cls(model="m/x", api_key=KEY)
    assert PASSWORD not in str(caught.value)
    assert frames_that_show(PASSWORD, caught.value) == []


def test_a_proxy_of_the_environment_that_is_no_url_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY.replace("http", "ftp"))
    with pytest.raises(ConfigurationError) as caught:
        OpenRouterClient(api_key=KEY, model="m/x").complete(HI)
    assert frames_that_show(PASSWORD, caught.value) == []


@of_all_classes
def test_nobody_sees_the_password_of_a_proxy(cls: Any) -> None:
    made = cls(model="m/x", api_key=KEY, proxy=PROXY)
    client = getattr(made, "client", made)
    shown = [made, vars(made), client, vars(client), vars(client._transport), client._transport._key]
    assert PASSWORD not in repr(shown)
    assert client._transport._key[1].url == PROXY


@of_all_classes
def test_a_pickle_has_the_proxy_without_user_and_password(cls: Any) -> None:
    made = pickle.loads(pickle.dumps(cls(model="m/x", api_key=KEY, proxy=PROXY)))
    client = getattr(made, "client", made)
    assert client._transport._key[1].url == "http://127.0.0.1:9"


@of_all_classes
def test_no_frame_of_a_call_shows_the_password_of_its_proxy(cls: Any) -> None:
    made = cls(
        model="m/x", api_key=KEY, base_url="https://openrouter.invalid/api/v1", proxy=PROXY, max_retries=0
    )
    client = getattr(made, "client", made)
    with pytest.raises(ConnectionError) as caught:
        client.complete(HI)
    assert frames_that_show(PASSWORD, caught.value) + frames_that_show(KEY, caught.value) == []


def key_of(cls: Any) -> str:
    return "openrouter_api_key" if "openrouter_api_key" in cls.model_fields else "api_key"


def url_of(cls: Any) -> str:
    return next(name for name in ("openrouter_api_base", "api_base", "base_url") if name in cls.model_fields)


def assigned(cls: Any, **fields: str) -> Any:
    made = cls(model="m/x", api_key="sk-old")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def copied(cls: Any, **fields: str) -> Any:
    return cls(model="m/x", api_key="sk-old").model_copy(update=fields)


@pytest.mark.parametrize("cls", CLASSES[1:])
@pytest.mark.parametrize("change", [assigned, copied])
def test_nobody_sees_what_a_field_got_later(change: Any, cls: Any) -> None:
    made = change(cls, **{key_of(cls): KEY, "proxy": PROXY})
    shown = [made, vars(made), vars(made.client)]
    assert KEY not in repr(shown)
    assert PASSWORD not in repr(shown)
    made.max_retries = -1
    with pytest.raises(ConfigurationError) as caught:
        _ = made.client
    assert frames_that_show(KEY, caught.value) + frames_that_show(PASSWORD, caught.value) == []


@pytest.mark.parametrize("cls", CLASSES[1:])
@pytest.mark.parametrize("change", [assigned, copied])
def test_a_url_that_a_field_got_later_is_refused_and_shows_no_password(change: Any, cls: Any) -> None:
    made = change(cls, **{url_of(cls): REFUSED["user and password"]})
    with pytest.raises(ConfigurationError, match="there is a user or password") as caught:
        _ = made.client
    assert frames_that_show(PASSWORD, caught.value) == []


@pytest.mark.parametrize("cls", [ChatOpenRouter, OpenRouter, OpenRouterEmbedding])
def test_a_url_by_the_name_of_its_field_shows_no_password(cls: Any) -> None:
    with pytest.raises(ConfigurationError, match="there is a user or password") as caught:
        cls(model="m/x", api_key=KEY, **{url_of(cls): REFUSED["user and password"]})
    assert frames_that_show(PASSWORD, caught.value) == []


def test_a_copy_with_a_field_that_does_not_exist_shows_no_key() -> None:
    model = ChatOpenRouter(model="m/x", api_key="sk-old")
    with pytest.raises(ConfigurationError) as caught:
        model.model_copy(update={"api_key": KEY, "temprature": 1})
    assert frames_that_show(KEY, caught.value) == []
