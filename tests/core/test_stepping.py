"""A generator whose own code runs inside a context, and the code that reads it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from openrouter_opts.stepping import AsyncBegunWithin, BegunWithin, awithin, within

INSIDE: ContextVar[bool] = ContextVar("inside", default=False)

each_way = pytest.mark.parametrize(
    ("reads", "areads", "steps"),
    [(within, awithin, [True, True, True]), (BegunWithin, AsyncBegunWithin, [True, False, False])],
    ids=["all steps", "the first step"],
)


@contextmanager
def inside() -> Iterator[None]:
    token = INSIDE.set(True)
    try:
        yield
    finally:
        INSIDE.reset(token)


class Source:
    """Tells of each step whether it was taken inside; notes when it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def steps(self) -> Generator[bool, None, None]:
        try:
            for _ in range(3):
                yield INSIDE.get()
        finally:
            self.is_closed = True

    async def asteps(self) -> AsyncGenerator[bool, None]:
        with closing(self.steps()) as steps:
            for step in steps:
                yield step


@each_way
def test_steps_are_taken_inside_and_read_outside(reads: Any, areads: Any, steps: list[bool]):
    def read() -> Iterator[tuple[bool, bool]]:
        for step in reads(Source().steps(), inside):
            yield step, INSIDE.get()

    async def aread() -> list[tuple[bool, bool]]:
        return [(step, INSIDE.get()) async for step in areads(Source().asteps(), inside)]

    assert list(read()) == asyncio.run(aread()) == [(step, False) for step in steps]


@each_way
def test_what_is_left_is_closed(reads: Any, areads: Any, steps: list[bool]):
    async def leave(source: Source) -> bool:
        held = source.asteps()
        async with aclosing(areads(held, inside)) as stepped:
            assert await anext(stepped)
            assert not source.is_closed
        return source.is_closed

    source = Source()
    # Held, or to let go of it would close it.
    held = source.steps()
    with closing(reads(held, inside)) as stepped:
        assert next(stepped)
        assert not source.is_closed
    assert source.is_closed
    assert asyncio.run(leave(Source()))


def test_an_error_is_raised_where_the_generator_is():
    def steps() -> Generator[str, None, None]:
        try:
            yield "begun"
        except KeyError:
            yield "caught"

    async def asteps() -> AsyncGenerator[str, None]:
        for step in ("begun", "never"):
            try:
                yield step
            except KeyError:
                yield "caught"
                return

    async def athrown() -> str:
        stepped = AsyncBegunWithin(asteps(), inside)
        assert await anext(stepped) == "begun"
        return await stepped.athrow(KeyError())

    stepped = BegunWithin(steps(), inside)
    assert next(stepped) == "begun"
    assert stepped.throw(KeyError()) == asyncio.run(athrown()) == "caught"
