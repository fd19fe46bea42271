"""The invariant of all rows: whatever bytes a server sends, a call returns an answer or raises an `OpenRouterError`, and nothing else."""

from __future__ import annotations

import gzip
import logging
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.protocol.completion import Completion
from tests.both import SIDES, Caller, Side
from tests.faults.aftermath import HI, in_use
from tests.faults.calls import client_of
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, STREAM_HEAD, answer, chunked

GZIPPED = gzip.compress(STREAM)
RESPONSES = {
    "whole": answer(COMPLETION),
    "refused": answer({"error": {"code": 429, "message": "slow"}}, 429, Retry_After="0"),
    "streamed": STREAM_HEAD + chunked(STREAM) + chunked(b""),
    "compressed": STREAM_HEAD.replace(b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type")
    + chunked(GZIPPED)
    + chunked(b""),
}
PIECES = [
    b"",
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n",
    b"data: ",
    b"[DONE]",
    b"{",
    b"}",
    b"0\r\n\r\n",
    b"-1",
    b"9" * 40,
]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Return a response in which bytes were cut out and others put in."""
    raw = draw(st.sampled_from(list(RESPONSES.values())))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 20)))
        raw = raw[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=8)) + raw[end:]
    return raw


class Playing:
    """A server that answers each request with the bytes it was given last, and, if they are wrong, closes."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.raw = b""
        self.closes = True

    def script(self, _: object) -> list[bytes | str]:
        return [self.raw, "FIN"] if self.closes else [self.raw]


@pytest.fixture(params=SIDES)
def playing(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[tuple[Caller, Playing]]:
    side: Side = request.param
    monkeypatch.setattr("openrouter_opts.http.connections.has_aiohttp", lambda: side == "aiohttp")
    # What httpcore says of hundreds of calls takes longer than the calls; and it quotes servers.
    caplog.set_level(logging.CRITICAL)
    with ScriptedServer([]) as server:
        played = Playing(server)
        server.choose = played.script
        client = Caller(side, client_of(server, max_retries=0, timeout={"first_byte": 3, "idle": 3}))
        yield client, played
        client.close()


def outcome(client: Caller, *, stream: bool) -> Completion | OpenRouterError:
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        try:
            if not stream:
                return client.complete(HI)
            streaming = client.stream(HI)
            list(streaming)
        except OpenRouterError as error:
            return error
    return streaming.completion


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=broken() | st.binary(max_size=60), stream=st.booleans())
@example(raw=b"", stream=True)
@example(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n", stream=True)
@example(raw=b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", stream=False)
@example(raw=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", stream=False)
@example(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 3, stream=False)
@example(raw=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", stream=False)
@example(raw=b"HTTP/1.1 204 No Content\r\n\r\n", stream=True)
def test_any_bytes_end_in_an_answer_or_an_error_of_ours(
    raw: bytes, stream: bool, playing: tuple[Caller, Playing]
):
    client, played = playing
    played.raw = raw
    ended = outcome(client, stream=stream)
    assert isinstance(ended, Completion | OpenRouterError)
    client.pause(0)
    assert in_use() == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["streamed", "compressed"]))
def test_any_chunks_of_a_stream_give_the_same_deltas(
    data: st.DataObject, kind: str, playing: tuple[Caller, Playing]
):
    client, played = playing
    body = STREAM if kind == "streamed" else GZIPPED
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    played.closes = False
    head = RESPONSES[kind].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    played.raw = b"".join([head, *map(chunked, filter(None, pieces)), chunked(b"")])
    stream = client.stream(HI)
    assert [step.text for step in stream] == ["He", "llo"]
    assert stream.completion.finish_reason == "stop"
