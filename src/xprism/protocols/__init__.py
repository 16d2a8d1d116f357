"""Protocols: what ties training, models in use and evaluation together."""
