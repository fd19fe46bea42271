"""The pytest fixture `openrouter_sandbox`; pytest finds it by itself once this distribution is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from openrouter_opts.sandbox.server import Sandbox


@pytest.fixture
def openrouter_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A fresh sandbox for each test, stopped after it.

    `OPENROUTER_API_KEY` and `OPENROUTER_API_BASE` lead to it, so that the code under test needs no change.

    Raises:
        ImportError: the extra ``sandbox`` isn't installed.
    """
    from openrouter_opts.sandbox import Sandbox  # noqa: PLC0415 - plugins are imported in every pytest run

    with Sandbox() as sandbox:
        monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
        monkeypatch.setenv("OPENROUTER_API_BASE", sandbox.base_url)
        yield sandbox
