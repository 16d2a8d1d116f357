"""The reference of the recipe, written from its schema: ``python -m xprism.training.recipe_reference``."""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from xprism.targets import Classes, Layer, Lesions, Masks, Picture, TargetSet
from xprism.training.recipe import Recipe

_HEAD = """# The recipe

One YAML file says everything about a training. This page is made from the program's own schema by
`python -m xprism.training.recipe_reference`; a test holds the two together.

- `extends: other.yaml` takes over another recipe; say only what differs. Mappings are joined, lists and values
  replaced, and a part whose `kind` changes starts afresh.
- `profiles:` holds named sets of settings that `--profile NAME` lays on top.
- `--set key.path=value` changes one setting for one call; the value is read as YAML.
- Paths are relative to the file that states them.
- An error names the file, the line, the setting and what to write instead.

"""
_TARGETS = "A list; each entry is one of these, told apart by its `kind`.\n"


def reference() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD, table("Recipe", Recipe)]
    for name, field in Recipe.model_fields.items():
        for model in _models(field.annotation):
            if name == "targets":
                continue
            parts.append(table(_title(name, model), model))
            for key, entry in model.model_fields.items():
                inner, title = _models(entry.annotation), f"{name}.{key}"
                parts += [table(_title(title, one) if len(inner) > 1 else title, one) for one in inner]
    parts.append(f"## targets\n\n{_TARGETS}")
    parts += [table(_title("targets", model), model, level=3) for model in (Masks, Classes, Picture, Layer, Lesions)]
    return "\n".join(parts)


def table(title: str, model: type[BaseModel], *, level: int = 2) -> str:
    """A heading, what a part of the settings is for, and a row for each of them."""
    doc = " ".join((model.__doc__ or "").split()).replace("``", "`")
    lines = [f"{'#' * level} {title}", "", doc, "", "| setting | values | default | meaning |", "|---|---|---|---|"]
    lines += [_row(name, field) for name, field in model.model_fields.items() if name != "kind"]
    return "\n".join(lines) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    shown = "needed" if default is PydanticUndefined else _yaml(default)
    values = _words(field.annotation) + "".join(f", {limit}" for limit in _limits(field))
    cells = (f"`{name}`", values, shown, field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _limits(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
            if (value := getattr(limit, name, None)) is not None:
                yield f"{sign} {value}"


def _words(annotation: Any) -> str:
    if annotation is TargetSet:
        return "list"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "settings"
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is typing.Annotated:
        return _words(inner[0])
    if origin is tuple:
        return f"list of {_words(inner[0])}" if inner[-1] is Ellipsis else f"[{', '.join(map(_words, inner))}]"
    if origin is dict:
        return f"mapping of {_words(inner[0])} to {_words(inner[1])}"
    if inner:
        return " or ".join(dict.fromkeys(map(_words, inner)))
    plain = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "null"}
    return plain.get(annotation, "path")


def _yaml(value: Any) -> str:
    if isinstance(value, BaseModel):
        kind = getattr(value, "kind", None)
        return f"`{kind}`" if kind else "as below"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, dict):
        return "`{}`"
    return "`null`" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in typing.get_args(annotation) for found in _models(inner)]


def _title(name: str, model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return f"{name}: {{kind: {typing.get_args(kind.annotation)[0]}}}" if kind else name


if __name__ == "__main__":
    sys.stdout.write(reference())
