"""Query engines and what they are made of: synthesizers, routers, sub-questions, rerankers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.postprocessor import LLMRerank, StructuredLLMRerank
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import MediaResource, Node, NodeWithScore, TextNode
from llama_index.core.selectors import (
    LLMMultiSelector,
    LLMSingleSelector,
    PydanticMultiSelector,
    PydanticSingleSelector,
)
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import DOCUMENTS, OPTIONS, QUESTION, accounted, said

MakeLLM = Callable[..., OpenRouter]
sides = pytest.mark.parametrize("method", ["query", "aquery"], ids=["sync", "async"])
streamed_or_not = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])


PIXEL = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def nodes() -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text), score=1.0) for text in DOCUMENTS]


@sides
@streamed_or_not
async def test_a_query_engine_answers_from_documents(
    streaming: bool, method: str, consumed: OpenRouter, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    engine = index.as_query_engine(llm=consumed, similarity_top_k=2, streaming=streaming)

    with accounted(sandbox):
        assert "1872 by Ida Holm" in await said(getattr(engine, method)(QUESTION))

    (request,) = sandbox.requests
    assert request.body.get("stream", False) is streaming
    assert DOCUMENTS[0] in request.body["messages"][-1]["content"]


class Answer(BaseModel):
    answer: str
    year: int


# How a model is asked for an object: by a schema, by a tool, or in words.
ASKING: dict[str, dict[str, Any]] = {
    "schema": {"should_use_structured_outputs": True},
    "tool": {"should_use_structured_outputs": False},
    "words": {"should_use_structured_outputs": False, "is_function_calling_model": False},
}
every_way_of_asking = pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING.keys())


@sides
@every_way_of_asking
async def test_a_query_engine_gives_objects(
    asking: Any, method: str, make_llm: MakeLLM, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    engine = index.as_query_engine(llm=make_llm(**OPTIONS, **asking).as_structured_llm(Answer))

    with accounted(sandbox):
        answer = getattr(engine, method)(QUESTION)
        response = (await answer if method == "aquery" else answer).response

    assert "Ida Holm" in response.answer
    assert response.year == 1872


# Each mode, what it asks about three documents, and in how many requests.
WRITING = {
    ResponseMode.COMPACT: 1,
    ResponseMode.REFINE: 3,
    ResponseMode.TREE_SUMMARIZE: 1,
    ResponseMode.SIMPLE_SUMMARIZE: 1,
    ResponseMode.ACCUMULATE: 3,
    ResponseMode.COMPACT_ACCUMULATE: 1,
}
STREAMING = [mode for mode in WRITING if "accumulate" not in mode.value]  # LlamaIndex has no stream for these


@pytest.mark.parametrize("method", ["synthesize", "asynthesize"])
@pytest.mark.parametrize(
    ("mode", "streaming"),
    [*((mode, False) for mode in WRITING), *((mode, True) for mode in STREAMING)],
    ids=lambda value: {True: "streamed", False: "whole"}.get(value, str(getattr(value, "value", value))),
)
async def test_every_synthesizer_that_reads_documents_answers_from_them(
    mode: ResponseMode, streaming: bool, method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    synthesizer = get_response_synthesizer(llm=consumed, response_mode=mode, streaming=streaming)

    with accounted(sandbox):
        assert "Ida Holm" in await said(getattr(synthesizer, method)(QUESTION, nodes()))

    assert len(sandbox.requests) == WRITING[mode]


@pytest.mark.parametrize("method", ["synthesize", "asynthesize"])
@streamed_or_not
async def test_a_synthesizer_that_reads_no_document_asks_the_question_alone(
    streaming: bool, method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    synthesizer = get_response_synthesizer(
        llm=consumed, response_mode=ResponseMode.GENERATION, streaming=streaming
    )

    with accounted(sandbox):
        assert await said(getattr(synthesizer, method)("What is 12 * 7?", nodes())) == "12 * 7 = 84"

    assert "Aster" not in str(sandbox.last.body)


@pytest.mark.parametrize("method", ["synthesize", "asynthesize"])
@pytest.mark.parametrize(
    ("mode", "text"),
    [(ResponseMode.NO_TEXT, "None"), (ResponseMode.CONTEXT_ONLY, "\n\n".join(DOCUMENTS))],
    ids=["no_text", "context_only"],
)
async def test_a_synthesizer_that_writes_nothing_asks_nothing(
    mode: ResponseMode,
    text: str,
    method: str,
    consumed: OpenRouter,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Settings, "_llm", consumed)
    synthesizer = get_response_synthesizer(response_mode=mode)

    assert await said(getattr(synthesizer, method)(QUESTION, nodes())) == text
    assert not sandbox.requests


@pytest.mark.parametrize("mode", [ResponseMode.COMPACT, ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE])
@pytest.mark.parametrize("method", ["synthesize", "asynthesize"])
@every_way_of_asking
async def test_a_synthesizer_gives_objects(
    asking: Any, method: str, mode: ResponseMode, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(**OPTIONS, **asking)
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode, output_cls=Answer)

    with accounted(sandbox):
        answer = getattr(synthesizer, method)(QUESTION, nodes())
        response = (await answer if method == "asynthesize" else answer).response

    assert isinstance(response, Answer)
    assert "Ida Holm" in response.answer
    assert response.year == 1872


@pytest.mark.parametrize("method", ["synthesize", "asynthesize"])
@pytest.mark.parametrize("mode", WRITING, ids=lambda mode: mode.value)
async def test_a_synthesizer_shows_the_model_the_pictures_of_documents(
    mode: ResponseMode, method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    picture = MediaResource(data=PIXEL, mimetype="image/png")
    node = Node(text_resource=MediaResource(text=DOCUMENTS[0]), image_resource=picture)
    synthesizer = get_response_synthesizer(llm=consumed, response_mode=mode, multimodal=True)

    with accounted(sandbox):
        answer = await said(getattr(synthesizer, method)(QUESTION, [NodeWithScore(node=node)]))

    assert "Ida Holm" in answer
    parts = sandbox.last.body["messages"][-1]["content"]
    (shown,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert shown == f"data:image/png;base64,{PIXEL.decode()}"


def test_a_long_text_fits_into_one_call_of_a_model_with_a_large_window(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    text = " ".join(f"word{number}" for number in range(9_000))
    synthesizer = get_response_synthesizer(llm=make_llm("anthropic/claude-sonnet-4.6"))

    synthesizer.get_response(QUESTION, [text])

    assert len(sandbox.requests) == 1


def knowing(index: VectorStoreIndex, llm: OpenRouter) -> list[QueryEngineTool]:
    """An engine that knows the lighthouse and one that knows the ferry."""
    ferry = VectorStoreIndex.from_documents([Document(text=DOCUMENTS[2])], embed_model=index._embed_model)
    engines = {"lighthouse": index.as_query_engine(llm=llm), "ferry": ferry.as_query_engine(llm=llm)}
    return [
        QueryEngineTool.from_defaults(engine, name=name, description=f"knows the {name}")
        for name, engine in engines.items()
    ]


@sides
@pytest.mark.parametrize(
    "selector", [LLMSingleSelector, PydanticSingleSelector, LLMMultiSelector, PydanticMultiSelector]
)
async def test_a_router_asks_the_engine_that_knows(
    selector: Any, method: str, consumed: OpenRouter, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    router = RouterQueryEngine(
        selector=selector.from_defaults(llm=consumed),
        query_engine_tools=knowing(index, consumed),
        llm=consumed,
    )

    with accounted(sandbox):
        assert "forty minutes" in await said(getattr(router, method)("How long does the ferry take?"))

    assert DOCUMENTS[0] not in str(sandbox.last.body)


@sides
async def test_a_question_is_asked_of_each_engine_that_knows_a_part(
    method: str, consumed: OpenRouter, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    engine = SubQuestionQueryEngine.from_defaults(
        knowing(index, consumed),
        llm=consumed,
        question_gen=LLMQuestionGenerator.from_defaults(llm=consumed),
        use_async=method == "aquery",
        verbose=False,
    )
    question = "Who built the lighthouse of Aster, and how long does the ferry take?"

    with accounted(sandbox):
        answer = await said(getattr(engine, method)(question))

    assert "Ida Holm" in answer
    assert "forty minutes" in answer
    assert len(sandbox.requests) == 4  # the parts, an answer to each, and one to the whole


RANKED = "How long does the ferry take?"


@pytest.mark.parametrize("reranker", [LLMRerank, StructuredLLMRerank])
@pytest.mark.parametrize("method", ["postprocess_nodes", "apostprocess_nodes"], ids=["sync", "async"])
@every_way_of_asking
async def test_nodes_are_ranked_by_the_model(
    asking: Any, method: str, reranker: Any, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    rank = getattr(reranker(llm=make_llm(**OPTIONS, **asking), top_n=1), method)

    with accounted(sandbox):
        ranked = rank(nodes(), query_str=RANKED)
        ranked = await ranked if method == "apostprocess_nodes" else ranked

    assert [node.text for node in ranked] == [DOCUMENTS[2]]
    assert ranked[0].score > 1
    assert len(sandbox.requests) == 1
