"""A process with a LangGraph agent whose thread is in a database: `python -m tests.langchain.thread_process DATABASE WHAT WAY`.

`begin` asks a question, and dies in the middle of the tool that the model calls. `go-on` takes the thread up where the database has it,
and asks another question. The server and its key are in the environment.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver

from langchain_openrouter_opts import ChatOpenRouter

DIED = 7
THREAD: Any = {"configurable": {"thread_id": "a"}}


def main(database: str, what: str, way: str) -> None:
    """Do a part of the conversation."""

    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        if what == "begin":
            os._exit(DIED)
        return f"It is sunny in {city}."

    llm = ChatOpenRouter(model=os.environ["MODEL"], reasoning={"max_tokens": 1024}, streaming=way == "stream")
    with SqliteSaver.from_conn_string(database) as saver:
        agent: Any = create_agent(llm, [get_weather], checkpointer=saver)
        questions = {"begin": ["What is the weather in Paris?"], "go-on": [None, "And what did I ask?"]}
        for question in questions[what]:
            given = question and {"messages": [HumanMessage(question)]}
            # What the tool node is about to do is in the database before it does it.
            agent.invoke(given, THREAD, durability="sync")


if __name__ == "__main__":
    main(*sys.argv[1:])
