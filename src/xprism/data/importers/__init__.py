"""One module a data source: each turns a folder into the cases of a manifest."""
