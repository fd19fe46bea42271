"""What several calls took together, and what an answer from LangChain's cache takes: nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

# OpenAI's names, under which callbacks look for them in `llm_output`.
_COUNTS: Final = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "total_tokens": "total_tokens",
}


def with_totals(result: LLMResult) -> LLMResult:
    """Put into `llm_output` what all prompts of a result took: `token_usage`, `cost` in USD, and `model_name` if it was one model.

    Answers from the cache took nothing. Where the cost of one call is unknown, so is that of all: there is no `cost`.
    """
    result.llm_output = _totals([message for several in result.generations for message in _paid(several)])
    return result


def _paid(several: Sequence[Any]) -> Iterable[AIMessage]:
    """Return the first answer to a prompt, which says what all of them took."""
    return [each.message for each in several[:1] if isinstance(getattr(each, "message", None), AIMessage)]


def _totals(messages: Sequence[AIMessage]) -> dict[str, Any]:
    tokens: Counter[str] = Counter()
    for message in messages:
        usage: dict[str, Any] = dict(message.usage_metadata or {})
        # The mark that langchain-core puts on answers from its cache.
        if usage.get("total_cost") != 0:
            tokens.update({name: usage[key] for key, name in _COUNTS.items() if key in usage})
    total: dict[str, Any] = {"token_usage": dict(tokens)}
    costs = [message.response_metadata.get("cost") for message in messages]
    if None not in costs:
        # The shortest form of a float is the number that was billed.
        total["cost"] = float(sum((Decimal(str(cost)) for cost in costs), Decimal(0)))
    names = {message.response_metadata.get("model_name") for message in messages}
    if len(names) == 1:
        total["model_name"] = names.pop()
    return total


def from_cache(generation: ChatGeneration) -> ChatGeneration:
    """Return an answer that langchain-core has taken from its cache: it was paid for when it came the first time."""
    message = generation.message
    if not isinstance(message, AIMessage):
        return generation
    update: dict[str, Any] = {}
    if "cost" in message.response_metadata:
        free = {**message.response_metadata, "cost": 0.0}
        free.pop("cost_details", None)
        update["response_metadata"] = free
    if "input_tokens" not in (message.usage_metadata or {}):
        # The mark alone is no `UsageMetadata`, and such a message could not be stored.
        update["usage_metadata"] = None
    return generation.model_copy(update={"message": message.model_copy(update=update)})
