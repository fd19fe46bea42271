"""A call as attributes, by OpenTelemetry's conventions for generative AI.

Source: https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from openrouter_opts.money.cost import Cost
from openrouter_opts.protocol.completion import Completion, Usage
from openrouter_opts.protocol.decode import text_of
from openrouter_opts.protocol.embeddings import Embeddings
from openrouter_opts.protocol.request import Request
from openrouter_opts.tracing import COST_ATTRIBUTE

Answer: TypeAlias = Completion | Embeddings
Attributes: TypeAlias = dict[str, Any]

_OPERATIONS: Final = {"/chat/completions": "chat", "/embeddings": "embeddings"}
# Keys of the body.
_ASKED: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "stream": "gen_ai.request.stream",
    "session_id": "gen_ai.conversation.id",
    "dimensions": "gen_ai.embeddings.dimension.count",
}
_PORTS: Final = {"https": 443, "http": 80}


def operation_of(request: Request) -> str:
    """Return what is asked for."""
    return _OPERATIONS.get(request.path, request.path.strip("/"))


def of_call(request: Request, base_url: str) -> Attributes:
    """Return what metrics, too, tell apart: what was asked, of which model, and where."""
    where = urlsplit(base_url)
    return _known(
        {
            "gen_ai.operation.name": operation_of(request),
            "gen_ai.provider.name": "openrouter",
            "gen_ai.request.model": request.content.get("model"),
            "server.address": where.hostname,
            "server.port": where.port or _PORTS.get(where.scheme),
        }
    )


def of_request(body: Mapping[str, Any]) -> Attributes:
    """Return the settings of a request; nothing that was said in it."""
    stop, encoding = body.get("stop"), body.get("encoding_format")
    return _known(
        {name: body.get(key) for key, name in _ASKED.items() if key in body}
        | {
            "gen_ai.request.stop_sequences": (stop,) if isinstance(stop, str) else stop and tuple(stop),
            "gen_ai.request.encoding_formats": encoding and (encoding,),
            "gen_ai.output.type": _output_type(body.get("response_format")),
        }
    )


def of_answer(answer: Answer) -> Attributes:
    """Return who answered, and why it ended; nothing that was said in it."""
    reasons = [choice.finish_reason for choice in answer.choices] if isinstance(answer, Completion) else []
    return _known(
        {
            "gen_ai.response.id": answer.id,
            "gen_ai.response.model": answer.model,
            "gen_ai.response.finish_reasons": tuple(reason for reason in reasons if reason) or None,
            # Conventions have no name for who serves a model.
            "openrouter.provider.name": answer.provider,
        }
    )


def of_chunk(chunk: Mapping[str, Any]) -> Attributes:
    """Return who was answering when a stream ended before its end, by the last chunk that came."""
    return _known(
        {
            "gen_ai.response.id": text_of(chunk.get("id")),
            "gen_ai.response.model": text_of(chunk.get("model")),
            "openrouter.provider.name": text_of(chunk.get("provider")),
        }
    )


def of_usage(usage: Usage) -> Attributes:
    """Return the counts."""
    return _known(
        {
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        }
    )


def of_cost(cost: Cost, *, draft: bool) -> Attributes:
    """Return the cost, in USD; none if it is unknown.

    Args:
        cost: What a call cost.
        draft: Whether under the names of https://github.com/open-telemetry/semantic-conventions-genai/pull/443.
    """
    if cost.total is None:
        return {}
    total = float(cost.total)
    if not draft:
        return {COST_ATTRIBUTE: total}
    # From where the client stands, OpenRouter is the provider.
    facts = {"amount": total, "currency": "USD", "source": "provider"}
    return {f"{COST_ATTRIBUTE}.{name}": value for name, value in facts.items()}


def _output_type(response_format: Any) -> str | None:
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    return {"text": "text", "json_object": "json", "json_schema": "json"}.get(kind or "")


def _known(attributes: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
