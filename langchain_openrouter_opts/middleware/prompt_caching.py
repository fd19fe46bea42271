"""`PromptCachingMiddleware`: cache breakpoints for agents."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ContextT,
    ModelRequest,
    ModelResponse,
    ResponseT,
)
from langchain_core.messages import AIMessage, BaseMessage
from typing_extensions import override

from langchain_openrouter_opts import arguments
from langchain_openrouter_opts.chat_models import ChatOpenRouter
from langchain_openrouter_opts.middleware.breakpoints import Section, Ttl
from langchain_openrouter_opts.middleware.cache_watch import CacheWatch
from langchain_openrouter_opts.middleware.marks import with_breakpoints
from langchain_openrouter_opts.registry import concrete
from openrouter_opts.catalog.slugs import Slug
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.caller import warn

_HOW_LONG: Final = get_args(Ttl)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as it goes on, and what to know when its answer comes.

    Attributes:
        request: with its breakpoints.
        author: whose model is asked; None where there are no breakpoints, and so nothing to expect of a cache.
        started: when it was sent, by `time.monotonic`.
    """

    request: ModelRequest[Any]
    author: str | None = None
    started: float = 0


class PromptCachingMiddleware(AgentMiddleware[AgentState[ResponseT], ContextT, ResponseT]):
    """Sets cache breakpoints, so that each turn of an agent reads the turns before from the provider's prompt cache.

    ``create_agent(llm, tools, middleware=[PromptCachingMiddleware()])``

    Each request gets at most four, at the end of the tools, of the system prompt, of what the last request had, and of everything. Yours
    stay where they are, and count: `cache_control` on a text, a message, a tool, or as an option. Agent state, messages and tools are not
    changed.

    Claude and Qwen need breakpoints to cache at all, and get them. The others cache by themselves, so that a breakpoint adds nothing
    (OpenAI, DeepSeek, Grok, Kimi), or adds a fee for storage (Gemini, of which only the last one counts); their requests stay as they are,
    with the breakpoints that you set. https://openrouter.ai/docs/guides/best-practices/prompt-caching

    Writing to the cache costs 1.25 times the prompt price, or twice for an hour, and reading a tenth of it: one hit pays for it. A prompt
    below the minimum of the model (Claude: 1,024 to 4,096 tokens) is neither cached nor charged for it.

    It warns once, as a `UserWarning`, when several requests of one conversation should have read from the cache and `cached_tokens` stayed
    0, and when the model is none of this package. Beside `ModelFallbackMiddleware` list it last, so that it sees each model that is tried;
    that one takes breakpoints off the tools of what comes from outside.

    Args:
        ttl: How long Claude's cache keeps the tools and the system prompt, from their last use on: ``"5m"`` or ``"1h"``. Qwen's keeps
            everything for five minutes.
        conversation_ttl: The same for the messages; by default as `ttl`. Not longer, since longer ones have to come first.
        min_tokens: How many tokens a prompt has to have, about, to get breakpoints. A larger number saves the fee for writing where most
            conversations end after one request.

    Raises:
        ConfigurationError: A ttl that there isn't, or a longer one after a shorter one.
    """

    def __init__(self, *, ttl: Ttl = "5m", conversation_ttl: Ttl | None = None, min_tokens: int = 0) -> None:
        super().__init__()
        self.ttl: Final = _checked("ttl", ttl)
        self.conversation_ttl: Final = _checked("conversation_ttl", conversation_ttl or ttl)
        self.min_tokens: Final = min_tokens
        if (ttl, conversation_ttl) == ("5m", "1h"):
            raise ConfigurationError(
                "conversation_ttl: can't be longer than ttl; longer ones have to come first"
            )
        self._watch = CacheWatch()
        self._strangers: set[type] = set()

    @override
    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[ResponseT]],
    ) -> ModelResponse[ResponseT]:
        """Set breakpoints, ask the model, and see whether the cache was read."""
        call = self._planned(request)
        response = handler(call.request)
        self._judge(call, response)
        return response

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[ResponseT]]],
    ) -> ModelResponse[ResponseT]:
        """Set breakpoints, ask the model, and see whether the cache was read."""
        call = self._planned(request)
        response = await handler(call.request)
        self._judge(call, response)
        return response

    def _planned(self, request: ModelRequest[ContextT]) -> _Call:
        model = concrete(request.model)
        if not isinstance(model, ChatOpenRouter):
            self._warn_of(type(model))
            return _Call(request)
        author = Slug.parse(arguments.model_of(model, request.model_settings)).author
        wanted = self._wanted(author)
        if not wanted or self._is_short(model, request):
            return _Call(request)
        try:
            options = arguments.body_of(model, request.model_settings)
            marked = with_breakpoints(request.tools, _messages(request), options, wanted)
        except ConfigurationError:
            # The model says so as well when it is called, and where in the conversation.
            return _Call(request)
        if not marked.count:
            return _Call(request)
        messages = list(marked.messages)
        system = None if request.system_message is None else messages.pop(0)
        request = request.override(tools=marked.tools, messages=messages, system_message=system)
        return _Call(request, author, time.monotonic())

    def _wanted(self, author: str) -> Mapping[Section, Ttl]:
        """The ttl of each breakpoint that a model of this author has any use for."""
        if author == "anthropic":
            later = self.conversation_ttl
            return {"tools": self.ttl, "system": self.ttl, "sent": later, "new": later}
        return {"system": "5m", "sent": "5m", "new": "5m"} if author == "qwen" else {}

    def _is_short(self, model: ChatOpenRouter, request: ModelRequest[ContextT]) -> bool:
        if self.min_tokens <= 0:
            return False
        return model.get_num_tokens_from_messages(_messages(request), request.tools) < self.min_tokens

    def _judge(self, call: _Call, response: ModelResponse[ResponseT]) -> None:
        answer = next((each for each in response.result if isinstance(each, AIMessage)), None)
        if answer is None or call.author is None:
            return
        # A fallback may have answered, which had no breakpoints, or has no use for them.
        if Slug.parse(answer.response_metadata.get("model_name", "")).author != call.author:
            return
        if problem := self._watch.problem(call.request.messages, call.started, answer):
            warn(problem)

    def _warn_of(self, stranger: type) -> None:
        if stranger not in self._strangers:
            self._strangers.add(stranger)
            said = f"PromptCachingMiddleware: a {stranger.__name__} is left alone; breakpoints are for ChatOpenRouter"
            warn(said)


def _checked(name: str, ttl: Ttl) -> Ttl:
    if ttl not in _HOW_LONG:
        raise ConfigurationError(f"{name}: should be '5m' or '1h', not {ttl!r}")
    return ttl


def _messages(request: ModelRequest[Any]) -> list[BaseMessage]:
    system = [] if request.system_message is None else [request.system_message]
    return [*system, *request.messages]
