"""The reference of the pipeline file, written from its schema: ``python -m xprism.synthesis.reference``."""

from __future__ import annotations

import sys

from xprism.synthesis.pipeline import FilmsPart, PGGANPart, Pipeline, Pix2PixHDPart, StagesPart
from xprism.training.recipe_reference import table

_HEAD = """# The pipeline of synthetic films

One YAML file says how labelled films are made, in one, two or three stages: `xprism synth train`. This page is made
from the program's own schema by `python -m xprism.synthesis.reference`; a test holds the two together. What is said of
[recipes](recipe.md) holds here: `extends`, `profiles`, `--set key.path=value`, relative paths, errors that name the
line.

| what a pipeline does | stages |
|---|---|
| one stage | `labels_and_film`, a pggan |
| two stages | `labels`, a pggan; `film`, a pix2pixhd |
| three stages | `dots`, a pggan; `labels`, a pix2pixhd; `film`, a pix2pixhd |

Numbers of label maps: 0 background, 1 right lung, 2 left lung, 3 heart, 4 and 5 right and left clavicle within a lung,
6 clavicle outside the lungs. Numbers of dots: 0 background, 1 right lung, 2 left lung, 3 heart, 4 and 5 right and left
clavicle. As grey values they lie equally far apart from 0 to 255. Left and right are the patient's.

"""

_TAIL = """## The run folder

| file | what it is |
|---|---|
| `pipeline.yaml`, `films.csv`, `environment.json` | what was learnt, from which films, and on what |
| `1-dots/`, `2-labels/`, `3-film/` | a folder a stage, named by number and what it makes; it holds the following |
| `metrics.jsonl` | a line a step, see below |
| `checkpoint.pt` | networks, averaged weights and optimisers, to go on from |
| `grids/STEP.png`, `grids/films-SIZE.png` | the fixed samples of a look, and real ones |
| `snapshots/STEP.pt` | the averaged weights of a look, of a pggan once its full size has faded in |
| `tensorboard/` | the same numbers, where TensorBoard is installed |

A line of the log has the losses and where growing (`kimg`, `size`, `fade`) or the epochs stand. Losses of a pggan:
`generator`, `critic`, and `distance`, by which the critic's judgements of real and made pictures differ; of a
pix2pixhd `adversarial`, `features` and `discriminator`. At a look there are `diversity`,
the mean absolute difference of two of the fixed samples (signals from -1 to 1, averaged to 16 pixels a side), the
same of real ones, `diversity_of_films`, and `collapsed`: whether the one is less than the part `collapse_below` of
the other.

## The samples folder

| file | what it is |
|---|---|
| `manifest.csv` | cases with film, masks and label map (`classes:label_map`) |
| `films/`, `masks/`, `labels/`, `dots/` | the files of each sample |
| `samples.json` | what was drawn from what, see below |
| `samples.png` | the first samples: dots, label map and film side by side |

Masks are one file of bit flags a sample, or a file a structure where `data.clavicles` is false. `samples.json` has the
seed, the stages with step and SHA-256 of their weights, and how many dot maps were `drawn`, how many of them
`rejected`, and the `problems` of the drawn ones. A sample is called `synthetic-SEED-NUMBER`. It depends on the weights,
the seed and its number alone, not on how many are drawn; numbers that are left out were turned down.

## The folder of an audit

| file | what it is |
|---|---|
| `report.html` | verdicts, pictures, measures: needs nothing else to be read |
| `report.json`, `verdicts.csv` | the verdicts: number, reference, p, the same corrected, what it means |
| `samples.csv` | every sample's nearest real film and label map, distances, p, and whether it counts as a copy |
| `measures.csv` | measures of label maps in both sets: means, deviations, range, share beyond it, difference |
| `closest-films.png`, `closest-labels.png` | the closest pairs side by side |
| `distances.png`, `measures.png` | distances to the nearest and fit of labels; areas and places |

Files of labels are there where both sets know the same structures in all cases.
[What the checks measure](../explanation/synthesis-audit.md).
"""


def reference() -> str:
    """The whole page as Markdown."""
    parts = [
        _HEAD + table("Pipeline", Pipeline),
        table("data", FilmsPart),
        table("stages", StagesPart),
        table("stages.*: {kind: pggan}", PGGANPart),
        table("stages.*: {kind: pix2pixhd}", Pix2PixHDPart),
        _TAIL,
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
