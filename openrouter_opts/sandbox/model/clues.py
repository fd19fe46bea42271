"""What a text offers for filling in values: numbers, quotations and names in order, and what stands beside a label."""

from __future__ import annotations

import re
from collections.abc import Callable

from openrouter_opts.sandbox.model.text import Number, Span, names, numbers, quoted, stem, words

_ASSIGNED = r"""["']?\s*(?:=|:|\bis\b|\bare\b|\bnamed\b|\bcalled\b|(?=\s["'\u201c]))\s*"""
_VALUE = r"""(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'(?!\w)|(?P<bare>[^\s,;"'(){}\[\]][^,;\n"(){}\[\]]{0,200}))"""
_BARE_END = re.compile(r"[.?!](?=\s|$)|\s+(?:and|with|but)\s+|\s+\w+\s*[=:]")
_BEFORE_NUMBER = r"""(?:=|:|\bis\b|\bof\b|\bto\b|\bat\b|\bwas\b)?\s*$"""
_BEFORE_WINDOW, _AFTER_WINDOW = 48, 32
_MOST = 500


class Clues:
    """The numbers, quotations and names of a text, each handed out once.

    It lives as long as one answer: what one argument has taken, the next one does not get.
    """

    def __init__(self, text: str, *, whole: str = "", spoken: str = "", seed: int = 0) -> None:
        self.text = text
        self.whole = whole or text  # the question that `text` is a clause of
        self.spoken = spoken  # what the model would say in plain words
        self.seed = seed
        self.words = frozenset(words(self.whole))
        self._numbers = list(numbers(text)[:_MOST])
        self._quoted = list(quoted(text)[:_MOST])
        self._names = [name for name in names(text)[:_MOST] if not _inside(name, self._quoted)]

    @property
    def left(self) -> int:
        """How many numbers, quotations and names nobody has taken yet."""
        return len(self._numbers) + len(self._quoted) + len(self._names)

    def number(self, accepts: Callable[[float], bool]) -> int | float | None:
        """The next number that fits."""
        return self._take_number(lambda number: accepts(number.value))

    def number_beside(self, label: tuple[str, ...], accepts: Callable[[float], bool]) -> int | float | None:
        """The number that stands beside its label: "days=3", "age of 30", "3 days"."""
        joint = r"\s*(?:=|:|\bis\b)\s*$" if len("".join(label)) == 1 else rf"""["']?\s*{_BEFORE_NUMBER}"""
        before = re.compile(rf"\b{_label(label)}{joint}", re.IGNORECASE)
        unit = stem(label[-1]) if label and len(label[-1]) > 1 else None

        def beside(number: Number) -> bool:
            following = words(self.text[number.end : number.end + _AFTER_WINDOW])[:1]
            return accepts(number.value) and (
                before.search(self.text[max(0, number.start - _BEFORE_WINDOW) : number.start]) is not None
                or (unit is not None and tuple(map(stem, following)) == (unit,))
            )

        return self._take_number(beside)

    def _take_number(self, fits: Callable[[Number], bool]) -> int | float | None:
        found = next((number for number in self._numbers if fits(number)), None)
        if found is None:
            return None
        self._numbers.remove(found)
        return found.value

    def labelled(self, label: tuple[str, ...]) -> str | None:
        """The text given for a label: "name: Bob", `unit="celsius"`, "the subject is cats"."""
        match = re.search(rf"(?<![\w]){_label(label)}{_ASSIGNED}{_VALUE}", self.text, re.IGNORECASE)
        if not match:
            return None
        bare = match["bare"] or ""
        given = _BARE_END.split(bare)[0].strip()
        self._forget(match.start(), match.end() - len(bare) + len(given))
        return match["double"] or match["single"] or given or None

    def quotation(self) -> str | None:
        """The next quotation, without its marks."""
        return self._take(self._quoted, lambda _: True)

    def name(self) -> str | None:
        """The next proper name."""
        return self._take(self._names, lambda _: True)

    def name_after(self, prepositions: tuple[str, ...]) -> str | None:
        """The next proper name behind one of the prepositions, such as `from` for an origin."""
        ending = re.compile(rf"\b(?:{'|'.join(prepositions)})\s+(?:the\s+)?$", re.IGNORECASE)
        return self._take(
            self._names,
            lambda name: ending.search(self.text[max(0, name.start - 24) : name.start]) is not None,
        )

    def matching(self, pattern: re.Pattern[str]) -> str | None:
        """The first piece of the text that the pattern's first group (or whole) matches."""
        match = pattern.search(self.text) or pattern.search(self.whole)
        if not match:
            return None
        if match.re is pattern and match.string == self.text:
            self._forget(match.start(), match.end())
        return (match.group(1) if pattern.groups else match.group()).strip()

    def quotations(self) -> list[str]:
        """All quotations that are left."""
        return self._take_all(self._quoted)

    def names(self) -> list[str]:
        """All proper names that are left."""
        return self._take_all(self._names)

    def mentions(self, label: tuple[str, ...]) -> bool:
        """Whether all words of a label occur in the question."""
        return bool(label) and self.words.issuperset(label)

    def declines(self, label: tuple[str, ...]) -> bool:
        """Whether the question says to leave it out: "no punchline", "without details"."""
        negated = rf"\b(?:no|without|omit|skip|except|disable|not)\s+(?:the |any |a )?{_label(label)}\b"
        return re.search(negated, self.whole, re.IGNORECASE) is not None

    def _take(self, spans: list[Span], fits: Callable[[Span], bool]) -> str | None:
        found = next((span for span in spans if fits(span)), None)
        if found is None:
            return None
        self._forget(found.start, found.end)
        return found.text

    @staticmethod
    def _take_all(spans: list[Span]) -> list[str]:
        texts = [span.text for span in sorted(spans, key=lambda span: span.start)]
        spans.clear()
        return texts

    def _forget(self, start: int, end: int) -> None:
        """What lies in the span is taken, whatever it is."""
        self._numbers = [one for one in self._numbers if not start <= one.start < end]
        self._quoted = [one for one in self._quoted if not start <= one.start < end]
        self._names = [one for one in self._names if not start <= one.start < end]


def _label(label: tuple[str, ...]) -> str:
    """A pattern for the label's words, however they are joined: `order_id`, `order id`, `orderId`."""
    return r"[\s_-]?".join(map(re.escape, label))


def _inside(span: Span, outer: list[Span]) -> bool:
    return any(one.start <= span.start < one.end for one in outer)
