"""The key reaches the header, and nothing else."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.secret import Secret

KEY = "sk-or-v1-0123456789"


def test_the_environment_is_read_when_the_key_is_needed(monkeypatch: pytest.MonkeyPatch):
    secret = Secret()
    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY"):
        secret.reveal()
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    assert secret.reveal() == KEY


@pytest.mark.parametrize("source", [KEY, SecretStr(KEY), lambda: KEY, Secret(KEY), Secret(lambda: KEY)])
def test_a_key_comes_from_a_string_a_secret_or_a_callable(source: object):
    assert Secret(source).reveal() == KEY


@pytest.mark.parametrize("key", [f"{KEY}\n", f"  {KEY} ", f"{KEY}\r\n"])
def test_white_space_around_the_key_is_dropped(key: str):
    assert Secret(key).reveal() == KEY


def test_a_callable_is_asked_every_time():
    keys = iter(["a", "b"])
    secret = Secret(lambda: next(keys))
    assert (secret.reveal(), secret.reveal()) == ("a", "b")


@pytest.mark.parametrize("key", ["", "   ", "\n"])
def test_an_empty_key_is_none(key: str, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigurationError, match="there is no API key: set `OPENROUTER_API_KEY`"):
        Secret(key).reveal()
    monkeypatch.setenv("OPENROUTER_API_KEY", key)
    with pytest.raises(ConfigurationError, match="there is no API key"):
        Secret().reveal()


@pytest.mark.parametrize("bad", ["\u201c", "\u200b", "\0", "\n", " ", "é", "\x7f"])
def test_a_character_that_cannot_be_in_a_header_is_named_by_its_place(bad: str):
    with pytest.raises(ConfigurationError, match="character 14 of the API key") as caught:
        Secret("sk-or-v1-0123" + bad + "456").reveal()
    assert "0123" not in str(caught.value)


def test_a_callable_that_fails_is_named_by_the_kind_of_its_error():
    def fetch() -> str:
        raise LookupError(f"vault said {KEY}")

    with pytest.raises(ConfigurationError, match="raised LookupError") as caught:
        Secret(fetch).reveal()
    assert "vault" not in str(caught.value)


async def a_coroutine() -> str:
    return KEY


@pytest.mark.parametrize(
    ("source", "what"), [(lambda: 5, "int"), (lambda: b"key", "bytes"), (a_coroutine, "coroutine")]
)
def test_a_callable_that_returns_no_string_is_refused(source: Callable[[], str], what: str):
    with pytest.raises(ConfigurationError, match=f"the API key is a {what}, not a string"):
        Secret(source).reveal()


def test_a_callable_that_returns_nothing_gives_no_key():
    with pytest.raises(ConfigurationError, match="there is no API key"):
        Secret(lambda: None).reveal()


def test_the_key_is_never_shown():
    secret = Secret(KEY)
    assert KEY not in f"{secret!r} {secret} {vars(Secret).keys()}"
    assert KEY.encode() not in pickle.dumps(secret)


def test_a_pickled_secret_takes_its_key_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    twin = pickle.loads(pickle.dumps(Secret(KEY)))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-other")
    assert twin.reveal() == "sk-or-other"


def test_a_copied_secret_keeps_its_key():
    secret = Secret(lambda: KEY)
    assert copy.copy(secret).reveal() == copy.deepcopy(secret).reveal() == KEY


def test_secrets_are_equal_when_their_sources_are():
    assert Secret(KEY) == Secret(KEY) != Secret("other")
    assert Secret(SecretStr(KEY)) == Secret(SecretStr(KEY))
    assert hash(Secret(SecretStr(KEY))) == hash(Secret(SecretStr(KEY)))
    assert Secret(KEY) != KEY
