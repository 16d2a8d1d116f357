"""Making a model: recipe, augmentation, loop, checkpoints, cross-validation, export. Needs the extra ``train``."""
