"""Predicting many films: folders in, one prediction folder a film and two tables out."""

from xprism.batch.films import Film, Part, find_films
from xprism.batch.outcome import Outcome, Summary
from xprism.batch.pipeline import predict_films

__all__ = ["Film", "Outcome", "Part", "Summary", "find_films", "predict_films"]
