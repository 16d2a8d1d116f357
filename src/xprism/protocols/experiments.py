"""The papers' experiments by name: a recipe each, or a series of recipes that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xprism
from xprism.data.manifest import read_manifest
from xprism.errors import RecipeError
from xprism.targets import Picture
from xprism.training.cases import with_films
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe

_PLACES = (Path(xprism.__file__).parent / "recipes", Path(xprism.__file__).parents[2] / "recipes")

_PROTOCOL = ".protocol.yaml"

SERIES = {
    "ablation": ("mtdg/st-organs", "mtdg/stdg-organs", "unet", "mtdg/mt", "mtdg/mtdg"),
    # Tables 2 to 5 and Fig. 3 of Park et al.
    "mosegnet-tasks": ("mosegnet/unet-single", "mosegnet/single", "mosegnet/unet", "mosegnet"),
    "mosegnet-balance": ("mosegnet/single", "mosegnet/sweep", "mosegnet/learned"),
    "mosegnet-norms": ("mosegnet/unet-bn", "mosegnet/unet", "mosegnet/bn", "mosegnet/gn", "mosegnet"),
    "mosegnet-rivals": ("mosegnet/deeplab", "mosegnet/pspnet", "mosegnet"),
    "mosegnet-topologies": (
        "mosegnet/topology/deconvnet",
        "mosegnet/topology/unet",
        "mosegnet/topology/deconvnet-aspp",
        "mosegnet",
    ),
    "xnet-rivals": ("xnet/segnet-basic", "xnet/segnet-basic-authors", "xnet/unet", "xnet"),
}
"""Experiments that are run and compared together, by the name of the series."""


def experiments() -> dict[str, Path]:
    """The recipes of papers by name: ``mtdg/mt`` is a file, ``mtdg`` is short for ``mtdg/mtdg``."""
    found: dict[str, Path] = {}
    home = _home()
    if home is None:
        return found
    for path in sorted(home.rglob("*.yaml")):
        if path.name.endswith(_PROTOCOL):
            continue
        name = path.relative_to(home).with_suffix("").as_posix()
        found[name] = path
        if path.stem == path.parent.name:
            found[path.stem] = path
    return found


def multistage_protocols() -> dict[str, Path]:
    """Protocols whose trainings feed each other, by name; ``multistage`` is short for ``multistage/tiny``."""
    home = _home()
    paths = sorted(home.rglob(f"*{_PROTOCOL}")) if home is not None else []
    found = {path.relative_to(home).as_posix().removesuffix(_PROTOCOL): path for path in paths if home is not None}
    return found | {name.partition("/")[0]: path for name, path in found.items() if name.endswith("/tiny")}


def _home() -> Path | None:
    return next((place / "reproduce" for place in _PLACES if (place / "reproduce").is_dir()), None)


def members_of(name: str) -> tuple[str, ...]:
    """The experiments behind a name: those of a series, or the one itself. Raises ``RecipeError`` that lists all."""
    known = experiments()
    if name in SERIES:
        return SERIES[name]
    if name not in known:
        names = ", ".join((*SERIES, *multistage_protocols(), *known))
        raise RecipeError(f"there is no experiment {name!r}", remedy=f"choose one of {names}")
    return (name,)


def find_recipe(name: str) -> Path:
    """The recipe of one experiment. Raises ``RecipeError`` for a series or an unknown name."""
    members = members_of(name)
    if members != (name,):
        raise RecipeError(f"{name!r} is a series of experiments", remedy=f"choose one of {', '.join(members)}")
    return experiments()[name]


def experiment(
    name: str, folder: Path, *, profile: str | None, manifests: Sequence[Path] = (), changes: Sequence[str] = ()
) -> Recipe:
    """The recipe of an experiment, on ``manifests`` if given, else on films simulated in ``folder`` if it says so."""
    if manifests:
        listed = ", ".join(f"'{Path(one).resolve()}'" for one in manifests)
        changes = (*changes, f"data.manifests=[{listed}]")
    recipe = load_recipe(find_recipe(name), profile=None if profile == "full" else profile, changes=tuple(changes))
    return with_films(recipe, folder)


def knows_pictures(name: str, *, profile: str | None, manifests: Sequence[Path]) -> bool:
    """Whether some case of ``manifests`` has every picture that an experiment learns to make."""
    recipe = load_recipe(find_recipe(name), profile=None if profile == "full" else profile)
    wanted = {target.name for target in recipe.targets if isinstance(target, Picture)}
    return any(wanted <= case.pictures.keys() for path in manifests for case in read_manifest(path))
