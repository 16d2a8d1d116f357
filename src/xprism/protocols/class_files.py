"""Class maps that another program or person made: pictures named like cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xprism.data.importers.class_map import ClassNames, class_map
from xprism.data.importers.legend import Legend, read_label_map
from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.protocols.class_maps import ClassMap
from xprism.protocols.predictions import NoPrediction, Prediction
from xprism.targets import UNIONS, Classes

_ENDINGS = (".png", ".gif", ".tif", ".tiff", ".bmp")


class ClassFolder:
    """Pictures ``CASE.png`` or ``NAME/CASE.png`` of one class map, of the classes' numbers or of a legend's values."""

    def __init__(self, folder: Path, names: ClassNames, *, legend: Legend | None = None, tolerance: int = 0) -> None:
        """Raises ``DataError`` where there is no such folder, or the legend lists what is no class."""
        if not folder.is_dir():
            raise DataError("no such folder of class maps", where=str(folder), remedy="leave --classes out for a model")
        self._names, self._legend, self._tolerance = names, legend or names.numbers, tolerance
        names.check(self._legend.labels)
        self._target = Classes(name=names.name, labels=names.labels)
        self._folders = (folder / names.name, folder)
        self.unions: dict[str, tuple[str, ...]] = dict(UNIONS)
        self.facts: dict[str, Any] = {"files": f"class maps {names.name!r} named like the cases"}

    def __call__(self, case: Case) -> Prediction:
        """The class map of a case; raises ``NoPrediction`` without one, ``DataError`` for values of no class."""
        paths = [folder / f"{case.case}{ending}" for folder in self._folders for ending in _ENDINGS]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise NoPrediction(f"no {case.case}.png", remedy="add the file, or drop the case")
        values = read_label_map(path, colours=self._legend.colours)
        index, _ = class_map(values, self._legend, self._names, tolerance=self._tolerance)
        masks = {label: index == k for k, label in enumerate(self._names.labels)}
        return Prediction("file", masks, classes={self._names.name: ClassMap(self._target, index)})
