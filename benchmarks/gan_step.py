"""One adversarial training step of the project against a plain fp32 loop, in one run.

Each side runs in a process of its own, in turn and several times, so that neither warms the other and
memory is its own. The plain loop is what one writes first in torch: fp32, the usual memory format, the
usual allocator. Prints seconds a step (median), films a second, the peak of memory, and the ratio; and what no
program can beat on the machine: the step's arithmetic at the rate of a bare bf16 matrix product.

    python benchmarks/gan_step.py [--recipe recipes/reproduce/mtdg/mt.yaml] [--size 512] [--batch 4] [--steps 5]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network

RECIPE = Path(__file__).parents[1] / "recipes" / "reproduce" / "mtdg" / "mt.yaml"


def ours(recipe: Recipe) -> Callable[[torch.Tensor, torch.Tensor], object]:
    """The project's step as the loop takes it."""
    from lightning_fabric import Fabric

    from xprism.allocator import keep_freed_memory
    from xprism.training.steps import STEPS

    keep_freed_memory()
    fabric = Fabric(accelerator="cpu", devices=1, precision=recipe.schedule.precision)
    network = build_network(recipe).to(memory_format=torch.channels_last).train()
    step = STEPS[recipe.objective.kind](recipe, network, fabric)
    known = torch.ones(recipe.schedule.batch, recipe.targets.channels, dtype=torch.bool)
    return lambda films, planes: step(
        films.contiguous(memory_format=torch.channels_last), planes, known, rate=recipe.schedule.learning_rate
    )


def plain(recipe: Recipe) -> Callable[[torch.Tensor, torch.Tensor], object]:
    """The same step written plainly in fp32."""
    from xprism.networks.pix2pix import PatchDiscriminator

    generator = build_network(recipe).train()
    judge = PatchDiscriminator(recipe.network.in_channels + recipe.targets.channels)
    made_by = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999))
    judged_by = torch.optim.Adam(judge.parameters(), 2e-4, betas=(0.5, 0.999))

    def step(films: torch.Tensor, planes: torch.Tensor) -> float:
        shown, real = films.expand(-1, recipe.network.in_channels, -1, -1), 2 * planes - 1
        made = torch.tanh(generator(films))
        first, second = (judge(torch.cat([shown, x], 1)).sigmoid() for x in (real, made.detach()))
        loss = -(torch.log(first + 1e-12).mean() + torch.log(1 - second + 1e-12).mean())
        judged_by.zero_grad()
        loss.backward()
        judged_by.step()
        fooled = judge(torch.cat([shown, made], 1)).sigmoid()
        total = -torch.log(fooled + 1e-12).mean() + 10 * F.l1_loss(made, real)
        made_by.zero_grad()
        total.backward()
        made_by.step()
        return float(total)

    return step


def measure(side: str, recipe: Recipe, steps: int) -> dict[str, float]:
    """Median seconds a step after one to warm up, and the peak of resident memory in MB."""
    torch.manual_seed(0)
    size, batch = recipe.input.size, recipe.schedule.batch
    films = torch.rand(batch, 1, *size) * 2 - 1
    planes = (torch.rand(batch, recipe.targets.channels, *size) > 0.5).float()
    step = {"ours": ours, "plain": plain}[side](recipe)
    step(films, planes)
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        step(films, planes)
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def least_seconds(recipe: Recipe) -> tuple[float, float, float]:
    """Operations of a step in 1e12, the machine's bf16 rate in 1e12 a second, and their quotient in seconds."""
    one = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"batch": 1})})
    films, planes = torch.rand(1, 1, *recipe.input.size), torch.rand(1, recipe.targets.channels, *recipe.input.size)
    with FlopCounterMode(display=False) as counter:
        plain(one)(films, planes)
    work = recipe.schedule.batch * counter.get_total_flops() / 1e12
    square, best = torch.rand(2048, 2048).bfloat16(), float("inf")
    for _ in range(20):
        started = time.perf_counter()
        square @ square
        best = min(best, time.perf_counter() - started)
    rate = 2 * 2048**3 / best / 1e12
    return work, rate, work / rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=("ours", "plain"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        changes = (f"input.size=[{asked.size}, {asked.size}]", f"schedule.batch={asked.batch}")
        recipe = load_recipe(asked.recipe, changes=changes)
        print(json.dumps(measure(asked.side, recipe, asked.steps)))
        return
    found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
    for _ in range(asked.rounds):
        for side, results in found.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    medians = {side: statistics.median(one["seconds"] for one in results) for side, results in found.items()}
    print(f"{asked.recipe.stem}, {asked.size} pixels, batch {asked.batch}, {torch.get_num_threads()} threads")
    for side, results in found.items():
        peak = max(one["peak_mb"] for one in results)
        rate = asked.batch / medians[side]
        print(f"{side:6} {medians[side]:.2f} s a step, {rate:.2f} films a second, {peak:.0f} MB at most")
    print(f"plain over ours: {medians['plain'] / medians['ours']:.2f}")
    changes = (f"input.size=[{asked.size}, {asked.size}]", f"schedule.batch={asked.batch}")
    work, rate, least = least_seconds(load_recipe(asked.recipe, changes=changes))
    print(f"{work:.2f} TFLOP a step at {rate:.2f} TFLOP a second (bf16 matrix product): {least:.2f} s at the least")


if __name__ == "__main__":
    main()
