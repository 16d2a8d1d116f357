"""Cases, manifests and splits: what training and evaluation work on."""
