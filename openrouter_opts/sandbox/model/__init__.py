"""The language model that the sandbox pretends to be: deterministic, offline, and useful enough for demos.

`text` takes sentences apart, `arithmetic` reads sums, `conversation` reads a chat request, and the others each know
one trade: `schema` fills JSON Schemas, `tool_choice` decides on calls, `retrieval` answers from a given text,
`skills` holds small talk and other plain tasks, `react` speaks the text protocol of ReAct agents, `media` sees what is
attached. `openrouter_opts.sandbox.answers` puts them together.
"""
