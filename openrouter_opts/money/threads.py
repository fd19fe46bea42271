"""Has threads begin with the scopes of whoever starts them, as tasks do.

Python gives a new thread an empty context, and what is given to a pool the context of one of the pool's threads. 3.14 can have threads
inherit the context (https://docs.python.org/3/using/cmdline.html#envvar-PYTHON_THREAD_INHERIT_CONTEXT), and does so where there is no GIL.
Without that, only `Thread.start` and the methods of pools know who asks, so they are what is wrapped here, as tracers do it. One variable
is handed on; the rest of the context is left as it is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from multiprocessing.pool import ThreadPool
from types import MethodType
from typing import Any, Final, NamedTuple, TypeVar

from openrouter_opts.locks import forkable_lock

_Value = TypeVar("_Value")

_TAKE_CALLS: Final = (
    (ThreadPoolExecutor, ("submit",)),
    (ThreadPool, ("apply_async", "map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")),
)
"""What gives calls to the threads of a pool, each under the name that it has where it is not called by another one of these."""

_lock: Final = forkable_lock()
_handed_on: Final[set[ContextVar[Any]]] = set()


class _Handing(NamedTuple):
    """What is handed on."""

    variable: ContextVar[Any]
    nothing: Any
    for_a_call: Callable[[Any], Any]
    for_a_thread: Callable[[Any], Any]


def hand_on(
    variable: ContextVar[_Value],
    nothing: _Value,
    *,
    for_a_call: Callable[[_Value], _Value],
    for_a_thread: Callable[[_Value], _Value],
) -> None:
    """Have every thread that is started from now on, and every call that is given to a pool of threads, see the variable's value.

    It is the value where the thread was started, or the call given. To ask twice changes nothing.

    Args:
        variable: What is handed on; it has a default.
        nothing: Its default, with which a thread needs nothing.
        for_a_call: What the value becomes for a call that is given to a pool now.
        for_a_thread: What it becomes for a thread that is started now, and may live longer than whatever the value stands for.
    """
    if variable in _handed_on:
        return
    with _lock:
        if variable in _handed_on:
            # Another thread came first.
            return
        handing = _Handing(variable, nothing, for_a_call, for_a_thread)
        threading.Thread.start = _starting(threading.Thread.start, handing)  # type: ignore[method-assign,assignment]
        for pool, names in _TAKE_CALLS:
            for name in names:
                setattr(pool, name, _giving(getattr(pool, name), handing))
        ThreadPool.__init__ = _beginning(ThreadPool.__init__, handing)  # type: ignore[method-assign]
        _handed_on.add(variable)


def _starting(
    start: Callable[[threading.Thread], None], handing: _Handing
) -> Callable[[threading.Thread], None]:
    @wraps(start)
    def starting(self: threading.Thread) -> None:
        value = handing.variable.get()
        if value is handing.nothing:
            start(self)
            return
        run, own = self.run, vars(self).get("run")
        # A method, since Sentry calls the function of it, https://github.com/getsentry/sentry-python, integrations/threading.py.
        vars(self)["run"] = MethodType(
            partial(_run, run, handing.variable, handing.for_a_thread(value)), self
        )
        try:
            start(self)
        except RuntimeError:
            _put_back(self, own)
            raise

    return starting


def _run(run: Callable[[], None], variable: ContextVar[Any], value: Any, thread: threading.Thread) -> None:
    _put_back(thread, None)
    variable.set(value)
    run()


def _put_back(thread: threading.Thread, run: Callable[[], None] | None) -> None:
    vars(thread).pop("run", None)
    if run is not None:
        vars(thread)["run"] = run


def _giving(give: Callable[..., Any], handing: _Handing) -> Callable[..., Any]:
    variable = handing.variable

    @wraps(give)
    def giving(self: Any, /, *given: Any, **named: Any) -> Any:
        value = variable.get()
        if value is handing.nothing:
            return give(self, *given, **named)
        if not _is_of_interpreters(self):
            value = handing.for_a_call(value)
            if given:
                given = (partial(_call, variable, value, given[0]), *given[1:])
            elif "func" in named:
                named["func"] = partial(_call, variable, value, named["func"])
        # A thread that the pool starts for this call lives on, and each call brings its own value.
        with _without(handing):
            return give(self, *given, **named)

    return giving


def _is_of_interpreters(pool: Any) -> bool:
    """Whether its calls run in other interpreters, which get them pickled, and know no variable of this one.

    Python has such pools from 3.14 on: https://docs.python.org/3/library/concurrent.futures.html#interpreterpoolexecutor.
    """
    loaded = sys.modules.get("concurrent.futures.interpreter")
    return loaded is not None and isinstance(pool, loaded.InterpreterPoolExecutor)


def _beginning(begin: Callable[..., None], handing: _Handing) -> Callable[..., None]:
    @wraps(begin)
    def beginning(self: Any, /, *given: Any, **named: Any) -> None:
        # This kind of pool starts its threads, and those that look after them, before it is given a call.
        with _without(handing):
            begin(self, *given, **named)

    return beginning


@contextmanager
def _without(handing: _Handing) -> Iterator[None]:
    """Have the threads that are started inside begin with nothing."""
    token = handing.variable.set(handing.nothing)
    try:
        yield
    finally:
        handing.variable.reset(token)


def _call(
    variable: ContextVar[_Value], value: _Value, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    token = variable.set(value)
    try:
        return function(*args, **kwargs)
    finally:
        variable.reset(token)
