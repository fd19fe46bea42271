"""Strings and numbers that look right for a field, by the words in its name; from the question where it has one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from openrouter_opts.sandbox.model.arithmetic import find_sum, written
from openrouter_opts.sandbox.model.clues import Clues
from openrouter_opts.sandbox.model.text import capitalised, pick, topic, word_set

_PLACE = ("in", "at", "near", "around", "for", "to", "from", "of")

FORMATS: dict[str, tuple[re.Pattern[str], str]] = {
    name: (re.compile(pattern, re.IGNORECASE), otherwise)
    for name, pattern, otherwise in (
        ("email", r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w", "ada@example.com"),
        (
            "date-time",
            r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
            "2026-01-15T12:00:00Z",
        ),
        ("date", r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)\b", "2026-01-15"),
        ("time", r"\b[0-2]\d:[0-5]\d:[0-5]\d(?:Z|[+-]\d\d:\d\d)", "12:00:00Z"),
        ("duration", r"\bP(?:\d+[DWMY]|T\d+[HMS])\b", "PT1H"),
        ("uri", r"\bhttps?://[^\s\"'<>)\]]+[^\s\"'<>)\].,?!]", "https://example.com/"),
        ("url", r"\bhttps?://[^\s\"'<>)\]]+[^\s\"'<>)\].,?!]", "https://example.com/"),
        ("uuid", r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "3f2b8c1e-5d4a-4b6f-9e7d-1a2b3c4d5e6f"),
        ("ipv4", r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "192.0.2.1"),
        ("ipv6", r"\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b", "2001:db8:0:0:0:0:0:1"),
        ("hostname", r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b", "example.com"),
    )
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of string field: the words that give it away, where to look, and what to say if there is nothing."""

    words: frozenset[str]
    look: Callable[[Clues], str | None]
    otherwise: str | None = None


def _kind(words: str, look: Callable[[Clues], str | None], otherwise: str | None = None) -> Kind:
    return Kind(word_set(words), look, otherwise)


def _found(pattern: str) -> Callable[[Clues], str | None]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda clues: clues.matching(compiled)


def _formatted(name: str) -> Callable[[Clues], str | None]:
    return lambda clues: clues.matching(FORMATS[name][0])


def _place(clues: Clues) -> str | None:
    return (
        clues.name_after(_PLACE)
        or clues.name()
        or clues.quotation()
        or _other_name(clues)
        or clues.matching(_IN)
    )


def _after(*prepositions: str) -> Callable[[Clues], str | None]:
    return lambda clues: clues.name_after(prepositions) or clues.name() or clues.quotation()


def _receiver(clues: Clues) -> str | None:
    return clues.matching(FORMATS["email"][0]) or _after("to", "for", "into")(clues)


def _named(clues: Clues) -> str | None:
    return clues.quotation() or clues.name() or _other_name(clues)


def _other_name(clues: Clues) -> str | None:
    """A clause such as "the time" shares the names of the whole question."""
    return Clues(clues.whole).name() if clues.whole != clues.text else None


def _wording(clues: Clues) -> str | None:
    return clues.quotation() or clues.matching(_COLON) or clues.matching(_DASH)


def _sum(clues: Clues) -> str | None:
    found = find_sum(clues.text)
    return written(found) if found else clues.quotation()


def _search(clues: Clues) -> str | None:
    return clues.quotation() or clues.matching(_SEARCH) or clues.text.strip(" ?!.\n")


_IN = re.compile(r"\b(?:in|at|near|for)\s+(?:the\s+)?([^\W\d_][\w'\u2019-]*(?:\s+[A-Z][\w'\u2019-]*)*)")
_COLON = re.compile(r":\s+(\S[^\n]*)")
_DASH = re.compile(r"\s[-\u2013\u2014]\s+(?:an?\s+)?(\S[^\n]*)")
_SEARCH = re.compile(
    r"\b(?:search|look|google|query|find)(?:ing|es)?(?:\s+(?:the web|up|for|about|out))+\s+(.+?)[.?!]*$",
    re.IGNORECASE,
)

KINDS: tuple[Kind, ...] = (
    _kind("email mail recipient", _formatted("email"), "ada@example.com"),
    _kind("url uri link website webpage", _formatted("uri"), "https://example.com/"),
    _kind("phone telephone mobile", _found(r"\+?\d[\d ()-]{5,}\d"), "+1 555 0100"),
    _kind("timestamp datetime", _formatted("date-time"), "2026-01-15T12:00:00Z"),
    _kind(
        "date day deadline birthday",
        _found(
            r"\d{4}-\d\d-\d\d|\b(?:today|tomorrow|yesterday|tonight|(?:next |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
        ),
        "2026-01-15",
    ),
    _kind("timezone tz", _found(r"\b[A-Z][a-z]+/[A-Z][A-Za-z_]+\b|\bUTC\b"), "UTC"),
    _kind("time hour", _found(r"\b\d{1,2}:\d\d(?:\s?[ap]m)?\b|\b\d{1,2}\s?[ap]m\b|\bnow\b"), "12:00"),
    _kind(
        "color colour",
        _found(r"\b(red|green|blue|yellow|orange|purple|pink|black|white|brown|gr[ae]y)\b"),
        "blue",
    ),
    _kind("currency", _found(r"\b(?-i:[A-Z]{3})\b|\b(?:dollars?|euros?|pounds?|yen)\b"), "USD"),
    _kind(
        "unit units scale", _found(r"\b(celsius|fahrenheit|kelvin|metric|imperial|km|miles|kg)\b"), "celsius"
    ),
    _kind(
        "language lang",
        _found(
            r"\b(English|French|German|Spanish|Italian|Portuguese|Dutch|Polish|Japanese|Chinese|Korean|Arabic|Hindi)\b"
        ),
        "English",
    ),
    _kind(
        "occupation job profession",
        _found(
            r"\b(?:is|am|as|was|works as) an? (?:[\w-]*old )?([a-z][a-z ]*?)(?=\s(?:from|in|at|and|who)\b|[.,;]|$)"
        ),
    ),
    _kind("origin source departure from", _after("from"), "Paris"),
    _kind("destination target arrival to", _receiver, "Rome"),
    _kind("city location place town country region state address destination capital where", _place, "Paris"),
    _kind(
        "path file filename directory folder",
        _found(r"(?<!\w)[\w./~-]*\w\.\w{1,5}\b(?!\w)|(?<!\w)/[\w./-]+"),
        "notes.txt",
    ),
    _kind("expression equation formula calculation math", _sum, "1 + 1"),
    _kind(
        "id identifier sku ticket",
        _found(r"(?:#|\b(?=\w*\d)(?=\w*[A-Za-z-]))[\w-]*\d[\w-]*|\b\d{3,}\b"),
        "1001",
    ),
    _kind("ticker symbol", _found(r"\b(?-i:[A-Z]{2,5})\b"), "ACME"),
    _kind(
        "name person customer author user username firstname lastname title company organization",
        _named,
        None,
    ),
    _kind("description text content body message note notes comment details review", _wording, None),
    _kind("query question input prompt search request keywords", _search, None),
)

NUMBERS: dict[str, float] = {
    "age": 30, "year": 2026, "month": 1, "confidence": 0.9, "probability": 0.9, "score": 0.9, "rating": 4, "stars": 4,
    "price": 9.99, "cost": 9.99, "amount": 10, "temperature": 21, "degrees": 21, "latitude": 48.86, "lat": 48.86,
    "longitude": 2.35, "lon": 2.35, "percent": 50, "percentage": 50, "limit": 10, "count": 3, "quantity": 1,
}  # fmt: skip


_DIRECTIONS = frozenset({"from", "to"})


def kind_of(label: tuple[str, ...]) -> Kind | None:
    """The kind that a field's name gives away.

    A direction decides first (`to_currency`), then the last word (`customer_email` is an email).
    """
    for word in (*_DIRECTIONS.intersection(label), *reversed(label)):
        found = next(
            (kind for kind in KINDS if word in kind.words or word.removesuffix("s") in kind.words), None
        )
        if found:
            return found
    return None


_PROSE: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = tuple(
    (word_set(words), templates)
    for words, templates in (
        (
            "setup riddle",
            (
                "Why did {0} cross the road?",
                "What do {0} have in common with an old computer?",
                "How do {0} say sorry?",
            ),
        ),
        (
            "punchline",
            (
                "To get to the other side, of course.",
                "Both need a nap before they do anything.",
                "They don't: they wait for you to forget.",
            ),
        ),
        ("title headline heading name", ("{0}", "All about {0}", "{0} in brief")),
        (
            "reason reasoning rationale explanation why justification thought",
            ("This follows from what was asked about {0}.",),
        ),
        ("question", ("What should one know about {0}?", "What matters most about {0}?")),
        ("sentiment tone mood", ("neutral",)),
        ("category topic subject theme genre label tag", ("{0}",)),
        ("summary overview abstract", ("In short: {0}.",)),
    )
)
SPOKEN = word_set("answer response result output reply content text message summary conclusion final")


def prose(label: tuple[str, ...], description: str, clues: Clues, turn: int = 0) -> str:
    """A sentence for a free text field: the plain answer where the field asks for it, else one made for its name."""
    if clues.spoken and SPOKEN.intersection(label):
        return clues.spoken
    subject = topic(clues.whole)
    templates = next((made for known, made in _PROSE if known.intersection(label)), None)
    if templates is None:
        asks = "question" in description.casefold()
        title = " ".join(label) or "note"
        templates = (f"What is the {title} of {{0}}?",) if asks else (f"A short {title} about {{0}}.",)
    return capitalised(pick(templates, subject, clues.seed + turn).format(subject))
