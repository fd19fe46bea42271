"""What would certainly go wrong with a request, by what is known of its model. No network, no state.

Where the model's endpoints are known, they are what is judged. Otherwise the model's own facts are, as far as they settle the matter:
a parameter in no endpoint's list is in none of them, but a price is that of one endpoint among others.
The rules of routing: https://openrouter.ai/docs/guides/routing/provider-selection.
"""

from __future__ import annotations

from openrouter_opts.lint.body import Body
from openrouter_opts.lint.breakpoints import MOST_BREAKPOINTS
from openrouter_opts.lint.check import is_worth_linting, lint
from openrouter_opts.lint.contradictions import disagreements
from openrouter_opts.lint.finding import Finding
from openrouter_opts.lint.requiring import may_require

__all__ = [
    "MOST_BREAKPOINTS",
    "Body",
    "Finding",
    "disagreements",
    "is_worth_linting",
    "lint",
    "may_require",
]
