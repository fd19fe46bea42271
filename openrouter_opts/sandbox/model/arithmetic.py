"""Reading sums out of a question, in figures ("12 * 7") or in words ("the sum of three and four"), and working them out."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from openrouter_opts.sandbox.model.text import NUMBER_WORDS


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a sum; `name` is add, subtract, multiply, divide, modulo or power."""

    name: str
    left: int | float | Operation
    right: int | float | Operation


_OPERATORS: Mapping[type[ast.operator], tuple[str, Callable[[float, float], float]]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("subtract", operator.sub),
    ast.Mult: ("multiply", operator.mul),
    ast.Div: ("divide", operator.truediv),
    ast.Mod: ("modulo", operator.mod),
    ast.Pow: ("power", operator.pow),
}
_WORKED_OUT: Mapping[str, Callable[[float, float], float]] = dict(_OPERATORS.values())

_N = r"(-?\d+(?:\.\d+)?|\([^()]{1,80}\))"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"(?<=\d),(?=\d{3}\b)", ""),
        (rf"\b(?:add|sum(?: of)?|adding)\s+{_N}\s*(?:and|to|with|,)\s*{_N}", r"(\1 + \2)"),
        (rf"\b(?:multiply|product of|multiplying)\s+{_N}\s*(?:and|by|with|,)\s*{_N}", r"(\1 * \2)"),
        (rf"\b(?:divide|dividing|quotient of)\s+{_N}\s*(?:and|by|,)\s*{_N}", r"(\1 / \2)"),
        (rf"\bsubtract(?:ing)?\s+{_N}\s+from\s+{_N}", r"(\2 - \1)"),
        (rf"\b(?:subtract|difference (?:of|between))\s+{_N}\s*(?:and|,)\s*{_N}", r"(\1 - \2)"),
        (rf"{_N}\s?(?:%|percent) of\s+{_N}", r"(\1 / 100 * \2)"),
        (rf"{_N}\s+squared\b", r"(\1 ** 2)"),
        (rf"{_N}\s+cubed\b", r"(\1 ** 3)"),
        (r"\bto the power of\b|\^", "**"),
        (r"\bdivided by\b|[÷:](?=\s*\d)", "/"),
        (r"\bmultiplied by\b|\btimes\b|[\u00d7·]|(?<=[\d)])\s*x\s*(?=[\d(])", "*"),
        (r"\bplus\b", "+"),
        (r"\bminus\b|\u2212", "-"),
        (r"\bmodulo\b|\bmod\b", "%"),
    )
)
_NUMBER_WORD = re.compile(rf"\b({'|'.join(NUMBER_WORDS)})\b", re.IGNORECASE)
_DATE = re.compile(r"\b\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b")
_CANDIDATE = re.compile(r"(?<![\w.(])(?:\([ ]?)*-?\d[-+*/%\d.() \t]*")
_LONGEST = 200


def find_sum(text: str) -> Operation | None:
    """The first sum in the text, or None when there is nothing to work out."""
    return next(sums(text), None)


def sums(text: str) -> Iterator[Operation]:
    """Every sum in the text, in order."""
    for match in _CANDIDATE.finditer(_in_figures(text)):
        parsed = _parsed(match.group().strip()[:_LONGEST])
        if isinstance(parsed, Operation):
            yield parsed


def _in_figures(text: str) -> str:
    """The text with number words and spoken operators written as figures; dates are no sums and go."""
    text = _NUMBER_WORD.sub(lambda match: str(NUMBER_WORDS[match.group().casefold()]), _DATE.sub(" ", text))
    for pattern, instead in _REWRITES:
        text = pattern.sub(instead, text)
    return text


def _parsed(candidate: str) -> int | float | Operation | None:
    """The candidate as a sum; a stray bracket or operator at its end is cut off first."""
    if not any(sign in candidate for sign in "+-*/%"):
        return None
    candidate = re.sub(r"[\s.*/%+(-]+$", "", candidate)
    candidate += ")" * (candidate.count("(") - candidate.count(")"))
    try:
        return _operand(ast.parse(candidate.strip(), mode="eval").body)
    except (SyntaxError, ValueError):  # "1.2.3" or "007" look like numbers but are none
        return None


def _operand(node: ast.expr) -> int | float | Operation:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
            return Operation(_OPERATORS[type(op)][0], _operand(left), _operand(right))
    raise ValueError(f"{ast.unparse(node)!r} is not a sum")


def steps(operand: float | Operation) -> Iterator[Operation]:
    """The operations in the order in which one works them out by hand, innermost first."""
    if isinstance(operand, Operation):
        yield from steps(operand.left)
        yield from steps(operand.right)
        yield operand


def value(operand: float | Operation) -> int | float | None:
    """What it comes to, or None where there is no sensible number (division by zero, a huge power)."""
    if not isinstance(operand, Operation):
        return operand
    left, right = value(operand.left), value(operand.right)
    if (
        left is None
        or right is None
        or (operand.name == "power" and (abs(left) > 1e6 or not 0 <= right <= 64))
    ):
        return None
    try:
        result = _WORKED_OUT[operand.name](left, right)
    except (ZeroDivisionError, OverflowError):  # infinity is no answer to give
        return None
    return plain(result)


def plain(number: float) -> int | float:
    """Whole numbers as integers, others without the noise of binary fractions."""
    return int(number) if number == int(number) else round(number, 10)


_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "modulo": "%", "power": "**"}


def written(operand: float | Operation) -> str:
    """The sum in figures, with the brackets that its order needs."""
    if not isinstance(operand, Operation):
        return str(operand)
    left, right = (
        f"({written(side)})" if isinstance(side, Operation) else str(side)
        for side in (operand.left, operand.right)
    )
    return f"{left} {_SIGNS[operand.name]} {right}"
