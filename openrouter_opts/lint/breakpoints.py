"""Cache breakpoints that Claude refuses: too many, or in the wrong order.

https://openrouter.ai/docs/guides/best-practices/prompt-caching
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from openrouter_opts.lint.body import Body, listed, models_of
from openrouter_opts.lint.endpoints import Serving
from openrouter_opts.lint.finding import Finding

MOST_BREAKPOINTS: Final = 4
"""More are refused by Anthropic; the one of the option `cache_control` counts."""


def about_breakpoints(body: Body, serving: Sequence[Serving]) -> Iterator[Finding]:
    """Return what is wrong with the breakpoints, where only Claude may serve the request."""
    if all(_is_claude(each.slug) for each in serving):
        names = listed(each.slug for each in serving)
        yield from (Finding("messages", problem.format(names)) for problem in _problems(body))


def has_wrong_breakpoints(body: Body) -> bool:
    """Whether there is a finding if Claude serves the request; quick."""
    return any(map(_is_claude, models_of(body))) and any(_problems(body))


def _is_claude(slug: str) -> bool:
    return slug.startswith(("anthropic/", "~anthropic/"))


def _problems(body: Body) -> Iterator[str]:
    """What is wrong, with a place for the models."""
    for_an_hour = [mark.get("ttl") == "1h" for mark in _breakpoints(body)]
    if len(for_an_hour) > MOST_BREAKPOINTS:
        yield (
            f"more than {MOST_BREAKPOINTS} cache breakpoints, and {{}} takes no more; drop some `cache_control`, tools"
            " and the option included"
        )
    if for_an_hour != sorted(for_an_hour, reverse=True):
        yield (
            "a cache breakpoint for an hour after one for five minutes, and {} takes the longer ones first; their order"
            " is tools, messages, the option `cache_control`"
        )


def _breakpoints(body: Body) -> Iterator[Body]:
    """Each `cache_control`, in the order of the prompt; that of the request as a whole is on its last block."""
    contents = [message.get("content") for message in body.get("messages") or () if isinstance(message, dict)]
    parts = [part for content in contents if isinstance(content, list | tuple) for part in content]
    tools = body.get("tools")
    for each in (*(tools if isinstance(tools, list) else ()), *parts, body):
        mark = each.get("cache_control") if isinstance(each, dict) else None
        if isinstance(mark, dict) and mark:
            yield mark
