"""The values that an answer is read into.

Frozen, and equal when their contents are. Whatever OpenRouter sends that has no field here stays in `raw`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from openrouter_opts.money.cost import UNKNOWN_COST, Cost

PROPER_ENDINGS: Final = frozenset(
    {"stop", "tool_calls", "function_call", "end_turn", "stop_sequence", "tool_use", "completed", "eos"}
)
"""The finish reasons of answers that are whole: OpenRouter's own words, and providers' that it doesn't know and hands on."""

# What models write where a tool has no parameters.
_NO_ARGUMENTS: Final = frozenset({"", "null", '""'})


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call consumed, counted by the provider's own tokenizer; `None` where the answer does not say."""

    prompt_tokens: int | None = None
    """Tokens in: text, images, audio, tools. Cached tokens are part of these."""
    completion_tokens: int | None = None
    """Tokens out. Reasoning tokens are part of these."""
    total_tokens: int | None = None
    prompt_details: Mapping[str, int] = field(default_factory=dict)
    """Parts of the prompt: `cached_tokens`, `cache_write_tokens`, `audio_tokens`, `video_tokens`, `file_tokens`."""
    completion_details: Mapping[str, int] = field(default_factory=dict)
    """Parts of the completion: `reasoning_tokens`, `audio_tokens`, `image_tokens`, …"""
    server_tool_use: Mapping[str, int] = field(default_factory=dict)
    """`tool_calls_requested`, `tool_calls_executed`, `web_search_requests`; they overlap, so never add them up."""
    cost: Cost = UNKNOWN_COST
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The `usage` object as it came."""

    @property
    def cached_tokens(self) -> int | None:
        """Prompt tokens that were read from the provider's cache."""
        return self.prompt_details.get("cached_tokens")

    @property
    def cache_write_tokens(self) -> int | None:
        """Prompt tokens that were written to the provider's cache."""
        return self.prompt_details.get("cache_write_tokens")

    @property
    def reasoning_tokens(self) -> int | None:
        """Completion tokens spent on reasoning."""
        return self.completion_details.get("reasoning_tokens")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function tool that the model asks for."""

    id: str
    name: str
    arguments: str
    """The JSON text of the arguments, exactly as the model wrote it; it may be cut short or not be JSON at all."""
    index: int = 0

    @property
    def has_arguments(self) -> bool:
        """Whether there is a text that says more than nothing: models write `null` or `""` where a tool has no parameters."""
        return self.arguments.strip() not in _NO_ARGUMENTS

    @property
    def args(self) -> dict[str, Any] | None:
        """The arguments as a mapping, or `None` when the text is no JSON object. A text that says nothing means no arguments.

        A raw line break or tab inside a string is let pass: JSON forbids it, models write it, and nothing else can be meant.
        """
        if not self.has_arguments:
            return {}
        try:
            parsed = from_json(self.arguments, allow_inf_nan=False)
        except ValueError:
            parsed = _with_raw_controls(self.arguments)
        return parsed if isinstance(parsed, dict) else None


def _with_raw_controls(text: str) -> Any:
    try:
        # Written again and read strictly, since the lenient parser lets half characters pass too.
        return from_json(json.dumps(json.loads(text, strict=False)), allow_inf_nan=False)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of the model. OpenRouter sends one, unless `n` asked a provider for more."""

    index: int = 0
    text: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    """The reasoning as text for people, if the model shows it."""
    reasoning_details: tuple[Mapping[str, Any], ...] | None = None
    """What the next turn must send back, unchanged and in this order; `()` is meaningful, and differs from `None`.

    Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
    """
    tool_calls: tuple[ToolCall, ...] = ()
    images: tuple[Mapping[str, Any], ...] = ()
    """Generated images: `{"type": "image_url", "image_url": {"url": "data:…"}}`."""
    audio: Mapping[str, Any] | None = None
    annotations: tuple[Mapping[str, Any], ...] = ()
    """Citations (`url_citation`) and parsed files (`file`), as they came."""
    finish_reason: str | None = None
    """`stop`, `length`, `tool_calls`, `content_filter`, `error`, or whatever is new."""
    native_finish_reason: str | None = None
    """The provider's own word for it."""
    logprobs: Mapping[str, Any] | None = None

    def args_of(self, call: ToolCall) -> dict[str, Any] | None:
        """Return the arguments with which a call of this answer may be run, or `None` if it must not be.

        A call that was cut off before its arguments looks like a call without any, so it is taken for one only in an answer that says
        that it ended properly: not at the token limit, nor by a content filter, nor without a word.
        """
        ended = self.finish_reason in PROPER_ENDINGS
        return call.args if ended or call.has_arguments else None


_NO_CHOICE = Choice()


@dataclass(frozen=True, slots=True)
class Completion:
    """The whole answer to a chat request, streamed or not."""

    id: str | None = None
    """The generation id, `gen-…`: the key for `GET /generation`."""
    model: str | None = None
    """The model that answered: with fallbacks, routers and aliases not the one that was asked."""
    provider: str | None = None
    """The display name of the provider that served it, such as `"Anthropic"`."""
    created: int | None = None
    """Unix time, seconds."""
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The response headers worth keeping (see `openrouter_opts.response.USEFUL_HEADERS`)."""
    attempts: int = 1
    """How many requests were sent to get this answer."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The body as it came; for a stream, the body that the same answer would have had without streaming."""

    @property
    def choice(self) -> Choice:
        """The first choice."""
        return self.choices[0] if self.choices else _NO_CHOICE

    @property
    def text(self) -> str:
        """The text of the first choice, `""` if it has none."""
        return self.choice.text or ""

    @property
    def reasoning(self) -> str | None:
        """The reasoning text of the first choice."""
        return self.choice.reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the first choice."""
        return self.choice.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended."""
        return self.choice.finish_reason

    @property
    def cost(self) -> Cost:
        """What the call cost; of source `unknown` when the answer does not say."""
        return self.usage.cost if self.usage else UNKNOWN_COST


class ToolCallDelta(NamedTuple):
    """A piece of a tool call. `slot` numbers the calls of an answer; `id` and `name` come once each."""

    slot: int
    id: str | None
    name: str | None
    arguments: str


class Delta(NamedTuple):
    """One step of a streamed answer: what this chunk adds, and nothing that came before.

    Tool calls are put in order here: providers repeat ids and names, reuse indexes or leave them out.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    refusal: str = ""
    choice: int = 0
    """Which choice it belongs to; anything but 0 only with `n` > 1."""
    chunk: Mapping[str, Any] = {}
    """The chunk as it came."""
    transcript: str = ""
    """What the model says in the audio that it makes: it has no `text` then."""


class Abandoned(NamedTuple):
    """A call that the caller left before its end: a closed stream, a cancelled task."""

    chunk: Mapping[str, Any] = {}
    """The last chunk that had come, which names the generation."""
    attempts: int = 1
    generation_id: str | None = None
    """The id in the response's headers, which come before any chunk."""
    is_unsent: bool = False
    """Whether nothing of the request can have been sent."""
