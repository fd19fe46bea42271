"""A thread belongs to the scopes in which it was started, however that was done, and to no others."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from multiprocessing.pool import ThreadPool
from queue import Queue
from types import ModuleType
from typing import Any, NamedTuple
from weakref import ref

import anyio.to_thread
import pytest
from langchain_core.runnables.config import ContextThreadPoolExecutor

from openrouter_opts.money import threads
from openrouter_opts.money.limits import SpendLimit
from openrouter_opts.money.tracking import label_costs, scope_now, track_costs


def tags() -> tuple[str, ...]:
    return scope_now().tags


class OwnThread(threading.Thread):
    """A thread that says itself what it does."""

    def __init__(self, found: list[tuple[str, ...]]) -> None:
        super().__init__()
        self._found = found

    def run(self) -> None:
        self._found.append(tags())


def in_a_thread() -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    _joined(threading.Thread(target=lambda: found.append(tags())))
    return found[0]


def in_a_thread_of_its_own_class() -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    _joined(OwnThread(found))
    return found[0]


def in_a_thread_with_a_run_of_its_own() -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    thread = threading.Thread()
    vars(thread)["run"] = lambda: found.append(tags())
    _joined(thread)
    return found[0]


def in_a_timer() -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    _joined(threading.Timer(0, lambda: found.append(tags())))
    return found[0]


def in_a_thread_of_a_thread() -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    _joined(threading.Thread(target=lambda: found.append(in_a_thread())))
    return found[0]


def in_a_copied_context() -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    _joined(threading.Thread(target=copy_context().run, args=(lambda: found.append(tags()),)))
    return found[0]


def in_a_pool() -> tuple[str, ...]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(tags).result()


def mapped_in_a_pool() -> tuple[str, ...]:
    with ThreadPoolExecutor(1) as pool:
        return next(pool.map(lambda _: tags(), [1]))


def in_langchains_pool() -> tuple[str, ...]:
    with ContextThreadPoolExecutor(1) as pool:
        return pool.submit(tags).result()


def in_a_pool_of_multiprocessing() -> tuple[str, ...]:
    with ThreadPool(1) as pool:
        return pool.apply(tags)


def in_the_executor_of_a_loop() -> tuple[str, ...]:
    async def ask() -> tuple[str, ...]:
        return await asyncio.get_running_loop().run_in_executor(None, tags)

    return asyncio.run(ask())


def by_to_thread() -> tuple[str, ...]:
    return asyncio.run(asyncio.to_thread(tags))


def by_anyio() -> tuple[str, ...]:
    return anyio.run(anyio.to_thread.run_sync, tags)


def in_the_loop_of_a_thread() -> tuple[str, ...]:
    async def ask() -> tuple[str, ...]:
        return tags()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(ask())).result()


WAYS: list[Callable[[], tuple[str, ...]]] = [
    in_a_thread,
    in_a_thread_of_its_own_class,
    in_a_thread_with_a_run_of_its_own,
    in_a_timer,
    in_a_thread_of_a_thread,
    in_a_copied_context,
    in_a_pool,
    mapped_in_a_pool,
    in_langchains_pool,
    in_a_pool_of_multiprocessing,
    in_the_executor_of_a_loop,
    by_to_thread,
    by_anyio,
    in_the_loop_of_a_thread,
]


def _joined(thread: threading.Thread) -> None:
    thread.start()
    thread.join()


@pytest.mark.parametrize("way", WAYS)
def test_a_thread_belongs_to_the_scopes_in_which_it_was_started(way: Callable[[], tuple[str, ...]]):
    assert way() == ()
    with track_costs(tags="outer"):
        assert way() == ("outer",)
        with label_costs("inner"):
            assert way() == ("outer", "inner")
        assert way() == ("outer",)
    assert way() == ()


@contextmanager
def a_pool() -> Iterator[Callable[[], tuple[str, ...]]]:
    with ThreadPoolExecutor(1) as pool:
        yield lambda: pool.submit(tags).result()


@contextmanager
def a_pool_of_langchain() -> Iterator[Callable[[], tuple[str, ...]]]:
    with ContextThreadPoolExecutor(1) as pool:
        yield lambda: pool.submit(tags).result()


@contextmanager
def a_pool_of_multiprocessing() -> Iterator[Callable[[], tuple[str, ...]]]:
    with ThreadPool(1) as pool:
        yield lambda: pool.apply(tags)


@contextmanager
def a_loop() -> Iterator[Callable[[], tuple[str, ...]]]:
    async def ask() -> tuple[str, ...]:
        return tags()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda: asyncio.run_coroutine_threadsafe(ask(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def threads_of_anyio() -> Iterator[Callable[[], tuple[str, ...]]]:
    with asyncio.Runner() as runner:
        yield lambda: runner.run(anyio.to_thread.run_sync(tags), context=copy_context())


@pytest.mark.parametrize(
    "opened", [a_pool, a_pool_of_langchain, a_pool_of_multiprocessing, a_loop, threads_of_anyio]
)
@pytest.mark.parametrize("begun_inside", [False, True])
def test_a_thread_that_lives_on_belongs_where_it_is_asked_from(
    opened: Callable[[], AbstractContextManager[Callable[[], tuple[str, ...]]]], begun_inside: bool
):
    with ExitStack() as stack:
        scope = track_costs(tags="begun here") if begun_inside else nullcontext()
        with scope:
            ask = stack.enter_context(opened())
            assert [in_another(ask), ask()] == [(), tags()]
        assert ask() == ()
        with track_costs(tags="first"):
            assert [in_another(ask), ask()] == [(), ("first",)]
        with track_costs(tags="second"):
            assert ask() == ("second",)


def in_another(ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Ask from where there is no scope, while there is one here."""
    found: Future[tuple[str, ...]] = Future()
    context = BEFORE.copy()
    context.run(lambda: found.set_result(ask()))
    return found.result()


BEFORE = copy_context()


@pytest.mark.parametrize(
    "give",
    [
        lambda pool: pool.apply_async(func=asked_with, args=(1,)).get(),
        lambda pool: pool.map(asked_with, [1])[0],
        lambda pool: pool.map(func=asked_with, iterable=[1])[0],
        lambda pool: pool.map_async(asked_with, [1]).get()[0],
        lambda pool: pool.starmap(asked_with, [(1,)])[0],
        lambda pool: pool.starmap_async(asked_with, [(1,)]).get()[0],
        lambda pool: next(pool.imap(asked_with, [1])),
        lambda pool: next(pool.imap_unordered(asked_with, [1])),
    ],
)
def test_whatever_is_given_to_a_pool_of_multiprocessing_belongs_where_it_was_given(
    give: Callable[[ThreadPool], tuple[str, ...]],
):
    with ThreadPool(1) as pool:
        with track_costs(tags="inside"):
            assert give(pool) == ("inside",)
        assert give(pool) == ()


def asked_with(number: int) -> tuple[str, ...]:
    assert number == 1
    return tags()


def test_what_a_pool_does_by_itself_belongs_to_nobody():
    found: list[tuple[str, ...]] = []
    with track_costs(tags="first"):
        pool = ThreadPoolExecutor(1, initializer=lambda: found.append(tags()))
        pool.submit(tags).add_done_callback(lambda _: found.append(tags()))
        pool.shutdown()
    assert found in (
        [(), ()],
        [(), ("first",)],
    )  # the second, if the call had ended when the callback was added


def test_what_a_pool_of_multiprocessing_does_by_itself_belongs_to_nobody():
    found: list[tuple[str, ...]] = []
    with track_costs(tags="first"), ThreadPool(1, initializer=lambda: found.append(tags())) as pool:
        pool.apply_async(tags, callback=lambda _: found.append(tags()))
        pool.close()
        pool.join()
    assert found == [(), ()]


class Held(NamedTuple):
    """What holds for a call."""

    spends: int
    limits: tuple[str, ...]
    tags: tuple[str, ...]
    labels: Mapping[str, str]


def held() -> Held:
    scope = scope_now()
    limits = tuple(str(limit.amount) for limit in scope.limits)
    return Held(len(scope.spends), limits, scope.tags, scope.labels)


class Worker:
    """A thread that serves whoever asks it, and may outlive the scope in which it was begun."""

    def __init__(self) -> None:
        self._questions: Queue[Future[Any] | None] = Queue()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            question.set_result(held())

    def begin(self) -> None:
        self._thread.start()

    def ask(self) -> Held:
        question = Future[Held]()
        self._questions.put(question)
        return question.result(10)

    def end(self) -> None:
        self._questions.put(None)
        self._thread.join()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.end()


def test_a_worker_that_outlives_the_scope_in_which_it_was_started_belongs_to_what_is_left_of_it(
    worker: Worker,
):
    with track_costs(limit="3", tags="outer"):
        with track_costs(limit="2", tags={"team": "a"}), label_costs("inner", user="42"):
            worker.begin()
            assert worker.ask() == (2, ("3", "2"), ("outer", "inner"), {"team": "a", "user": "42"})
        assert worker.ask() == (1, ("3",), ("outer",), {})
    assert worker.ask() == (0, (), (), {})
    with track_costs(limit="1"):
        assert worker.ask() == (0, (), (), {})


def test_a_limit_of_two_scopes_holds_in_a_thread_until_both_have_ended(worker: Worker):
    limit = SpendLimit("1")
    with track_costs(limit=limit):
        with track_costs(limit=limit):
            worker.begin()
        assert worker.ask().limits == ("1",)
    assert worker.ask().limits == ()


def test_labels_alone_end_in_a_thread_too(worker: Worker):
    with label_costs("nightly"):
        worker.begin()
        assert worker.ask().tags == ("nightly",)
    assert worker.ask().tags == ()


def in_a_task_of_its_own() -> Held:
    async def main() -> Held:
        go = asyncio.Event()

        async def ask() -> Held:
            await go.wait()
            return held()

        with track_costs(limit="1", tags="inner"):
            task = asyncio.create_task(ask())
        go.set()
        return await task

    return asyncio.run(main())


def in_a_pool_that_comes_to_it_later() -> Held:
    go = threading.Event()

    def ask() -> Held:
        assert go.wait(10)
        return held()

    with ThreadPoolExecutor(1) as pool:
        with track_costs(limit="1", tags="inner"):
            asked = pool.submit(ask)
        go.set()
        return asked.result()


def wrapped_and_called_later() -> Held:
    with track_costs(limit="1") as spend:
        pass
    with label_costs("inner"):
        return spend.wrap(held)()


def in_a_thread_of_what_is_wrapped() -> Held:
    with track_costs(limit="1") as spend:
        pass
    with label_costs("inner"), ThreadPoolExecutor(1) as pool:
        asked: Future[Held] = Future()
        thread = threading.Thread(target=lambda: asked.set_result(held()))
        pool.submit(spend.wrap(lambda: _joined(thread))).result()
        return asked.result()


@pytest.mark.parametrize(
    "ask",
    [
        in_a_task_of_its_own,
        in_a_pool_that_comes_to_it_later,
        wrapped_and_called_later,
        in_a_thread_of_what_is_wrapped,
    ],
)
def test_what_outlives_a_scope_that_a_thread_has_opened_belongs_to_it(ask: Callable[[], Held]):
    """As it does where no thread was begun in a scope."""
    assert ask()[:3] == (1, ("1",), ("inner",))
    with track_costs(limit="2", tags="outer"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result()[:3] == (2, ("2", "1"), ("outer", "inner"))
        found: Future[Held] = Future()
        _joined(threading.Thread(target=lambda: found.set_result(ask())))
        assert found.result()[:3] == (2, ("2", "1"), ("outer", "inner"))


def test_a_call_that_a_thread_gives_to_a_pool_belongs_where_it_was_given():
    go = threading.Event()
    given: list[Future[Held]] = []

    def ask() -> Held:
        assert go.wait(10)
        return held()

    with ThreadPoolExecutor(1) as pool:
        with track_costs(tags="outer"):
            _joined(threading.Thread(target=lambda: given.append(pool.submit(ask))))
        go.set()
        assert given[0].result().tags == ("outer",)


async def test_a_task_that_outlives_its_scope_was_asked_for_in_it():
    go = asyncio.Event()

    async def ask() -> tuple[str, ...]:
        await go.wait()
        return tags()

    with track_costs(tags="inside"):
        task = asyncio.create_task(ask())
    go.set()
    assert await task == ("inside",)


def test_what_a_thread_opens_is_its_own():
    def ask() -> tuple[str, ...]:
        with track_costs(tags="within"):
            return tags()

    with track_costs(tags="outer"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result() == ("outer", "within")
        assert pool.submit(tags).result() == tags() == ("outer",)


def test_threads_and_pools_are_as_they_were():
    def fail(*, number: int) -> None:
        raise ValueError(number)

    with track_costs(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="7"):
            pool.submit(fail, number=7).result()
        assert pool.submit(dict, fn=1, self=2, variable=3, value=4).result() == {
            "fn": 1,
            "self": 2,
            "variable": 3,
            "value": 4,
        }
        thread = threading.Thread()
        _joined(thread)
        assert "run" not in vars(thread)
        with pytest.raises(RuntimeError, match="started once"):
            thread.start()
        with pytest.raises(TypeError, match="fn"):
            pool.submit()  # type: ignore[call-arg]
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(tags)


def test_a_start_that_fails_can_be_tried_again(monkeypatch: pytest.MonkeyPatch):
    found: list[tuple[str, ...]] = []
    thread = threading.Thread(target=lambda: found.append(tags()))
    other = threading.Thread()
    vars(other)["run"] = lambda: found.append(tags())
    with track_costs(tags="inside"):
        with monkeypatch.context() as patch:
            patch.setattr(threading, "_start_new_thread", _no_thread, raising=False)
            patch.setattr(threading, "_start_joinable_thread", _no_thread, raising=False)
            for each in (thread, other):
                own = vars(each).get("run")
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    each.start()
                assert vars(each).get("run") is own
        for each in (thread, other):
            _joined(each)
    assert found == [("inside",), ("inside",)]


def _no_thread(*args: object, **kwargs: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("others_first", [False, True])
@pytest.mark.parametrize("way", [in_a_thread, in_a_thread_of_its_own_class, in_a_pool, in_a_timer])
def test_others_who_wrap_the_start_of_threads_get_on_with_it(
    others_first: bool, way: Callable[[], tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
):
    seen: list[threading.Thread] = []
    with track_costs():
        begin = threading.Thread.start
    if others_first:
        monkeypatch.setattr(threading.Thread, "start", begin.__wrapped__)  # type: ignore[attr-defined]
    begin = threading.Thread.start

    def start(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        # What Sentry does: https://github.com/getsentry/sentry-python, sentry_sdk/integrations/threading.py.
        run: Any = getattr(self.run, "__func__", self.run)

        def running(*given: Any, **named: Any) -> Any:
            seen.append(threading.current_thread())
            return run(threading.current_thread(), *given[1:], **named)

        self.run = running  # type: ignore[method-assign]
        return begin(self, *args, **kwargs)

    monkeypatch.setattr(threading.Thread, "start", start)
    if others_first:
        monkeypatch.setattr(threads, "_handed_on", set[Any]())
        monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit.__wrapped__)  # type: ignore[attr-defined]
        for name in ("__init__", *dict(threads._TAKE_CALLS)[ThreadPool]):
            monkeypatch.setattr(ThreadPool, name, getattr(ThreadPool, name).__wrapped__)
    with track_costs(tags="inside"):
        assert way() == ("inside",)
    assert seen
    assert way() == ()


def test_a_thread_that_is_started_in_no_scope_is_left_alone():
    with track_costs():
        pass
    begun = threading.Event()
    thread = threading.Thread(target=begun.wait)
    thread.start()
    assert "run" not in vars(thread)
    begun.set()
    thread.join()


@pytest.mark.parametrize(
    ("pool", "name"), [(pool, name) for pool, names in threads._TAKE_CALLS for name in names]
)
def test_a_call_that_is_given_in_no_scope_is_left_alone(
    pool: Any, name: str, monkeypatch: pytest.MonkeyPatch
):
    given: list[Any] = []
    anew(monkeypatch)
    monkeypatch.setattr(pool, name, lambda _, function, *more: given.append(function))
    with pool(1) as opened:
        with track_costs():
            getattr(opened, name)(tags, [])
        getattr(opened, name)(tags, [])
    assert [function is tags for function in given] == [False, True]


def test_a_call_to_another_interpreter_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    class InterpreterPoolExecutor(ThreadPoolExecutor):
        """What Python 3.14 has of this name: it pickles what it is given."""

    module = ModuleType("concurrent.futures.interpreter")
    vars(module)["InterpreterPoolExecutor"] = InterpreterPoolExecutor
    monkeypatch.setitem(sys.modules, module.__name__, module)
    given: list[Any] = []
    anew(monkeypatch)
    monkeypatch.setattr(
        ThreadPoolExecutor, "submit", lambda _, function, *args: given.append((function, args, tags()))
    )
    with track_costs(tags="inside"), ThreadPoolExecutor(1) as pool, InterpreterPoolExecutor(1) as other:
        pool.submit(divmod, 7, 2)
        other.submit(divmod, 7, 2)
    assert given[0][0] is not divmod
    # Its own threads, which would be started now, are in no scope.
    assert given[1] == (divmod, (7, 2), ())


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is patched from here on be wrapped by the next scope, for this test."""
    monkeypatch.setattr(threads, "_handed_on", set[Any]())
    for owner, names in ((threading.Thread, ("start",)), (ThreadPool, ("__init__",)), *threads._TAKE_CALLS):
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))


def test_a_variable_is_handed_on_once():
    with track_costs():
        start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    with track_costs(), label_costs("more"):
        assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit)


def test_of_several_that_are_the_first_one_hands_on(monkeypatch: pytest.MonkeyPatch):
    anew(monkeypatch)
    before = threading.Thread.start
    variable: ContextVar[object] = ContextVar("handed_on_at_once", default=None)
    waiting = [
        threading.Thread(
            target=threads.hand_on,
            args=(variable, None),
            kwargs={"for_a_call": lambda value: value, "for_a_thread": lambda value: value},
        )
        for _ in range(3)
    ]
    with threads._lock:
        for thread in waiting:
            thread.start()
        time.sleep(0.05)
    for thread in waiting:
        thread.join()
    assert threading.Thread.start.__wrapped__ is before  # type: ignore[attr-defined]


@pytest.mark.parametrize("begun_inside", [False, True])
@pytest.mark.parametrize("opened", [a_pool, a_pool_of_langchain, a_pool_of_multiprocessing])
def test_a_pool_that_lives_on_keeps_no_scope(
    opened: Callable[[], AbstractContextManager[Callable[[], tuple[str, ...]]]], begun_inside: bool
):
    with ExitStack() as stack:
        if not begun_inside:
            ask = stack.enter_context(opened())
            ask()
        with track_costs(tags="inside") as spend:
            if begun_inside:
                ask = stack.enter_context(opened())
            assert ask() == ("inside",)
        kept = ref(spend)
        del spend
        gc.collect()
        assert kept() is None


def test_nothing_else_of_the_context_is_handed_on():
    variable: ContextVar[str] = ContextVar("somebody_elses", default="unset")
    variable.set("set")
    with track_costs(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(variable.get).result() == "unset"
