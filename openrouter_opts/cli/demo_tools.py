"""What the demo's agents are asked, and the tools they have for it."""

from __future__ import annotations

QUESTION = "What is the weather in Paris, and what is 12 times 7?"


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}, and 18 degrees."


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b
