"""Using a model: from a radiograph to masks, pictures, measurements and a word on their quality."""
