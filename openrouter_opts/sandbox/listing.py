"""What can be looked up without an account: models, endpoints and providers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.catalog.slugs import Slug
from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.endpoints import endpoints_of
from openrouter_opts.sandbox.routing.providers import PROVIDERS, Provider
from openrouter_opts.sandbox.routing.table import LISTED

_MOST_ROWS: Final = 1000
_USUAL_ROWS: Final = 500


_UNKNOWN: Final[dict[str, Any]] = {
    "description": "",
    "per_request_limits": None,
    "default_parameters": None,
    "supported_voices": None,
}
"""What every row has, and the catalogue doesn't know."""


def _all_models() -> Iterator[Model]:
    """The catalogue, and the variants that only the sandbox offers."""
    catalog = Catalog.bundled()
    listed = set(iter(catalog))
    yield from catalog.values()
    yield from (catalog[name] for name in LISTED if name not in listed)


def models(query: Mapping[str, str]) -> dict[str, Any] | Refusal:
    """The answer of ``GET /models``; without `offset` and `limit` the list is whole."""
    for name in ("offset", "limit", "context"):
        if not query.get(name, "0").isdecimal():
            return Refusal(400, f"{name}: expected an integer, received {query[name]!r}")
    found = [model for model in _all_models() if all(keeps(model, query) for keeps in _KEEPS)]
    offset = int(query.get("offset") or 0)
    limited = "offset" in query or "limit" in query
    limit = min(int(query.get("limit") or _USUAL_ROWS), _MOST_ROWS) if limited else len(found)
    rows = found[offset : offset + limit]
    more = offset + limit < len(found)
    links = {"next": f"/api/v1/models?offset={offset + limit}&limit={limit}" if more else None}
    return {"data": [_row(model) for model in rows], "links": links, "total_count": len(found)}


def count(query: Mapping[str, str]) -> dict[str, Any] | Refusal:
    """The answer of ``GET /models/count``."""
    listed = models(query)
    return listed if isinstance(listed, Refusal) else {"data": {"count": listed["total_count"]}}


def model(model_id: str) -> dict[str, Any] | Refusal:
    """The answer of ``GET /model/{author}/{slug}``."""
    found = next((each for each in _all_models() if each.id == model_id), None)
    return {"data": _row(found)} if found else Refusal(404, f"Model {model_id} not found")


def endpoints(model_id: str) -> dict[str, Any] | Refusal:
    """The answer of ``GET /models/{author}/{slug}/endpoints``."""
    found = next((each for each in _all_models() if each.id == model_id), None)
    if found is None:
        return Refusal(404, f"Model {model_id} not found")
    row = _row(found)
    kept = {name: row.get(name) for name in ("id", "name", "created", "description", "architecture")}
    return {"data": {**kept, "endpoints": [endpoint.wire() for endpoint in endpoints_of(model_id)]}}


def zdr_endpoints() -> dict[str, Any]:
    """The answer of ``GET /endpoints/zdr``: every endpoint that keeps no data."""
    models = (each.id for each in _all_models() if not Slug.parse(each.id).is_latest_alias)
    found = (endpoint for each in models for endpoint in endpoints_of(each))
    return {"data": [endpoint.wire() for endpoint in found if endpoint.provider.zdr]}


def providers() -> dict[str, Any]:
    """The answer of ``GET /providers``."""
    known = _known_providers()
    return {"data": [known[slug].wire() for slug in sorted(known)]}


def provider_slugs() -> frozenset[str]:
    """The slug of every provider."""
    return frozenset(_known_providers())


@cache
def _known_providers() -> dict[str, Provider]:
    endpoints = (endpoint for each in _all_models() for endpoint in endpoints_of(each.id))
    return PROVIDERS | {endpoint.provider.slug: endpoint.provider for endpoint in endpoints}


def _row(found: Model) -> dict[str, Any]:
    """The catalogue's row; its parameters are those of all endpoints together."""
    served = endpoints_of(found.id)
    supported = frozenset[str]().union(*(endpoint.supported_parameters for endpoint in served))
    row = full_row(found)
    row["supported_parameters"] = sorted(supported)
    row["pricing"] = row["pricing"] or served[0].prices()
    return row


def full_row(found: Model) -> dict[str, Any]:
    """A model's row with every key that rows have."""
    row = _UNKNOWN | found.wire()
    row["top_provider"] = {"is_moderated": False} | row["top_provider"]
    row["links"] = {"details": f"/api/v1/models/{found.id}/endpoints"}
    return row


def _words(query: Mapping[str, str], name: str) -> set[str]:
    return {word for word in query.get(name, "").split(",") if word}


def _writes(found: Model, query: Mapping[str, str]) -> bool:
    wanted = _words(query, "output_modalities") or {"text"}
    return "all" in wanted or not wanted.isdisjoint(found.output_modalities)


def _reads(found: Model, query: Mapping[str, str]) -> bool:
    return _words(query, "input_modalities") <= set(found.input_modalities)


def _takes(found: Model, query: Mapping[str, str]) -> bool:
    wanted = _words(query, "supported_parameters")
    return not wanted or wanted <= set(_row(found)["supported_parameters"])


def _is_meant(found: Model, query: Mapping[str, str]) -> bool:
    return query.get("q", "").casefold() in f"{found.id} {found.name}".casefold()


def _is_long(found: Model, query: Mapping[str, str]) -> bool:
    return (found.context_length or 0) >= int(query.get("context") or 0)


def _is_by(found: Model, query: Mapping[str, str]) -> bool:
    authors = _words(query, "model_authors")
    return not authors or found.id.partition("/")[0] in authors


_KEEPS: Final[tuple[Callable[[Model, Mapping[str, str]], bool], ...]] = (
    _writes,
    _reads,
    _takes,
    _is_meant,
    _is_long,
    _is_by,
)
