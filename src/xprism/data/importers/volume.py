"""Slices of NIfTI volumes as cases: a volume, the same volume in other contrasts, and its labels.

Volumes are brought to the nearest axes of the patient, and slices shown as radiologists look at them: the
patient's right on the picture's left; axial slices with the front on top, coronal and sagittal ones with the
head on top, sagittal ones with the front on the left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xprism.data.importers.files import check_label, folder_name, need, new_folder, save_mask
from xprism.data.importers.legend import Legend, Value, remark_on, split_labels
from xprism.data.manifest import Case, read_manifest
from xprism.errors import CorruptFile, DataError, OutputError
from xprism.png import save_png

Axis = Literal["axial", "coronal", "sagittal"]

FilmOf = Callable[[NDArray[Any], tuple[float, float], int], NDArray[Any]]
"""What a film shows in place of a slice [H, W]: from its values, (row, column) spacing in mm, and number."""

FULL_DOSE = "full_dose"

_THROUGH: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
_SAME_PLACE = 1e-3  # of affines, in mm


@dataclass(frozen=True)
class VolumeRequest:
    """Which volumes to slice: those that become films, pictures by name, and labels with their legend.

    ``window`` is the (low, high) that becomes black and white, for films and pictures; without it each
    volume's own range. All volumes are of one subject, named like the first volume's file unless given.
    ``low_dose`` makes the films of one CT volume, whose slices themselves become the picture ``full_dose``.
    """

    volumes: tuple[Path, ...]
    pictures: Mapping[str, Path] = field(default_factory=dict)
    labels: Path | None = None
    legend: Legend | None = None
    window: tuple[float, float] | None = None
    axis: Axis = "axial"
    subject: str | None = None
    source: str | None = None
    low_dose: FilmOf | None = None


@dataclass(frozen=True)
class Grid:
    """A volume in the patient's axes: values [X, Y, Z], x growing to the right, y to the front, z to the head."""

    values: NDArray[Any]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]


class Slices:
    """Volumes read and found to fit each other: ``cases`` writes their slices."""

    def __init__(self, request: VolumeRequest) -> None:
        """Read the volumes. Raises ``DataError`` where they lie on different grids."""
        self.request = request
        if request.axis not in _THROUGH:
            raise DataError(f"unknown axis {request.axis!r}", remedy=f"choose {', '.join(sorted(_THROUGH))}")
        if (request.labels is None) != (request.legend is None):
            raise DataError(
                "--labels and --legend go together", remedy="write --legend 'right_kidney=2; left_kidney=3'"
            )
        if request.legend is not None and request.legend.colours:
            raise DataError("labels of a volume are whole numbers", remedy="write --legend 'right_kidney=2'")
        self.subject = check_label(request.subject or _stem(request.volumes[0]))
        self._films = {_stem(path): self._read(path) for path in request.volumes}
        if len(self._films) < len(request.volumes):
            raise DataError("two volumes have the same name", remedy="rename one: slices are named like their volume")
        self._pictures = {check_label(name): self._read(path) for name, path in request.pictures.items()}
        if request.low_dose is not None:
            self._pictures |= _slices_themselves(request, self._films, self._pictures)
        self._labels = _whole(self._read(request.labels), request.labels) if request.labels else None
        twice = set(request.legend.labels if request.legend else ()) & self._pictures.keys()
        if twice:
            raise DataError(f"two sources for {', '.join(sorted(twice))}", remedy="give each label and picture once")
        self._first = next(iter(self._films.values()))
        self._unlisted: Counter[Value] = Counter()
        self._check_grids()
        self._windows = {place: _window(grid, request.window) for place, grid in self._shown.items()}

    @property
    def count(self) -> int:
        """How many cases there will be."""
        return self._depth * len(self._films)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know, one sentence each; complete once ``cases`` has run."""
        row, column = _spacing_in_plane(self._first, self.request.axis)
        pressed = f"pixels are {row:g} mm high and {column:g} mm wide: pictures look pressed"
        return (() if _equal(row, column) else (pressed,)) + remark_on(self._unlisted, colours=False)

    def cases(
        self, folder: Path, *, earlier: Sequence[Case] = (), on_case: Callable[[], object] = lambda: None
    ) -> tuple[Case, ...]:
        """``earlier`` cases and those of these volumes, whose slices are written to ``folder``/SUBJECT, all or none.

        Films and pictures are 16-bit PNGs. Raises ``DataError`` where a case of the same name is there already.
        """
        home = folder / self.subject
        cases = [self._case(home, volume, index) for volume in self._films for index in range(self._depth)]
        twice = sorted({case.case for case in earlier} & {case.case for case in cases})
        if twice:
            raise DataError(f"the manifest has {twice[0]!r} already", remedy="give another --subject")
        with new_folder(home) as partial:
            self._write(partial, on_case)
        return (*earlier, *cases)

    @property
    def _shown(self) -> dict[str, Grid]:
        """What is written as grey pictures, by its folder."""
        films = {f"films/{stem}": grid for stem, grid in self._films.items()}
        return films | {f"pictures/{name}": grid for name, grid in self._pictures.items()}

    @property
    def _depth(self) -> int:
        return int(self._first.values.shape[_THROUGH[self.request.axis]])

    def _case(self, home: Path, volume: str, index: int) -> Case:
        file, legend = f"{index:04d}.png", self.request.legend
        return Case(
            self._name(volume, index),
            self.subject,
            home / "films" / volume / file,
            masks={label: home / "masks" / label / file for label in (legend.labels if legend else ())},
            pictures={name: home / "pictures" / name / file for name in self._pictures},
            attributes=self._attributes(volume, index),
        )

    def _name(self, volume: str, index: int) -> str:
        letter = "xyz"[_THROUGH[self.request.axis]]
        start = volume if volume == self.subject else f"{self.subject}_{volume}"
        return f"{start}_{letter}{index:04d}"

    def _attributes(self, volume: str, index: int) -> dict[str, str]:
        low, high = self._windows[f"films/{volume}"]
        row, column = _spacing_in_plane(self._first, self.request.axis)
        source = self.request.source or folder_name(self.request.volumes[0].parent)
        if _equal(row, column):
            spacing = {"spacing_mm": f"{row:.6g}"}
        else:
            spacing = {"row_spacing_mm": f"{row:.6g}", "column_spacing_mm": f"{column:.6g}"}
        return {
            "source": source,
            "group": source,
            "polarity": "display",
            **spacing,
            "window": f"{low:g},{high:g}",
            "slice": f"{self.request.axis} {index}",
        }

    def _write(self, home: Path, on_case: Callable[[], object]) -> None:
        axis, legend = self.request.axis, self.request.legend
        for place, grid in self._shown.items():
            window, is_film = self._windows[place], place.startswith("films/")
            for index in range(self._depth):
                values = _slice(grid.values, axis, index)
                if is_film and self.request.low_dose is not None:
                    values = self.request.low_dose(values, _spacing_in_plane(grid, axis), index)
                save_png(_grey(values, window), home / place / f"{index:04d}.png")
                if is_film:
                    on_case()
        if self._labels is None or legend is None:
            return
        for index in range(self._depth):
            masks, unlisted = split_labels(_slice(self._labels.values, axis, index), legend)
            self._unlisted.update(unlisted)
            for label, mask in masks.items():
                save_mask(mask, home / "masks" / label / f"{index:04d}.png")

    def _read(self, path: Path) -> Grid:
        nibabel = need("nibabel")
        try:
            image = nibabel.as_closest_canonical(nibabel.load(path))
            values = np.asarray(image.dataobj)
        except FileNotFoundError:
            raise DataError("no such volume", where=str(path), remedy="check the path") from None
        except Exception as error:  # nibabel passes on whatever its decoders raise
            raise CorruptFile(f"the volume cannot be read: {error}", where=str(path), remedy="copy it again") from error
        if values.ndim == 4 and values.shape[3] == 1:
            values = values[..., 0]
        if values.ndim != 3 or values.dtype.kind not in "iuf":
            raise DataError(
                f"a volume has three axes, this one {list(values.shape)} of {values.dtype}",
                where=str(path),
                remedy="save one time point or contrast a file",
            )
        x, y, z = (float(zoom) for zoom in image.header.get_zooms()[:3])
        return Grid(values, np.asarray(image.affine, np.float64), (x, y, z))

    def _check_grids(self) -> None:
        first = self.request.volumes[0]
        others = dict(zip(self.request.volumes, self._films.values(), strict=True))
        others |= {path: self._pictures[name] for name, path in self.request.pictures.items()}
        if self.request.labels and self._labels:
            others[self.request.labels] = self._labels
        for path, grid in others.items():
            if grid.values.shape != self._first.values.shape:
                what = f"{list(grid.values.shape)} voxels, {first.name} {list(self._first.values.shape)}"
            elif not np.allclose(grid.affine, self._first.affine, atol=_SAME_PLACE):
                what = f"its voxels lie elsewhere than those of {first.name} (the affines differ)"
            else:
                continue
            raise DataError(what, where=str(path), remedy="resample one onto the other's grid first")


def read_window(text: str | None) -> tuple[float, float] | None:
    """The two numbers of ``LOW,HIGH``; ``DataError`` where they are not understood."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"{text!r} is no window", remedy="write, say, --window=-160,240") from None
    return low, high


def earlier_cases(manifest: Path, *, append: bool) -> tuple[Case, ...]:
    """The cases that a manifest holds already; ``OutputError`` where it is there and not to be appended to."""
    if not manifest.exists():
        return ()
    if not append:
        raise OutputError("the manifest is there already", where=str(manifest), remedy="add to it by --append")
    return read_manifest(manifest)


def _slices_themselves(
    request: VolumeRequest, films: Mapping[str, Grid], pictures: Mapping[str, Grid]
) -> dict[str, Grid]:
    """The volume as the picture that films of a low dose are made from."""
    if request.axis != "axial" or len(films) != 1 or FULL_DOSE in pictures:
        raise DataError(
            f"a low dose is made of the axial slices of one CT volume, which are the picture {FULL_DOSE!r}",
            remedy="import volumes one by one with --append",
        )
    return {FULL_DOSE: next(iter(films.values()))}


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".img").removesuffix(".hdr")


def _whole(grid: Grid, path: Path) -> Grid:
    """Labels as whole numbers, whichever type the file has."""
    if not np.array_equal(np.rint(grid.values), grid.values):
        raise DataError("labels must be whole numbers", where=str(path), remedy="resample labels by nearest neighbours")
    return replace(grid, values=grid.values.astype(np.int32))


def _equal(row: float, column: float) -> bool:
    return bool(np.isclose(row, column, rtol=1e-3))


def _slice(volume: NDArray[Any], axis: Axis, index: int) -> NDArray[Any]:
    """One slice [H, W] of values [x to the right, y to the front, z to the head], as radiologists look at it."""
    if axis == "sagittal":
        return np.asarray(volume[index, ::-1, ::-1].T)
    plane = volume[:, :, index] if axis == "axial" else volume[:, index, :]
    return np.asarray(plane[::-1, ::-1].T)


def _spacing_in_plane(grid: Grid, axis: Axis) -> tuple[float, float]:
    """Distance in mm between rows and between columns of a slice."""
    x, y, z = grid.spacing_mm
    return {"axial": (y, x), "coronal": (z, x), "sagittal": (z, y)}[axis]


def _window(grid: Grid, given: tuple[float, float] | None) -> tuple[float, float]:
    if given is None:
        finite = grid.values[np.isfinite(grid.values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    else:
        low, high = given
    if not high > low:
        raise DataError(f"the window from {low:g} to {high:g} is empty", remedy="write --window=LOW,HIGH")
    return low, high


def _grey(values: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint16]:
    low, high = window
    share = np.clip((np.nan_to_num(values.astype(np.float64), nan=low) - low) / (high - low), 0, 1)
    return np.rint(65535 * share).astype(np.uint16)
