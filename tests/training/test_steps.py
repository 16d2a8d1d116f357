"""One adversarial step against the same step written plainly in torch."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn import functional as F

from xprism.objectives.supervised import SupervisedLoss
from xprism.targets import TargetSet
from xprism.training.recipe_file import load_recipe
from xprism.training.runs import build_network
from xprism.training.steps import AdversarialStep, CriticStep, SupervisedStep


def test_an_adversarial_step_equals_a_plain_one(tiny_data: Path) -> None:
    changes = (
        "network={kind: pix2pix, depth: 4, width: 4, in_channels: 1}",
        "objective={kind: adversarial, discriminator_width: 4}",
        "targets={targets: [{kind: masks, name: m, labels: [a, b], activation: tanh}]}",
        "schedule.betas=[0.5, 0.999]",
        "schedule.weight_decay=0",
    )
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    torch.manual_seed(0)
    network = build_network(recipe).train()
    step = AdversarialStep(recipe, network, Fabric(accelerator="cpu", devices=1))
    generator, judge = deepcopy(network), deepcopy(step._judge.module).train()
    film, planes = torch.randn(3, 1, 32, 32), (torch.rand(3, 2, 32, 32) > 0.5).float()

    made_by = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999))
    judged_by = torch.optim.Adam(judge.parameters(), 2e-4, betas=(0.5, 0.999))
    torch.manual_seed(7)
    target, fake = 2 * planes - 1, torch.tanh(generator(film))
    real_p = judge(torch.cat([film, target], 1)).sigmoid()
    fake_p = judge(torch.cat([film, fake.detach()], 1)).sigmoid()
    loss_d = (-(torch.log(real_p + 1e-12) + torch.log(1 - fake_p + 1e-12))).mean()
    judged_by.zero_grad()
    loss_d.backward()
    judged_by.step()
    loss_g = -torch.log(judge(torch.cat([film, fake], 1)).sigmoid() + 1e-12).mean() + 10 * F.l1_loss(fake, target)
    made_by.zero_grad()
    loss_g.backward()
    made_by.step()

    torch.manual_seed(7)
    losses = step(film, planes, torch.ones(3, 2, dtype=torch.bool), rate=2e-4)
    assert abs(losses["loss"] - loss_g.item()) < 1e-5
    assert abs(losses["discriminator"] - loss_d.item()) < 1e-6
    for ours, plain in ((network, generator), (step._judge.module, judge)):
        for (name, one), other in zip(ours.state_dict().items(), plain.state_dict().values(), strict=True):
            if one.dtype.is_floating_point and "running" not in name:
                torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("with_film", [False, True])
def test_a_step_with_a_critic_equals_a_plain_one(tiny_data: Path, with_film: bool) -> None:
    changes = (
        "network={kind: scan, width: 4}",
        f"objective={{kind: critic, pixels: {{cross_entropy: 1, dice: 0}}, width: 4, film: {with_film}}}",
        "targets=[{kind: masks, name: m, labels: [a, b]}]",
        "schedule.betas=[0.5, 0.999]",
        "schedule.weight_decay=0",
    )
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    torch.manual_seed(0)
    network = build_network(recipe).train()
    step = CriticStep(recipe, network, Fabric(accelerator="cpu", devices=1))
    segmenter, critic = deepcopy(network), deepcopy(step._judge.module).train()
    films, planes = torch.randn(3, 1, 32, 32), (torch.rand(3, 2, 32, 32) > 0.5).float()

    def shown(masks: torch.Tensor) -> torch.Tensor:
        return torch.cat([films, 2 * masks - 1], 1) if with_film else 2 * masks - 1

    moved_by = torch.optim.Adam(segmenter.parameters(), 1e-3, betas=(0.5, 0.999))
    judged_by = torch.optim.Adam(critic.parameters(), 1e-3, betas=(0.5, 0.999))
    raw = segmenter(films)
    real, made = critic(shown(planes)), critic(shown(raw.sigmoid().detach()))
    loss_c = F.binary_cross_entropy_with_logits(real, torch.ones(3, 1))
    loss_c = loss_c + F.binary_cross_entropy_with_logits(made, torch.zeros(3, 1))
    loss_c.backward()
    judged_by.step()
    fooled = F.binary_cross_entropy_with_logits(critic(shown(raw.sigmoid())), torch.ones(3, 1))
    loss_s = F.binary_cross_entropy_with_logits(raw, planes) + 0.01 * fooled
    loss_s.backward()
    moved_by.step()

    losses = step(films, planes, torch.ones(3, 2, dtype=torch.bool), rate=1e-3)
    assert abs(losses["loss"] - loss_s.item()) < 1e-5
    assert abs(losses["discriminator"] - loss_c.item()) < 1e-5
    for ours, plain in ((network, segmenter), (step._judge.module, critic)):
        for (name, one), other in zip(ours.state_dict().items(), plain.state_dict().values(), strict=True):
            if one.dtype.is_floating_point and "running" not in name:
                # Adam's first step is as long as the rate wherever a gradient is, and rounding may turn the least ones.
                torch.testing.assert_close(one, other, atol=2e-4, rtol=0)


def test_targets_that_are_not_judged_add_their_supervised_loss(tiny_data: Path) -> None:
    changes = (
        "network={kind: pix2pix, depth: 4, width: 4, in_channels: 1}",
        "objective={kind: adversarial, discriminator_width: 4, targets: [m]}",
        "objective.rest={dice: 0.5, weights: {right_lung: 3}}",
        "targets=[{kind: masks, name: o, labels: [right_lung, left_lung], unions: {lungs: [right_lung, left_lung]}},"
        " {kind: masks, name: m, labels: [a], activation: tanh}]",
    )
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    torch.manual_seed(0)
    network = build_network(recipe).train()
    step = AdversarialStep(recipe, network, Fabric(accelerator="cpu", devices=1))
    assert step._judge.module.layers[0].in_channels == 2
    films, planes = torch.randn(3, 1, 32, 32), (torch.rand(3, 4, 32, 32) > 0.5).float()
    known = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=torch.bool)
    organs = TargetSet(targets=(recipe.targets["o"],))
    plain = deepcopy(network)
    torch.manual_seed(7)
    raw = plain(films)[:, :2]
    lungs = [0, 1, 3]
    wanted = SupervisedLoss(organs, dice=0.5, weights={"right_lung": 3})(raw, planes[:, lungs], known[:, lungs])
    torch.manual_seed(7)
    losses = step(films, planes, known, rate=1e-4)
    assert abs(losses["supervised"] - wanted.item()) < 1e-5
    assert abs(losses["loss"] - losses["adversarial"] - 10 * losses["l1"] - losses["supervised"]) < 1e-5


def test_kerass_penalty_equals_adam_with_twice_its_decay_on_the_kernels(tiny_data: Path) -> None:
    changes = (
        "network={kind: xnet, width: 4}",
        "targets=[{kind: classes, name: tissue, labels: [a, b, c]}]",
        "objective={kind: supervised, cross_entropy: 1, dice: 0, kernel_l2: 0.05}",
        "schedule.weight_decay=0",
        "schedule.clip=1000000",
    )
    recipe = load_recipe(tiny_data / "tiny.yaml", changes=changes)
    torch.manual_seed(0)
    network = build_network(recipe).train()
    plain = deepcopy(network)
    step = SupervisedStep(recipe, network, Fabric(accelerator="cpu", devices=1))
    kernels = [value for name, value in plain.named_parameters() if value.ndim == 4]
    rest = [value for name, value in plain.named_parameters() if value.ndim != 4]
    # Adam of torch adds weight_decay * w to the gradient; the penalty 0.05 w^2 has the slope 0.1 w.
    moved_by = torch.optim.Adam([{"params": kernels, "weight_decay": 0.1}, {"params": rest}], 1e-3)
    index = torch.randint(0, 3, (2, 32, 32))
    planes = F.one_hot(index, 3).permute(0, 3, 1, 2).float()
    known = torch.ones(2, 3, dtype=torch.bool)
    for _ in range(3):
        films = torch.randn(2, 1, 32, 32)
        entropy = F.cross_entropy(plain(films), index)
        squares = sum(float(kernel.detach().square().sum()) for kernel in kernels)
        moved_by.zero_grad()
        entropy.backward()
        moved_by.step()
        losses = step(films, planes, known, rate=1e-3)
        assert losses["kernel_l2"] == pytest.approx(0.05 * squares, rel=1e-3)
        assert losses["loss"] == pytest.approx(entropy.item() + 0.05 * squares, rel=1e-3)
    for (name, one), other in zip(network.named_parameters(), plain.parameters(), strict=True):
        if one.ndim == 4:
            apart = (one - other).abs().mean()
            assert apart < 1e-4, name


def test_without_a_penalty_none_is_logged(tiny_data: Path) -> None:
    recipe = load_recipe(tiny_data / "tiny.yaml")
    step = SupervisedStep(recipe, build_network(recipe).train(), Fabric(accelerator="cpu", devices=1))
    losses = step(torch.randn(1, 1, 32, 32), torch.zeros(1, 3, 32, 32), torch.ones(1, 3, dtype=torch.bool), rate=1e-3)
    assert losses.keys() == {"loss"}
