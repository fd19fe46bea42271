"""What would certainly go wrong with a request, as findings."""

from __future__ import annotations

from collections.abc import Callable

from openrouter_opts.catalog import Model
from openrouter_opts.lint.body import Body, models_of, object_in, provider_of
from openrouter_opts.lint.breakpoints import about_breakpoints, has_wrong_breakpoints
from openrouter_opts.lint.contradictions import contradictions
from openrouter_opts.lint.endpoints import Excluded, Serving, judged
from openrouter_opts.lint.finding import Finding
from openrouter_opts.lint.parameters import JUDGED, about_parameters


def lint(body: Body, facts: Callable[[str], Model | None]) -> tuple[Finding, ...]:
    """Return what would certainly go wrong with a request.

    Models are tried in order, so that it is the first one with an endpoint left that has to be able to do what is asked; where
    endpoints are sorted across models, any of them.

    Args:
        body: The request as it would be sent; its objects are dicts, as JSON asks.
        facts: Returns what is known of a model by its slug; `None` where that is nothing for certain.
    """
    found = list(contradictions(body))
    excluded: list[Finding] = []
    serving: list[Serving] = []
    for slug in models_of(body):
        candidate = judged(body, slug, facts(slug))
        if isinstance(candidate, Excluded):
            excluded += candidate.findings
            continue
        serving.append(candidate)
        if not _is_across_models(body):
            break
    if not serving:
        return (*found, *excluded)
    return (*found, *about_parameters(body, serving), *about_breakpoints(body, serving))


def is_worth_linting(body: Body) -> bool:
    """Whether there can be a finding at all, whatever the model; quick."""
    if not JUDGED.isdisjoint(body):
        return True
    return has_wrong_breakpoints(body)


def _is_across_models(body: Body) -> bool:
    """Whether the endpoints of all models are sorted together."""
    return object_in(provider_of(body), "sort").get("partition") == "none"
