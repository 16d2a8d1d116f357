"""Physics that makes radiographs with exact truth."""

from xprism.simulate.display import Display, draw_display
from xprism.simulate.dual import DualEnergyCase, simulate_dual_energy
from xprism.simulate.layers import BoneLayer, bone_layer, superimpose
from xprism.simulate.phantom import ChestCase, simulate_chest
from xprism.simulate.spectrum import Beam, with_beam

__all__ = [
    "Beam",
    "BoneLayer",
    "ChestCase",
    "Display",
    "DualEnergyCase",
    "bone_layer",
    "draw_display",
    "simulate_chest",
    "simulate_dual_energy",
    "superimpose",
    "with_beam",
]
