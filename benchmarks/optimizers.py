"""How fast a bone layer is learnt by AdamW and by Muon: what is missed after so many steps, on four simulated films.

Four simulated chests at 384 pixels, two a step, without augmentation, the compact U-Net from fresh weights, the rate
falling to zero by a cosine. Printed is the root mean square error of the layer over that of leaving it all, and
seconds a step; both are trained in one run.

    python benchmarks/optimizers.py [--steps 160] [--adamw 0.001 0.003] [--muon 0.003 0.006] [--threads 1]
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from xprism.data.manifest import read_manifest
from xprism.networks.compact_unet import CompactUNet
from xprism.objectives.supervised import SupervisedLoss
from xprism.simulate.dataset import DatasetRequest, simulate_dataset
from xprism.training.muon import Muon
from xprism.training.recipe import Recipe
from xprism.training.samples import Samples

Sample = tuple[Tensor, Tensor, Tensor]


def films(folder: Path) -> tuple[Recipe, list[Sample]]:
    manifest = simulate_dataset(folder, DatasetRequest(count=4, size=384, seed=11, display="drawn"))
    recipe = Recipe.model_validate(
        {
            "name": "bones",
            "data": {"manifests": [manifest]},
            "targets": [{"kind": "layer", "name": "bones", "leaves": "bone_suppressed"}],
            "input": {"size": [384, 384]},
            "augment": None,
            "schedule": {"steps": 1, "batch": 4},
        }
    )
    samples = Samples(read_manifest(manifest), recipe)
    return recipe, [samples[number] for number in range(4)]


def learn(recipe: Recipe, samples: list[Sample], kind: str, rate: float, steps: int) -> None:
    torch.manual_seed(0)
    network = CompactUNet(1, 1, gated=1).train().to(memory_format=torch.channels_last)
    loss = SupervisedLoss(recipe.targets, layer=20, layer_edges=20)
    optimizer = (Muon if kind == "muon" else torch.optim.AdamW)(network.parameters(), rate, weight_decay=0.02)
    begun = time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        film, planes, known = (
            torch.stack(part) for part in zip(*(samples[(2 * step + k) % 4] for k in (0, 1)), strict=True)
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            raw = network(film.contiguous(memory_format=torch.channels_last)).float()
        optimizer.zero_grad()
        loss(raw, planes, known).backward()
        optimizer.step()
        if (step + 1) % 40 == 0:
            missed = (raw - planes).detach().square().mean().sqrt() / planes.square().mean().sqrt()
            seconds = (time.perf_counter() - begun) / (step + 1)
            print(
                f"{kind} {rate:g}, {step + 1} steps: {missed:.3f} of the layer missed, {seconds:.2f} s a step",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--adamw", type=float, nargs="*", default=[0.001, 0.003])
    parser.add_argument("--muon", type=float, nargs="*", default=[0.003, 0.006])
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        recipe, samples = films(Path(folder) / "films")
    for kind, rates in (("adamw", asked.adamw), ("muon", asked.muon)):
        for rate in rates:
            learn(recipe, samples, kind, rate, asked.steps)


if __name__ == "__main__":
    main()
