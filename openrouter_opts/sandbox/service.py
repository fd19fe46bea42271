"""The heart of the sandbox: a checked request goes in, an answer from a chosen endpoint comes out."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from openrouter_opts.sandbox import answers
from openrouter_opts.sandbox.check.messages import understood
from openrouter_opts.sandbox.faults import Faults
from openrouter_opts.sandbox.money.bill import FREE, Counts, bill, usage
from openrouter_opts.sandbox.money.books import Books
from openrouter_opts.sandbox.money.generation import Generation
from openrouter_opts.sandbox.money.prompt import Block, blocks_of, fitted
from openrouter_opts.sandbox.money.prompt_cache import CacheUse, PromptCache
from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.reply import reasoning
from openrouter_opts.sandbox.reply.served import Ending, Served
from openrouter_opts.sandbox.reply.server_tools import Extras, extras_of
from openrouter_opts.sandbox.reply.turn import Turn, scripted_turn, turn_of
from openrouter_opts.sandbox.routing.endpoints import Endpoint
from openrouter_opts.sandbox.routing.names import choices_of, names_of, strategy_of
from openrouter_opts.sandbox.routing.order import route
from openrouter_opts.sandbox.routing.wishes import PARAMETERS, Wishes, max_tokens_of

_ALPHABET: Final = string.ascii_letters + string.digits


def new_generation_id() -> str:
    """``gen-<unix seconds>-<20 characters>``."""
    return f"gen-{int(time.time())}-{''.join(secrets.choice(_ALPHABET) for _ in range(20))}"


class Service:
    """Routes, answers, and counts; what it remembers is the account, the caches and the faults."""

    def __init__(self, books: Books, faults: Faults) -> None:
        self.books = books
        self.faults = faults
        self._cache = PromptCache()

    def reset(self) -> None:
        """Forget what was cached."""
        self._cache.clear()

    def serve(self, body: Mapping[str, Any], generation_id: str, *, with_metadata: bool) -> Served | Refusal:
        """Answer a checked request: each endpoint is tried in turn, and the last error counts if none answers.

        What the answer may cost is set aside first (`Served.reserved`), so that a refusal uses up no script and fills no cache.
        """
        body = _with_messages(body)
        blocks = blocks_of(body)
        choices = choices_of(body)
        if isinstance(choices, Refusal):
            return choices
        endpoints = route(choices, Wishes.of(body, sum(block.tokens for block in blocks)))
        if isinstance(endpoints, Refusal):
            return endpoints
        attempts, refusal = self._tried(endpoints, body)
        told = _metadata(body, endpoints, attempts) if with_metadata else None
        if refusal is not None:
            earlier = {"previous_errors": _errors(attempts[:-1])} if len(attempts) > 1 else {}
            return replace(refusal, metadata=dict(refusal.metadata) | earlier, router=told)
        endpoint = endpoints[len(attempts) - 1]
        blocks = fitted(blocks, endpoint.context_length)
        reserved = _estimate(body, blocks, endpoint)
        return self.books.reserve(reserved) or replace(
            self._answered(body, blocks, endpoint, generation_id),
            attempts=tuple(attempts),
            metadata=told,
            reserved=reserved,
        )

    def repeat(self, served: Served) -> Served | Refusal:
        """Let an answer from the response cache out: it costs nothing, and like a free model it wants no debts."""
        return self.books.reserve(served.reserved) or served

    def settle(self, served: Served, ending: Ending, *, headers: Mapping[str, str], began: float) -> None:
        """Book a generation; nobody pays for what the provider broke off.

        Args:
            served: the answer.
            ending: how it ended.
            headers: the request's.
            began: when the request came, by `time.monotonic`.
        """
        cancelled = ending.sent is not None and not ending.failed
        reason, native = _reasons(served, ending)
        told = _told(served, ending)
        cost = told["cost"]
        now = time.monotonic()
        self.books.record(
            Generation(
                id=served.generation_id,
                model=served.endpoint.model,
                provider=served.endpoint.provider.name,
                created=served.created,
                cost=served.charge().cost if cost is None else Decimal(repr(cost)),
                usage=told,
                streamed=bool(served.request.get("stream")),
                cancelled=cancelled,
                finish_reason=reason,
                native_finish_reason=native,
                latency=ending.first_token - began,
                duration=now - ending.first_token,
                request=served.request,
                referer=headers.get("http-referer"),
                user_agent=headers.get("user-agent"),
                attempts=served.attempts,
                source=served.source,
            )
        )

    def _tried(
        self, endpoints: tuple[Endpoint, ...], body: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], Refusal | None]:
        """The attempts up to the first endpoint that answers, and the last refusal if none does."""
        attempts: list[dict[str, Any]] = []
        refusal: Refusal | None = None
        for endpoint in endpoints:
            refusal = self._refusal(endpoint, body)
            attempts.append(_attempt(endpoint, refusal))
            if refusal is None:
                break
        return attempts, refusal

    def _refusal(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Refusal | None:
        """Why this endpoint doesn't answer."""
        if self.faults.is_down(endpoint):
            raw = f"{endpoint.model} is down at {endpoint.provider.name}"
            return Refusal(
                502, "Provider returned error", {"provider_name": endpoint.provider.name, "raw": raw}
            )
        wish = reasoning.wish_of(body, endpoint)
        if isinstance(wish, Refusal):
            return wish
        return (
            reasoning.budget_refusal(body, endpoint, max_tokens_of(body))
            or reasoning.update_refusal(body["messages"], endpoint)
            or reasoning.replay_refusal(body["messages"], endpoint)
        )

    def _answered(
        self,
        body: Mapping[str, Any],
        blocks: list[Block],
        endpoint: Endpoint,
        generation_id: str,
    ) -> Served:
        script = self.faults.script()
        extras = extras_of(body)
        if script is None:
            turn = replace(_spoken(body, endpoint, generation_id), annotations=extras.annotations)
        else:
            turn = scripted_turn(script.message, script.finish_reason, endpoint, generation_id)
        return Served(
            generation_id=generation_id,
            created=int(time.time()),
            endpoint=endpoint,
            turn=turn,
            counts=self._counts(body, blocks, endpoint, turn, extras),
            request=body,
            scripted_usage=script.usage if script else None,
        )

    def _counts(
        self, body: Mapping[str, Any], blocks: list[Block], endpoint: Endpoint, turn: Turn, extras: Extras
    ) -> Counts:
        used = self._cache.use(endpoint, blocks, mark_last=body.get("cache_control") is not None)
        return replace(
            Counts.of_prompt(blocks, used),
            completion=turn.tokens,
            reasoning=turn.reasoning_tokens,
            image=turn.image_tokens,
            audio_out=turn.audio_tokens,
            searches=extras.searches,
            fee=extras.fee,
        )


def _estimate(body: Mapping[str, Any], blocks: list[Block], endpoint: Endpoint) -> Decimal:
    """What the request may cost, as far as it says so itself: its prompt, uncached, and `max_tokens` if given."""
    counts = Counts.of_prompt(blocks, CacheUse())
    return bill(replace(counts, completion=max_tokens_of(body) or 0), endpoint).cost


def _reasons(served: Served, ending: Ending) -> tuple[str | None, str | None]:
    """The finish reason and the provider's own; a stream that was broken off has none."""
    if ending.failed:
        return "error", None
    if ending.sent is not None:
        return None, None
    return served.turn.finish_reason, served.turn.native_finish_reason


def _told(served: Served, ending: Ending) -> dict[str, Any]:
    """The `usage` of a generation, as it ended: of a broken stream what was sent counts, where the provider can stop."""
    if ending.sent is None and not ending.failed:
        return served.usage()
    counts = served.counts
    if ending.sent is not None and served.endpoint.provider.cancels:
        counts = counts.having_sent(ending.sent)
    insured = (
        ending.failed or counts.completion == 0
    )  # https://openrouter.ai/docs/guides/features/zero-completion-insurance
    return usage(counts, FREE if insured else served.charge(counts))


def _with_messages(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with the messages that a model understands; the legacy `prompt` is one of a user."""
    messages = body.get("messages") or [{"role": "user", "content": body["prompt"]}]
    return {**body, "messages": [understood(message) for message in messages]}


def _spoken(body: Mapping[str, Any], endpoint: Endpoint, seed: str) -> Turn:
    """Ask the model, leaving out what the endpoint doesn't support, as OpenRouter does without a word."""
    wish = reasoning.wish_of(body, endpoint)
    assert not isinstance(wish, Refusal)
    heard = {
        name: value
        for name, value in body.items()
        if name not in PARAMETERS or name in endpoint.supported_parameters
    }
    heard["tools"] = [tool for tool in heard.get("tools") or () if tool["type"] == "function"]
    if not heard["tools"]:
        heard.pop("tool_choice", None)
    answer = answers.answer(heard, reasons=wish.reasons)
    return turn_of(answer, heard, endpoint, shows=wish.shows, seed=seed)


def _attempt(endpoint: Endpoint, refusal: Refusal | None) -> dict[str, Any]:
    status = refusal.status if refusal else 200
    return {"provider_name": endpoint.provider.name, "model_permaslug": endpoint.model, "status": status}


def _errors(attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The attempts before the last as `error.metadata.previous_errors`."""
    return [
        {"provider": each["provider_name"], "code": each["status"], "status": each["status"]}
        for each in attempts
    ]


def _metadata(
    body: Mapping[str, Any], endpoints: tuple[Endpoint, ...], attempts: list[dict[str, Any]]
) -> dict[str, Any]:
    """The `openrouter_metadata` object; no endpoint is selected where none answered."""
    last, tried = endpoints[len(attempts) - 1], len(attempts)
    answered = attempts[-1]["status"] == 200
    return {
        "requested": names_of(body)[0],
        "strategy": strategy_of(body, last.model),
        "region": None,
        "summary": f"{last.model} at {last.provider.name}, attempt {tried}",
        "attempt": tried,
        "is_byok": False,
        "endpoints": {
            "total": len(endpoints),
            "available": [
                {"provider": each.provider.name, "model": each.model, "selected": answered and each == last}
                for each in endpoints
            ],
        },
        "attempts": [
            {"provider": each["provider_name"], "model": each["model_permaslug"], "status": each["status"]}
            for each in attempts
        ],
    }
