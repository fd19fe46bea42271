"""Whether a request may ask for endpoints that support every parameter it has."""

from __future__ import annotations

from collections.abc import Callable

from openrouter_opts.catalog import Model
from openrouter_opts.lint.body import Body, models_of, provider_of
from openrouter_opts.lint.check import lint


def may_require(body: Body, facts: Callable[[str], Model | None]) -> bool:
    """Tell whether `require_parameters` can be set for a request whose schema matters: endpoints without support drop it silently.

    It can't where the request says something about `require_parameters`, or where no endpoint would be left: then another parameter that
    no endpoint supports, which is dropped otherwise, would make every call fail.

    Source: https://openrouter.ai/docs/guides/routing/provider-selection

    Args:
        body: The request as it would be sent.
        facts: Returns what is known of a model by its slug; `None` where that is nothing for certain.
    """
    provider = provider_of(body)
    if provider.get("require_parameters") is not None:
        return False
    required = {"provider": {**provider, "require_parameters": True}}
    alone = [{**body, "model": slug, "models": []} for slug in models_of(body)]
    return all(set(lint(each | required, facts)) <= set(lint(each, facts)) for each in alone)
