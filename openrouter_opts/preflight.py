"""The check before a request leaves: findings become warnings, or an error."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.catalog.slugs import Slug
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.lint import Body, Finding, is_worth_linting, lint
from openrouter_opts.options.caller import stack_level

Check: TypeAlias = Literal["off", "warn", "error"]
"""What to do about a request that would certainly go wrong: nothing, warn once, or raise `ConfigurationError`."""

_CHECKS: Final = get_args(Check)
# These change the routing, and leave the facts of a model as they are.
_VIRTUAL: Final = frozenset({"nitro", "floor", "exacto", "online"})
_warned: set[Finding] = set()


def check_of(value: Any) -> Check:
    """Return a way to check; raises `ConfigurationError` for what is none."""
    if value not in _CHECKS:
        raise ConfigurationError(f"check: should be 'off', 'warn' or 'error', not {value!r}")
    return cast("Check", value)


def preflight(body: Body, check: Check, catalog: Catalog | None = None) -> None:
    """Warn of what would go wrong, each finding once in this process and at the user's line, or raise.

    Args:
        body: The request as it would be sent.
        check: What to do about findings.
        catalog: What is known of models; by default what comes with this package.

    Raises:
        ConfigurationError: `check` is "error", and there are findings; names them all.
    """
    if check == "off" or not is_worth_linting(body):
        return
    known = Catalog.bundled() if catalog is None else catalog
    findings = lint(body, partial(facts_of, catalog=known))
    if findings and check == "error":
        raise ConfigurationError("\n".join(map(str, findings)))
    for finding in findings:
        if finding not in _warned:
            _warned.add(finding)
            warnings.warn(str(finding), UserWarning, stack_level())


def facts_of(slug: str, catalog: Catalog) -> Model | None:
    """Return the facts that certainly hold for a slug. Those of a "latest" may be another model's by now, and a variant may have its own."""
    facts = None if slug.startswith("~") else catalog.get(slug)
    if facts is None or slug == facts.id:
        return facts
    variants = {*Slug.parse(slug).variants} - {*Slug.parse(facts.id).variants}
    return facts if variants <= _VIRTUAL else None
