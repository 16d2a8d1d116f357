"""Bone-suppressed pictures of a manifest's films by a run of ours, as a manifest to learn from.

    python recipes/practical/own_bones.py runs/chest-pairs runs/data/jsrt.csv runs/data/own-bones

Pictures are the mean of what the network makes of a film and of the flipped film, 16 bit. About a known nodule
nothing is said to be known (``region:bone_suppressed``): a nodule that was taken for bone must not be learnt as bone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from xprism.data.manifest import Case, read_manifest, write_manifest
from xprism.grid import prepare
from xprism.training.runs import Run, load_run

PICTURE = "bone_suppressed"


@torch.no_grad()
def without_bones(run: Run, film: NDArray[np.float32]) -> NDArray[np.float32]:
    seen, place = prepare(film, run.recipe.input)
    shown, channel = torch.from_numpy(seen), run.recipe.targets.channel_labels.index("bones")
    both = run.network(shown)[0, channel] + run.network(shown.flip(-1))[0, channel].flip(-1)
    layer = both.float().numpy() / 2 * np.float32(place.grey)
    soft: NDArray[np.float32] = np.clip(film - place.onto_film(layer), 0, 1)
    return soft


def away_from_lesions(case: Case, shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    spacing = float(case.attributes.get("spacing_mm") or 1)
    known = np.ones(shape, bool)
    for places in case.load_lesions().values():
        for one in places:
            reach = max(0.9 * one.diameter_mm / spacing, shape[0] / 50)
            known &= np.hypot(rows - one.row, columns - one.column) >= reach
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    run, cases = load_run(asked.run), []
    soft, known = asked.out / asked.manifest.stem / PICTURE, asked.out / asked.manifest.stem / "known"
    for folder in (soft, known):
        folder.mkdir(parents=True, exist_ok=True)
    for case in read_manifest(asked.manifest):
        film = case.load_film()
        Image.fromarray(np.uint16(without_bones(run, film) * 65535)).save(soft / f"{case.case}.png")
        where = away_from_lesions(case, (film.shape[0], film.shape[1]))
        Image.fromarray(np.uint8(where) * 255).save(known / f"{case.case}.png")
        pictures = {**case.pictures, PICTURE: soft / f"{case.case}.png"}
        cases.append(replace(case, pictures=pictures, regions={PICTURE: known / f"{case.case}.png"}, lesions={}))
    write_manifest(asked.out / asked.manifest.name, cases)


if __name__ == "__main__":
    main()
