"""The standard tests of LangChain, with everything on that a chat model can have: 110 of them, and none is skipped."""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any, Literal

import httpx
import pytest
from langchain_core.load import load
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts.sandbox import Sandbox

Detail = Literal[
    "audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"
]

GEMINI = "google/gemini-2.5-flash"
CLAUDE = "anthropic/claude-sonnet-4.6"
SPEAKER = "openai/gpt-audio"

pytestmark = [
    # The standard tests call `model.dict()`, which langchain-core itself has deprecated.
    pytest.mark.filterwarnings("ignore:The (method|function) `BaseChatModel.dict`"),
    pytest.mark.filterwarnings("ignore:LANGCHAIN_TESTS_USER_AGENT"),
    # The run that records a cassette measures nothing.
    pytest.mark.filterwarnings("ignore:Benchmark fixture was not used"),
]


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    """Delete the cassette to have it recorded anew, from the sandbox; its port is another each time."""
    return {
        "record_mode": "once",
        "match_on": ["method", "path"],
        "allow_playback_repeats": True,
        "filter_headers": ["authorization"],
    }


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatOpenRouter]:
        return ChatOpenRouter

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": GEMINI, "api_key": "sk-or-unit"}

    @pytest.fixture(autouse=True)
    def _listed_for_loading(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # `allowed_objects="all"` means langchain-core's closed list of integrations. Users give `allowed_objects=[ChatOpenRouter]`
        # instead: see `test_a_model_is_written_and_loaded_without_its_key`.
        path = tuple(ChatOpenRouter.lc_id())
        loading = sys.modules[load.__module__]
        monkeypatch.setitem(loading.ALL_SERIALIZABLE_MAPPINGS, path, path)
        monkeypatch.setattr(loading, "_default_class_paths_cache", {})

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"OPENROUTER_API_KEY": "sk-or-unit", "OPENROUTER_API_BASE": "http://localhost:1/api/v1"}
        # Both are read when they are needed: see `test_key_and_base_url_come_from_the_environment`.
        return environment, {"model": GEMINI}, {"model_name": GEMINI, "openrouter_api_key": None}


# The marker names the cassette of `test_stream_time`, the one test that has one.
@pytest.mark.default_cassette("test_stream_time.yaml")
class TestIntegration(ChatModelIntegrationTests):
    """Structured output comes as a tool call here, and as JSON in the class below."""

    sandbox: Sandbox

    @pytest.fixture(autouse=True)
    def _at_the_sandbox(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @pytest.fixture(autouse=True)
    def _downloads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(httpx, "get", _download)

    @property
    def chat_model_class(self) -> type[ChatOpenRouter]:
        return ChatOpenRouter

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": GEMINI, "base_url": self.sandbox.base_url, "api_key": self.sandbox.api_key}

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "function_calling"}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_video_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def enable_vcr_tests(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Detail]]:
        details: list[Detail] = [
            "audio_input",
            "audio_output",
            "reasoning_output",
            "cache_read_input",
            "cache_creation_input",
        ]
        return {"invoke": details, "stream": details}

    @property
    def model_override_value(self) -> str:
        return CLAUDE

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        audio = {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}
        return self._answer(GEMINI, [HumanMessage([{"type": "text", "text": "Listen:"}, audio])], stream)

    def invoke_with_audio_output(self, *, stream: bool = False) -> AIMessage:
        # Models speak in streams only, so `invoke` has to stream inside.
        spoken = {"audio": {"voice": "alloy", "format": "pcm16"}}
        return self._answer(
            SPEAKER,
            [HumanMessage("Hello")],
            stream,
            streaming=True,
            modalities=["text", "audio"],
            provider_options=spoken,
        )

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._answer(
            CLAUDE, [HumanMessage("What is 17 * 23?")], stream, reasoning={"max_tokens": 1024}
        )

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        self.sandbox.reset()
        return self._answer(CLAUDE, _LONG, stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        self._answer(CLAUDE, _LONG, stream)
        return self._answer(CLAUDE, _LONG, stream)

    def _answer(self, model: str, messages: list[Any], stream: bool, **options: Any) -> AIMessage:
        llm = ChatOpenRouter(**(self.chat_model_params | {"model": model} | options))
        if not stream:
            return llm.invoke(messages)
        whole = AIMessageChunk("")
        for chunk in llm.stream(messages):
            whole += chunk
        return whole


class TestIntegrationWithJsonSchema(TestIntegration):
    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}


_MARKED = {"type": "text", "text": "Be brief. " * 2000, "cache_control": {"type": "ephemeral"}}
_LONG = [SystemMessage([_MARKED]), HumanMessage("Hello")]


def _download(url: str, **_: Any) -> httpx.Response:
    """Stand in for the files on the web that the standard tests load."""
    contents = {".png": _png(), ".pdf": b"%PDF-1.4\n%%EOF\n", ".wav": b"RIFF\x24\0\0\0WAVEfmt "}
    content = next(content for suffix, content in contents.items() if url.endswith(suffix))
    return httpx.Response(200, content=content)


def _png() -> bytes:
    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + piece(b"IHDR", header)
        + piece(b"IDAT", zlib.compress(b"\0\0"))
        + piece(b"IEND", b"")
    )
