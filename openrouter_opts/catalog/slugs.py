"""What a model slug says: its variants, preset, date and family.

A slug goes over the wire as it is; only a lookup of facts takes it apart. The grammar is
``[~]author/name[-date][:variant…][@preset/slug]``, see https://openrouter.ai/docs/guides/routing/model-variants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FREE = "free"
"""The variant whose tokens cost nothing."""

VIRTUAL = frozenset({"nitro", "floor", "exacto", "online"})
"""The variants that change the routing, and leave the facts of a model as they are."""

_DATE = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$")
_LATEST = "-latest"


@dataclass(frozen=True, slots=True)
class Slug:
    """The parts of a model slug.

    Attributes:
        base: the slug without variants and preset, ``author/name``; empty for a bare ``@preset/slug``.
        variants: the suffixes in their order, without the colons: ``("free", "online")``.
    """

    base: str
    variants: tuple[str, ...] = ()

    @classmethod
    def parse(cls, model_id: str) -> Slug:
        """Take ``model_id`` apart; any string is accepted."""
        without_preset = model_id.partition("@preset/")[0]
        base, *variants = without_preset.split(":")
        return cls(base, tuple(variants))

    @property
    def author(self) -> str:
        """Whose model it is: ``anthropic``; the ``~`` of an alias is no part of it."""
        return self.base.removeprefix("~").partition("/")[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name, sorted, without date and ``latest``.

        Sorted because a permaslug may have its own order: the permaslug of ``anthropic/claude-sonnet-4.5`` is
        ``anthropic/claude-4.5-sonnet-20250929``.
        """
        name = self.undated.partition("/")[2].removesuffix(_LATEST)
        return tuple(sorted(name.split("-")))

    @property
    def undated(self) -> str:
        """The base without a trailing ``-YYYYMMDD`` or ``-YYYY-MM-DD``."""
        return _DATE.sub("", self.base)

    @property
    def is_dated(self) -> bool:
        """Whether the name ends in a date, as permaslugs do."""
        return self.undated != self.base

    @property
    def is_plain(self) -> bool:
        """Whether it is ``author/name`` and nothing else: no variant, date or alias."""
        return not (self.variants or self.is_dated or self.base.startswith("~"))

    @property
    def is_latest_alias(self) -> bool:
        """Whether it stands for the newest model of a family: ``~author/family-latest``."""
        return self.base.startswith("~") and self.base.endswith(_LATEST)

    def is_of_family(self, alias: Slug) -> bool:
        """Whether this model belongs to the family that ``alias`` names.

        Each word of the family has to begin a word of the name, so that ``qwen`` is found in ``qwen3.8-max`` and
        ``mini`` isn't found in ``gemini``.
        """
        words = self.words
        return self.author == alias.author and all(
            any(word.startswith(wanted) for word in words) for wanted in alias.words
        )
