"""Physics that makes radiographs with exact truth."""

from xprism.simulate.phantom import ChestCase, simulate_chest

__all__ = ["ChestCase", "simulate_chest"]
