"""What calls cost, and who has to pay."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from openrouter_opts.sandbox import Sandbox
from openrouter_opts.sandbox.money.bill import Counts, bill
from openrouter_opts.sandbox.money.tokens import count, pieces
from openrouter_opts.sandbox.routing.endpoints import endpoints_of

CLAUDE = "anthropic/claude-sonnet-4.6"
LONG = "The quick brown fox jumps over the lazy dog. " * 20


def exact(number):
    return Decimal(repr(number))


def marked(text, ttl=None):
    control = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    return {"role": "system", "content": [{"type": "text", "text": text, "cache_control": control}]}


def asking(question):
    return {"role": "user", "content": question}


def test_every_kind_of_token_has_its_price():
    claude = endpoints_of(CLAUDE)[0]
    counts = Counts(
        prompt=1000, completion=100, reasoning=40, cache_read=500, cache_write=200, cache_write_1h=100
    )
    charged = bill(counts, claude)
    per_million = 200 * 3 + 500 * Decimal("0.3") + 200 * Decimal("3.75") + 100 * 6
    assert charged.prompt == per_million / 1_000_000
    assert charged.completion == Decimal(100 * 15) / 1_000_000
    assert charged.cost == charged.inference == charged.prompt + charged.completion


def test_image_tokens_and_fees_have_their_price_too():
    image_model = endpoints_of("google/gemini-2.5-flash-image")[0]
    charged = bill(Counts(prompt=0, completion=1300, image=1290, fee=Decimal("0.02")), image_model)
    assert charged.completion == (10 * Decimal("2.5") + 1290 * 30) / 1_000_000
    assert charged.cost == charged.completion + Decimal("0.02")
    assert charged.inference == charged.completion


_PRICES = {
    "prompt": "1",
    "completion": "10",
    "request": "100000",
    "input_cache_read": "0.1",
    "input_cache_write": "2",
    "input_cache_write_1h": "3",
    "image": "5000",
    "audio": "7",
    "input_audio_cache": "0.5",
    "internal_reasoning": "20",
    "image_output": "30",
    "audio_output": "40",
}
PRICED = replace(endpoints_of(CLAUDE)[0], pricing={name: Decimal(price) for name, price in _PRICES.items()})
"""An endpoint that names every price there is."""


def without(*names):
    return replace(PRICED, pricing={name: each for name, each in PRICED.pricing.items() if name not in names})


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(prompt=10, images=2), 10 + 2 * 5000),
        (Counts(prompt=610, image_in=600, images=2), 10 + 2 * 5000),
        (Counts(prompt=50, audio_in=40), 10 + 40 * 7),
        (Counts(prompt=50, audio_in=40, audio_read=40, cache_read=50), 1 + 40 * Decimal("0.5")),
        (Counts(prompt=50, audio_in=40, audio_written=40, cache_write=50), 50 * 2),
        (Counts(prompt=50, cache_write_1h=50), 50 * 3),
    ],
)
def test_a_prompt_is_billed_at_each_price_that_the_endpoint_names(counts, expected):
    assert bill(counts, PRICED).prompt == 100_000 + expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(prompt=0, completion=10, reasoning=4), 6 * 10 + 4 * 20),
        (Counts(prompt=0, completion=10, image=4), 6 * 10 + 4 * 30),
        (Counts(prompt=0, completion=10, audio_out=4), 6 * 10 + 4 * 40),
        (Counts(prompt=0, completion=10, reasoning=1, image=2, audio_out=3), 4 * 10 + 20 + 2 * 30 + 3 * 40),
    ],
)
def test_a_completion_is_billed_at_each_price_that_the_endpoint_names(counts, expected):
    assert bill(counts, PRICED).completion == expected


def test_what_has_no_price_of_its_own_costs_what_any_token_costs():
    counts = Counts(
        prompt=100, image_in=20, images=1, audio_in=30, completion=40, reasoning=10, image=10, audio_out=10
    )
    plain = without("image", "audio", "internal_reasoning", "image_output", "audio_output")
    assert (bill(counts, plain).prompt, bill(counts, plain).completion) == (100_000 + 100, 400)
    hour = Counts(prompt=100, cache_write_1h=100)
    assert bill(hour, without("input_cache_write_1h")).prompt == 100_000 + 100 * 2
    read = Counts(prompt=30, audio_in=30, audio_read=30, cache_read=30)
    assert bill(read, without("input_audio_cache")).prompt == 100_000 + 3


def test_an_image_token_may_have_a_price_of_its_own():
    priced = replace(PRICED, pricing={"prompt": Decimal(1), "image_token": Decimal(2)})
    assert bill(Counts(prompt=300, image_in=258, images=1), priced).prompt == 42 + 258 * 2


def test_a_price_of_nothing_is_a_price():
    free_thoughts = replace(PRICED, pricing={"completion": Decimal(10), "internal_reasoning": Decimal(0)})
    assert bill(Counts(prompt=0, completion=10, reasoning=4), free_thoughts).completion == 60


def test_audio_costs_what_its_endpoint_says(call):
    part = {"type": "input_audio", "input_audio": {"data": "AAAA" * 25_000, "format": "wav"}}
    messages = [{"role": "user", "content": [part]}]
    usage = call.chat(model="google/gemini-2.5-flash", messages=messages).json["usage"]
    audio = usage["prompt_tokens_details"]["audio_tokens"]
    text = usage["prompt_tokens"] - audio
    assert audio == 100 + 3
    assert (
        exact(usage["cost_details"]["upstream_inference_prompt_cost"])
        == (text * Decimal("0.3") + audio) / 1_000_000
    )


def test_a_prompt_whose_middle_is_left_out_is_never_cheaper_than_nothing(call):
    body = {"messages": [asking("word " * 140_000)], "plugins": [{"id": "context-compression"}]}
    for _ in range(2):
        usage = call.chat(model="openai/gpt-4o-mini", **body).json["usage"]
        assert usage["prompt_tokens"] == 128_000
        assert usage["prompt_tokens_details"]["cached_tokens"] <= usage["prompt_tokens"]
        assert usage["cost_details"]["upstream_inference_prompt_cost"] > 0


@pytest.mark.parametrize(
    "text", ["", "Hello, world!", "žluťoučký kůň  \n\n 🐎", "a" * 50, " leading and trailing "]
)
def test_tokens_join_to_the_text(text):
    assert "".join(pieces(text)) == text
    assert count(text) == len(pieces(text))


def test_credits_go_down_by_exactly_what_is_reported(sandbox, call):
    bodies = [
        {},
        {"model": CLAUDE, "reasoning": {"effort": "low"}},
        {"plugins": [{"id": "web"}]},
        {"stream": True},
    ]
    reported = Decimal(0)
    for body in bodies:
        reply = call.chat(**body)
        usage = reply.chunks[-1]["usage"] if body.get("stream") else reply.json["usage"]
        reported += exact(usage["cost"])
    assert sandbox.credits_used == reported > 0
    assert sandbox.credits_left == 10 - reported


def test_usage_adds_up(call):
    usage = call.chat(model=CLAUDE).json["usage"]
    details = usage["cost_details"]
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    assert usage["total_tokens"] == prompt + completion
    assert usage["is_byok"] is False
    assert exact(details["upstream_inference_prompt_cost"]) == prompt * Decimal(3) / 1_000_000
    assert exact(details["upstream_inference_completions_cost"]) == completion * Decimal(15) / 1_000_000
    assert details["upstream_inference_cost"] == usage["cost"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "0.007"),
        ({"max_results": 10}, "0.007"),
        ({"max_results": 12}, "0.009"),
        ({"engine": "exa", "mode": "deep-reasoning", "max_results": 11}, "0.016"),
        ({"engine": "parallel", "mode": "turbo"}, "0.001"),
        ({"engine": "parallel", "max_results": 11}, "0.006"),
        ({"engine": "perplexity", "max_results": 20}, "0.005"),
        ({"engine": "firecrawl", "max_results": 20}, "0"),
        ({"engine": "native"}, "0.007"),
    ],
)
def test_a_search_is_paid_beside_the_inference(call, settings, expected):
    usage = call.chat("cats", plugins=[{"id": "web", **settings}]).json["usage"]
    fee = exact(usage["cost"]) - exact(usage["cost_details"]["upstream_inference_cost"])
    assert fee == Decimal(expected)


def test_the_price_is_that_of_the_endpoint_that_answered(call):
    ask = {"model": "meta-llama/llama-3.3-70b-instruct"}
    cheap, dear = call.chat(**ask), call.chat(**ask, provider={"order": ["fireworks"]})
    assert dear.json["provider"] == "Fireworks"
    assert dear.json["usage"]["cost"] > cheap.json["usage"]["cost"]


def test_a_free_model_costs_nothing(sandbox, call):
    reply = call.chat(model="meta-llama/llama-3.3-70b-instruct:free")
    assert reply.json["usage"]["cost"] == 0
    assert sandbox.credits_used == 0


def test_a_marked_prefix_is_written_once_and_read_again(call):
    def usage(question, system):
        reply = call.chat(model=CLAUDE, messages=[system, asking(question)])
        return reply.json["usage"]

    first, second = usage("One?", marked(LONG)), usage("Two?", marked(LONG))
    other = usage("Two?", marked(f"!{LONG}"))
    size = count(LONG) + 3
    details = [each["prompt_tokens_details"] for each in (first, second, other)]
    assert [(each["cached_tokens"], each["cache_write_tokens"]) for each in details] == [
        (0, size),
        (size, 0),
        (0, size + 1),
    ]
    assert first["prompt_tokens"] == second["prompt_tokens"]
    assert second["cost"] < first["cost"]


def test_an_hour_in_the_cache_costs_more_than_five_minutes(call):
    short = call.chat(model=CLAUDE, messages=[marked(LONG), asking("One?")])
    long = call.chat(model=CLAUDE, messages=[marked(f"1{LONG}", "1h"), asking("One?")])
    assert long.json["usage"]["cost"] > short.json["usage"]["cost"] * 1.3


def test_the_mark_may_move_along_with_the_conversation(call):
    body = {"model": CLAUDE, "cache_control": {"type": "ephemeral"}}
    history = [asking(LONG)]
    first = call.chat(messages=history, **body)
    history += [first.message, asking(f"And then? {LONG}")]
    second = call.chat(messages=history, **body)
    details = second.json["usage"]["prompt_tokens_details"]
    assert details["cached_tokens"] == first.json["usage"]["prompt_tokens"]
    assert details["cached_tokens"] + details["cache_write_tokens"] == second.json["usage"]["prompt_tokens"]


def test_a_text_is_the_same_to_a_cache_with_and_without_a_mark(call):
    """As a string and as the one part that a mark needs."""
    marked_turn = {"role": "user", "content": marked(LONG)["content"]}
    first = call.chat(model=CLAUDE, messages=[marked_turn])
    history = [asking(LONG), first.message, {"role": "user", "content": marked("And then?")["content"]}]
    details = call.chat(model=CLAUDE, messages=history).json["usage"]["prompt_tokens_details"]
    assert details["cached_tokens"] == first.json["usage"]["prompt_tokens"]


def test_a_marked_tool_is_cached_before_the_messages(call, tools):
    big = {
        **tools[0],
        "function": {**tools[0]["function"], "description": LONG},
        "cache_control": {"type": "ephemeral"},
    }
    for expected in (False, True):
        usage = call.chat(model=CLAUDE, tools=[big], tool_choice="none").json["usage"]
        assert (usage["prompt_tokens_details"]["cached_tokens"] > 0) is expected


def test_a_short_prefix_is_not_cached(call):
    for _ in range(2):
        usage = call.chat(model=CLAUDE, messages=[marked("Be brief."), asking("Hi")]).json["usage"]
        assert (
            usage["prompt_tokens_details"] | {"cached_tokens": 0, "cache_write_tokens": 0}
            == usage["prompt_tokens_details"]
        )


def test_openai_caches_long_prompts_by_itself(call):
    history = [asking(LONG * 7)]
    cached = [
        call.chat(messages=history).json["usage"]["prompt_tokens_details"]["cached_tokens"] for _ in range(2)
    ]
    assert cached[0] == 0
    assert cached[1] > 1024


def test_a_cache_belongs_to_its_endpoint(call):
    history = [marked(LONG), asking("One?")]
    call.chat(model=CLAUDE, messages=history)
    usage = call.chat(model=CLAUDE, messages=history, provider={"order": ["amazon-bedrock"]}).json["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


def test_no_credits_no_answer(caller):
    with Sandbox(credits="0.00001") as sandbox:
        call = caller(sandbox)
        while (reply := call.chat()).status == 200:
            pass
        assert reply.status == reply.error["code"] == 402
        assert reply.error["metadata"]["limit_source"] == "openrouter_credits"
        assert "retry-after" not in reply.headers


@pytest.mark.parametrize(("credits", "status"), [("0", 200), ("-1", 402)])
def test_a_free_model_answers_unless_the_balance_is_below_zero(caller, credits, status):
    with Sandbox(credits=credits) as sandbox:
        reply = caller(sandbox).chat(model="meta-llama/llama-3.3-70b-instruct:free")
    assert reply.status == status
    if status == 402:
        assert reply.error["metadata"]["limit_source"] == "openrouter_credits"


def test_a_request_that_is_refused_uses_nothing_up(caller):
    body = {"model": CLAUDE, "messages": [marked(LONG), asking("Hi")]}
    with Sandbox(credits="0.1") as sandbox:
        call = caller(sandbox)
        sandbox.answer_next("As written.")
        sandbox.delay_next(first_byte=0.05)
        refused = [{"max_tokens": 64_000}, {"temperature": 9}, {"model": "nobody/nothing"}]
        assert [call.chat(**(body | more)).status for more in refused] == [402, 400, 400]
        began = time.monotonic()
        reply = call.chat(**body)
    assert time.monotonic() - began >= 0.05
    assert reply.message["content"] == "As written."
    assert reply.json["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_one_request_can_be_too_dear_for_what_is_left(caller):
    with Sandbox(credits="0.01") as sandbox:
        reply = caller(sandbox).chat(model=CLAUDE, max_tokens=100_000)
        assert reply.status == 402
        assert reply.error["metadata"]["reason"] == "weight_exceeds_budget"
        assert caller(sandbox).chat(model=CLAUDE, max_tokens=100).status == 200


def test_running_requests_set_money_aside(caller):
    with Sandbox(credits="0.01") as sandbox, ThreadPoolExecutor(1) as pool:
        call = caller(sandbox)
        sandbox.delay_next(first_byte=0.3)
        first = pool.submit(call.chat, model=CLAUDE, max_tokens=500)
        while not sandbox.requests:
            pass
        second = call.chat(model=CLAUDE, max_tokens=500)
        assert second.status == 402
        assert second.error["metadata"]["limit_source"] == "openrouter_in_flight_budget"
        assert second.headers["retry-after"] == "1"
        assert first.result().status == 200
        assert call.chat(model=CLAUDE, max_tokens=500).status == 200


def test_a_generation_can_be_looked_up_a_moment_later(sandbox, call):
    body = call.chat("hi", session_id="s", user="u", headers={"HTTP-Referer": "https://app.example"}).json
    path = f"/generation?id={body['id']}"
    assert call.get(path).status == 404
    found = call.get(path).json["data"]
    assert (found["id"], found["model"], found["provider_name"]) == (
        body["id"],
        "openai/gpt-5-mini",
        "OpenAI",
    )
    assert (found["session_id"], found["external_user"], found["origin"]) == ("s", "u", "https://app.example")
    assert found["total_cost"] == body["usage"]["cost"]
    assert found["native_tokens_prompt"] == body["usage"]["prompt_tokens"]
    assert (found["streamed"], found["cancelled"], found["finish_reason"]) == (False, False, "stop")
    record = sandbox.generations[body["id"]]
    assert record.cost == exact(body["usage"]["cost"])


def test_a_generation_that_never_was_stays_unknown(call):
    for _ in range(3):
        assert call.get("/generation?id=gen-1-x").status == 404
    assert call.get("/generation").status == 400


def test_the_key_and_the_credits_tell_what_was_spent(sandbox, call):
    cost = call.chat().json["usage"]["cost"]
    assert call.get("/key").json["data"]["usage"] == cost
    reply = call.get("/credits", key=sandbox.management_key)
    assert reply.json["data"] == {"total_credits": 10.0, "total_usage": cost}


def test_the_credits_are_for_a_management_key_and_a_management_key_is_for_nothing_that_costs(sandbox, call):
    refused = call.get("/credits")
    assert (refused.status, refused.error["metadata"]["error_type"]) == (403, "permission_denied")
    assert "management key" in refused.error["message"]
    key = call.get("/key", key=sandbox.management_key).json["data"]
    assert key["is_management_key"] is True
    assert call.get("/key").json["data"]["is_management_key"] is False
    body = {"messages": [asking("hi")]}
    assert call.request("POST", "/chat/completions", body, key=sandbox.management_key).status == 403
    assert sandbox.credits_used == 0


def test_a_cost_that_is_not_told_is_charged_all_the_same(sandbox, call):
    sandbox.answer_next("Hello", usage={"cost": None})
    assert call.chat().json["usage"]["cost"] is None
    assert sandbox.credits_used > 0
