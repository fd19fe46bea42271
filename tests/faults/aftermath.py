"""What every fault has to leave behind: no connection in use, nothing unclosed, and the key nowhere."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http import pools
from tests.both import Caller

HI = [{"role": "user", "content": "hi"}]
KEY = "sk-or-v1-0123456789abcdef"
SOON = 0.3

both_kinds = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def ending(client: Caller, *, stream: bool = False, **call: Any) -> OpenRouterError | None:
    """Return the error of a call, `None` if it was answered; look at what either leaves behind."""
    error = None
    try:
        if stream:
            list(client.stream(HI, **call))
        else:
            client.complete(HI, **call)
    except OpenRouterError as problem:
        error = problem
    assert in_use() == []
    if error:
        shows_no_key(error)
    return error


def failure(client: Caller, cls: type[OpenRouterError], *, stream: bool = False, **call: Any) -> Any:
    """Return the error in which a call ends."""
    error = ending(client, stream=stream, **call)
    assert type(error) is cls, error
    return error


def in_use() -> list[object]:
    """Return what the pools hold that isn't idle: connections, and requests that wait for one."""
    of_threads = [each._pool for each in pools._shared.values() if each._pool]
    of_loops = [pool for held in pools._open.values() for pool in held]
    return [held for pool in (*of_threads, *of_loops) for held in _in_use(pool)]


def _in_use(pool: Any) -> Iterator[object]:
    if hasattr(pool, "client"):
        # httpx-aiohttp makes its session at the first request.
        session = pool.client
        yield from () if callable(session) else session.connector._acquired
        return
    yield from (held for held in pool._pool.connections if not held.is_idle())
    yield from pool._pool._requests


def shows_no_key(error: BaseException, key: str = KEY) -> None:
    """Look for the key in every form of an error, and of what it came from."""
    for link in chain(error):
        assert key not in f"{link} {link!r} {link.args} {vars(link)}"
        assert getattr(link, "request", None) is None, "the library's request holds the key"
    assert key.encode() not in pickle.dumps(error)
    assert frames_that_show(key, error) == []


def frames_that_show(secret: str, error: BaseException) -> list[str]:
    """Return the locals that hold a secret, of every frame that an error and its causes went through; those of tests do on purpose.

    Debuggers and error trackers print them.
    """
    return [
        f"{frame.f_code.co_qualname}: {name}"
        for link in chain(error)
        for frame, _ in traceback.walk_tb(link.__traceback__)
        if "/tests/" not in frame.f_code.co_filename
        for name, value in frame.f_locals.items()
        if secret in repr(value)
    ]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
