"""Options that OpenRouter has renamed or retired still work, and say once what to use instead."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pydantic import BaseModel

from openrouter_opts.options import OptionFields, ProviderOptions, deprecated, warn_if_online


@pytest.fixture(autouse=True)
def nothing_warned_about_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", set())


def body(**options: object) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return ProviderOptions.of(options).body


# The guide's names, and what they come to today.
GUIDE = [
    ("openrouter_models", ["openai/gpt-5-mini"], {"models": ["openai/gpt-5-mini"]}),
    ("openrouter_route", "fallback", {}),
    ("openrouter_route", "sort", {"provider": {"sort": {"partition": "none"}}}),
    (
        "openrouter_provider",
        {"order": ["Together", "Fireworks"], "require_parameters": True},
        {"provider": {"order": ["Together", "Fireworks"], "require_parameters": True}},
    ),
    ("openrouter_transforms", ["middle-out"], {"plugins": [{"id": "context-compression"}]}),
    ("openrouter_transforms", [], {"plugins": [{"id": "context-compression", "enabled": False}]}),
    ("openrouter_top_k", 40, {"top_k": 40}),
    ("openrouter_repetition_penalty", 1.1, {"repetition_penalty": 1.1}),
    ("openrouter_min_p", 0.05, {"min_p": 0.05}),
    ("openrouter_top_a", 0.1, {"top_a": 0.1}),
    ("openrouter_top_logprobs", 5, {"logprobs": True, "top_logprobs": 5}),
    ("openrouter_usage", {"include": True}, {}),
    ("openrouter_plugins", [{"id": "web"}], {"plugins": [{"id": "web"}]}),
    ("openrouter_session_id", "s-1", {"session_id": "s-1"}),
    ("app_referer", "https://example.com", {"HTTP-Referer": "https://example.com"}),
    ("app_title", "My App", {"X-OpenRouter-Title": "My App"}),
]


@pytest.mark.parametrize(("name", "value", "sent"), GUIDE)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_option_of_the_guide_ends_as_it_should_today(name, value, sent):
    options = ProviderOptions.of({name: value})
    assert {**options.body, **options.headers} == sent


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"openrouter_route": "sort"}, r"route is deprecated: use `provider\.sort\.partition`"),
        ({"openrouter_transforms": []}, "transforms is deprecated: use `plugins` with .*context-compression"),
        (
            {"openrouter_usage": {"include": True}},
            "usage is deprecated: leave it out, usage and cost",
        ),
        ({"stream_options": {"include_usage": True}}, "stream_options is deprecated: leave it out"),
        ({"include_reasoning": True}, "include_reasoning is deprecated: use `reasoning`"),
        ({"plugins": [{"id": "web"}]}, "plugin web is deprecated: use the server tool `WebSearch`"),
        ({"models": ["a/b:online"]}, "suffix :online is deprecated: use the server tool `WebSearch`"),
    ],
)
def test_deprecated_option_warns_once_at_the_callers_line(options, warning):
    with pytest.warns(DeprecationWarning, match=warning) as caught:
        ProviderOptions.of(options)
    ProviderOptions(**options)
    assert [entry.filename for entry in caught] == [__file__]


def test_model_slug_with_online_warns():
    with pytest.warns(DeprecationWarning, match="suffix :online"):
        warn_if_online("openai/gpt-5:online")
    warn_if_online("openai/gpt-5:online")


def test_warning_points_at_the_line_that_makes_a_pydantic_model():
    class Job(BaseModel):
        options: ProviderOptions

    with pytest.warns(DeprecationWarning, match="route") as caught:
        Job(options={"route": "sort"})
    assert [entry.filename for entry in caught] == [__file__]


def test_route_keeps_the_order_that_was_asked_for():
    assert body(route="sort", sort="price") == {"provider": {"sort": {"partition": "none", "by": "price"}}}
    assert body(route="sort", sort={"by": "price"}, zdr=True) == {
        "provider": {"sort": {"partition": "none", "by": "price"}, "zdr": True}
    }


def test_route_goes_with_a_partition_that_says_the_same():
    sort = {"by": "price", "partition": "none"}
    assert body(route="sort", sort=sort) == {"provider": {"sort": sort}}
    assert list(body(route="sort", sort="price", order=["a"])["provider"]) == ["order", "sort"]
    for by in ("price", {"by": "price"}):
        assert list(body(route="sort", sort=by)["provider"]["sort"]) == ["by", "partition"]


def test_transforms_join_the_plugins():
    assert body(transforms=["middle-out"], plugins=[{"id": "response-healing"}]) == {
        "plugins": [{"id": "response-healing"}, {"id": "context-compression"}]
    }
    compression = {"id": "context-compression", "engine": "middle-out"}
    assert body(transforms=["middle-out"], plugins=[compression]) == {"plugins": [compression]}


def test_include_reasoning_joins_reasoning():
    assert body(include_reasoning=True) == {"reasoning": {}}
    assert body(include_reasoning=False, reasoning={"effort": "low"}) == {
        "reasoning": {"exclude": True, "effort": "low"}
    }
    assert list(body(include_reasoning=False, reasoning={"effort": "low"})["reasoning"]) == [
        "effort",
        "exclude",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"route": "newer"},
        {"transforms": ["newer"]},
        {"usage": {"newer": 1}},
        {"stream_options": {"newer": 1}},
    ],
)
def test_deprecated_option_with_an_unknown_value_goes_out_as_it_is(options):
    assert body(**options) == options


def test_the_same_warning_can_be_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeprecationWarning):
            ProviderOptions(route="sort")


def test_options_of_a_model_class_are_what_the_user_gave():
    class Model(OptionFields):
        pass

    model = Model(temperature=1, provider={"order": ["a"]})
    model.seed = 7
    assert model.model_dump(exclude_unset=True) == {"temperature": 1, "provider": {"order": ["a"]}, "seed": 7}
    assert model.top_p is None
