"""Time of a training step of MO-SegNet with our group norm over that with PyTorch's, in one run.

Both networks take the same step in turn, in bf16 over channels-last memory; printed are medians and their ratio.

    python benchmarks/group_norm.py [--size 256] [--batch 1] [--rounds 10] [--threads 1]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

from xprism.networks.blocks import GroupNorm
from xprism.networks.mosegnet import MOSegNet


def as_torch(network: nn.Module) -> nn.Module:
    """The network with PyTorch's group norm in place of ours."""
    for layer in network.modules():
        if isinstance(layer, GroupNorm):
            layer.__class__ = nn.GroupNorm
    return network


def seconds(network: nn.Module, film: torch.Tensor) -> float:
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(film).float().square().mean()
    loss.backward()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    film = torch.rand(asked.batch, 1, asked.size, asked.size).to(memory_format=torch.channels_last)
    networks: dict[str, nn.Module] = {"torch": as_torch(MOSegNet(1, 2, heads=(1, 1), norm="gn"))}
    networks["ours"] = MOSegNet(1, 2, heads=(1, 1), norm="gn")
    for network in networks.values():
        network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found: dict[str, list[float]] = {name: [] for name in networks}
    for turn in range(asked.rounds + 2):
        for name, network in networks.items():
            took = seconds(network, film)
            if turn >= 2:
                found[name].append(took)
    theirs, ours = (1000 * statistics.median(found[name]) for name in ("torch", "ours"))
    print(f"a step with torch's group norm {theirs:.0f} ms, with ours {ours:.0f} ms, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
