"""Keeps count of what calls cost: one record per request, wherever it was made from.

The records are made by `OpenRouterClient`, so that everything built on it is counted, in any framework.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, Final, NamedTuple, ParamSpec, Self, TypeVar

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.money.entry import Entry, entry_of
from openrouter_opts.money.limits import LimitLike, SpendLimit
from openrouter_opts.money.record import Record
from openrouter_opts.money.sums import KEYS, Sums
from openrouter_opts.money.threads import hand_on

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Spend(Sums):
    """What was spent in a scope. Safe to read and to add to from any thread.

    A copy is the same one, so that nothing is counted where nobody looks; a pickle is opened empty.
    """

    def __init__(self, limit: LimitLike = None, *, reconciles: bool = False) -> None:
        # No lock: appending is atomic, and a collected stream may add its record while this thread reads.
        self._entries: list[Entry] = []
        self.limit = SpendLimit.of(limit, "limit")
        """The limit of the scope, if it has one."""
        self.reconciles = reconciles
        """Whether what is pending is looked up in the background."""

    def add(self, record: Record | Entry) -> None:
        """Count one request."""
        self._entries.append(record if isinstance(record, Entry) else entry_of(record))

    @property
    def records(self) -> tuple[Record, ...]:
        """Every request, in the order in which they ended; one that was tried again has a record for each attempt."""
        return tuple(entry.record for entry in tuple(self._entries))

    def wrap(self, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        """Return a function that is counted here, wherever it runs.

        For what is handed to another thread through a queue of your own, and for what is called after the scope has ended. Threads, pools
        and tasks need it not. Coroutines are counted here when they run, and generators at each step, wherever they are read.
        """
        scope = scope_now().inside(_Layer((self,)))

        @wraps(function)
        def counted(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Any:
            with within(scope):
                made = function(*args, **kwargs)
            return _later_within(scope, made)

        return counted

    def __repr__(self) -> str:
        records = self.records
        known = f"total=Decimal('{self.total}'), calls={len(records)}, unknown={self.unknown}"
        return f"{type(self).__name__}({known})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.limit, reconciles=self.reconciles), ()


# --- scopes ---


@dataclass(slots=True, eq=False)
class _Layer:
    """What one `with` adds to what holds already."""

    spends: tuple[Spend, ...] = ()
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    lies_under: bool = False
    """Whether the labels of others win over its own."""
    has_ended: bool = False


class Scope(NamedTuple):
    """What holds for a call."""

    layers: tuple[_Layer, ...] = ()
    lent: frozenset[_Layer] = frozenset()
    """Those that hold until they end: a thread was begun in them, and may serve others later."""

    @property
    def spends(self) -> tuple[Spend, ...]:
        """Who counts it, each once."""
        return tuple({id(spend): spend for layer in self.layers for spend in layer.spends}.values())

    @property
    def limits(self) -> tuple[SpendLimit, ...]:
        """What those who count it allow, each once."""
        return tuple(dict.fromkeys(spend.limit for spend in self.spends if spend.limit is not None))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of its record."""
        return tuple(dict.fromkeys(tag for layer in self.layers for tag in layer.tags))

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of its record."""
        labels: dict[str, str] = {}
        for layer in self.layers:
            labels = {**layer.labels, **labels} if layer.lies_under else {**labels, **layer.labels}
        return labels

    def inside(self, layer: _Layer) -> Scope:
        """Return what holds in this and in one more."""
        return self._replace(layers=(*self.layers, layer))

    def for_a_call(self) -> Scope:
        """Return what holds now, and goes on to hold for what is asked now, whenever that comes about."""
        return Scope(self._open()) if self.lent else self

    def for_a_thread(self) -> Scope:
        """Return what holds in a thread that begins now: what is open, for as long as it is, and what holds though it has ended."""
        layers = self._open()
        return Scope(layers, frozenset(layer for layer in layers if not layer.has_ended))

    def _open(self) -> tuple[_Layer, ...]:
        return tuple(layer for layer in self.layers if not (layer.has_ended and layer in self.lent))


_NOWHERE: Final = Scope()
_scope: ContextVar[Scope] = ContextVar("openrouter_opts_scope", default=_NOWHERE)


def scope_now() -> Scope:
    """Return what holds for a call that is made now."""
    return _scope.get().for_a_call()


def anyone_counts() -> bool:
    """Whether anybody has counted calls of this thread or task since it began: unlike `scope_now`, it doesn't change in between."""
    return any(layer.spends for layer in _scope.get().layers)


@contextmanager
def within(scope: Scope) -> Iterator[None]:
    """Have the calls inside belong to these scopes, and to no others: they were made there, and are sent later."""
    hand_on(_scope, _NOWHERE, for_a_call=Scope.for_a_call, for_a_thread=Scope.for_a_thread)
    token = _scope.set(scope)
    try:
        yield
    finally:
        # A generator may be closed in another task than the one that began it, which never was inside.
        with suppress(ValueError):
            _scope.reset(token)


@contextmanager
def _inside(layer: _Layer) -> Iterator[None]:
    with within(_scope.get().inside(layer)):
        try:
            yield
        finally:
            layer.has_ended = True


@contextmanager
def track_costs(
    *,
    limit: LimitLike = None,
    tags: Iterable[str] | Mapping[str, str] | None = None,
    reconcile: bool = False,
) -> Iterator[Spend]:
    """Count what everything called inside costs, in both frameworks, threads and tasks included.

    Scopes nest: the outer one counts what the inner one counts. A call belongs to the scopes in which it, or its stream, is asked for,
    wherever that is read; what a framework itself puts off until something is read, such as the stream of a chain or of a query, is asked
    for then. A task belongs where it was started, what is given to a pool of threads where it was given, and a thread, for as long as the
    scope lasts, where it was started. What comes to a thread in another way, through a queue of your own, can be wrapped: `Spend.wrap`.

    For threads to know where they were started, the first scope of a process wraps `threading.Thread.start`, `ThreadPoolExecutor.submit`
    and the methods of `multiprocessing.pool.ThreadPool`, which hand on the scopes and nothing else.

    Args:
        limit: The most that the calls inside may cost together, USD, or a `SpendLimit`. A call that might cost more is refused before it
            is sent, with `SpendLimitExceeded`.
        tags: Tags, or a mapping of labels, for the records of the calls inside: `spend.by("tag")`, `spend.by("team")`.
        reconcile: Whether the cost of what was cut, cancelled or lost is looked up in the background.
    """
    spend = Spend(limit, reconciles=reconcile)
    named, labels = _tags_and_labels(tags or ())
    with _inside(_Layer((spend,), named, labels)):
        yield spend


@contextmanager
def counted_by(
    spends: Iterable[Spend], *, tags: Iterable[str] = (), labels: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Have these count the calls inside too, each one once, and give their records the labels that a framework has for them.

    What the user says with `label_costs` and `track_costs` wins over those.
    """
    with _inside(_Layer(tuple(spends), tuple(tags), labels or {}, lies_under=True)):
        yield


@contextmanager
def label_costs(*tags: str, **labels: str) -> Iterator[None]:
    """Give the records of the calls inside tags and labels, beside those that hold already.

    `with label_costs("nightly", user="42"): …` makes `spend.by("tag")` and `spend.by("user")` tell them apart.
    """
    with _inside(_Layer((), _tags_and_labels(tags)[0], _tags_and_labels(labels)[1])):
        yield


def _later_within(scope: Scope, made: Any) -> Any:
    """What a function has made, with these scopes for what it does only later: as a coroutine or a generator."""
    if isinstance(made, Coroutine):
        return _awaited(scope, made)
    if isinstance(made, Generator):
        return _stepped(scope, made)
    if isinstance(made, AsyncGenerator):
        return _astepped(scope, made)
    return made


async def _awaited(scope: Scope, made: Coroutine[Any, Any, Any]) -> Any:
    with within(scope):
        return await made


def _stepped(scope: Scope, steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    sent: Any = None
    with closing(steps):
        while True:
            with within(scope):
                try:
                    step = steps.send(sent)
                except StopIteration as end:
                    return end.value
            sent = yield step


async def _astepped(scope: Scope, steps: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    sent: Any = None
    async with aclosing(steps):
        while True:
            with within(scope):
                try:
                    step = await steps.asend(sent)
                except StopAsyncIteration:
                    return
            sent = yield step


def _tags_and_labels(
    given: Iterable[str] | Mapping[str, str],
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if not isinstance(given, Mapping):
        return ((given,) if isinstance(given, str) else tuple(map(_text, given))), {}
    taken = next((name for name in given if name in KEYS), None)
    if taken is not None:
        raise ConfigurationError(f"tags.{taken}: every record has a {taken} of its own; use another name")
    return (), {_text(name): _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"tags: should be strings, or a mapping of strings, and {value!r} is none")
    return value
