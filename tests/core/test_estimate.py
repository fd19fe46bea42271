"""What a call may cost, before it is made: never less than it does cost, and never a zero for what nobody knows."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts import Catalog, Endpoint, Estimate, Model, OpenRouterClient, track_costs
from openrouter_opts.catalog.rows import Override
from openrouter_opts.money.estimate import estimate
from openrouter_opts.money.prompt import prompt_size
from openrouter_opts.protocol.request import encode
from openrouter_opts.sandbox import Sandbox
from openrouter_opts.sandbox.money.prompt import blocks_of

HI = [{"role": "user", "content": "hi"}]
SEARCH = {"type": "openrouter:web_search", "parameters": {"engine": "exa"}}
D = Decimal


def priced(tag: str, prompt: str, completion: str, **facts: Any) -> Endpoint:
    """Return an endpoint with prices in USD per million tokens."""
    more = {name: D(price) / 10**6 for name, price in facts.pop("more", {}).items()}
    pricing = {"prompt": D(prompt) / 10**6, "completion": D(completion) / 10**6, **more}
    return Endpoint(
        tag, tag, pricing=pricing, **{"max_completion_tokens": 1000, "context_length": 10_000} | facts
    )


CHEAP, DEAR = priced("cheap", "1", "4"), priced("dear", "2", "10")
MODELS = {
    "a/two": Model("a/two", "Two", endpoints=(CHEAP, DEAR)),
    "a/alone": Model(
        "a/alone",
        "Alone",
        context_length=10_000,
        max_completion_tokens=1000,
        pricing={"prompt": D("1e-6"), "completion": D("4e-6")},
    ),
    "a/endless": Model("a/endless", "Endless", pricing={"prompt": D("1e-6"), "completion": D("4e-6")}),
    "a/partly": Model(
        "a/partly", "Partly", endpoints=(CHEAP, Endpoint("new", "new", None, 10_000, 1000, pricing=None))
    ),
    "a/unpriced": Model("a/unpriced", "Unpriced", context_length=10_000),
    "a/draws": Model(
        "a/draws",
        "Draws",
        output_modalities=("image", "text"),
        endpoints=(priced("x", "2", "5", more={"image_output": "10"}),),
    ),
    "a/draws-alone": Model(
        "a/draws-alone",
        "Draws alone",
        output_modalities=("image",),
        pricing={"prompt": D("1e-6"), "completion": D("4e-6"), "image_output": D("1e-5")},
    ),
}


def estimated(model: str | None = "a/two", messages: Any = HI, **options: Any) -> Estimate:
    body = {"model": model, "messages": messages, **options}
    return estimate(body, encode(body), MODELS.get)


def high(prompt_tokens: int, completion_tokens: int, prompt: str = "2", completion: str = "10") -> Decimal:
    return (prompt_tokens * D(prompt) + completion_tokens * D(completion)) / 10**6


def high_of(found: Estimate) -> Decimal:
    assert found.high is not None
    return found.high


def most_tokens(found: Estimate) -> int:
    most = found.prompt_tokens[1]
    assert most is not None
    return most


# --- which endpoints ---


def test_the_dearest_endpoint_that_is_left_writes_as_much_as_it_can():
    found = estimated()
    assert found.completion_tokens == 1000
    assert found.high == high(most_tokens(found), 1000)
    assert "a/two is served by cheap, dear" in found.assumptions


@pytest.mark.parametrize(
    ("preferences", "prompt", "completion"),
    [
        ({"only": ["cheap"]}, "1", "4"),
        ({"ignore": ["dear"]}, "1", "4"),
        ({"order": ["cheap"]}, "2", "10"),
        ({"order": ["cheap"], "allow_fallbacks": False}, "1", "4"),
        ({"max_price": {"completion": 5}}, "1", "4"),
        ({"max_price": {"prompt": "1.5"}}, "1", "4"),
        ({"only": ["nobody"]}, "2", "10"),
    ],
)
def test_routing_preferences_leave_out_endpoints(preferences: Any, prompt: str, completion: str):
    found = estimated(provider=preferences)
    assert found.high == high(most_tokens(found), 1000, prompt, completion)


def test_the_dearest_of_the_fallback_models_counts_and_not_their_sum():
    found = estimated("a/alone", models=["a/two"], max_tokens=100)
    assert found.high == high(most_tokens(found), 100)


def test_a_model_without_known_endpoints_has_the_price_of_the_catalogue_and_says_so():
    found = estimated("a/alone")
    assert found.high == high(most_tokens(found), 1000, "1", "4")
    assert any("price of the catalogue" in each for each in found.assumptions)


def test_a_bound_on_prices_is_the_price_where_the_endpoints_are_not_known():
    bounds = {"max_price": {"prompt": 3, "completion": "12"}}
    for model in ("a/alone", "b/new", "openrouter/auto", "~a/two-latest"):
        found = estimated(model, provider=bounds, max_tokens=50)
        assert found.high == high(most_tokens(found), 50, "3", "12")


def cached(**mark: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "hi " * 1000, **mark}]}]


@pytest.mark.parametrize(
    ("mark", "times"),
    [
        ({}, "1"),
        ({"cache_control": {"type": "ephemeral"}}, "1.3"),
        ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, "1.3"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "2"),
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, "1.3"),
    ],
)
def test_a_bound_on_prices_does_not_bound_what_is_written_to_the_cache(mark: Any, times: str):
    options = {"max_tokens": 50, "provider": {"max_price": {"prompt": 3, "completion": 12}}}
    for model in ("a/alone", "a/draws-alone", "b/new", "openrouter/auto"):
        found = estimated(model, cached(**mark), modalities=["text"], **options)
        assert found.high == high(most_tokens(found), 50, str(3 * D(times)), "12")


def test_a_prompt_that_is_cached_as_a_whole_counts_like_one_with_marks():
    bounds = {"max_price": {"prompt": 3, "completion": 12}}
    found = estimated(
        "b/new", cache_control={"type": "ephemeral", "ttl": "1h"}, provider=bounds, max_tokens=50
    )
    assert found.high == high(most_tokens(found), 50, "6", "12")


def test_no_model_of_the_catalogue_asks_for_more_than_that_for_what_it_keeps():
    prices = [model.pricing or {} for model in Catalog.bundled().values()]
    times = [each["input_cache_write"] / each["prompt"] for each in prices if "input_cache_write" in each]
    assert max(times) == D("1.3")


# --- how many tokens ---


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_the_answer_counts(name: str):
    found = estimated(**{name: 7})
    assert (found.completion_tokens, found.high) == (7, high(most_tokens(found), 7))


def test_a_limit_that_the_endpoint_does_not_keep_to_is_none():
    deaf = Model(
        "a/deaf", "Deaf", endpoints=(priced("x", "2", "10", supported_parameters=frozenset({"seed"})),)
    )
    body = {"model": "a/deaf", "messages": HI, "max_tokens": 7}
    found = estimate(body, encode(body), lambda _: deaf)
    assert found.completion_tokens == 1000


@pytest.mark.parametrize(
    ("model", "modalities", "most"),
    [
        ("a/draws", None, 1000),
        ("a/draws", ["image", "text"], 1000),
        ("a/draws", ["text"], 7),
        ("a/two", ["text", "image"], 1000),
        ("a/two", ["text"], 7),
    ],
)
def test_a_limit_of_tokens_is_none_for_images(model: str, modalities: Any, most: int):
    """Nobody says that `max_tokens` cuts an image, so one that may come is reckoned with whole."""
    options = {} if modalities is None else {"modalities": modalities}
    found = estimated(model, max_tokens=7, **options)
    assert (found.completion_tokens, found.high) == (most, high(most_tokens(found), most))
    assert any("may write more than max_tokens" in each for each in found.assumptions) is (most > 7)


def test_a_bound_on_prices_is_none_for_images():
    bounds = {"max_price": {"prompt": 3, "completion": 12}}
    assert estimated("b/new", provider=bounds, max_tokens=9).high is not None
    assert estimated("b/new", provider=bounds, max_tokens=9, modalities=["image"]).high is None


def test_several_answers_are_all_paid():
    found = estimated(n=3, max_tokens=10)
    assert found.high == high(most_tokens(found), 30)


def test_a_prediction_may_be_rejected_and_is_paid_then():
    found = estimated(max_tokens=10, prediction={"type": "content", "content": "abc"})
    assert found.high == high(most_tokens(found), 13)


def test_no_prompt_is_longer_than_the_window():
    found = estimated(messages=[{"role": "user", "content": "x" * 50_000}], max_tokens=10)
    assert found.high == high(10_000, 10)


def test_thinking_counts_at_its_own_price():
    thinker = Model("a/t", "T", endpoints=(priced("x", "1", "4", more={"internal_reasoning": "6"}),))
    body = {"model": "a/t", "messages": HI, "max_tokens": 10}
    found = estimate(body, encode(body), lambda _: thinker)
    assert found.high == high(most_tokens(found), 10, "1", "6")


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        ("hi", "1.25"),
        ([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "5m"}}], "1.25"),
        ([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}], "2"),
    ],
)
def test_what_is_written_to_the_cache_counts_at_its_own_price(content: Any, prompt: str):
    claude = Model("a/c", "C", endpoints=(priced("x", "1", "4", more={"input_cache_write": "1.25"}),))
    body = {"model": "a/c", "messages": [{"role": "user", "content": content}], "max_tokens": 10}
    found = estimate(body, encode(body), lambda _: claude)
    assert found.high == high(most_tokens(found), 10, prompt, "4")


def test_a_long_prompt_counts_at_the_price_of_long_prompts():
    endpoint = priced("x", "1", "4", context_length=10**6, overrides=(Override(5000, {"prompt": D("3e-6")}),))
    for length, prompt in ((100, "1"), (9000, "3")):
        body = {"model": "a/l", "messages": [{"role": "user", "content": "x" * length}], "max_tokens": 10}
        found = estimate(body, encode(body), lambda _: Model("a/l", "L", endpoints=(endpoint,)))
        assert found.high == high(most_tokens(found), 10, prompt, "4")


def tiered(**body: Any) -> Decimal:
    """Return what a request may cost at an endpoint that asks for three times as much above 5,000 tokens."""
    above = Override(5000, {"prompt": D("3e-6"), "completion": D("12e-6")})
    endpoint = priced("x", "1", "4", context_length=10**6, overrides=(above,))
    body = {"model": "a/l", "max_tokens": 10, "messages": HI, **body}
    return high_of(estimate(body, encode(body), lambda _: Model("a/l", "L", endpoints=(endpoint,))))


@pytest.mark.parametrize(
    ("options", "added", "fees"),
    [
        ({"plugins": [{"id": "web", "engine": "exa"}]}, 10_000, "0.007"),
        ({"plugins": [{"id": "web-fetch", "engine": "openrouter"}]}, 300_000, "0"),
        ({"model": "a/l:online"}, 10_000, "0.007"),
    ],
)
def test_what_plugins_add_to_the_prompt_may_make_it_a_long_one(options: Any, added: int, fees: str):
    asked = [{"role": "user", "content": "http://a.com http://b.com http://c.com"}]
    worst = high(added, 10, "3", "12") + D(fees)
    assert worst < tiered(messages=asked, **options) < worst + high(500, 0, "3")


def test_what_tools_add_to_the_prompt_may_make_it_a_long_one():
    fetch = {"type": "openrouter:web_fetch", "parameters": {"engine": "openrouter"}}
    worst = high(0, 10, "3", "12") + high(100_000, 10, "3", "12") + high(200_000, 10, "3", "12")
    assert tiered(tools=[fetch], max_tool_calls=2) >= worst


def test_a_plugin_that_adds_nothing_leaves_the_prompt_a_short_one():
    ocr = [{"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}, {"id": "response-healing"}]
    assert tiered(plugins=ocr) < high(500, 10, "1", "4")


def test_what_tools_found_at_the_price_of_short_prompts_is_read_again_at_that_of_long_ones():
    stop = [{"type": "max_cost", "max_cost_in_dollars": 0.5}]
    found_for_it = 500_000
    last_turn = high(found_for_it, 10, "3", "12")
    assert tiered(tools=[SEARCH], stop_server_tools_when=stop) >= D("0.5") + last_turn


def test_images_and_requests_have_prices_of_their_own():
    endpoint = priced("x", "1", "4", context_length=10**6, more={"image": "5000", "request": "100"})
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body = {"model": "a/i", "messages": [{"role": "user", "content": [part, part]}], "max_tokens": 10}
    found = estimate(body, encode(body), lambda _: Model("a/i", "I", endpoints=(endpoint,)))
    assert found.high == high(most_tokens(found), 10, "1", "4") + D("0.0101")
    assert most_tokens(found) > 10_000


def test_figures_are_rounded_away_from_each_other():
    tiny = Model("a/t", "T", endpoints=(priced("x", "0.0000001", "0.0000003"),))
    body = {"model": "a/t", "messages": HI, "max_tokens": 1}
    found = estimate(body, encode(body), lambda _: tiny)
    exact = high(most_tokens(found), 1, "0.0000001", "0.0000003")
    assert 0 < high_of(found) - exact < D("1e-12")
    assert found.low == D("1e-12") < D("0.0000001") * found.prompt_tokens[0] + D("0.0000003")


# --- unknown is not zero ---


@pytest.mark.parametrize(
    ("model", "options", "why"),
    [
        (None, {}, "the price of the default model isn't known"),
        ("b/new", {}, "the price of b/new isn't known"),
        ("a/unpriced", {}, "the price of a/unpriced isn't known"),
        ("a/partly", {}, "the price of a/partly isn't known"),
        ("openrouter/auto", {}, "the price of openrouter/auto isn't known"),
        ("a/two", {"models": ["b/new"]}, "the price of b/new isn't known"),
        ("a/two", {"preset": "mine"}, "the price of @preset/mine isn't known"),
        ("a/two@preset/mine", {}, "the price of a/two@preset/mine isn't known"),
        (
            "a/two",
            {"provider": {"max_price": {"prompt": 1}}, "models": ["b/new"]},
            "the price of b/new isn't known",
        ),
        ("a/endless", {}, "how much a/endless writes at most isn't known; set max_tokens"),
        ("a/draws-alone", {"max_tokens": 9}, "how much a/draws-alone writes at most isn't known"),
        ("a/two", {"plugins": [{"id": "fusion"}]}, "what fusion costs isn't published"),
        (
            "a/two",
            {"tools": [{"type": "openrouter:advisor"}]},
            "what openrouter:advisor costs isn't published",
        ),
        (
            "a/two",
            {"tools": [{"type": "web_search", "x_search": {}}]},
            "what web_search costs isn't published",
        ),
        (
            "a/two",
            {"tools": [SEARCH], "stop_server_tools_when": [{"type": "has_tool_call", "tool_name": "x"}]},
            "nothing ends the server tools: stop_server_tools_when has neither step_count_is nor max_cost",
        ),
    ],
)
def test_what_cannot_be_known_is_unknown_and_says_why(model: str | None, options: Any, why: str):
    found = estimated(model, **options)
    assert found.high is None
    assert why in found.assumptions
    assert str(found).startswith("unknown; ")


def test_an_endpoint_without_a_price_is_no_matter_where_it_is_left_out():
    known = estimated("a/partly", provider={"only": ["cheap"]})
    assert known.high == high(most_tokens(known), 1000, "1", "4")


def test_the_window_bounds_what_has_no_length():
    video = [
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://x.com/a.mp4"}}]}
    ]
    assert estimated(messages=video, max_tokens=10).high == high(10_000, 10)
    lost = estimated("a/endless", messages=video, max_tokens=10)
    assert lost.high is None
    assert "how long a prompt a/endless takes isn't known" in lost.assumptions


def test_what_is_free_costs_nothing_and_what_is_paid_beside_it_does():
    assert (estimated("a/two:free").low, estimated("a/two:free", max_tokens=10).high) == (0, 0)
    assert estimated("new/one:free", max_tokens=10).high == 0
    searched = estimated("a/two:free", max_tokens=10, plugins=[{"id": "web", "engine": "exa"}])
    assert (searched.low, searched.high) == (D("0.007"), D("0.007"))


# --- beside the tokens ---


@pytest.mark.parametrize(
    ("plugin", "low", "fee"),
    [
        ({"id": "web", "engine": "exa"}, "0.007", "0.007"),
        ({"id": "web"}, "0", "0.007"),
        ({"id": "web", "engine": "exa", "mode": "deep", "max_results": 13}, "0.015", "0.015"),
        ({"id": "web", "engine": "parallel", "mode": "turbo"}, "0.001", "0.001"),
        ({"id": "web", "engine": "firecrawl", "max_results": 25}, "0", "0"),
        ({"id": "web", "enabled": False}, "0", "0"),
        ({"id": "response-healing"}, "0", "0"),
        ({"id": "web-fetch"}, "0", "0.002"),
        ({"id": "web-fetch", "max_uses": 1}, "0", "0.001"),
        ({"id": "web-fetch", "engine": "openrouter"}, "0", "0"),
        ({"id": "file-parser"}, "0", "0"),
    ],
)
def test_plugins_are_paid_with_each_request(plugin: Any, low: str, fee: str):
    asked = [{"role": "user", "content": "http://a.com and https://b.com"}]
    plain = estimated("a/two:free", messages=asked, max_tokens=10)
    found = estimated("a/two:free", messages=asked, max_tokens=10, plugins=[plugin])
    assert plain.low == plain.high == 0
    assert (found.low, found.high) == (D(low), D(fee))
    said = [each for each in found.assumptions if each.startswith("plugins cost ")]
    assert said == ([f"plugins cost ${D(fee).normalize():f} at most"] if D(fee) else [])


def test_a_model_that_is_online_searches_once_with_each_request():
    online = estimated("a/two:free:online", max_tokens=10)
    assert (online.low, online.high) == (0, D("0.007"))
    assert "plugins cost $0.007 at most" in online.assumptions
    chosen = estimated("a/two:free:online", max_tokens=10, plugins=[{"id": "web", "engine": "exa"}])
    assert (chosen.low, chosen.high) == (D("0.007"), D("0.007"))


@pytest.mark.parametrize(
    ("model", "endpoint_price", "fee"),
    [("openai/m", None, "0.175"), ("openai/m", "10000", "0.05"), ("mistralai/m", None, "0.007")],
)
def test_a_search_of_the_provider_has_its_own_price(model: str, endpoint_price: str | None, fee: str):
    more = {"web_search": endpoint_price} if endpoint_price else {}
    free = Model(model, "M", endpoints=(priced("x", "0", "0", more=more),))
    body = {"model": model, "messages": HI, "plugins": [{"id": "web"}]}
    assert estimate(body, encode(body), lambda _: free).high == D(fee)


def test_perplexity_searches_with_every_request():
    sonar = Model("perplexity/sonar", "S", endpoints=(priced("x", "0", "0", more={"web_search": "5000"}),))
    body = {"model": "perplexity/sonar", "messages": HI}
    assert estimate(body, encode(body), lambda _: sonar).high == D("0.005")


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, 30),
        ({"max_tool_calls": 2}, 2),
        ({"stop_server_tools_when": [{"type": "step_count_is", "step_count": 3}], "max_tool_calls": 1}, 3),
    ],
)
def test_every_call_of_a_tool_is_paid_and_has_the_prompt_read_again(options: Any, calls: int):
    found = estimated(tools=[SEARCH], max_tokens=10, **options)
    assert found.high == (calls + 1) * high(10_000, 10) + calls * D("0.007")


def test_a_tool_is_used_as_often_as_it_may_be():
    free = {"model": "a/two:free", "messages": HI, "max_tokens": 10, "max_tool_calls": 5}
    cheap = {"type": "openrouter:web_fetch"}
    limited = {"type": "openrouter:web_search", "parameters": {"engine": "exa", "max_uses": 2}}
    body = {**free, "tools": [cheap, limited, {"type": "openrouter:datetime"}, {"type": "function"}]}
    assert estimate(body, encode(body), MODELS.get).high == 2 * D("0.007") + 3 * D("0.001")


def test_a_bound_on_what_tools_cost_is_a_bound_on_all():
    stop = [{"type": "max_cost", "max_cost_in_dollars": 0.5}, {"type": "max_cost", "max_cost_in_dollars": 2}]
    found = estimated(tools=[SEARCH], max_tokens=10, stop_server_tools_when=stop)
    assert found.high is not None
    assert D("0.5") < found.high <= D("0.5") + 2 * high(10_000, 10) + 4 * D("0.007")


def pdf(pages: int = 3, padding: int = 0) -> str:
    content = b"/Type /Pages " + b"/Type/Page " * pages + b" " * padding
    return "data:application/pdf;base64," + base64.b64encode(content).decode()


IMAGE = b"1 0 obj<</Subtype/Image>>\nstream\nx\nendstream endobj"


def packed(
    pages: int,
    *,
    before: bytes = b"",
    swollen: int = 0,
    readable: bool = True,
    end: bytes = b"endstream endobj",
) -> str:
    """Return a PDF with its pages in a compressed stream, as most are."""
    page = b"<</Type /Page /Parent 2 0 R>> "
    objects = b"<</Type /Pages>> " + page + b" " * swollen + page * (pages - 1)
    stream = zlib.compress(objects) if readable else b"\0" * 100
    known = b"<</Filter/FlateDecode/Type/ObjStm/DecodeParms<</Predictor 1>>/N 3>>"
    content = b"%%PDF-1.5 %b 2 0 obj%b\nstream\r\n%b\n%b" % (before, known, stream, end)
    return "data:application/pdf;base64," + base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        (pdf(3), 3),
        (packed(300), 300),
        (packed(300, readable=False), 1),
        (packed(300, end=b""), 1),
        (packed(300, before=IMAGE), 300),
        (packed(300, swollen=10**7), 10),
        ("data:application/pdf;base64," + base64.b64encode(b"x" * 4500).decode(), 5),
        ("https://example.com/a.pdf", 1000),
        ("data:application/pdf;base64,é", 1000),
    ],
)
def test_parsed_pages_are_paid(data: str, pages: int):
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}
    ocr = {"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}
    body = {"model": "a/two:free", "messages": [{"role": "user", "content": [part]}], "plugins": [ocr]}
    model = Model("a/two:free", "F", context_length=10_000)
    assert estimate(body, encode(body), lambda _: model).high == pages * D("0.002")


# --- the prompt ---

TEXT = (
    st.text() | st.text(alphabet='!,. \n"\\é日😀\u200d', min_size=20) | st.text(alphabet="ab ", min_size=50)
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "assistant"]), "content": TEXT}),
    min_size=1,
    max_size=5,
)


@given(messages=MESSAGES)
def test_a_prompt_never_has_more_tokens_than_its_bound(messages: list[Mapping[str, Any]]):
    body = {
        "model": "m/x",
        "messages": messages,
        "tools": [{"type": "function", "function": {"name": "f\n"}}],
    }
    size = prompt_size(body, encode(body))
    assert size.high is not None
    assert size.low <= size.high
    assert sum(block.tokens for block in blocks_of(body)) <= size.high


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}, 258, 6_000),
        ({"type": "input_audio", "input_audio": {"data": "A" * 400_000, "format": "mp3"}}, 10_000, 11_000),
        ({"type": "input_audio", "input_audio": {"data": "A" * 300_000, "format": "wav"}}, 1_000, 2_000),
        ({"type": "file", "file": {"file_data": pdf()}}, 4_500, 15_300),
        ({"type": "file", "file": {"file_data": pdf(300)}}, 450_000, 1_510_000),
        ({"type": "file", "file": {"file_data": packed(300)}}, 450_000, 1_501_000),
        ({"type": "file", "file": {"file_data": "data:text/plain;base64," + "A" * 1000}}, 1_000, 1_200),
        (
            {"type": "file", "file": {"file_data": pdf(3, padding=3 * 10**6)}},
            10**7,
            10**8,
        ),
        ({"type": "input_file", "input_file": {"data": pdf(300), "format": "pdf"}}, 450_000, 1_510_000),
        ({"type": "text", "text": "A" * 1000}, 1000, 1_200),
        ({"type": "new", "thing": "A" * 1000}, 1000, 1_200),
        ("A" * 1000, 1000, 1_200),
    ],
)
def test_media_are_counted_as_what_they_are(part: Any, least: int, most: int):
    for asked in ({"messages": [{"role": "user", "content": [part]}]}, {"input": [{"content": [part]}]}):
        body = {"model": "m/x", **asked}
        size = prompt_size(body, encode(body))
        assert size.high is not None
        assert least <= size.high <= most


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64," + "A" * 10_000}},
        {"type": "input_video", "input_video": {"data": "data:video/mp4;base64," + "A" * 10_000}},
        {"type": "input_audio", "input_audio": {"data": "https://example.com/a.mp3", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "https://example.com/a.pdf"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,é"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ],
)
def test_what_is_not_in_the_request_has_no_bound_of_its_own(part: Any):
    for asked in ({"messages": [{"role": "user", "content": [part]}]}, {"input": [{"content": [part]}]}):
        body = {"model": "m/x", **asked}
        size = prompt_size(body, encode(body))
        assert (size.high, size.low < 100) == (None, True)


def test_an_image_may_count_for_much_more_at_some_models():
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": [part]}]}
    assert (prompt_size(body, encode(body)).high or 0) > 50_000


def test_images_that_are_taken_out_of_a_file_are_in_the_prompt():
    body = {"model": "m/x", "messages": [{"role": "user", "content": [FILE]}]}
    read = {**body, "plugins": [{"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}]}
    size, more = prompt_size(body, encode(body)), prompt_size(read, encode(read))
    assert (size.images, more.images) == (1, 9)
    assert (more.high or 0) - (size.high or 0) > 8 * 4_500
    off = {**body, "plugins": [{"id": "file-parser", "enabled": False, "pdf": {"engine": "mistral-ocr"}}]}
    assert prompt_size(off, encode(off)).images == 1


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ("x" * 9_000, 5_000),
        (["x" * 4_000] * 100, 400_000),
        ([1000] * 10_000, 5_000),
        ([[1000] * 400] * 100, 40_000),
        (
            [{"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}] * 9,
            9 * 4_500,
        ),
    ],
)
def test_each_input_of_embeddings_may_be_as_long_as_the_model_takes(asked: Any, tokens: int):
    model = Model("a/e", "E", endpoints=(priced("x", "1", "0", context_length=5_000),))
    body = {"model": "a/e", "input": asked}
    found = high_of(estimate(body, encode(body), lambda _: model))
    assert high(tokens, 0, "1") <= found < high(6 * tokens, 0, "1")


# --- against an account ---

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA" * 5_000, "format": "wav"}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf(1)}}
LONG = "The quick brown fox jumps over the lazy dog. " * 20
TOOL = {
    "type": "function",
    "function": {
        "name": "multiply",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    },
}


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "What is this?"}]}]


def marked(ttl: str) -> Any:
    return {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": ttl}}


@pytest.mark.filterwarnings("ignore:the plugin web is deprecated")
@pytest.mark.parametrize(
    ("model", "messages", "options"),
    [
        ("openai/gpt-5-mini", HI, {}),
        ("openai/gpt-5-mini", HI, {"service_tier": "priority"}),
        ("openai/gpt-5-mini", HI, {"reasoning": {"effort": "high"}, "max_tokens": 500}),
        ("openai/gpt-5-mini", HI, {"plugins": [{"id": "web", "engine": "exa", "max_results": 12}]}),
        ("openai/gpt-5-mini", HI, {"plugins": [{"id": "web"}]}),
        ("openai/gpt-5-mini", HI, {"tools": [{"type": "openrouter:web_search"}], "max_tokens": 100}),
        ("openai/gpt-5-mini", [{"role": "user", "content": "What is 3 times 4?"}], {"tools": [TOOL]}),
        ("meta-llama/llama-3.3-70b-instruct", HI, {"provider": {"sort": "throughput"}}),
        ("meta-llama/llama-3.3-70b-instruct", HI, {"provider": {"order": ["fireworks"]}}),
        ("meta-llama/llama-3.3-70b-instruct:free", HI, {}),
        ("meta-llama/llama-3.3-70b-instruct", HI, {"models": ["anthropic/claude-sonnet-4.6"]}),
        ("anthropic/claude-sonnet-4.6", user(marked("5m")), {"max_tokens": 50}),
        ("anthropic/claude-sonnet-4.6", user(marked("1h")), {"max_tokens": 50}),
        ("anthropic/claude-sonnet-4.6", user(IMAGE, IMAGE), {"max_tokens": 50}),
        ("google/gemini-2.5-flash", user(AUDIO), {"max_tokens": 50}),
        (
            "google/gemini-2.5-flash",
            user(FILE),
            {"plugins": [{"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}]},
        ),
        ("google/gemini-2.5-flash-image", HI, {"modalities": ["image", "text"]}),
        ("google/gemini-2.5-flash-image", HI, {"modalities": ["image", "text"], "max_tokens": 16}),
        ("openai/gpt-5-image", HI, {"modalities": ["image"], "max_completion_tokens": 100}),
    ],
)
def test_what_is_billed_is_within_the_estimate(
    model: str, messages: Any, options: Any, openrouter_sandbox: Sandbox
):
    client = OpenRouterClient(check="off")
    catalog = Catalog.bundled()
    for name in (model, *options.get("models", ())):
        catalog = catalog.with_endpoints(client.endpoints(name))
    client = OpenRouterClient(check="off", catalog=catalog)
    found = client.estimate_cost(messages, model=model, **options)
    with track_costs() as spend:
        client.complete(messages, model=model, **options)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= spend.total <= found.high, (str(found), spend.total)
    assert spend.total == openrouter_sandbox.credits_used
    assert spend.prompt_tokens <= (found.prompt_tokens[1] or 10**7)
    assert spend.completion_tokens <= (found.completion_tokens or 10**7)


def test_an_estimate_sends_nothing_and_reads_well(openrouter_sandbox: Sandbox):
    found = OpenRouterClient(model="openai/gpt-5-mini").estimate_cost(HI, max_tokens=100, timeout=3)
    assert openrouter_sandbox.requests == []
    assert str(found).startswith("$0.00000")
    assert json.loads(json.dumps(found.assumptions)) == list(found.assumptions)


def test_an_estimate_by_a_listed_price_says_that_it_is_no_bound(openrouter_sandbox: Sandbox):
    client = OpenRouterClient(model="meta-llama/llama-3.3-70b-instruct")
    groq: Any = {"max_tokens": 1000, "provider": {"only": ["groq"]}}
    listed = client.estimate_cost(HI, **groq)
    assert not listed.is_bound
    assert (
        ", or more; what meta-llama/llama-3.3-70b-instruct asks at most isn't known: the catalogue that comes"
        in str(listed)
    )
    catalog = Catalog.bundled().with_endpoints(client.endpoints("meta-llama/llama-3.3-70b-instruct"))
    known = OpenRouterClient(model="meta-llama/llama-3.3-70b-instruct", catalog=catalog).estimate_cost(
        HI, **groq
    )
    assert known.is_bound
    assert known.high is not None
    assert listed.high is not None
    assert known.high > 2 * listed.high
    openrouter_sandbox.answer_next("word " * 990)
    assert (client.complete(HI, **groq).cost.total or 0) <= known.high
