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

from xprism.data.importers.class_map import ClassNames, class_map
from xprism.data.importers.files import check_label, folder_name, named_files, new_folder, save_mask
from xprism.data.importers.legend import Legend, Value, read_label_map, remark_on, split_labels
from xprism.data.importers.outlines import Outlined, draw, labels_of, read_outlines
from xprism.data.manifest import Case
from xprism.errors import DataError, ReadError, XprismError
from xprism.png import save_png
from xprism.readers import read

Shape = tuple[int, int]
Draw = Callable[[str, Shape], dict[str, NDArray[Any]]]
"""Masks, bool, or a class map, uint8, of a case, from its name and its film's (height, width)."""


_RIM_PX = 2
_SAME_ASPECT = 0.01


@dataclass(frozen=True)
class PairRequest:
    """What to pair: places of films, and places of masks by label, pictures by name, label maps and outlines.

    With ``classes`` label maps or outlines become one class map in place of a mask a label.
    ``cut`` names pictures that are black where they are not known, such as beyond the lungs.
    ``subject`` is a regular expression whose first group, in the case's name, is the subject; without it each
    film is its own. ``body_part`` finds the part of the body likewise. ``source`` is the name of the first folder of
    films unless given. ``skip_missing`` leaves out films without any target, and labels without a film.
    """

    films: tuple[str, ...]
    masks: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None
    legend: Legend | None = None
    tolerance: int = 0
    polygons: str | None = None
    classes: ClassNames | None = None
    cut: tuple[str, ...] = ()
    subject: str | None = None
    body_part: str | None = None
    source: str | None = None
    polarity: str = "auto"
    skip_missing: bool = False


@dataclass(frozen=True)
class Drawn:
    """Targets that are to be made: their labels, the files of each name, how to draw one case's, and strangers.

    ``strangers`` are labels without a film.
    """

    labels: tuple[str, ...]
    names: Mapping[str, str]
    draw: Draw
    strangers: tuple[str, ...] = ()


class Pairing:
    """Films with the targets found for them: ``cases`` makes the manifest's cases of it."""

    def __init__(self, request: PairRequest) -> None:
        """Look for films and targets. Raises ``DataError`` where nothing fits together."""
        self.request = request
        self._unlisted: Counter[Value] = Counter()
        self._problems: list[str] = []
        films = _films(request.films)
        self._masks = {check_label(label): named_files(place) for label, place in request.masks.items()}
        self._pictures = {check_label(name): named_files(place) for name, place in request.pictures.items()}
        self._drawn = tuple(made for made in (self._label_maps(films), self._outlines(films)) if made)
        self._check_labels()
        self.films = self._with_targets(films)

    def cases(self, folder: Path, *, on_case: Callable[[], object] = lambda: None) -> tuple[Case, ...]:
        """The cases; masks and class maps to be made are written to ``folder``/LABEL/CASE.png, all or none.

        Regions of cut pictures are written to ``folder``/NAME_known/CASE.png. Raises ``DataError`` that names every
        film and label that cannot be used.
        """
        known = {name: self._case(name) for name in self.films}
        if not self._drawn and not self.request.cut:
            self._refuse_problems()
            return tuple(known.values())
        cases = []
        with new_folder(folder) as partial:
            for case in known.values():
                cases.append(self._with_drawn(case, partial, folder))
                on_case()
            self._refuse_problems()
        return tuple(cases)

    def _with_drawn(self, case: Case, partial: Path, folder: Path) -> Case:
        """The case with what is drawn for it, written to ``partial``; what stands in the way is noted."""
        planes: dict[str, NDArray[Any]] = {}
        for made in (made for made in self._drawn if case.case in made.names):
            try:
                film = read(case.film, polarity="display").shape
                planes |= _fitting(made.draw(case.case, film), film)
            except (ReadError, DataError) as error:
                self._problems.append(_said(error, made.names[case.case]))
        masks, maps = dict(case.masks), dict(case.classes)
        for label, plane in planes.items():
            file = Path(label) / f"{case.case}.png"
            (save_mask if plane.dtype == bool else save_png)(plane, partial / file)
            (masks if plane.dtype == bool else maps)[label] = folder / file
        return replace(case, masks=masks, classes=maps, regions=self._regions(case, partial, folder))

    def _refuse_problems(self) -> None:
        if self._problems:
            lines = "".join(f"\n  {line}" for line in self._problems)
            raise DataError(
                f"{len(self._problems)} films or labels cannot be used:{lines}",
                remedy="correct them; --skip-missing leaves out films without any target and labels without a film",
            )

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
        colours, classes = self.request.legend is not None and self.request.legend.colours, self.request.classes
        return lacking + remark_on(self._unlisted, colours=colours, taken_for=classes.labels[0] if classes else "")

    def _case(self, name: str) -> Case:
        subject = name if self.request.subject is None else _part_of(name, self.request.subject, what="subject")
        masks = {label: files[name] for label, files in self._masks.items() if name in files}
        pictures = {title: files[name] for title, files in self._pictures.items() if name in files}
        source = self.request.source or folder_name(self.request.films[0])
        attributes = {"source": source, "group": source, "polarity": self.request.polarity}
        if self.request.body_part is not None:
            attributes["body_part"] = _part_of(name, self.request.body_part, what="part of the body")
        return Case(name, subject, self.films[name], masks=masks, pictures=pictures, attributes=attributes)

    def _label_maps(self, films: Mapping[str, Path]) -> Drawn | None:
        place, classes = self.request.labels, self.request.classes
        legend = self.request.legend or (classes.numbers if classes and place else None)
        if (place is None) != (legend is None):
            raise DataError("--labels and --legend go together", remedy="say by --legend which value is which label")
        if place is None or legend is None:
            return None
        files, tolerance = named_files(place), self.request.tolerance
        if classes is not None:
            classes.check(legend.labels)

        def planes_of(name: str, film: Shape) -> dict[str, NDArray[Any]]:
            values = read_label_map(files[name], colours=legend.colours)
            planes: dict[str, NDArray[Any]] = {}
            if classes is None:
                masks, unlisted = split_labels(values, legend, tolerance=tolerance)
                planes |= masks
            else:
                planes[classes.name], unlisted = class_map(values, legend, classes, tolerance=tolerance)
            self._unlisted.update(unlisted)
            return planes

        strangers = tuple(file.name for name, file in files.items() if name not in films)
        labels = legend.labels if classes is None else (classes.name,)
        return Drawn(labels, {name: str(file) for name, file in files.items()}, planes_of, strangers)

    def _outlines(self, films: Mapping[str, Path]) -> Drawn | None:
        if self.request.polygons is None:
            return None
        by_stem, classes = read_outlines(self.request.polygons), self.request.classes
        stems = {name: name if name in by_stem else film.stem for name, film in films.items()}
        labels = labels_of([found for found in by_stem.values() if isinstance(found, Outlined)])
        if classes is not None:
            classes.check(labels)

        def planes_of(name: str, film: Shape) -> dict[str, NDArray[Any]]:
            found = by_stem[stems[name]]
            if not isinstance(found, Outlined):
                raise found
            masks: dict[str, NDArray[Any]] = {**draw(found, labels, size=film)}
            return masks if classes is None else {classes.name: classes.joined(masks, found.size or film)}

        strangers = tuple(f"{found.where}, {stem}" for stem, found in by_stem.items() if stem not in stems.values())
        names = {name: by_stem[stem].where for name, stem in stems.items() if stem in by_stem}
        return Drawn(labels if classes is None else (classes.name,), names, planes_of, strangers)

    def _check_labels(self) -> None:
        strangers = sorted(set(self.request.cut) - self._pictures.keys())
        if strangers:
            raise DataError(f"--cut {strangers[0]}: no such picture", remedy="name it by --picture, too")
        if self.request.classes is not None and len(self._drawn) != 1:
            raise DataError("--classes takes either --labels or --polygons", remedy="give one of the two")
        labels = [*self._masks, *self._pictures, *(label for made in self._drawn for label in made.labels)]
        if not labels:
            raise DataError(
                "films without any target", remedy="give --mask, --picture, --labels with --legend, or --polygons"
            )
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise DataError(f"two sources for {', '.join(twice)}", remedy="give each label and picture once")

    def _with_targets(self, films: dict[str, Path]) -> dict[str, Path]:
        """The films to keep; each source must fit some film, and what belongs to none is noted."""
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
        if not self.request.skip_missing:
            lonely = [film.name for name, film in films.items() if name not in known]
            self._problems += [f"{film}: a film without any target" for film in lonely]
            self._problems += [f"{label}: a label without a film" for made in self._drawn for label in made.strangers]
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


def _part_of(name: str, pattern: str, *, what: str) -> str:
    """What the first group of a regular expression finds in a case's name; ``what`` says what it is to be."""
    try:
        found = re.search(pattern, name)
    except re.error as error:
        raise DataError(
            f"{pattern!r} is no regular expression: {error}", remedy="write such as '(.*)_[0-9]+'"
        ) from None
    if found is None or not found.groups() or not found.group(1):
        raise DataError(f"{pattern!r} finds no {what} in {name!r}", remedy=f"put (brackets) round the {what}")
    return found.group(1)


def _fitting(planes: dict[str, NDArray[Any]], film: Shape) -> dict[str, NDArray[Any]]:
    """The planes [H, W] themselves, or ``DataError`` where one has not the shape of its ``film``."""
    for rows, columns in (plane.shape for plane in planes.values()):
        if abs(rows * film[1] / (columns * film[0]) - 1) > _SAME_ASPECT:
            raise DataError(f"{rows} x {columns} pixels, the film {film[0]} x {film[1]}: another shape")
    return planes


def _said(error: XprismError, where: str) -> str:
    return f"{error.where or where}: {error.what}"
