"""Measures of how well predictions agree with the truth; NumPy and SciPy only."""
