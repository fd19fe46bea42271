"""Query engines and chat engines over documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import Document, PromptTemplate, VectorStoreIndex
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import LLMRerank, StructuredLLMRerank
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.selectors import LLMSingleSelector, PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox

MakeLLM = Callable[..., OpenRouter]
DOCUMENTS = (
    "The lighthouse of Aster was built in 1872 by Ida Holm, who also drew the map of the harbour.",
    "The harbour market of Aster opens at six in the morning, except on the first Monday of a month.",
    "The ferry between Aster and Brim takes forty minutes and carries bicycles for free.",
)
QUESTION = "Who built the lighthouse of Aster, and when?"


@pytest.fixture
def index(embedding: Any) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text=text) for text in DOCUMENTS], embed_model=embedding)


def test_a_query_engine_answers_from_documents_and_says_what_it_cost(
    llm: OpenRouter, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    with track_costs() as spend:
        answer = index.as_query_engine(llm=llm, similarity_top_k=2).query(QUESTION)

    assert "Ida Holm" in str(answer)
    assert spend.total == sandbox.credits_used > 0
    assert len(sandbox.requests) == 1


async def test_a_query_engine_answers_asynchronously(llm: OpenRouter, index: VectorStoreIndex) -> None:
    assert "Ida Holm" in str(await index.as_query_engine(llm=llm).aquery(QUESTION))


def test_a_query_engine_streams(llm: OpenRouter, index: VectorStoreIndex) -> None:
    answer: Any = index.as_query_engine(llm=llm, streaming=True).query(QUESTION)
    pieces = list(answer.response_gen)

    assert len(pieces) > 3
    assert "Ida Holm" in "".join(pieces)


class Answer(BaseModel):
    builder: str


def test_a_query_engine_gives_objects(llm: OpenRouter, index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(llm=llm.as_structured_llm(Answer))

    assert isinstance(engine.query(QUESTION).response, Answer)


@pytest.mark.parametrize(
    "mode",
    [
        ResponseMode.COMPACT,
        ResponseMode.REFINE,
        ResponseMode.TREE_SUMMARIZE,
        ResponseMode.SIMPLE_SUMMARIZE,
        ResponseMode.ACCUMULATE,
        ResponseMode.COMPACT_ACCUMULATE,
    ],
)
async def test_every_synthesizer_answers(mode: ResponseMode, llm: OpenRouter) -> None:
    nodes = [NodeWithScore(node=TextNode(text=text), score=1.0) for text in DOCUMENTS]
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode)

    assert isinstance(answer := synthesizer.synthesize(QUESTION, nodes), Response)
    assert str(answer)
    assert str(await synthesizer.asynthesize(QUESTION, nodes))


@pytest.mark.parametrize("selector", [LLMSingleSelector, PydanticSingleSelector])
def test_a_router_asks_the_engine_that_knows(selector: Any, llm: OpenRouter, index: VectorStoreIndex) -> None:
    ferry = VectorStoreIndex.from_documents([Document(text=DOCUMENTS[2])], embed_model=index._embed_model)
    engines = [
        QueryEngineTool.from_defaults(index.as_query_engine(llm=llm), description="knows the lighthouse"),
        QueryEngineTool.from_defaults(ferry.as_query_engine(llm=llm), description="knows the ferry"),
    ]
    router = RouterQueryEngine(selector=selector.from_defaults(llm=llm), query_engine_tools=engines, llm=llm)

    assert "forty minutes" in str(router.query("How long does the ferry take?"))


def test_nodes_are_ranked_by_the_model(llm: OpenRouter) -> None:
    nodes = [NodeWithScore(node=TextNode(text=text), score=1.0) for text in DOCUMENTS]

    ranked = LLMRerank(llm=llm, top_n=1).postprocess_nodes(nodes, query_str="How long does the ferry take?")

    assert [node.text for node in ranked] == [DOCUMENTS[2]]


def test_nodes_are_ranked_by_objects_of_the_model(llm: OpenRouter, sandbox: Sandbox) -> None:
    nodes = [NodeWithScore(node=TextNode(text=text), score=1.0) for text in DOCUMENTS]
    sandbox.answer_next('{"documents": [{"document_number": 3, "relevance": 9}]}')

    ranked = StructuredLLMRerank(llm=llm, top_n=1).postprocess_nodes(
        nodes, query_str="How long does it take?"
    )

    assert [(node.text, node.score) for node in ranked] == [(DOCUMENTS[2], 9.0)]


def test_a_long_text_fits_into_one_call_of_a_model_with_a_large_window(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    text = " ".join(f"word{number}" for number in range(9_000))
    synthesizer = get_response_synthesizer(llm=make_llm("anthropic/claude-sonnet-4.6"))

    synthesizer.get_response(QUESTION, [text])

    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "mode", [ChatMode.CONTEXT, ChatMode.CONDENSE_PLUS_CONTEXT, ChatMode.CONDENSE_QUESTION]
)
async def test_chat_engines_answer_from_documents_and_stream(
    mode: ChatMode, llm: OpenRouter, index: VectorStoreIndex
) -> None:
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    engine = index.as_chat_engine(chat_mode=mode, llm=llm, memory=memory)

    assert "Ida Holm" in str(engine.chat(QUESTION))
    assert "".join(engine.stream_chat("And how long does the ferry take?").response_gen)
    assert str(await engine.achat("When does the harbour market open?"))
    streamed = await engine.astream_chat("What is the name of the lighthouse's builder?")
    assert "".join([piece async for piece in streamed.async_response_gen()])


def test_a_chat_engine_remembers(llm: OpenRouter) -> None:
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm))
    engine.chat("My name is Ida.")

    assert "Ida" in "".join(engine.stream_chat("What is my name?").response_gen)


async def test_prompts_are_predicted(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    llm = make_llm(system_prompt="Be brief.")
    prompt = PromptTemplate("What is {a} * {b}?")

    assert llm.predict(prompt, a=12, b=7) == "12 * 7 = 84"
    assert await llm.apredict(prompt, a=3, b=4) == "3 * 4 = 12"
    assert "".join(llm.stream(prompt, a=12, b=7)) == "12 * 7 = 84"
    assert "".join([token async for token in await llm.astream(prompt, a=12, b=7)]) == "12 * 7 = 84"
    assert sandbox.last.body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_model_said_to_be_no_chat_model_gets_its_prompt_through_completion_to_prompt(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(is_chat_model=False, completion_to_prompt=lambda prompt: f"<s>{prompt}</s>")

    llm.complete("hi")
    assert sandbox.last.body["messages"] == [{"role": "user", "content": "<s>hi</s>"}]

    llm.complete("hi", formatted=True)
    assert sandbox.last.body["messages"] == [{"role": "user", "content": "hi"}]
