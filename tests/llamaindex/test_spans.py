"""What a tracer sees of a call: one span of it, below that of the method it was made by, and nothing in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts.sandbox import Sandbox

MakeLLM = Callable[..., OpenRouter]
Spans = list[tuple[str, str | None]]


class Joke(BaseModel):
    setup: str
    punchline: str


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"sunny in {city}"


MESSAGES = [ChatMessage(content="What is 12 * 7?")]
PROMPT = PromptTemplate("Tell a joke about {subject}.")
ASKED = ([FunctionTool.from_defaults(weather)], "What is the weather in Paris?")
PREDICTED = (Joke, PROMPT)


@contextmanager
def watched() -> Iterator[SimpleSpanHandler]:
    handler, root = SimpleSpanHandler(), get_dispatcher()
    root.add_span_handler(handler)
    try:
        yield handler
    finally:
        root.span_handlers.remove(handler)


async def used_up(result: Any) -> None:
    """Await what is to be awaited, and take every step of a stream."""
    if isawaitable(result):
        result = await result
    if hasattr(result, "__anext__"):
        assert [step async for step in result]
    elif hasattr(result, "__next__"):
        assert list(result)


def spans(handler: SimpleSpanHandler) -> Spans:
    names = {span.id_: span.id_.rsplit("-", 5)[0] for span in handler.completed_spans}
    assert not handler.open_spans
    assert not handler.dropped_spans
    return [
        (names[span.id_].removeprefix("OpenRouter."), names.get(span.parent_id or ""))
        for span in handler.completed_spans
        if not names[span.id_].startswith("FunctionTool.")
    ]


def alone(name: str) -> Spans:
    return [(name, None)]


def below(name: str, parent: str) -> Spans:
    return [(name, f"OpenRouter.{parent}"), (parent, None)]


def after(name: str, parent: str) -> Spans:
    """LlamaIndex ends the span of a generator that it decorates before the first step is taken."""
    return [(parent, None), (name, None)]


SEEN = [
    *(
        pytest.param(name, arguments, alone(name), id=name)
        for kind, arguments in {"chat": (MESSAGES,), "complete": ("What is 12 * 7?",)}.items()
        for name in (kind, f"a{kind}", f"stream_{kind}", f"astream_{kind}")
    ),
    *(
        pytest.param(f"{name}_with_tools", ASKED, alone(name), id=f"{name}_with_tools")
        for name in ("chat", "achat", "stream_chat", "astream_chat")
    ),
    *(
        pytest.param(name, arguments, below(call, name), id=name)
        for name, call, arguments in [
            ("predict", "chat", (PROMPT,)),
            ("apredict", "achat", (PROMPT,)),
            ("stream", "stream_chat", (PROMPT,)),
            ("astream", "astream_chat", (PROMPT,)),
            ("predict_and_call", "chat", ASKED),
            ("apredict_and_call", "achat", ASKED),
            ("structured_predict", "chat", PREDICTED),
            ("astructured_predict", "achat", PREDICTED),
        ]
    ),
    *(
        pytest.param(name, PREDICTED, after(call, name), id=name)
        for name, call in [
            ("stream_structured_predict", "stream_chat"),
            ("astream_structured_predict", "astream_chat"),
        ]
    ),
]


@pytest.mark.parametrize(("name", "arguments", "seen"), SEEN)
async def test_a_call_is_one_span(name: str, arguments: Any, seen: Spans, llm: OpenRouter) -> None:
    variables = {"subject": "cats"} if PROMPT in arguments else {}
    with watched() as handler:
        await used_up(getattr(llm, name)(*arguments, **variables))

    assert spans(handler) == seen


WAYS = [
    {"should_use_structured_outputs": True},
    {"should_use_structured_outputs": False},
    {"pydantic_program_mode": PydanticProgramMode.LLM},
]


@pytest.mark.parametrize("way", WAYS, ids=["schema", "tool", "text"])
@pytest.mark.parametrize(("name", "call"), [("structured_predict", "chat"), ("astructured_predict", "achat")])
async def test_a_structured_prediction_is_one_span_in_every_way(
    name: str, call: str, way: dict[str, Any], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    if "pydantic_program_mode" in way:
        sandbox.answer_next('{"setup": "a", "punchline": "b"}')
    with watched() as handler:
        await used_up(getattr(make_llm(**way), name)(*PREDICTED, subject="cats"))

    assert spans(handler) == below(call, name)


def test_every_public_method_of_a_call_is_looked_at() -> None:
    calls = ("chat", "complete", "predict", "stream")
    public = {
        name
        for name in dir(OpenRouter)
        if not name.startswith("_")
        and any(call in name for call in calls)
        and callable(getattr(OpenRouter, name, None))
    }

    # The last one only converts.
    assert public == {case.id for case in SEEN} | {"convert_chat_messages"}


@pytest.mark.parametrize("kind", ["query", "text"])
@pytest.mark.parametrize("prefix", ["get", "aget"])
async def test_a_text_that_is_embedded_is_one_span(prefix: str, kind: str, sandbox: Sandbox) -> None:
    embedding = OpenRouterEmbedding(
        model_name="openai/text-embedding-3-small", api_base=sandbox.base_url, api_key=sandbox.api_key
    )
    with watched() as handler:
        await used_up(getattr(embedding, f"{prefix}_{kind}_embedding")("The lighthouse of Aster."))

    (span,) = handler.completed_spans
    assert span.id_.startswith(f"OpenRouterEmbedding.{prefix}_{kind}_embedding-")
