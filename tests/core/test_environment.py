"""Options from the environment: below everything that is said in code."""

from __future__ import annotations

import pytest

from openrouter_opts import ConfigurationError, OpenRouterClient
from openrouter_opts.options.environment import from_environment
from openrouter_opts.sandbox import Sandbox

HI = [{"role": "user", "content": "hi"}]


def test_variables_of_the_environment_set_options_of_every_call(
    openrouter_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_APP_URL", "https://env.example")
    monkeypatch.setenv("OPENROUTER_APP_TITLE", "Env")
    monkeypatch.setenv("OPENROUTER_SESSION_ID", "from-env")
    client = OpenRouterClient(model="openai/gpt-5-mini", provider_options={"app_title": "Mine"})
    client.complete(HI)
    sent = openrouter_sandbox.last
    assert sent.body["session_id"] == "from-env"
    assert (sent.headers["http-referer"], sent.headers["x-openrouter-title"]) == (
        "https://env.example",
        "Mine",
    )
    client.complete(HI, session_id=None)
    assert "session_id" not in openrouter_sandbox.last.body


def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not from_environment().given
    monkeypatch.setenv("OPENROUTER_SESSION_ID", "")
    assert not from_environment().given


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_APP_TITLE", "Two\nlines")
    with pytest.raises(ConfigurationError, match=r"^OPENROUTER_APP_TITLE: .*line breaks"):
        OpenRouterClient(model="openai/gpt-5-mini")
