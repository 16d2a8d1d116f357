"""Where predictions to be scored come from: a model, folders written by ``xprism predict``, or plain mask files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xprism import zoo
from xprism.batch.tables import scan, unpack
from xprism.card import Card, sha256_of
from xprism.data.manifest import Case
from xprism.errors import CorruptFile, DataError
from xprism.evaluation.cases import unions_of
from xprism.protocols.class_maps import ClassMap, class_maps, stored_class_map
from xprism.readers import read
from xprism.readers.masks import read_flags, read_mask
from xprism.result import Lesion
from xprism.targets import UNIONS, Layer, Picture
from xprism.writers.record import read_record

_ENDINGS = (".png", ".gif", ".tif", ".tiff", ".bmp")
_AGAIN = "predict again with 'xprism predict ... --to masks'"


class NoPrediction(DataError):
    """There is nothing to score for a case."""

    code = "missing"


class Refused(NoPrediction):
    """The model declined the case's film."""

    code = "refused"


@dataclass(frozen=True)
class Prediction:
    """What was predicted of one case: masks bool [H, W] by label, and pictures in the units of their targets.

    ``lesions`` has the findings of every label that was looked for, also where there is none, ``classes`` the class
    maps by target, whose single classes are among the masks too. ``spacing`` is
    (row, column) in mm where the source knows the film's. ``matched_by`` says how the prediction was found:
    ``model`` (made just now), ``sha256`` of the film, ``name`` of the film (whose content is another), or ``file``
    (named like the case).
    """

    matched_by: str
    masks: dict[str, NDArray[Any]] = field(default_factory=dict)
    pictures: dict[str, tuple[Picture, NDArray[Any]]] = field(default_factory=dict)
    spacing: tuple[float, float] | None = None
    lesions: dict[str, tuple[Lesion, ...]] = field(default_factory=dict)
    classes: dict[str, ClassMap] = field(default_factory=dict)


class Source(Protocol):
    """Gives the prediction of a case, or raises ``NoPrediction``; ``facts`` says what it is, for the record."""

    unions: dict[str, tuple[str, ...]]
    facts: dict[str, Any]

    def __call__(self, case: Case) -> Prediction: ...


def open_source(
    what: str,
    cases: Sequence[Case],
    *,
    made_by: str | None = None,
    runtime: str = "onnx",
    clean: bool | None = None,
    force: bool = False,
) -> Source:
    """The source of predictions that ``what`` names: a shipped model, a model folder, or a folder of predictions.

    ``made_by`` names the model of a folder of predictions, whose card then says which unions there
    are and which pictures are cut to the lungs; the shipped models are recognised without. The rest
    holds for models only, as in ``xprism predict``. Raises ``DataError`` where there is no such thing.
    """
    folder = Path(what)
    if what in zoo.names() or folder.suffix == ".onnx" or folder.name == "card.json" or is_model(folder):
        return ModelSource(what, runtime=runtime, clean=clean, force=force)
    if not folder.is_dir():
        shipped = ", ".join(zoo.names())
        raise DataError(
            "there is neither a model nor a folder of predictions",
            where=what,
            remedy=f"give a model folder, a shipped name ({shipped}) or a folder of predictions",
        )
    card = None if made_by is None else Card.load(zoo.find(made_by))
    rows = {film: unpack(row) for film, row in scan(folder).items()}
    return RecordSource(folder, rows, cases, card=card) if rows else PlainSource(folder, cases, card=card)


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model."""
    return (folder / "card.json").is_file()


class ModelSource:
    """Predicts the cases' films with a model, as ``xprism predict`` would."""

    def __init__(self, model: str, *, runtime: str, clean: bool | None, force: bool) -> None:
        from xprism.inference.predictor import Predictor

        self._predictor, self._clean, self._force = Predictor.load(model, runtime=runtime), clean, force
        card, options = self._predictor.card, self._predictor.options(clean=clean, force=force)
        self._targets = card.targets
        self.unions = UNIONS | unions_of(card.targets)
        made_by = {"name": card.name, "version": card.version, "sha256": card.sha256}
        self.facts = {"model": made_by, "options": self._predictor.recorded(options)}

    def __call__(self, case: Case) -> Prediction:
        film = read(case.film, polarity=case.attributes.get("polarity", "auto"))
        if film.body_part is None and not self._predictor.chest:  # a card may have thresholds for parts of the body
            film = replace(film, body_part=case.attributes.get("body_part", "").upper() or None)
        options, prepared = self._predictor.options(clean=self._clean, force=self._force), self._predictor.prepare(film)
        raw = self._predictor.infer(prepared) if self._predictor.needs_network(prepared, options) else None
        result = self._predictor.finish(prepared, raw, options)
        if result.refused is not None:
            raise _refused(result.refused.code, result.refused.reason)
        masks: dict[str, NDArray[Any]] = dict(result.masks)
        for name, index in result.classes.items():
            masks |= {label: index == k for k, label in enumerate(self._targets[name].channel_labels)}
        targets = {one.name: one for one in self._targets if isinstance(one, Picture)}
        targets |= {one.leaves: Picture(name=one.leaves) for one in self._targets if isinstance(one, Layer)}
        pictures = {name: (targets[name], values) for name, values in result.pictures.items()}
        spacing = None if film.spacing is None else (film.spacing.row_mm, film.spacing.column_mm)
        lesions = _by_label(result.lesion_labels, result.lesions)
        maps = class_maps(self._targets, result, raw, prepared.place)
        return Prediction("model", masks, pictures, spacing, lesions, maps)


class RecordSource:
    """Prediction folders below one folder, found by the hash of their film, else by its name."""

    def __init__(
        self, folder: Path, rows: Mapping[str, Mapping[str, Any]], cases: Sequence[Case], *, card: Card | None
    ) -> None:
        self._folder = folder
        self._matches = match(cases, {name: str(row.get("input_sha256") or "") for name, row in rows.items()})
        models = {str(row["model_sha256"]): str(row["model"]) for row in rows.values()}
        self._card = card or _shipped(set(models))
        self.unions = UNIONS | (unions_of(self._card.targets) if self._card else {})
        self.facts = {"models": [{"name": name, "sha256": sha256} for sha256, name in sorted(models.items())]}

    def __call__(self, case: Case) -> Prediction:
        if case.case not in self._matches:
            raise NoPrediction("no prediction folder belongs to this film", remedy="predict it, or drop the case")
        name, how = self._matches[case.case]
        folder = self._folder / name
        record = read_record(folder)
        if record is None:
            raise CorruptFile("the record cannot be read", where=str(folder), remedy=_AGAIN)
        if record["refused"]:
            raise _refused(record["refused"]["code"], record["refused"]["reason"])
        if not record["images"]:
            raise NoPrediction("the prediction was made without masks", where=str(folder), remedy=_AGAIN)
        masks: dict[str, NDArray[Any]] = {}
        pictures: dict[str, tuple[Picture, NDArray[Any]]] = {}
        maps: dict[str, ClassMap] = {}
        for file, reading in record["images"].items():
            if reading["kind"] == "picture":
                target = self._target(reading)
                pictures[target.name] = target, _picture(folder / file, reading)
            elif reading["kind"] != "layer":  # what it leaves of the film is there as a picture
                masks |= _masks(folder / file, reading)
            if reading["kind"] == "classes":
                maps[reading["target"]] = stored_class_map(reading, _pixels(folder / file))
        # A film that is not here cannot say its spacing again; its record can.
        known = record["input"]["spacing"] if not case.film.is_file() else None
        spacing = (known["row_mm"], known["column_mm"]) if known else None
        findings = [_lesion(one) for one in record["lesions"]]
        return Prediction(how, masks, pictures, spacing, _by_label(record.get("lesion_labels", ()), findings), maps)

    def _target(self, reading: Mapping[str, Any]) -> Picture:
        name, (low, high) = reading["target"], reading["range"]
        for target in self._card.targets if self._card is not None else ():
            if target.name == name and isinstance(target, Picture):
                return target
        return Picture(name=name, range=(low, high), channels=1 if reading["full_scale"] > 255 else 3)


class PlainSource:
    """Files named like the cases: ``CASE.png`` with bit flags, ``LABEL/CASE.png`` with one mask or picture."""

    def __init__(self, folder: Path, cases: Sequence[Case], *, card: Card | None) -> None:
        self._folder, self._card = folder, card
        self._pictures = {name for case in cases for name in case.pictures}
        self._labels = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
        self.unions = UNIONS | (unions_of(card.targets) if card else {})
        self.facts: dict[str, Any] = {"files": "named like the cases"}

    def __call__(self, case: Case) -> Prediction:
        masks: dict[str, NDArray[Any]] = {}
        pictures: dict[str, tuple[Picture, NDArray[Any]]] = {}
        flags = _file(self._folder, case.case)
        if flags is not None:
            masks |= _flags(flags)
        for label in self._labels:
            path = _file(self._folder / label, case.case)
            if path is None:
                continue
            if label in self._pictures:
                pictures[label] = self._target(label), read(path, polarity="display").display
            else:
                masks[label] = read_mask(path)
        if not (masks or pictures):
            raise NoPrediction(
                f"no {case.case}.png and no LABEL/{case.case}.png", remedy="add the file, or drop the case"
            )
        return Prediction("file", masks, pictures)

    def _target(self, name: str) -> Picture:
        stated = [one for one in (self._card.targets if self._card is not None else ()) if one.name == name]
        within = stated[0].within if stated and isinstance(stated[0], Picture) else ()
        return Picture(name=name, within=within)


def match(cases: Sequence[Case], predictions: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name of each case's prediction and how it was found, from the predictions' names and the sha256 of their films.

    A film's own hash goes first. A prediction whose film is no other case's is then found by name:
    the film's path ends in it, or else its last part is that of one prediction only. One that two
    cases lay claim to belongs to neither.
    """
    hashes = {case.case: sha256_of(case.film) if case.film.is_file() else "" for case in cases}
    by_hash: dict[str, list[str]] = {}
    for name, sha256 in sorted(predictions.items()):
        by_hash.setdefault(sha256, []).append(name)
    by_hash.pop("", None)
    matches = {}
    for case in cases:
        same = by_hash.get(hashes[case.case], [])
        if same:
            matches[case.case] = _closest(case, same) or same[0], "sha256"
    taken = set(hashes.values())
    free = [name for name, sha256 in predictions.items() if not sha256 or sha256 not in taken]
    named = {case.case: _by_name(case, free) for case in cases if case.case not in matches}
    claimed = list(named.values())
    for label, found in named.items():
        if found is not None and claimed.count(found) == 1:  # one that fits two films is neither's for certain
            matches[label] = found, "name"
    return matches


def _by_name(case: Case, names: Sequence[str]) -> str | None:
    last = [name for name in names if PurePosixPath(name).name == case.film.name]
    return _closest(case, names) or (last[0] if len(last) == 1 else None)


def _closest(case: Case, names: Sequence[str]) -> str | None:
    """The longest of the names that the path of the case's film ends in."""
    path = "/" + case.film.absolute().as_posix().lstrip("/")
    return max((name for name in names if path.endswith(f"/{name}")), key=len, default=None)


def _shipped(hashes: set[str]) -> Card | None:
    """The card of the shipped model that made all predictions, if one did."""
    cards = [Card.load(zoo.find(name)) for name in zoo.names()]
    return next((card for card in cards if {card.sha256} == hashes), None)


def _refused(code: str, reason: str) -> Refused:
    return Refused(f"the model refused the film ({code}: {reason})", remedy="predict it with --force, or drop the case")


def _by_label(labels: Sequence[str], findings: Sequence[Lesion]) -> dict[str, tuple[Lesion, ...]]:
    return {label: tuple(one for one in findings if one.label == label) for label in labels}


def _lesion(found: Mapping[str, Any]) -> Lesion:
    """A finding as it stands in a record."""
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in found.items()}
    return Lesion(**values)


def _masks(path: Path, reading: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Masks of one PNG of a prediction folder, by label."""
    if reading["kind"] == "mask":
        return {reading["label"]: read_mask(path)}
    pixels = _pixels(path)
    if reading["kind"] == "flags":
        return {label: (pixels & bit) != 0 for label, bit in reading["flags"].items()}
    return {label: pixels == k for k, label in enumerate(reading["labels"])}


def _picture(path: Path, reading: Mapping[str, Any]) -> NDArray[Any]:
    low, high = reading["range"]
    values: NDArray[Any] = low + (high - low) * (_pixels(path).astype(np.float64) / reading["full_scale"])
    return values


def _pixels(path: Path) -> NDArray[Any]:
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise CorruptFile(f"the picture cannot be read: {error}", where=str(path), remedy=_AGAIN) from error


def _flags(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return dict(read_flags(path))
    except CorruptFile as error:
        remedy = "put masks of one structure into folders: LABEL/CASE.png"
        raise CorruptFile(error.what, where=str(path), remedy=remedy) from None


def _file(folder: Path, name: str) -> Path | None:
    return next((path for ending in _ENDINGS if (path := folder / f"{name}{ending}").is_file()), None)
