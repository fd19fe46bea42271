"""Who serves a model and at what price, asked of OpenRouter before the first request that a spend limit holds for.

What comes with this package is a snapshot, and knows one price of a model, while its endpoints may differ by ten times. A limit that holds
needs theirs, as they are now. They are kept for all clients of the process, and calls that begin together ask once: one asks, and the others
look again and again whether it knows. That is the same in threads and tasks, and nobody waits for one that was cancelled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from itertools import chain, repeat
from time import monotonic
from typing import Any, Final, NamedTuple

from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.catalog.catalog import ROUTERS
from openrouter_opts.catalog.slugs import FREE, VIRTUAL, Slug
from openrouter_opts.errors import BadRequest, ConfigurationError, Malformed, NotFound, OpenRouterError
from openrouter_opts.http.exchange import exchange
from openrouter_opts.http.reading import Reader, read_body
from openrouter_opts.http.retry import MAX_WAIT, Retry
from openrouter_opts.http.settings import Timeout
from openrouter_opts.http.steps import Flow, Head, Patience, Sleep, Step
from openrouter_opts.protocol.request import get_request

_SECONDS_KEPT: Final = 3600.0
_SECONDS_UNTIL_ASKED_AGAIN: Final = 60.0
"""After an answer that was none, and will be none."""
_MOMENT: Final = 2.0
"""The same after a failure that may be over by then: the calls that waited for the answer are told, and don't all ask again."""
_FINAL: Final = (BadRequest, ConfigurationError, Malformed, NotFound)
"""What is no answer whoever asks, and whenever."""
_VECTORS: Final = "embeddings/models"
"""What is remembered of the list of models that make vectors: whether it was asked for."""
_LONGEST: Final = MAX_WAIT + 10.0
"""With the wait that the server asks for."""
_PATIENCE: Final = Timeout(first_byte=5.0, idle=5.0, total=_LONGEST)
_PAUSES: Final = (0.01, 0.02, 0.03, 0.04)
"""Seconds between two looks at what another one has found; then the last one again."""


class _Asker(NamedTuple):
    """One who asks; they are told apart by identity."""

    until: float
    """When it is done at the latest. One whose event loop was stopped never is."""


class _Means(NamedTuple):
    """What a call has to ask with."""

    patience: Patience
    retry: Retry
    headers: Mapping[str, str]

    @property
    def are_spent(self) -> bool:
        """Whether the call has no time left."""
        left = self.patience.left()
        return left is not None and left <= 0

    def get(self, read: Reader, *path: str) -> Flow:
        """Ask, as often as the call may. It is free, so what may have been delivered is asked again too."""
        request = replace(get_request(*path), headers=self.headers)
        return exchange(request, read, replace(self.retry, uncertain=True), self.patience.hurried(_PATIENCE))


class LivePrices:
    """What OpenRouter has said about endpoints, by server and model. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # No lock: each is put in its place in one step, and one that is asked for twice is the same.
        self._known: dict[tuple[str, str], tuple[float, Model | None]] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._askers: dict[tuple[str, str], _Asker] = {}

    def get(self, server: str, slug: str) -> Model | None:
        """Return what is known of a model with its endpoints; `None` if it wasn't asked for, or is too old."""
        until, model = self._known.get((server, _listed(slug)), (0.0, None))
        return model if self._clock() < until else None

    def best(self, server: str, slug: str) -> Model | None:
        """Return the same, or else what comes with this package, which says if endpoints were asked for lately and can't be had."""
        until, live = self._known.get((server, _listed(slug)), (0.0, None))
        is_recent = self._clock() < until
        if live is not None and is_recent:
            return live
        model = Catalog.bundled().certain(slug)
        why = self._failures.get((server, _listed(slug))) if is_recent else None
        if why is None:
            return model
        return replace(
            model or Model(slug, slug), unbounded=f"the prices of its endpoints could not be had: {why}"
        )

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._failures.clear()
        self.forget_askers()

    def forget_askers(self) -> None:
        """Forget who asks: in a forked child nobody does."""
        self._askers.clear()

    def asking(
        self,
        server: str,
        slugs: Iterable[str],
        patience: Patience,
        retry: Retry,
        headers: Mapping[str, str],
    ) -> Generator[Step, Any, None]:
        """Ask, with these headers, for those that aren't known.

        It is asked as often as the call may be tried, in the time that is left of the call, and with no more patience than it has. Without
        an answer they stay unknown: that is for the limit to judge.
        """
        means = _Means(patience, retry, headers)
        for slug in filter(_has_endpoints, dict.fromkeys(map(_listed, slugs))):
            yield from self._once((server, slug), means, self._endpoints(server, slug, means))

    def asking_for_vectors(
        self,
        server: str,
        slugs: Iterable[str],
        patience: Patience,
        retry: Retry,
        headers: Mapping[str, str],
    ) -> Generator[Step, Any, None]:
        """Ask for models that make vectors. Where no endpoints are listed for one, its price is taken from the list of such models."""
        slugs = tuple(slugs)
        yield from self.asking(server, slugs, patience, retry, headers)
        if not all(self.get(server, slug) for slug in slugs):
            means = _Means(patience, retry, headers)
            yield from self._once((server, _VECTORS), means, self._vectors(server, means))

    def _once(self, wanted: tuple[str, str], means: _Means, asking: Flow) -> Flow:
        """Ask for what isn't known, unless somebody does: then wait, and ask only if they leave without an answer."""
        pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
        while self._clock() >= self._known.get(wanted, (0.0, None))[0] and not means.are_spent:
            me = _Asker(self._clock() + _LONGEST)
            asker = self._askers.setdefault(wanted, me)
            if asker is me:
                try:
                    yield from asking
                finally:
                    self._askers.pop(wanted, None)
                return
            if self._clock() < asker.until:
                yield Sleep(next(pauses))
            else:
                self._askers.pop(wanted, None)

    def _endpoints(self, server: str, slug: str, means: _Means) -> Flow:
        try:
            yield from self._asked(server, slug, means)
        except (OpenRouterError, ValueError) as error:
            _raise_if_never_asked(error)
            # Refused, or no such answer; or too late, which says nothing to others where it was the call that had too little time.
            if not means.are_spent:
                self._failed(server, slug, _reason(error), _seconds_until_asked_again(error))

    def _vectors(self, server: str, means: _Means) -> Flow:
        seconds = _SECONDS_UNTIL_ASKED_AGAIN
        try:
            yield from self._list_of_vectors(server, means)
        except (OpenRouterError, ValueError) as error:
            # That they stay unknown is for the limit to judge.
            _raise_if_never_asked(error)
            if means.are_spent:
                return
            seconds = _seconds_until_asked_again(error)
        self._known[server, _VECTORS] = (self._clock() + seconds, None)

    def _list_of_vectors(self, server: str, means: _Means) -> Flow:
        def read(head: Head, attempt: int, patience: Patience) -> Flow:  # noqa: ARG001 - a reader's signature
            answer = yield from read_body(head, patience)
            rows = answer.get("data") if isinstance(answer, dict) else None
            models = [Model.from_wire(row) for row in rows or () if isinstance(row, dict)]
            until = self._clock() + _SECONDS_KEPT
            for model in models:
                if self.get(server, model.id) is None:
                    self._known[server, model.id] = until, model

        return means.get(read, "embeddings", "models")

    def _asked(self, server: str, slug: str, means: _Means) -> Flow:
        def read(head: Head, attempt: int, patience: Patience) -> Flow:  # noqa: ARG001 - a reader's signature
            answer = yield from read_body(head, patience)
            model = Catalog.bundled().certain(slug) or Model(slug, slug)
            model = model.with_endpoints(answer if isinstance(answer, dict) else {})
            if model.endpoints:
                self._known[server, slug] = (self._clock() + _SECONDS_KEPT, model)
            else:
                self._failed(server, slug, "none is listed", _SECONDS_UNTIL_ASKED_AGAIN)

        return means.get(read, "models", slug, "endpoints")

    def _failed(self, server: str, slug: str, why: str, seconds: float) -> None:
        self._failures[server, slug] = why
        self._known[server, slug] = (self._clock() + seconds, None)


LIVE: Final = LivePrices()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    os.register_at_fork(after_in_child=LIVE.forget_askers)


def _listed(slug: str) -> str:
    """The slug under which the endpoints are listed: without what only changes the routing."""
    parsed = Slug.parse(slug)
    return ":".join((parsed.base, *(each for each in parsed.variants if each not in VIRTUAL)))


def _raise_if_never_asked(error: OpenRouterError | ValueError) -> None:
    """Raise what is wrong with the caller's settings: that says nothing of prices, and the call itself would end in it."""
    if isinstance(error, ConfigurationError) and error.status is None:
        raise error


def _seconds_until_asked_again(error: OpenRouterError | ValueError) -> float:
    is_final = not isinstance(error, OpenRouterError) or isinstance(error, _FINAL)
    return _SECONDS_UNTIL_ASKED_AGAIN if is_final else _MOMENT


def _reason(error: OpenRouterError | ValueError) -> str:
    """In a word or two: the message of an error holds what a server said."""
    if not isinstance(error, OpenRouterError) or isinstance(error, Malformed):
        return "no such answer"
    return str(error.status or type(error).__name__)


def _has_endpoints(slug: str) -> bool:
    """Whether there are any to ask for: a router has none, and a free model has no price."""
    return "/" in slug and slug not in ROUTERS and FREE not in Slug.parse(slug).variants
