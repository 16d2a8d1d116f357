"""Whether two sets of scores differ: tests whose unit is the patient, never a film, a copy of one or a fold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xprism.data.manifest import Case
from xprism.errors import DataError
from xprism.evaluation.interval import mean_interval
from xprism.evaluation.scores import DISTANCE_MEASURES, MASK_MEASURES, PICTURE_MEASURES, Score
from xprism.evaluation.summary import averaged

NAN = float("nan")

Values = dict[str, tuple[str, float]]


@dataclass(frozen=True)
class Comparison:
    """One measure of one structure in two sets of scores of the same films.

    ``subjects`` have a finite value in both; their values are means over their films. ``only_first`` and
    ``only_second`` count cases that the other set does not have, ``undefined`` cases that both have but one
    of them without a finite value. ``difference`` is the mean of first minus second over subjects, with its
    95 % BCa interval, and ``effect_size`` the same in standard deviations of the differences (paired Cohen's
    d_z). The p-values are two-sided and stand as log10, which a p of 1e-400 survives: paired Student's t
    (the primary one), the same after Holm's correction over the structures of this measure, Welch's t, and
    Wilcoxon's signed ranks. NaN where a value is not defined, as with fewer than two subjects.
    """

    structure: str
    region: str
    measure: str
    unit: str
    subjects: int
    only_first: int
    only_second: int
    undefined: int
    mean_first: float
    mean_second: float
    difference: float
    interval_low: float
    interval_high: float
    effect_size: float
    t: float
    log10_p: float
    log10_p_holm: float
    log10_p_welch: float
    log10_p_wilcoxon: float


def compare_scores(
    first: Sequence[Score],
    second: Sequence[Score],
    *,
    unions: Mapping[str, Sequence[str]],
    generator: np.random.Generator,
) -> list[Comparison]:
    """Compare every structure and picture that both sets have, measure by measure, paired by case.

    Structures are those of the average, as what follows from them (unions, the overlap) is no question of its
    own. ``generator`` draws the bootstrap samples. Raises ``DataError`` where a case has two subjects.
    """
    before, after = _values(first, unions), _values(second, unions)
    rows = [_comparison(key, before[key], after[key], generator) for key in before if key in after]
    families: dict[tuple[str, str, str], list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault((row.region, row.measure, row.unit), []).append(place)
    for places in families.values():
        for place, corrected in zip(places, holm([rows[place].log10_p for place in places]), strict=True):
            rows[place] = replace(rows[place], log10_p_holm=corrected)
    return rows


def refuse_copies(cases: Iterable[Case]) -> None:
    """Raise ``DataError`` where a case is an augmented copy (attribute ``copy_of``): copies are no further patients."""
    copies = [case.case for case in cases if case.attributes.get("copy_of")]
    if copies:
        raise DataError(
            f"{len(copies)} scored cases are copies of other films: {', '.join(copies[:3])}",
            remedy="score the original films alone; copies would count one patient several times",
        )


def holm(log10_ps: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p-values given as log10; NaN is no test and stays NaN."""
    tested = sorted((p, place) for place, p in enumerate(log10_ps) if not math.isnan(p))
    corrected, highest = [NAN] * len(log10_ps), -math.inf
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(0.0, p + math.log10(len(tested) - rank)))
        corrected[place] = highest
    return corrected


def log10_p_of_t(t: float, freedom: float) -> float:
    """Log10 of the two-sided p-value of Student's t, also where p itself is too small for a float.

    ``freedom`` are the degrees of freedom. With x = freedom / (freedom + t^2) and a = freedom / 2,
    p = x^a / (a B(a, 1/2)) 2F1(1/2, a; a + 1; x), the regularised incomplete beta function.
    """
    from scipy import special, stats

    if math.isnan(t) or math.isnan(freedom):
        return NAN
    p = 2 * float(stats.t.sf(abs(t), freedom))
    if p > 1e-290:
        return math.log10(p)
    a, log_x = freedom / 2, -math.log1p(t / freedom * t)
    series = float(special.hyp2f1(0.5, a, a + 1, math.exp(log_x)))
    return (a * log_x - math.log(a) - float(special.betaln(a, 0.5)) + math.log(series)) / math.log(10)


def p_text(log10_p: float) -> str:
    """A p-value as text from its log10: ``0.034``, ``1.2e-93``, ``1.0e-400``; a dash for NaN."""
    if math.isnan(log10_p):
        return "-"
    if log10_p >= -3:
        return f"{10**log10_p:.3f}"
    exponent = math.floor(log10_p)
    digits = f"{10 ** (log10_p - exponent):.1f}"
    return f"1.0e{exponent + 1}" if digits == "10.0" else f"{digits}e{exponent}"


def _values(scores: Sequence[Score], unions: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], Values]:
    """Subject and value by case, by structure, region, measure and unit."""
    parts = averaged(scores, unions)
    found: dict[tuple[str, ...], Values] = {}
    for score in scores:
        if not score.region and score.structure not in parts:
            continue
        for measure in PICTURE_MEASURES if score.region else MASK_MEASURES:
            value = getattr(score, measure)
            if value is not None:
                unit = score.unit if measure in DISTANCE_MEASURES else ""
                key = (score.structure, score.region, measure, unit)
                found.setdefault(key, {})[score.case] = (score.subject, value)
    return found


def _comparison(key: tuple[str, ...], first: Values, second: Values, generator: np.random.Generator) -> Comparison:
    shared = [case for case in first if case in second]
    by_subject: dict[str, list[tuple[float, float]]] = {}
    for case in shared:
        (subject, one), (other_subject, other) = first[case], second[case]
        if subject != other_subject:
            raise DataError(
                f"case {case!r} is of subject {subject!r} in one set of scores and of {other_subject!r} in the other",
                remedy="compare scores of the same films",
            )
        if math.isfinite(one) and math.isfinite(other):
            by_subject.setdefault(subject, []).append((one, other))
    pairs = np.array([np.mean(films, axis=0) for films in by_subject.values()], np.float64).reshape(-1, 2)
    structure, region, measure, unit = key
    return Comparison(
        structure=structure,
        region=region,
        measure=measure,
        unit=unit,
        subjects=len(pairs),
        only_first=len(first) - len(shared),
        only_second=len(second) - len(shared),
        undefined=len(shared) - sum(map(len, by_subject.values())),
        **_tests(pairs[:, 0], pairs[:, 1], generator),
    )


def _tests(first: NDArray[np.float64], second: NDArray[np.float64], generator: np.random.Generator) -> dict[str, float]:
    """Everything that is computed of paired values of subjects [n] each."""
    apart = first - second
    means = {"mean_first": _mean(first), "mean_second": _mean(second), "difference": _mean(apart)}
    interval = mean_interval(apart, subjects=[str(k) for k in range(len(apart))], generator=generator)
    found = dict.fromkeys(("effect_size", "t", "log10_p", "log10_p_holm", "log10_p_welch", "log10_p_wilcoxon"), NAN)
    found |= means | {"interval_low": interval.low, "interval_high": interval.high}
    if len(apart) < 2:
        return found
    if not _constant(apart, first, second):
        spread = float(apart.std(ddof=1))
        t = found["difference"] / spread * math.sqrt(len(apart))
        found |= {"effect_size": found["difference"] / spread, "t": t, "log10_p": log10_p_of_t(t, len(apart) - 1)}
    if not (_constant(first, second) and _constant(second, first)):
        found["log10_p_welch"] = log10_p_of_t(*_welch(first, second))
    if apart.any():
        found["log10_p_wilcoxon"] = _signed_ranks(apart)
    return found


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """Welch's t, which takes the two for different subjects, and its degrees of freedom."""
    one, other = (float(values.var(ddof=1)) / len(values) for values in (first, second))
    freedom = (one + other) ** 2 / (one**2 / (len(first) - 1) + other**2 / (len(second) - 1))
    return _mean(first - second) / math.sqrt(one + other), freedom


def _signed_ranks(apart: NDArray[np.float64]) -> float:
    """Log10 p of Wilcoxon's test: exact for few subjects without ties, else from a normal z, as SciPy has it."""
    from scipy import stats

    p = float(stats.wilcoxon(apart).pvalue)
    if p > 0:
        return math.log10(p)
    found: Any = stats.wilcoxon(apart, method="approx")  # with a thousand subjects and more
    return (math.log(2) + float(stats.norm.logsf(abs(found.zstatistic)))) / math.log(10)


def _constant(values: NDArray[np.float64], *scales: NDArray[np.float64]) -> bool:
    """Whether values differ by nothing but the rounding of what they were computed from."""
    scale = max(float(np.abs(one).max()) for one in (values, *scales))
    return float(np.ptp(values)) <= 1e-12 * scale


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else NAN
