"""Whether synthetic films are worth training on: kernel distance, copies, labels, variety. Needs no torch."""
