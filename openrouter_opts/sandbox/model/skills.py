"""Plain tasks, one skill each: the first whose pattern matches the question and that has something to say answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openrouter_opts.sandbox.model.arithmetic import find_sum, value, written
from openrouter_opts.sandbox.model.conversation import Conversation
from openrouter_opts.sandbox.model.facts import CAPITALS, PHRASES
from openrouter_opts.sandbox.model.text import (
    NUMBER_WORDS,
    capitalised,
    gist,
    keywords,
    names,
    pick,
    quoted,
    sentences,
    topic,
    word_set,
    words,
)

_MOST = 1000
_FLAGS = re.IGNORECASE | re.DOTALL
_COUNT = rf"\d+|{'|'.join(NUMBER_WORDS)}"


@dataclass(frozen=True, slots=True)
class Skill:
    """What it is called in the reasoning, which questions it takes, and what it says (None: not for me after all)."""

    name: str
    pattern: re.Pattern[str]
    say: Callable[[re.Match[str], Conversation], str | None]


def practise(talk: Conversation) -> tuple[str, str] | None:
    """The name of the skill that the question calls for, and its answer; None when it calls for none."""
    question = gist(talk.question.strip())
    for skill in SKILLS:
        match = skill.pattern.search(question)
        text = skill.say(match, talk) if match else None
        if text:
            return skill.name, text
    return None


def converse(talk: Conversation) -> str:
    """A few sensible sentences about whatever the question is about."""
    if not talk.question.strip():
        return "I am here. What would you like to know?"
    subject = topic(talk.question)
    if _STATEMENT.match(talk.question):
        return f"I see: {sentences(talk.question)[0]} {pick(_CLOSINGS, subject, talk.seed)}"
    text = pick(_OPENINGS, talk.question, talk.seed).format(subject)
    return f"{text} {pick(_CLOSINGS, subject, talk.seed)}"


_STATEMENT = re.compile(r"^(?:I|We|My|Our|It|He|She|They|The|There|This|That)\b[^?]*$")
_OPENINGS = (
    "In short: {0} comes down to a few things that are worth knowing.",
    "A good way to look at {0} is to start from the essentials.",
    "About {0}: the main point is simpler than it looks.",
    "There is much to say about {0}; here is what matters first.",
)
_CLOSINGS = (
    "Start with what you know, check it against one example, and go on from there.",
    "It helps to take one step at a time and to look at a concrete example.",
    "If you tell me more about your case, I can be more specific.",
)


# -- skills ------------------------------------------------------------------------------------------------------------


def _repeat(match: re.Match[str], talk: Conversation) -> str:
    text = talk.question.strip()[match.start(1) :]
    return text.strip("\"'“”") or text


def _count(match: re.Match[str], _talk: Conversation) -> str | None:
    first = _number(match["first"]) if match["first"] else 1
    last = _number(match["last"])
    down = bool(match["down"]) or first > last
    steps = range(first, last - 1, -1) if first > last else range(first, last + 1)
    counted = sorted(steps[:_MOST], reverse=down)
    return ", ".join(map(str, counted))


def _sum(_match: re.Match[str], talk: Conversation) -> str | None:
    found = find_sum(gist(talk.question))
    result = value(found) if found else None
    if found is None:
        return None
    return f"{written(found)} = {result}" if result is not None else f"{written(found)} has no value."


def _greet(_match: re.Match[str], talk: Conversation) -> str:
    return pick(
        ("Hello! How can I help you today?", "Hi there! What can I do for you?"), talk.question, talk.seed
    )


def _recall(match: re.Match[str], talk: Conversation) -> str | None:
    """Looks through what the user said for "my … is …", newest first."""
    wanted = match[1].strip().casefold()
    also = r"|\b(?:i am|i'm|call me)\s+(?P<me>(?-i:[A-Z])[\w'-]*)" if wanted == "name" else ""
    told = re.compile(
        rf"\bmy {re.escape(wanted)}(?:\s+is|'s|:)\s+(?P<it>[^.,;!?\n]+?)(?= and (?:my|i)\b|[.,;!?\n]|$){also}",
        re.IGNORECASE,
    )
    markers = (f"my {wanted}", *(("i am", "i'm", "call me") if wanted == "name" else ()))
    for text in _said(talk):
        folded = text.casefold()
        found = told.search(text) if any(marker in folded for marker in markers) else None
        if found:
            return f"Your {wanted} is {(found.groupdict().get('me') or found['it']).strip()}."
    return None


def _said(talk: Conversation) -> Iterator[str]:
    """What the user said, newest first; system prompts may introduce the user too."""
    yield from (turn.text for turn in reversed(talk.earlier) if turn.role == "user")
    yield talk.system


def _look_back(match: re.Match[str], talk: Conversation) -> str | None:
    said = [turn.text for turn in talk.earlier if turn.role == "user" and turn.text]
    if not said:
        return "You have not asked me anything before."
    return f"You said: “{said[0] if 'first' in match[0].casefold() else said[-1]}”"


def _translate(match: re.Match[str], talk: Conversation) -> str:
    language = capitalised(match["language"].casefold())
    marked = quoted(talk.question)
    text = marked[0].text if marked else (match["text"] or "").strip(" .:\"'")
    return translated(text or talk.question, language)


def translated(text: str, language: str) -> str:
    """The phrase from a small phrase book, or the text itself with the language before it."""
    known = PHRASES.get(" ".join(words(text)), {})
    return known.get(language) or f"[{language}] {text.strip()}"


def _interpret(_match: re.Match[str], talk: Conversation) -> str | None:
    """A system prompt may say that everything is to be translated."""
    told = _INTERPRETS.search(talk.system)
    return translated(talk.question, capitalised(told[1].casefold())) if told else None


_INTERPRETS = re.compile(r"\btranslat\w+\b[^.\n]{0,80}?\b(?:in)?to\s+([a-z]{4,})", re.IGNORECASE)


def _capital(match: re.Match[str], _talk: Conversation) -> str | None:
    country = next((one for one in CAPITALS if one.casefold() in match[1].casefold()), None)
    return f"The capital of {country} is {CAPITALS[country]}." if country else None


def _joke(_match: re.Match[str], talk: Conversation) -> str:
    return pick(_JOKES, talk.question, talk.seed).format(_named_subject(talk, "chickens"))


def _named_subject(talk: Conversation, otherwise: str) -> str:
    """What comes behind "about"; a bare "tell me a joke" has no subject of its own."""
    return topic(talk.question) if re.search(r"\babout\b|\bon\b", talk.question, re.IGNORECASE) else otherwise


_JOKES = (
    "Why did {0} cross the road? To get to the other side, of course.",
    "What do {0} and an old computer have in common? Both need a nap before they do anything.",
    "How do {0} say sorry? They don't: they wait for you to forget.",
)


def _poem(_match: re.Match[str], talk: Conversation) -> str:
    subject = _named_subject(talk, "the sea")
    return (
        f"Of {subject} I sing today,\nin quiet words, a simple way.\n"
        f"The morning comes, the lines are few,\nand {subject} looks forever new."
    )


def _list(match: re.Match[str], _talk: Conversation) -> str | None:
    wanted = min(_number(match["count"]), 50)
    singular = match["what"].strip().split()[-1].removesuffix("s")
    subject = (match["rest"] or "this").strip(" .?!")
    lines = (f"{at}. {capitalised(singular)} {at} for {subject}" for at in range(1, wanted + 1))
    return "\n".join(lines) or None


def _essay(match: re.Match[str], talk: Conversation) -> str:
    """Text of about the asked length, sentence by sentence."""
    length = min(int(match["count"] or 150), 5 * _MOST)
    subject = _named_subject(talk, topic(talk.question))
    text: list[str] = []
    turn = 0
    while len(text) < length:
        text += _ESSAY[turn % len(_ESSAY)].format(subject, turn // len(_ESSAY) + 1).split(" ")
        turn += 1
    return " ".join(text)


_ESSAY = (
    "Much has been said about {0}, and part {1} of the story starts with a plain observation.",
    "Whoever looks closely at {0} sees that small things matter.",
    "They add up over time, and what seemed hard becomes familiar.",
    "That is why {0} deserves patience, a clear eye and an open mind.",
)


def _transform(match: re.Match[str], talk: Conversation) -> str | None:
    marked = quoted(talk.question)
    text = marked[0].text if marked else match["text"].strip()
    return _TRANSFORMS[match["how"].casefold().replace("-", "").replace(" ", "")[:5]](text)


_TRANSFORMS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "rever": lambda text: text[::-1],
}


def _sentiment(_match: re.Match[str], talk: Conversation) -> str:
    told = frozenset(words(talk.question))
    balance = len(told & _GOOD) - len(told & _BAD)
    return "Positive" if balance > 0 else "Negative" if balance < 0 else "Neutral"


_GOOD = word_set(
    "good great love loved excellent amazing wonderful happy best nice fantastic enjoy enjoyed like"
)
_BAD = word_set(
    "bad terrible hate hated awful worst sad poor horrible broken disappointing disappointed angry"
)


def _code(_match: re.Match[str], talk: Conversation) -> str:
    name = "_".join(keywords(topic(talk.question))[:4]) or "answer"
    return f'```python\ndef {name}(value):\n    """{capitalised(topic(talk.question))}."""\n    return value\n```'


def _introduce(_match: re.Match[str], _talk: Conversation) -> str:
    return "I am the sandbox's model: deterministic, offline, and free of charge. I can answer, call tools and fill schemas."


def _thank(_match: re.Match[str], _talk: Conversation) -> str:
    return "You are welcome!"


def _noted(_match: re.Match[str], talk: Conversation) -> str:
    return f"Thank you, I will remember that: {sentences(talk.question)[0]}"


def _number(text: str) -> int:
    return NUMBER_WORDS.get(text.casefold(), 0) or int(text if text.isdigit() else 0)


def _skill(name: str, pattern: str, say: Callable[[re.Match[str], Conversation], str | None]) -> Skill:
    return Skill(name, re.compile(pattern, _FLAGS), say)


SKILLS: tuple[Skill, ...] = (
    _skill("translating", r"\S", _interpret),
    _skill("repeating", r"^(?:please\s+)?(?:repeat(?: after me)?|say|echo)(?: exactly)?(?:\s*:\s*|\s+(?=[\"'“]))(.+)$", _repeat),
    _skill("repeating", r"^(?:please\s+)?(?:repeat after me|say(?! (?:some|any|a|an|the|why|what|how|if)\b)|echo)[,]?\s+(\S.{0,200})$", _repeat),
    _skill(
        "counting",
        rf"\b(?:count|list|numbers)\b(?P<down> down)?(?: the)?(?: numbers)?(?:\s*(?:from\s+)?(?P<first>{_COUNT}))?\s*(?:up to|to|through|till|until|-|\u2013)\s*(?P<last>{_COUNT})\b",
        _count,
    ),
    _skill("translating", r"\btranslate\b(?P<text>.{0,2000}?)\b(?:in)?to\s+(?P<language>[a-z]{4,})\b", _translate),
    _skill("translating", r"\bhow (?:do you|to) say\b(?P<text>.{0,2000}?)\bin\s+(?P<language>[a-z]{4,})\b", _translate),
    _skill("looking back", r"\bwhat (?:did i|was my) (?:just |first |last |previous )?(?:say|ask|question|message|tell)", _look_back),
    _skill("remembering", r"\b(?:what(?:'s| is| was)|do you (?:know|remember)|remind me of|tell me)\s+my\s+([\w ]+?)[?.!]*$", _recall),
    _skill("remembering", r"^(?:hi[,!. ]*|hello[,!. ]*)?(?:my [\w ]+ is|remember\b|i am [A-Z]|i'm [A-Z])[^?]*$", _noted),
    _skill("changing text", r"\b(?P<how>upper-? ?case|lower-? ?case|reverse)\b[^:]*:?\s*(?P<text>.*)$", _transform),
    _skill("judging the mood", r"\bsentiment\b|\bpositive\b.*\bnegative\b", _sentiment),
    _skill("joking", r"\bjokes?\b", _joke),
    _skill("rhyming", r"\b(?:poem|haiku|verse|limerick|song)\b", _poem),
    _skill("writing", r"\b(?:(?P<count>\d+)[- ]words?\b|essay|story|article|paragraphs?\b)", _essay),
    _skill("listing", rf"\b(?:list|give|name|suggest|write|generate|propose|tell)\b[^.?!]{{0,80}}?\b(?P<count>{_COUNT})\b(?P<what>(?:\s+[a-z]+){{1,3}}?)\b(?:\s+(?:for|about|of|to|on|in|related to)\b(?P<rest>[^.?!\n]{{1,80}})|[.?!:,]|$)", _list),
    _skill("calculating", r"\S", _sum),
    _skill("knowing capitals", r"\bcapital\s+(?:city\s+)?of\s+([^?.!\n]+)", _capital),
    _skill("coding", r"\b(?:write|implement|create)\b.*\b(?:function|code|script|program)\b", _code),
    _skill("introducing myself", r"\b(?:who|what) are you\b|\bwhich model\b|\byour name\b", _introduce),
    _skill("being polite", r"^(?:many )?(?:thanks|thank you)\b[^?]*$", _thank),
    _skill("greeting", r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings|how are you|yo|hola|bonjour)(?:[\s,!.]+(?:there|again|all|everyone|world|friend|how are you|(?-i:[A-Z])\w+))*[\W\d]*$", _greet),
)  # fmt: skip


# -- style -------------------------------------------------------------------------------------------------------------


def styled(text: str, talk: Conversation) -> str:
    """The text as the system prompt or the question wants it: in one word, in capitals, like a pirate."""
    told = f"{talk.system}\n{talk.question}"
    for pattern, change in _STYLES:
        if pattern.search(told):
            text = change(text)
    return text


def _one_word(text: str) -> str:
    """The last name or number of an answer is what it comes to."""
    found = names(text)
    named = [span.text for span in sorted(found, key=lambda span: span.start)]
    figure = re.findall(r"= (-?[\d.]+)$", text)
    return (figure or named[-1:] or [capitalised(words(text)[-1])] if words(text) else [text])[0].strip(".")


_STYLES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (
        re.compile(
            r"\b(?:in|with|using) (?:only |just |exactly )?(?:one|a single) word\b|\bone[- ]word answer",
            re.IGNORECASE,
        ),
        _one_word,
    ),
    (re.compile(r"\b(?:only|just) (?:with )?(?:the|a) number\b", re.IGNORECASE), _one_word),
    (re.compile(r"\b(?:in|with|using) (?:all )?(?:capitals|caps|upper ?case)\b", re.IGNORECASE), str.upper),
    (
        re.compile(r"\b(?:you are|like|as|talk like) a pirate\b", re.IGNORECASE),
        lambda text: f"Arr, matey! {text}",
    ),
)
