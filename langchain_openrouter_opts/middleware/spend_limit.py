"""`SpendLimitMiddleware`: agents that end with an answer when their money does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NotRequired, cast, get_args

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ContextT,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
    ResponseT,
    ToolCallRequest,
    hook_config,
)
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import override

from langchain_openrouter_opts.chat_models import ChatOpenRouter
from langchain_openrouter_opts.composed import models_in
from langchain_openrouter_opts.middleware.threads import ThreadMoney, Threads, place_now
from langchain_openrouter_opts.registry import concrete
from openrouter_opts.errors import ConfigurationError, SpendLimitExceeded
from openrouter_opts.money.cost import amount, dollars
from openrouter_opts.money.limits import SpendLimit
from openrouter_opts.money.tracking import track_costs

ExitBehavior = Literal["end", "error"]

_EXITS: Final = get_args(ExitBehavior)
_STOPPED: Final = "spend_limit"
"""The finish reason of an answer that no model gave."""
_THREADS: Final = Threads()


class SpendState(AgentState[Any]):
    """What an agent remembers of its money."""

    thread_spend: NotRequired[Annotated[str, PrivateStateAttr]]
    """What the thread has cost, USD; checkpointed with it."""
    thread_spend_name: NotRequired[Annotated[str, PrivateStateAttr]]
    """By which its processes know it again; checkpointed too."""
    thread_spend_now: NotRequired[Annotated[ThreadMoney, UntrackedValue, PrivateStateAttr]]
    run_limit_now: NotRequired[Annotated[SpendLimit, UntrackedValue, PrivateStateAttr]]


class SpendLimitMiddleware(AgentMiddleware[AgentState[ResponseT], ContextT, ResponseT]):
    """Ends an agent with a last answer, instead of an error, when its next request might cost more than a spend limit leaves.

    ``create_agent(llm, tools, middleware=[SpendLimitMiddleware(run_limit="0.50")])``

    The limits hold for models of this package: the agent's own calls, and those of its tools and subagents. What a request may cost at
    worst is reserved before it is sent, so they hold while tools run in parallel too. They don't hold for models that other middlewares ask
    by themselves, since LangChain gives no way around a whole run: give those the same `SpendLimit`, `SummarizationMiddleware(model=
    ChatOpenRouter(…, spend_limit=limit))`; they then raise `SpendLimitExceeded`. A tool that is refused gets a `ToolMessage` that says
    so. Limits that the model has of its own, or that `track_costs` sets around the agent, end it the same way; without any argument the
    middleware does just that.

    A limit that is given as an amount is one of `on_limit="fit"`: requests are made to fit what is left, so that the agent goes on for as
    long as answers can be of use, and loops of server tools get what is left as the `max_cost` of `stop_server_tools_when`, beside the
    conditions that you set.

    The last answer is an `AIMessage` whose `finish_reason` is `spend_limit`. With a `response_format`, `structured_response` is there
    then, and `None`. Middleware that may send an answer back to the model goes before this one, which ends the agent before it is asked.

    Args:
        limit: For all runs of all agents that have this middleware: USD such as `"0.50"`, or a `SpendLimit`, which may be shared.
        run_limit: For each run by itself: USD. A run that is resumed after an interrupt is a new one, and so is each tool that is resumed.
        thread_limit: For all runs of a thread together: USD. What a thread has cost is kept in its state, and so needs a checkpointer. In one
            process its runs share what is left, at once or one after another, also where an agent is made for each request, as long as the
            checkpointer is the same object or the thread has been stored before. What a run has cost that failed or was left counts here at
            once, in full while nobody knows what it was billed; in the state, and so in other processes, from the next run here on. That
            is remembered of the last 10,000 threads, by their ids too: who goes back to before the first answer has what is left, and so has
            a thread of the id of one that was deleted, which should get an id of its own. Agents inside another one have limits of their
            own, and so have agents of other amounts.
        exit_behavior: `"end"`, or `"error"` to raise `SpendLimitExceeded` after all.

    Raises:
        ConfigurationError: An amount that is none; or, when it is called, a model that is none of this package, for which no limit could
            hold.
    """

    state_schema = cast("type[AgentState[ResponseT]]", SpendState)

    def __init__(
        self,
        limit: SpendLimit | str | float | Decimal | None = None,
        *,
        run_limit: str | float | Decimal | None = None,
        thread_limit: str | float | Decimal | None = None,
        exit_behavior: ExitBehavior = "end",
    ) -> None:
        super().__init__()
        if exit_behavior not in _EXITS:
            raise ConfigurationError(f"exit_behavior: should be 'end' or 'error', not {exit_behavior!r}")
        self.limit: Final = limit if isinstance(limit, SpendLimit) else _fitting("limit", limit)
        self.run_limit: Final = _usd("run_limit", run_limit)
        self.thread_limit: Final = _usd("thread_limit", thread_limit)
        self.exit_behavior: Final = exit_behavior

    @override
    def before_model(self, state: AgentState[ResponseT], runtime: Runtime[ContextT]) -> dict[str, Any] | None:
        """Begin to count, at the beginning of a run."""
        known: Mapping[str, Any] = cast("dict[str, Any]", state)
        opened: dict[str, Any] = {}
        if self.run_limit is not None and "run_limit_now" not in known:
            opened["run_limit_now"] = _fitting("run_limit", self.run_limit)
        if "thread_spend_now" not in known and (thread := self._thread(known)) is not None:
            # Noted before it is asked for more: a run may be left at any time.
            opened |= {
                "thread_spend_now": thread,
                "thread_spend_name": thread.name,
                "thread_spend": _noted(thread),
            }
        return opened or None

    @override
    async def abefore_model(
        self, state: AgentState[ResponseT], runtime: Runtime[ContextT]
    ) -> dict[str, Any] | None:
        """Begin to count, at the beginning of a run."""
        return self.before_model(state, runtime)

    @override
    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[ResponseT]],
    ) -> ModelResponse[ResponseT] | AIMessage:
        """Ask the model, within the limits."""
        _refuse_stranger(request)
        try:
            with self._limits(request.state):
                return handler(request)
        except SpendLimitExceeded as error:
            return self._last_answer(error)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[ResponseT]]],
    ) -> ModelResponse[ResponseT] | AIMessage:
        """Ask the model, within the limits."""
        _refuse_stranger(request)
        try:
            with self._limits(request.state):
                return await handler(request)
        except SpendLimitExceeded as error:
            return self._last_answer(error)

    @override
    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Run a tool, within the limits."""
        try:
            with self._limits(request.state):
                return handler(request)
        except SpendLimitExceeded as error:
            return self._last_word(request, error)

    @override
    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Run a tool, within the limits."""
        try:
            with self._limits(request.state):
                return await handler(request)
        except SpendLimitExceeded as error:
            return self._last_word(request, error)

    @hook_config(can_jump_to=["end"])
    @override
    def after_model(self, state: AgentState[ResponseT], runtime: Runtime[ContextT]) -> dict[str, Any] | None:
        """Note what the thread has cost, and end the agent after its last answer."""
        last = state["messages"][-1] if state["messages"] else None
        stopped = isinstance(last, AIMessage) and last.response_metadata.get("finish_reason") == _STOPPED
        return {**(self._note(state) or {}), **({"jump_to": "end"} if stopped else {})} or None

    @hook_config(can_jump_to=["end"])
    @override
    async def aafter_model(
        self, state: AgentState[ResponseT], runtime: Runtime[ContextT]
    ) -> dict[str, Any] | None:
        """Note what the thread has cost, and end the agent after its last answer."""
        return self.after_model(state, runtime)

    @override
    def after_agent(self, state: AgentState[ResponseT], runtime: Runtime[ContextT]) -> dict[str, Any] | None:
        """Note what the thread has cost, its last tools included."""
        return self._note(state)

    @override
    async def aafter_agent(
        self, state: AgentState[ResponseT], runtime: Runtime[ContextT]
    ) -> dict[str, Any] | None:
        """Note what the thread has cost, its last tools included."""
        return self.after_agent(state, runtime)

    def _thread(self, state: Mapping[str, Any]) -> ThreadMoney | None:
        """The money of the thread of this run: what runs of it have left here, less what its state has been told elsewhere."""
        amount: Final = self.thread_limit
        if amount is None or "thread_spend_now" in state:
            return state.get("thread_spend_now")
        spent = Decimal(state.get("thread_spend", "0"))

        def fresh(name: str) -> ThreadMoney:
            return ThreadMoney(SpendLimit(amount, on_limit="fit", spent=spent), spent, name)

        place, name = place_now(self), state.get("thread_spend_name")
        thread = fresh("") if place is None else _THREADS.find(amount, name, place, fresh)
        thread.heard(spent)
        return thread

    def _note(self, state: Any) -> dict[str, Any] | None:
        """What the state is to remember of its thread."""
        thread = self._thread(state)
        return None if thread is None else {"thread_spend": _noted(thread)}

    @contextmanager
    def _limits(self, state: Any) -> Iterator[None]:
        """Have the limits hold inside."""
        thread = self._thread(state)
        # What is resumed after an interrupt may come before the model.
        run = state.get("run_limit_now") or _fitting("run_limit", self.run_limit)
        with ExitStack() as stack:
            for limit in (self.limit, run, thread.limit if thread else None):
                if limit is not None:
                    stack.enter_context(track_costs(limit=limit))
            yield

    def _last_answer(self, error: SpendLimitExceeded) -> AIMessage:
        if self.exit_behavior == "error":
            raise error
        text = f"I have to stop here: the next step might cost more than the spend limit allows ({_figures(error)})."
        return AIMessage(text, response_metadata={"finish_reason": _STOPPED, "cost": 0.0})

    def _last_word(self, request: ToolCallRequest, error: SpendLimitExceeded) -> ToolMessage:
        if self.exit_behavior == "error":
            raise error
        call = request.tool_call
        text = f"This tool was stopped: it might cost more than the spend limit allows ({_figures(error)})."
        return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")


def _noted(thread: ThreadMoney) -> str:
    return f"{thread.note():f}"


def _figures(error: SpendLimitExceeded) -> str:
    return f"{dollars(error.limit)}, of which {dollars(error.remaining)} is left"


def _refuse_stranger(request: ModelRequest[Any]) -> None:
    for model in models_in(concrete(request.model)):
        if not isinstance(model, ChatOpenRouter):
            kind = type(model).__name__
            raise ConfigurationError(f"SpendLimitMiddleware: no limit holds for a {kind}; use ChatOpenRouter")


def _usd(name: str, given: str | float | Decimal | None) -> Decimal | None:
    money = None if given is None else amount(given)
    if given is not None and money is None:
        raise ConfigurationError(f"{name}: needs USD from 0 on, such as '0.50', got {given!r}")
    return money


def _fitting(name: str, given: str | float | Decimal | None) -> SpendLimit | None:
    money = _usd(name, given)
    return None if money is None else SpendLimit(money, on_limit="fit")
