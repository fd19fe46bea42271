"""A cost under the names of tracers, and when they are told of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts import Completion, OpenRouterError, Usage
from openrouter_opts.money.cost import CACHED, UNKNOWN_COST, Cost
from openrouter_opts.tracing import (
    Made,
    Traced,
    input_and_output,
    langfuse_details,
    made_elsewhere,
    span_attributes,
    writer,
)


def cost(
    total: float, upstream: float | None = None, prompt: Any = None, completion: Any = None, **more: Any
):
    split = {"upstream_inference_prompt_cost": prompt, "upstream_inference_completions_cost": completion}
    details = {"upstream_inference_cost": upstream, **{k: v for k, v in split.items() if v is not None}}
    return Cost.from_usage({"cost": total, "cost_details": details, **more})


# The total, and what of it was the prompt's and the completion's.
AMOUNTS = [
    pytest.param(cost(0.003, 0.003, 0.001, 0.002), (0.003, 0.001, 0.002), id="parts"),
    pytest.param(cost(0.003), (0.003,), id="no parts"),
    pytest.param(cost(0.01, 0.003, 0.001, 0.002), (0.01, 0.001, 0.002), id="a fee beside the parts"),
    pytest.param(cost(0.002, 0.003, 0.001, 0.002), (0.002,), id="parts of more than was billed"),
    pytest.param(cost(0.0001, 0.003, 0.001, 0.002, is_byok=True), (0.0031, 0.001, 0.002), id="own key"),
    pytest.param(cost(0, is_byok=True), (), id="own key, and nobody knows"),
    pytest.param(cost(0), (0.0,), id="free"),
    pytest.param(CACHED, (0.0,), id="from the response cache"),
    pytest.param(UNKNOWN_COST, (), id="unknown"),
]


@pytest.mark.parametrize(("cost", "amounts"), AMOUNTS)
def test_a_cost_has_the_names_of_each_tracer(cost: Cost, amounts: tuple[float, ...]):
    def named(*names: str) -> dict[str, float]:
        return dict(zip(names, amounts, strict=False))

    assert input_and_output(cost) == named("total_cost", "input_cost", "output_cost")
    assert langfuse_details(cost) == named("total", "input", "output")
    also = {"gen_ai.usage.cost": amounts[0]} if amounts else {}
    assert span_attributes(cost) == also | named("llm.cost.total", "llm.cost.prompt", "llm.cost.completion")
    # A float even where it is a whole number: an integer would be another type of attribute.
    assert all(type(amount) is float for amount in span_attributes(cost).values())


USAGE = Usage(7, 2, 9, cost=Cost(Decimal("0.25"), source="reported"))


def test_tracers_are_told_once():
    told: list[Usage] = []
    answer = Completion(usage=USAGE)
    traced = Traced([told.append])
    assert traced.answered(answer) is answer
    with pytest.raises(OpenRouterError), traced:
        raise OpenRouterError("what was answered was of no use", usage=USAGE)
    assert told == [USAGE]


def test_what_an_error_has_cost_is_told():
    told: list[Usage] = []
    with pytest.raises(OpenRouterError), Traced([told.append]):
        raise OpenRouterError("cut", usage=USAGE)
    assert told == [USAGE]


@pytest.mark.parametrize("error", [OpenRouterError("refused"), ValueError("else"), GeneratorExit()])
def test_nothing_is_told_of_an_error_that_cost_nothing_known(error: BaseException):
    told: list[Usage] = []
    with pytest.raises(type(error)), Traced([told.append]):
        raise error
    assert not told


def test_an_unknown_cost_is_not_written():
    put: list[Any] = []
    write = writer(input_and_output, put.append)
    write(Usage(7, 2, 9))
    write(USAGE)
    assert put == [{"total_cost": 0.25}]


def test_what_tracers_make_is_known_to_the_call_inside_alone():
    traced = Traced(made=Made(span=True))
    with traced.calling():
        assert made_elsewhere() == (True, False)
    assert made_elsewhere() == (False, False)
