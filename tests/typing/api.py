"""How the public API is used, for mypy and pyright to read; it is never run."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_type

from pydantic import SecretStr

from openrouter_opts import (
    AsyncStream,
    Catalog,
    Choice,
    Completion,
    Cost,
    Delta,
    Embeddings,
    Estimate,
    Model,
    OpenRouterClient,
    OpenRouterError,
    ProviderOptions,
    ProviderPreferences,
    Reasoning,
    Record,
    Spend,
    SpendLimit,
    SpendLimitExceeded,
    Stream,
    Timeout,
    ToolCall,
    ToolCallDelta,
    Usage,
    areconcile,
    errors,
    label_costs,
    reconcile,
    track_costs,
)
from openrouter_opts.options import MaxPrice, WebSearch

MESSAGES = [{"role": "user", "content": "hi"}]


def construct(fetch: Mapping[str, str]) -> None:
    OpenRouterClient()
    OpenRouterClient(api_key="sk-or-…", model="anthropic/claude-sonnet-4.6", max_retries=0)
    OpenRouterClient(api_key=SecretStr("sk-or-…"), timeout=30)
    OpenRouterClient(api_key=lambda: fetch["key"], timeout=Timeout(total=60), retry_uncertain=True)
    OpenRouterClient(provider_options={"provider": {"order": ["together"]}}, timeout={"idle": None})
    OpenRouterClient(provider_options=ProviderOptions(reasoning=Reasoning(effort="high")))
    OpenRouterClient(provider_options=ProviderOptions(provider=ProviderPreferences(sort="price")))
    MaxPrice(prompt=Decimal("0.5"), completion="2.50", request=0)
    search = WebSearch(user_location={"city": "Bergen"})
    ProviderOptions(
        tools=[search, {"type": "openrouter:newer"}], tool_choice=search, plugins=[{"id": "moderation"}]
    )
    ProviderOptions(
        tool_choice={"type": "function", "function": {"name": "f"}}, response_format={"type": "text"}
    )


def complete(client: OpenRouterClient) -> None:
    completion = client.complete(MESSAGES, model="openai/gpt-5-mini", temperature=0.2, timeout=10)
    assert_type(completion, Completion)
    assert_type(completion.text, str)
    assert_type(completion.choice, Choice)
    assert_type(completion.tool_calls, tuple[ToolCall, ...])
    assert_type(completion.usage, Usage | None)
    assert_type(completion.cost, Cost)
    assert_type(completion.cost.total, Decimal | None)
    for call in completion.tool_calls:
        assert_type(call.args, dict[str, Any] | None)


def stream(client: OpenRouterClient) -> None:
    with client.stream(MESSAGES) as answer:
        assert_type(answer, Stream)
        for delta in answer:
            assert_type(delta, Delta)
            assert_type(delta.text, str)
            assert_type(delta.tool_calls, tuple[ToolCallDelta, ...])
    assert_type(answer.completion, Completion)


async def await_all(client: OpenRouterClient) -> None:
    assert_type(await client.acomplete(MESSAGES), Completion)
    async with client.astream(MESSAGES, provider_options={"max_price": {"prompt": 1}}) as answer:
        assert_type(answer, AsyncStream)
        async for delta in answer:
            assert_type(delta, Delta)
    assert_type(answer.completion, Completion)
    assert_type(await client.amodels(), tuple[Model, ...])


async def embed(client: OpenRouterClient) -> None:
    found = client.embed(["a", "b"], model="openai/text-embedding-3-small", dimensions=256, user="u")
    assert_type(found, Embeddings)
    assert_type(found.vectors, tuple[list[float], ...])
    assert_type(found.cost, Cost)
    assert_type(await client.aembed([1, 2], encoding_format="float"), Embeddings)
    client.embed([[1], [2]], input_type="search_query")
    client.embed([{"content": [{"type": "text", "text": "a"}]}])
    assert_type(client.embedding_models(), tuple[Model, ...])


def look_up(client: OpenRouterClient) -> None:
    assert_type(client.models(), tuple[Model, ...])
    assert_type(client.endpoints("openai/gpt-5-mini"), dict[str, Any])
    assert_type(client.providers(), list[dict[str, Any]])
    assert_type(client.key(), dict[str, Any])
    assert_type(client.generation("gen-1"), dict[str, Any])
    assert_type(Catalog.bundled().facts("openai/gpt-5-mini"), Model)


def count(client: OpenRouterClient) -> None:
    with track_costs() as spend:
        client.complete(MESSAGES)
    assert_type(spend, Spend)
    assert_type(spend.total, Decimal)
    assert_type(spend.records, tuple[Record, ...])
    assert_type(spend.by("provider"), dict[str | None, Decimal])
    assert_type(spend.pending, tuple[Record, ...])
    with track_costs(limit="0.5", tags={"team": "search"}, reconcile=True), label_costs("nightly", user="42"):
        assert_type(spend.wrap(client.complete)(MESSAGES), Completion)
    assert_type(reconcile(spend), tuple[Record, ...])
    assert_type(reconcile(spend.records, client, wait=1), tuple[Record, ...])


def limit(client: OpenRouterClient) -> None:
    limited = SpendLimit("0.50", on_limit="fit", unknown_price=Decimal("0.01"), reconcile=True)
    OpenRouterClient(spend_limit=limited)
    OpenRouterClient(spend_limit="0.50")
    client.complete(MESSAGES, spend_limit=0.02)
    assert_type(limited.remaining, Decimal)
    limited.amount = "1"
    assert_type(limited.amount, Decimal)
    limited.write_off(limited.pending_records[0], "0.01")
    limited.charge("0.01")
    estimate = client.estimate_cost(MESSAGES, max_tokens=10)
    assert_type(estimate, Estimate)
    assert_type(estimate.high, Decimal | None)
    try:
        client.complete(MESSAGES)
    except SpendLimitExceeded as error:
        assert_type(error.worst_case, Decimal | None)
        assert_type(error.remaining, Decimal)


async def find_out(spend: Spend, limited: SpendLimit) -> None:
    assert_type(await areconcile(spend), tuple[Record, ...])
    assert_type(await areconcile(limited), tuple[Record, ...])


def catch(client: OpenRouterClient) -> None:
    try:
        client.complete(MESSAGES)
    except errors.RateLimited as error:
        assert_type(error.retry_after, float | None)
        assert_type(error.partial, Completion | None)
    except errors.TimedOut as error:
        assert_type(error.delivered, errors.Delivered)
        assert_type(error.phase, errors.Phase)
    except OpenRouterError as error:
        assert_type(error.status, int | None)
