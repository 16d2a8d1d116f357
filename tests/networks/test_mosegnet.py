"""MO-SegNet is Table 1 of its paper, with each correction of the table held by a test of its own."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xprism.errors import RecipeError
from xprism.networks import MOSegNet, UNet
from xprism.networks.blocks import GroupNorm
from xprism.networks.mosegnet import AtrousPyramid
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network

# Rows of Table 1 that hold weights: number, channels in (after concatenation) and out, kernel, norm.
TABLE = (
    *((1, 1, 16, 3, "GN"), (2, 16, 16, 3, "GN"), (4, 16, 32, 3, "GN"), (5, 32, 32, 3, "GN"), (7, 32, 64, 3, "GN")),
    *((8, 64, 64, 3, "GN"), (9, 64, 64, 3, "GN"), (11, 64, 128, 3, "GN"), (12, 128, 128, 3, "GN")),
    (13, 128, 128, 3, "GN"),
    *((row, 128, 128, 3, "BN") for row in (15, 18, 21, 24)),
    *((row, 128, 128, 1, "GN") for row in (16, 17, 19, 20, 22, 23, 25, 26)),
    *((28, 128, 128, 3, "BN"), (30, 256, 64, 3, "BN"), (31, 64, 64, 3, "BN"), (32, 64, 64, 3, "BN")),
    *((34, 128, 32, 3, "BN"), (35, 32, 32, 3, "BN"), (36, 32, 32, 3, "BN"), (38, 64, 16, 3, "BN")),
    *((39, 16, 16, 3, "BN"), (40, 16, 16, 3, "BN"), (42, 32, 16, 3, "BN"), (43, 16, 2, 1, None)),
    *((44, 32, 16, 3, "BN"), (45, 16, 2, 1, None)),
)
HEAD_B = (44, 45)


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _weights(rows: tuple[tuple[int, int, int, int, str | None], ...]) -> int:
    """Kernel and bias of each row, and a factor and an offset a normalised channel."""
    return sum(k * k * before * after + after + (2 * after if norm else 0) for _, before, after, k, norm in rows)


def _small(**settings: object) -> MOSegNet:
    torch.manual_seed(0)
    return MOSegNet(1, 2, heads=(1, 1), width=8, **settings)  # type: ignore[arg-type]


def _convolutions(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def test_it_has_the_number_of_weights_of_the_corrected_table() -> None:
    single = tuple(row for row in TABLE if row[0] not in HEAD_B)
    with torch.device("meta"):
        assert _count(MOSegNet(1, 2, heads=(1, 1))) == _weights(TABLE) == 1_653_124
        assert _count(MOSegNet(1, 1, heads=(1,))) == _weights(single) == 1_648_434
        assert _count(MOSegNet(1, 2, heads=(1, 1), norm="bn")) == _count(MOSegNet(1, 2, heads=(1, 1), norm="gn"))


def test_a_film_of_three_channels_costs_288_weights() -> None:
    with torch.device("meta"):
        assert _count(MOSegNet(3, 2, heads=(1, 1))) - _count(MOSegNet(1, 2, heads=(1, 1))) == 288


def test_every_row_of_the_table_is_there_once() -> None:
    made = Counter(
        (m.in_channels, m.out_channels, m.kernel_size[0]) for m in _convolutions(MOSegNet(1, 2, heads=(1, 1)))
    )
    assert made == Counter((before, after, k) for _, before, after, k, _ in TABLE)


def test_maps_have_the_sizes_of_the_table_at_1024_pixels() -> None:
    with torch.device("meta"):
        network = MOSegNet(1, 2, heads=(1, 1))
        shapes: dict[str, list[tuple[int, int]]] = {"encoder": [], "bottom": [], "rise": [], "decoder": []}
        for name, found in shapes.items():
            part = network.get_submodule(name)
            for level in part if isinstance(part, nn.ModuleList) else [part]:
                level.register_forward_hook(
                    lambda layer, given, made, found=found: found.append((made.shape[1], made.shape[-1]))
                )
        assert network(torch.empty(1, 1, 1024, 1024)).shape == (1, 2, 1024, 1024)
    assert shapes == {
        "encoder": [(16, 1024), (32, 512), (64, 256), (128, 128)],
        "bottom": [(128, 64)],
        "rise": [(128, 128), (64, 256), (32, 512), (16, 1024)],
        "decoder": [(64, 128), (32, 256), (16, 512)],
    }


def test_correction_logits_are_not_clipped_by_a_relu() -> None:
    network = _small()
    assert all(isinstance(head[-1], nn.Conv2d) for head in network.heads.heads)
    seen: list[torch.Tensor] = []
    for head in network.heads.heads:
        head.register_forward_hook(lambda layer, given, made: seen.append(made))
    network(torch.randn(1, 1, 32, 32))
    # Each of the four maps of logits is below zero somewhere, and there it still learns.
    assert all((maps.amin((0, 2, 3)) < 0).all() for maps in seen)


def test_correction_nothing_is_normalised_after_pooling() -> None:
    network = _small().eval()
    kept: list[torch.Tensor] = []
    for level in network.encoder:
        level.register_forward_hook(lambda layer, given, made: kept.extend([given[0].clone(), made.clone()]))
    network.bottom.register_forward_hook(lambda layer, given, made: kept.append(given[0].clone()))
    network(torch.randn(1, 1, 32, 48))
    outputs, inputs = kept[1::2], kept[2::2]
    for before, pooled in zip(outputs, inputs, strict=True):
        padded = np.pad(before[0].detach().numpy(), ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
        np.testing.assert_array_equal(pooled[0].detach().numpy(), windows.max((-1, -2)))
    with torch.device("meta"):
        whole = MOSegNet(1, 2, heads=(1, 1))
    printed = 2 * (16 + 32 + 64 + 128)
    assert _count(whole) + printed == 1_653_604


def test_correction_a_concatenation_has_the_channels_of_both_parts() -> None:
    with torch.device("meta"):
        network = MOSegNet(1, 2, heads=(1, 1))
    assert [level[0].in_channels for level in network.decoder] == [256, 128, 64]
    assert {head[0].in_channels for head in network.heads.heads} == {32}


@pytest.mark.parametrize(("norm", "coarse", "fine"), [("table", "BN", "GN"), ("gn", "GN", "GN"), ("bn", "BN", "BN")])
def test_correction_norms_are_as_printed_or_one_of_them_throughout(norm: str, coarse: str, fine: str) -> None:
    network = MOSegNet(1, 2, heads=(1, 1), norm=norm)  # type: ignore[arg-type]
    names = {GroupNorm: "GN", nn.BatchNorm2d: "BN"}
    made = Counter()
    for module in network.modules():
        layers = list(module.children()) if isinstance(module, nn.Sequential) else []
        for layer, following in pairwise(layers):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and type(following) in names:
                row = (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.dilation[0] > 1)
                made[*row, names[type(following)]] += 1
    wanted = Counter(
        (before, after, k, row in (15, 18, 21, 24), fine if printed == "GN" else coarse)
        for row, before, after, k, printed in TABLE
        if printed
    )
    assert made == wanted


def test_correction_group_norm_has_eight_groups() -> None:
    groups = {m.num_groups for m in MOSegNet(1, 2, norm="gn").modules() if isinstance(m, nn.GroupNorm)}
    assert groups == {8}
    assert {m.num_groups for m in MOSegNet(1, 2, norm="gn", groups=4).modules() if isinstance(m, nn.GroupNorm)} == {4}


def test_correction_with_batch_norm_a_film_is_tested_by_running_statistics() -> None:
    network = _small(norm="bn")
    films = torch.randn(4, 1, 32, 32)
    network(films)
    network.eval()
    with torch.no_grad():
        alone, brighter = network(films[:1]), network(torch.cat([films[:1], films[1:] + 5]))[:1]
    torch.testing.assert_close(alone, brighter, atol=1e-5, rtol=1e-4)


def test_the_pyramid_is_the_sum_of_four_dilated_branches() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(4, fine=None, coarse=None)
    maps = torch.randn(1, 4, 24, 20)
    by_hand = torch.zeros_like(maps)
    for rate, branch in zip((3, 5, 7, 9), pyramid.branches, strict=True):
        dilated, first, second = (m for m in branch.modules() if isinstance(m, nn.Conv2d))
        spread = torch.zeros(4, 4, 2 * rate + 1, 2 * rate + 1)
        spread[:, :, ::rate, ::rate] = dilated.weight
        seen = F.conv2d(maps, spread, dilated.bias, padding=rate).relu()
        for layer in (first, second):
            seen = (torch.einsum("oi,bihw->bohw", layer.weight[:, :, 0, 0], seen) + layer.bias[:, None, None]).relu()
        by_hand += seen
    torch.testing.assert_close(pyramid(maps), by_hand, atol=1e-5, rtol=1e-4)


def test_a_head_of_one_channel_is_a_softmax_over_background_and_structure() -> None:
    network = _small()
    logits: list[torch.Tensor] = []
    for head in network.heads.heads:
        head.register_forward_hook(lambda layer, given, made: logits.append(made))
    raw = network(torch.randn(2, 1, 32, 32))
    for channel, pair in enumerate(logits):
        torch.testing.assert_close(raw[:, channel].sigmoid(), pair.softmax(1)[:, 1])


def test_heads_stand_in_the_order_of_the_targets(tiny_mosegnet: Path) -> None:
    network = build_network(load_recipe(tiny_mosegnet))
    network(torch.randn(2, 1, 32, 32))[:, 0].sum().backward()
    moved = [any(p.grad is not None and p.grad.any() for p in head.parameters()) for head in network.heads.heads]
    assert moved == [True, False]
    assert network.heads.channels == (1, 2)


def test_a_width_that_groups_do_not_divide_is_refused(tiny_mosegnet: Path) -> None:
    with pytest.raises(RecipeError, match="multiple of the 8 groups, not 12"):
        load_recipe(tiny_mosegnet, changes=("network.width=12",))


@pytest.mark.parametrize("topology", ["deconvnet", "unet", "deconvnet_aspp", "unet_aspp"])
def test_topologies_differ_in_pyramid_and_connections_alone(topology: str) -> None:
    torch.manual_seed(0)
    network = MOSegNet(1, 1, topology=topology, norm="gn", width=8)  # type: ignore[arg-type]
    dilations = {m.dilation[0] for m in _convolutions(network)}
    assert dilations == ({1, 3, 5, 7, 9} if topology.endswith("aspp") else {1})
    assert len(_convolutions(network.bottom)) == (12 if topology.endswith("aspp") else 2)
    # Nothing comes up from below: what is left in the output came across, from the encoder's levels.
    network.bottom.register_forward_hook(lambda layer, given, made: torch.zeros_like(made))
    one, other = (network(torch.randn(1, 1, 32, 32)) for _ in range(2))
    assert torch.equal(one, other) == topology.startswith("deconvnet")


def test_the_unet_beside_it_has_group_norm_and_a_head_a_target() -> None:
    # Widths 32 to 512; two 3x3 convolutions a level with norm, transposed 2x2 convolutions, and heads of 32 channels.
    widths = (32, 64, 128, 256, 512)
    pairs = [(b, a) for b, a in zip((1, *widths), widths, strict=False)] + [(2 * w, w) for w in widths[:-1]]
    rows = sum(9 * (b * a + a * a) + 2 * 3 * a for b, a in pairs) + sum(4 * 2 * w * w + w for w in widths[:-1])
    head = 9 * 32 * 32 + 3 * 32 + 2 * 32 + 2
    with torch.device("meta"):
        made = [_count(UNet(1, n, heads=(1,) * n, norm="gn", width=32)) for n in (1, 2)]
    assert made == [rows + head, rows + 2 * head] == [7_774_754, 7_784_132]


@pytest.fixture
def tiny_mosegnet(tmp_path: Path) -> Path:
    """A recipe of two targets that learns nothing."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "name: tiny\ndata: {manifests: [none.csv]}\ninput: {size: [32, 32]}\nschedule: {steps: 1}\n"
        "targets: [{kind: lesions, name: nodules, label: nodule}, {kind: masks, name: lungs, labels: [right, left]}]\n"
        "network: {kind: mosegnet, width: 8}\n"
    )
    return path


def test_group_norm_gives_what_torch_gives_over_either_memory() -> None:
    ours, theirs = GroupNorm(4, 16), nn.GroupNorm(4, 16)
    for values, given in zip(theirs.parameters(), ours.parameters(), strict=True):
        nn.init.normal_(given)
        values.data.copy_(given.data)
    film = torch.randn(2, 16, 9, 7)
    for memory in (torch.contiguous_format, torch.channels_last):
        grads = []
        for norm in (ours, theirs):
            x = film.clone().to(memory_format=memory).requires_grad_()
            made = norm(x)
            made.square().mul(torch.arange(7.0)).sum().backward()
            grads.append((made, x.grad, *(p.grad.clone() for p in norm.parameters())))
            norm.zero_grad()
        for one, other in zip(*grads, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
