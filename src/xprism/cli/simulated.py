"""A simulated film for ``xprism bench``."""

from __future__ import annotations

from pathlib import Path


def write_simulated(path: Path, *, size: int) -> Path:
    """Write a simulated chest film of ``size`` x ``size`` pixels as an 8-bit PNG and return its path."""
    import numpy as np

    from xprism.png import save_png
    from xprism.simulate import simulate_chest

    film = simulate_chest(seed=7, size=size).film
    save_png(np.rint(255 * film.clip(0, 1)).astype(np.uint8), path)
    return path
