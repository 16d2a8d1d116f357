"""Films and their targets in folders, paired by name: the importer for data that no other importer knows.

A place is a folder, whose files are named by their stem, or a pattern such as ``pairs/*_cxr.png``, whose
star stands for the name. Targets of equal name belong to the film.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from xprism.data.importers.files import check_label, folder_name, named_files, new_folder, save_mask
from xprism.data.importers.legend import Legend, Value, read_label_map, remark_on, split_labels
from xprism.data.importers.outlines import Outlined, draw, labels_of, read_outlines
from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.readers import read

Draw = Callable[[str, Path], dict[str, NDArray[Any]]]
"""The masks of a case, from its name and its film."""


_RIM_PX = 2


@dataclass(frozen=True)
class PairRequest:
    """What to pair: places of films, and places of masks by label, pictures by name, label maps and outlines.

    ``cut`` names pictures that are black where they are not known, such as beyond the lungs.
    ``subject`` is a regular expression whose first group, in the case's name, is the subject; without it each
    film is its own. ``source`` is the name of the first folder of films unless given.
    """

    films: tuple[str, ...]
    masks: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None
    legend: Legend | None = None
    tolerance: int = 0
    polygons: str | None = None
    cut: tuple[str, ...] = ()
    subject: str | None = None
    source: str | None = None
    polarity: str = "auto"
    skip_missing: bool = False


@dataclass(frozen=True)
class Drawn:
    """Masks that are to be made: their labels, the names they are known for, and how to draw one case's."""

    labels: tuple[str, ...]
    names: frozenset[str]
    draw: Draw


class Pairing:
    """Films with the targets found for them: ``cases`` makes the manifest's cases of it."""

    def __init__(self, request: PairRequest) -> None:
        """Look for films and targets. Raises ``DataError`` where they do not fit together."""
        self.request = request
        self._unlisted: Counter[Value] = Counter()
        films = _films(request.films)
        self._masks = {check_label(label): named_files(place) for label, place in request.masks.items()}
        self._pictures = {check_label(name): named_files(place) for name, place in request.pictures.items()}
        self._drawn = tuple(made for made in (self._label_maps(), self._outlines(films)) if made)
        self._check_labels()
        self.films = self._with_targets(films)

    def cases(self, folder: Path, *, on_case: Callable[[], object] = lambda: None) -> tuple[Case, ...]:
        """The cases; masks that have to be made are written to ``folder``/LABEL/CASE.png, all or none.

        Regions of cut pictures are written to ``folder``/NAME_known/CASE.png.
        """
        subjects = {name: _subject(name, self.request.subject) for name in self.films}
        if not self._drawn and not self.request.cut:
            return tuple(self._case(name, subject, {}) for name, subject in subjects.items())
        cases = []
        with new_folder(folder) as partial:
            for name, film in self.films.items():
                masks = {label: mask for made in self._of(name) for label, mask in made.draw(name, film).items()}
                for label, mask in masks.items():
                    save_mask(mask, partial / label / f"{name}.png")
                places = {label: folder / label / f"{name}.png" for label in masks}
                case = self._case(name, subjects[name], places)
                cases.append(replace(case, regions=self._regions(case, partial, folder)))
                on_case()
        return tuple(cases)

    def _regions(self, case: Case, partial: Path, folder: Path) -> dict[str, Path]:
        """Where cut pictures are known: what is not black, less a rim of two pixels, which may be a mixture."""
        regions = {}
        for title in self.request.cut:
            if title in case.pictures:
                shown = read(case.pictures[title], polarity="display").display > 0
                file = Path(f"{title}_known") / f"{case.case}.png"
                save_mask(binary_erosion(shown, iterations=_RIM_PX), partial / file)
                regions[title] = folder / file
        return regions

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know, one sentence each; complete once ``cases`` has run."""
        known: dict[str, Mapping[str, object]] = {f"mask {label}": files for label, files in self._masks.items()}
        known |= {f"picture {name}": files for name, files in self._pictures.items()}
        known |= {f"mask {label}": dict.fromkeys(made.names) for made in self._drawn for label in made.labels}
        counts = [(what, sum(name in names for name in self.films)) for what, names in known.items()]
        lacking = tuple(f"{what}: known for {n} of {len(self.films)}" for what, n in counts if n < len(self.films))
        colours = self.request.legend is not None and self.request.legend.colours
        return lacking + remark_on(self._unlisted, colours=colours)

    def _case(self, name: str, subject: str, made: dict[str, Path]) -> Case:
        masks = {label: files[name] for label, files in self._masks.items() if name in files}
        pictures = {title: files[name] for title, files in self._pictures.items() if name in files}
        source = self.request.source or folder_name(self.request.films[0])
        attributes = {"source": source, "group": source, "polarity": self.request.polarity}
        return Case(name, subject, self.films[name], masks={**masks, **made}, pictures=pictures, attributes=attributes)

    def _of(self, name: str) -> list[Drawn]:
        return [made for made in self._drawn if name in made.names]

    def _label_maps(self) -> Drawn | None:
        place, legend = self.request.labels, self.request.legend
        if (place is None) != (legend is None):
            raise DataError("--labels and --legend go together", remedy="say by --legend which value is which label")
        if place is None or legend is None:
            return None
        files = named_files(place)

        def masks_of(name: str, film: Path) -> dict[str, NDArray[Any]]:
            values = read_label_map(files[name], colours=legend.colours)
            masks, unlisted = split_labels(values, legend, tolerance=self.request.tolerance)
            self._unlisted.update(unlisted)
            return masks

        return Drawn(legend.labels, frozenset(files), masks_of)

    def _outlines(self, films: Mapping[str, Path]) -> Drawn | None:
        if self.request.polygons is None:
            return None
        by_stem = read_outlines(self.request.polygons)
        outlined: dict[str, Outlined] = {
            name: by_stem.get(name) or by_stem[film.stem]
            for name, film in films.items()
            if name in by_stem or film.stem in by_stem
        }
        labels = labels_of(list(by_stem.values()))

        def masks_of(name: str, film: Path) -> dict[str, NDArray[Any]]:
            found = outlined[name]
            return draw(found, labels, size=found.size or read(film, polarity="display").shape)

        return Drawn(labels, frozenset(outlined), masks_of)

    def _check_labels(self) -> None:
        strangers = sorted(set(self.request.cut) - self._pictures.keys())
        if strangers:
            raise DataError(f"--cut {strangers[0]}: no such picture", remedy="name it by --picture, too")
        labels = [*self._masks, *self._pictures, *(label for made in self._drawn for label in made.labels)]
        if not labels:
            raise DataError(
                "films without any target", remedy="give --mask, --picture, --labels with --legend, or --polygons"
            )
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise DataError(f"two sources for {', '.join(twice)}", remedy="give each label and picture once")

    def _with_targets(self, films: dict[str, Path]) -> dict[str, Path]:
        """The films to keep; each source must fit some film, and each film some source."""
        sources = {**self.request.masks, **self.request.pictures}
        names = {sources[label]: set(files) for label, files in {**self._masks, **self._pictures}.items()}
        asked = [place for place in (self.request.labels, self.request.polygons) if place is not None]
        names |= {place: set(made.names) for place, made in zip(asked, self._drawn, strict=True)}
        for place, known in names.items():
            if not known & films.keys():
                raise DataError(
                    f"no file is named like a film (films such as {next(iter(films))!r})",
                    where=place,
                    remedy="name both alike, or use patterns such as 'films/*_cxr.png' and 'targets/*_bs.png'",
                )
        known = set().union(*names.values())
        lonely = [film.name for name, film in films.items() if name not in known]
        if lonely and not self.request.skip_missing:
            raise DataError(
                f"{len(lonely)} films without any target: {', '.join(lonely[:5])}",
                remedy="give them one, or leave them out by --skip-missing",
            )
        return {name: film for name, film in films.items() if name in known}


def _films(places: Sequence[str]) -> dict[str, Path]:
    films: dict[str, Path] = {}
    for place in places:
        found = named_files(place)
        twice = sorted(films.keys() & found.keys())
        if twice:
            raise DataError(f"two films named {twice[0]!r}", where=place, remedy="give each film its own name")
        films |= found
    return films


def _subject(name: str, pattern: str | None) -> str:
    if pattern is None:
        return name
    try:
        found = re.search(pattern, name)
    except re.error as error:
        raise DataError(
            f"{pattern!r} is no regular expression: {error}", remedy="write such as '(.*)_[0-9]+'"
        ) from None
    if found is None or not found.groups() or not found.group(1):
        raise DataError(f"{pattern!r} finds no subject in {name!r}", remedy="put (brackets) round the subject's part")
    return found.group(1)
