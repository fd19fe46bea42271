"""The models that OpenRouter offers, as a value: a bundled snapshot, or an answer of ``GET /models``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self, TypeVar, overload

from openrouter_opts.catalog.endpoints import zdr_in
from openrouter_opts.catalog.models import FREE_PRICING, Model
from openrouter_opts.catalog.rows import names_in, object_in
from openrouter_opts.catalog.slugs import FREE, VIRTUAL, Slug

DEFAULT_CONTEXT_LENGTH = 128_000
"""Tokens assumed for a model in no catalogue: nearly every model of the last two years has at least these."""

DEFAULT_SUPPORTED_PARAMETERS = frozenset(
    {"max_tokens", "stop", "temperature", "tool_choice", "tools", "top_p"}
)
"""Parameters assumed for a model in no catalogue. Tools are, since refusing a call that would have worked is the
worse mistake; structured outputs aren't, since both frameworks have a way around them."""

ROUTERS = frozenset(
    f"openrouter/{name}"
    for name in ("auto", "auto-beta", "bodybuilder", "free", "fusion", "fusion-flash", "pareto-code")
)
"""Slugs that stand for whichever model OpenRouter chooses, https://openrouter.ai/docs/guides/routing/routers."""

_SNAPSHOT: Final = "the catalogue that comes with this package has the price of one endpoint among others"

_Default = TypeVar("_Default")


class UnknownModelError(KeyError):
    """The catalogue has no such model; the message names the nearest ids."""

    def __str__(self) -> str:
        return str(self.args[0])


class Catalog(Mapping[str, Model]):
    """Models by id: an immutable mapping that understands every form of a slug.

    Iteration, ``len`` and ``values()`` give the models that are listed. A lookup also finds a model by a variant
    that isn't listed (``:nitro``, ``:online``, …), by ``author/name@preset/slug``, by a dated permaslug and by
    ``~author/family-latest``. Routers such as ``openrouter/auto`` are not models and have no facts of their own.

    Args:
        models: the models; of two with one id the later counts.
        as_of: when these facts held.
        source: where they come from.
    """

    def __init__(
        self, models: Iterable[Model] = (), *, as_of: str | None = None, source: str | None = None
    ) -> None:
        self._models = {model.id: model for model in models}
        self.as_of: Final = as_of
        self.source: Final = source

    @classmethod
    def bundled(cls) -> Catalog:
        """The snapshot that comes with this package, read on first use and never from the network.

        Its `source` and `as_of` say where the facts come from and from when.
        """
        return _bundled()

    @classmethod
    def of(cls, given: Catalog | None) -> Catalog:
        """Return the catalogue that is given, or else the bundled one."""
        return _bundled() if given is None else given

    @classmethod
    def from_wire(cls, answer: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Self:
        """Read an answer of ``GET /models``, or its rows; routers are left out.

        Raises:
            ValueError: this is no such answer; says where.
        """
        return cls(model for model in _models(answer) if not _is_router(model))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file that `dump` wrote.

        Raises:
            OSError: the file can't be read.
            ValueError: the file is no catalogue.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            content = json.loads(text)
            models = list(_models(content))
        except ValueError as error:
            raise ValueError(f"{path} is no catalogue: {error}") from error
        head = content if isinstance(content, Mapping) else {}
        if recorded := frozenset(names_in(head, "recorded_parameters")):
            models = [replace(model, recorded_parameters=recorded) for model in models]
        return cls(models, as_of=head.get("as_of"), source=head.get("source"))

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write the catalogue to ``path``, one model per line, sorted by id.

        The file has the shape of an answer of ``GET /models``, with `as_of` and `source` before it, and the
        `recorded_parameters` that all models share. It is replaced in one step, so that another process reads the old
        one or the new one.
        """
        head = {"as_of": self.as_of, "source": self.source, "recorded_parameters": self._recorded()}
        lines = [f"{_json(key)}:{_json(value)},\n" for key, value in head.items() if value is not None]
        rows = ",\n".join(_json(self._models[model_id].wire()) for model_id in sorted(self._models))
        text = "{\n" + "".join(lines) + f'"data":[\n{rows}\n]\n}}\n'
        target = Path(path)
        fresh = target.with_name(f"{target.name}.{os.getpid()}.new")
        fresh.write_text(text, encoding="utf-8", newline="\n")
        fresh.replace(target)

    def __getitem__(self, model_id: str) -> Model:
        """The model.

        Raises:
            UnknownModelError: it isn't in the catalogue; a `KeyError` that names the nearest ids.
        """
        model = self._find(model_id)
        if model is None:
            nearest = get_close_matches(model_id, self._models, n=3)
            hint = f"; the nearest are {', '.join(nearest)}" if nearest else ""
            raise UnknownModelError(f"no model {model_id!r} in the catalogue{hint}")
        return model

    @overload
    def get(self, model_id: str, /) -> Model | None: ...
    @overload
    def get(self, model_id: str, /, default: Model) -> Model: ...
    @overload
    def get(self, model_id: str, /, default: _Default) -> Model | _Default: ...
    def get(self, model_id: str, /, default: _Default | None = None) -> Model | _Default | None:
        """The model, or ``default`` if it isn't in the catalogue."""
        model = self._find(model_id)
        return default if model is None else model

    def __contains__(self, model_id: object) -> bool:
        return isinstance(model_id, str) and self._find(model_id) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        return f"Catalog({len(self)} models, as_of={self.as_of!r})"

    def facts(self, model_id: str) -> Model:
        """The model, or what is assumed of one that isn't listed.

        Then `Model.known` is False, the window is `DEFAULT_CONTEXT_LENGTH`, tools are assumed to work, and there is
        no price, unless the id ends in ``:free``.
        """
        model = self._find(model_id)
        if model is not None:
            return model
        return Model(
            id=model_id,
            name=model_id,
            context_length=DEFAULT_CONTEXT_LENGTH,
            supported_parameters=DEFAULT_SUPPORTED_PARAMETERS,
            pricing=FREE_PRICING if FREE in Slug.parse(model_id).variants else None,
            known=False,
        )

    def certain(self, model_id: str) -> Model | None:
        """The model, if its facts are sure to hold for this slug.

        Those of a "latest" may be another model's by now, and a variant may have its own.
        """
        model = None if model_id.startswith("~") else self._find(model_id)
        if model is None or model_id == model.id:
            return model
        variants = {*Slug.parse(model_id).variants} - {*Slug.parse(model.id).variants}
        return model if variants <= VIRTUAL else None

    def search(self, text: str) -> tuple[Model, ...]:
        """The models whose id or name contains every word of ``text``, in any case; the newest first."""
        words = text.casefold().split()
        found = [
            model
            for model in self._models.values()
            if all(word in f"{model.id} {model.name}".casefold() for word in words)
        ]
        return tuple(sorted(found, key=_age, reverse=True))

    def with_models(self, *models: Model) -> Self:
        """This catalogue with ``models`` added, or put in the place of those with their ids."""
        return type(self)([*self._models.values(), *models], as_of=self.as_of, source=self.source)

    def with_endpoints(self, answer: Mapping[str, Any]) -> Self:
        """This catalogue, knowing the endpoints of one model: ``catalog.with_endpoints(client.endpoints(model))``.

        Args:
            answer: an answer of ``GET /models/{author}/{slug}/endpoints``, or its ``data``.

        Raises:
            ValueError: this is no such answer; says where.
        """
        row = object_in(answer, "data") or answer
        listed = Model.from_wire({key: value for key, value in row.items() if key != "endpoints"})
        return self.with_models(self._models.get(listed.id, listed).with_endpoints(row))

    def with_zdr(self, answer: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Self:
        """This catalogue, knowing which endpoints keep no data: ``catalog.with_zdr(client.zdr_endpoints())``.

        The answer lists them all: an endpoint that isn't in it may keep data, and so may every one of a model that isn't.

        Args:
            answer: an answer of ``GET /endpoints/zdr``, or its rows.

        Raises:
            ValueError: this is no such answer; says where.
        """
        tags: dict[str, set[str]] = {}
        for model_id, endpoint in zdr_in(answer):
            if (model := self._find(model_id)) is not None:
                tags.setdefault(model.id, set()).add(endpoint.tag)
        models = (model.with_zdr(frozenset(tags.get(model.id, ()))) for model in self._models.values())
        return type(self)(models, as_of=self.as_of, source=self.source)

    def updated(self, other: Catalog) -> Self:
        """This catalogue with the models of ``other`` added; of two with one id, that of ``other`` counts."""
        models = [*self._models.values(), *other._models.values()]
        return type(self)(models, as_of=other.as_of or self.as_of, source=other.source or self.source)

    def _recorded(self) -> list[str] | None:
        """What the facts of every model say something about; None where that is everything."""
        limited = [
            model.recorded_parameters
            for model in self._models.values()
            if model.recorded_parameters is not None
        ]
        return sorted(frozenset.intersection(*limited)) if limited else None

    def _find(self, model_id: str) -> Model | None:
        """The model that a slug means, most literal reading first."""
        if model_id in self._models:
            return self._models[model_id]
        slug = Slug.parse(model_id)
        for variant in slug.variants:
            if (listed := self._models.get(f"{slug.base}:{variant}")) is not None:
                return listed
        model = self._models.get(slug.base) or self._renamed(slug)
        if model is not None and FREE in slug.variants:
            return model.as_free()
        return model

    def _renamed(self, slug: Slug) -> Model | None:
        """The model that has another id than ``slug``: a permaslug or the newest of a family."""
        if slug.is_latest_alias:
            family = [model for model in self._models.values() if _is_of_family(model, slug)]
            return max(family, key=_age, default=None)
        model_id = self._permaslugs.get(slug.base)
        if model_id is None and slug.is_dated:
            model_id = self._by_words.get((slug.author, slug.words))
        return None if model_id is None else self._models[model_id]

    @cached_property
    def _permaslugs(self) -> dict[str, str]:
        """Ids by permaslug; a variant has the permaslug of its base, which comes last here and counts."""
        variants_first = sorted(self._models.values(), key=lambda model: ":" not in model.id)
        return {model.canonical_slug: model.id for model in variants_first if model.canonical_slug}

    @cached_property
    def _by_words(self) -> dict[tuple[str, tuple[str, ...]], str]:
        """Ids by author and words, since a permaslug may have the words of the id in another order."""
        slugs = (Slug.parse(model_id) for model_id in self._models)
        return {(slug.author, slug.words): slug.base for slug in slugs if slug.is_plain}


@cache
def _bundled() -> Catalog:
    with resources.as_file(resources.files("openrouter_opts.catalog") / "snapshot.json") as path:
        listed = Catalog.load(path)
    models = (replace(model, unbounded=_SNAPSHOT) for model in listed.values())
    return Catalog(models, as_of=listed.as_of, source=listed.source)


def _models(answer: Any) -> Iterator[Model]:
    match answer:
        case {"data": [*rows]} | [*rows]:
            yield from (_model(index, row) for index, row in enumerate(rows))
        case _:
            raise ValueError(f"data: an answer of GET /models has a list of models here, not {answer!r:.80}")


def _model(index: int, row: Any) -> Model:
    try:
        return Model.from_wire(row)
    except ValueError as error:
        raise ValueError(f"data[{index}].{error}") from error


def _is_router(model: Model) -> bool:
    """Whether it is a router: by its name, or by the price of -1 that routers are listed with."""
    unread = model.extra.get("pricing")
    has_no_price = isinstance(unread, Mapping) and str(unread.get("prompt")).startswith("-")
    return model.id in ROUTERS or has_no_price


def _is_of_family(model: Model, alias: Slug) -> bool:
    if not model.id.startswith(f"{alias.author}/"):  # the quick way out for nearly every model
        return False
    slug = Slug.parse(model.id)
    return not slug.variants and slug.is_of_family(alias)


def _age(model: Model) -> tuple[str, int, str]:
    """A key that sorts the newest last, and of one day the shortest id: ``gpt-6`` rather than ``gpt-6-pro``."""
    return (model.released or "", -len(model.id), model.id)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
