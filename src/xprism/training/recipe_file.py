"""Reading a recipe: what it extends, its profiles, changes from the command line; errors name the line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from xprism.errors import RecipeError
from xprism.training.recipe import Recipe

Key = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
PAGE = "docs/reference/recipe.md"


@dataclass
class Settings:
    """Settings as nested mappings, and where each of them was said: ``file:line`` and the file's folder."""

    content: dict[str, Any]
    said: dict[Key, str] = field(default_factory=dict)
    folder: dict[Key, Path] = field(default_factory=dict)

    def merge(self, newer: Settings) -> None:
        """Take over what ``newer`` says; mappings are joined, anything else is replaced."""
        _join(self.content, newer.content)
        self.said = _without_below(self.said, newer.replaced) | newer.said
        self.folder = _without_below(self.folder, newer.replaced) | newer.folder

    @property
    def replaced(self) -> set[Key]:
        """The settings said here that are no mappings."""
        return {key for key in self.said if key and not isinstance(_at(self.content, key), dict)}

    def where(self, key: Key) -> str:
        """Where a setting, or the nearest part that holds it, was said."""
        for length in range(len(key), -1, -1):
            if key[:length] in self.said:
                return self.said[key[:length]]
        return ""

    def absolute(self, key: Key, path: Path, *, home: Path) -> Path:
        """A path that was said at ``key``, relative to the file that said it, or to ``home`` where none did."""
        place = next((self.folder[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.folder), home)
        return (place / path).resolve()


def _at(content: Any, key: Key) -> Any:
    for part in key:
        if isinstance(content, dict):
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int):
            content = content[part]
    return content


def _without_below(table: dict[Key, Any], replaced: set[Key]) -> dict[Key, Any]:
    return {k: v for k, v in table.items() if not any(k[:n] in replaced for n in range(1, len(k)))}


def load_recipe(path: Path | str, *, profile: str | None = None, changes: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe, with one of its ``profiles`` and ``changes`` (``key.path=value``, YAML values) on top.

    A recipe may say ``extends: other.yaml``; it then need only say what differs. Paths are relative
    to the file that states them. Raises ``RecipeError`` naming file, line, setting and what to write.
    """
    recipe, settings = load_settings(Recipe, Path(path), profile=profile, changes=changes, page=PAGE)
    return _with_paths(recipe, settings, Path(path).parent)


def load_settings(
    model: type[Model], path: Path, *, profile: str | None, changes: tuple[str, ...], page: str
) -> tuple[Model, Settings]:
    """The settings of any ``model`` read as ``load_recipe`` does, and where each was said; ``page`` explains them."""
    settings = _read(path, ())
    profiles = settings.content.pop("profiles", None) or {}
    if profile is not None:
        if profile not in profiles:
            known = ", ".join(profiles) or "none"
            raise RecipeError(f"no profile {profile!r}", where=str(path), remedy=f"it has: {known}")
        settings.merge(_profile(settings, profiles[profile], profile))
    for change in changes:
        settings.merge(_change(settings, change))
    try:
        return model.model_validate(settings.content), settings
    except ValidationError as error:
        raise _explained(error, settings, model, page) from None


def _read(path: Path, below: tuple[Path, ...]) -> Settings:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, yaml.SafeLoader)
        content = _unshared(yaml.safe_load(text))
    except (FileNotFoundError, IsADirectoryError):
        raise RecipeError("no such recipe", where=str(path), remedy="see the folder recipes/") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"not valid YAML: {error}", where=str(path)) from None
    if not isinstance(content, dict):
        raise RecipeError("a recipe is a mapping of settings", where=str(path))
    lines = dict(_lines(root, ()))
    own = Settings(content, {key: f"{path}:{line}" for key, line in lines.items()}, dict.fromkeys(lines, path.parent))
    base = content.pop("extends", None)
    if base is None:
        return own
    if path.resolve() in below:
        raise RecipeError("recipes extend each other in a circle", where=own.said[("extends",)])
    if not isinstance(base, str) or not (path.parent / base).is_file():
        raise RecipeError(
            f"no recipe {base!r} to extend", where=own.said[("extends",)], remedy="give its relative path"
        )
    settings = _read(path.parent / base, (*below, path.resolve()))
    settings.merge(own)
    return settings


def _unshared(content: Any) -> Any:
    """What YAML aliases repeat as parts of their own, so that a change of one leaves the other alone."""
    if isinstance(content, dict):
        return {name: _unshared(part) for name, part in content.items()}
    return [_unshared(part) for part in content] if isinstance(content, list) else content


def _lines(node: yaml.Node, key: Key) -> Iterator[tuple[Key, int]]:
    yield key, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode):
                yield from _lines(value, (*key, name.value))
                yield (*key, name.value), name.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _lines(value, (*key, place))


def _profile(settings: Settings, content: Any, name: str) -> Settings:
    prefix = ("profiles", name)
    if not isinstance(content, dict):
        raise RecipeError("a profile is a mapping of settings", where=settings.where(prefix))
    said = {key[2:]: line for key, line in settings.said.items() if key[:2] == prefix and len(key) > 2}
    folder = {key[2:]: place for key, place in settings.folder.items() if key[:2] == prefix and len(key) > 2}
    return Settings(content, said, folder)


def _change(settings: Settings, change: str) -> Settings:
    path, equals, text = change.partition("=")
    if not equals:
        raise RecipeError(f"cannot read {change!r}", remedy="write --set key.path=value")
    key = tuple(path.split("."))
    inside: Any = settings.content
    for depth, name in enumerate(key[:-1], start=1):
        inside = inside.get(name) if inside.get(name) is not None else {}
        if not isinstance(inside, dict):
            raise RecipeError(f"{'.'.join(key[:depth])!r} holds no settings of its own", where=f"--set {change}")
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f"cannot read the value {text!r}", where=f"--set {change}") from None
    for name in reversed(key):
        content = {name: content}
    return Settings(content, {key: f"--set {change}"}, {key: Path.cwd()})


def _join(content: dict[str, Any], newer: dict[str, Any]) -> None:
    for name, value in newer.items():
        old = content.get(name)
        if isinstance(old, dict) and isinstance(value, dict) and value.get("kind", old.get("kind")) == old.get("kind"):
            _join(old, value)
        else:
            content[name] = value


def _explained(error: ValidationError, settings: Settings, model: type[BaseModel], page: str) -> RecipeError:
    found = []
    for one in error.errors():
        key = _as_said(one["loc"], settings.content)
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            message = f"there is no such setting; {_nearest(one['loc'], model)}"
        elif one["type"] == "missing":
            message = "this setting is needed"
        elif one["type"] == "union_tag_not_found":
            message = "say which `kind`"
        elif one["type"] != "value_error":
            message += f", not {one['input']!r}"
        place = settings.where(key)
        name = ".".join(map(str, key))
        found.append(": ".join(part for part in (place, name, message) if part))
    return RecipeError("; ".join(found), remedy=f"{page} lists every setting")


def _as_said(loc: tuple[str | int, ...], content: Any) -> Key:
    """A pydantic location without the tags of unions, which no file says."""
    key: list[str | int] = []
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if isinstance(content, dict):
            if part not in content and not last:
                continue
            key.append(part)
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            key.append(part)
            content = content[part]
    return tuple(key)


def _nearest(loc: tuple[str | int, ...], model: type[BaseModel]) -> str:
    known = _known(model, loc[:-1])
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"


def _known(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The settings of the part of a recipe at a pydantic location."""
    models = [model]
    for part in loc:
        inner = [field.annotation for one in models if (field := one.model_fields.get(str(part)))]
        tagged = [one for one in models if str(part) in _tags(one)]
        models = tagged or [found for one in inner for found in _models(one)] or models
    return sorted({name for one in models for name in one.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in getattr(annotation, "__args__", ()) for found in _models(inner)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    kind = model.model_fields.get("kind")
    return tuple(getattr(kind.annotation, "__args__", ())) if kind else ()


def _with_paths(recipe: Recipe, settings: Settings, home: Path) -> Recipe:
    def absolute(*key: str | int, path: Path) -> Path:
        return settings.absolute(key, path, home=home)

    data = recipe.data
    manifests = tuple(absolute("data", "manifests", k, path=path) for k, path in enumerate(data.manifests))
    lists = tuple(absolute("data", "lists", k, path=path) for k, path in enumerate(data.lists))
    start = recipe.start_from
    if start is not None and ("/" in start or "\\" in start):
        start = str(absolute("start_from", path=Path(start)))
    data = data.model_copy(update={"manifests": manifests, "lists": lists})
    watched = recipe.validation
    if watched is not None:
        looked = tuple(absolute("validation", "manifests", k, path=path) for k, path in enumerate(watched.manifests))
        watched = watched.model_copy(update={"manifests": looked})
    return recipe.model_copy(update={"data": data, "start_from": start, "validation": watched})
