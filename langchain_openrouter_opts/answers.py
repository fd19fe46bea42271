"""Structured output, read: from a whole message or from one that is still coming, and never from half of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers.transform import BaseTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables.utils import AddableDict
from pydantic import SkipValidation, ValidationError
from pydantic.v1 import ValidationError as ValidationError1
from pydantic_core import to_json
from typing_extensions import override

from langchain_openrouter_opts.broken_calls import written
from langchain_openrouter_opts.errors import InvalidOutput, Refused, Truncated
from langchain_openrouter_opts.schemas import AnswerSchema
from openrouter_opts.json_text import CutOffError, NotJSONError, ends, object_begun_in, object_in
from openrouter_opts.money.cost import UNKNOWN_COST, Cost, amount
from openrouter_opts.protocol.completion import PROPER_ENDINGS, Choice, Completion, ToolCall, Usage

# Without a word, the JSON tells.
_COMPLETE: Final = PROPER_ENDINGS | {None}
_OutputError = TypeVar("_OutputError", InvalidOutput, Refused)
_NO_FIT: Final = (ValidationError, ValidationError1)
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        schema: What to answer in; `None` for any JSON object.
        by_tool: Whether the answer is a call of the schema's tool; otherwise it is text.
        tools: The names of the tools that may be called before the answer.
    """

    schema: AnswerSchema | None
    by_tool: bool = False
    tools: frozenset[str] = frozenset()

    def read(self, message: AIMessage) -> Any:
        """Return the answer in a message, or `None` if tools are called first.

        Raises:
            Refused: The model would not answer.
            Truncated: The answer was cut off.
            InvalidOutput: There is no answer, or one that doesn't fit the schema.
        """
        _check_ending(message)
        calls = _calls(message)
        try:
            value = self._object(message.text, calls)
        except CutOffError as error:
            raise _error(Truncated, f"the answer was cut off: {error}", message) from error
        except NotJSONError as error:
            if calls and all(call.name in self.tools for call in calls):
                return None
            problem = f"{error}; the model wrote {message.text!r:.200}"
            raise _error(InvalidOutput, problem, message) from error
        return value if self.schema is None else _fitted(value, self.schema, message)

    def _object(self, text: str, calls: tuple[ToolCall, ...]) -> Mapping[str, Any]:
        if not self.by_tool:
            return object_in(text)
        call = self._answering(calls)
        if call is None:
            raise NotJSONError(f"the model called {', '.join(each.name for each in calls) or 'no tool'}")
        if call.args is None:
            whole = NotJSONError(f"the arguments are no JSON object: {call.arguments!r:.200}")
            raise whole if ends(call.arguments) else CutOffError("the arguments do not end")
        return call.args

    def _answering(self, calls: tuple[ToolCall, ...]) -> ToolCall | None:
        return next((call for call in calls if self.schema and call.name == self.schema.name), None)

    def begun(self, message: AIMessage) -> Any:
        """Return what there is of the answer in a message that is still coming; `None` as long as there is nothing to show."""
        text: str = message.text
        if self.by_tool:
            call = self._answering(_calls(message))
            text = call.arguments if call else ""
        value = object_begun_in(text)
        if self.schema is None or not value:
            return value or None
        try:
            return self.schema.read(value) if self.schema.is_object else None
        except _NO_FIT:
            return None


def _check_ending(message: AIMessage) -> None:
    reason = message.response_metadata.get("finish_reason")
    if refusal := message.additional_kwargs.get("refusal"):
        raise _error(Refused, f"the model refused: {refusal}", message)
    if reason == "content_filter":
        raise _error(Refused, "a content filter stopped the answer", message)
    if reason == "length":
        raise _error(Truncated, "the answer was cut off at the token limit; raise `max_tokens`", message)
    if reason not in _COMPLETE:
        raise _error(Truncated, f"the answer was cut off; its finish reason is {reason!r}", message)


def _calls(message: AIMessage) -> tuple[ToolCall, ...]:
    """Return the calls of a message with their arguments as text: as the model wrote it, where that is still known."""
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        said = [(piece["id"], piece["name"], piece["args"]) for piece in message.tool_call_chunks]
    else:
        said = [(call["id"], call["name"], to_json(call["args"]).decode()) for call in message.tool_calls]
        said += [(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
    return tuple(ToolCall(call_id or "", name or "", written(args) or "") for call_id, name, args in said)


def _fitted(value: Mapping[str, Any], schema: AnswerSchema, message: AIMessage) -> Any:
    if schema.key is not None and schema.key not in value:
        raise _error(InvalidOutput, f"the answer has no {schema.key!r}", message)
    try:
        return schema.read(value)
    except _NO_FIT as error:
        problems = [_told(each) for each in error.errors()[:_MOST_PROBLEMS]]
        raise _error(
            InvalidOutput, f"the answer is no {schema.name}: {'; '.join(problems)}", message
        ) from error


def _told(problem: Mapping[str, Any]) -> str:
    where = ".".join(map(str, problem["loc"])) or "all of it"
    value = (
        f", and is {problem['input']!r:.60}" if "input" in problem and problem["type"] != "missing" else ""
    )
    return f"{where}: {problem['msg']}{value}"


def _error(cls: type[_OutputError], problem: str, message: AIMessage) -> _OutputError:
    """Build an error that holds what was written, and what it cost."""
    partial = _completion(message)
    error = cls(
        problem,
        partial=partial,
        usage=partial.usage,
        generation_id=partial.id,
        provider=partial.provider,
        request_id=message.response_metadata.get("request_id"),
        attempts=message.response_metadata.get("attempts", 1),
        delivered="yes",
    )
    error.llm_output = partial.text or "".join(call.arguments for call in partial.tool_calls)
    return error


def _completion(message: AIMessage) -> Completion:
    """Return a message as the answer that it was made of, as far as it tells."""
    said, more = message.response_metadata, message.additional_kwargs
    choice = Choice(
        text=message.text or None,
        refusal=more.get("refusal"),
        reasoning=more.get("reasoning_content"),
        tool_calls=_calls(message),
        finish_reason=said.get("finish_reason"),
        native_finish_reason=said.get("native_finish_reason"),
    )
    return Completion(
        id=said.get("id"),
        model=said.get("model_name"),
        provider=said.get("provider"),
        choices=(choice,),
        usage=_usage(message),
    )


def _usage(message: AIMessage) -> Usage:
    counted = message.usage_metadata
    said = message.response_metadata
    cost = UNKNOWN_COST
    if (total := amount(said.get("cost"))) is not None:
        cost = Cost(
            total, is_byok=said.get("is_byok"), source="reported", details=said.get("cost_details", {})
        )
    if counted is None:
        return Usage(cost=cost)
    return Usage(counted["input_tokens"], counted["output_tokens"], counted["total_tokens"], cost=cost)


class Answer(BaseTransformOutputParser[Any]):
    """The end of a chain: reads what a model answers.

    Attributes:
        asked: What was asked for.
        include_raw: Whether the result is `{"raw", "parsed", "parsing_error"}`; what can't be read is no exception then.
    """

    asked: SkipValidation[Asked]
    include_raw: bool = False

    @override
    def parse(self, text: str) -> Any:
        return self.parse_result([Generation(text=text)])

    @override
    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = _message(result[0])
        if partial:
            return self.asked.begun(message)
        if not self.include_raw:
            return self.asked.read(message)
        return {"raw": message, **self.outcome(message)}

    def outcome(self, message: AIMessage) -> dict[str, Any]:
        """Return what was read, or what is wrong with it."""
        try:
            return {"parsed": self.asked.read(message), "parsing_error": None}
        except OutputParserException as error:
            return {"parsed": None, "parsing_error": error}

    @override
    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:
        growing = _Growing(self)
        for chunk in input:
            yield from growing.add(chunk)
        yield from growing.end()

    @override
    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:
        growing = _Growing(self)
        async for chunk in input:
            for each in growing.add(chunk):
                yield each
        for each in growing.end():
            yield each

    @property
    @override
    def OutputType(self) -> Any:
        schema = self.asked.schema
        return dict if self.include_raw or schema is None else schema.output

    @property
    def _type(self) -> str:
        return "openrouter_answer"


def _message(said: Generation | BaseMessage | str) -> AIMessage:
    message = said.message if isinstance(said, ChatGeneration) else said
    if isinstance(message, AIMessage):
        return message
    if isinstance(message, str):
        return AIMessageChunk(content=message)
    return AIMessageChunk(content=message.text if isinstance(message, Generation) else message.content)


class _Growing:
    """An answer that comes in pieces: yields what there is of it whenever that is more, and at the end all of it."""

    def __init__(self, parser: Answer) -> None:
        self._parser = parser
        self._whole: AIMessage | None = None
        self._shown: Any = None

    def add(self, chunk: str | BaseMessage) -> Iterator[Any]:
        piece = _message(chunk)
        self._whole = whole = piece if self._whole is None else cast("AIMessage", self._whole + piece)
        if self._parser.include_raw:
            yield _Result(raw=piece)
        begun = self._parser.asked.begun(whole)
        if begun is not None and begun != self._shown:
            self._shown = begun
            yield _Result(parsed=begun) if self._parser.include_raw else begun

    def end(self) -> Iterator[Any]:
        if self._whole is None:
            return
        if self._parser.include_raw:
            yield _Result(self._parser.outcome(self._whole))
            return
        answer = self._parser.asked.read(self._whole)
        if answer is None or answer != self._shown:
            yield answer


class _Result(AddableDict):
    """A piece of the result with `raw`: messages are added up, and of objects the later one counts, or that there is none."""

    @override
    def __add__(self, other: AddableDict) -> AddableDict:
        message = {key: value for key, value in other.items() if key == "raw"}
        return type(self)(
            {**super().__add__(AddableDict(message)), **{k: v for k, v in other.items() if k != "raw"}}
        )
