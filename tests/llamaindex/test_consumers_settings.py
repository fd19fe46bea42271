"""`Settings.llm = OpenRouter(...)`: whatever is made without a model takes this one, and works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llama_index.core import (
    Document,
    DocumentSummaryIndex,
    KeywordTableIndex,
    PropertyGraphIndex,
    Settings,
    SQLDatabase,
    SummaryIndex,
    TreeIndex,
    VectorStoreIndex,
)
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import (
    MultiModalCondensePlusContextChatEngine,
    MultiModalContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.composability import QASummaryQueryEngineBuilder
from llama_index.core.evaluation import (
    AnswerRelevancyEvaluator,
    ContextRelevancyEvaluator,
    CorrectnessEvaluator,
    FaithfulnessEvaluator,
    GuidelineEvaluator,
    PairwiseComparisonEvaluator,
    RelevancyEvaluator,
)
from llama_index.core.extractors import (
    KeywordExtractor,
    QuestionsAnsweredExtractor,
    SummaryExtractor,
    TitleExtractor,
)
from llama_index.core.indices.query.query_transform import DecomposeQueryTransform, HyDEQueryTransform
from llama_index.core.indices.vector_store.retrievers import VectorIndexAutoRetriever
from llama_index.core.memory import ChatMemoryBuffer, FactExtractionMemoryBlock
from llama_index.core.postprocessor import LLMRerank, StructuredLLMRerank
from llama_index.core.postprocessor.node import AutoPrevNextNodePostprocessor
from llama_index.core.program import FunctionCallingProgram, LLMTextCompletionProgram
from llama_index.core.query_engine import (
    CitationQueryEngine,
    NLSQLTableQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index.core.vector_stores import MetadataInfo, VectorStoreInfo
from pydantic import BaseModel
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import DOCUMENTS, QUESTION, accounted, said

# What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index"),
]

Use = Callable[[VectorStoreIndex], Awaitable[str]]
FERRY = "How long does the ferry take?"


@pytest.fixture(autouse=True)
def settings(consumed: OpenRouter, embedding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr(Settings, "_embed_model", embedding)
    Settings.llm = consumed
    assert Settings.llm is consumed


def documents() -> list[Document]:
    return [Document(text=text) for text in DOCUMENTS]


def nodes() -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text), score=1.0) for text in DOCUMENTS]


def tools(index: VectorStoreIndex) -> list[QueryEngineTool]:
    ferry = VectorStoreIndex.from_documents([Document(text=DOCUMENTS[2])])
    return [
        QueryEngineTool.from_defaults(
            index.as_query_engine(), name="lighthouse", description="the lighthouse"
        ),
        QueryEngineTool.from_defaults(ferry.as_query_engine(), name="ferry", description="the ferry"),
    ]


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


class Built(BaseModel):
    answer: str
    year: int


async def query_engine(index: VectorStoreIndex) -> str:
    return await said(index.as_query_engine().aquery(QUESTION))


async def citing(index: VectorStoreIndex) -> str:
    return await said(CitationQueryEngine.from_args(index).aquery(QUESTION))


def chat_engine(mode: Any) -> Use:
    async def use(index: VectorStoreIndex) -> str:
        memory = ChatMemoryBuffer.from_defaults()
        return await said(index.as_chat_engine(chat_mode=mode, memory=memory).achat(QUESTION))

    return use


async def simple_chat_engine(_: VectorStoreIndex) -> str:
    engine = SimpleChatEngine.from_defaults(memory=ChatMemoryBuffer.from_defaults())
    return await said(engine.achat("What is 12 * 7?"))


async def synthesizer(_: VectorStoreIndex) -> str:
    return await said(get_response_synthesizer().asynthesize(QUESTION, nodes()))


async def router(index: VectorStoreIndex) -> str:
    return await said(RouterQueryEngine.from_defaults(tools(index)).aquery(FERRY))


def selector(kind: Any) -> Use:
    async def use(index: VectorStoreIndex) -> str:
        chosen = await kind.from_defaults().aselect([tool.metadata for tool in tools(index)], FERRY)
        return str(chosen.selections[0].index)

    return use


async def router_retriever(index: VectorStoreIndex) -> str:
    retrievers = [
        RetrieverTool.from_defaults(index.as_retriever(similarity_top_k=1), description=f"the {name}")
        for name in ("lighthouse", "ferry")
    ]
    found = await RouterRetriever.from_defaults(retrievers).aretrieve(FERRY)
    return found[0].text


async def sub_questions(index: VectorStoreIndex) -> str:
    engine = SubQuestionQueryEngine.from_defaults(
        tools(index), question_gen=LLMQuestionGenerator.from_defaults(), verbose=False
    )
    return await said(engine.aquery(f"{QUESTION[:-1]}, and how long does the ferry take?"))


async def fusion(index: VectorStoreIndex) -> str:
    retriever = QueryFusionRetriever([index.as_retriever()], num_queries=3, similarity_top_k=1)
    return (await retriever.aretrieve(QUESTION))[0].text


async def auto_retriever(index: VectorStoreIndex) -> str:
    info = VectorStoreInfo(
        content_info="sights", metadata_info=[MetadataInfo(name="town", type="str", description="Where")]
    )
    retriever = VectorIndexAutoRetriever(index, vector_store_info=info, similarity_top_k=1)
    return (await retriever.aretrieve(QUESTION))[0].text


def ranked(kind: Any) -> Use:
    async def use(_: VectorStoreIndex) -> str:
        return (await kind(top_n=1).apostprocess_nodes(nodes(), query_str=FERRY))[0].text

    return use


async def neighbours(_: VectorStoreIndex) -> str:
    store = SimpleDocumentStore()
    processor = AutoPrevNextNodePostprocessor(docstore=store)
    return str(len(processor.postprocess_nodes(nodes()[:1], query_str=QUESTION)))


def extracted(extractor: Any, key: str, **given: Any) -> Use:
    async def use(_: VectorStoreIndex) -> str:
        found = await extractor(**given).aextract([TextNode(text=DOCUMENTS[0])])
        return str(found[0][key])

    return use


def built(kind: Any, question: str = QUESTION, **given: Any) -> Use:
    async def use(_: VectorStoreIndex) -> str:
        return await said(kind.from_documents(documents()).as_query_engine(**given).aquery(question))

    return use


async def graph(_: VectorStoreIndex) -> str:
    # It begins an event loop of its own.
    made = await asyncio.to_thread(PropertyGraphIndex.from_documents, documents()[:1])
    return await said(made.as_query_engine(include_text=True).aquery("Who built the lighthouse of Aster?"))


async def tables(_: VectorStoreIndex) -> str:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE ferries (destination TEXT, minutes INTEGER)"))
        connection.execute(text("INSERT INTO ferries VALUES ('Brim', 40)"))
    answer = await NLSQLTableQueryEngine(SQLDatabase(engine), tables=["ferries"]).aquery("How long to Brim?")
    engine.dispose()
    return str(answer)


async def question_or_summary(_: VectorStoreIndex) -> str:
    engine = QASummaryQueryEngineBuilder().build_from_documents(documents())
    return await said(engine.aquery(QUESTION))


def pictures(kind: Any) -> Use:
    async def use(index: VectorStoreIndex) -> str:
        memory = ChatMemoryBuffer.from_defaults()
        engine = kind.from_defaults(index.as_retriever(), memory=memory)
        return await said(engine.achat(QUESTION))

    return use


def judged(kind: Any, **given: Any) -> Use:
    async def use(_: VectorStoreIndex) -> str:
        contexts = [DOCUMENTS[0]]
        verdict = await kind(**given).aevaluate(
            query=QUESTION, response="Ida Holm, in 1872.", contexts=contexts
        )
        return str(verdict.score)

    return use


async def compared(_: VectorStoreIndex) -> str:
    judge = PairwiseComparisonEvaluator(enforce_consensus=False)
    verdict = await judge.aevaluate(query=QUESTION, response="Ida Holm, in 1872.", second_response="Nobody.")
    return str(verdict.score)


async def hyde(_: VectorStoreIndex) -> str:
    return " ".join(HyDEQueryTransform().run(QUESTION).embedding_strs)


async def decomposed(_: VectorStoreIndex) -> str:
    return DecomposeQueryTransform().run(QUESTION, {"index_summary": "the lighthouse of Aster"}).query_str


async def function_agent(_: VectorStoreIndex) -> str:
    return str(await FunctionAgent(tools=[multiply]).run("What is 12 times 7?"))


async def react_agent(_: VectorStoreIndex) -> str:
    return str(await ReActAgent(tools=[multiply]).run("What is 12 times 7?"))


async def workflow(_: VectorStoreIndex) -> str:
    return str(await AgentWorkflow.from_tools_or_functions([multiply]).run("What is 12 times 7?"))


def program(kind: Any) -> Use:
    async def use(_: VectorStoreIndex) -> str:
        asked = f"Context information is below.\n-----\n{DOCUMENTS[0]}\n-----\nQuery: {{question}}\nAnswer: "
        made = await kind.from_defaults(output_cls=Built, prompt_template_str=asked).acall(question=QUESTION)
        return str(made)

    return use


async def facts(_: VectorStoreIndex) -> str:
    block = FactExtractionMemoryBlock()
    await block.aput([ChatMessage("My name is Ida.")])
    return await block.aget()


USES: dict[str, tuple[Use, str, list[str]]] = {
    "query engine": (query_engine, "Ida Holm", []),
    "citation query engine": (citing, "Ida Holm", []),
    "context chat engine": (chat_engine("context"), "Ida Holm", []),
    "condense question chat engine": (chat_engine("condense_question"), "Ida Holm", []),
    "condense plus context chat engine": (chat_engine("condense_plus_context"), "Ida Holm", []),
    "simple chat engine": (simple_chat_engine, "84", []),
    "response synthesizer": (synthesizer, "Ida Holm", []),
    "router query engine": (router, "forty minutes", []),
    "router retriever": (router_retriever, "forty minutes", []),
    "single selector": (selector(LLMSingleSelector), "1", []),
    "multi selector": (selector(LLMMultiSelector), "1", []),
    "sub-question query engine": (sub_questions, "forty minutes", []),
    "query fusion retriever": (fusion, "Ida Holm", []),
    "auto retriever": (
        auto_retriever,
        "forty minutes",
        ['{"query": "the ferry between Aster and Brim", "filters": []}'],
    ),
    "reranker": (ranked(LLMRerank), "forty minutes", []),
    "structured reranker": (ranked(StructuredLLMRerank), "forty minutes", []),
    "neighbours": (neighbours, "1", ["none"]),
    "title extractor": (
        extracted(TitleExtractor, "document_title"),
        "A Lighthouse",
        ["Aster", "A Lighthouse"],
    ),
    "keyword extractor": (extracted(KeywordExtractor, "excerpt_keywords"), "lighthouse", []),
    "summary extractor": (extracted(SummaryExtractor, "section_summary"), "Ida Holm", []),
    "question extractor": (
        extracted(QuestionsAnsweredExtractor, "questions_this_excerpt_can_answer", questions=2),
        "?",
        [],
    ),
    "summary index": (built(SummaryIndex), "Ida Holm", []),
    "summary index that chooses": (built(SummaryIndex, retriever_mode="llm"), "Ida Holm", []),
    "keyword index": (built(KeywordTableIndex), "Ida Holm", []),
    "document summary index": (built(DocumentSummaryIndex), "Ida Holm", []),
    "tree index": (built(TreeIndex), "Ida Holm", []),
    "property graph index": (graph, "Ida Holm", ["(Ida Holm, built, lighthouse)", "Ida Holm^lighthouse"]),
    "tables": (
        tables,
        "40 minutes",
        ["SELECT minutes FROM ferries WHERE destination = 'Brim'", "It takes 40 minutes."],
    ),
    "question or summary": (question_or_summary, "Ida Holm", []),
    "multi-modal chat engine": (pictures(MultiModalContextChatEngine), "Ida Holm", []),
    "multi-modal chat engine that condenses": (
        pictures(MultiModalCondensePlusContextChatEngine),
        "Ida Holm",
        [],
    ),
    "faithfulness evaluator": (judged(FaithfulnessEvaluator), "1.0", ["YES"]),
    "relevancy evaluator": (judged(RelevancyEvaluator), "1.0", ["YES"]),
    "correctness evaluator": (judged(CorrectnessEvaluator), "4.5", ["4.5\nIt is right."]),
    "answer relevancy evaluator": (judged(AnswerRelevancyEvaluator), "1.0", ["Fine.\n\n[RESULT] 2"]),
    "context relevancy evaluator": (judged(ContextRelevancyEvaluator), "1.0", ["Fine.\n\n[RESULT] 4"]),
    "guideline evaluator": (judged(GuidelineEvaluator), "1.0", ['{"passing": true, "feedback": "Fine."}']),
    "comparison": (compared, "1.0", ["The first is right. [[A]]"]),
    "hypothetical document": (hyde, "Ida Holm", ["Ida Holm built it in 1872."]),
    "decomposed query": (decomposed, "Who built it?", ["Who built it?"]),
    "function agent": (function_agent, "84", []),
    "ReAct agent": (react_agent, "84", []),
    "agent workflow": (workflow, "84", []),
    "text program": (program(LLMTextCompletionProgram), "year=1872", []),
    "function program": (program(FunctionCallingProgram), "year=1872", []),
    "fact memory": (facts, "Ida", ["<facts><fact>Her name is Ida.</fact></facts>"]),
}


@pytest.mark.parametrize(("use", "expected", "scripts"), USES.values(), ids=USES.keys())
async def test_what_is_made_without_a_model_takes_that_of_the_settings(
    use: Use, expected: str, scripts: list[str], index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    for script in scripts:
        sandbox.answer_next(script)

    with accounted(sandbox):
        assert expected in await use(index)
