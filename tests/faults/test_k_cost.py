"""K: what a call cost, whatever became of it. Exact or unknown, once for each request, and never nothing for something."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import Spend, reconcile, track_costs
from openrouter_opts.errors import Interrupted, OpenRouterError, ServerError
from openrouter_opts.protocol.completion import Completion
from tests.both import Caller
from tests.faults.aftermath import HI, KEY, both_kinds, ending, failure
from tests.faults.calls import Callers, Servers, client_of
from tests.scripted_server import Delivery, Script
from tests.wire_bytes import COMPLETION, DONE, STREAM, USAGE, USAGE_CHUNK, answer, delta, event, streamed

D = Decimal
STOP = delta("", finish_reason="stop")
BUSY = [answer({"error": {"code": 503}}, 503, Retry_After="0")]


def answered(client: Caller, *, stream: bool) -> Completion:
    """Return the answer to a call, whole or read to the end of its stream."""
    if not stream:
        return client.complete(HI)
    streaming = client.stream(HI)
    list(streaming)
    return streaming.completion


def with_usage(usage: str | None, *, stream: bool) -> Script:
    """Answer with a `usage` that is written just so: JSON has more numbers than Python's dump of them."""
    end = "" if usage is None else f', "usage": {usage}'
    if stream:
        return streamed(delta("Hello"), STOP, event(f'{{"id": "gen-1", "choices": []{end}}}'), DONE)
    whole = json.dumps({name: value for name, value in COMPLETION.items() if name != "usage"})
    return [answer(f"{whole[:-1]}{end}}}".encode())]


@both_kinds
def test_a_refusal_that_was_billed_is_counted_and_not_paid_again(
    stream: bool, scripted: Servers, caller: Callers
):
    server = scripted(
        choose=lambda _: [answer({"error": {"code": 500, "message": "late"}, "usage": {"cost": 0.5}}, 500)]
    )
    with track_costs() as spend:
        error = failure(caller(server), ServerError, stream=stream)
    assert len(server.deliveries) == 1
    assert error.usage is not None
    assert error.usage.cost.total == D("0.5")
    assert spend.total == D("0.5")


# --- K1, K2, K6: figures ---

FIGURES: dict[str, tuple[str | None, str | None]] = {
    "a decimal": ('{"cost": 0.3}', "0.3"),
    "many digits": ('{"cost": 0.30000000000000004}', "0.30000000000000004"),
    "very little": ('{"cost": 1e-7}', "0.0000001"),
    "a whole number": ('{"cost": 5}', "5"),
    "a string": ('{"cost": "0.25"}', "0.25"),
    "nothing": ('{"cost": 0}', "0"),
    "null": ('{"cost": null}', None),
    "absent": ('{"prompt_tokens": 7}', None),
    "no usage": (None, None),
    "negative": ('{"cost": -1}', None),
    "not a number": ('{"cost": NaN}', None),
    "infinite": ('{"cost": Infinity}', None),
    "words": ('{"cost": "a lot"}', None),
    "a list": ('{"cost": [1]}', None),
    "a truth": ('{"cost": true}', None),
}


@pytest.mark.parametrize(("usage", "total"), FIGURES.values(), ids=FIGURES)
@both_kinds
def test_a_cost_is_exact_or_unknown(
    usage: str | None, total: str | None, stream: bool, scripted: Servers, caller: Callers
):
    client = caller(scripted(with_usage(usage, stream=stream)))
    with track_costs() as spend:
        completion = answered(client, stream=stream)
    assert completion.cost.total == (None if total is None else D(total))
    assert completion.cost.source == ("unknown" if total is None else "reported")
    assert (spend.total, spend.unknown) == (D(total or 0), int(total is None))


def test_a_sum_has_no_rounding(scripted: Servers, caller: Callers):
    client = caller(scripted(*[with_usage(f'{{"cost": {cost}}}', stream=False) for cost in (0.1, 0.2, 1e-7)]))
    with track_costs() as spend:
        for _ in range(3):
            client.complete(HI)
    assert spend.total == D("0.3000001")


KINDS: dict[str, tuple[dict[str, Any], dict[str, str], str | None]] = {
    "with a key of one's own, both parts": (
        {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
        {},
        "0.21",
    ),
    "with OpenRouter's key, the part is within": (
        {"cost": 0.2, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}},
        {},
        "0.2",
    ),
    "with a key of one's own, a part unknown": ({"cost": 0.01, "is_byok": True}, {}, None),
    "a cached answer that says nothing": ({}, {"X_OpenRouter_Cache_Status": "HIT"}, "0"),
    "a server tool": ({"cost": 0.045, "server_tool_use": {"web_search_requests": 2}}, {}, "0.045"),
}


@pytest.mark.parametrize(("usage", "headers", "total"), KINDS.values(), ids=KINDS)
def test_what_was_reported_is_what_counts(
    usage: dict[str, Any], headers: dict[str, str], total: str | None, scripted: Servers, caller: Callers
):
    client = caller(scripted([answer({**COMPLETION, "usage": usage}, **headers)]))
    with track_costs() as spend:
        completion = client.complete(HI)
    assert completion.cost.total == (None if total is None else D(total))
    assert spend.total == D(total or 0)
    if "is_byok" in usage and total:
        # Both are there to be looked at, whatever they add up to.
        assert (completion.cost.charged, completion.cost.upstream) == (D(str(usage["cost"])), D("0.2"))


# --- K3: calls that did not end well ---


def test_an_interrupted_stream_costs_what_its_chunks_said(scripted: Servers, caller: Callers):
    client = caller(scripted(streamed(delta("Hel"), USAGE_CHUNK)))
    with track_costs() as spend:
        error = failure(client, Interrupted, stream=True)
    assert error.usage.cost.total == spend.total == D("0.0003")
    assert [record.outcome for record in spend.records] == ["interrupted"]


class Lost:
    """A server whose streams are cut, and that finds out later what they had cost."""

    def __init__(self, *lookups: Script) -> None:
        self.lookups = list(lookups)

    def __call__(self, sent: Delivery) -> Script:
        if sent.path.startswith("/api/v1/generation"):
            return self.lookups.pop(0) if len(self.lookups) > 1 else self.lookups[0]
        return [*streamed(delta("Hel"), end=0.05), "RST"] if "cut" in sent.body.decode() else ENDLESS


ENDLESS = streamed(delta("Hel"), delta("lo"), end="HANG")
NOT_YET = [answer({"error": {"code": 404, "message": "not found"}}, 404)]
BILLED = [answer({"data": {"id": "gen-1", "total_cost": 0.25, "is_byok": False, "provider_name": "Mock"}})]


def cut(client: Caller) -> OpenRouterError | None:
    return ending(client, stream=True, user="cut")


def left(client: Caller) -> None:
    stream = client.stream(HI)
    next(stream)
    stream.close()


@pytest.mark.parametrize("end", [cut, left])
def test_what_nobody_said_is_looked_up_until_it_is_written(
    end: Callable[[Caller], Any], scripted: Servers, caller: Callers
):
    server = scripted(choose=Lost(NOT_YET, NOT_YET, BILLED))
    client = caller(server)
    with track_costs() as spend:
        end(client)
    assert (spend.unknown, spend.records[0].generation_id) == (1, "gen-1")
    settled(client, spend)
    assert (spend.unknown, spend.total) == (0, D("0.25"))
    assert spend.records[0].cost.source == "reconciled"
    assert [sent.path.partition("?")[2] for sent in server.deliveries[1:]] == ["id=gen-1"] * 3


def ended(*choices: int, ends: str | None = "stop") -> bytes:
    """Return a chunk in which choices end, and which says what the call has cost."""
    ending = [{"index": each, "delta": {"content": "Hello"}, "finish_reason": ends} for each in choices]
    return event({"id": "gen-1", "provider": "Mock", "model": "m/x", "choices": ending, "usage": USAGE})


LEFT: dict[str, tuple[Script, int, str | None]] = {
    "that had come whole": ([answer(COMPLETION)], 1, "0.0003"),
    "in the chunk that ends it": (streamed(ended(0), end="HANG"), 1, "0.0003"),
    "in the chunk that ends both choices": (streamed(ended(0, 1), end="HANG"), 2, "0.0003"),
    "in the chunk that ends one of two": (streamed(ended(0), end="HANG"), 2, None),
    "that tells what it costs as it goes": (streamed(ended(0, ends=None), end="HANG"), 1, None),
}


@pytest.mark.parametrize(("script", "choices", "total"), LEFT.values(), ids=LEFT)
def test_what_had_been_told_when_a_stream_was_left_is_in_the_book(
    script: Script, choices: int, total: str | None, scripted: Servers, caller: Callers
):
    with track_costs() as spend:
        stream = caller(scripted(script)).stream(HI, extra_body={"n": choices})
        assert next(stream).text == "Hello"
        stream.close()
    (record,) = spend.records
    assert (record.outcome, record.pending) == ("interrupted", total is None)
    assert spend.total == D(total or 0)
    assert (stream.partial.text, stream.partial.id, stream.partial.cost.total) == (
        "Hello",
        "gen-1",
        D("0.0003"),
    )


def settled(client: Caller, spend: Spend, wait: float = 5.0) -> None:
    reconcile(spend, client.client, wait=wait)


@pytest.mark.parametrize(
    "lookup",
    [NOT_YET, ["RST"], [answer(b"<html>")], [answer({"data": {"total_cost": None}})]],
    ids=["never written", "reset", "a page", "no cost"],
)
def test_a_lookup_that_fails_hides_nothing(lookup: Script, scripted: Servers, caller: Callers):
    client = caller(scripted(choose=Lost(lookup)), max_retries=0)
    with track_costs() as spend:
        error = cut(client)
    settled(client, spend, wait=0)
    assert error
    assert error.partial
    assert error.partial.text == "Hel"
    assert (spend.unknown, spend.total) == (1, 0)


# --- K4: more than one request ---


@both_kinds
def test_every_request_of_a_call_has_a_record_of_its_own(stream: bool, scripted: Servers, caller: Callers):
    good = streamed(STREAM) if stream else [answer(COMPLETION)]
    client = caller(scripted(BUSY, BUSY, good))
    with track_costs() as spend:
        completion = answered(client, stream=stream)
    assert [(record.outcome, record.attempts) for record in spend.records] == [
        ("failed", 1),
        ("failed", 2),
        ("answered", 3),
    ]
    assert spend.total == completion.cost.total == D("0.0003")
    assert (spend.successful_requests, spend.unknown) == (1, 0)


def test_a_call_that_fails_for_good_has_its_records_too(scripted: Servers, caller: Callers):
    client = caller(scripted(BUSY), max_retries=2)
    with track_costs() as spend:
        error = ending(client)
    assert isinstance(error, ServerError)
    assert [record.attempts for record in spend.records] == [1, 2, 3]
    assert (spend.total, spend.unknown) == (0, 0)


def test_an_attempt_that_cost_something_is_not_made_again(scripted: Servers, caller: Callers):
    paid = {"error": {"code": 502, "message": "down"}, "usage": USAGE}
    server = scripted([answer({**paid, "id": "gen-1"})])
    with track_costs() as spend:
        error = ending(caller(server))
    assert error
    assert (len(server.deliveries), spend.total) == (1, D("0.0003"))


# --- K5: in LangChain ---


@pytest.mark.parametrize("chunks", [[USAGE_CHUNK], [USAGE_CHUNK, USAGE_CHUNK]], ids=["once", "twice"])
def test_added_chunks_of_langchain_cost_once(chunks: list[bytes], scripted: Servers):
    server = scripted(streamed(delta("He"), delta("llo"), STOP, *chunks, DONE))
    with track_costs() as spend:
        pieces = list(ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=KEY).stream("hi"))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert sum("cost" in piece.response_metadata for piece in pieces) == 1
    assert whole.response_metadata["cost"] == 0.0003
    assert whole.usage_metadata
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (7, 2)
    assert spend.total == D("0.0003")


# --- K7: many at once ---


def test_many_threads_write_into_one_book(scripted: Servers):
    client = client_of(scripted(choose=lambda sent: with_usage('{"cost": 0.1}', stream=False)))
    with track_costs() as spend, ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: client.complete(HI), range(200)))
    assert (spend.total, len(spend.records), spend.unknown) == (D(20), 200, 0)
    assert len({record.key for record in spend.records}) == 200


@pytest.mark.usefixtures("over_both")
async def test_many_tasks_write_into_one_book(scripted: Servers):
    client = client_of(scripted(choose=lambda sent: with_usage('{"cost": 0.1}', stream=False)))
    with track_costs() as spend:
        await asyncio.gather(*(client.acomplete(HI) for _ in range(100)))
    assert (spend.total, len(spend.records)) == (D(10), 100)


@pytest.mark.usefixtures("over_both")
async def test_a_cancelled_call_is_in_the_book(scripted: Servers):
    client = client_of(scripted(["HANG"]))
    with track_costs() as spend, pytest.raises(TimeoutError):
        await asyncio.wait_for(client.acomplete(HI), 0.1)
    assert [(record.outcome, record.pending) for record in spend.records] == [("interrupted", True)]


def test_a_stream_left_in_a_loop_that_only_closes_is_in_the_book(scripted: Servers):
    client = client_of(scripted(ENDLESS))
    kept: list[Any] = []

    async def read() -> None:
        kept.append(client.astream(HI))
        await anext(kept[0])

    loop = asyncio.new_event_loop()
    with track_costs() as spend:
        loop.run_until_complete(read())
        assert spend.records == ()
        loop.close()
    assert [(record.generation_id, record.pending) for record in spend.records] == [("gen-1", True)]
