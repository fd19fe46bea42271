"""OpenRouter's wire protocol as pure functions over small values: no I/O, no framework."""
