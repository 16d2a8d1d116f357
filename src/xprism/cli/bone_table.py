"""How measures of bone-suppressed pictures are printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from xprism.evaluation.bone_rows import ERRORS

if TYPE_CHECKING:
    from xprism.evaluation.bone_rows import BoneMean
    from xprism.protocols.bone_suppression import BoneSuppression

_FEW_PAIRS, _FEW_NAMES = 10, 5
_RATIOS = {"filter_ratio": "filter/nothing", "picture_ratio": "picture/nothing", "picture_to_filter": "picture/filter"}


def bone_lines(bones: BoneSuppression) -> Iterator[str]:
    """Means of every measure, the errors of each pair where pairs are few, and what was not measured and why."""
    for group in dict.fromkeys(mean.group for mean in bones.means):
        heads = "".join(f"{head:>9}" for head in ("nothing", "filter", "picture"))
        ratios = "".join(f"{head:<23}" for head in _RATIOS.values())
        yield f"{f'bone suppression, {group}':<28}{'n':>5}{heads}  {ratios}".rstrip()
        those = [mean for mean in bones.means if mean.group == group]
        for measure in dict.fromkeys(mean.measure for mean in those):
            yield _of_measure(measure, {mean.value: mean for mean in those if mean.measure == measure}).rstrip()
    errors = [row for row in bones.rows if row.measure in ERRORS]
    for row in errors if len(errors) <= _FEW_PAIRS * len(ERRORS) else ():
        yield f"{f'{row.case} {row.measure}':<33}" + _numbers(row.nothing, row.linear_filter, row.picture)
    for why, cases in bones.notes.items():
        names = ", ".join(cases[:_FEW_NAMES]) + (", ..." if len(cases) > _FEW_NAMES else "")
        yield f"not measured: {why} ({len(cases)}: {names})"


def _of_measure(measure: str, means: Mapping[str, BoneMean]) -> str:
    picture = means.get("picture") or means.get("kept")
    three = (means.get("nothing"), means.get("linear_filter"), picture)
    start = f"{measure:<28}{max(mean.n for mean in means.values()):>5}"
    start += _numbers(*(None if mean is None else mean.mean for mean in three)) + "  "
    if measure in ERRORS:
        return start + "".join(f"{_interval(means[name]) if name in means else '-':<23}" for name in _RATIOS)
    pooled = f", pooled {means['pooled'].mean:.3f}" if "pooled" in means else ""
    return start + ("" if picture is None else f"picture {_interval(picture)}{pooled}")


def _numbers(*values: float | None) -> str:
    return "".join(f"{'-' if value is None else f'{value:.3f}':>9}" for value in values)


def _interval(mean: BoneMean) -> str:
    return f"{mean.mean:.3f} ({mean.interval_low:.3f} to {mean.interval_high:.3f})"
