"""The sandbox itself: a server in a thread of its own, and the switches that make it misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from openrouter_opts.sandbox.faults import Break, Failure, Faults, Script
from openrouter_opts.sandbox.money.books import Books
from openrouter_opts.sandbox.money.generation import Generation
from openrouter_opts.sandbox.refusal import ERROR_TYPES
from openrouter_opts.sandbox.seen import SeenRequest

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from openrouter_opts.sandbox import listing
    from openrouter_opts.sandbox.app import BASE, Desk
    from openrouter_opts.sandbox.line import TRANSPORT
    from openrouter_opts.sandbox.routing.endpoints import endpoints_of
    from openrouter_opts.sandbox.service import Service
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the sandbox needs {error.name}: pip install 'openrouter-opts[sandbox]'", name=error.name
    ) from error

_TICK = 1.0


class _Protocol(H11Protocol):
    """HTTP with the connection's transport in reach, so that it can be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class _Server(uvicorn.Server):
    """A uvicorn that stops at once: its own loop looks up ten times a second, and waits for clients that stay connected."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    async def main_loop(self) -> None:
        while not self._stopping.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*self.server_state.tasks)
        for server in self.servers:
            await server.wait_closed()

    def stop(self) -> None:
        """End the main loop; to be called in the server's own thread."""
        self._stopping.set()


class Sandbox:
    """An OpenRouter on loopback, with an account of its own.

    It runs in its own thread from `start` to `stop`, or for the length of a ``with``; use it from any thread, or from
    asynchronous code.

    Args:
        credits: USD on the account.
        key: the API key, `api_key`, for everything but the credits.
        management_key: the key for ``GET /credits``, which refuses any other with a 403; models don't answer to it.
        port: where to listen; 0 for any free port.

    Raises:
        ValueError: `credits` is no amount of money, or the two keys are the same.
    """

    def __init__(
        self,
        credits: str | int | Decimal = "10",  # noqa: A002 - the field's own word
        key: str = "sk-or-sandbox",
        port: int = 0,
        *,
        management_key: str = "sk-or-sandbox-management",
    ) -> None:
        if management_key == key:
            raise ValueError(
                "management_key: is the same as key; OpenRouter's management keys are keys of their own"
            )
        self.api_key = key
        self.management_key = management_key
        self._port = port
        self._books = Books(_amount(credits))
        self._faults = Faults()
        self._requests: list[SeenRequest] = []
        self._service = Service(self._books, self._faults)
        self._desk = Desk(self._service, key, management_key, self._requests.append)
        self._running: _Running | None = None

    def start(self) -> Self:
        """Begin to listen.

        Raises:
            RuntimeError: it is running already.
            OSError: the port is taken.
        """
        if self._running is not None:
            raise RuntimeError("the sandbox is running already")
        self._running = _Running(self._desk, self._port)
        return self

    def stop(self) -> None:
        """Close every connection and end the thread; what was seen and booked can still be read."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where it listens: ``http://127.0.0.1:<port>/api/v1``.

        Raises:
            RuntimeError: it isn't running.
        """
        if self._running is None:
            raise RuntimeError("the sandbox is not running: use `with Sandbox() as sandbox`, or call start()")
        return f"http://127.0.0.1:{self._running.port}{BASE}"

    @property
    def requests(self) -> list[SeenRequest]:
        """Every request so far, oldest first."""
        return list(self._requests)

    @property
    def last(self) -> SeenRequest:
        """The newest request.

        Raises:
            LookupError: there was none yet.
        """
        if not self._requests:
            raise LookupError("the sandbox has seen no request yet")
        return self._requests[-1]

    @property
    def credits_left(self) -> Decimal:
        """USD that can still be spent."""
        return self._books.left

    @property
    def credits_used(self) -> Decimal:
        """USD spent."""
        return self._books.used

    @property
    def generations(self) -> dict[str, Generation]:
        """The record of each generation, by id."""
        return self._books.generations

    def fail_next(
        self,
        status: int = 500,
        *,
        times: int = 1,
        retry_after: float | None = None,
        error_type: str | None = None,
        message: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
    ) -> None:
        """Answer the next requests with an error.

        Args:
            status: the HTTP status; 200 with a ``body`` that holds an error is possible too.
            times: how many requests.
            retry_after: seconds, as the header of that name.
            error_type: the canonical type, if not the one that belongs to the status.
            message: the error's message.
            body: sent in place of the error envelope: a mapping as JSON, a string or bytes as they are.
            headers: further response headers.
            path: the only path that fails (``/chat/completions``, ``/models``, …); any, if it isn't given.
        """
        sent = dict(headers or {})
        if retry_after is not None:
            sent["Retry-After"] = f"{retry_after:g}"
        self._faults.fail(Failure(status, body, path, sent, message, error_type), times)

    def error_after(
        self,
        deltas: int = 1,
        code: int | str = 502,
        message: str = "Provider disconnected unexpectedly",
        error_type: str | None = None,
    ) -> None:
        """Break the next chat call off after so many deltas, with an error in the answer and status 200.

        A stream gets an error chunk, at the latest in place of the finish reason; an answer that isn't streamed has the
        error in its choice, or no choice at all with ``deltas=0``.
        """
        kind = error_type or ERROR_TYPES.get(code if isinstance(code, int) else 502)
        self._faults.break_next(Break(deltas, code, message, kind))

    def cut_after(self, deltas: int = 1) -> None:
        """Drop the connection in the next chat call after so many deltas; 0: before the response headers."""
        self._faults.cut_next(deltas)

    def delay_next(
        self, first_byte: float = 0.0, between: float = 0.0, comment_every: float | None = None
    ) -> None:
        """Slow the next chat call down; all times in seconds.

        Args:
            first_byte: silence before the response begins.
            between: silence between two deltas.
            comment_every: send comments while waiting, each so many seconds; the headers then come at once.
        """
        self._faults.delay_next(first_byte, between, comment_every)

    def model_down(self, model: str) -> None:
        """Let every endpoint of a model fail, until `model_up`.

        Raises:
            ValueError: nobody serves such a model.
        """
        if not endpoints_of(model):
            raise ValueError(f"no endpoint serves {model!r}; its id has to be one of GET /models")
        self._faults.take_down(model)

    def model_up(self, model: str) -> None:
        """Let a model work again."""
        self._faults.bring_up(model)

    def provider_down(self, provider: str) -> None:
        """Let every endpoint of a provider fail (by its slug, ``amazon-bedrock``), until `provider_up`.

        Raises:
            ValueError: there is no such provider.
        """
        if provider.partition("/")[0] not in listing.provider_slugs():
            raise ValueError(f"there is no provider {provider!r}; its slug has to be one of GET /providers")
        self._faults.take_down(provider)

    def provider_up(self, provider: str) -> None:
        """Let a provider work again."""
        self._faults.bring_up(provider)

    def answer_next(
        self,
        message: str | Mapping[str, Any],
        *,
        finish_reason: str | None = None,
        usage: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what the model answers to the next chat call that isn't scripted yet, to the letter.

        Args:
            message: the text, or the whole message with ``content``, ``tool_calls``, ``reasoning_details``, …; a call's
                ``id`` may be left out, and its ``arguments`` may be an object or any text.
            finish_reason: if not the one that fits.
            usage: what `usage` says in place of what was counted; ``cost`` is charged too.
        """
        scripted = {"content": message} if isinstance(message, str) else message
        self._faults.say_next(Script(scripted, finish_reason, usage))

    def reset(self) -> None:
        """Forget requests, generations, caches and faults, and restore the credits."""
        self._requests.clear()
        self._books.reset()
        self._faults.reset()
        self._service.reset()
        self._desk.reset()


class _Running:
    """A server in its thread."""

    def __init__(self, desk: Desk, port: int) -> None:
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(desk,), name="openrouter-sandbox", daemon=True
        )
        self._server: _Server | None = None
        self._thread.start()
        self._ready.wait()
        if self._server is None:
            self._listener.close()
            raise RuntimeError("the sandbox didn't start; what went wrong is in the traceback of its thread")

    def stop(self) -> None:
        """End the thread and wait for it."""
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join()
        self._listener.close()

    def _run(self, desk: Desk) -> None:
        try:
            asyncio.run(self._serve(desk))
        finally:
            self._ready.set()

    async def _serve(self, desk: Desk) -> None:
        config = uvicorn.Config(
            desk,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._loop = asyncio.get_running_loop()
        self._server = _Server(config)
        self._loop.call_soon(self._ready.set)
        await self._server.serve(sockets=[self._listener])


def _listen(port: int) -> socket.socket:
    """A listening socket that says it is TCP: only then asyncio turns off Nagle's delay of 40 ms for each answer."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _amount(given: str | int | Decimal) -> Decimal:
    try:
        amount = Decimal(given)
    except ArithmeticError:
        raise ValueError(f"credits: {given!r} is no amount of money; give USD, such as '10'") from None
    if not amount.is_finite():
        raise ValueError(f"credits: {given!r} is no amount of money; give USD, such as '10'")
    return amount
