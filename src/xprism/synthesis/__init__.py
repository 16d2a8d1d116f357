"""Labelled synthetic films: what dots, label maps and films are before and after networks make them."""
