"""The bundled snapshot, and lookups by every form that a slug can take."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from openrouter_opts.catalog import Catalog, Model, UnknownModelError
from openrouter_opts.catalog.catalog import DEFAULT_CONTEXT_LENGTH, ROUTERS

ROW = {
    "id": "anthropic/claude-sonnet-4.5",
    "canonical_slug": "anthropic/claude-4.5-sonnet-20250929",
    "pricing": {"prompt": "0.000003", "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000006"}]},
}


def model(model_id: str, released: str | None = None, **facts) -> Model:
    return Model(model_id, model_id, released, **facts)


@pytest.fixture
def bundled() -> Catalog:
    return Catalog.bundled()


@pytest.fixture
def few() -> Catalog:
    """A handful of models, so that what a lookup finds doesn't change with the snapshot."""
    prices = {"prompt": Decimal("0.000002"), "completion": Decimal("0.00001")}
    return Catalog(
        [
            model("acme/big-4", "2026-01-05", context_length=64_000, pricing=prices),
            model("acme/big-4:free", "2026-01-05", context_length=8_000, pricing={"prompt": Decimal(0)}),
            model("acme/big-5", "2026-03-01", context_length=90_000, pricing=prices),
            model("acme/big-5-pro", "2026-03-01", context_length=91_000),
            model("acme/big-6:free", "2026-09-01"),
            model("acme/mini-3", "2026-04-01"),
            model("acme/gemini-3", "2026-05-01"),
            model("acme/undated"),
            model("acme/big-4-2024-05-13", "2024-05-13", context_length=1_000),
            model("other/big-9", "2026-10-01"),
        ]
    )


# The snapshot


def test_snapshot_has_the_facts_of_a_real_model(bundled):
    sonnet = bundled["anthropic/claude-sonnet-4.6"]
    assert sonnet.name == "Claude Sonnet 4.6"
    assert sonnet.released == "2026-02-17"
    assert (sonnet.context_length, sonnet.max_completion_tokens) == (1_000_000, 128_000)
    assert sonnet.calls_tools
    assert sonnet.reasons
    assert sonnet.structured_output
    assert sonnet.reads("image")
    assert not sonnet.reads("video")
    assert sonnet.writes("text")
    assert not sonnet.writes("image")
    assert sonnet.price("prompt") == Decimal("0.000003")
    assert sonnet.price("completion") == Decimal("0.000015")
    assert sonnet.price("no_such_price") is None


def test_every_model_of_the_snapshot_makes_sense(bundled):
    assert len(bundled) > 300
    for model_id, facts in bundled.items():
        assert facts.id == model_id
        assert facts.known
        assert facts.context_length is not None
        assert facts.max_completion_tokens is not None
        assert 0 < facts.max_completion_tokens <= facts.context_length, model_id
        assert facts.reads("text"), model_id
        assert "max_tokens" in facts.supported_parameters
        assert not facts.extra, model_id
        if facts.pricing is not None:
            assert {"prompt", "completion"} <= facts.pricing.keys(), model_id
            assert all(0 <= price < Decimal("0.001") for price in facts.pricing.values()), model_id


def test_a_model_without_published_price_has_no_price_rather_than_zero(bundled):
    assert bundled["openai/gpt-5.1-codex"].price("prompt") is None


def test_free_variants_of_the_snapshot_cost_nothing(bundled):
    assert bundled["qwen/qwen3.8-27b:free"].price("completion") == 0


def test_snapshot_says_where_it_comes_from_and_from_when(bundled):
    assert bundled.as_of == "2026-11"
    assert "models.dev" in (bundled.source or "")
    assert repr(bundled) == f"Catalog({len(bundled)} models, as_of='2026-11')"


def test_snapshot_is_read_once(bundled):
    assert Catalog.bundled() is bundled


def test_dump_writes_the_bundled_file_byte_for_byte(bundled, tmp_path):
    bundled.dump(tmp_path / "snapshot.json")
    file = resources.files("openrouter_opts.catalog") / "snapshot.json"
    assert (tmp_path / "snapshot.json").read_bytes() == file.read_bytes()


def test_snapshot_has_one_model_per_line_sorted_by_id(bundled):
    file = resources.files("openrouter_opts.catalog") / "snapshot.json"
    rows = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith('{"id":')]
    ids = [json.loads(row.removesuffix(","))["id"] for row in rows]
    assert ids == sorted(bundled)


# Lookup


@pytest.mark.parametrize(
    "suffix", [":nitro", ":floor", ":online", ":exacto", ":online:nitro", "@preset/mine"]
)
def test_a_suffix_leads_to_the_base_model(few, suffix):
    assert few[f"acme/big-5{suffix}"] is few["acme/big-5"]
    assert f"acme/big-5{suffix}" in few


@pytest.mark.parametrize("slug", ["acme/big-4:free", "acme/big-4:free:online", "acme/big-4:online:free"])
def test_a_listed_variant_has_its_own_facts(few, slug):
    assert few[slug].id == "acme/big-4:free"
    assert few[slug].context_length == 8_000


@pytest.mark.parametrize("slug", ["acme/big-5:free", "acme/big-5:nitro:free", "acme/big-5:free@preset/mine"])
def test_an_unlisted_free_variant_has_the_base_facts_at_no_price(few, slug):
    free = few[slug]
    assert free.id == "acme/big-5:free"
    assert free.context_length == 90_000
    assert free.price("prompt") == free.price("completion") == 0
    assert few["acme/big-5"].price("prompt") == Decimal("0.000002")


def test_conditional_prices_dont_survive_in_a_free_variant():
    free = Catalog.from_wire([ROW])["anthropic/claude-sonnet-4.5:free"]
    assert free.wire()["pricing"] == {"prompt": "0", "completion": "0"}


@pytest.mark.parametrize(
    ("slug", "found"),
    [
        ("acme/big-5-20260301", "acme/big-5"),
        ("acme/big-5-2026-03-01", "acme/big-5"),
        ("acme/big-5-20260301:nitro", "acme/big-5"),
        ("acme/5-big-20260301", "acme/big-5"),
        ("acme/big-4-2024-05-13", "acme/big-4-2024-05-13"),
        ("acme/big-4-2024-05-14", "acme/big-4"),
    ],
)
def test_a_dated_permaslug_leads_to_its_model(few, slug, found):
    assert few[slug].id == found


@pytest.mark.parametrize("slug", ["acme/5-big", "acme/big-5-2026", "other/big-5-20260301"])
def test_a_slug_that_only_looks_similar_leads_nowhere(few, slug):
    assert few.get(slug) is None


def test_a_permaslug_that_the_api_named_is_found():
    row = ROW | {"canonical_slug": "anthropic/quite-different"}
    catalog = Catalog.from_wire([row, row | {"id": "anthropic/claude-sonnet-4.5:free"}])
    assert catalog["anthropic/quite-different"].id == "anthropic/claude-sonnet-4.5"
    assert catalog["anthropic/quite-different:nitro"].id == "anthropic/claude-sonnet-4.5"


@pytest.mark.parametrize(
    ("alias", "found"),
    [
        ("~acme/big-latest", "acme/big-5"),  # of one day the plainest, of the author only, and no variant
        ("~acme/big-pro-latest", "acme/big-5-pro"),
        ("~acme/mini-latest", "acme/mini-3"),  # and not gemini
        ("~acme/mini-latest:online", "acme/mini-3"),
        ("~acme/undated-latest", "acme/undated"),
    ],
)
def test_a_latest_alias_leads_to_the_newest_of_the_family(few, alias, found):
    assert few[alias].id == found


@pytest.mark.parametrize("alias", ["~acme/huge-latest", "~nobody/big-latest", "~acme/big", "acme/big-latest"])
def test_an_alias_of_no_family_leads_nowhere(few, alias):
    assert few.get(alias) is None


def test_a_listed_alias_has_its_own_facts(few):
    alias = model("~acme/big-latest", "2026-02-02")
    assert few.with_models(alias)["~acme/big-latest"] is alias


def test_an_alias_row_isnt_the_newest_of_another_family(few):
    catalog = few.with_models(model("~acme/big-pro-latest", "2026-12-01"))
    assert catalog["~acme/big-latest"].id == "acme/big-5"


def test_real_slugs_are_found_in_the_snapshot(bundled):
    assert bundled["openai/gpt-4o:nitro"].id == "openai/gpt-4o"
    assert bundled["openai/gpt-5-2025-08-07"].id == "openai/gpt-5"
    assert bundled["openai/gpt-4o-2024-05-13"].id == "openai/gpt-4o-2024-05-13"
    assert bundled["anthropic/claude-4.5-sonnet-20250929"].id == "anthropic/claude-sonnet-4.5"
    assert bundled["~anthropic/claude-sonnet-latest"].context_length == 1_000_000


@pytest.mark.parametrize("router", sorted(ROUTERS))
def test_a_router_has_no_facts_of_its_own(bundled, router):
    assert bundled.get(router) is None
    assert router not in bundled
    assert not bundled.facts(router).known


@pytest.mark.parametrize(
    "slug", ["", "@preset/mine", ":", "~", "/", "~/-latest", "a@b:c~d", "acme/" + "x-" * 500]
)
def test_no_slug_breaks_a_lookup(few, slug):
    assert few.get(slug) is None
    assert few.facts(slug).id == slug


def test_an_unknown_model_error_names_the_nearest_ids(bundled):
    with pytest.raises(UnknownModelError) as caught:
        bundled["openai/gtp-5-mini"]
    assert str(caught.value).startswith(
        "no model 'openai/gtp-5-mini' in the catalogue; the nearest are openai/gpt-5-mini,"
    )
    assert isinstance(caught.value, KeyError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_unknown_model_error_invents_no_neighbour(few):
    with pytest.raises(UnknownModelError) as caught:
        few["zzzzzz"]
    assert str(caught.value) == "no model 'zzzzzz' in the catalogue"


def test_get_gives_the_default_of_the_caller(few):
    fallback = model("acme/fallback")
    assert few.get("acme/none", fallback) is fallback
    assert few.get("acme/big-5:nitro", fallback) is few["acme/big-5"]
    assert 5 not in few


def test_facts_of_an_unlisted_model_are_marked_assumptions(few):
    facts = few.facts("acme/secret:nitro")
    assert not facts.known
    assert facts.id == "acme/secret:nitro"
    assert facts.context_length == DEFAULT_CONTEXT_LENGTH == 128_000
    assert facts.calls_tools
    assert not facts.structured_output
    assert facts.price("prompt") is None
    assert few.facts("acme/secret:free").price("prompt") == 0


def test_facts_of_a_listed_model_are_its_own(few):
    assert few.facts("acme/big-5:nitro") is few["acme/big-5"]


# Search, overrides


def test_search_finds_all_words_in_id_or_name_newest_first(few):
    renamed = replace(few["acme/big-5"], name="The Great One")
    catalog = few.with_models(renamed)
    assert [found.id for found in catalog.search("ACME big")] == [
        "acme/big-6:free",
        "acme/big-5",
        "acme/big-5-pro",
        "acme/big-4",
        "acme/big-4:free",
        "acme/big-4-2024-05-13",
    ]
    assert catalog.search("great acme") == (renamed,)
    assert catalog.search("nothing like it") == ()
    assert len(catalog.search("")) == len(catalog)


def test_with_models_adds_and_replaces_and_leaves_the_original_alone(few):
    mine = model("acme/mine")
    wider = replace(few["acme/big-5"], context_length=500_000)
    catalog = few.with_models(mine, wider)
    assert catalog["acme/mine"] is mine
    assert catalog["acme/big-5:nitro"].context_length == 500_000
    assert few["acme/big-5"].context_length == 90_000
    assert "acme/mine" not in few
    assert len(catalog) == len(few) + 1


def test_a_router_can_be_given_facts(few):
    catalog = few.with_models(model("openrouter/auto", context_length=32_000))
    assert catalog.facts("openrouter/auto:online").context_length == 32_000


def test_updated_takes_the_other_catalogue_where_both_know_a_model(few):
    fresh = Catalog(
        [model("acme/big-5", context_length=1), model("acme/new")], as_of="2026-12-24", source="GET /models"
    )
    catalog = few.updated(fresh)
    assert catalog["acme/big-5"].context_length == 1
    assert "acme/new" in catalog
    assert "acme/big-4" in catalog
    assert (catalog.as_of, catalog.source) == ("2026-12-24", "GET /models")
    assert fresh.updated(few).as_of == "2026-12-24"


def test_catalogues_and_models_are_values(few):
    assert Catalog(few.values()) == few
    assert pickle.loads(pickle.dumps(few)) == few
    assert copy.deepcopy(few) == few
    assert len({few["acme/big-5"], replace(few["acme/big-5"])}) == 1
    with pytest.raises(FrozenInstanceError):
        few["acme/big-5"].name = "other"
    with pytest.raises(TypeError):
        few["acme/big-5"] = model("acme/big-5")


# Files


def test_a_catalogue_survives_a_file(tmp_path):
    catalog = Catalog(
        [Model.from_wire(ROW), model("openrouter/auto"), model("zoë/ünïcode")], as_of="2026-11-24"
    )
    path = tmp_path / "models.json"
    path.write_text("an older one", encoding="utf-8")
    catalog.dump(path)
    loaded = Catalog.load(str(path))
    assert loaded == catalog
    assert (loaded.as_of, loaded.source) == ("2026-11-24", None)
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_answer_of_the_api_can_be_loaded(tmp_path):
    for content in ({"data": [ROW]}, [ROW]):
        (tmp_path / "models.json").write_text(json.dumps(content), encoding="utf-8")
        assert list(Catalog.load(tmp_path / "models.json")) == [ROW["id"]]


def test_an_empty_catalogue_survives_a_file(tmp_path):
    Catalog().dump(tmp_path / "none.json")
    assert Catalog.load(tmp_path / "none.json") == Catalog()


@pytest.mark.parametrize("content", ["", "{", "5", '{"data":{}}', '{"data":[{}]}'])
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, content):
    path = tmp_path / "broken.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken\.json is no catalogue: "):
        Catalog.load(path)
