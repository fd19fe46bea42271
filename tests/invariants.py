"""What holds for every call, whatever bytes a server sends and however they are split."""

from __future__ import annotations

from openrouter_opts.http.steps import Open, Sleep
from openrouter_opts.protocol.completion import Completion, Delta
from tests.fake_wire import Outcome


def same(one: Outcome, other: Outcome) -> bool:
    return one.deltas == other.deltas and one.completion == other.completion


def ends_well(outcome: Outcome) -> None:
    """Check what holds for every call: one ending, and no second attempt after the first delta."""
    completions = [item for item in outcome.items if isinstance(item, Completion)]
    assert len(completions) == (outcome.error is None)
    assert len(outcome.settled) == outcome.wire.opened
    assert outcome.wire.closed == 1
    if outcome.deltas and outcome.error:
        assert outcome.error.partial is not None
    assert outcome.wire.opened == 1 + sum(isinstance(step, Sleep) for step in outcome.wire.steps)
    if outcome.wire.opened > 1:
        assert isinstance(outcome.wire.steps[0], Open)
    repr(outcome.items), str(outcome.error)
    if outcome.error:
        outcome.error.message.encode()
    for delta in outcome.deltas:
        assert all(isinstance(text, str) for text in (delta.text, delta.reasoning, delta.refusal))
        assert all(isinstance(call.arguments, str) for call in delta.tool_calls)
        delta.text.encode()
    if completions and {delta.choice for delta in outcome.deltas} == {0}:
        tells_the_same(outcome.deltas, completions[0])


def tells_the_same(deltas: list[Delta], completion: Completion) -> None:
    """Check that whoever listened to a stream has heard what is in the whole answer."""
    choice = completion.choice
    assert "".join(delta.text for delta in deltas) == (choice.text or "")
    assert "".join(delta.reasoning for delta in deltas) == (choice.reasoning or "")
    assert "".join(delta.refusal for delta in deltas) == (choice.refusal or "")
    pieces = [piece for delta in deltas for piece in delta.tool_calls]
    for slot, tool_call in enumerate(choice.tool_calls):
        mine = [piece for piece in pieces if piece.slot == slot]
        assert next(piece.id for piece in mine) == tool_call.id
        assert "".join(piece.name or "" for piece in mine) == tool_call.name
        assert "".join(piece.arguments for piece in mine) == tool_call.arguments
    assert {piece.slot for piece in pieces} == set(range(len(choice.tool_calls)))
