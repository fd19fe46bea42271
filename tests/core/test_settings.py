"""Where requests go and how long they may take, checked before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.settings import BASE_URL, Settings, Timeout


def test_the_defaults():
    settings = Settings.of()
    assert (settings.base_url, settings.max_retries, settings.retry_uncertain) == (BASE_URL, 2, False)
    assert settings.timeout == Timeout(connect=5.0, first_byte=600.0, idle=60.0, progress=300.0, total=None)


def test_the_base_url_of_the_environment_counts_unless_one_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_API_BASE", "http://127.0.0.1:1/api/v1/")
    assert Settings.of().base_url == "http://127.0.0.1:1/api/v1"
    assert Settings.of(base_url="http://localhost/v1").base_url == "http://localhost/v1"
    monkeypatch.setenv("OPENROUTER_API_BASE", "")
    assert Settings.of().base_url == BASE_URL


@pytest.mark.parametrize(
    "url",
    [
        "",
        "openrouter.ai/api/v1",
        "ftp://openrouter.ai",
        "https://",
        "https://open router.ai",
        "https://openrouter.ai/api/v1\n",
        "https://openrouter.ai:x/v1",
        "https://openrouter.ai:99999/v1",
        "https://openrouter.ai:0/v1",
        "https://openrouter.ai/v1?a=b",
        "https://openrouter.ai/v1#a",
        "https://[::1/v1",
        5,
        b"https://openrouter.ai",
    ],
)
def test_a_base_url_that_cannot_be_right_is_refused(url: object):
    with pytest.raises(ConfigurationError, match="base_url: "):
        Settings.of(base_url=url)


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@host/v1", "https://me:hunter2@host:x/v1", "me:hunter2@host"]
)
def test_a_password_in_the_base_url_is_refused_and_not_shown(url: str):
    with pytest.raises(ConfigurationError, match="base_url: ") as caught:
        Settings.of(base_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("retries", [-1, 1.5, "2", True, None])
def test_max_retries_is_a_whole_number(retries: object):
    with pytest.raises(ConfigurationError, match="max_retries"):
        Settings.of(max_retries=retries)
    with pytest.raises(ConfigurationError, match="max_retries"):
        replace(Settings(), max_retries=retries)


@pytest.mark.parametrize(
    ("given", "timeout"),
    [
        (None, Timeout()),
        (Timeout(idle=1), Timeout(idle=1)),
        (30, Timeout(connect=5.0, first_byte=30, idle=30)),
        (0.5, Timeout(connect=0.5, first_byte=0.5, idle=0.5)),
        ({"total": 10, "idle": None}, Timeout(total=10, idle=None)),
        (httpx.Timeout(3.0, connect=1.0), Timeout(connect=1.0, first_byte=3.0, idle=3.0)),
        (httpx.Timeout(None), Timeout(connect=None, first_byte=None, idle=None)),
        ((1, 3.0), Timeout(connect=1, first_byte=3.0, idle=3.0)),
        ([1, None], Timeout(connect=1, first_byte=None, idle=None)),
        ((1, 3, 5, 7), Timeout(connect=1, first_byte=3, idle=3)),
    ],
)
def test_a_timeout_may_be_given_in_many_forms(given: object, timeout: Timeout):
    assert Timeout.of(given) == timeout


@pytest.mark.parametrize(
    "given",
    [
        0,
        -1,
        float("nan"),
        float("inf"),
        True,
        "5",
        (1,),
        (1, 2, 3),
        (0, 1),
        {"idle": 0},
        {"idle": "x"},
        {"idle": True},
    ],
)
def test_a_timeout_that_makes_no_sense_is_refused(given: object):
    with pytest.raises(ConfigurationError, match="timeout"):
        Timeout.of(given)


def test_a_phase_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(
        ConfigurationError, match=r"timeout\.read: no such phase; there are connect, first_byte"
    ):
        Timeout.of({"read": 5})
