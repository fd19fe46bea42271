"""Whatever options are set, the official SDK reads the same out of the body."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from openrouter_opts.options import ProviderOptions
from tests import oracle
from tests.option_values import option_sets


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(option_sets())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_legal_options_come_through_the_official_sdk_unchanged(options: dict[str, Any]) -> None:
    body = ProviderOptions.of(options).body
    assert oracle.problems({"messages": [{"role": "user", "content": "hi"}], **body}) == []
    assert ProviderOptions.of(body).body == body
