"""Muon against torch's own for matrices, AdamW for the rest, and what a convolution's weights become."""

import torch
from torch import nn

from xprism.training.muon import Muon, orthogonal


def test_matrices_move_as_torchs_muon_moves_them() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(6, 20), torch.randn(4, 6, 20)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = Muon([ours], 0.01, weight_decay=0.1)
    other = torch.optim.Muon([theirs], 0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        for weight, optimizer in ((ours, one), (theirs, other)):
            weight.grad = gradient.clone()
            optimizer.step()
    assert (ours - start).abs().max() > 0.01
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-4)


def test_biases_and_norms_move_as_adamw_moves_them() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(9), torch.randn(5, 9)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = Muon([ours], 0.02, betas=(0.8, 0.99), weight_decay=0.05)
    other = torch.optim.AdamW([theirs], 0.02, betas=(0.8, 0.99), weight_decay=0.05)
    for gradient in gradients:
        for weight, optimizer in ((ours, one), (theirs, other)):
            weight.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_a_convolution_moves_as_the_matrix_of_its_weights_in_any_memory_format() -> None:
    torch.manual_seed(0)
    start, gradient = torch.randn(8, 4, 3, 3), torch.randn(8, 4, 3, 3)
    matrix = nn.Parameter(start.flatten(1).clone())
    kernel = nn.Parameter(start.clone().contiguous(memory_format=torch.channels_last))
    matrix.grad = gradient.flatten(1).clone()
    kernel.grad = gradient.clone().contiguous(memory_format=torch.channels_last)
    for weight in (matrix, kernel):
        Muon([weight], 0.1).step()
    torch.testing.assert_close(kernel.detach().flatten(1), matrix.detach())


def test_the_orthogonal_part_has_the_matrixs_directions_and_singular_values_about_one() -> None:
    torch.manual_seed(0)
    for shape in ((5, 30), (30, 5)):
        matrix = torch.randn(shape)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        within = u.T @ orthogonal(matrix) @ v.T
        assert ((within.diagonal() > 0.6) & (within.diagonal() < 1.3)).all()
        assert (within - within.diagonal().diag()).abs().max() < 0.05
