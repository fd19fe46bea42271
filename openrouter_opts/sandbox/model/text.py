"""Taking text apart: words, sentences, numbers, quotations, proper names. Pure and linear in the text's length."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# Chinese and Japanese put no spaces between words, so there each character counts as one.
_WORD = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])[^\W_])+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SENTENCE_END = re.compile(
    r"(?<=[。\uff01\uff1f])|(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|Ms|St|vs)\.)(?<!\b(?:Mrs|e\.g|i\.e)\.)(?<=[.!?])[\"'”)]*\s+|\n\s*\n|\n"
)
_NUMBER = re.compile(r"(?<![\w.])(?:(?<![\d)] )(?<![\d)])-)?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]*_)")
_QUOTED = re.compile(
    r"“([^”\n]+)”|«([^»\n]+)»|「([^」\n]+)」|\"([^\"\n]+)\"|`([^`\n]+)`|(?<!\w)'([^\n]+?)'(?!\w)|(?<!\w)\u2018([^\n]+?)\u2019(?!\w)"
)
_CAPITALISED = rf"(?:[^\W\d_a-zß-öø-ÿ{_CJK}][\w'\u2019&-]*)"
_NAME = re.compile(
    rf"(?<![\w'\u2019])(?=[^\W\d_])({_CAPITALISED}(?: (?:of |de |la |the )?{_CAPITALISED})*(?:, [A-Z]{{2}}\b)?)"
)


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """a about above after all also am an and any are as at be been before being both but by can could did do does doing
    done each for from had has have having he her hers him his how i if in into is it its itself just let like may me
    might more most must my no nor not of off on only or other our out over own please s same shall she should so some
    such t than that the their them then there these they this those through to too under until up upon us very was we
    were what when where which while who whom whose why will with would you your yours whats tell show give want need
    know think say says said get make one ll re ve d m im today now called named"""
)
# Verbs that open a request: a capital there makes no name.
_VERBS = word_set(
    """add answer ask book build buy calculate call cancel change check classify compare compute convert count create
    delete describe draw email explain extract find generate hello help hey hi list look mail multiply open order play
    plan post provide read remind remove repeat reply return rewrite run schedule search send sort start stop subtract
    summarise summarize thank thanks translate turn update use using weather write"""
)
NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
}  # fmt: skip
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(NUMBER_WORDS)})\b", re.IGNORECASE)
_SUFFIXES = (
    ("ies", "y"),
    ("ied", "y"),
    ("sses", "ss"),
    ("ings", ""),
    ("ing", ""),
    ("ers", ""),
    ("er", ""),
    ("ed", ""),
    ("es", ""),
)
_KEPT_ENDINGS = ("ss", "us", "is")
_ABOUT = re.compile(r"\b(?:about|regarding|concerning)\s+(.+)", re.IGNORECASE)
_ASIDE = re.compile(
    r"[,;]?\s+(?:no|without|include|including|but|using|in (?:one|two|three|\d+) (?:words?|sentences?|lines?)|return)\b|[,;:]\s+(?:and|then)\b"
)
_OPENING = re.compile(
    r"""^(?:(?:hey|hi|hello|please|so|and|ok|okay|well|can|could|would|will|you|tell|me|us|let|explain|describe|discuss
    |define|thanks|thank|give|write|show|draw|create|generate|paint|make|what|who|where|when|why|how|which|is|are|was|were|do|does|did|'?s|i|want|need|to|know|much
    |many|if|whether)\b[\s,:!']*)+""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text and where it stands: `text[start:end]`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number found in a text, written in digits or as a word up to twenty."""

    value: int | float
    start: int
    end: int


def words(text: str) -> tuple[str, ...]:
    """The words in lower case, identifiers taken apart: `getWeather_now` is get, weather, now."""
    return tuple(match.casefold() for match in _WORD.findall(_CAMEL.sub(" ", text)))


def stem(word: str) -> str:
    """The word without its commonest English endings, so that `cities` meets `city`."""
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return _undouble(word.removesuffix(suffix) + instead)
    if word.endswith("s") and len(word) > 3 and not word.endswith(_KEPT_ENDINGS):
        return word[:-1].removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word


def _undouble(word: str) -> str:
    """`planning` and `plan` share a stem only when the doubled consonant goes."""
    return (
        word[:-1]
        if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz"
        else word.removesuffix("e")
    )


def keywords(text: str) -> tuple[str, ...]:
    """The stems of the words that carry meaning, in order, repeats included."""
    return tuple(stem(word) for word in words(text) if word not in STOP_WORDS)


def sentences(text: str) -> tuple[str, ...]:
    """The sentences (or lines) of a text, stripped, without empty ones."""
    return tuple(stripped for piece in _SENTENCE_END.split(text) if piece and (stripped := piece.strip()))


def numbers(text: str) -> tuple[Number, ...]:
    """The numbers in a text, in order; digits inside identifiers do not count."""
    return tuple(sorted(_numbers(text), key=lambda number: number.start))


def _numbers(text: str) -> Iterator[Number]:
    for match in _NUMBER.finditer(text):
        digits = match.group().replace(",", "")
        yield Number(float(digits) if "." in digits else int(digits), match.start(), match.end())
    for match in _NUMBER_WORD.finditer(text):
        yield Number(NUMBER_WORDS[match.group().casefold()], match.start(), match.end())


def quoted(text: str) -> tuple[Span, ...]:
    """What stands between quotation marks, without the marks."""
    return tuple(
        Span(next(group for group in match.groups() if group), match.start(), match.end())
        for match in _QUOTED.finditer(text)
    )


def names(text: str) -> tuple[Span, ...]:
    """Proper names by their capitals, such as `San Francisco, CA`; those that merely open a sentence come last."""
    found = [span for match in _NAME.finditer(text) if (span := _name(match))]
    return tuple(sorted(found, key=lambda span: _opens_sentence(text, span.start)))


def _name(match: re.Match[str]) -> Span | None:
    """The match without leading words that are capitals only by position, such as `What` and `I`."""
    text, start = match.group(1), match.start(1)
    while text:
        first, _, rest = text.partition(" ")
        if (
            first[0].isupper()
            and first.casefold().replace("\u2019", "'").split("'")[0] not in STOP_WORDS | _VERBS
        ):
            return Span(text.removesuffix("'s").removesuffix("\u2019s"), start, match.end(1))
        start, text = start + len(first) + 1, rest
    return None


def _opens_sentence(text: str, start: int) -> bool:
    before = text[max(0, start - 3) : start].rstrip(" \"'“")
    return not before or before[-1] in ".!?:\n"


def gist(text: str, limit: int = 2000) -> str:
    """The text, or only its beginning and its end when it is long: that is where the request stands."""
    return text if len(text) <= 2 * limit else f"{text[:limit]}\n{text[-limit:]}"


def topic(text: str) -> str:
    """What a question is about, in its own words: `cats` for "Tell me a joke about cats."."""
    line = next(iter(sentences(text[:1000])), "")
    about = _ABOUT.search(line)
    subject = _ASIDE.split(about.group(1) if about else _OPENING.sub("", line))[0].strip(" \t.?!,:;\"'")
    subject = subject.removesuffix(" like")
    return _shortened(subject or line.strip(" .?!") or "that")


def _shortened(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + "…"


def capitalised(text: str) -> str:
    """The text with its first letter in upper case, the rest as it was."""
    return text[:1].upper() + text[1:]


def pick(options: tuple[str, ...], key: str, seed: int) -> str:
    """One of the options: always the same for the same key and seed."""
    return options[(zlib.crc32(key.encode("utf-8", "surrogatepass")) + seed) % len(options)]
