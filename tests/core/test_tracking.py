"""Scopes count what is called inside them, and nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from decimal import Decimal

import pytest

from openrouter_opts.errors import Interrupted, ServerError
from openrouter_opts.money.cost import Cost
from openrouter_opts.money.tracking import Record, settling, track_costs
from openrouter_opts.protocol.completion import Abandoned, Completion, Usage


def completion(cost: str | None, model: str | None = "m/x", provider: str = "Mock") -> Completion:
    total = None if cost is None else Decimal(cost)
    usage = Usage(7, 2, 9, cost=Cost(total=total, source="unknown" if cost is None else "reported"))
    return Completion(id="gen-1", model=model, provider=provider, usage=usage, attempts=2)


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
    assert (record.model, record.provider, record.generation_id) == ("m/asked", "Mock", "gen-1")
    assert (record.outcome, record.attempts, record.cost.total) == ("answered", 2, Decimal("0.1"))


def test_an_unknown_cost_is_counted_as_unknown_not_as_zero():
    with track_costs() as spend:
        settling(None)(completion(None))
        settling(None)(Completion())
        settling(None)(completion("0"))
    assert (spend.total, spend.unknown, spend.successful_requests) == (0, 2, 3)


def test_a_failed_call_is_recorded_with_what_it_cost_so_far():
    paid = completion("0.2").usage
    cut = Interrupted(
        "cut", partial=Completion(model="m/served"), usage=paid, provider="Mock", generation_id="g"
    )
    with track_costs() as spend:
        settling("m/x")(cut)
        settling("m/x")(ServerError("down", status=503))
    assert [(record.model, record.outcome) for record in spend.records] == [
        ("m/served", "interrupted"),
        ("m/x", "failed"),
    ]
    assert (spend.total, spend.successful_requests, spend.unknown) == (Decimal("0.2"), 0, 0)
    assert spend.records[1].cost.source == "unknown"


def test_a_call_that_the_caller_left_is_in_the_books_with_its_generation():
    with track_costs() as spend:
        settling("m/x")(Abandoned({"id": "gen-7", "model": "m/served", "provider": "Mock"}))
        settling("m/x")(Abandoned())
    known, early = spend.records
    assert (known.generation_id, known.model, known.provider) == ("gen-7", "m/served", "Mock")
    assert (early.generation_id, early.model, early.outcome) == (None, "m/x", "interrupted")
    assert (spend.total, spend.unknown) == (0, 2)


def test_scopes_nest():
    with track_costs() as outer:
        settling(None)(completion("1"))
        with track_costs() as inner:
            settling(None)(completion("2"))
        settling(None)(completion("4"))
    settling(None)(completion("8"))
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
    settling(None)(completion("1"))
    assert spend.records == ()


def test_costs_are_summed_by_model_and_by_provider():
    with track_costs() as spend:
        settling(None)(completion("1", "m/a", "P"))
        settling(None)(completion("3", "m/b", "P"))
        settling(None)(completion(None, "m/c", "Q"))
    assert list(spend.by("model").items()) == [("m/b", 3), ("m/a", 1), ("m/c", 0)]
    assert spend.by("provider") == {"P": 4, "Q": 0}
    assert spend.by("outcome") == {"answered": 4}


async def test_tasks_and_their_threads_are_counted():
    async def call() -> None:
        await asyncio.sleep(0)
        settling(None)(completion("1"))

    with track_costs() as spend:
        await asyncio.gather(*(call() for _ in range(20)))
        await asyncio.to_thread(settling, None)
        await asyncio.to_thread(lambda: settling(None)(completion("1")))
    assert spend.total == 21


def test_a_thread_is_counted_when_it_runs_in_a_copy_of_the_context():
    with track_costs() as spend:
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=lambda: settling(None)(completion("1"))),
            threading.Thread(target=context.run, args=(lambda: settling(None)(completion("2")),)),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert spend.total == 2


def test_many_threads_may_add_to_one_scope():
    with track_costs() as spend:
        settle = settling(None)
        threads = [
            threading.Thread(target=lambda: [settle(completion("0.01")) for _ in range(200)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert spend.total == 16
    assert len(spend.records) == 1600


def test_the_record_of_a_call_without_usage_costs_nobody_knows_what():
    assert Record.of(Completion(), "m/x").cost.source == "unknown"
