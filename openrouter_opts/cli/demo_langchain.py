"""The demo's LangChain part: a chain, and an agent with tools."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from rich.console import Console

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts.cli.demo_tools import QUESTION, multiply, weather

MODEL = "anthropic/claude-haiku-4.5"
MAX_TURNS = 4


def model(name: str, server: dict[str, Any], limits: dict[str, Any]) -> ChatOpenRouter:
    """Return the chat model."""
    return ChatOpenRouter(model=name, **server, **limits)


def chain(llm: ChatOpenRouter, console: Console) -> None:
    """Stream a prompt, a model and a parser."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You answer in as few words as possible."), ("human", "{question}")]
    )
    for text in (prompt | llm | StrOutputParser()).stream({"question": "Count from one to ten."}):
        console.print(text, end="", markup=False)
    console.print()


def agent(llm: ChatOpenRouter, console: Console) -> None:
    """Stream an agent that calls two tools."""
    console.print(QUESTION, style="dim")
    loop = create_agent(llm, [weather, multiply])
    # A turn is a step of the model and a step of its tools.
    limit = RunnableConfig(recursion_limit=2 * MAX_TURNS)
    try:
        for message, _ in loop.stream({"messages": [HumanMessage(QUESTION)]}, limit, stream_mode="messages"):
            if isinstance(message, ToolMessage):
                console.print(f"  {message.name} → {message.content}", style="cyan", markup=False)
            elif isinstance(message, AIMessageChunk):
                console.print(message.text, end="", markup=False)
    except GraphRecursionError:
        console.print(f"(stopped after {MAX_TURNS} turns)", style="yellow")
    console.print()


STEPS = (
    ("chain", "LangChain", MODEL, 1, chain),
    ("agent", "LangChain", MODEL, MAX_TURNS, agent),
)
