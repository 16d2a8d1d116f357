"""DICOM films, read in a process of their own."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import numpy as np

from xprism.radiograph import DisplayMapping, Radiograph, Spacing
from xprism.readers.decoder import DECODER
from xprism.readers.facts import Facts
from xprism.readers.polarity import THORAX_SURE, Polarity, resolve, thorax_score


def read_dicom(path: Path, polarity: Polarity) -> Radiograph:
    """Read one DICOM radiograph; polarity ``auto`` follows the tags. Raises ``ReadError``."""
    message, pixels = DECODER.read(path)
    facts = Facts(**message["facts"])
    stored = np.frombuffer(pixels, message["dtype"]).reshape(message["shape"])
    log = list(facts.log)
    if polarity == "auto" and facts.inverted is not None:
        inverted = facts.inverted
        score = thorax_score(stored) * (-1 if inverted else 1)
        if score <= -THORAX_SURE:
            log.append(
                f"The picture looks like a chest of the other polarity ({score:+.2f}); tags were followed: check it."
            )
    else:
        inverted, evidence = resolve(stored, polarity)
        log.append(evidence)
    table = None if facts.table is None else np.array(facts.table)
    mapping = DisplayMapping(facts.low, facts.high, inverted=inverted, table=table, table_start=facts.table_start)
    return Radiograph(
        stored=stored,
        mapping=mapping,
        spacing=None if facts.spacing is None else Spacing(*facts.spacing),
        modality=facts.modality,
        body_part=facts.body_part,
        view=facts.view,
        laterality=facts.laterality,
        window=_window(facts, inverted),
        origin="dicom",
        log=tuple(log),
        attributes=facts.attributes,
        header=b64decode(facts.header),
    )


def _window(facts: Facts, inverted: bool) -> tuple[float, float] | None:
    if facts.window is None:
        return None
    low, high = ((value - facts.low) / (facts.high - facts.low) for value in facts.window)
    return (1 - high, 1 - low) if inverted else (low, high)
