"""Tables are read as they were written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from xprism.errors import DataError
from xprism.evaluation.scores import Score
from xprism.evaluation.tables import read_csv, write_csv


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = [
        Score("a, b", "s1", "heart", dice=0.25, fpr_gt=math.nan, tp=3, fp=0, fn=9, unit="mm", matched_by="model"),
        Score("c", "s2", "soft", "frame", rmse=2.5, psnr=math.inf),
    ]
    write_csv(tmp_path / "cases.csv", Score, scores)
    first, second = read_csv(tmp_path / "cases.csv", Score)
    assert math.isnan(first.fpr_gt or 0)
    assert (first.case, first.dice, first.fp, first.rmse, first.region) == ("a, b", 0.25, 0, None, "")
    assert second == scores[1]


def test_a_table_that_does_not_fit_says_where(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    with pytest.raises(DataError, match="no such table"):
        read_csv(path, Score)
    write_csv(path, Score, [Score("c", "s", "heart", dice=0.5)])
    text = path.read_text()
    path.write_text(text.replace("dice,", ""))
    with pytest.raises(DataError, match="columns missing: dice"):
        read_csv(path, Score)
    path.write_text(text.replace("0.5", "half"))
    with pytest.raises(DataError, match=r"line 2: .*half"):
        read_csv(path, Score)
