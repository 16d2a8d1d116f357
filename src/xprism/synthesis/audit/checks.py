"""The checks of an audit, each a p-value that honest films make small no more often than it says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xprism.evaluation.film_statistics import Yardstick, film_statistics
from xprism.evaluation.kernel_distance import (
    KernelDistance,
    distances_of_halves,
    kernel_distance,
    polynomial_kernel,
    squared_mmd,
)
from xprism.evaluation.permutation import differences, p_of, paired_means, relabelled
from xprism.synthesis.audit.belonging import belonging
from xprism.synthesis.audit.findings import Closeness, Finding, MeasureRow
from xprism.synthesis.audit.labels import measured
from xprism.synthesis.audit.nearest import Pictures, distances, nearest
from xprism.synthesis.audit.sets import FilmSet

DRAWS = 1999
"""Relabellings of a test."""
_DEALT = "both sets mixed and dealt anew stay {} it in 99 of 100 draws"
_LEAST = 1e-3
_LEAST_APART = 0.02
"""Distances below these count as these, as their logarithms are taken."""


def closeness(synth: Pictures, real: Pictures, held_out: Pictures | None, *, level: float) -> Closeness:
    """Which samples lie too near to a real case to be new.

    Held-out films are honest, or each real film among the others is. Logarithms of honest distances are taken for
    normal, with a mean and a deviation known from n of them: a further honest one falls below mean + t(p; n - 1)
    deviation sqrt(1 + 1/n) with probability p. A sample is also held against the farther half of all samples, which
    copies do not widen, but there it must lie nearer than every honest distance. Each of the two has half of
    ``level``, the probability that any of the samples is taken for a copy though none is.
    """
    found = nearest(synth, real)
    honest = nearest(real, real, leave_out=True) if held_out is None else nearest(held_out, real)
    known, seen = (np.log(np.maximum(one.distance, _LEAST)) for one in (honest, found))
    share = level / (2 * len(seen))
    p, limit = _below(seen, float(known.mean()), float(known.std(ddof=1)), len(known) - 1, 1 / len(known), share)
    middle = float(np.median(seen))
    farther = seen[seen >= middle]
    spread = float(np.sqrt(np.mean((farther - middle) ** 2)))
    # Of n values the median is known as well as the mean of 2 n / pi.
    own_p, own = _below(seen, middle, spread, max(1, len(farther) - 1), np.pi / (2 * len(seen)), share)
    own_p = np.where(seen < known.min(), own_p, 1.0)
    limit = max(limit, min(own, float(known.min())))
    p = np.minimum(1.0, 2 * np.minimum(p, own_p))
    return Closeness(found.case, found.distance, p, honest.distance, float(np.exp(limit)))


def _below(
    seen: NDArray[np.float64], mean: float, spread: float, freedom: int, error: float, share: float
) -> tuple[NDArray[np.float64], float]:
    """P-values of being as low as ``seen``, and the value whose p is ``share``, by Student's t."""
    from scipy import stats

    scale = max(spread, 1e-6) * np.sqrt(1 + error)
    return np.asarray(stats.t.cdf((seen - mean) / scale, freedom)), float(mean + scale * stats.t.ppf(share, freedom))


def copies(name: str, found: Closeness, *, honest_are: str) -> Finding:
    """The verdict on all samples of the nearest one."""
    count = int((found.distance < found.limit).sum())
    nearest_of = f"{count} of {len(found.distance)} samples lie nearer to a real one than {found.limit:.3f}"
    low, middle = np.quantile(found.honest, (0, 0.5))
    return Finding(
        name,
        float(found.distance.min()),
        f"distance of the nearest sample to a real one; {nearest_of}",
        float(low),
        f"the nearest of {honest_are}; their median is {middle:.3f}, that of samples {np.median(found.distance):.3f}",
        min(1.0, float(found.p.min() * len(found.p))),
    )


def films_apart(
    synth: FilmSet, real: FilmSet, generator: np.random.Generator
) -> tuple[Finding, KernelDistance, NDArray[np.float64]]:
    """Whether films as a whole can be told from real ones; with the kernel distance and those of halves of REAL."""
    statistics = [film_statistics(films.films) for films in (synth, real)]
    yardstick = Yardstick.of(statistics[1])
    made, true = (yardstick.features(one) for one in statistics)
    found = kernel_distance(made, true, generator=generator)
    halves = distances_of_halves(true, generator=generator)
    # For the test no film may know which set it is in: here all of them together are the yardstick.
    both = {kind: np.concatenate([one[kind] for one in statistics]) for kind in statistics[0]}
    labels = relabelled(len(synth), len(real), draws=DRAWS, generator=generator)
    kernel = polynomial_kernel(Yardstick.of(both).features(both))
    p = p_of(squared_mmd(kernel, labels, 1 - labels))
    finding = Finding(
        "films apart",
        found.value,
        f"kernel distance of films, 95 % interval {found.low:.4g} to {found.high:.4g}",
        float(np.quantile(halves, 0.975)),
        f"as far apart lie halves of REAL at most, in 97.5 of 100 splits; their mean is {halves.mean():.2g}",
        p,
    )
    return finding, found, halves


def variety(name: str, synth: Pictures, real: Pictures, generator: np.random.Generator) -> Finding:
    """Whether samples differ from each other as real ones do: the geometric mean of distances of all pairs."""
    apart = np.log(np.maximum(distances(np.concatenate([synth, real])), _LEAST_APART))
    labels = relabelled(len(synth), len(real), draws=DRAWS, generator=generator)
    shares = paired_means(apart, labels) - paired_means(apart, 1 - labels)
    return Finding(
        name,
        float(np.exp(shares[0])),
        "variety of samples, as a part of that of real ones",
        float(np.exp(np.quantile(shares[1:], 0.01))),
        _DEALT.format("above"),
        p_of(-shares),
    )


def labels_belong(
    synth: FilmSet, real: FilmSet, labels: Sequence[str], generator: np.random.Generator
) -> tuple[Finding, NDArray[np.float64]]:
    """Whether label maps belong to their films; with how well those of all samples fit, then those of REAL.

    1 is what is usual in REAL.
    """
    names = tuple(labels)
    both = np.concatenate([belonging(synth, real, names), belonging(real, real, names, same=True)])
    score = (both / np.maximum(both.std(axis=0, ddof=1), 1e-9)).mean(axis=1)
    members = relabelled(len(synth), len(real), draws=DRAWS, generator=generator)
    statistics = differences(score[:, None], members)[:, 0]
    usual = float(score[len(synth) :].mean())
    means = members @ score / members.sum(axis=1)
    finding = Finding(
        "foreign labels",
        float(means[0] / usual),
        "how much better its own label map fits a film than a real one's, as a part of that in REAL",
        float(np.quantile(means[1:], 0.01) / usual),
        _DEALT.format("above") + "; labels that belong to other films come to about 0",
        p_of(-statistics),
    )
    return finding, score / usual


def labels_like_real(
    synth: FilmSet, real: FilmSet, labels: Sequence[str], generator: np.random.Generator
) -> tuple[Finding, list[MeasureRow]]:
    """Whether areas, places, overlaps, pieces and holes are like those of real label maps; with a row a measure."""
    made, true = measured(synth.masks, labels), measured(real.masks, labels)
    values = np.stack([np.concatenate([made[name], true[name]]) for name in made], axis=1)
    middle = np.nanmedian(values, axis=0)
    values = np.where(np.isnan(values), middle, values)
    members = relabelled(len(synth), len(real), draws=DRAWS, generator=generator)
    apart = np.abs(differences(np.hstack([values, np.abs(values - middle)]), members))
    apart = np.maximum(*np.split(apart, 2, axis=1))
    largest = apart.max(axis=1)
    rows = [
        _row(name, made[name], true[name], float(apart[0, place]), p_of(np.append(apart[0, place], largest[1:])))
        for place, name in enumerate(made)
    ]
    worst = max(rows, key=lambda row: row.apart)
    finding = Finding(
        "strange labels",
        worst.apart,
        f"standard errors between both sets in {worst.measure}, the measure that differs most; "
        f"{np.mean([row.outside for row in rows]):.1%} of all measures lie beyond REAL's",
        float(np.quantile(largest[1:], 0.99)),
        _DEALT.format("below") + f"; of honest maps {2 / (len(real) + 1):.1%} of measures lie beyond, or fewer",
        p_of(largest),
    )
    return finding, rows


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is known; NaN where nothing is, such as the place of a structure that no map has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _deviation(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if known.size > 1 else float("nan")


def _row(name: str, made: NDArray[np.float64], true: NDArray[np.float64], apart: float, p: float) -> MeasureRow:
    low, high = float(np.nanmin(true)), float(np.nanmax(true))
    beyond = ~((made >= low - 1e-9) & (made <= high + 1e-9))
    return MeasureRow(
        measure=name,
        mean_synth=_mean(made),
        mean_real=_mean(true),
        std_synth=_deviation(made),
        std_real=_deviation(true),
        min_real=low,
        max_real=high,
        outside=float(beyond.mean()),
        apart=apart,
        p=p,
    )
