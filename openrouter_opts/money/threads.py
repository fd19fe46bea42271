"""Has threads begin with the scopes of whoever starts them, as tasks do.

Python gives a new thread an empty context, and what is submitted to a pool the context of one of the pool's threads; 3.14 can have threads
inherit the context (https://docs.python.org/3/using/cmdline.html#envvar-PYTHON_THREAD_INHERIT_CONTEXT), and does so where there is no GIL.
Without that, nothing but `Thread.start` and `ThreadPoolExecutor.submit` knows who asks, so they are what is wrapped here, as OpenTelemetry's
threading instrumentation does it. Only one variable is handed on; the rest of the context is left as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, Final, TypeVar

_Value = TypeVar("_Value")

_lock: Final = threading.Lock()
_handed_on: Final[set[ContextVar[Any]]] = set()


def hand_on(variable: ContextVar[_Value]) -> None:
    """Have every thread that is started from now on, and every call that is given to a pool of threads, see the variable's value.

    It is the value where `Thread.start` or `ThreadPoolExecutor.submit` was called. The variable has a default. To ask twice changes nothing.
    """
    with _lock:
        if variable not in _handed_on:
            threading.Thread.start = _starting(threading.Thread.start, variable)  # type: ignore[method-assign,assignment]
            ThreadPoolExecutor.submit = _submitting(ThreadPoolExecutor.submit, variable)  # type: ignore[method-assign]
            _handed_on.add(variable)


def _starting(
    start: Callable[[threading.Thread], None], variable: ContextVar[_Value]
) -> Callable[[threading.Thread], None]:
    @wraps(start)
    def starting(self: threading.Thread) -> None:
        value = variable.get(None)
        if value is not None:
            vars(self)["run"] = partial(_run, self, self.run, variable, value)
        start(self)

    return starting


def _run(
    thread: threading.Thread, run: Callable[[], None], variable: ContextVar[_Value], value: _Value
) -> None:
    del vars(thread)["run"]
    variable.set(value)
    run()


def _submitting(
    submit: Callable[..., Future[Any]], variable: ContextVar[_Value]
) -> Callable[..., Future[Any]]:
    @wraps(submit)
    def submitting(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        # Also when there is no scope: the pool's thread may have been started in one.
        return submit(self, partial(_call, variable, variable.get(), fn), *args, **kwargs)

    return submitting


def _call(
    variable: ContextVar[_Value], value: _Value, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    token = variable.set(value)
    try:
        return function(*args, **kwargs)
    finally:
        variable.reset(token)
