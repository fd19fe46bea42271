"""B: no connection comes about, so nothing was delivered."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpcore
import pytest
import pytest_socket

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import (
    APIError,
    CertificateError,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimedOut,
    TimedOut,
)
from openrouter_opts.http.network import AsyncNetwork, Network, end_within
from tests.both import Caller, Side
from tests.conftest import LOOPBACK
from tests.faults.aftermath import HI, KEY, SOON, both_kinds, ending, failure
from tests.faults.conftest import Handler, RawServer
from tests.faults.nowhere import crowded, silent
from tests.scripted_server import Script, ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, answer, delta, streamed

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
Raw = Callable[[Handler], RawServer]
Certified = Callable[..., ssl.SSLContext]
EVERYBODY = "255.255.255.255"
SOMEWHERE = "https://openrouter.invalid/api/v1"


@pytest.fixture
def client_at(side: Side) -> Iterator[Callable[..., Caller]]:
    """Return a function that makes a client of an address."""
    with ExitStack() as stack:

        def make(url: str, **settings: object) -> Caller:
            client = Caller(
                side, OpenRouterClient(**{"api_key": KEY, "base_url": url, "max_retries": 1, **settings})
            )
            stack.callback(client.close)
            return client

        yield make


# --- B1, B2: no such host, and nobody there ---


@both_kinds
def test_a_name_that_does_not_resolve_is_tried_again(
    stream: bool, client_at: Callers, monkeypatch: pytest.MonkeyPatch
):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(client_at(SOMEWHERE), ConnectionFailed, stream=stream)
    assert "no connection to openrouter.invalid: [Errno -2] Name or service not known" in str(error)
    assert (error.attempts, error.delivered) == (2, "no")


@pytest.mark.parametrize("host", ["a..b", f"{70 * 'a'}.invalid", "xn--a"])
@both_kinds
def test_a_host_that_no_name_can_be_is_not_taken_for_one_that_may_have_been_reached(
    host: str, stream: bool, client_at: Callers
):
    error = ending(client_at(f"https://{host}/api/v1"), stream=stream)
    assert isinstance(error, ConfigurationError | ConnectionFailed)
    assert error.delivered == "no"
    assert "`base_url`" in str(error)


@both_kinds
def test_an_address_that_no_connection_leads_to_is_tried_again(stream: bool, client_at: Callers):
    """A system refuses to connect to everybody at once, and asks no network for it."""
    pytest_socket.socket_allow_hosts([*LOOPBACK, EVERYBODY], allow_unix_socket=True)
    error = failure(client_at(f"https://{EVERYBODY}/api/v1"), ConnectionFailed, stream=stream)
    assert f"no connection to {EVERYBODY}: [Errno " in str(error)
    assert (error.attempts, error.delivered) == (2, "no")


@both_kinds
def test_a_refused_connection_is_tried_again(stream: bool, refusing: str, client_at: Callers):
    error = failure(client_at(refusing), ConnectionFailed, stream=stream)
    assert (error.attempts, error.delivered) == (2, "no")
    assert "no connection to 127.0.0.1:" in str(error)


@both_kinds
def test_a_network_that_is_out_of_reach_is_tried_again(
    stream: bool, client_at: Callers, monkeypatch: pytest.MonkeyPatch
):
    def unreachable(*_: object, **__: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    error = failure(client_at("https://127.0.0.1:9/api/v1"), ConnectionFailed, stream=stream)
    assert "Network is unreachable" in str(error)
    assert (error.attempts, error.delivered) == (2, "no")


# --- B3, B4: nobody answers ---


NOWHERE: dict[str, Callable[[ExitStack], str]] = {
    "crowded": lambda stack: f"http://{crowded(stack)}/api/v1",
    "silent": lambda stack: f"https://{silent(stack)}/api/v1",
}


@pytest.fixture(params=NOWHERE)
def nowhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a URL at which a call waits for its connection, or for the encryption of that."""
    with ExitStack() as stack:
        yield NOWHERE[request.param](stack)


@both_kinds
def test_a_connection_that_does_not_come_about_in_time_is_tried_again(
    nowhere: str, stream: bool, client_at: Callers
):
    client = client_at(nowhere, timeout={"connect": SOON, "first_byte": 5})
    began = time.monotonic()
    error = failure(client, ConnectTimedOut, stream=stream)
    assert 2 * SOON <= time.monotonic() - began < 4 * SOON + 1
    assert isinstance(error, ConnectionFailed)
    assert isinstance(error, TimedOut)
    assert (error.phase, error.delivered, error.attempts) == ("connect", "no", 2)
    assert "`connect`" in str(error)


@both_kinds
def test_where_two_timeouts_end_at_once_it_is_the_connection_that_is_late(
    nowhere: str, stream: bool, client_at: Callers
):
    client = client_at(nowhere, timeout={"connect": SOON, "first_byte": SOON})
    error = failure(client, ConnectTimedOut, stream=stream)
    assert (error.phase, error.delivered, error.attempts) == ("connect", "no", 2)


def test_no_wait_for_a_connection_is_longer_than_the_whole_call_may_take(nowhere: str, client_at: Callers):
    client = client_at(nowhere, timeout={"connect": 5, "total": SOON})
    began = time.monotonic()
    error = failure(client, TimedOut)
    assert SOON <= time.monotonic() - began < 2 * SOON
    assert (error.phase, error.attempts) == ("total", 1)


# --- B5, B6: no trust, and no encryption ---


@pytest.mark.parametrize("why", ["unknown authority", "expired", "another host"])
@both_kinds
def test_a_certificate_that_is_not_trusted_is_not_tried_again(
    why: str,
    stream: bool,
    scripted: Servers,
    client_at: Callers,
    certified: Certified,
    trusting: ssl.SSLContext,
):
    past = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    tls = {
        "unknown authority": certified(),
        "expired": certified("127.0.0.1", not_before=past, not_after=past + dt.timedelta(1)),
        "another host": certified("elsewhere.example"),
    }[why]
    server = scripted([answer(COMPLETION)], tls=tls)
    verify = True if why == "unknown authority" else trusting
    error = failure(client_at(server.base_url, verify=verify), CertificateError, stream=stream)
    assert (error.attempts, error.delivered, server.deliveries) == (1, "no", [])
    assert "SSL_CERT_FILE" in str(error)


@both_kinds
def test_a_certificate_of_an_authority_of_ones_own_is_trusted_when_it_is_told(
    stream: bool, scripted: Servers, client_at: Callers, certified: Certified, trusting: ssl.SSLContext
):
    server = scripted(streamed(STREAM) if stream else [answer(COMPLETION)], tls=certified())
    client = client_at(server.base_url, verify=trusting, model="m/x")
    said = client.stream(HI) if stream else [client.complete(HI)]
    assert "".join(step.text for step in said) == "Hello"


@pytest.mark.parametrize("end", ["RST", "FIN"])
def test_an_encrypted_connection_that_breaks_may_have_been_paid_for(
    end: str, scripted: Servers, client_at: Callers, certified: Certified, trusting: ssl.SSLContext
):
    server = scripted([end], tls=certified())
    error = failure(client_at(server.base_url, verify=trusting), ConnectionLost)
    assert (error.delivered, error.attempts, len(server.deliveries)) == ("maybe", 1, 1)


@both_kinds
def test_a_server_that_does_not_encrypt_is_not_tried_again(stream: bool, raw: Raw, client_at: Callers):
    def plain(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    server = raw(plain)
    error = failure(client_at(f"https://{server.place}/api/v1"), ConnectionFailed, stream=stream)
    assert "is this an http:// port?" in str(error)
    assert (error.attempts, error.delivered, error.retryable) == (1, "no", False)


# --- B7: proxies ---


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(1000)):
        head += piece
    return head


def proxied(place: str, way: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the settings that lead through a proxy."""
    url = f"http://me:hunter2@{place}"
    if way == "argument":
        return {"proxy": url}
    monkeypatch.setenv(way, url)
    return {}


ways = pytest.mark.parametrize("way", ["argument", "HTTPS_PROXY", "all_proxy"])


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden"])
@ways
@both_kinds
def test_a_proxy_that_refuses_is_named_and_not_tried_again(
    status: str, way: str, stream: bool, raw: Raw, client_at: Callers, monkeypatch: pytest.MonkeyPatch
):
    def refuse(connection: socket.socket) -> None:
        assert KEY.encode() not in read_head(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    server = raw(refuse)
    client = client_at(SOMEWHERE, **proxied(server.place, way, monkeypatch))
    error = failure(client, ConnectionFailed, stream=stream)
    assert f"openrouter.invalid through the proxy {server.place}" in str(error)
    assert status in str(error)
    assert "hunter2" not in repr(vars(error)) + str(error)
    assert (error.attempts, error.delivered, server.connections) == (1, "no", 1)


PLAIN = "http://openrouter.invalid/api/v1"
ASKS_WHO = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("way", ["argument", "HTTP_PROXY", "all_proxy"])
@both_kinds
@pytest.mark.filterwarnings("ignore::openrouter_opts.errors.InsecureTransportWarning")
def test_a_proxy_that_refuses_what_is_not_encrypted_is_named_and_not_tried_again(
    way: str, stream: bool, raw: Raw, client_at: Callers, monkeypatch: pytest.MonkeyPatch
):
    heads: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(ASKS_WHO)

    server = raw(refuse)
    client = client_at(PLAIN, **proxied(server.place, way, monkeypatch))
    error = failure(client, ConnectionFailed, stream=stream)
    assert heads[0].startswith(b"POST http://openrouter.invalid/api/v1/chat/completions ")
    assert f"openrouter.invalid through the proxy {server.place}: 407" in str(error)
    assert "go into its URL" in str(error)
    assert "hunter2" not in repr(vars(error)) + str(error)
    assert (error.attempts, error.delivered, server.connections) == (1, "no", 1)


@both_kinds
def test_a_server_that_says_407_itself_is_no_proxy(stream: bool, scripted: Servers, client_at: Callers):
    server = scripted([ASKS_WHO])
    error = failure(client_at(server.base_url), APIError, stream=stream)
    assert (error.status, error.attempts, error.delivered) == (407, 1, "yes")


@pytest.mark.parametrize("status", ["502 Bad Gateway", "504 Gateway Timeout"])
def test_a_proxy_that_cannot_get_through_is_tried_again(status: str, raw: Raw, client_at: Callers):
    def fail(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    server = raw(fail)
    error = failure(client_at(SOMEWHERE, proxy=f"http://{server.place}"), ConnectionFailed)
    assert (error.attempts, error.delivered, server.connections) == (2, "no", 2)


@ways
@both_kinds
def test_a_proxy_that_is_down_is_named_and_tried_again(
    way: str, stream: bool, refusing: str, client_at: Callers, monkeypatch: pytest.MonkeyPatch
):
    place = refusing.removeprefix("http://").removesuffix("/api/v1")
    error = failure(client_at(SOMEWHERE, **proxied(place, way, monkeypatch)), ConnectionFailed, stream=stream)
    assert f"through the proxy {place}: " in str(error)
    assert "hunter2" not in repr(vars(error)) + str(error)
    assert (error.attempts, error.delivered) == (2, "no")


def mute(connection: socket.socket) -> None:
    """Take what comes, and say nothing."""
    while connection.recv(1000):
        pass


def shut(connection: socket.socket) -> None:
    read_head(connection)


def reset(connection: socket.socket) -> None:
    read_head(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@both_kinds
def test_a_proxy_that_never_answers_is_a_connection_that_does_not_come_about(
    stream: bool, raw: Raw, client_at: Callers
):
    server = raw(mute)
    client = client_at(SOMEWHERE, proxy=f"http://{server.place}", timeout={"connect": SOON, "first_byte": 5})
    began = time.monotonic()
    error = failure(client, ConnectTimedOut, stream=stream)
    assert 2 * SOON <= time.monotonic() - began < 4 * SOON + 1
    assert (error.phase, error.delivered, error.attempts, server.connections) == ("connect", "no", 2, 2)
    assert f"openrouter.invalid through the proxy {server.place}" in str(error)


def test_no_wait_for_a_proxy_is_longer_than_for_the_first_byte(raw: Raw, client_at: Callers):
    server = raw(mute)
    timeout = {"connect": 5, "first_byte": SOON}
    client = client_at(SOMEWHERE, proxy=f"http://{server.place}", timeout=timeout)
    began = time.monotonic()
    error = failure(client, TimedOut)
    assert 2 * SOON <= time.monotonic() - began < 4 * SOON + 1
    assert (error.phase, error.delivered, error.attempts) == ("first_byte", "no", 2)


@pytest.mark.parametrize("leave", [shut, reset])
@both_kinds
def test_a_proxy_that_leaves_without_an_answer_is_tried_again(
    leave: Handler, stream: bool, raw: Raw, client_at: Callers
):
    server = raw(leave)
    error = failure(client_at(SOMEWHERE, proxy=f"http://{server.place}"), ConnectionFailed, stream=stream)
    assert f"openrouter.invalid through the proxy {server.place}: " in str(error)
    assert (error.delivered, error.attempts, server.connections) == ("no", 2, 2)


@both_kinds
@pytest.mark.filterwarnings("ignore::openrouter_opts.errors.InsecureTransportWarning")
def test_a_proxy_that_was_given_the_request_itself_may_have_delivered_it(
    stream: bool, raw: Raw, client_at: Callers
):
    server = raw(mute)
    timeout = {"connect": SOON, "first_byte": 2 * SOON}
    client = client_at(PLAIN, proxy=f"http://{server.place}", timeout=timeout)
    error = failure(client, TimedOut, stream=stream)
    assert (error.phase, error.delivered, error.attempts) == ("first_byte", "maybe", 1)


def relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)


def tunnel_to(behind: ScriptedServer, heads: list[bytes]) -> Handler:
    def tunnel(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", behind.port)) as onward:
            back = threading.Thread(target=relay, args=(onward, connection), daemon=True)
            back.start()
            relay(connection, onward)
            onward.shutdown(socket.SHUT_RDWR)
            back.join()

    return tunnel


Tunnelled = Callable[..., tuple[Caller, ScriptedServer]]


@pytest.fixture
def tunnelled(
    raw: Raw, scripted: Servers, client_at: Callers, certified: Certified, trusting: ssl.SSLContext
) -> Tunnelled:
    """Return a function that makes a server behind a proxy, and a client of it."""

    def make(script: Script, **settings: Any) -> tuple[Caller, ScriptedServer]:
        behind = scripted(script, tls=certified("openrouter.invalid"))
        proxy = f"http://{raw(tunnel_to(behind, [])).place}"
        return client_at(SOMEWHERE, verify=trusting, proxy=proxy, **settings), behind

    return make


@both_kinds
def test_a_407_that_comes_through_a_tunnel_is_the_servers(stream: bool, tunnelled: Tunnelled):
    client, behind = tunnelled([ASKS_WHO])
    error = failure(client, APIError, stream=stream)
    assert (error.status, error.delivered, len(behind.deliveries)) == (407, "yes", 1)


@both_kinds
def test_a_server_behind_a_proxy_has_its_own_time_to_answer(stream: bool, tunnelled: Tunnelled):
    client, behind = tunnelled(["HANG"], timeout={"connect": SOON, "first_byte": 2 * SOON})
    error = failure(client, TimedOut, stream=stream)
    assert (error.phase, error.delivered, error.attempts) == ("first_byte", "maybe", 1)
    assert len(behind.deliveries) == 1


class AnySide:
    """A connection of our network on one of httpcore's sides, used without `await`."""

    def __init__(self, runner: asyncio.Runner | None, place: str, seconds: float) -> None:
        host, _, port = place.partition(":")
        self._runner = runner
        network: Any = AsyncNetwork() if runner else Network()
        self._stream = self._done(network.connect_tcp(host, int(port), timeout=seconds))

    def _done(self, result: Any) -> Any:
        return self._runner.run(result) if self._runner else result

    def write(self, said: bytes) -> None:
        self._done(self._stream.write(said))

    def read(self, seconds: float | None = None) -> bytes:
        return self._done(self._stream.read(1000, timeout=seconds))

    def close(self) -> None:
        self._done(self._stream.aclose() if self._runner else self._stream.close())


@pytest.fixture(params=["sync", "async"])
def any_side(request: pytest.FixtureRequest) -> Iterator[Callable[[str], AnySide]]:
    """Return a function that connects to a place."""
    end_within(None)
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner()) if request.param == "async" else None

        def connect(place: str) -> AnySide:
            stream = AnySide(runner, place, SOON)
            stack.callback(stream.close)
            return stream

        yield connect


# What httpcore asks of a SOCKS proxy it asks without any timeout; the package that writes it is not among ours.
@pytest.mark.timeout(10)
@pytest.mark.parametrize("asked", [b"\x05\x01\x00", b"\x01\x02me\x07hunter2"], ids=["greeting", "password"])
def test_a_socks_proxy_that_never_answers_is_a_connection_that_does_not_come_about(
    asked: bytes, raw: Raw, any_side: Callable[[str], AnySide]
):
    left = threading.Event()

    def wait(connection: socket.socket) -> None:
        mute(connection)
        left.set()

    connection = any_side(raw(wait).place)
    connection.write(asked)
    began = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout):
        connection.read()
    assert SOON <= time.monotonic() - began < 4 * SOON
    assert left.wait(1), "httpcore would leave it open"


def test_what_is_read_after_a_request_through_a_socks_proxy_is_no_connecting(
    raw: Raw, any_side: Callable[[str], AnySide]
):
    def socks(connection: socket.socket) -> None:
        connection.recv(3)
        connection.sendall(b"\x05\x00")
        mute(connection)

    connection = any_side(raw(socks).place)
    connection.write(b"\x05\x01\x00")
    assert connection.read() == b"\x05\x00"
    for piece in (b"POST /api/v1/chat/completions HTTP/1.1\r\n\r\n", b"\x05 as text begins in the midst"):
        connection.write(piece)
        with pytest.raises(httpcore.ReadTimeout):
            connection.read(seconds=0.05)


@ways
@both_kinds
def test_a_proxy_that_works_sees_nothing(
    way: str,
    stream: bool,
    raw: Raw,
    scripted: Servers,
    client_at: Callers,
    certified: Certified,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
):
    script = streamed(STREAM) if stream else [answer(COMPLETION)]
    behind = scripted(script, tls=certified("openrouter.invalid"))
    heads: list[bytes] = []
    server = raw(tunnel_to(behind, heads))
    client = client_at(SOMEWHERE, verify=trusting, model="m/x", **proxied(server.place, way, monkeypatch))
    said = client.stream(HI) if stream else [client.complete(HI)]
    assert "".join(step.text for step in said) == "Hello"
    assert heads[0].startswith(b"CONNECT openrouter.invalid:443 ")
    assert KEY.encode() not in heads[0]


@pytest.mark.parametrize("excepted", ["openrouter.invalid", ".invalid", "*", "a, openrouter.invalid:443"])
def test_a_host_in_no_proxy_is_asked_directly(
    excepted: str, raw: Raw, client_at: Callers, monkeypatch: pytest.MonkeyPatch
):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    server = raw(lambda _: None)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.place}")
    monkeypatch.setenv("NO_PROXY", excepted)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(client_at("https://openrouter.invalid:443/api/v1"), ConnectionFailed)
    assert "proxy" not in str(error)
    assert server.connections == 0


# --- B8: many at once ---


def test_open_streams_do_not_keep_others_from_a_connection(scripted: Servers, caller: Callers):
    """The pool has no most that it could be exhausted of: httpx loses slots of cancelled requests, so slots bound nothing here."""
    server = scripted(
        choose=lambda sent: (
            streamed(delta("x"), end="HANG") if sent.json.get("stream") else [answer(COMPLETION)]
        )
    )
    client = caller(server)
    streams = [client.stream(HI) for _ in range(120)]
    for stream in streams:
        next(stream)
    assert client.complete(HI).text == "Hello"
    for stream in streams:
        stream.close()


# --- B9: a kept connection ---


@pytest.mark.parametrize("end", ["RST", "FIN"])
def test_a_kept_connection_that_the_server_closes_as_we_send_may_have_been_paid_for(
    end: str, scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)], [end])
    client = caller(server)
    assert client.complete(HI).text == "Hello"
    error = failure(client, ConnectionLost)
    assert (error.delivered, error.attempts, server.connections, len(server.deliveries)) == ("maybe", 1, 1, 2)


def test_a_kept_connection_that_the_server_has_closed_is_not_reused(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION), "FIN"])
    client = caller(server)
    for _ in range(3):
        assert client.complete(HI).text == "Hello"
        client.pause(0.05)
    assert server.connections == 3
