"""How often an audit flags what it should, and honest films: many draws from a pool of simulated chests.

    xprism data simulate -o pool --count 500 --size 128 --seed 11
    python benchmarks/audit_flags.py pool/manifest.csv --real 40 --synth 40 --draws 40

Every draw takes REAL and honest samples from the pool, no film twice, and audits the honest samples as they are and
spoilt: with one or a tenth of them replaced by copies of real films (turned up to 2 degrees, moved up to 3 % of the
side, blurred, with noise of 1 % of the range), with label maps dealt to the wrong films, to all or half of them, and
collapsed: all are one film (turned, moved, with noise), or a third are the very same. Of honest samples any flag of the
whole audit counts, of spoilt ones that of the check that is meant for them. Prints rates with 95 % intervals (Clopper
and Pearson), every ten draws.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from scipy import ndimage, stats

from xprism.data.manifest import read_manifest
from xprism.synthesis.audit.audit import audit
from xprism.synthesis.audit.checks import closeness, copies, labels_belong, variety
from xprism.synthesis.audit.findings import LEVEL
from xprism.synthesis.audit.labels import label_pictures
from xprism.synthesis.audit.nearest import coarse
from xprism.synthesis.audit.sets import FilmSet, load_set

ONE_OF = LEVEL / 7
"""What p-value a check is flagged at in an audit of films and labels."""


def moved(films: FilmSet, rng: np.random.Generator, *, noise: float) -> FilmSet:
    """The films and masks turned by up to 2 degrees and moved by up to 3 %, films with blur and noise as well."""
    side = films.films.shape[-1]
    centre = np.full(2, (side - 1) / 2)
    made, masks = [], {label: [] for label in films.masks}
    for number, film in enumerate(films.films):
        angle = np.deg2rad(rng.uniform(-2, 2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = centre - turn @ (centre + rng.uniform(-0.03, 0.03, 2) * side)
        laid = ndimage.affine_transform(film, turn, offset, order=1, mode="nearest")
        laid = ndimage.gaussian_filter(laid, 0.7) + noise * rng.standard_normal(film.shape)
        made.append(np.clip(laid, 0, 1).astype(np.float32))
        for label, planes in films.masks.items():
            plane = planes[number].astype(np.uint8)
            masks[label].append(ndimage.affine_transform(plane, turn, offset, order=0, mode="nearest") > 0)
    return FilmSet(films.names, np.stack(made), {label: np.stack(planes) for label, planes in masks.items()})


def together(*sets: FilmSet) -> FilmSet:
    """Several sets as one."""
    masks = {label: np.concatenate([one.masks[label] for one in sets]) for label in sets[0].masks}
    names = tuple(name for one in sets for name in one.names)
    return FilmSet(names, np.concatenate([one.films for one in sets]), masks)


def dealt(films: FilmSet, count: int) -> FilmSet:
    """The first ``count`` films with each other's label maps."""
    order = np.r_[np.roll(np.arange(count), 1), count : len(films)]
    return FilmSet(films.names, films.films, {label: planes[order] for label, planes in films.masks.items()})


def kinds(honest: FilmSet, real: FilmSet, rng: np.random.Generator) -> dict[str, FilmSet]:
    """The honest samples, and the same spoilt in every way."""
    count = len(honest)

    def copied(some: int) -> FilmSet:
        copies = moved(real.take(rng.permutation(len(real))[:some]), rng, noise=0.01)
        return together(honest.take(range(some, count)), copies)

    def collapsed(some: int) -> FilmSet:
        one = honest.take([0] * some)
        if some == count:
            one = moved(one, rng, noise=0.02)
        return together(honest.take(range(some, count)), one) if some < count else one

    return {
        "honest": honest,
        "one copy": copied(1),
        "a tenth copies": copied(max(1, count // 10)),
        "labels shuffled": dealt(honest, count),
        "half shuffled": dealt(honest, count // 2),
        "collapsed": collapsed(count),
        "a third collapsed": collapsed(count // 3),
    }


def flags(kind: str, samples: FilmSet, real: FilmSet, seed: int) -> tuple[str, ...]:
    """What is flagged: by the whole audit of honest samples, by the check that is meant for spoilt ones."""
    if kind == "honest":
        return audit(samples, real, seed=seed).flagged
    generator, labels = np.random.default_rng(seed), tuple(real.masks)
    made, true = coarse(samples.films), coarse(real.films)
    if "cop" in kind:
        found = copies("copied films", closeness(made, true, None, level=ONE_OF), honest_are="")
    elif "shuffled" in kind:
        found = labels_belong(samples, real, labels, generator)[0]
    else:
        drawn = [coarse(label_pictures(one.masks, labels)) for one in (samples, real)]
        of_films = variety("few films", made, true, generator)
        found = min(of_films, variety("few label maps", *drawn, generator), key=lambda one: one.p)
    return (found.check,) if found.p <= ONE_OF else ()


def main() -> None:
    """Print tables of rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifests", nargs="+", type=Path)
    for name, default in (("real", 40), ("synth", 40), ("draws", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    pool = load_set([case for path in given.manifests for case in read_manifest(path)])
    print(f"pool of {len(pool)} films; {given.real} real, {given.synth} samples", flush=True)
    flagged: dict[str, Counter[str]] = defaultdict(Counter)
    for draw in range(given.draws):
        rng = np.random.default_rng(draw)
        order = rng.permutation(len(pool))
        real, honest = pool.take(order[: given.real]), pool.take(order[given.real : given.real + given.synth])
        for kind, samples in kinds(honest, real, rng).items():
            found = flags(kind, samples, real, given.draws + draw)
            flagged[kind].update(found)
            flagged[kind]["any"] += bool(found)
        if (draw + 1) % 10 == 0:
            for kind, counts in flagged.items():
                share = stats.binomtest(counts["any"], draw + 1).proportion_ci()
                which = ", ".join(f"{check} {count}" for check, count in counts.items() if check != "any")
                between = f"({share.low:.3f} to {share.high:.3f})"
                print(f"{kind:<18}{counts['any']:>4} of {draw + 1} {between}  {which}", flush=True)


if __name__ == "__main__":
    main()
