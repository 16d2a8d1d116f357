"""The folder of an audit: verdicts as JSON and tables, pictures, and a page that explains itself."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from xprism import __version__
from xprism.data.importers.files import new_folder
from xprism.evaluation.tables import write_csv
from xprism.synthesis.audit.audit import Audit
from xprism.synthesis.audit.figures import draw
from xprism.synthesis.audit.findings import LEVEL, MeasureRow, SampleRow, Verdict
from xprism.synthesis.audit.sets import FilmSet

FEW = 30
"""Below so many real films an audit sees little, and says so."""


@dataclass(frozen=True)
class Given:
    """The manifests of an audit, the sets that they hold, and the seed."""

    manifests: dict[str, Path]
    synth: FilmSet
    real: FilmSet
    held_out: FilmSet | None
    seed: int


def write_audit(found: Audit, given: Given, out: Path) -> None:
    """Write ``report.json``, ``report.html``, tables and pictures into the new folder ``out``, whole or not at all.

    Raises ``OutputError`` where ``out`` is there already.
    """
    with new_folder(out) as folder:
        write_csv(folder / "verdicts.csv", Verdict, found.verdicts)
        write_csv(folder / "samples.csv", SampleRow, found.samples)
        if found.measures:
            write_csv(folder / "measures.csv", MeasureRow, found.measures)
        captions = draw(found, given.synth, given.real, folder)
        record = _record(found, given)
        (folder / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(_page(found, given, captions, folder), encoding="utf-8")


def cautions(found: Audit, given: Given) -> list[str]:
    """What a reader must know before the verdicts."""
    said = []
    if len(given.real) < FEW:
        ratio = found.by_films.limit / sorted(found.by_films.honest)[len(found.by_films.honest) // 2]
        said.append(
            f"REAL has {len(given.real)} films only. Copies are found where they lie nearer than {ratio:.0%} of the "
            "usual distance of honest films; smaller faults of labels, partial collapse and small differences of films "
            "may pass unseen. A pass says little, a flag as much as ever."
        )
    if given.held_out is None:
        said.append(
            "No held-out films were given: how near honest films come was taken from the real ones among themselves. "
            "Films of one patient in REAL would hide copies."
        )
    if not found.labels:
        said.append("Labels were not looked at, as no structure is known in all cases of all sets.")
    return said


def _record(found: Audit, given: Given) -> dict[str, object]:
    sets = {"synth": given.synth, "real": given.real, "held_out": given.held_out}
    return {
        "schema": "xprism.audit",
        "schema_version": 1,
        "xprism": __version__,
        "seed": given.seed,
        "level": LEVEL,
        "grid_px": given.real.films.shape[-1],
        "sets": {
            name: {
                "file": path.name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "cases": len(films) if (films := sets[name]) is not None else 0,
            }
            for name, path in given.manifests.items()
        },
        "labels": list(found.labels),
        "flagged": list(found.flagged),
        "verdicts": [asdict(verdict) for verdict in found.verdicts],
        "kernel_distance": asdict(found.distance) | {"mean_of_halves_of_real": float(found.halves.mean())},
        "cautions": cautions(found, given),
    }


def _page(found: Audit, given: Given, captions: dict[str, str], folder: Path) -> str:
    text = (files("xprism.synthesis.audit") / "templates" / "page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pictures = [
        ("data:image/png;base64," + b64encode((folder / name).read_bytes()).decode(), caption)
        for name, caption in captions.items()
    ]
    return environment.from_string(text).render(
        version=__version__,
        given=given,
        found=found,
        level=LEVEL,
        cautions=cautions(found, given),
        pictures=pictures,
        measures=sorted(found.measures, key=lambda row: -row.apart),
    )
