"""What LangChain says of the run that a call belongs to: who counts it, and under which labels."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tracers.context import register_configure_hook
from langchain_core.utils.uuid import uuid7
from typing_extensions import override

from openrouter_opts.money.tracking import Spend, anyone_counts, counted_by, scope_now
from openrouter_opts.stepping import AsyncBegunWithin, BegunWithin

# Tags and metadata that LangChain adds for itself.
_OWN_TAG: Final = re.compile(r"(?:(?:seq|graph):step|map:key|branch|condition|retry:attempt|langsmith):.*")
_OWN_METADATA: Final = ("ls_", "__")


class Runs(BaseCallbackHandler):
    """Remembers which run each one belongs to: a model is told of its parent, and not of the run that the user began."""

    # In its place, and not in a thread of its own: what comes after needs it.
    run_inline = True

    _roots: Final[dict[UUID, UUID]] = {}

    @property
    @override
    def ignore_llm(self) -> bool:
        return True

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Tell the model that is about to stream of its run."""
        run = _run.get()
        if isinstance(run, Run):
            run.tags, run.metadata = tags or (), metadata or {}

    def on_chain_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
        """Note a run."""
        self._roots[run_id] = self.root_of(run_id, parent_run_id)

    def on_chain_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Forget it."""
        self._roots.pop(run_id, None)

    on_tool_start = on_retriever_start = on_chain_start
    on_chain_error = on_tool_end = on_tool_error = on_retriever_end = on_retriever_error = on_chain_end

    def root_of(self, run_id: UUID, parent: UUID | None) -> UUID:
        """Return the run that the user began, as far as it is known."""
        return run_id if parent is None else self._roots.get(parent, parent)


_RUNS: Final = Runs()


class _WhileCounting:
    """What LangChain looks into for a handler of every run, as if it were a `ContextVar`: there is one while somebody counts.

    It looks twice, and takes the second answer without a question, so that must be the first one's.
    """

    def get(self) -> Runs | None:
        return _RUNS if anyone_counts() else None


register_configure_hook(cast("ContextVar[Any]", _WhileCounting()), inheritable=True)


@dataclass(slots=True)
class Run:
    """What LangChain's managers say of a run; its handlers fill in the rest where LangChain keeps the manager to itself."""

    run_id: UUID
    parent_run_id: UUID | None
    handlers: list[BaseCallbackHandler]
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


RunLike: TypeAlias = Run | CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None

_run: ContextVar[RunLike] = ContextVar("openrouter_opts_run", default=None)


@contextmanager
def _running(run: RunLike) -> Iterator[None]:
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


def run_now() -> RunLike:
    """Return the run that a model is called in."""
    return _run.get()


def in_run(manager: RunLike) -> AbstractContextManager[None]:
    """Have the call that is made inside counted by the handlers of its run, with the tags and the metadata of that, and its id."""
    run = manager or run_now()
    if run is None:
        return nullcontext()
    spends = [handler for handler in run.handlers if isinstance(handler, Spend)]
    if not spends and not scope_now().spends:
        return nullcontext()
    tags = [tag for tag in run.tags if not _OWN_TAG.fullmatch(tag)]
    root = _RUNS.root_of(run.run_id, run.parent_run_id)
    return counted_by(spends, tags=tags, labels={"run": str(root), **_labels(run.metadata)})


def _labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in metadata.items()
        if isinstance(value, str | int | float | UUID) and not name.startswith(_OWN_METADATA)
    }


class RunningModel(BaseChatModel):
    """A chat model that knows of the run that it is called in. LangChain doesn't tell it of that when it is to stream."""

    @override
    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with _running(run_manager):
            return super()._generate_with_cache(messages, stop, run_manager, **kwargs)

    @override
    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with _running(run_manager):
            return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)

    @override
    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Return the answer in pieces. See `invoke`."""
        run, config = self._begun(CallbackManager, config)
        chunks = super().stream(input, config, stop=stop, **kwargs)
        # The call is made by the first step.
        return BegunWithin(cast("Generator[AIMessageChunk]", chunks), lambda: _running(run))

    @override
    def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Return the answer in pieces. See `invoke`."""
        run, config = self._begun(AsyncCallbackManager, config)
        chunks = super().astream(input, config, stop=stop, **kwargs)
        return AsyncBegunWithin(cast("AsyncGenerator[AIMessageChunk]", chunks), lambda: _running(run))

    def _begun(
        self, managers: type[CallbackManager | AsyncCallbackManager], config: RunnableConfig | None
    ) -> tuple[Run, RunnableConfig]:
        """Return the run that a config makes, and the config that makes it: with its handlers and its id settled."""
        config = ensure_config(config)
        manager = managers.configure(config.get("callbacks"), self.callbacks)
        run = Run(config.get("run_id") or uuid7(), manager.parent_run_id, manager.handlers)
        return run, {**config, "callbacks": manager, "run_id": run.run_id}
