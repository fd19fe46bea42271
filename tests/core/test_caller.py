"""Warnings stand at the line of the user's, in threads and tasks too."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

import pytest

from openrouter_opts import OpenRouterClient
from openrouter_opts.options import ProviderOptions, check
from openrouter_opts.options.caller import asked_here

UNKNOWN: Final = {"provider": {"carbon_budget": 5}}
NOT_KNOWN: Final = r"^provider\.carbon_budget is not known here"


FAN_OUT: Final = """
from contextvars import copy_context
from openrouter_opts.options.caller import asked_here

def fan_out(pool, call, *given):
    with asked_here():
        return pool.submit(copy_context().run, call, *given).result()
"""


@pytest.fixture(autouse=True)
def nothing_warned_about_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_unknown_keys", set())


def in_a_thread() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(copy_context().run, ProviderOptions.of, UNKNOWN).result()


def in_a_thread_of_asyncio() -> None:
    asyncio.run(asyncio.to_thread(ProviderOptions.of, UNKNOWN))


def in_a_task() -> None:
    async def wait() -> None:
        client = OpenRouterClient(api_key="k", base_url="http://127.0.0.1:9", max_retries=0)
        await asyncio.gather(client.acomplete([], **UNKNOWN), return_exceptions=True)

    asyncio.run(wait())


@pytest.mark.parametrize("ask", [in_a_thread, in_a_thread_of_asyncio, in_a_task])
def test_what_runs_elsewhere_warns_at_the_line_that_asked_for_it(ask: Callable[[], None]) -> None:
    line = sys._getframe().f_lineno + 1
    with asked_here(), pytest.warns(UserWarning, match=NOT_KNOWN) as said:
        ask()
    assert [(each.filename, each.lineno) for each in said] == [(__file__, line)]


def test_what_runs_elsewhere_and_was_asked_for_by_nobody_warns_all_the_same() -> None:
    with asked_here():
        pass
    with pytest.warns(UserWarning, match=NOT_KNOWN) as said:
        in_a_thread()
    assert [each.filename for each in said] != [__file__]


def test_a_framework_that_asks_in_a_thread_was_itself_asked_by_the_user() -> None:
    framework: dict[str, Any] = {"__name__": "langchain_core.fan_out"}
    exec(FAN_OUT, framework)
    fan_out = framework["fan_out"]
    line = sys._getframe().f_lineno + 2
    with ThreadPoolExecutor() as pool, pytest.warns(UserWarning, match=NOT_KNOWN) as said:
        fan_out(pool, fan_out, pool, ProviderOptions.of, UNKNOWN)
    assert [(each.filename, each.lineno) for each in said] == [(__file__, line)]
