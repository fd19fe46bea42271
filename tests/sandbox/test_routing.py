"""Which endpoint serves a request, and why none does."""

from __future__ import annotations

import pytest

from openrouter_opts.catalog import Catalog
from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.names import choices_of
from openrouter_opts.sandbox.routing.order import route
from openrouter_opts.sandbox.routing.wishes import Wishes

LLAMA = "meta-llama/llama-3.3-70b-instruct"
CLAUDE = "anthropic/claude-sonnet-4.6"
GPT = "openai/gpt-5-mini"
TOOL = {"type": "function", "function": {"name": "f"}}


def find(prompt_tokens=10, **body):
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "hi"}], **body}
    choices = choices_of(body)
    return choices if isinstance(choices, Refusal) else route(choices, Wishes.of(body, prompt_tokens))


def tags(**body):
    found = find(**body)
    assert not isinstance(found, Refusal), found.message
    return [endpoint.tag for endpoint in found]


def models(**body):
    found = find(**body)
    assert not isinstance(found, Refusal), found.message
    return list(dict.fromkeys(endpoint.model for endpoint in found))


def test_the_cheapest_comes_first():
    assert tags() == ["deepinfra/turbo", "novita", "deepinfra", "groq", "together", "fireworks"]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"order": ["fireworks", "together"]}, ["fireworks", "together", "deepinfra/turbo"]),
        ({"order": ["Fireworks", "Together"]}, ["fireworks", "together", "deepinfra/turbo"]),
        ({"order": ["deepinfra"]}, ["deepinfra/turbo", "deepinfra", "novita"]),
        ({"order": ["deepinfra/turbo", "groq"], "allow_fallbacks": False}, ["deepinfra/turbo", "groq"]),
        ({"allow_fallbacks": False}, ["deepinfra/turbo"]),
        ({"only": ["groq", "together"]}, ["groq", "together"]),
        ({"ignore": ["deepinfra", "novita"]}, ["groq", "together", "fireworks"]),
        ({"sort": "throughput"}, ["groq", "fireworks", "together"]),
        ({"sort": "latency"}, ["groq", "fireworks", "together"]),
        ({"sort": {"by": "price"}}, ["deepinfra/turbo", "novita", "deepinfra"]),
        ({"sort": "exacto"}, ["deepinfra", "fireworks", "groq"]),
        ({"quantizations": ["bf16", "fp16"]}, ["deepinfra", "fireworks"]),
        ({"zdr": True}, ["deepinfra/turbo", "deepinfra", "groq"]),
        ({"max_price": {"prompt": 0.5, "completion": "0.4"}}, ["deepinfra/turbo", "novita", "deepinfra"]),
        ({"preferred_min_throughput": 100}, ["groq", "together", "fireworks"]),
        ({"preferred_max_latency": {"p50": 0.4}}, ["groq", "fireworks", "deepinfra/turbo"]),
    ],
)
def test_preferences_choose_and_order(provider, expected):
    assert tags(provider=provider)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("slug", "tag"),
    [
        ("google-vertex/us-east5", "google-vertex"),
        ("google-vertex/global", "google-vertex"),
        ("Google-Vertex/europe-west1", "google-vertex"),
        ("amazon-bedrock/us-east-1", "amazon-bedrock"),
    ],
)
def test_a_provider_may_be_named_with_a_region(slug, tag):
    assert tags(model=CLAUDE, provider={"order": [slug]})[0] == tag
    assert tags(model=CLAUDE, provider={"order": [slug], "allow_fallbacks": False}) == [tag]
    assert tags(model=CLAUDE, provider={"only": [slug]}) == [tag]


def test_a_provider_without_one_of_its_regions_still_has_the_others():
    assert "google-vertex" in tags(model=CLAUDE, provider={"ignore": ["google-vertex/us-east5"]})


@pytest.mark.parametrize("slug", ["anthropic/us-east5", "google-vertex/flex", "google-vertex/"])
def test_what_is_no_region_names_nobody(slug):
    refusal = find(model=CLAUDE, provider={"only": [slug]})
    assert isinstance(refusal, Refusal)
    assert refusal.status == 404


def test_data_collection_can_be_denied():
    assert "deepseek" in tags(model="deepseek/deepseek-v3.2")
    assert "deepseek" not in tags(model="deepseek/deepseek-v3.2", provider={"data_collection": "deny"})


def test_tools_need_an_endpoint_that_has_them():
    assert "novita" in tags()
    assert "novita" not in tags(tools=[TOOL])
    assert "novita" in tags(tools=[{"type": "openrouter:web_search"}])


def test_required_parameters_leave_only_endpoints_that_take_them_all():
    assert tags(logprobs=True, min_p=0.1, provider={"require_parameters": True}) == ["fireworks"]
    schema = {"type": "json_schema", "json_schema": {"name": "x", "strict": True}}
    assert tags(model=CLAUDE, response_format=schema, provider={"require_parameters": True}) == ["anthropic"]
    assert len(tags(model=CLAUDE, response_format=schema)) == 3


def test_a_long_completion_needs_an_endpoint_that_can_write_it():
    assert tags(max_tokens=20_000) == ["groq"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"provider": {"only": ["anthropic"]}}, 404, "No allowed providers are available"),
        ({"provider": {"ignore": ["openai", "azure"]}, "model": GPT}, 404, "No allowed providers are available"),
        ({"provider": {"order": ["openai"], "allow_fallbacks": False}}, 404, "No allowed providers are available"),
        ({"provider": {"zdr": True}, "model": LLAMA + ":free"}, 404, "zero data retention"),
        ({"provider": {"data_collection": "deny"}, "model": LLAMA + ":free"}, 404, "data_collection"),
        ({"provider": {"quantizations": ["int4"]}}, 404, "have the quantization int4"),
        ({"provider": {"max_price": {"prompt": 0.01}}}, 404, "provider.max_price prompt 0.01"),
        ({"provider": {"require_parameters": True}, "top_a": 0.1}, 404, "missing: top_a"),
        ({"tools": [TOOL], "model": "aion-labs/aion-rp-llama-3.1-8b"}, 404, "support tool use"),
        ({"modalities": ["image"]}, 404, "requested output modalities: image"),
        ({"max_tokens": 100_000}, 404, "completion of 100000 tokens"),
        ({"prompt_tokens": 200_000}, 400, "maximum context length is 131072 tokens"),
        ({"model": "nobody/nothing"}, 400, "nobody/nothing is not a valid model ID"),
        ({"model": GPT + ":free"}, 404, "No endpoints found for openai/gpt-5-mini:free"),
        ({"model": CLAUDE, "service_tier": "flex"}, 404, "in the service tier flex"),
        ({"model": "@preset/mine"}, 404, "Preset not found: mine"),
        ({"models": [LLAMA, "nobody/nothing"]}, 400, "nobody/nothing is not a valid model ID"),
    ],
)  # fmt: skip
def test_there_is_a_reason_where_nobody_can_serve(body, status, told):
    refusal = find(**body)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert told in refusal.message


def test_an_image_needs_a_model_that_sees():
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    messages = [{"role": "user", "content": [part]}]
    refusal = find(messages=messages)
    assert isinstance(refusal, Refusal)
    assert "support image input" in refusal.message
    assert models(messages=messages, models=[CLAUDE]) == [CLAUDE]


def test_a_file_goes_to_any_model_since_it_is_parsed():
    part = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}
    assert tags(messages=[{"role": "user", "content": [part]}])


def test_models_are_tried_in_order():
    assert models(model=LLAMA, models=[CLAUDE, LLAMA, GPT]) == [LLAMA, CLAUDE, GPT]


def test_a_prompt_too_long_for_one_model_goes_to_the_next():
    assert models(prompt_tokens=200_000, models=[CLAUDE]) == [CLAUDE]


@pytest.mark.parametrize(
    "body", [{"plugins": [{"id": "context-compression"}]}, {"transforms": ["middle-out"]}]
)
def test_a_prompt_too_long_fits_after_compression(call, body):
    assert tags(prompt_tokens=200_000, **body)
    reply = call.chat("word " * 140_000, model=LLAMA, **body)
    assert reply.json["usage"]["prompt_tokens"] == 131_072


SMALL = "gryphe/mythomax-l2-13b"


def test_a_small_window_is_compressed_for_unless_that_is_forbidden(call):
    assert models(model=SMALL, prompt_tokens=20_000) == [SMALL]
    forbidden = [
        {"plugins": [{"id": "context-compression", "enabled": False}]},
        {"transforms": []},
    ]
    for body in forbidden:
        refusal = find(model=SMALL, prompt_tokens=20_000, **body)
        assert isinstance(refusal, Refusal)
        assert refusal.error()["metadata"]["error_type"] == "context_length_exceeded"
    reply = call.chat("word " * 20_000, model=SMALL)
    assert reply.json["usage"]["prompt_tokens"] == 8_192


def test_the_endpoints_of_all_models_can_be_sorted_together():
    body = {
        "models": ["deepseek/deepseek-v3.2"],
        "provider": {"sort": {"by": "throughput", "partition": "none"}},
    }
    merged = [endpoint.throughput for endpoint in find(**body)]
    assert merged == sorted(merged, reverse=True)
    deepseek = {"model": "deepseek/deepseek-v3.2", "models": [LLAMA]}
    assert models(**deepseek)[0] == "deepseek/deepseek-v3.2"
    assert models(**deepseek, route="sort")[0] == LLAMA


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (f"{LLAMA}:nitro", "groq"),
        (f"{LLAMA}:floor", "deepinfra/turbo"),
        (f"{LLAMA}:exacto", "deepinfra"),
        (f"{LLAMA}:online", "deepinfra/turbo"),
        (f"{LLAMA}:free", "openinference"),
        (f"{LLAMA}:free:online", "openinference"),
        (f"{GPT}:nitro", "openai/priority"),
        (f"{GPT}:floor", "openai/flex"),
        (GPT, "openai"),
    ],
)
def test_suffixes_change_routing(model, expected):
    assert tags(model=model)[0] == expected


def test_tiers_have_to_be_asked_for():
    assert tags(model=GPT) == ["openai", "azure"]
    assert tags(model=GPT, provider={"order": ["openai"]}) == ["openai", "azure"]
    assert tags(model=GPT, provider={"order": ["openai/flex"]})[0] == "openai/flex"
    assert tags(model=GPT, service_tier="flex") == ["openai/flex"]
    assert tags(model=GPT, service_tier="priority") == ["openai/priority", "openai", "azure"]


def test_aliases_and_dated_names_find_the_real_model():
    assert models(model="~anthropic/claude-sonnet-latest") == ["anthropic/claude-sonnet-5"]
    assert models(model="~google/gemini-pro-latest") == ["google/gemini-3.1-pro-preview"]
    assert "image" in models(model="~google/gemini-flash-image-latest")[0]
    assert models(model="anthropic/claude-4.5-sonnet-20250929") == ["anthropic/claude-sonnet-4.5"]


def test_the_router_picks_a_model_that_can_do_what_is_asked():
    assert models(model="openrouter/auto")[0] == GPT
    assert models(model=None)[0] == GPT
    assert models(model="openrouter/auto", modalities=["image"]) == ["google/gemini-2.5-flash-image"]
    assert models(model="openrouter/free")[0].endswith(":free")
    plugin = {
        "id": "auto-router",
        "allowed_models": ["anthropic/*", "openai/*"],
        "excluded_models": ["openai/gpt-5*"],
    }
    assert models(model="openrouter/auto", plugins=[plugin]) == [CLAUDE]
    assert find(model="openrouter/auto", plugins=[{**plugin, "allowed_models": ["nobody/*"]}]).status == 404
    assert models(model="openrouter/auto", plugins=[{**plugin, "id": "auto-beta-router"}])[0] == GPT


def test_every_catalogued_model_can_be_called():
    assert [name for name in Catalog.bundled() if isinstance(find(model=name), Refusal)] == []


def test_a_model_that_is_down_gives_way_to_the_next(sandbox, call):
    sandbox.model_down(GPT)
    reply = call.chat(models=[CLAUDE])
    assert (reply.json["model"], reply.json["provider"]) == (CLAUDE, "Anthropic")
    sandbox.model_up(GPT)
    assert call.chat(models=[CLAUDE]).json["model"] == GPT


def test_a_provider_that_is_down_gives_way_to_the_next(sandbox, call):
    sandbox.provider_down("anthropic")
    assert call.chat(model=CLAUDE).json["provider"] == "Amazon Bedrock"
    sandbox.provider_up("anthropic")
    assert call.chat(model=CLAUDE).json["provider"] == "Anthropic"


def test_when_all_are_down_the_last_error_tells_of_the_others(sandbox, call):
    sandbox.model_down(GPT)
    reply = call.chat(headers={"X-OpenRouter-Metadata": "enabled"})
    assert reply.status == 502
    assert [each["status"] for each in reply.json["openrouter_metadata"]["attempts"]] == [502, 502]
    assert reply.error["metadata"]["error_type"] == "provider_unavailable"
    assert reply.error["metadata"]["provider_name"] == "Azure"
    assert [each["provider"] for each in reply.error["metadata"]["previous_errors"]] == ["OpenAI"]
    assert sandbox.credits_used == 0


def test_without_fallbacks_the_first_error_counts(sandbox, call):
    sandbox.provider_down("openai")
    reply = call.chat(provider={"allow_fallbacks": False})
    assert (reply.status, reply.error["metadata"]["provider_name"]) == (502, "OpenAI")


def test_a_misspelt_model_or_provider_cannot_be_taken_down(sandbox):
    with pytest.raises(ValueError, match="no endpoint serves 'openai/gtp-5'"):
        sandbox.model_down("openai/gtp-5")
    with pytest.raises(ValueError, match="no provider 'Antropic'"):
        sandbox.provider_down("Antropic")
