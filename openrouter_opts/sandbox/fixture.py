"""The pytest fixture `openrouter_sandbox`; pytest finds it by itself once this distribution is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from openrouter_opts.sandbox.server import Sandbox


@pytest.fixture
def openrouter_sandbox() -> Iterator[Sandbox]:
    """A fresh sandbox for each test, stopped after it.

    Raises:
        ImportError: the extra ``sandbox`` isn't installed.
    """
    from openrouter_opts.sandbox import Sandbox  # noqa: PLC0415 - plugins are imported in every pytest run

    with Sandbox() as sandbox:
        yield sandbox
