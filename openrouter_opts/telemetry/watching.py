"""A call, watched from outside: nothing of OpenTelemetry is needed, or loaded, as long as nobody watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, aclosing, closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from openrouter_opts.http.steps import Item
from openrouter_opts.protocol.request import Request
from openrouter_opts.stepping import awithin, within


class Watch(Protocol):
    """One call, from its first request to its end."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with what was raised: an error, or that the caller has left."""
        ...

    def step(self) -> AbstractContextManager[Any]:
        """Return what a step of the call is taken in."""
        ...

    def saw(self, item: Item) -> None:
        """Take note of what came."""
        ...


@dataclass(slots=True)
class Switch:
    """Who watches the calls of this process."""

    watch: Callable[[Request, str], Watch] | None = None


SWITCH = Switch()


def watch_of(request: Request, base_url: str) -> Watch | None:
    """Return the watch of a call that is made now, if anybody watches; lookups are not watched."""
    return SWITCH.watch(request, base_url) if SWITCH.watch and request.method == "POST" else None


def watched(items: Generator[Item, None, None], watch: Watch) -> Generator[Item, None, None]:
    """Yield the items of a call, while it is watched."""
    with watch:  # noqa: SIM117 - one text with the other
        with closing(within(items, watch.step)) as steps:
            for item in steps:
                watch.saw(item)
                yield item


async def awatched(items: AsyncGenerator[Item, None], watch: Watch) -> AsyncGenerator[Item, None]:
    """Yield the items of a call, while it is watched."""
    with watch:
        async with aclosing(awithin(items, watch.step)) as steps:
            async for item in steps:
                watch.saw(item)
                yield item
