"""The names that options had before this library, each through every door of both frameworks, and what becomes of them today."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from openrouter_opts.options import deprecated
from openrouter_opts.sandbox import Sandbox
from tests.frameworks import WAYS, Framework

COMPRESSION = "context-compression"
PREFERENCES = {"order": ["Together", "Fireworks"], "require_parameters": True}

# A name, a value, what is sent of it, and what a warning says, if there is one.
SEEDS: list[tuple[str, Any, dict[str, Any], str]] = [
    ("openrouter_models", ["openai/gpt-4o-mini"], {"models": ["openai/gpt-4o-mini"]}, ""),
    ("openrouter_route", "fallback", {}, "use `provider.sort.partition`"),
    (
        "openrouter_route",
        "sort",
        {"provider": {"sort": {"partition": "none"}}},
        "use `provider.sort.partition`",
    ),
    ("openrouter_provider", PREFERENCES, {"provider": PREFERENCES}, ""),
    ("openrouter_transforms", ["middle-out"], {"plugins": [{"id": COMPRESSION}]}, "use `plugins`"),
    ("openrouter_transforms", [], {"plugins": [{"id": COMPRESSION, "enabled": False}]}, "use `plugins`"),
    ("openrouter_top_k", 40, {"top_k": 40}, ""),
    ("openrouter_repetition_penalty", 1.1, {"repetition_penalty": 1.1}, ""),
    ("openrouter_min_p", 0.1, {"min_p": 0.1}, ""),
    ("openrouter_top_a", 0.2, {"top_a": 0.2}, ""),
    ("openrouter_top_logprobs", 5, {"logprobs": True, "top_logprobs": 5}, ""),
    ("openrouter_usage", {"include": True}, {}, "leave it out"),
    ("openrouter_plugins", [{"id": "web"}], {"plugins": [{"id": "web"}]}, "use the server tool `WebSearch`"),
    ("openrouter_session_id", "s1", {"session_id": "s1"}, ""),
    ("app_referer", "https://app.example", {"HTTP-Referer": "https://app.example"}, ""),
    ("app_title", "My App", {"X-OpenRouter-Title": "My App"}, ""),
]


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(credits="1000") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.mark.parametrize(("framework", "way"), [each[:2] for each in WAYS], ids=[each[2] for each in WAYS])
@pytest.mark.parametrize(
    ("name", "value", "sent", "instead"), SEEDS, ids=[f"{name}={value}" for name, value, *_ in SEEDS]
)
def test_a_name_of_old_is_sent_in_todays_terms_and_warns_once_if_there_is_a_better_one(
    name: str,
    value: Any,
    sent: dict[str, Any],
    instead: str,
    framework: Framework,
    way: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deprecated, "_warned", set())
    with warnings.catch_warnings(record=True, action="always") as caught:
        for _ in range(2):
            framework.ways[way](lambda **arguments: framework.make(sandbox, **arguments), {name: value})

    assert [instead in str(warning.message) for warning in caught] == ([True] if instead else [])
    body = {
        key: value for key, value in sandbox.last.body.items() if key not in {"model", "messages", "stream"}
    }
    headers = {key: sandbox.last.headers[key.lower()] for key in sent if key[0].isupper()}
    assert {**body, **headers} == sent
