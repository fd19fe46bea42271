"""One test for both frameworks: models at a sandbox, and the ways in which each takes options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from llama_index.core.base.llms.types import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox

Options: TypeAlias = Mapping[str, Any]
Make: TypeAlias = Callable[..., Any]
Way: TypeAlias = Callable[[Make, Options], Any]

HI: Final = [ChatMessage(role="user", content="hi")]


@dataclass(frozen=True, slots=True)
class Framework:
    """A model class, and how options are given to it."""

    name: str
    cls: Callable[..., Any]
    kwargs: str
    """The argument of its constructor for further keys of the body."""
    ask: Callable[..., Any]
    """Calls a model with options."""
    others: Mapping[str, Way]
    """Ways that the other framework doesn't have."""

    def make(self, sandbox: Sandbox, **arguments: Any) -> Any:
        """Make a model that sends what it is told, whether or not it does anything for that model."""
        where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "check": "off"}
        return self.cls(**{"model": "openai/gpt-5-mini", **where, **arguments})

    @property
    def ways(self) -> Mapping[str, Way]:
        """Every way to give options: each makes a model and asks it."""
        return {
            "constructor": lambda make, options: self.ask(make(**options)),
            "provider_options": lambda make, options: self.ask(make(provider_options=options)),
            self.kwargs: lambda make, options: self.ask(make(**{self.kwargs: options})),
            "call": lambda make, options: self.ask(make(), **options),
            "provider_options of a call": lambda make, options: self.ask(make(), provider_options=options),
            **self.others,
        }


LANGCHAIN: Final = Framework(
    "langchain",
    ChatOpenRouter,
    "model_kwargs",
    lambda llm, **call: llm.invoke("hi", **call),
    {
        "stream": lambda make, options: list(make().stream("hi", **options)),
        "bind": lambda make, options: make().bind(**options).invoke("hi"),
        "provider_options of bind": lambda make, options: make().bind(provider_options=options).invoke("hi"),
        "bind_tools": lambda make, options: make().bind_tools([], **options).invoke("hi"),
    },
)
LLAMAINDEX: Final = Framework(
    "llamaindex",
    OpenRouter,
    "additional_kwargs",
    lambda llm, **call: llm.chat(HI, **call),
    {
        "stream_chat": lambda make, options: list(make().stream_chat(HI, **options)),
        "complete": lambda make, options: make().complete("hi", **options),
        "chat_with_tools": lambda make, options: make().chat_with_tools([], "hi", **options),
    },
)
FRAMEWORKS: Final = (LANGCHAIN, LLAMAINDEX)
WAYS: Final = [
    (framework, way, f"{framework.name}-{way}") for framework in FRAMEWORKS for way in framework.ways
]
