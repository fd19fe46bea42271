"""Whatever options are set, the official SDK reads the same out of the body; and whatever is misspelt, it is said."""

from __future__ import annotations

import copy
import string
from functools import reduce
from operator import getitem
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import (
    CacheControl,
    Debug,
    DeferredTools,
    JsonSchema,
    MaxPrice,
    Part,
    Percentiles,
    ProviderOptions,
    ProviderPreferences,
    ProviderSort,
    Reasoning,
    ResponseFormat,
)
from tests import oracle
from tests.option_values import option_sets

LEGAL: Final[dict[str, Any]] = {
    "provider": {"max_price": {}, "sort": {}, "preferred_max_latency": {}},
    "reasoning": {},
    "cache_control": {},
    "debug": {},
    "deferred_tools": {"search": {"type": "bm25"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "a"}},
}
CLOSED: Final[dict[str, type[Part]]] = {
    "provider": ProviderPreferences,
    "provider.max_price": MaxPrice,
    "provider.sort": ProviderSort,
    "provider.preferred_max_latency": Percentiles,
    "reasoning": Reasoning,
    "cache_control": CacheControl,
    "debug": Debug,
    "deferred_tools": DeferredTools,
    "response_format": ResponseFormat,
    "response_format.json_schema": JsonSchema,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(option_sets())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_legal_options_come_through_the_official_sdk_unchanged(options: dict[str, Any]) -> None:
    body = ProviderOptions.of(options).body
    assert oracle.problems({"messages": [{"role": "user", "content": "hi"}], **body}) == []
    assert ProviderOptions.of(body).body == body


@st.composite
def misspelt_keys(draw: st.DrawFn) -> tuple[str, str]:
    """Draw the path of an object, and a key of it with one letter too many, too few, wrong, or in its neighbour's place."""
    path = draw(st.sampled_from(sorted(CLOSED)))
    key = draw(st.sampled_from(sorted(CLOSED[path].known_keys())))
    place = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from(string.ascii_lowercase + "_"))
    before, here, after = key[:place], key[place], key[place + 1 :]
    misspelt = draw(
        st.sampled_from(
            [
                before + letter + here + after,
                before + after,
                before + letter + after,
                before + after[:1] + here + after[1:],
            ]
        )
    )
    assume(misspelt not in CLOSED[path].known_keys())
    return path, misspelt


@given(misspelt_keys())
@settings(max_examples=200, deadline=None)
def test_misspelt_key_inside_an_option_never_passes(misspelt: tuple[str, str]) -> None:
    path, key = misspelt
    options = copy.deepcopy(LEGAL)
    reduce(getitem, path.split("."), options)[key] = None
    with pytest.raises(
        ConfigurationError, match=rf"^{path}\.{key}: there is no such key; did you mean \w+\?"
    ):
        ProviderOptions.of(options)
