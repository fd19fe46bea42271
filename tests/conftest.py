"""What every test stands on: no keys or proxies of the machine, and no network but loopback."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_socket

from openrouter_opts import OpenRouterClient
from openrouter_opts.http import connections
from openrouter_opts.http.prices import LIVE
from openrouter_opts.http.transport import Transport
from openrouter_opts.protocol.request import Request
from openrouter_opts.telemetry import instrument, uninstrument
from tests import oracle
from tests.both import SIDES, Caller, Side
from tests.scripted_server import Delivery, Script, ScriptedServer

LOOPBACK = ["127.0.0.1", "::1", "localhost"]


def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENROUTER_", "OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def nothing_known_of_prices() -> None:
    """Another test's server may have had the same port."""
    LIVE.forget()


@pytest.fixture
def loop_of_llama_index() -> Iterator[None]:
    """LlamaIndex's sync methods ask for the current event loop, and leave the one that this makes unclosed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Return a function that starts a server: a script for each request, or one that chooses."""
    with ExitStack() as stack:

        def start(
            *scripts: Script,
            choose: Callable[[Delivery], Script] | None = None,
            tls: ssl.SSLContext | None = None,
        ) -> ScriptedServer:
            return stack.enter_context(ScriptedServer(scripts, choose, tls))

        yield start


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Side:
    """Run the test on the sync side, and on the async side over each of its two transports."""
    monkeypatch.setattr(connections, "has_aiohttp", lambda: request.param == "aiohttp")
    return request.param


@pytest.fixture
def caller(side: Side) -> Iterator[Callable[..., Caller]]:
    """Return a function that makes a client of a server, to be called on the side of the test."""
    with ExitStack() as stack:

        def make(server: ScriptedServer, **settings: object) -> Caller:
            client = OpenRouterClient(
                **{"api_key": "sk-or-v1-test", "base_url": server.base_url, "model": "m/x", **settings}
            )
            made = Caller(side, client)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def instrumented() -> Iterator[Callable[..., None]]:
    """Return a function that has our own telemetry go to a `tests.spans.Telemetry`, until the end of the test."""

    def switch_on(telemetry: Any) -> None:
        instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)

    yield switch_on
    uninstrument()


@pytest.fixture
def collector() -> Iterator[Any]:
    """Where tracers post to: a `tests.collector.Collector`."""
    from tests.collector import Collector

    with Collector() as collector:
        yield collector


@pytest.fixture(autouse=True)
def judged_by_the_official_sdk(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let the official SDK look at every chat request that a test sends, but for those that are wrong on purpose."""
    sent: set[bytes] = set()
    build = Transport.build

    def recorded(self: Transport, asked: Request, *pieces: Any) -> object:
        if asked.path == "/chat/completions" and asked.body:
            sent.add(asked.body)
        return build(self, asked, *pieces)

    monkeypatch.setattr(Transport, "build", recorded)
    yield
    if request.node.get_closest_marker("wrong_on_purpose"):
        return
    found = [problem for body in sent for problem in oracle.problems(body)]
    assert not found, "the official SDK would change what was sent"
