"""The project's parts beside those of public packages: training steps, networks in use, measures, reading DICOM.

Everything runs in one process, ours and theirs in turn, so that whatever else the machine does meets both alike.
Printed, and written as a table with --table, are medians and how many times as long the other takes. What is not
installed is told and left out. Films are simulated; weights are fresh, which changes no time.

    pip install monai SimpleITK scikit-image            # and, as they install: nnunetv2
    python benchmarks/peers.py [--table docs/reference/peers.md] [--only measures]

Networks see films of 256 pixels in training and of 512 in use; the U-Net has a quarter of the usual width. "Plain" is
what the other package's own examples do: fp32, the usual memory format.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xprism.allocator import keep_freed_memory
from xprism.evaluation.overlap import dice, jaccard
from xprism.evaluation.similarity import mssim, rmse
from xprism.evaluation.surface import assd, hd95
from xprism.inference.exported import processor
from xprism.inference.onnx import OnnxRuntime
from xprism.inference.openvino import OpenvinoRuntime
from xprism.inference.runtimes import usable_cores
from xprism.protocols.quantise import load_network, quantise, save_network
from xprism.readers import read
from xprism.simulate import simulate_chest
from xprism.simulate.dicom import write_dicom
from xprism.training.export import export_onnx
from xprism.training.recipe import Recipe
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network
from xprism.training.steps import STEPS

RECIPES = Path(__file__).parents[1] / "recipes" / "reproduce"
TRAINED, USED, BATCH = 256, 512, 2
WIDTHS = (16, 32, 64, 128, 256)
Work = Callable[[], object]


@dataclass(frozen=True)
class Pair:
    """One thing that both do; ``rounds`` times each is timed, after one that is not."""

    what: str
    ours: tuple[str, Work]
    theirs: tuple[str, Work]
    rounds: int


def timed(pair: Pair) -> tuple[float, float]:
    """Median seconds of ours and theirs, in turn."""
    clocks: tuple[list[float], list[float]] = ([], [])
    for turn in range(pair.rounds + 1):
        for (_, work), clock in zip((pair.ours, pair.theirs), clocks, strict=True):
            start = time.perf_counter()
            work()
            if turn:
                clock.append(time.perf_counter() - start)
    return statistics.median(clocks[0]), statistics.median(clocks[1])


def training(folder: Path) -> Iterator[Pair]:
    """Steps of training: a U-Net, and the generator and discriminator of MTdG."""
    from monai.losses import DiceCELoss
    from monai.networks.nets import BasicUNet

    unet = recipe_of("unet/unet.yaml", "network.width=16")
    kept = (*WIDTHS, WIDTHS[0])
    peer = BasicUNet(2, 1, unet.targets.channels, features=kept, norm=("instance", {"affine": True}))
    loss = DiceCELoss(sigmoid=True)
    name = f"MONAI {installed('monai')}"
    yield Pair(
        "U-Net, training step",
        ("bf16, channels last", our_step(unet)),
        (f"{name} BasicUNet, DiceCELoss, plain", plain_step(peer, loss, unet)),
        6,
    )
    theirs = nnunet_step(unet)
    if theirs is not None:
        yield Pair("U-Net, training step", ("bf16, channels last", our_step(unet)), theirs, 6)
    mtdg = recipe_of("mtdg/mtdg.yaml")
    yield Pair(
        "MTdG, training step of both networks",
        ("bf16, channels last", our_step(mtdg)),
        (f"{name} UNet and PatchDiscriminator of these widths, plain", monai_gan_step(mtdg)),
        3,
    )


def inference(folder: Path) -> Iterator[Pair]:
    """One film of 512 pixels through each network."""
    from monai.networks.nets import BasicUNet

    name, film = f"MONAI {installed('monai')}", np.random.default_rng(0).random((1, 1, USED, USED), np.float32)
    unet, mtdg = recipe_of("unet/unet.yaml", "network.width=16"), recipe_of("mtdg/mtdg.yaml")
    peers = {
        "U-Net": (unet, BasicUNet(2, 1, unet.targets.channels, features=(*WIDTHS, WIDTHS[0])), "BasicUNet"),
        "MTdG": (mtdg, monai_generator(mtdg), "UNet of these widths"),
    }
    for what, (recipe, peer, called) in peers.items():
        shown = torch.from_numpy(film).expand(-1, next(peer.parameters()).shape[1], -1, -1)
        for runtime, work in runtimes_of(recipe, folder / what, film):
            yield Pair(
                f"{what}, a film of {USED}", (runtime, work), (f"{name} {called}, torch", eager(peer, shown)), 12
            )


def measures(folder: Path) -> Iterator[Pair]:
    """Measures of a mask and of a picture of 1024 x 1024 pixels."""
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance, compute_iou
    from skimage.metrics import structural_similarity

    cases = [simulate_chest(seed=seed, size=1024) for seed in (0, 1)]
    first, second = (case.masks["left_lung"] for case in cases)
    films = [255 * case.film.astype(np.float64) for case in cases]
    tensors = [torch.from_numpy(mask)[None, None].float() for mask in (first, second)]
    name = f"MONAI {installed('monai')}"
    for what, ours, theirs in (
        ("Dice", lambda: dice(first, second), lambda: compute_dice(*tensors)),
        ("Jaccard", lambda: jaccard(first, second), lambda: compute_iou(*tensors)),
        (
            "HD95",
            lambda: hd95(first, second),
            lambda: compute_hausdorff_distance(*tensors, include_background=True, percentile=95),
        ),
        (
            "ASSD",
            lambda: assd(first, second),
            lambda: compute_average_surface_distance(*tensors, include_background=True, symmetric=True),
        ),
    ):
        yield Pair(f"{what}, 1024 x 1024", ("NumPy, SciPy", ours), (name, theirs), 8)
    image = f"scikit-image {installed('scikit-image')}"
    yield Pair(
        "MSSIM, 1024 x 1024",
        ("windows of 8", lambda: mssim(*films)),
        (f"{image}, windows of 7", lambda: structural_similarity(*films, data_range=255, use_sample_covariance=False)),
        8,
    )
    from monai.metrics import RMSEMetric

    pictures = [torch.from_numpy(film)[None, None] for film in films]
    yield Pair("RMSE, 1024 x 1024", ("NumPy", lambda: rmse(*films)), (name, lambda: RMSEMetric()(*pictures)), 8)


def reading(folder: Path) -> Iterator[Pair]:
    """A DICOM film of 2048 x 2048 pixels and 12 bits, to what a network or a viewer needs."""
    import SimpleITK
    from pydicom import dcmread

    case, path = simulate_chest(seed=0, size=2048), folder / "film.dcm"
    write_dicom(case, case.film, path, name="film", picture="film")
    ours = ("read(): hash, header, stored values, display", lambda: read(path).display)
    itk = f"SimpleITK {installed('SimpleITK')}, values alone"
    yield Pair(
        "DICOM film, 2048 x 2048", ours, (itk, lambda: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))), 12
    )
    bare = f"pydicom {installed('pydicom')}, values alone"
    yield Pair("DICOM film, 2048 x 2048", ours, (bare, lambda: dcmread(path).pixel_array), 12)


PARTS = {"training": training, "inference": inference, "measures": measures, "reading": reading}


def recipe_of(name: str, *changes: str) -> Recipe:
    return load_recipe(
        RECIPES / name, changes=(f"input.size=[{TRAINED}, {TRAINED}]", f"schedule.batch={BATCH}", *changes)
    )


def batch_of(recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Films and truth of a step."""
    films = torch.rand(BATCH, 1, TRAINED, TRAINED)
    return films, (torch.rand(BATCH, recipe.targets.channels, TRAINED, TRAINED) > 0.5).float()


def our_step(recipe: Recipe) -> Work:
    """The project's step as its loop takes it."""
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    network = build_network(recipe).to(memory_format=torch.channels_last).train()
    step, (films, planes) = STEPS[recipe.objective.kind](recipe, network, fabric), batch_of(recipe)
    films, known = films.contiguous(memory_format=torch.channels_last), torch.ones(BATCH, planes.shape[1]).bool()
    return lambda: step(films, planes, known, rate=recipe.schedule.learning_rate)


def plain_step(network: torch.nn.Module, loss: Callable[..., torch.Tensor], recipe: Recipe) -> Work:
    """A step of any network, as one writes it first."""
    optimizer, (films, planes) = torch.optim.Adam(network.parameters(), 1e-4), batch_of(recipe)

    def step() -> None:
        optimizer.zero_grad()
        loss(network(films), planes).backward()
        optimizer.step()

    return step


def nnunet_step(recipe: Recipe) -> tuple[str, Work] | None:
    """nnU-Net's own network of these widths with its loss, deep supervision and optimiser; None where it is missing."""
    try:
        from dynamic_network_architectures.architectures.unet import PlainConvUNet
        from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss
        from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
    except Exception as error:
        print(f"nnU-Net left out: {error}")
        return None
    stages = len(WIDTHS)
    network = PlainConvUNet(
        1, stages, WIDTHS, torch.nn.Conv2d, 3, (1, *[2] * (stages - 1)), 2, recipe.targets.channels, 2,
        conv_bias=True, norm_op=torch.nn.InstanceNorm2d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
    )  # fmt: skip
    weights = np.array([0.5**level for level in range(stages - 1)])
    both = DC_and_BCE_loss({}, {"batch_dice": True, "do_bg": True, "ddp": False})
    loss = DeepSupervisionWrapper(both, weights / weights.sum())
    optimizer = torch.optim.SGD(network.parameters(), 1e-2, weight_decay=3e-5, momentum=0.99, nesterov=True)
    films, planes = batch_of(recipe)
    truth = [torch.nn.functional.max_pool2d(planes, 2**level) if level else planes for level in range(stages - 1)]

    def step() -> None:
        optimizer.zero_grad()
        loss(network(films), truth).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
        optimizer.step()

    return f"nnU-Net {installed('nnunetv2')}, on a CPU", step


def monai_generator(recipe: Recipe) -> torch.nn.Module:
    from monai.networks.nets import UNet

    widths = (64, 128, 256, 512, 512, 512, 512, 512)
    return UNet(2, 3, recipe.targets.channels, channels=widths, strides=[2] * (len(widths) - 1), norm="batch")


def monai_gan_step(recipe: Recipe) -> Work:
    """A GAN step of MONAI's own parts, written plainly."""
    from monai.losses import PatchAdversarialLoss
    from monai.networks.nets import PatchDiscriminator

    films, planes = batch_of(recipe)
    films, planes = films.expand(-1, 3, -1, -1), 2 * planes - 1
    generator = monai_generator(recipe)
    judge = PatchDiscriminator(2, channels=64, in_channels=3 + planes.shape[1])
    adversarial = PatchAdversarialLoss(criterion="bce")
    makes, judges = (torch.optim.Adam(one.parameters(), 2e-4, betas=(0.5, 0.999)) for one in (generator, judge))

    def step() -> None:
        made = torch.tanh(generator(films))
        judges.zero_grad()
        real, fake = (judge(torch.cat([films, one], 1))[-1] for one in (planes, made.detach()))
        wrong = adversarial(real, target_is_real=True, for_discriminator=True)
        (wrong + adversarial(fake, target_is_real=False, for_discriminator=True)).backward()
        judges.step()
        makes.zero_grad()
        believed = judge(torch.cat([films, made], 1))[-1]
        loss = adversarial(believed, target_is_real=True, for_discriminator=False)
        (loss + 10 * torch.nn.functional.l1_loss(made, planes)).backward()
        makes.step()

    return step


def runtimes_of(recipe: Recipe, folder: Path, film: Any) -> Iterator[tuple[str, Work]]:
    """The network in ONNX Runtime, and in OpenVINO at two precisions, as `xprism models export` makes them."""
    folder.mkdir()
    export_onnx(build_network(recipe), folder / "model.onnx", size=(USED, USED))
    cores = usable_cores()
    plain = OnnxRuntime(folder / "model.onnx", threads=cores)
    yield "ONNX Runtime fp32", lambda: plain(film)
    made = {"bf16": load_network(folder / "model.onnx"), "int8": quantise(load_network(folder / "model.onnx"), [film])}
    for precision, network in made.items():
        save_network(network, folder / f"{precision}.xml")
        runtime = OpenvinoRuntime(folder / f"{precision}.xml", precision=precision, threads=cores)
        yield f"OpenVINO {precision}", lambda runtime=runtime: runtime(film)


def eager(network: torch.nn.Module, film: torch.Tensor) -> Work:
    network.eval()

    @torch.inference_mode()
    def run() -> None:
        network(film)

    return run


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(version unknown)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="write the table there, as Markdown")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    asked = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    rows = ["| what | ours | ms | other | ms | times as long |", "|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as scratch:
        for name, part in PARTS.items():
            if asked.only in (None, name):
                try:
                    rows += [row_of(pair) for pair in part(Path(scratch))]
                except ImportError as error:
                    print(f"{name} left out: {error}")
    machine = f"{processor()}, {usable_cores()} cores, torch {torch.__version__.partition('+')[0]}"
    if asked.table:
        asked.table.write_text(f"Measured on: {machine}.\n\n" + "\n".join(rows) + "\n", encoding="utf-8")
    print(machine)


def row_of(pair: Pair) -> str:
    ours, theirs = (1000 * seconds for seconds in timed(pair))
    cells = (pair.what, pair.ours[0], f"{ours:.1f}", pair.theirs[0], f"{theirs:.1f}", f"{theirs / ours:.1f}")
    row = f"| {' | '.join(cells)} |"
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
