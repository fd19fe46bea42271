"""Ingestion: documents on their way into an index, with what the model says of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.extractors import (
    DocumentContextExtractor,
    KeywordExtractor,
    PydanticProgramExtractor,
    QuestionsAnsweredExtractor,
    SummaryExtractor,
    TitleExtractor,
)
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.program import LLMTextCompletionProgram
from llama_index.core.storage.docstore import SimpleDocumentStore
from pydantic import BaseModel

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import DOCUMENTS, QUESTION, accounted

# The pipeline begins an event loop of its own, and so is not run inside of one.
sides = pytest.mark.parametrize("method", ["run", "arun"], ids=["sync", "async"])


class Sight(BaseModel):
    """What there is to see."""

    summary: str
    year: int


def program(llm: OpenRouter) -> PydanticProgramExtractor[Sight]:
    asked = LLMTextCompletionProgram.from_defaults(
        output_cls=Sight, llm=llm, prompt_template_str="Fill in this form for the text:\n{input}"
    )
    return PydanticProgramExtractor(program=asked, input_key="input")


EXTRACTORS: dict[str, tuple[Any, str, str]] = {
    "keywords": (lambda llm: KeywordExtractor(llm=llm), "excerpt_keywords", "lighthouse"),
    "summaries": (lambda llm: SummaryExtractor(llm=llm), "section_summary", "Ida Holm"),
    "questions": (
        lambda llm: QuestionsAnsweredExtractor(llm=llm, questions=2),
        "questions_this_excerpt_can_answer",
        "?",
    ),
    "titles": (lambda llm: TitleExtractor(llm=llm, nodes=1), "document_title", "lighthouse"),
    "objects": (program, "year", "1872"),
}


async def ran(pipeline: IngestionPipeline, method: str, documents: list[Document]) -> Any:
    return (
        await asyncio.to_thread(pipeline.run, documents=documents)
        if method == "run"
        else await pipeline.arun(documents=documents)
    )


@sides
@pytest.mark.parametrize("kind", EXTRACTORS)
async def test_an_extractor_says_of_every_node_what_the_model_said(
    kind: str, method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    make, key, expected = EXTRACTORS[kind]
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), make(consumed)], disable_cache=True)

    with accounted(sandbox):
        nodes = await ran(pipeline, method, [Document(text=text) for text in DOCUMENTS])

    assert len(nodes) == len(DOCUMENTS)
    assert all(node.metadata[key] for node in nodes)
    assert expected in str(nodes[0].metadata[key])


@sides
async def test_what_was_extracted_once_is_not_paid_for_again_even_with_another_key(
    method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    cache = IngestionCache()

    def pipeline(llm: OpenRouter) -> IngestionPipeline:
        return IngestionPipeline(transformations=[SentenceSplitter(), KeywordExtractor(llm=llm)], cache=cache)

    document = Document(text=DOCUMENTS[0], id_="lighthouse")
    with accounted(sandbox):
        first = await ran(pipeline(consumed), method, [document])
    again = await ran(pipeline(consumed.model_copy(update={"api_key": "sk-or-another"})), method, [document])

    assert len(sandbox.requests) == 1
    assert again[0].metadata == first[0].metadata
    other = await ran(
        pipeline(consumed.model_copy(update={"model": "openai/gpt-5-nano"})), method, [document]
    )
    assert len(sandbox.requests) == 2
    assert other[0].metadata["excerpt_keywords"]


@sides
async def test_what_a_model_says_of_documents_is_in_the_index(
    method: str, consumed: OpenRouter, embedding: Any, sandbox: Sandbox
) -> None:
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), KeywordExtractor(llm=consumed), embedding]
    )

    with accounted(sandbox):
        nodes = await ran(pipeline, method, [Document(text=text) for text in DOCUMENTS])
        index = VectorStoreIndex(nodes, embed_model=embedding)
        answer = await index.as_query_engine(llm=consumed, similarity_top_k=1).aquery(QUESTION)

    assert "Ida Holm" in str(answer)
    assert "excerpt_keywords: lighthouse" in sandbox.last.body["messages"][-1]["content"]


async def test_the_document_around_a_node_is_marked_for_the_cache(
    consumed: OpenRouter, sandbox: Sandbox
) -> None:
    store, document = SimpleDocumentStore(), Document(text=" ".join(DOCUMENTS))
    store.add_documents([document])
    nodes = SentenceSplitter(chunk_size=40, chunk_overlap=0).get_nodes_from_documents([document])
    extractor = DocumentContextExtractor(
        docstore=store, llm=consumed, max_context_length=1000, max_output_tokens=60
    )

    with accounted(sandbox):
        found = await extractor.aextract(nodes)

    assert len(found) == len(sandbox.requests) == len(nodes) > 1
    assert all(each["context"] for each in found)
    for request in sandbox.requests:
        whole, chunk = request.body["messages"]
        (part,) = whole["content"]
        assert DOCUMENTS[1] in part["text"]
        assert part["cache_control"] == {"type": "ephemeral"}
        assert "<chunk>" in chunk["content"]
        assert request.body["max_tokens"] == 60
