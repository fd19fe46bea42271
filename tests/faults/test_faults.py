"""The faults of real networks and servers, played by a real one; sync, and async over both transports.

What needs no socket (status codes, odd bodies, odd streams, timeouts) is in `tests/core/test_exchange.py`.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import (
    AuthenticationError,
    CertificateError,
    ConnectionLost,
    OpenRouterError,
)
from tests.both import Caller
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, answer, delta, streamed

HI = [{"role": "user", "content": "hi"}]
KEY = "sk-or-v1-0123456789abcdef"
Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
STOP = delta("", finish_reason="stop")
SOON = 0.3


def failure(client: Caller, cls: type[OpenRouterError], *, stream: bool = False, **call: Any) -> Any:
    """Return the error in which a call ends."""
    error = ending(client, stream=stream, **call)
    assert type(error) is cls, error
    return error


def ending(client: Caller, *, stream: bool, **call: Any) -> OpenRouterError | None:
    """Return the error of a call, `None` if it was answered."""
    try:
        if stream:
            list(client.stream(HI, **call))
        else:
            client.complete(HI, **call)
    except OpenRouterError as error:
        return error
    return None


both_kinds = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(params=["httpx", "aiohttp"])
def asynchronous(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openrouter_opts.http.transport.has_aiohttp", lambda: request.param == "aiohttp")


def client_of(server: ScriptedServer, **settings: Any) -> OpenRouterClient:
    return OpenRouterClient(api_key=KEY, base_url=server.base_url, model="m/x", **settings)


# --- I: many at once ---


def echo(sent: Delivery) -> Script:
    """Answer with the user's words, so that a mix-up shows."""
    words = sent.json["messages"][0]["content"]
    if sent.json.get("stream"):
        return streamed(delta(words), STOP, DONE)
    choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
    return [answer({**COMPLETION, "choices": [choice]})]


def say(words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": words}]


def test_many_threads_share_a_client(scripted: Servers):
    client = client_of(scripted(choose=echo))
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(3):
            words = f"{number}/{turn}"
            if client.complete(say(words)).text != words:
                wrong.append(words)
            if "".join(step.text for step in client.stream(say(words))) != words:
                wrong.append(words)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.usefixtures("asynchronous")
async def test_many_streams_run_at_once(scripted: Servers):
    client = client_of(scripted(choose=echo))

    async def read(number: int) -> bool:
        stream = client.astream(say(str(number)))
        return "".join([step.text async for step in stream]) == str(number)

    assert all(await asyncio.gather(*(read(number) for number in range(150))))


@pytest.mark.usefixtures("asynchronous")
def test_a_client_serves_one_event_loop_after_another(scripted: Servers):
    server = scripted(choose=echo)
    client = client_of(server)

    async def work(loop: int) -> list[str]:
        completions = await asyncio.gather(*(client.acomplete(say(f"{loop}/{turn}")) for turn in range(3)))
        return [completion.text for completion in completions]

    for loop in range(5):
        assert asyncio.run(work(loop)) == [f"{loop}/{turn}" for turn in range(3)]


@pytest.mark.usefixtures("asynchronous")
def test_a_client_serves_event_loops_in_many_threads(scripted: Servers):
    client = client_of(scripted(choose=echo))
    wrong: list[int] = []

    async def work(number: int) -> None:
        answers = [await client.acomplete(say(str(number))) for _ in range(3)]
        if {each.text for each in answers} != {str(number)}:
            wrong.append(number)

    threads = [
        threading.Thread(target=lambda number=number: asyncio.run(work(number))) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection(scripted: Servers):
    server = scripted(choose=echo)
    client = client_of(server)
    assert client.complete(say("parent")).text == "parent"
    warm = server.connections
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if client.complete(say("child")).text == "child" else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert server.connections == warm + 1
    assert client.complete(say("again")).text == "again"
    assert server.connections == warm + 1


PROGRAM = """
import asyncio, sys
from openrouter_opts import OpenRouterClient
client = OpenRouterClient(api_key="sk-or-v1-x", base_url=sys.argv[1], model="m/x")
messages = [{"role": "user", "content": "hi"}]
async def work():
    await client.acomplete(messages)
    await anext(client.astream(messages))
client.complete(messages)
kept = client.stream(messages)
next(kept)
asyncio.run(work())
"""


def test_a_process_that_ends_leaves_nothing_open(scripted: Servers):
    server = scripted(choose=echo)
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, server.base_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "Executing <" not in line]
    assert (done.returncode, complaints) == (0, [])


# --- J: the key stays out of sight ---

ECHO = {"error": {"code": 401, "message": f"bad key {KEY}", "metadata": {"raw": f"Bearer {KEY}"}}}
REVEALING = {
    "refused": None,
    "echoed": [answer(ECHO, 401)],
    "reset": ["RST"],
    "garbage": [f"HTTP/1.1 {KEY}\r\n\r\n".encode(), "FIN"],
    "late": ["HANG"],
    "page": [answer(f"<html>{KEY}</html>".encode())],
    "cut": [*streamed(delta("x"), end=0.02), "RST"],
}


@pytest.mark.parametrize("kind", REVEALING)
@both_kinds
def test_no_error_shows_the_key(
    kind: str,
    stream: bool,
    scripted: Servers,
    caller: Callers,
    refusing: str,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    script = REVEALING[kind]
    server = scripted(script or ["HANG"])
    settings = {"base_url": refusing} if script is None else {}
    client = caller(server, api_key=KEY, max_retries=0, timeout={"first_byte": SOON}, **settings)
    error = ending(client, stream=stream)
    assert error
    for link in chain(error):
        assert KEY not in f"{link} {link!r} {link.args} {vars(link)}"
        request = getattr(link, "request", None)
        assert request is None, "the library's request holds the key"
    assert KEY.encode() not in pickle.dumps(error)
    printed = io.StringIO()
    traceback.TracebackException.from_exception(error, capture_locals=True).print(file=printed)
    ours = printed.getvalue().split("tests/")[0]
    assert KEY not in ours
    if kind != "garbage":
        # There the library's own log quotes the server.
        assert KEY not in caplog.text


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_an_authentication_error_names_the_remedy(scripted: Servers, caller: Callers):
    error = failure(caller(scripted([answer(ECHO, 401)]), api_key=KEY), AuthenticationError)
    assert "https://openrouter.ai/settings/keys" in str(error)


def test_a_failure_while_another_is_handled_is_judged_by_itself(scripted: Servers, caller: Callers):
    client = caller(scripted(["RST"]))

    def fail() -> None:
        raise CertificateError("an earlier failure, elsewhere")

    try:
        fail()
    except CertificateError:
        error = failure(client, ConnectionLost)
    assert "earlier" not in str(error)


def test_neither_the_client_nor_what_it_is_made_of_shows_the_key():
    client = OpenRouterClient(api_key=KEY)
    shown = [
        repr(client),
        str(client),
        repr(vars(client)),
        *(repr(vars(part)) for part in (client._transport,)),
    ]
    assert all(KEY not in text for text in shown)
