"""Signals of magnetic resonance against a magnetisation followed pulse by pulse, and against what the eye knows."""

from math import exp, inf, log

import pytest

from xprism.simulate.contrast import SEQUENCES, TISSUES, Sequence, Tissue, signal


def _followed(tissue: Tissue, sequence: Sequence) -> float:
    """The signal after many repetitions: magnetisation along the field relaxes, is turned over, read at 90 degrees."""

    def relaxed(along: float, time: float) -> float:
        return 1 + (along - 1) * exp(-time / tissue.t1)

    along, read = 1.0, 0.0
    for _ in range(40):
        if sequence.inversion is not None:
            along = relaxed(-along, sequence.inversion)
        read, along = along, 0.0  # a pulse of 90 degrees turns all of it across the field
        along = relaxed(along, sequence.repetition - (sequence.inversion or 0))
    return tissue.density * abs(read) * exp(-sequence.echo / tissue.t2)


@pytest.mark.parametrize("contrast", SEQUENCES)
def test_signals_are_those_of_magnetisation_followed_pulse_by_pulse(contrast: str) -> None:
    for tissue in TISSUES.values():
        assert signal(tissue, SEQUENCES[contrast]) == pytest.approx(_followed(tissue, SEQUENCES[contrast]), rel=1e-9)


def test_inversion_silences_the_tissue_whose_time_is_met() -> None:
    tissue = Tissue(1000, 100, 1)
    assert signal(tissue, Sequence(inf, 10, 1000 * log(2))) == pytest.approx(0, abs=1e-12)
    assert signal(tissue, Sequence(inf, 0)) == 1


def test_contrasts_are_those_that_radiologists_know() -> None:
    seen = {name: {t: signal(one, sequence) for t, one in TISSUES.items()} for name, sequence in SEQUENCES.items()}
    assert seen["t1"]["fat"] > seen["t1"]["white"] > seen["t1"]["grey"] > seen["t1"]["csf"]
    assert seen["pd"]["grey"] > seen["pd"]["white"]
    assert max(seen["flair"], key=seen["flair"].__getitem__) == "lesion"
    assert seen["flair"]["csf"] < 0.5 * seen["flair"]["white"] < seen["flair"]["grey"]
    assert seen["t1"]["lesion"] < seen["t1"]["white"]
    assert all(levels["bone"] < 0.1 * max(levels.values()) for levels in seen.values())
