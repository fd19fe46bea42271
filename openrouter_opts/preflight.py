"""The check before a request leaves: findings become warnings, or an error."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, cast, get_args

from openrouter_opts.catalog import Catalog
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.lint import Body, Finding, is_worth_linting, lint
from openrouter_opts.options.caller import warn

Check: TypeAlias = Literal["off", "warn", "error"]
"""What to do about a request that would certainly go wrong: nothing, warn once, or raise `ConfigurationError`."""

_CHECKS: Final = get_args(Check)
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
    findings = lint(body, Catalog.of(catalog).certain)
    if findings and check == "error":
        raise ConfigurationError("\n".join(map(str, findings)))
    for finding in findings:
        if finding not in _warned:
            _warned.add(finding)
            warn(str(finding))
