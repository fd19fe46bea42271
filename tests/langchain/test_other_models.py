"""A conversation that began with another integration goes on with OpenRouter: what each of them leaves in its messages, and what goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langchain_openrouter_opts.messages import wire_messages
from openrouter_opts.sandbox import Sandbox

CLAUDE, GEMINI, OPENAI = "anthropic-claude-v1", "google-gemini-v1", "openai-responses-v1"
SIGNATURES = "__gemini_function_call_thought_signatures__"
CALL = {"id": "c1", "name": "look", "args": {}}
OURS = [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": CLAUDE, "index": 0}]


def of(content: Any, provider: str | None = None, model: str | None = None, **more: Any) -> AIMessage:
    metadata = {"model_provider": provider, "model_name": model}
    given = {name: value for name, value in metadata.items() if value}
    return AIMessage(content, response_metadata=given, **more)


def thinking(signature: str | None = "s") -> dict[str, Any]:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature}


def standard(**extras: Any) -> dict[str, Any]:
    return {"type": "reasoning", "reasoning": "Hm.", "extras": extras}


def signed(form: str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": form}


def encrypted(form: str, data: str = "s", **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.encrypted", "data": data, "format": form, **more}


BEDROCK = {"type": "reasoning_content", "reasoning_content": {"text": "Hm.", "signature": "s"}}
RESPONSES = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "e",
}
RESPONSES_V1 = {"type": "reasoning", "id": "rs_1", "reasoning": "Hm.", "extras": {"encrypted_content": "e"}}
THROUGH_OPENROUTER = [
    {"type": "reasoning.summary", "summary": "Hm.", "format": OPENAI},
    encrypted(OPENAI, "e", id="rs_1"),
]


@pytest.mark.parametrize(
    ("message", "details"),
    [
        # ours, whatever of the message is left
        (of([standard(reasoning_details=OURS)], "openrouter", "anthropic/claude-sonnet-4.6"), OURS),
        (of([standard(reasoning_details=OURS)]), OURS),
        (of([standard(reasoning_details=[])]), []),
        # Claude's, which are good wherever Claude is served
        (of([thinking()]), [signed(CLAUDE)]),
        (of([standard(signature="s")]), [signed(CLAUDE)]),
        (of([thinking()], "anthropic", "claude-sonnet-4-6"), [signed(CLAUDE)]),
        (of([standard(signature="s")], "anthropic"), [signed(CLAUDE)]),
        (of([{"type": "redacted_thinking", "data": "x"}], "anthropic"), [encrypted(CLAUDE, "x")]),
        (of([BEDROCK], "bedrock_converse", "us.anthropic.claude-sonnet-4-6"), [signed(CLAUDE)]),
        (of([BEDROCK], "bedrock_converse"), [signed(CLAUDE)]),
        (
            of([{"type": "reasoning_content", "reasoning_content": {"redacted_content": b"x"}}]),
            [encrypted(CLAUDE, "eA==")],
        ),
        (of([thinking()], "google_vertexai", "claude-sonnet-4-6"), [signed(CLAUDE)]),
        # Gemini's
        (of([thinking()], "google_genai", "gemini-3-pro"), [signed(GEMINI)]),
        (of([standard(signature="s")], "google_vertexai"), [signed(GEMINI)]),
        (
            of([{"type": "text", "text": "hi", "extras": {"signature": "s"}}], "google_genai"),
            [encrypted(GEMINI)],
        ),
        (of([{"type": "function_call_signature", "signature": "s"}], "google_genai"), [encrypted(GEMINI)]),
        (
            of(
                [{"type": "function_call_signature", "signature": "s"}],
                tool_calls=[CALL],
                additional_kwargs={SIGNATURES: {"c1": "s"}},
            ),
            [encrypted(GEMINI, id="c1")],
        ),
        (of([thinking()], additional_kwargs={SIGNATURES: {}}), [signed(GEMINI)]),
        # encrypted items of OpenAI and xAI, as far as they came through OpenRouter
        (of([RESPONSES], "openai", "openai/gpt-5"), THROUGH_OPENROUTER),
        (of([RESPONSES_V1], "openai", "openai/gpt-5"), THROUGH_OPENROUTER),
        (
            of("hi", "openai", "openai/gpt-5", additional_kwargs={"reasoning": RESPONSES}),
            THROUGH_OPENROUTER,
        ),
        (of([RESPONSES], "openai", "gpt-5"), None),
        (of([RESPONSES_V1], "openai"), None),
        # signatures that nobody here can name, and reasoning without one
        (of([thinking()], "bedrock_converse", "amazon.nova-2"), None),
        (of([standard(signature="s")], "someone_else"), None),
        (of([thinking()], model="someone-elses"), None),
        (of([thinking(None)], "anthropic"), None),
        (of([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}], "mistralai"), None),
        (of("hi", "deepseek", additional_kwargs={"reasoning_content": "Hm."}), None),
    ],
)
def test_reasoning_keeps_the_name_of_the_family_that_signed_it(message: AIMessage, details: Any) -> None:
    *_, wire = wire_messages([HumanMessage("hi"), message])
    assert wire.get("reasoning_details") == details


def test_a_signature_of_gemini_goes_back_in_the_turn_that_asks_for_it() -> None:
    called = of("", "google_genai", tool_calls=[CALL], additional_kwargs={SIGNATURES: {"c1": "s"}})
    turn = [HumanMessage("Look."), called, ToolMessage("3", tool_call_id="c1")]
    _, running, _ = wire_messages(turn)
    _, over, *_ = wire_messages([*turn, of("Three."), HumanMessage("Thanks.")])
    assert running["reasoning_details"] == [encrypted(GEMINI, id="c1")]
    assert "reasoning_details" not in over


SEARCH = '[web_search({"query": "x"}) returned: [{"title": "X", "url": "https://a"}]]'
RUN = '[code_interpreter({"code": "6*7"}) returned: 42]'


@pytest.mark.parametrize(
    ("provider", "blocks", "note"),
    [
        pytest.param(
            "anthropic",
            [
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s",
                    "content": [{"title": "X", "url": "https://a", "encrypted_content": "…"}],
                },
            ],
            SEARCH,
            id="Claude's search",
        ),
        pytest.param(
            "anthropic",
            [
                {
                    "type": "server_tool_use",
                    "id": "s",
                    "name": "web_search",
                    "input": {},
                    "partial_json": '{"query": "x"}',
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s",
                    "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
                },
            ],
            '[web_search({"query": "x"}) failed: {"type": "web_search_tool_result_error", "error_code": "unavailable"}]',
            id="Claude's search that failed, after a stream",
        ),
        pytest.param(
            "anthropic",
            [
                {"type": "mcp_tool_use", "id": "s", "name": "look", "input": {}, "server_name": "m"},
                {"type": "mcp_tool_result", "tool_use_id": "s", "is_error": True, "content": []},
            ],
            "[look({}) failed]",
            id="Claude's tool behind MCP",
        ),
        pytest.param(
            "openai",
            [
                {
                    "type": "web_search_call",
                    "id": "w",
                    "status": "completed",
                    "action": {"query": "x", "sources": [{"title": "X", "url": "https://a"}]},
                }
            ],
            SEARCH,
            id="OpenAI's search",
        ),
        pytest.param(
            "openai",
            [
                {
                    "type": "code_interpreter_call",
                    "id": "w",
                    "code": "6*7",
                    "outputs": [{"type": "image", "url": "data:image/png;base64,iVBO"}],
                }
            ],
            '[code_interpreter({"code": "6*7"}) returned: [{"type": "image", "url": "(data)"}]]',
            id="OpenAI's code",
        ),
        pytest.param(
            "openai",
            [{"type": "mcp_call", "id": "w", "name": "look", "arguments": '{"a": 1}', "error": "gone"}],
            '[look({"a": 1}) failed: gone]',
            id="OpenAI's tool behind MCP",
        ),
        pytest.param(
            "openai",
            [{"type": "file_search_call", "id": "w", "queries": ["x"], "results": None}],
            '[file_search({"queries": ["x"]}) was run]',
            id="OpenAI's search in files",
        ),
        pytest.param(
            "google_genai",
            [
                {"type": "executable_code", "executable_code": "6*7", "language": 1},
                {"type": "code_execution_result", "code_execution_result": "42", "outcome": 1},
            ],
            RUN,
            id="Gemini's code",
        ),
        pytest.param(
            None,
            [
                {"type": "server_tool_call", "id": "s", "name": "web_search", "args": {"query": "x"}},
                {
                    "type": "server_tool_result",
                    "tool_call_id": "s",
                    "status": "success",
                    "output": [{"title": "X", "url": "https://a"}],
                },
            ],
            SEARCH,
            id="LangChain's standard blocks",
        ),
        pytest.param(
            None,
            [{"type": "server_tool_result", "tool_call_id": "s", "status": "success", "output": "42"}],
            "[a tool of the server returned: 42]",
            id="a result without its call",
        ),
    ],
)
def test_what_another_server_did_becomes_text(provider: Any, blocks: Sequence[Any], note: str) -> None:
    (wire,) = wire_messages([of([*blocks, {"type": "text", "text": "So."}], provider)])
    said = [{"type": "text", "text": note}, {"type": "text", "text": "So."}]
    assert wire == {"role": "assistant", "content": said}


def test_code_that_ran_twice_without_ids_has_each_its_result() -> None:
    ran = [
        each
        for code, output in (("1+1", "2"), ("2+2", "4"))
        for each in (
            {"type": "executable_code", "executable_code": code},
            {"type": "code_execution_result", "code_execution_result": output},
        )
    ]
    (wire,) = wire_messages([of(ran, "google_genai")])
    assert [part["text"] for part in wire["content"]] == [
        '[code_interpreter({"code": "1+1"}) returned: 2]',
        '[code_interpreter({"code": "2+2"}) returned: 4]',
    ]


def test_tools_that_integrations_keep_beside_the_content_are_told_too() -> None:
    searched = {"type": "web_search_call", "id": "w", "action": {"query": "x"}}
    ran = {"type": "python", "arguments": '{"code": "6*7"}', "output": "42"}
    openai, groq = wire_messages(
        [
            of("So.", "openai", additional_kwargs={"tool_outputs": [searched]}),
            of("So.", "groq", additional_kwargs={"executed_tools": [ran]}),
        ]
    )
    assert openai["content"][0]["text"] == '[web_search({"query": "x"}) was run]'
    assert groq["content"][0]["text"] == '[python({"code": "6*7"}) returned: 42]'


PNG = "iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        pytest.param(
            of([{"type": "image_generation_call", "id": "i", "result": PNG}], "openai"),
            {"content": None, "images": [IMAGE]},
            id="OpenAI's image",
        ),
        pytest.param(
            of([{"type": "image_generation_call", "id": "i"}, {"type": "text", "text": "hi"}], "openai"),
            {"content": "hi"},
            id="an image that never came to be",
        ),
        pytest.param(
            of([{"type": "output_text", "text": "hi"}, {"type": "refusal", "refusal": "No."}], "openai"),
            {"content": "hi", "refusal": "No."},
            id="OpenAI's refusal",
        ),
        pytest.param(
            of("", "openai", additional_kwargs={"audio": {"id": "a", "data": "AA", "transcript": "hi"}}),
            {"content": "hi"},
            id="a recording of another account: what was said",
        ),
        pytest.param(
            of("", "google_genai", additional_kwargs={"audio": b"RIFF"}),
            {
                "content": [
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                ]
            },
            id="Gemini's recording",
        ),
        pytest.param(
            of([{"type": "compaction", "content": "Before: hi."}, {"type": "text", "text": "So."}]),
            {"content": [{"type": "text", "text": "Before: hi."}, {"type": "text", "text": "So."}]},
            id="Claude's summary of what came before",
        ),
        pytest.param(
            of(
                [
                    {"type": "compaction", "encrypted_content": "e"},
                    {"type": "mcp_list_tools", "id": "m", "tools": []},
                    {"type": "reference", "reference_ids": [1]},
                    {"type": "input_json_delta", "partial_json": "{"},
                    {"type": "text", "text": "hi", "citations": [{"type": "char_location"}]},
                ]
            ),
            {"content": "hi"},
            id="what says nothing to another model",
        ),
        pytest.param(
            of(
                [
                    {"type": "function_call", "name": "look", "arguments": "{}", "call_id": "c1", "id": "fc"},
                    {"type": "computer_call", "call_id": "c2", "action": {"type": "screenshot"}},
                ],
                "openai",
                tool_calls=[CALL],
            ),
            {
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                    {
                        "id": "c2",
                        "type": "function",
                        "function": {"name": "computer", "arguments": '{"type": "screenshot"}'},
                    },
                ],
            },
            id="OpenAI's calls, those that LangChain has as well and those that it hasn't",
        ),
        pytest.param(
            of([{"type": "function_call", "name": "look", "args": {}, "id": ""}], "google_genai"),
            {
                "content": None,
                "tool_calls": [
                    {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": "{}"}}
                ],
            },
            id="Gemini's call",
        ),
    ],
)
def test_what_another_model_said_goes_where_openrouter_has_it(message: AIMessage, wire: Any) -> None:
    assert wire_messages([message]) == [{"role": "assistant", **wire}]


def test_a_server_tool_of_openrouter_goes_back_as_reasoning_alone() -> None:
    entry = {
        "type": "reasoning.server_tool_call",
        "tool_name": "openrouter:fusion",
        "arguments": "{}",
        "result": "r",
        "tool_call_id": "t1",
    }
    call = {"type": "server_tool_call", "id": "t1", "name": "openrouter:fusion", "args": {}}
    result = {"type": "server_tool_result", "tool_call_id": "t1", "output": "r", "status": "success"}
    content = [standard(reasoning_details=[entry]), call, result, {"type": "text", "text": "So."}]
    assert wire_messages([of(content, "openrouter")]) == [
        {"role": "assistant", "content": "So.", "reasoning_details": [entry]}
    ]
    # Without the reasoning, the text is what is left of it.
    (wire,) = wire_messages([of(content[1:], "openrouter")])
    assert wire["content"][0]["text"] == "[openrouter:fusion({}) returned: r]"


def test_openrouter_takes_a_conversation_from_everywhere(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"max_tokens": 1024})
    (entry,) = llm.invoke("hi").additional_kwargs["reasoning_details"]
    thought = {"type": "thinking", "thinking": entry["text"], "signature": entry["signature"]}
    searched = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    history: list[BaseMessage] = [
        HumanMessage([{"type": "input_text", "text": "hi"}]),
        of([thought, searched, found, {"type": "text", "text": "So."}], "anthropic", "claude-sonnet-4-6"),
        HumanMessage("And?"),
        of([RESPONSES, {"type": "web_search_call", "id": "w"}, {"type": "text", "text": "So."}], "openai"),
        HumanMessage("And?"),
        of("", "google_genai", tool_calls=[{**CALL, "id": ""}], additional_kwargs={SIGNATURES: {"": "s"}}),
        ToolMessage("3", tool_call_id=""),
    ]
    assert llm.invoke(history).text
    formats = [
        detail["format"]
        for message in sandbox.last.body["messages"]
        for detail in message.get("reasoning_details", ())
    ]
    assert formats == [CLAUDE, GEMINI]
