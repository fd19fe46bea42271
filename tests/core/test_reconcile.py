"""What no answer said the cost of is found out later, and an error on the way hides nothing."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from queue import Empty, SimpleQueue
from typing import Any
from weakref import ref

import pytest

from openrouter_opts import (
    Catalog,
    Cost,
    Endpoint,
    Model,
    OpenRouterClient,
    Record,
    Spend,
    SpendLimit,
    areconcile,
    reconcile,
    track_costs,
)
from openrouter_opts.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLost,
    NotFound,
    OpenRouterError,
    RateLimited,
    ServerError,
    TimedOut,
)
from openrouter_opts.money.background import TRIES, Background
from openrouter_opts.money.entry import Entry, entry_of
from openrouter_opts.money.reconcile import Ask, Pause, reconciling
from openrouter_opts.money.store import reserve, settle
from openrouter_opts.sandbox import Sandbox
from tests.scripted_server import ScriptedServer

D = Decimal
HI = [{"role": "user", "content": "hi"}]
Answer = Mapping[str, Any] | Exception
Reconcile = Callable[..., tuple[Record, ...]]

SETTLED = {"total_cost": 0.25, "is_byok": False, "model": "m/served", "provider_name": "Mock"}
MISSING = NotFound("not yet", status=404)


def both(*given: Any, **named: Any) -> tuple[Record, ...]:
    return asyncio.run(areconcile(*given, **named))


each_side = pytest.mark.parametrize("side", [reconcile, both], ids=["sync", "async"])


def lost(generation_id: str | None = "gen-1", **facts: Any) -> Record:
    return Record("m/x", None, generation_id, None, "interrupted", **facts)


class Server:
    """Answers what it is told to, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def generation(
        self, generation_id: str, /, *, patient: bool = True, within: float | None = None
    ) -> Mapping[str, Any]:
        assert not patient
        self.asked.append(generation_id)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ageneration(
        self, generation_id: str, /, *, patient: bool = True, within: float | None = None
    ) -> Awaitable[Mapping[str, Any]]:
        async def answer() -> Mapping[str, Any]:
            return self.generation(generation_id, patient=patient)

        return answer()


def driven(entries: list[Entry], wait: float) -> tuple[list[str], list[float]]:
    """Drive the pure part on a clock without time; return what was asked, and the pauses."""
    now, asked, pauses = 0.0, list[str](), list[float]()
    flow = reconciling(entries, wait, lambda: now)
    reply: Any = None
    while True:
        try:
            step = flow.send(reply)
        except StopIteration:
            return asked, pauses
        if isinstance(step, Pause):
            now += step.seconds
            pauses.append(step.seconds)
            reply = None
        else:
            assert isinstance(step, Ask)
            asked.append(step.generation_id)
            try:
                reply = step.lookup.generation(step.generation_id, patient=False)
            except OpenRouterError as error:
                reply = error


# --- when to ask again ---


def test_what_is_not_written_yet_is_asked_for_with_growing_pauses():
    entry = Entry(lost(), Server(MISSING, MISSING, MISSING, SETTLED))
    assert driven([entry], 30) == (["gen-1"] * 4, [0.5, 1.0, 2.0])
    assert (entry.record.cost.total, entry.record.cost.source) == (D("0.25"), "reconciled")


def test_asking_ends_when_it_would_take_too_long():
    entry = Entry(lost(), Server(MISSING))
    asked, pauses = driven([entry], 30)
    assert (pauses, len(asked)) == ([0.5, 1.0, 2.0, 4.0, 8.0, 8.0], 7)
    assert entry.record.pending
    assert driven([entry], 0) == (["gen-1"], [])


def test_the_server_is_left_alone_for_as_long_as_it_asks():
    busy = RateLimited("busy", status=429, retry_after=3.0)
    assert driven([Entry(lost(), Server(busy, busy, SETTLED))], 30)[1] == [3.0, 3.0]
    endless = RateLimited("busy", status=429, retry_after=10.0**6)
    assert driven([Entry(lost(), Server(endless, SETTLED))], 100)[1] == [60.0]


def test_what_would_be_said_again_is_not_asked_again():
    wrong = Server(AuthenticationError("no key", status=401))
    entries = [Entry(lost(), wrong), Entry(lost("gen-2"), Server(ServerError("down"), SETTLED))]
    assert driven(entries, 30) == (["gen-1", "gen-2", "gen-2"], [0.5])
    assert [entry.record.pending for entry in entries] == [True, False]


def test_a_record_without_an_id_or_without_anybody_to_ask_stays_pending():
    entries = [Entry(lost(None), Server(SETTLED)), Entry(lost())]
    assert driven(entries, 30) == ([], [])
    assert all(entry.record.pending for entry in entries)


def test_an_answer_without_a_cost_is_none_yet():
    entry = Entry(lost(), Server({"total_cost": None}, {**SETTLED, "is_byok": True}, SETTLED))
    assert len(driven([entry], 30)[0]) == 3


# --- what is settled ---


@each_side
def test_records_are_settled_in_every_scope_and_limit(side: Reconcile):
    limit = SpendLimit(1)
    settled: list[Record] = []
    entry = Entry(lost(), None, settled.append)
    outer, inner = Spend(), Spend()
    for spend in (outer, inner):
        spend.add(entry)
    limit.keep(entry)
    (record,) = side(inner, Server(MISSING, SETTLED))
    assert outer.records == inner.records == limit.pending_records == (record,)
    assert (record.model, record.provider, record.generation_id) == ("m/served", "Mock", "gen-1")
    assert record.outcome == "interrupted"
    assert (outer.total, outer.pending, settled) == (D("0.25"), (), [record])


@each_side
@pytest.mark.parametrize("what", ["spend", "limit", "records"])
def test_a_spend_a_limit_or_records_can_be_reconciled(what: str, side: Reconcile):
    spend, limit, entry = Spend(), SpendLimit(1), Entry(lost())
    spend.add(entry)
    limit.keep(entry)
    given: Any = {"spend": spend, "limit": limit, "records": [entry.record]}[what]
    side(given, Server(SETTLED))
    assert spend.total == D("0.25")


@each_side
def test_records_that_nobody_keeps_come_back_settled(side: Reconcile):
    record = lost()
    (found,) = side([record, lost("gen-2", cost=Cost(total=D(1)))], Server(SETTLED), wait=0)
    assert (found.key, found.cost.total) == (record.key, D("0.25"))


@each_side
@pytest.mark.parametrize(
    "error", [MISSING, ServerError("down"), ConnectionLost("reset"), AuthenticationError("no", status=401)]
)
def test_a_lookup_that_fails_raises_nothing_and_leaves_the_record_pending(error: Any, side: Reconcile):
    spend = Spend()
    spend.add(lost())
    (record,) = side(spend, Server(error), wait=0)
    assert record.pending
    assert spend.pending == (record,)


def test_tokens_are_filled_in_where_they_were_not_known():
    (record,) = reconcile(
        [lost()], Server({**SETTLED, "native_tokens_prompt": 7, "native_tokens_completion": 2})
    )
    assert record.usage is not None
    assert (record.usage.prompt_tokens, record.usage.total_tokens) == (7, 9)
    assert record.usage.cost == record.cost
    (bare,) = reconcile([lost("gen-2")], Server(SETTLED))
    assert bare.usage is not None
    assert bare.usage.total_tokens is None


def test_a_record_is_settled_once():
    entry = Entry(lost())
    entry.settle(entry.record.reconciled(SETTLED))
    entry.settle(entry.record.reconciled({**SETTLED, "total_cost": 9}))
    assert entry.record.cost.total == D("0.25")


def test_a_record_that_is_added_elsewhere_too_is_settled_there_as_well():
    first, second = Spend(), Spend()
    first.add(lost())
    (record,) = first.records
    copy = Entry(record)
    assert entry_of(record) is not copy
    second.add(record)
    reconcile(first, Server(SETTLED))
    assert first.total == second.total == D("0.25")


def test_what_nobody_will_ever_say_can_be_written_off():
    limit, spend = SpendLimit(1), Spend()
    reserve({limit.money: D("0.5")}, "k")
    entry = Entry(lost(None, key="k"), None, lambda record: settle([limit.money], "k", record.cost.total))
    settle([limit.money], "k", None)
    spend.add(entry)
    limit.keep(entry)
    limit.write_off(lost())
    with pytest.raises(ConfigurationError, match="charged"):
        limit.write_off(entry.record, "much")
    assert (limit.pending, spend.unknown) == (D("0.5"), 1)
    limit.write_off(entry.record, "0.1")
    assert (limit.pending, limit.spent, spend.total) == (0, D("0.1"), D("0.1"))
    assert spend.records[0].cost.source == "estimated"


# --- with an account ---


def catalog(client: OpenRouterClient, model: str) -> Catalog:
    return Catalog.bundled().with_endpoints(client.endpoints(model))


@each_side
def test_a_cancelled_stream_is_found_out_and_its_limit_is_released(
    side: Reconcile, openrouter_sandbox: Sandbox
):
    limit = SpendLimit("0.01")
    client = OpenRouterClient(model="openai/gpt-5-mini", spend_limit=limit, max_retries=0)
    with track_costs() as spend:
        stream = client.stream(HI, max_tokens=500)
        next(stream)
        stream.close()
        openrouter_sandbox.cut_after(2)
        with pytest.raises(ConnectionLost):
            list(client.stream(HI, max_tokens=500))
    held = limit.pending
    assert held > D("0.002")
    assert len(spend.pending) == 2
    side(spend)
    assert spend.pending == limit.pending_records == ()
    assert {record.cost.source for record in spend.records} == {"reconciled"}
    assert spend.total == openrouter_sandbox.credits_used == limit.spent > 0
    assert (limit.pending, limit.reserved) == (0, 0)
    assert spend.by("provider") == {"OpenAI": spend.total}


def _timed_out(client: OpenRouterClient) -> None:
    with pytest.raises(TimedOut):
        client.complete(HI, max_tokens=500, timeout=0.3)


def _cancelled(client: OpenRouterClient) -> None:
    async def give_up() -> None:
        async with asyncio.timeout(0.3):
            await client.acomplete(HI, max_tokens=500)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())


@pytest.mark.parametrize("ended", [_timed_out, _cancelled], ids=lambda ended: ended.__name__.strip("_"))
def test_what_ended_before_its_answer_began_stays_pending_until_it_is_written_off(
    ended: Callable[[OpenRouterClient], None], openrouter_sandbox: Sandbox
):
    limit = SpendLimit("0.01")
    client = OpenRouterClient(model="openai/gpt-5-mini", spend_limit=limit, max_retries=0)
    client.complete(HI, max_tokens=5)
    before = limit.spent
    openrouter_sandbox.delay_next(first_byte=1)
    with track_costs() as spend:
        ended(client)
    (lost,) = reconcile(spend, wait=0)
    assert (lost.pending, lost.generation_id) == (True, None)
    assert limit.pending > D("0.001")
    (record,) = limit.pending_records
    limit.write_off(record, "0.001")
    assert (limit.pending, limit.spent - before, spend.total) == (0, D("0.001"), D("0.001"))
    assert spend.pending == ()


def test_it_is_the_client_that_made_the_call_who_is_asked(openrouter_sandbox: Sandbox):
    with track_costs() as spend, Sandbox() as other:
        stream = OpenRouterClient(
            model="openai/gpt-5-mini", base_url=other.base_url, api_key=other.api_key
        ).stream(HI)
        next(stream)
        stream.close()
        reconcile(spend, OpenRouterClient(), wait=0)
        assert (spend.unknown, len(openrouter_sandbox.requests)) == (1, 1)
        assert openrouter_sandbox.last.path == "/generation"


# --- in the background ---


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


def test_a_scope_finds_out_in_the_background(openrouter_sandbox: Sandbox):
    with track_costs(reconcile=True) as spend:
        stream = OpenRouterClient(model="openai/gpt-5-mini").stream(HI)
        next(stream)
        stream.close()
        assert spend.unknown == 1
        eventually(lambda: not spend.pending)
    assert spend.total == openrouter_sandbox.credits_used > 0


def test_a_limit_finds_out_in_the_background(openrouter_sandbox: Sandbox):
    limit = SpendLimit("0.01", reconcile=True)
    stream = OpenRouterClient(model="openai/gpt-5-mini", spend_limit=limit).stream(HI, max_tokens=100)
    next(stream)
    stream.close()
    eventually(lambda: limit.pending == 0)
    assert limit.spent == openrouter_sandbox.credits_used


def test_nothing_runs_in_the_background_unless_it_is_asked_for(openrouter_sandbox: Sandbox):
    eventually(lambda: not running())
    with track_costs() as spend:
        stream = OpenRouterClient(model="openai/gpt-5-mini").stream(HI)
        next(stream)
        stream.close()
    assert (spend.unknown, running()) == (1, [])


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "openrouter-reconcile"]


def test_pauses_double_and_the_thread_ends_when_there_is_nothing_to_ask():
    background = Background(first=0.001)
    server = Server(MISSING, ServerError("down"), MISSING, SETTLED)
    entry = Entry(lost(), server)
    background.watch(entry)
    eventually(lambda: not entry.record.pending)
    assert len(server.asked) == 4
    background.stop(10)
    eventually(lambda: not running())


def test_what_breaks_is_logged_and_asked_for_again_and_loses_no_other(caplog: pytest.LogCaptureFixture):
    background = Background(first=0.001)
    broken = Server(ValueError("with the key sk-or-1"), SETTLED)
    entries = [
        Entry(lost(), broken),
        *(Entry(lost(f"gen-{number}"), Server(SETTLED)) for number in range(2, 5)),
    ]
    for entry in entries:
        background.watch(entry)
    eventually(lambda: not any(entry.record.pending for entry in entries))
    background.stop(10)
    assert len(broken.asked) == 2
    assert [(each.name, each.getMessage()) for each in caplog.records] == [
        ("openrouter_opts", "what gen-1 did cost could not be found out: ValueError")
    ]


def test_what_is_handed_over_as_the_thread_ends_is_not_lost():
    background = Background(first=0.001)
    entry = Entry(lost(), Server(SETTLED))

    class Late(SimpleQueue[Any]):
        handed_over = False

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            try:
                return super().get(block, 0.01)
            except Empty:
                if not self.handed_over and timeout == 2.0:
                    self.handed_over = True
                    background.watch(entry)
                raise

    background._new = Late()
    background.watch(Entry(lost("gen-2")))
    eventually(lambda: not entry.record.pending)
    background.stop(10)


def test_it_gives_up_at_last():
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 10_000.0
        return now

    background = Background(clock=clock)
    server = Server(MISSING)
    entry = Entry(lost(), server)
    background.watch(entry)
    eventually(lambda: len(server.asked) == TRIES)
    background.stop(10)
    assert (len(server.asked), entry.record.pending) == (TRIES, True)


def test_nothing_is_asked_any_more_once_it_is_stopped():
    background = Background(first=0.001)
    background.stop(10)
    server = Server(SETTLED)
    entry = Entry(lost(), server)
    background.watch(entry)
    time.sleep(0.1)
    assert (server.asked, entry.record.pending) == ([], True)


def test_what_nobody_keeps_any_more_is_not_asked_for():
    background = Background(first=0.3)
    server = Server(SETTLED)
    entry = Entry(lost(), server)
    background.watch(entry)
    gone = ref(entry)
    del entry
    gc.collect()
    assert gone() is None
    time.sleep(0.4)
    background.stop(10)
    assert server.asked == []


def test_many_threads_may_hand_over_at_once():
    background = Background(first=0.001)
    entries = [Entry(lost(f"gen-{number}"), Server(SETTLED)) for number in range(200)]
    threads = [
        threading.Thread(target=lambda mine=entries[start::8]: [background.watch(each) for each in mine])
        for start in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: not any(entry.record.pending for entry in entries))
    background.stop(10)


def test_a_program_ends_though_something_is_still_unknown():
    code = """
import time
from openrouter_opts import Record, Spend
from openrouter_opts.errors import NotFound
from openrouter_opts.money.background import BACKGROUND
from openrouter_opts.money.entry import Entry, entry_of
class Never:
    def generation(self, generation_id, /, *, patient=True, within=None):
        raise NotFound("never", status=404)
entries = [Entry(Record(None, None, f"gen-{n}", None, "interrupted"), Never()) for n in range(3)]
for entry in entries:
    BACKGROUND.watch(entry)
time.sleep(1.1)
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert time.monotonic() - began < 20


def test_a_model_with_a_catalogue_of_its_own_is_looked_up_too(openrouter_sandbox: Sandbox):
    prices = {"prompt": D("1e-6"), "completion": D("1e-5")}
    known = Catalog(
        [Model("openai/gpt-5-mini", "M", endpoints=(Endpoint("O", "o", None, 9000, 900, pricing=prices),))]
    )
    limit = SpendLimit(1)
    client = OpenRouterClient(model="openai/gpt-5-mini", catalog=known, spend_limit=limit, check="off")
    stream = client.stream(HI)
    next(stream)
    stream.close()
    reconcile(limit)
    assert limit.spent == openrouter_sandbox.credits_used


@each_side
def test_a_lookup_that_is_never_answered_is_given_up_when_the_time_is_over(side: Reconcile):
    with ScriptedServer([], choose=lambda _: ["HANG"]) as silent:
        client = OpenRouterClient(api_key="k", base_url=silent.base_url)
        began = time.monotonic()
        left = side([lost(f"gen-{number}") for number in range(9)], client, wait=0.4)
    assert all(each.pending for each in left)
    assert time.monotonic() - began < 5


@each_side
def test_another_client_is_asked_once_and_the_own_one_the_next_time(side: Reconcile):
    own, other = Server(SETTLED), Server(MISSING)
    spend = Spend()
    spend.add(Entry(lost(), own))
    side(spend, other, wait=0)
    assert (own.asked, other.asked) == ([], ["gen-1"])
    side(spend, wait=0)
    assert (own.asked, other.asked, spend.total) == (["gen-1"], ["gen-1"], D("0.25"))
