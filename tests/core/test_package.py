"""The package itself: small until one of its names is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import openrouter_opts


def in_a_new_process(expression: str) -> Any:
    """Return the value of an expression where nothing of the package is imported but itself."""
    code = f"import json, sys, openrouter_opts; print(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_all_names_are_shown_before_any_is_imported() -> None:
    assert in_a_new_process("dir(openrouter_opts)") == sorted(openrouter_opts.__all__)
    assert (
        in_a_new_process("[name for name in sys.modules if name.startswith(('openrouter_opts.', 'httpx'))]")
        == []
    )


def test_the_errors_are_there_without_an_import_of_their_own() -> None:
    assert in_a_new_process("openrouter_opts.errors.RateLimited.__name__") == "RateLimited"


def test_every_name_is_there_when_it_is_asked_for() -> None:
    home = "getattr(getattr(openrouter_opts, name), '__name__', None)"
    assert in_a_new_process(f"{{name: {home} for name in openrouter_opts.__all__}}") == {
        **{name: name for name in openrouter_opts.__all__},
        "errors": "openrouter_opts.errors",
    }


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match=r"module 'openrouter_opts' has no attribute 'Nothing'"):
        openrouter_opts.Nothing  # noqa: B018 - asked for
