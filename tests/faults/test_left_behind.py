"""I13: calls leave nothing in memory, however they end."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from openrouter_opts.errors import OpenRouterError
from tests.both import Caller
from tests.faults.aftermath import HI, in_use
from tests.faults.calls import Callers, Servers, spoken
from tests.scripted_server import Script
from tests.wire_bytes import COMPLETION, STREAM, answer, delta, streamed


def abandoned(client: Caller) -> None:
    stream = client.stream(HI)
    next(stream)
    stream.close()


def failed(client: Caller) -> None:
    with suppress(OpenRouterError):
        client.complete(HI)


CALLS: dict[str, tuple[Callable[[Caller], object], Script]] = {
    "answered": (lambda client: client.complete(HI), [answer(COMPLETION)]),
    "streamed": (spoken, streamed(STREAM)),
    "failed": (failed, [answer({"error": {"code": 400, "message": "no"}}, 400)]),
    "abandoned": (abandoned, streamed(delta("a"), delta("b"), end="HANG")),
}


MADE_FOR_A_CALL = [
    tracemalloc.Filter(True, f"*/{place}/*")
    for place in ("openrouter_opts", "httpx", "httpcore", "h11", "httpx_aiohttp", "aiohttp", "anyio")
]


LEFT_BY_A_CALL = 30
"""What a call may leave, in bytes: less than the smallest of its objects. A connection, which is open whatever the number of calls, has some 12 kB."""


@pytest.mark.measured
@pytest.mark.parametrize("kind", CALLS)
def test_many_calls_leave_nothing_behind(
    kind: str, scripted: Servers, caller: Callers, caplog: pytest.LogCaptureFixture
):
    """A hundred and fifty leave what thirty leave; `make soak` has as many as a minute holds."""
    # It would remember each.
    caplog.set_level(logging.CRITICAL)
    make, script = CALLS[kind]
    client = caller(scripted(script)).undebugged()

    def left_by(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(count):
                make(client)
            gc.collect()
            left = tracemalloc.take_snapshot().filter_traces(MADE_FOR_A_CALL).statistics("filename")
            return sum(each.size for each in left)
        finally:
            tracemalloc.stop()

    left_by(30)
    # What calls leave, they leave each time; what other threads were just about is another thing each time.
    growths = (left_by(150) - left_by(30) for _ in range(3))
    assert any(growth < 120 * LEFT_BY_A_CALL for growth in growths)
    assert in_use() == []
