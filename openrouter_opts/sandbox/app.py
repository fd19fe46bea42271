"""The HTTP side: what comes in is written down, let in or not, and led to its route."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from openrouter_opts.sandbox import embedding, listing
from openrouter_opts.sandbox.answering import Answering
from openrouter_opts.sandbox.check.request import check
from openrouter_opts.sandbox.faults import Failure
from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.reply.served import Ending, Served
from openrouter_opts.sandbox.reply.stream import wire_json
from openrouter_opts.sandbox.response_cache import CacheWish, ResponseCache
from openrouter_opts.sandbox.seen import Headers, SeenRequest
from openrouter_opts.sandbox.service import Service, new_generation_id

BASE: Final = "/api/v1"
_OPEN: Final = ("/models", "/model/", "/embeddings/models", "/providers")
_PAID: Final = ("/chat/completions", "/embeddings")
_OWN_MODELS: Final = "/models/user"
_METADATA_HEADERS: Final = ("X-OpenRouter-Metadata", "X-OpenRouter-Experimental-Metadata")


class Desk:
    """The ASGI application of one sandbox.

    Args:
        service: what answers.
        key: the key that models answer to.
        management_key: the key that the account's credits are told to.
        seen: called with each request, whatever becomes of it.
    """

    def __init__(
        self, service: Service, key: str, management_key: str, seen: Callable[[SeenRequest], None]
    ) -> None:
        self._service = service
        self._key = key
        self._management_key = management_key
        self._seen = seen
        self._responses = ResponseCache()
        self._app: ASGIApp = Starlette(
            routes=[
                Route(f"{BASE}/chat/completions", self._chat, methods=["POST"]),
                Route(f"{BASE}/embeddings", self._embed, methods=["POST"]),
                Route(f"{BASE}/embeddings/models", self._embedding_models),
                Route(f"{BASE}/models", self._models),
                Route(f"{BASE}/models/count", self._count),
                Route(f"{BASE}/models/user", self._models),
                Route(f"{BASE}/models/{{model:path}}/endpoints", self._endpoints),
                Route(f"{BASE}/model/{{model:path}}", self._model),
                Route(f"{BASE}/endpoints/zdr", self._zdr_endpoints),
                Route(f"{BASE}/providers", self._providers),
                Route(f"{BASE}/key", self._own_key),
                Route(f"{BASE}/credits", self._credits),
                Route(f"{BASE}/generation", self._generation),
            ],
            exception_handlers={HTTPException: _not_here},
        )

    def reset(self) -> None:
        """Forget cached answers."""
        self._responses.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw = await _read(receive)
        path = scope["path"].removeprefix(BASE)
        headers = Headers(scope["headers"])
        query = scope["query_string"].decode("latin-1")
        seen = SeenRequest(scope["method"], path, query, headers, _parsed(raw), raw, time.time())
        self._seen(seen)
        scope["state"]["seen"] = seen
        failure = self._service.faults.failure(path)
        if failure is not None:
            await _failed(failure)(scope, receive, send)
        elif refusal := self._door(path, headers):
            await _refused(refusal)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _door(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why the request isn't let in."""
        if path.startswith(_OPEN) and path.rstrip("/") != _OWN_MODELS:
            return None
        key = _bearer(headers)
        if not key:
            return Refusal(401, "No auth credentials found")
        if key not in {self._key, self._management_key}:
            return Refusal(401, "User not found.")
        if path == "/credits" and key != self._management_key:
            return Refusal(
                403, "Only management keys can fetch credits: this needs the account's management key."
            )
        if path in _PAID and key != self._key:
            return Refusal(403, "Management keys cannot be used for completions: this needs an API key.")
        return None

    async def _chat(self, request: Request) -> Response:
        began = time.monotonic()
        seen: SeenRequest = request.state.seen
        generation_id = new_generation_id()
        headers = {"X-Generation-Id": generation_id}
        if seen.body is None:
            return _refused(Refusal(400, "The body is not valid JSON"), headers)
        refusal = check(seen.body)
        if refusal is not None:
            return _refused(refusal, headers)
        served = self._served(seen, generation_id)
        if isinstance(served, Refusal):
            return _refused(served, headers)
        return self._answering(served, seen, headers, began)

    def _served(self, seen: SeenRequest, generation_id: str) -> Served | Refusal:
        """The answer, from the response cache if it was asked for and has it."""
        repeated = self._responses.find(CacheWish.of(seen.headers), seen.raw, generation_id)
        if repeated is not None:
            return self._service.repeat(repeated)
        with_metadata = any(seen.headers.get(name) == "enabled" for name in _METADATA_HEADERS)
        return self._service.serve(seen.body, generation_id, with_metadata=with_metadata)

    def _answering(
        self, served: Served, seen: SeenRequest, headers: Mapping[str, str], began: float
    ) -> Response:
        """Let an answer out, with what is to go wrong on the way."""
        service, wish = self._service, CacheWish.of(seen.headers)

        def settle(ending: Ending) -> None:
            service.settle(served, ending, headers=seen.headers, began=began)
            if ending.sent is None and not ending.failed:
                self._responses.keep(wish, seen.raw, served)

        told = {**headers, **self._responses.headers(wish, seen.raw, served)}
        release = partial(service.books.release, served.reserved)
        return Answering(served, service.faults.mischief(), told, settle, release)

    async def _embed(self, request: Request) -> Response:
        began = time.monotonic()
        seen: SeenRequest = request.state.seen
        generation_id = new_generation_id()
        headers = {"X-Generation-Id": generation_id}
        if seen.body is None:
            return _refused(Refusal(400, "The body is not valid JSON"), headers)
        found = embedding.serve(seen.body, generation_id, self._service.books, seen.headers, began)
        return _answered_or_refused(found, headers)

    async def _embedding_models(self, _request: Request) -> Response:
        return _answered(embedding.listing())

    async def _models(self, request: Request) -> Response:
        return _answered_or_refused(listing.models(request.query_params))

    async def _count(self, request: Request) -> Response:
        return _answered_or_refused(listing.count(request.query_params))

    async def _model(self, request: Request) -> Response:
        return _answered_or_refused(listing.model(request.path_params["model"]))

    async def _endpoints(self, request: Request) -> Response:
        return _answered_or_refused(listing.endpoints(request.path_params["model"]))

    async def _zdr_endpoints(self, _request: Request) -> Response:
        return _answered(listing.zdr_endpoints())

    async def _providers(self, _request: Request) -> Response:
        return _answered(listing.providers())

    async def _own_key(self, request: Request) -> Response:
        key = _bearer(request.headers)
        label = f"{key[:8]}...{key[-3:]}"
        return _answered({"data": self._service.books.key_wire(label, manages=key == self._management_key)})

    async def _credits(self, _request: Request) -> Response:
        return _answered({"data": self._service.books.credits_wire()})

    async def _generation(self, request: Request) -> Response:
        generation_id = request.query_params.get("id")
        if not generation_id:
            return _refused(Refusal(400, "id: Required"))
        found = self._service.books.look_up(generation_id)
        if found is None:
            return _refused(Refusal(404, f"Generation {generation_id} not found"))
        return _answered({"data": found.wire()})


async def _read(receive: Receive) -> bytes:
    """The whole body; what came of it, if the client went away in between."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _bearer(headers: Mapping[str, str]) -> str:
    """The key in the request's headers, or nothing."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _parsed(raw: bytes) -> Any:
    """The JSON value, or None where there is none; NaN and its like aren't JSON."""
    try:
        return json.loads(raw, parse_constant=_no_constant, parse_float=_number)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> int | float:
    """The number; JSON knows no integers, so 5.0 is 5 to OpenRouter."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond what a number can be")
    return int(number) if number.is_integer() else number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _answered(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(wire_json(body), status, dict(headers or {}), media_type="application/json")


def _refused(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    return _answered(refusal.body(), refusal.status, {**refusal.headers, **(headers or {})})


def _answered_or_refused(
    found: Mapping[str, Any] | Refusal, headers: Mapping[str, str] | None = None
) -> Response:
    return _refused(found, headers) if isinstance(found, Refusal) else _answered(found, headers=headers)


def _failed(failure: Failure) -> Response:
    """The answer that was ordered; one that isn't JSON is taken for HTML, as a gateway's would be."""
    headers = {"X-Generation-Id": new_generation_id(), **failure.headers}
    if failure.body is None:
        return _refused(failure.refusal(), headers)
    if isinstance(failure.body, str | bytes):
        return Response(failure.body, failure.status, {"Content-Type": "text/html", **headers})
    return _answered(failure.body, failure.status, headers)


async def _not_here(request: Request, error: Exception) -> Response:
    """No such route, or not with this method."""
    assert isinstance(error, HTTPException)
    return _refused(Refusal(error.status_code, f"{error.detail}: {request.method} {request.url.path}"))
