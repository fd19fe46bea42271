"""Calls under a limit: what might cost too much isn't sent, what is running is reserved for, what was lost stays held."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts import (
    Catalog,
    Endpoint,
    Model,
    OpenRouterClient,
    Spend,
    SpendLimit,
    SpendLimitExceeded,
    track_costs,
)
from openrouter_opts.errors import ConfigurationError, ConnectionLost, NotFound, OpenRouterError, RateLimited
from openrouter_opts.http.drive import drive
from openrouter_opts.http.exchange import exchange
from openrouter_opts.http.prices import LIVE, LivePrices
from openrouter_opts.http.reading import read_json
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.settings import Timeout
from openrouter_opts.http.steps import Data, Head, Open, Patience
from openrouter_opts.money.account import account_of
from openrouter_opts.money.fit import PLENTY_OF_TOKENS
from openrouter_opts.money.store import Figures, Money
from openrouter_opts.protocol.request import Request, encode
from openrouter_opts.sandbox import Sandbox
from tests.both import Caller
from tests.fake_wire import FakeWire
from tests.scripted_server import Delivery, ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, STREAM_HEAD, answer, chunked, delta, streamed

D = Decimal
HI = [{"role": "user", "content": "hi"}]
Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]

PRICES = {"prompt": D("1e-6"), "completion": D("1e-3")}
KNOWN = Catalog(
    [
        Model(
            "m/x",
            "X",
            context_length=10_000,
            max_completion_tokens=1000,
            endpoints=(Endpoint("Mock", "mock", None, 10_000, 1000, pricing=PRICES),),
        )
    ]
)
NINE = {"max_tokens": 9}
"""Such a call costs $0.0091 at most."""


@pytest.fixture
def limited(caller: Callers) -> Callable[..., Caller]:
    def make(server: ScriptedServer, limit: Any = None, **settings: Any) -> Caller:
        return caller(server, **{"catalog": KNOWN, "spend_limit": limit, "check": "off"} | settings)

    return make


def lost(call: Callable[[], Any]) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        call()
    return caught.value


# --- refused ---


def test_a_call_that_might_cost_too_much_is_not_sent(scripted: Servers, limited: Callers):
    server = scripted([answer(COMPLETION)])
    limit = SpendLimit("0.01")
    client = limited(server, limit)
    with track_costs() as spend, pytest.raises(SpendLimitExceeded) as caught:
        client.complete(HI, max_tokens=100)
    error = caught.value
    assert server.deliveries == []
    assert (error.limit, error.spent, error.reserved, error.pending) == (D("0.01"), 0, 0, 0)
    assert error.worst_case is not None
    assert D("0.1") < error.worst_case < D("0.101")
    assert "limit of $0.01 leaves $0.01" in str(error)
    assert "the answer has 100 tokens at most, as the request says" in str(error)
    assert "on_limit='fit'" in str(error)
    assert (error.attempts, error.delivered, error.retryable) == (0, "no", False)
    assert (spend.records, limit.reserved) == ((), 0)


def test_a_stream_that_might_cost_too_much_is_not_sent(scripted: Servers, limited: Callers):
    server = scripted(streamed(STREAM))
    stream = limited(server, "0.01").stream(HI, max_tokens=100)
    assert type(lost(lambda: list(stream))) is SpendLimitExceeded
    assert server.deliveries == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_was_billed_is_spent(stream: bool, scripted: Servers, limited: Callers):
    server = scripted(streamed(STREAM) if stream else [answer(COMPLETION)])
    limit = SpendLimit("0.01")
    client = limited(server, limit)
    for _ in range(2):
        list(client.stream(HI, **NINE)) if stream else client.complete(HI, **NINE)
    assert (limit.spent, limit.reserved, limit.pending) == (D("0.0006"), 0, 0)
    assert limit.remaining == D("0.0094")


def test_a_limit_may_be_that_of_a_call_a_client_and_a_scope_and_counts_once(
    scripted: Servers, limited: Callers
):
    server = scripted([answer(COMPLETION)])
    shared, wide = SpendLimit("0.01"), SpendLimit(1)
    client = limited(server, shared)
    with track_costs(limit=shared) as spend, track_costs(limit=wide) as inner:
        client.complete(HI, **NINE, spend_limit=shared)
        assert shared.spent == wide.spent == D("0.0003")
        error = lost(lambda: client.complete(HI, **NINE, spend_limit="0.009"))
        assert isinstance(error, SpendLimitExceeded)
        assert error.limit == D("0.009")
    assert (spend.limit, inner.limit) == (shared, wide)
    assert (shared.spent, shared.reserved, wide.reserved) == (D("0.0003"), 0, 0)
    assert len(server.deliveries) == 1


def test_a_limit_that_is_none_is_refused_before_anything_is_sent(scripted: Servers, limited: Callers):
    server = scripted([answer(COMPLETION)])
    for wrong in ("much", -1, object()):
        with pytest.raises(ConfigurationError, match="spend_limit"):
            limited(server).complete(HI, spend_limit=wrong)
        with pytest.raises(ConfigurationError, match="spend_limit"):
            limited(server, wrong)
    with pytest.raises(ConfigurationError, match=r"^limit"), track_costs(limit="much"):
        pass
    assert server.deliveries == []


@pytest.mark.parametrize(
    ("unknown_price", "reserved"), [("refuse", None), ("allow", "0"), ("0.004", "0.004"), (D("0.02"), None)]
)
def test_an_unknown_price_is_refused_allowed_or_flat(
    unknown_price: Any, reserved: str | None, scripted: Servers, limited: Callers
):
    server = scripted(streamed(delta("He"), end="HANG"))
    limit = SpendLimit("0.01", unknown_price=unknown_price)
    stream = limited(server, limit).stream(HI, model="b/new")
    if reserved is None:
        error = lost(lambda: next(stream))
        assert isinstance(error, SpendLimitExceeded)
        assert error.worst_case is None
        assert "the price of b/new isn't known" in str(error)
        assert ("$0.02" in str(error)) is (unknown_price != "refuse")
        assert server.deliveries == []
        return
    next(stream)
    assert limit.reserved == D(reserved)
    stream.close()
    assert (limit.reserved, limit.pending) == (0, D(reserved))


# --- running, lost, failed ---


def test_a_stream_that_is_never_read_reserves_nothing(scripted: Servers, limited: Callers):
    limit = SpendLimit("0.01")
    stream = limited(scripted(streamed(STREAM)), limit).stream(HI, **NINE)
    assert limit.reserved == 0
    stream.close()
    assert (limit.reserved, limit.pending, limit.spent) == (0, 0, 0)


def test_running_calls_are_reserved_for(scripted: Servers, limited: Callers):
    limit = SpendLimit("0.02")
    client = limited(scripted(streamed(delta("He"), end="HANG")), limit)
    first, second, third = (client.stream(HI, **NINE) for _ in range(3))
    next(first)
    next(second)
    assert D("0.018") < limit.reserved < D("0.0185")
    assert isinstance(lost(lambda: next(third)), SpendLimitExceeded)
    first.close()
    second.close()


def test_what_the_caller_leaves_stays_held_with_its_generation(scripted: Servers, limited: Callers):
    limit = SpendLimit("0.01")
    client = limited(scripted(streamed(delta("He"), end="HANG")), limit)
    with track_costs() as spend:
        stream = client.stream(HI, **NINE)
        next(stream)
        reserved = limit.reserved
        stream.close()
    assert (limit.reserved, limit.pending, limit.spent) == (0, reserved, 0)
    assert limit.pending_records == spend.pending == spend.records
    assert spend.pending[0].generation_id == "gen-1"
    assert isinstance(lost(lambda: client.complete(HI, **NINE)), SpendLimitExceeded)


def test_a_stream_that_is_collected_stays_held(scripted: Servers):
    limit = SpendLimit("0.01")
    server = scripted(streamed(delta("He"), end="HANG"))
    client = OpenRouterClient(
        api_key="k", base_url=server.base_url, model="m/x", catalog=KNOWN, spend_limit=limit, check="off"
    )
    stream = client.stream(HI, **NINE)
    next(stream)
    del stream
    gc.collect()
    assert (limit.reserved, limit.pending > 0) == (0, True)


def test_a_stream_that_is_cut_before_its_first_chunk_is_held_under_its_id(
    scripted: Servers, limited: Callers
):
    limit = SpendLimit("0.01")
    client = limited(scripted([STREAM_HEAD, chunked(b": PROCESSING\n\n"), "RST"]), limit, max_retries=0)
    error = lost(lambda: list(client.stream(HI, **NINE)))
    assert error.generation_id == "gen-1"
    assert [record.generation_id for record in limit.pending_records] == ["gen-1"]


def test_what_the_server_refuses_is_given_back(scripted: Servers, limited: Callers):
    limit = SpendLimit("0.01")
    client = limited(scripted([answer({"error": {"code": 400, "message": "no"}}, 400)]), limit)
    for _ in range(3):
        lost(lambda: client.complete(HI, **NINE))
    assert (limit.remaining, limit.pending) == (D("0.01"), 0)


def test_what_is_wrong_before_it_is_sent_is_given_back(scripted: Servers, limited: Callers):
    limit = SpendLimit("0.01")
    client = limited(scripted([answer(COMPLETION)]), limit, api_key=" ")
    assert isinstance(lost(lambda: client.complete(HI, **NINE)), ConfigurationError)
    assert limit.remaining == D("0.01")


def test_each_attempt_is_reserved_for_and_booked(scripted: Servers, limited: Callers):
    busy = answer({"error": {"code": 429, "message": "busy"}}, 429, Retry_After="0")
    limit = SpendLimit("0.01")
    client = limited(scripted([busy], [busy], [answer(COMPLETION)]), limit)
    with track_costs() as spend:
        assert client.complete(HI, **NINE).attempts == 3
    assert [record.outcome for record in spend.records] == ["failed", "failed", "answered"]
    assert [record.attempts for record in spend.records] == [1, 2, 3]
    assert len({record.key for record in spend.records}) == 3
    assert (limit.spent, limit.pending) == (D("0.0003"), 0)


def test_without_money_for_another_attempt_the_first_error_is_raised(scripted: Servers, limited: Callers):
    server = scripted(["RST"], [answer(COMPLETION)])
    limit = SpendLimit("0.01")
    client = limited(server, limit, retry_uncertain=True)
    with track_costs() as spend:
        error = lost(lambda: client.complete(HI, **NINE))
    assert type(error) is ConnectionLost
    assert (error.attempts, len(server.deliveries)) == (1, 1)
    assert "may cost up to $0.00" in error.__notes__[0]
    assert [record.pending for record in spend.records] == [True]
    roomy = limited(scripted(["RST"], [answer(COMPLETION)]), "0.02", retry_uncertain=True)
    assert roomy.complete(HI, **NINE).attempts == 2


# --- prices, asked for ---

ENDPOINTS = {
    "data": {
        "id": "m/x",
        "endpoints": [
            {
                "tag": tag,
                "provider_name": tag,
                "context_length": 10_000,
                "max_completion_tokens": 1000,
                "pricing": {"prompt": "0.000001", "completion": price},
            }
            for tag, price in (("cheap", "0.00001"), ("dear", "0.001"))
        ],
    }
}


def serving(endpoints: bytes) -> Callable[[Delivery], Any]:
    return lambda sent: [endpoints] if sent.method == "GET" else [answer(COMPLETION)]


def paths(server: ScriptedServer) -> list[str]:
    return [sent.path.removeprefix("/api/v1") for sent in server.deliveries]


def test_the_prices_of_all_endpoints_are_asked_for_once(scripted: Servers, caller: Callers):
    server = scripted(choose=serving(answer(ENDPOINTS)))
    limit = SpendLimit("0.01")
    free, client, other = (caller(server, check="off", spend_limit=each) for each in (None, limit, limit))
    for made in (free, client, other, client):
        made.complete(HI, **NINE)
    client.complete(HI, model="m/x:nitro", **NINE)
    error = lost(lambda: client.complete(HI, max_tokens=11))
    assert isinstance(error, SpendLimitExceeded)
    assert "m/x is served by cheap, dear" in str(error)
    chat = "/chat/completions"
    assert paths(server) == [chat, "/models/m/x/endpoints", chat, chat, chat, chat]
    assert free.client.estimate_cost(HI, **NINE) == client.client.estimate_cost(HI, **NINE)


def test_a_catalogue_of_ones_own_is_taken_at_its_word(scripted: Servers, limited: Callers):
    server = scripted(choose=serving(answer(ENDPOINTS)))
    limited(server, "0.01").complete(HI, **NINE)
    assert paths(server) == ["/chat/completions"]


@pytest.mark.parametrize(
    ("endpoints", "why", "times"),
    [
        (answer({"error": {"code": 404}}, 404), "404", 1),
        (answer({"error": {"code": 503}}, 503, Retry_After="0"), "503", 3),
        (answer({"data": {"endpoints": []}}), "none is listed", 1),
        (answer({"data": {"endpoints": [{}]}}), "no such answer", 1),
        (answer([]), "no such answer", 1),
        (answer(b"<html>"), "no such answer", 1),
        (answer({"error": {"code": 500, "message": "late"}}, Retry_After="0"), "500", 3),
        (answer({}, 302, Location="https://elsewhere.example/"), "302", 1),
    ],
)
def test_without_the_prices_of_its_endpoints_what_a_model_may_cost_is_not_known(
    endpoints: bytes, why: str, times: int, scripted: Servers, caller: Callers
):
    """The catalogue that comes with this package has the price of one endpoint, and another may ask for ten times that."""
    server = scripted(choose=serving(endpoints))
    client = caller(server, check="off", spend_limit="0.01")
    for model in ("openai/gpt-5-mini", "b/new", "openai/gpt-5-mini"):
        error = lost(lambda model=model: client.complete(HI, model=model, max_tokens=1))
        assert isinstance(error, SpendLimitExceeded)
        assert error.worst_case is None
        assert (
            f"{model} asks at most isn't known: the prices of its endpoints could not be had: {why};"
            in str(error)
        )
    asked = ["/models/openai/gpt-5-mini/endpoints", "/models/b/new/endpoints"]
    assert paths(server) == [path for path in asked for _ in range(times)]
    allowing = caller(server, check="off", spend_limit=SpendLimit("0.01", unknown_price="0.005"))
    assert allowing.complete(HI, model="openai/gpt-5-mini", max_tokens=1).text == "Hello"


@pytest.mark.parametrize("model", ["m/x", "embedder"])
def test_a_missing_key_says_nothing_of_prices(model: str, scripted: Servers, caller: Callers):
    server, key = scripted(choose=serving(answer(ENDPOINTS))), ""
    client = caller(server, check="off", spend_limit="0.01", api_key=lambda: key)
    ask = client.embed if model == "embedder" else client.complete
    error = lost(lambda: ask("hi" if model == "embedder" else HI, model=model))
    assert isinstance(error, ConfigurationError)
    assert paths(server) == []
    key = "sk-or-v1-late"
    assert client.complete(HI, model="m/x", **NINE).text == "Hello"


def test_calls_of_unknown_price_end_when_the_amount_is_spent(openrouter_sandbox: Sandbox):
    limit = SpendLimit("0.01", unknown_price="allow")
    client = OpenRouterClient(model="openrouter/auto", check="off", spend_limit=limit)
    for cost in (0.004, 0.007):
        openrouter_sandbox.answer_next("hi", usage={"cost": cost})
        client.complete(HI)
    assert limit.spent == D("0.011")
    with pytest.raises(SpendLimitExceeded, match=r"has no known price, and the limit of \$0\.01 leaves \$0:"):
        client.complete(HI)
    assert openrouter_sandbox.credits_used == D("0.011")


LLAMA = "meta-llama/llama-3.3-70b-instruct"


@pytest.mark.parametrize(
    "dear",
    [
        {"provider": {"only": ["groq"]}},
        {"provider": {"sort": "throughput"}},
        {"model": f"{LLAMA}:nitro"},
        {"model": "openai/gpt-5-mini", "service_tier": "priority"},
    ],
)
@pytest.mark.parametrize(
    "catalog", [None, Catalog.bundled(), Catalog.bundled().with_models(Model("m/x", "X"))]
)
def test_a_limit_holds_where_only_the_price_of_some_other_endpoint_is_known(
    dear: dict[str, Any], catalog: Catalog | None, openrouter_sandbox: Sandbox
):
    call = {"model": LLAMA, "max_tokens": 1000, **dear}
    path = f"/models/{call['model'].removesuffix(':nitro')}/endpoints"
    openrouter_sandbox.fail_next(503, times=3, retry_after=0, path=path)
    openrouter_sandbox.answer_next("word " * 990)
    client = OpenRouterClient(check="off", catalog=catalog)
    with pytest.raises(SpendLimitExceeded, match="isn't known"):
        client.complete(HI, **call, spend_limit="0.0003")
    fitting = SpendLimit("0.0003", on_limit="fit")
    with suppress(NotFound, SpendLimitExceeded):
        client.complete(HI, **call, spend_limit=fitting)
    assert openrouter_sandbox.credits_used <= D("0.0003")


def test_a_limit_holds_for_an_alias_of_the_newest_model(openrouter_sandbox: Sandbox):
    client = OpenRouterClient(check="off", spend_limit="0.00025")
    with pytest.raises(SpendLimitExceeded, match="may cost up to"):
        client.complete(
            [{"role": "user", "content": "word " * 1000}], model="~z-ai/glm-flash-latest", max_tokens=100
        )
    assert openrouter_sandbox.credits_used == 0


@pytest.mark.parametrize("on_limit", ["refuse", "fit"])
def test_a_limit_holds_for_images_of_a_model_in_no_catalogue(
    on_limit: Any, scripted: Servers, caller: Callers
):
    row = ENDPOINTS["data"] | {"architecture": {"output_modalities": ["image", "text"]}}
    server = scripted(choose=serving(answer({"data": row})))
    limit = SpendLimit("0.5", on_limit=on_limit)
    with pytest.raises(SpendLimitExceeded, match="may write more than max_tokens"):
        caller(server, check="off", spend_limit=limit).complete(HI, provider={"only": ["dear"]}, **NINE)
    assert paths(server) == ["/models/m/x/endpoints"]


def test_free_models_routers_and_names_without_an_author_are_not_asked_for(
    scripted: Servers, caller: Callers
):
    server = scripted(choose=serving(answer(ENDPOINTS)))
    client = caller(server, check="off", spend_limit=SpendLimit("0.01", unknown_price="allow"))
    for model in ("m/x:free", "openrouter/auto", "gpt"):
        client.complete(HI, model=model)
    assert set(paths(server)) == {"/chat/completions"}


def test_prices_are_asked_for_until_they_are_known_and_again_when_they_are_old():
    now = 0.0
    live = LivePrices(lambda: now)

    def asks(reply: Any = None) -> list[str]:
        """Play a server for the questions; return them."""
        patience = Patience(Timeout(), lambda: now)
        flow = live.asking("s", ["m/x:nitro", "m/x"], patience, Retry(0), {})
        asked, answer = list[str](), None
        try:
            while True:
                step = flow.send(answer)
                if isinstance(step, Open):
                    asked.append(step.request.path)
                    if reply is None:
                        flow.throw(ConnectionLost("reset"))
                answer = Head(200) if isinstance(step, Open) else reply
                reply = reply if isinstance(step, Open) else b""
        except StopIteration:
            return asked

    assert asks() == ["/models/m/x/endpoints"]
    assert (asks(), live.get("s", "m/x")) == ([], None)
    now = 2.0
    assert asks(json.dumps(ENDPOINTS).encode()) == ["/models/m/x/endpoints"]
    known = live.get("s", "m/x:nitro")
    assert known is not None
    assert [each.tag for each in known.endpoints] == ["cheap", "dear"]
    now += 3599.0
    assert asks() == []
    now += 2.0
    assert (live.get("s", "m/x"), asks()) == (None, ["/models/m/x/endpoints"])
    assert LIVE.get("nowhere", "m/x") is None


def test_a_stream_asks_for_prices_when_it_is_first_read(scripted: Servers, caller: Callers):
    server = scripted(choose=lambda sent: [answer(ENDPOINTS)] if sent.method == "GET" else streamed(STREAM))
    stream = caller(server, check="off", spend_limit="0.01").stream(HI, **NINE)
    assert paths(server) == []
    assert "".join(step.text for step in stream) == "Hello"
    assert paths(server) == ["/models/m/x/endpoints", "/chat/completions"]


# --- fitted ---


def sent(sandbox: Sandbox) -> dict[str, Any]:
    body = dict(sandbox.last.body)
    return {name: body[name] for name in body if name not in ("model", "messages")}


def test_a_call_is_fitted_to_what_is_left(openrouter_sandbox: Sandbox):
    limit = SpendLimit("0.01", on_limit="fit")
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off", spend_limit=limit)
    client.complete(HI, temperature=1)
    assert [*openrouter_sandbox.last.body] == ["model", "messages", "temperature", "max_tokens"]
    assert sent(openrouter_sandbox)["max_tokens"] == PLENTY_OF_TOKENS
    client.complete(HI, spend_limit=SpendLimit("0.005", on_limit="fit"))
    assert 2400 < sent(openrouter_sandbox)["max_tokens"] < 2500
    client.complete(HI, max_tokens=100)
    assert sent(openrouter_sandbox) == {"max_tokens": 100}
    assert list(client.stream(HI, max_completion_tokens=9000))
    assert 4900 < sent(openrouter_sandbox)["max_completion_tokens"] < 5000
    assert limit.spent == openrouter_sandbox.credits_used
    assert limit.reserved == limit.pending == 0


def test_a_call_that_fits_goes_out_byte_for_byte_as_it_was(openrouter_sandbox: Sandbox):
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off")
    client.complete(HI, max_tokens=100, provider={"sort": "price"})
    client.complete(
        HI, max_tokens=100, provider={"sort": "price"}, spend_limit=SpendLimit("1", on_limit="fit")
    )
    plain, fitted = [seen.raw for seen in openrouter_sandbox.requests if seen.path == "/chat/completions"]
    assert plain == fitted


def test_what_can_not_be_fitted_is_refused(openrouter_sandbox: Sandbox):
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off")
    with pytest.raises(SpendLimitExceeded, match="even a short answer would be too much"):
        client.complete(HI, spend_limit=SpendLimit("0.0005", on_limit="fit"))
    with pytest.raises(SpendLimitExceeded, match="isn't known"):
        client.complete(HI, model="openrouter/auto", spend_limit=SpendLimit("1", on_limit="fit"))


class Contended:
    """A store where others take what is left, each time just before it is reserved."""

    def __init__(self) -> None:
        self.reserved = 0

    def figures(self, account: Money, /) -> Figures:
        return Figures(account.amount, D(0), D(0), D(0))

    def reserve(self, claims: Mapping[Money, Decimal], key: str, /) -> Collection[Money]:
        self.reserved += 1
        return list(claims)

    def settle(self, accounts: Sequence[Money], key: str, charged: Decimal | None, /) -> None:
        raise AssertionError("nothing was reserved")

    set = settle


def test_a_call_is_refused_when_others_are_always_faster(scripted: Servers, limited: Callers):
    server, store = scripted([answer(COMPLETION)]), Contended()
    with pytest.raises(SpendLimitExceeded, match="this request may cost up to"):
        limited(server, SpendLimit("0.5", on_limit="fit", store=store)).complete(HI)
    assert server.deliveries == []
    assert 2 < store.reserved < 100


def test_without_known_endpoints_the_price_is_kept_to(openrouter_sandbox: Sandbox):
    """Groq would be the fastest, at ten times the price of the catalogue."""
    limit = SpendLimit("0.1", on_limit="fit")
    llama = {"model": "meta-llama/llama-3.3-70b-instruct", "provider": {"sort": "throughput"}}
    assert OpenRouterClient(check="off").complete(HI, **llama).provider == "Groq"
    client = OpenRouterClient(check="off", catalog=Catalog.bundled(), spend_limit=limit)
    answered = client.complete(HI, **llama)
    assert sent(openrouter_sandbox)["provider"] == {
        "sort": "throughput",
        "max_price": {"prompt": "0.05000005", "completion": "0.24000024"},
    }
    assert answered.provider == "DeepInfra"


def test_server_tools_are_stopped_when_the_money_is_spent(openrouter_sandbox: Sandbox):
    limit = SpendLimit("2", on_limit="fit")
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off", spend_limit=limit)
    answered = client.complete(HI, tools=[{"type": "openrouter:web_search"}], max_tokens=1000)
    steps, cost = sent(openrouter_sandbox)["stop_server_tools_when"]
    assert steps == {"type": "step_count_is", "step_count": 30}
    assert (cost["type"], 0.1 < cost["max_cost_in_dollars"] < 2) == ("max_cost", True)
    assert limit.spent == answered.cost.total == openrouter_sandbox.credits_used > D("0.007")


def test_of_several_limits_the_lowest_is_fitted_to(openrouter_sandbox: Sandbox):
    lower = SpendLimit("0.01", on_limit="fit")
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off", spend_limit=lower)
    with track_costs(limit=SpendLimit("1", on_limit="fit")):
        client.complete(HI)
    assert sent(openrouter_sandbox)["max_tokens"] == PLENTY_OF_TOKENS


def test_a_limit_that_refuses_changes_no_request_that_is_fitted_to_another(openrouter_sandbox: Sandbox):
    refusing = SpendLimit("0.01")
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off", spend_limit=refusing)
    with track_costs(limit=SpendLimit("1", on_limit="fit")), pytest.raises(SpendLimitExceeded) as caught:
        client.complete(HI)
    assert caught.value.limit == refusing.amount
    assert "on_limit='fit'" in str(caught.value)
    assert openrouter_sandbox.credits_used == refusing.reserved == 0
    with track_costs(limit=SpendLimit("0.01", on_limit="fit")) as spend:
        client.complete(HI)
    assert sent(openrouter_sandbox)["max_tokens"] == PLENTY_OF_TOKENS
    assert refusing.spent == spend.total == openrouter_sandbox.credits_used


def test_calls_at_once_without_a_limit_of_tokens_share_what_is_left(openrouter_sandbox: Sandbox):
    """Each stream is held open, so that all of them are reserved for."""
    limit = SpendLimit("0.02", on_limit="fit")
    client = OpenRouterClient(model="openai/gpt-5-mini", check="off", spend_limit=limit)
    with ExitStack() as running:
        for _ in range(8):
            next(iter(running.enter_context(client.stream(HI))))
    asked = [seen.body["max_tokens"] for seen in openrouter_sandbox.requests if seen.method == "POST"]
    assert 4900 < asked[0] < 5000
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] >= 256


def test_threads_that_ask_in_the_same_moment_leave_some_money_to_each_other():
    """What is known of a model is looked up while a request is fitted, so the last begins before the first is done."""
    pricing = {"prompt": D("1e-6"), "completion": D("2e-6")}
    model = Model("m/x", "X", endpoints=(Endpoint("Mock", "mock", None, 200_000, 100_000, pricing=pricing),))

    def slowly(_: str) -> Model:
        time.sleep(0.02)
        return model

    content = {"model": "m/x", "messages": HI}
    request = Request("POST", "/chat/completions", {}, encode(content), content=content)
    limit = SpendLimit("0.02", on_limit="fit")
    with ThreadPoolExecutor(6) as pool:
        ways = [pool.submit(account_of(request, slowly, limits=[limit]).admit, request) for _ in range(6)]
        asked = sorted(way.result().content["max_tokens"] for way in ways)
    assert 4900 < asked[-1] < 5000
    assert asked[-2] < 2000
    assert limit.remaining > 0


def test_an_error_of_the_server_is_not_hidden_by_a_limit(openrouter_sandbox: Sandbox):
    openrouter_sandbox.fail_next(429, path="/chat/completions")
    client = OpenRouterClient(model="openai/gpt-5-mini", max_retries=0, spend_limit="1")
    with pytest.raises(RateLimited):
        client.complete(HI, max_tokens=10)
    assert isinstance(Spend(SpendLimit(1)).limit, SpendLimit)


@pytest.mark.parametrize("on_limit", ["refuse", "fit"])
def test_what_has_no_answer_in_tokens_is_not_advised_to_limit_it(on_limit: Any, openrouter_sandbox: Sandbox):
    client = OpenRouterClient(spend_limit=SpendLimit("1e-9", on_limit=on_limit))
    with pytest.raises(SpendLimitExceeded, match="send fewer inputs at once, or shorter ones") as caught:
        client.embed(["hello"] * 100, model="openai/text-embedding-3-small")
    assert not {"max_tokens", "answer"} & {*str(caught.value).replace(";", " ").split()}


def test_images_are_not_advised_to_be_cut_short(openrouter_sandbox: Sandbox):
    client = OpenRouterClient(check="off", spend_limit="0.01")
    drawing: Any = {"model": "google/gemini-2.5-flash-image", "modalities": ["image", "text"]}
    with pytest.raises(SpendLimitExceeded, match="raise the limit, or ask for text alone"):
        client.complete(HI, **drawing)
    assert openrouter_sandbox.credits_used == 0


# --- what comes later ---


def test_other_kinds_of_requests_are_limited_and_counted_as_they_are():
    content = {"model": "a/embed", "input": ["x" * 100]}
    request = Request("POST", "/embeddings", {}, encode(content), content=content)
    model = Model("a/embed", "E", context_length=8000, pricing={"prompt": D("1e-6"), "completion": D(0)})
    limit = SpendLimit("0.0002")
    body = {
        "id": "emb-1",
        "model": "a/embed",
        "provider": "Mock",
        "usage": {"prompt_tokens": 25, "cost": 0.000025},
    }
    for _ in range(2):
        with track_costs() as spend:
            account = account_of(request, {"a/embed": model}.get, kind="embeddings", limits=[limit])
            wire = FakeWire([[Head(200), json.dumps(body).encode()]])
            flow = exchange(request, read_json, Retry(), Patience(Timeout(), wire.clock))
            assert [item.body for item in drive(flow, wire, account) if isinstance(item, Data)] == [body]
        (record,) = spend.records
        assert (record.kind, record.model, record.provider) == ("embeddings", "a/embed", "Mock")
        assert (record.generation_id, record.usage and record.usage.prompt_tokens) == ("emb-1", 25)
    assert (limit.spent, limit.reserved) == (D("0.00005"), 0)
    limit.amount = "0.0001"
    with pytest.raises(SpendLimitExceeded):
        account_of(request, {"a/embed": model}.get, limits=[limit]).admit(request)
