"""Scopes count what is called inside them, and nothing else."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from queue import Queue
from typing import Any

import pytest

from openrouter_opts.errors import (
    ConfigurationError,
    Empty,
    Interrupted,
    OpenRouterError,
    RateLimited,
    ServerError,
    TimedOut,
)
from openrouter_opts.money.account import UNCOUNTED, Account, account_of
from openrouter_opts.money.cost import Cost
from openrouter_opts.money.record import Asking, Record
from openrouter_opts.money.tracking import Spend, label_costs, track_costs
from openrouter_opts.protocol.completion import Abandoned, Completion, Usage
from openrouter_opts.protocol.request import Request


def completion(
    cost: str | None, model: str | None = "m/x", provider: str = "Mock", **more: Any
) -> Completion:
    total = None if cost is None else Decimal(cost)
    usage = Usage(7, 2, 9, cost=Cost(total=total, source="unknown" if cost is None else "reported"))
    return Completion(**{"id": "gen-1", "attempts": 2} | more, model=model, provider=provider, usage=usage)


def account(asked: str | None = "m/x", **options: Any) -> Account:
    return account_of(Request("POST", "/", content={"model": asked, **options}), lambda _: None)


def settling(asked: str | None = "m/x", **options: Any) -> Callable[[Any], None]:
    """Return what takes the result of a request that is made now."""
    counted = account(asked, **options)
    counted.admit(Request("POST", "/"))
    return counted.settle


def test_a_scope_adds_up_exactly():
    with track_costs() as spend:
        for _ in range(10):
            settling("m/x")(completion("0.1"))
    assert spend.total == spend.total_cost == Decimal(1)
    assert (spend.prompt_tokens, spend.completion_tokens, spend.total_tokens) == (70, 20, 90)
    assert spend.successful_requests == 10
    assert repr(spend) == "Spend(total=Decimal('1.0'), calls=10, unknown=0)"


def test_a_record_says_what_was_called():
    with track_costs() as spend:
        settling("m/asked")(completion("0.1", model=None))
    (record,) = spend.records
    assert (record.model, record.asked, record.provider) == ("m/asked", "m/asked", "Mock")
    assert (record.generation_id, record.kind) == ("gen-1", "chat")
    assert (record.outcome, record.attempts, record.cost.total) == ("answered", 2, Decimal("0.1"))
    assert 0 < record.began <= record.at
    assert pickle.loads(pickle.dumps(record)) == record


def test_an_unknown_cost_is_counted_as_unknown_not_as_zero():
    with track_costs() as spend:
        settling(None)(completion(None))
        settling(None)(Completion())
        settling(None)(completion("0"))
    assert (spend.total, spend.unknown, spend.successful_requests) == (0, 2, 3)
    assert spend.pending == spend.records[:2]


def test_a_failed_call_is_recorded_with_what_it_cost_so_far():
    paid = completion("0.2").usage
    cut = Interrupted(
        "cut", partial=Completion(model="m/served"), usage=paid, provider="Mock", generation_id="g"
    )
    with track_costs() as spend:
        settling("m/x")(cut)
        settling("m/x")(ServerError("down", status=503))
    assert [(record.model, record.outcome, record.pending) for record in spend.records] == [
        ("m/served", "interrupted", False),
        ("m/x", "failed", False),
    ]
    assert (spend.total, spend.successful_requests, spend.unknown) == (Decimal("0.2"), 0, 0)
    assert spend.records[1].cost.source == "unknown"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_spend_is_that_spend(again: Any):
    with track_costs() as spend:
        copied = again({"callbacks": [spend]})["callbacks"][0]
        settling()(completion("1"))
    assert copied is spend
    assert again(spend) is spend
    assert spend.total == 1


def test_a_pickled_spend_is_opened_empty_under_the_same_limit():
    spend = Spend("0.5", reconciles=True)
    spend.add(Record.of(completion("0.1"), Asking("m/x")))
    opened = pickle.loads(pickle.dumps(spend))
    assert type(opened) is Spend
    assert (opened.records, opened.limit, opened.reconciles) == ((), spend.limit, True)
    assert len(spend.records) == 1


def test_what_a_forked_process_records_has_keys_of_its_own():
    """Records of several processes may come together in one place, and be told apart there."""
    code = """
import os
from openrouter_opts import Record
def key():
    return Record(None, None, None, None).key
print(key(), flush=True)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(key(), flush=True)
if not child:
    os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert len(set(done.stdout.split())) == 3


def test_what_is_wrong_before_it_is_sent_is_no_request():
    with track_costs() as spend:
        settling()(ConfigurationError("no key"))
    assert spend.records == ()


@pytest.mark.parametrize(
    ("error", "options", "pending"),
    [
        (TimedOut("slow", delivered="maybe"), {}, True),
        (TimedOut("slow", phase="connect"), {}, False),
        (Empty("nothing", delivered="yes"), {}, True),
        (ServerError("down", delivered="yes"), {}, False),
        (ServerError("down", delivered="yes"), {"plugins": [{"id": "web"}]}, True),
        (RateLimited("busy", delivered="yes"), {"tools": [{"type": "openrouter:web_search"}]}, True),
        (RateLimited("busy", delivered="yes"), {"tools": [{"type": "function"}]}, False),
    ],
)
def test_what_may_have_been_billed_is_pending(error: OpenRouterError, options: Any, pending: bool):
    with track_costs() as spend:
        settling(**options)(error)
    (record,) = spend.records
    assert record.pending is pending
    assert record.outcome == ("interrupted" if pending else "failed")


def test_a_call_that_the_caller_left_is_in_the_books_with_its_generation():
    with track_costs() as spend:
        settling("m/x")(Abandoned({"id": "gen-7", "model": "m/served", "provider": "Mock"}, 1, "gen-7"))
        settling("m/x")(Abandoned({}, 1, "gen-8"))
        settling("m/x")(Abandoned())
    known, early, earliest = spend.records
    assert (known.generation_id, known.model, known.provider) == ("gen-7", "m/served", "Mock")
    assert (early.generation_id, early.model, early.outcome) == ("gen-8", "m/x", "interrupted")
    assert (earliest.generation_id, earliest.outcome) == (None, "interrupted")
    assert (spend.total, spend.unknown) == (0, 3)


def test_an_answer_from_the_response_cache_says_what_it_saved():
    with track_costs() as spend:
        settling()(completion("0.25", id="gen-1"))
        hit = {"x-openrouter-cache-source-id": "gen-1"}
        settling()(completion("0", id="gen-2", headers=hit))
        settling()(completion("0", id="gen-3", headers={"x-openrouter-cache-source-id": "gen-0"}))
    assert (spend.total, spend.saved) == (Decimal("0.25"), Decimal("0.25"))
    assert [record.repeats for record in spend.records] == [None, "gen-1", "gen-0"]


def test_scopes_nest():
    with track_costs() as outer:
        settling(None)(completion("1"))
        with track_costs() as inner:
            settling(None)(completion("2"))
        settling(None)(completion("4"))
    assert account() is UNCOUNTED
    assert (outer.total, inner.total) == (7, 2)


def test_a_call_belongs_to_the_scopes_in_which_it_began():
    with track_costs() as spend:
        settle = settling(None)
    settle(completion("1"))
    assert spend.total == 1


def test_a_scope_ends_with_an_exception_too():
    with pytest.raises(KeyError), track_costs():
        raise KeyError
    with track_costs() as spend:
        pass
    assert account() is UNCOUNTED
    assert spend.records == ()


# --- by ---


def test_costs_are_summed_by_model_and_by_provider():
    with track_costs() as spend:
        settling(None)(completion("1", "m/a", "P"))
        settling(None)(completion("3", "m/b", "P"))
        settling(None)(completion(None, "m/c", "Q"))
    assert list(spend.by("model").items()) == [("m/b", 3), ("m/a", 1), ("m/c", 0)]
    assert spend.by("provider") == {"P": 4, "Q": 0}
    assert spend.by("outcome") == {"answered": 4}
    assert spend.by("kind") == {"chat": 4}


def test_costs_are_summed_by_the_day_in_utc():
    spend = Spend()
    for at, cost in ((0.0, "1"), (86_399.0, "2"), (86_400.0, "4")):
        usage = completion(cost).usage
        assert usage is not None
        spend.add(Record(None, None, None, usage, cost=usage.cost, at=at))
    assert spend.by("day") == {"1970-01-01": 3, "1970-01-02": 4}


def test_costs_are_summed_by_tags_and_labels():
    with track_costs(tags={"team": "search"}) as spend:
        settling()(completion("1"))
        with label_costs("nightly", "slow", user="42"):
            settling()(completion("2"))
            with track_costs(tags=("slow", "more")) as inner, label_costs(user="43"):
                settling()(completion("4"))
    assert spend.by("tag") == {"slow": 6, "nightly": 6, "more": 4, None: 1}
    assert spend.by("team") == {"search": 7}
    assert spend.by("user") == {"43": 4, "42": 2, None: 1}
    assert inner.records[0].tags == ("nightly", "slow", "more")
    assert inner.records[0].labels == {"team": "search", "user": "43"}


def test_a_single_tag_need_not_be_in_a_list():
    with track_costs(tags="nightly") as spend:
        settling()(completion("1"))
    assert spend.by("tag") == {"nightly": 1}


def test_a_key_that_no_record_has_is_named_with_those_that_there_are():
    with track_costs(tags={"team": "search"}) as spend:
        assert spend.by("modell") == {}
        settling()(completion("1"))
    with pytest.raises(ValueError, match=r"no 'modell'; there are model, .*, tag, team"):
        spend.by("modell")


@pytest.mark.parametrize("tags", [(1,), {"team": 1}, {1: "x"}, {"model": "x"}])
def test_tags_are_strings_and_take_no_name_that_is_taken(tags: Any):
    with pytest.raises(ConfigurationError, match="tags"), track_costs(tags=tags):
        pass


# --- threads and tasks ---


async def test_tasks_and_their_threads_are_counted():
    async def call() -> None:
        await asyncio.sleep(0)
        settling(None)(completion("1"))

    with track_costs() as spend:
        await asyncio.gather(*(call() for _ in range(20)))
        await asyncio.to_thread(settling, None)
        await asyncio.to_thread(lambda: settling(None)(completion("1")))
    assert spend.total == 21


def test_what_is_wrapped_is_counted_wherever_and_whenever_it_runs():
    def ask(cost: str) -> str:
        """Ask."""
        settling()(completion(cost))
        return cost

    questions: Queue[Callable[[], object]] = Queue()

    def answer() -> None:
        questions.get()()

    thread = threading.Thread(target=answer)
    thread.start()
    with track_costs(tags="mine") as spend:
        questions.put(partial(spend.wrap(ask), "1"))
        thread.join()
    assert spend.wrap(ask).__doc__ == "Ask."
    assert spend.by("tag") == {"mine": 1}
    spend.wrap(ask)("16")
    assert spend.total == 17


def test_coroutines_and_generators_that_are_wrapped_are_counted_in_another_thread():
    async def ask(cost: str) -> str:
        await asyncio.sleep(0)
        settling()(completion(cost))
        return cost

    def pieces(cost: str) -> Generator[str, str, str]:
        settling()(completion(cost))
        said = yield cost
        settling()(completion(cost))
        return said

    async def apieces(cost: str) -> AsyncGenerator[str]:
        settling()(completion(cost))
        yield cost
        settling()(completion(cost))

    def read(stream: Generator[str, str, str]) -> str:
        assert next(stream) == "10"
        with pytest.raises(StopIteration, match="heard"):
            stream.send("heard")
        return "read"

    async def aread(stream: AsyncGenerator[str]) -> list[str]:
        return [piece async for piece in stream]

    with track_costs(tags="mine") as spend:
        asked, stepped, astepped = spend.wrap(ask), spend.wrap(pieces), spend.wrap(apieces)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: asyncio.run(asked("1"))).result() == "1"
        assert pool.submit(lambda: read(stepped("10"))).result() == "read"
        assert pool.submit(lambda: asyncio.run(aread(astepped("100")))).result() == ["100"]
    assert spend.by("tag") == {"mine": 221}


def test_a_scope_in_a_generator_may_be_closed_by_another_task():
    async def answers() -> AsyncGenerator[Spend]:
        with track_costs() as spend, label_costs("mine"):
            settling()(completion("1"))
            yield spend

    async def run() -> Spend:
        stream = answers()
        spend = await asyncio.create_task(anext(stream))
        await asyncio.create_task(stream.aclose())
        settling()(completion("2"))
        return spend

    spend = asyncio.run(run())
    assert (spend.total, spend.by("tag")) == (1, {"mine": 1})


def test_many_threads_may_add_to_one_scope():
    with track_costs() as spend:
        settle = [settling(None) for _ in range(1600)]
        chunks = [settle[start::8] for start in range(8)]
        threads = [
            threading.Thread(target=lambda mine=mine: [each(completion("0.01")) for each in mine])
            for mine in chunks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert spend.total == 16
    assert len(spend.records) == 1600


def test_the_record_of_a_call_without_usage_costs_nobody_knows_what():
    assert Record.of(Completion(), Asking("m/x")).cost.source == "unknown"
