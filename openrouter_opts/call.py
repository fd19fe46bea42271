"""A call, ready to be made: sync or async, and watched if anybody watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from openrouter_opts.http.drive import adrive, drive
from openrouter_opts.http.exchange import exchange
from openrouter_opts.http.reading import Reader
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.settings import Settings
from openrouter_opts.http.steps import Flow, Item, Patience
from openrouter_opts.http.transport import Transport
from openrouter_opts.lint.body import models_of
from openrouter_opts.money.account import UNCOUNTED, Account
from openrouter_opts.protocol.request import Request
from openrouter_opts.telemetry.watching import awatched, watch_of, watched

Ask: TypeAlias = Callable[[str, Iterable[str], Patience, Retry], Flow]
"""Asks a server for the prices of models, in the time that is left of a call, and as often as that may be tried."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, ready to be driven."""

    request: Request
    transport: Transport
    settings: Settings
    retry: Retry
    account: Account = UNCOUNTED
    """Lookups cost nothing."""
    ask_for_prices: Ask | None = None

    def drive(self, read: Reader) -> Generator[Item, None, None]:
        """Return what makes the call while it is read, and yields what comes."""
        items = drive(self._flow(read), self.transport.wire(), self.account)
        watch = watch_of(self.request, self.settings.base_url)
        return watched(items, watch) if watch else items

    def adrive(self, read: Reader) -> AsyncGenerator[Item, None]:
        """Return what makes the call while it is read, and yields what comes."""
        items = adrive(self._flow(read), self.transport.async_wire(), self.account)
        watch = watch_of(self.request, self.settings.base_url)
        return awatched(items, watch) if watch else items

    def _flow(self, read: Reader) -> Flow:
        # Time runs from the first read on: a stream may lie about before that.
        patience = Patience(self.settings.timeout)
        if self.ask_for_prices:
            models = models_of(self.request.content)
            yield from self.ask_for_prices(self.settings.base_url, models, patience, self.retry)
        yield from exchange(self.request, read, self.retry, patience)
