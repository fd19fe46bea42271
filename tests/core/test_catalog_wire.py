"""Models on the wire: rows of ``GET /models`` in and out, odd ones included."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts.catalog import Catalog, Endpoint, Model
from openrouter_opts.catalog.rows import Override

ROW = {
    "id": "anthropic/claude-sonnet-4.5",
    "canonical_slug": "anthropic/claude-4.5-sonnet-20250929",
    "hugging_face_id": None,
    "name": "Anthropic: Claude Sonnet 4.5",
    "created": 1759161676,
    "description": "The most capable Sonnet.",
    "context_length": 1000000,
    "architecture": {
        "modality": "text+image->text",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "tokenizer": "Claude",
        "instruct_type": None,
    },
    "pricing": {
        "prompt": "0.000003",
        "completion": "0.000015",
        "input_cache_read": "0.0000003",
        "input_cache_write_1h": "0.000006",
        "web_search": "0.01",
        "discount": 0.5,
        "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000006"}],
    },
    "top_provider": {"context_length": 1000000, "max_completion_tokens": 64000, "is_moderated": False},
    "per_request_limits": None,
    "supported_parameters": ["tools", "max_tokens", "reasoning", "structured_outputs"],
    "reasoning": {"mandatory": False, "supported_efforts": ["low", "high"]},
    "something_new": {"kept": True},
}


def model(model_id: str, released: str | None = None, **facts) -> Model:
    return Model(model_id, model_id, released, **facts)


def test_a_row_of_the_api_is_read():
    sonnet = Model.from_wire(ROW)
    assert sonnet.id == "anthropic/claude-sonnet-4.5"
    assert sonnet.canonical_slug == "anthropic/claude-4.5-sonnet-20250929"
    assert sonnet.released == "2025-09-29"
    assert (sonnet.context_length, sonnet.max_completion_tokens) == (1_000_000, 64_000)
    assert sonnet.input_modalities == ("text", "image")
    assert sonnet.supported_parameters == {"tools", "max_tokens", "reasoning", "structured_outputs"}
    assert sonnet.pricing == {
        "prompt": Decimal("0.000003"),
        "completion": Decimal("0.000015"),
        "input_cache_read": Decimal("0.0000003"),
        "input_cache_write_1h": Decimal("0.000006"),
        "web_search": Decimal("0.01"),
    }
    assert sonnet.reasoning == {"mandatory": False, "supported_efforts": ["low", "high"]}
    assert sonnet.extra["something_new"] == {"kept": True}
    assert sonnet.extra["description"] == "The most capable Sonnet."
    assert sonnet.extra["top_provider"] == {"is_moderated": False}


def test_a_row_of_the_api_comes_back_whole():
    before = copy.deepcopy(ROW)
    wire = Model.from_wire(ROW).wire()
    assert wire == ROW | {"supported_parameters": sorted(ROW["supported_parameters"])}
    assert before == ROW
    assert Model.from_wire(wire) == Model.from_wire(ROW)


def test_a_row_with_nothing_but_an_id_is_read():
    assert Model.from_wire({"id": "acme/bare"}) == model("acme/bare")


def test_a_row_full_of_nulls_is_read():
    nulls = Model.from_wire(dict.fromkeys(ROW) | {"id": "acme/null"})
    assert replace(nulls, extra={}) == model("acme/null")
    assert nulls.wire()["pricing"] == {}
    assert Catalog.from_wire([nulls.wire()])["acme/null"].pricing is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5),
        ("created", "yesterday"),
        ("created", 10**15),
        ("released", "soon"),
        ("context_length", "128k"),
        ("architecture", ["text"]),
        ("architecture", {"input_modalities": "text"}),
        ("pricing", "free"),
        ("pricing", {"prompt": "ask", "completion": "NaN", "request": [1]}),
        ("top_provider", {"max_completion_tokens": 0}),
        ("supported_parameters", "tools"),
        ("reasoning", True),
        ("canonical_slug", ["a"]),
    ],
)
def test_a_value_that_nobody_expects_is_kept_and_breaks_nothing(key, value):
    odd = Catalog.from_wire([{"id": "acme/odd", key: value}])["acme/odd"]
    assert replace(odd, extra={}) == model("acme/odd")
    assert odd.extra == {key: value}


@pytest.mark.parametrize(
    ("published", "read"),
    [("0.00000250", "0.0000025"), ("2.5e-6", "0.0000025"), ("0", "0"), (0.0000025, "0.0000025"), (0, "0")],
)
def test_a_price_is_exact_and_survives_the_wire(published, read):
    priced = Model.from_wire({"id": "acme/priced", "pricing": {"prompt": published}})
    assert priced.price("prompt") == Decimal(read)
    assert Model.from_wire(json.loads(json.dumps(priced.wire()))) == priced


def test_a_small_price_is_written_without_exponent():
    assert model("acme/cheap", pricing={"prompt": Decimal("1E-9")}).wire()["pricing"] == {
        "prompt": "0.000000001"
    }


def test_the_price_of_a_router_is_no_price():
    assert (
        Model.from_wire({"id": "acme/router", "pricing": {"prompt": "-1", "completion": "-1"}}).pricing
        is None
    )


def test_routers_of_an_answer_are_left_out():
    rows = [ROW, {"id": "openrouter/auto"}, {"id": "openrouter/new-router", "pricing": {"prompt": "-1"}}]
    assert list(Catalog.from_wire({"data": rows, "total_count": 3})) == [ROW["id"]]


def test_wire_has_what_can_be_derived_and_leaves_out_what_isnt_known():
    wire = Catalog.bundled()["anthropic/claude-sonnet-4.6"].wire()
    assert wire["canonical_slug"] == wire["id"] == "anthropic/claude-sonnet-4.6"
    assert wire["created"] == 1771286400
    assert wire["architecture"]["modality"] == "text+image+file->text"
    assert wire["pricing"]["prompt"] == "0.000003"
    assert wire["top_provider"] == {"context_length": 1_000_000, "max_completion_tokens": 128_000}
    assert not {"description", "reasoning", "released"} & wire.keys()


def test_a_release_known_by_month_stays_one():
    kimi = Catalog.bundled()["moonshotai/kimi-k2.5"]
    assert kimi.released == "2026-01"
    assert kimi.wire()["created"] == 1767225600
    assert Model.from_wire(kimi.wire()) == replace(kimi, recorded_parameters=None)


ENDPOINT = {
    "name": "DeepInfra | acme/m",
    "provider_name": "DeepInfra",
    "tag": "deepinfra/turbo",
    "context_length": 32_000,
    "max_completion_tokens": None,
    "quantization": "fp8",
    "pricing": {
        "prompt": "0.000002",
        "completion": "0.000004",
        "discount": 0,
        "overrides": [{"utc_start": 1630, "utc_end": 30, "prompt": "0.000001"}],
    },
    "supported_parameters": ["tools", "seed"],
    "service_tier": None,
    "status": 0,
}
ENDPOINTS = {"data": {"id": "acme/m", "name": "M", "endpoints": [ENDPOINT, {"provider_name": "Big Cloud"}]}}


def test_endpoints_of_the_api_are_read():
    turbo, cloud = Model("acme/m", "M").with_endpoints(ENDPOINTS).endpoints
    assert turbo == Endpoint(
        provider="DeepInfra",
        tag="deepinfra/turbo",
        quantization="fp8",
        context_length=32_000,
        supported_parameters=frozenset({"tools", "seed"}),
        pricing={"prompt": Decimal("0.000001"), "completion": Decimal("0.000004")},
        list_pricing={"prompt": Decimal("0.000002"), "completion": Decimal("0.000004")},
        overrides=(Override(0, {"prompt": Decimal("0.000001")}),),
    )
    assert cloud == Endpoint("Big Cloud", "big-cloud")
    assert turbo.highest_pricing() == turbo.list_pricing
    assert cloud.highest_pricing() is None


@pytest.mark.parametrize(
    ("prompt_tokens", "price"),
    [
        (None, "0.000009"),
        (0, "0.000003"),
        (200_000, "0.000003"),
        (200_001, "0.000006"),
        (900_000, "0.000009"),
    ],
)
def test_long_prompts_have_prices_of_their_own(prompt_tokens: int | None, price: str):
    overrides = [
        {"min_prompt_tokens": 200_000, "prompt": "0.000006"},
        {"min_prompt_tokens": 800_000, "prompt": "0.000009", "utc_start": 100, "utc_end": 500},
        {"min_prompt_tokens": 5, "utc_days": ["monday"], "prompt": "0.000001"},
        "odd",
    ]
    pricing = {"prompt": "0.000003", "completion": "0.000015", "overrides": overrides}
    known = Model.from_wire({**ROW, "pricing": pricing})
    endpoint = Endpoint.from_wire({**ENDPOINT, "pricing": pricing})
    for each in (known, endpoint):
        highest = each.highest_pricing(prompt_tokens)
        assert highest == {"prompt": Decimal(price), "completion": Decimal("0.000015")}
    assert (endpoint.pricing or {})["prompt"] == Decimal("0.000001")
    assert (known.pricing or {})["prompt"] == Decimal("0.000003")


def test_a_price_that_only_some_pay_is_among_the_highest_and_not_among_the_lowest():
    overrides = [{"min_prompt_tokens": 200_000, "request": "0.01"}]
    pricing = {"prompt": "0.000003", "overrides": overrides}
    endpoint = Endpoint.from_wire({**ENDPOINT, "pricing": pricing})
    assert endpoint.pricing == {"prompt": Decimal("0.000003")}
    assert endpoint.highest_pricing() == {"prompt": Decimal("0.000003"), "request": Decimal("0.01")}


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("deepinfra/turbo", True),
        ("DeepInfra", True),
        ("deep", False),
        ("deepinfra/turbo/x", False),
        ("", False),
    ],
)
def test_a_preference_names_an_endpoint_by_tag_slug_or_name(name, means):
    assert Endpoint("DeepInfra", "deepinfra/turbo").is_named(name) is means


def test_a_catalogue_learns_the_endpoints_of_a_model():
    before = Catalog.from_wire([ROW])
    for answer in (ENDPOINTS, ENDPOINTS["data"]):
        after = before.with_endpoints(answer).with_endpoints({"id": ROW["id"], "endpoints": [ENDPOINT]})
        assert [len(after[model_id].endpoints) for model_id in ("acme/m", ROW["id"])] == [2, 1]
        assert after[ROW["id"]].pricing == before[ROW["id"]].pricing
        assert after[f"{ROW['id']}:free"].endpoints == ()
        assert "endpoints" not in after["acme/m"].wire()
    assert before[ROW["id"]].endpoints == ()


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({}, "^id: "),
        ({"data": {"id": "a/b"}}, "^endpoints: "),
        ({"id": "a/b", "endpoints": [ENDPOINT, {"name": "?"}]}, r"^endpoints\[1\].tag: "),
        ({"id": "a/b", "endpoints": ["x"]}, r"^endpoints\[0\].tag: "),
    ],
)
def test_an_answer_without_endpoints_says_where(answer, where):
    with pytest.raises(ValueError, match=where):
        Catalog().with_endpoints(answer)


ZDR = {"data": [{**ENDPOINT, "model_id": "acme/m"}, {**ENDPOINT, "model_id": "who/knows"}]}


@pytest.mark.parametrize("answer", [ZDR, ZDR["data"]], ids=["answer", "rows"])
def test_a_catalogue_learns_which_endpoints_keep_no_data(answer):
    before = Catalog([Model("acme/m", "M"), Model("acme/n", "N")])
    late, early = (
        before.with_zdr(answer).with_endpoints(ENDPOINTS),
        before.with_endpoints(ENDPOINTS).with_zdr(answer),
    )
    for known in (late, early):
        assert [endpoint.zdr for endpoint in known["acme/m"].endpoints] == [True, False]
        assert (known["acme/m"].zdr, known["acme/n"].zdr) == ({"deepinfra/turbo"}, frozenset())
        assert known["acme/m:free"].zdr is None
        assert {*known} == {"acme/m", "acme/n"}
        assert "zdr" not in known["acme/m"].wire()
    assert [endpoint.zdr for endpoint in before.with_endpoints(ENDPOINTS)["acme/m"].endpoints] == [None, None]


def test_a_list_of_endpoints_may_name_models_by_their_permaslugs():
    row = {**ENDPOINT, "model_id": "anthropic/claude-4.5-sonnet-20250929"}
    assert Catalog.bundled().with_zdr([row])["anthropic/claude-sonnet-4.5"].zdr == {"deepinfra/turbo"}


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({}, "^data: "),
        ({"data": {"id": "a/b"}}, "^data: "),
        ([ENDPOINT], r"^data\[0\].model_id: "),
        (["x"], r"^data\[0\].tag: "),
    ],
)
def test_a_list_of_zdr_endpoints_that_is_none_says_where(answer, where):
    with pytest.raises(ValueError, match=where):
        Catalog().with_zdr(answer)


def test_a_file_keeps_what_its_facts_say_something_about(tmp_path):
    some, all_of_it = model("a/b", recorded_parameters=frozenset({"tools"})), model("a/c")
    for models, kept in [((some,), {"tools"}), ((some, all_of_it), {"tools"}), ((all_of_it,), None)]:
        Catalog(models).dump(tmp_path / "models.json")
        loaded = Catalog.load(tmp_path / "models.json")
        assert {each.recorded_parameters for each in loaded.values()} == {kept and frozenset(kept)}


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({}, "data: "),
        ({"error": {"code": 401, "message": "no"}}, "data: .*'message': 'no'"),
        ("<html>", "data: .*<html>"),
        ([ROW, "x"], r"data\[1\].id: .*'x'"),
        ({"data": [{"name": "Nameless"}]}, r"data\[0\].id: .*Nameless"),
        ([{"id": ""}], r"data\[0\].id: "),
    ],
)
def test_an_answer_that_is_none_says_where(answer, where):
    with pytest.raises(ValueError, match=where):
        Catalog.from_wire(answer)


keys = st.sampled_from(
    [*(ROW.keys() - {"id"}), "released", "unheard_of", *ROW["architecture"], *ROW["pricing"]]
)
values = st.recursive(
    st.sampled_from([None, True, 0, -1, 128_000, 0.5, "", "-1", "0.000003", "2026-01", "text"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_any_row_is_read_and_survives_the_wire(row):
    read = Model.from_wire(row | {"id": "acme/any"})
    again = Model.from_wire(json.loads(json.dumps(read.wire())))
    assert again.wire() == read.wire()
    assert again.pricing == read.pricing
