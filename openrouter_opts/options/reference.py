"""The reference page of the options, made from their declarations.

`python -m openrouter_opts.options.reference > docs/options.md` writes it anew.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from openrouter_opts.options import parts, plugins, server_tools
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.option import Option, Part
from openrouter_opts.options.table import OPTIONS

_PAGE: Final = """\
<!-- Made by `python -m openrouter_opts.options.reference > docs/options.md`: change what the options say of themselves, not this page. -->

# Options

Every option of OpenRouter, by the name that it has in `provider_options`, in `ProviderOptions`, and as a keyword argument of the
model classes and of each call.

- Every name may have `openrouter_` before it. A key of `provider` may stand without `provider`: `max_price={{"prompt": 1}}`.
- A call wins over the model, and the model over the client. Objects are merged deeply, lists are replaced, and so is an object of
  which it says so below. `None` takes away what was set below, at any depth. What isn't set isn't sent.
- Where an object has a name here, a plain `dict` does as well as the class from `openrouter_opts.options`, and sends the same bytes.
- Values that are newer than this page go out as they are. A name that doesn't exist is an error that says which one was meant, and
  so is a misspelt key of an object; a key that is like no other goes out, with a warning. What is newer than this library goes into
  `extra_body`, where `None` is a `null`.

## In the body

{body}

## In headers

The name of the header is taken, too.

{headers}

## Deprecated

OpenRouter has renamed or retired these. They are taken, with one warning, and sent in today's terms.

{deprecated}

The plugin `web` and the suffix `:online` of a model are deprecated as well: use the tool [WebSearch](#websearch).

## Objects

{parts}

## Plugins

Each goes into the list `plugins`. Any other goes through verbatim, by its `id`.

{plugins}

## Tools

Each goes into the list `tools`. Any other goes through verbatim, by its `type`. Those named `openrouter:…` run at OpenRouter,
and their keys are the tool's `parameters`: `WebSearch(max_results=3)` is
`{{"type": "openrouter:web_search", "parameters": {{"max_results": 3}}}}`.

{tools}
"""
_KINDS: Final[Mapping[Any, str]] = {
    Any: "anything",
    str: "string",
    float: "number",
    int: "integer",
    bool: "boolean",
    Decimal: "`Decimal`",
}


def reference() -> str:
    """Return the page, in Markdown."""
    current = [option for option in OPTIONS.values() if not option.deprecated]
    return _PAGE.format(
        body=_table("Option | Type | What it does", (_row(each) for each in current if each.place == "body")),
        headers=_table(
            "Option | Header | Type | What it does",
            (_header_row(each) for each in current if each.place == "header"),
        ),
        deprecated=_table(
            "Option | What to do",
            ((_link(each), _sentence(each.deprecated)) for each in OPTIONS.values() if each.deprecated),
        ),
        parts=_objects(parts),
        plugins=_objects(plugins),
        tools=_objects(server_tools),
    )


def _row(option: Option) -> tuple[str, ...]:
    names = " or ".join(f"`{alias}`" for alias in option.aliases)
    also = f" Also named {names}." if names else ""
    return _link(option), _kind(AllFields.model_fields[option.name].annotation), option.doc + also


def _header_row(option: Option) -> tuple[str, ...]:
    name, *rest = _row(option)
    return name, "any" if option.name == "extra_headers" else f"`{option.wire}`", *rest


def _link(option: Option) -> str:
    return f"[`{option.name}`]({option.source})"


def _sentence(remedy: str) -> str:
    return f"{remedy[0].upper()}{remedy[1:]}."


def _table(heading: str, rows: Iterable[tuple[str, ...]]) -> str:
    ruler = " | ".join("---" for _ in heading.split(" | "))
    lines = (heading, ruler, *(" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows))
    return "\n".join(f"| {line} |" for line in lines)


def _objects(module: ModuleType) -> str:
    """Describe every part of a module, in the order in which they stand there."""
    remarks = _remarks(module)
    found = [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Part) and not name.startswith("_")
    ]
    return "\n\n".join(_object(part, remarks) for part in found if part.__module__ == module.__name__)


def _object(part: type[Part], remarks: Mapping[tuple[str, str], str]) -> str:
    inherited = {
        name for parent in part.__bases__ if issubclass(parent, Part) for name in parent.model_fields
    }
    tag = next((part.model_fields[name].default for name in inherited & {"id", "type"}), None)
    about = " ".join(inspect.cleandoc(part.__doc__ or "").split())
    keys = [
        f"- `{key}`: {_kind(part.model_fields[name].annotation)}{_required(part, name)}. {remarks.get((part.__name__, name), '')}".strip()
        for key, name in part.known_keys().items()
        if name not in inherited
    ]
    if part.is_whole:
        about += " A later one replaces it whole."
    said = f"`{tag}`: {about}" if isinstance(tag, str) else about
    return "\n\n".join(filter(None, [f"### {part.__name__}", said, "\n".join(keys)]))


def _required(part: type[Part], name: str) -> str:
    return ", required" if part.model_fields[name].is_required() else ""


def _remarks(module: ModuleType) -> dict[tuple[str, str], str]:
    """Read what is written below the fields of a module's classes."""
    tree = ast.parse(inspect.getsource(module))
    return {
        (of.name, field.target.id): " ".join(text.value.value.split())
        for of in tree.body
        if isinstance(of, ast.ClassDef)
        for field, text in pairwise(of.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _kind(annotation: Any) -> str:
    """Say what a value may be."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _KINDS.get(annotation) or f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in {Union, UnionType}:
        return " or ".join(_kind(member) for member in inner if not _understood(member, inner))
    return "object" if issubclass(origin, Mapping) else f"list of {_kind(inner[0])}"


def _understood(member: Any, union: tuple[Any, ...]) -> bool:
    """Whether a member of a union goes without saying: newer values beside those listed, a `dict` beside a part."""
    if member is str:
        return any(get_origin(other) is Literal for other in union)
    if get_origin(member) is Mapping:
        return any(inspect.isclass(other) and issubclass(other, Part) for other in union)
    return member is NoneType


if __name__ == "__main__":
    sys.stdout.write(reference())
