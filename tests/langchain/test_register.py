"""`init_chat_model` and `create_agent` know this package by name, once they have been told."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.chat_models import base, init_chat_model
from langchain.embeddings import base as embeddings_base
from langchain.embeddings import init_embeddings
from langchain_core.messages import HumanMessage

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings, register
from openrouter_opts.sandbox import Sandbox

CLAUDE = "anthropic/claude-sonnet-4.6"


@pytest.fixture(autouse=True)
def own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of providers that nobody has written into, and that are put back after the test."""
    for module in (base, embeddings_base):
        table = {
            name: entry for name, entry in module._BUILTIN_PROVIDERS.items() if name != "openrouter_opts"
        }
        monkeypatch.setattr(module, "_BUILTIN_PROVIDERS", table)
    embeddings_base._get_embeddings_class_creator.cache_clear()
    base._get_chat_model_creator.cache_clear()


@pytest.fixture
def where(sandbox: Sandbox) -> dict[str, Any]:
    return {"base_url": sandbox.base_url, "api_key": sandbox.api_key}


@pytest.mark.parametrize(
    ("name", "provider", "slug"),
    [
        (f"openrouter_opts:{CLAUDE}", None, CLAUDE),
        (f"openrouter_opts:{CLAUDE}:nitro", None, f"{CLAUDE}:nitro"),
        (CLAUDE, "openrouter_opts", CLAUDE),
        (f"{CLAUDE}:nitro", "openrouter_opts", f"{CLAUDE}:nitro"),
        (CLAUDE, "openrouter-opts", CLAUDE),
    ],
)
def test_a_model_is_made_by_its_name(name: str, provider: str | None, slug: str) -> None:
    register()
    model = init_chat_model(name, model_provider=provider)
    assert type(model) is ChatOpenRouter
    assert model.model_name == slug


def test_keyword_arguments_are_those_of_the_class(sandbox: Sandbox, where: dict[str, Any]) -> None:
    register()
    options = {"provider": {"order": ["anthropic"]}, "provider_options": {"user": "u"}}
    model = init_chat_model(f"openrouter_opts:{CLAUDE}", temperature=0.5, **options, **where)
    model.invoke("hi")
    sent = {"temperature": 0.5, "provider": {"order": ["anthropic"]}, "user": "u"}
    assert sandbox.last.body == sandbox.last.body | sent


def test_a_configurable_model_is_another_for_each_call(sandbox: Sandbox, where: dict[str, Any]) -> None:
    register()
    model = init_chat_model(
        f"openrouter_opts:{CLAUDE}",
        configurable_fields=("model", "model_provider", "temperature"),
        config_prefix="first",
        temperature=0.5,
        **where,
    )
    assert model.invoke("hi").response_metadata["model_name"] == CLAUDE
    assert sandbox.last.body["temperature"] == 0.5
    changed = {"first_model": "openrouter_opts:openai/gpt-4o-mini", "first_temperature": 0.7}
    answer = model.with_config(configurable=changed).invoke("hi")
    assert answer.response_metadata["model_name"] == "openai/gpt-4o-mini"
    assert sandbox.last.body["temperature"] == 0.7


def test_a_model_without_a_default_takes_its_name_from_the_call(
    sandbox: Sandbox, where: dict[str, Any]
) -> None:
    register()
    model = init_chat_model(**where)
    chosen = {"model": CLAUDE, "model_provider": "openrouter_opts"}
    assert model.invoke("hi", {"configurable": chosen}).response_metadata["model_name"] == CLAUDE


def test_an_agent_is_made_with_a_name(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("OPENROUTER_API_BASE", sandbox.base_url)
    agent: Any = create_agent(f"openrouter_opts:{CLAUDE}", [])
    answer = agent.invoke({"messages": [HumanMessage("hi")]})["messages"][-1]
    assert answer.response_metadata["model_name"] == CLAUDE


def test_embeddings_are_made_by_their_name(where: dict[str, Any]) -> None:
    register()
    embeddings = init_embeddings("openrouter_opts:openai/text-embedding-3-small", dimensions=8, **where)
    assert type(embeddings) is OpenRouterEmbeddings
    assert len(embeddings.embed_query("hi")) == 8


def test_an_embeddings_table_that_has_moved_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embeddings_base, "_BUILTIN_PROVIDERS", None)
    with pytest.raises(ImportError, match=r"make an `OpenRouterEmbeddings\(model=…\)` instead of a name"):
        register()
    assert "openrouter_opts" not in base._BUILTIN_PROVIDERS


def test_it_may_be_called_again() -> None:
    register()
    table = dict(base._BUILTIN_PROVIDERS)
    register()
    assert table == base._BUILTIN_PROVIDERS


def test_plain_openrouter_stays_the_other_package() -> None:
    register()
    assert base._BUILTIN_PROVIDERS["openrouter"][0] == "langchain_openrouter"


def test_plain_openrouter_is_taken_over_on_request_even_after_it_was_used() -> None:
    base._BUILTIN_PROVIDERS["openrouter"] = ("unittest.mock", "MagicMock", lambda cls, **_: cls())
    assert not isinstance(init_chat_model(f"openrouter:{CLAUDE}"), ChatOpenRouter)
    register(replace=True)
    for name in (f"openrouter:{CLAUDE}", f"openrouter_opts:{CLAUDE}"):
        assert type(init_chat_model(name)) is ChatOpenRouter


@pytest.mark.parametrize(
    "table",
    [
        None,
        [],
        {"openai": ("langchain_openai", "ChatOpenAI")},
        {"openai": ("langchain_openai", "ChatOpenAI", None)},
        {"openai": "langchain_openai:ChatOpenAI"},
    ],
)
def test_a_table_that_has_moved_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, table: Any
) -> None:
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", table)
    with pytest.raises(
        ImportError, match=r"give `create_agent` a `ChatOpenRouter\(model=…\)` instead of a name"
    ):
        register()


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Missing())
import langchain_openrouter_opts as ours
{code}
"""


def said_without(missing: str, code: str) -> str:
    """Return how a process ends that hasn't got a module."""
    script = WITHOUT.format(missing=missing, code=code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["nothing"])[-1]


@pytest.mark.parametrize(
    ("missing", "code", "said"),
    [
        ("langchain", "ours.ChatOpenRouter(model='openai/gpt-5-mini')", "nothing"),
        (
            "langchain",
            "ours.register()",
            "ImportError: register() is for `init_chat_model` and `create_agent`",
        ),
        ("langchain", "ours.PromptCachingMiddleware", "ImportError: PromptCachingMiddleware is for agents"),
        (
            "langchain.chat_models.base",
            "ours.register()",
            "ImportError: langchain.chat_models.base keeps its",
        ),
        ("langgraph", "ours.PromptCachingMiddleware", "ModuleNotFoundError: No module named 'langgraph'"),
    ],
)
def test_without_langchain_only_agents_and_names_are_missing(missing: str, code: str, said: str) -> None:
    assert said_without(missing, code).startswith(said)
