"""What every fault is held against, and servers that are wrong before they have read a request."""

from __future__ import annotations

import gc
import logging
import socket
from collections.abc import Iterator

import pytest

from tests.faults.aftermath import KEY, in_use


@pytest.fixture(scope="package", autouse=True)
def _quick_collections() -> Iterator[None]:
    """Set aside what was imported, so that a test can collect what it left behind in no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A `ResourceWarning` is an error here, as every warning is, once what gives it has been collected."""
    caplog.set_level(logging.DEBUG)
    yield
    assert in_use() == []
    gc.collect()
    for record in caplog.get_records("call"):
        shown = f"{record.getMessage()} {record.args} {record.exc_text}"
        # httpcore's own log has the head of a response word for word; a server may have put into it what it was sent.
        assert KEY not in shown or record.getMessage().startswith("receive_response_headers"), record


@pytest.fixture
def refusing() -> Iterator[str]:
    """Return the URL of a port that nobody listens on; held, so that nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/api/v1"


@pytest.fixture(params=["httpx", "aiohttp"])
def over_both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run an async test over plain httpx and over aiohttp."""
    monkeypatch.setattr("openrouter_opts.http.transport.has_aiohttp", lambda: request.param == "aiohttp")
    return request.param
