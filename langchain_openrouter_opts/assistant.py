"""What an assistant's message holds, sorted by where it goes on the wire: content, calls, reasoning, images, and the rest.

Taken are messages of ours, in both output versions, and those of other integrations, so that a conversation can go on with another model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage

from langchain_openrouter_opts.broken_calls import sent_back
from langchain_openrouter_opts.content import add, parts_of
from langchain_openrouter_opts.media import Block
from langchain_openrouter_opts.reasoning import own_details, replayed
from langchain_openrouter_opts.results import MODEL_PROVIDER
from langchain_openrouter_opts.server_tools import notes, of_openrouter
from openrouter_opts.protocol.parts import Part
from openrouter_opts.protocol.replay import other_output, tool_call

WireMessage: TypeAlias = dict[str, Any]


class Place(NamedTuple):
    """Where a message stands in a conversation."""

    path: str
    """What errors name, such as `messages[0]`."""
    is_running: bool
    """Whether it belongs to the turn that goes on with this request: nothing of the user comes after it."""


def assistant_message(message: AIMessage, place: Place) -> WireMessage:
    """Return an assistant's message as it goes out, but for what a message of any role may have.

    Raises:
        ConfigurationError: It holds something that can't be sent; names its path.
    """
    said = _sorted_out(message, place.path)
    wire: WireMessage = {"role": "assistant", "content": _content(said.content)}
    calls = _tool_calls(message, said.calls)
    if calls:
        wire["tool_calls"] = calls
    details = replayed(message, said.reasoning, is_running=place.is_running)
    if details is not None:
        wire["reasoning_details"] = details
    wire.update(other_output({**said.other, **_kept(message)}))
    if len(wire) > 2 and _is_blank(wire["content"], beside_calls=bool(calls)):
        wire["content"] = None
    return wire


def _is_blank(content: str | list[Part], *, beside_calls: bool) -> bool:
    # Amazon Nova refuses a blank text beside tool calls: https://github.com/OpenRouterTeam/ai-sdk-provider/blob/main/CHANGELOG.md (2.9.1)
    return not (content.strip() if beside_calls and isinstance(content, str) else content)


@dataclass(slots=True)
class _Said:
    """The blocks of a message, by where they go."""

    is_foreign: bool
    """Whether another integration than OpenRouter's has it from its model."""
    content: list[Part] = field(default_factory=list)
    calls: list[Block] = field(default_factory=list)
    reasoning: list[Block] = field(default_factory=list)
    other: dict[str, Any] = field(default_factory=dict)
    """What a model gave beside text, calls and reasoning, under the names of the wire."""

    def add(self, name: str, *each: Any) -> None:
        self.other.setdefault(name, []).extend(each)


_HELD_BESIDE: Final = frozenset({"audio", "executed_tools", "reasoning", "tool_outputs"})
"""Where integrations keep blocks that are not in the content."""


def _is_foreign(message: AIMessage) -> bool:
    return bool(message.response_metadata.get("model_provider", MODEL_PROVIDER) != MODEL_PROVIDER)


def _sorted_out(message: AIMessage, where: str) -> _Said:
    said = _Said(_is_foreign(message))
    if isinstance(message.content, str) and _HELD_BESIDE.isdisjoint(message.additional_kwargs):
        # Most messages with tool calls are this.
        said.content = [{"type": "text", "text": message.content}]
        return said
    placed = [*_beside(message.additional_kwargs, f"{where}.additional_kwargs"), *_blocks(message, where)]
    blocks = [block for _, block in placed]
    # What the reasoning tells of needs no text.
    told = {call.id for call, _ in of_openrouter(own_details(message, blocks))}
    for (place, block), note in zip(placed, notes(blocks), strict=True):
        if note is None:
            _WAYS.get(block.get("type", ""), _to_content)(said, block, place)
        elif note and told.isdisjoint((block.get("id"), block.get("tool_call_id"))):
            said.content.append({"type": "text", "text": note})
    return said


def _blocks(message: AIMessage, where: str) -> Iterator[tuple[str, Block]]:
    """Yield the blocks of a message's content, with their paths."""
    content = message.content
    is_heard = False
    for index, each in enumerate([content] if isinstance(content, str) else content):
        block: Block = {"type": "text", "text": each} if isinstance(each, str) else each
        if block.get("type") == "non_standard" and isinstance(value := block.get("value"), Mapping):
            block = value
        is_heard = is_heard or block.get("type") == "audio"
        yield f"{where}.content[{index}]", block
    audio = None if is_heard else message.additional_kwargs.get("audio")
    if isinstance(audio, bytes):
        # Of langchain-google-genai, which takes it for WAV too.
        yield f"{where}.additional_kwargs.audio", {"type": "audio", "base64": audio, "mime_type": "audio/wav"}
    elif isinstance(audio, Mapping) and (_is_foreign(message) or not audio.get("id")):
        yield f"{where}.additional_kwargs.audio", {"type": "audio", **audio, "extras": audio}


def _beside(extra: Mapping[str, Any], where: str) -> Iterator[tuple[str, Block]]:
    """Yield what other integrations keep beside the content as blocks, with their paths."""
    if isinstance(reasoning := extra.get("reasoning"), Mapping):
        # Of ChatOpenAI, as the next.
        yield f"{where}.reasoning", {**reasoning, "type": "reasoning"}
    for index, each in enumerate(extra.get("tool_outputs") or ()):
        yield f"{where}.tool_outputs[{index}]", each
    for index, each in enumerate(extra.get("executed_tools") or ()):
        # Of ChatGroq.
        name = each.get("name") or each.get("type")
        yield f"{where}.executed_tools[{index}]", {**each, "type": "executed_tools", "name": name}


def _kept(message: AIMessage) -> dict[str, Any]:
    """Return what the message keeps beside its content. The id of a recording means something to those alone who made it."""
    kept = {key: value for key, value in message.additional_kwargs.items() if value}
    if _is_foreign(message):
        kept.pop("audio", None)
    return kept


# --- where each kind of block goes ---


def _to_content(said: _Said, block: Block, place: str) -> None:
    before = len(said.content)
    add(said.content, block, place)
    added = said.content[before:]
    # Images that a model made have a place of their own; an upload is a file.
    said.add("images", *(each for each in added if each.get("type") == "image_url"))
    said.content[before:] = [each for each in added if each.get("type") != "image_url"]


def _text(said: _Said, block: Block, place: str) -> None:
    said.content += parts_of(block, place)
    values = [each.get("value") or {} for each in block.get("annotations") or () if isinstance(each, Mapping)]
    said.add("annotations", *(value for value in values if value.get("type") == "file"))
    if isinstance(extras := block.get("extras"), Mapping) and extras.get("signature"):
        # Gemini signs texts as well.
        said.reasoning.append(block)


def _call(said: _Said, block: Block, _place: str) -> None:
    said.calls.append(block)


def _reasoning(said: _Said, block: Block, _place: str) -> None:
    said.reasoning.append(block)


def _made_image(said: _Said, block: Block, place: str) -> None:
    """Of OpenAI's Responses; without a result, it never came to be."""
    if data := block.get("result"):
        mime = f"image/{block.get('output_format') or 'png'}"
        _to_content(said, {"type": "image", "base64": data, "mime_type": mime}, place)


def _refusal(said: _Said, block: Block, _place: str) -> None:
    said.other["refusal"] = said.other.get("refusal", "") + (block.get("refusal") or "")


def _audio(said: _Said, block: Block, place: str) -> None:
    """A model hears its own recording by its id; for another one it is what was said, or else the recording itself."""
    extras = block.get("extras") or {}
    if extras.get("id") and not said.is_foreign:
        said.other["audio"] = {"id": extras["id"]}
    elif transcript := extras.get("transcript"):
        said.content.append({"type": "text", "text": transcript})
    else:
        said.content += parts_of(block, place)


def _compaction(said: _Said, block: Block, _place: str) -> None:
    """Anthropic's summary of all that came before. OpenAI's can be read by nobody else."""
    if summary := block.get("content"):
        said.content.append({"type": "text", "text": summary})


def _nowhere(_said: _Said, _block: Block, _place: str) -> None:
    """Pieces of calls that the message holds whole, and numbers of sources that it doesn't hold."""


Way: TypeAlias = Callable[[_Said, Block, str], None]

_CALLS: Final = (
    *("tool_call", "invalid_tool_call", "tool_use", "function_call", "custom_tool_call"),
    # Tools of OpenAI that the client runs.
    *("apply_patch_call", "computer_call", "local_shell_call", "shell_call"),
)
_THOUGHTS: Final = (
    *("reasoning", "thinking", "redacted_thinking", "reasoning_content", "function_call_signature"),
)
_WAYS: Final[Mapping[str, Way]] = {
    "text": _text,
    **dict.fromkeys(_CALLS, _call),
    **dict.fromkeys(_THOUGHTS, _reasoning),
    "image_generation_call": _made_image,
    "refusal": _refusal,
    "audio": _audio,
    "compaction": _compaction,
    **dict.fromkeys(("tool_call_chunk", "input_json_delta", "reference"), _nowhere),
}
"""Where a block goes, if it isn't just a content part."""


# --- what becomes of them ---


def _content(parts: list[Part]) -> str | list[Part]:
    spoken = [each for each in parts if each.get("type") != "text" or str(each.get("text")).strip()]
    if not spoken:
        # Claude refuses a blank text among others; by itself it is what the user wrote.
        return "".join(str(each.get("text")) for each in parts)
    if len(spoken) == 1 and spoken[0].keys() == {"type", "text"}:
        # One form for one text, whichever `output_version` it came in: prompt caches look at the bytes.
        return str(spoken[0]["text"])
    return spoken


def _tool_calls(message: AIMessage, blocks: Sequence[Block]) -> list[WireMessage]:
    """Return the calls of a message: its own, and those that only its content has."""
    own = sent_back(message)
    known = {call.get("id") for call in own}
    calls = [tool_call(call.get("id"), call.get("name"), call.get("args")) for call in own]
    for block in blocks:
        call_id = block.get("call_id") or block.get("id")
        # Without an id, there is no telling whether the message has it as well; it has all of them or none.
        if call_id not in known if call_id else not own:
            name = block.get("name") or block["type"].removesuffix("_call")
            calls.append(tool_call(call_id, name, _arguments(block)))
    if legacy := message.additional_kwargs.get("function_call"):
        # These had no ids, so the name stands for it, here and in the result.
        calls.append(tool_call(legacy.get("name"), legacy.get("name"), legacy.get("arguments")))
    return calls


def _arguments(block: Block) -> Any:
    names = ("args", "input", "arguments", "action", "operation")
    return next((block[name] for name in names if block.get(name) is not None), None)
