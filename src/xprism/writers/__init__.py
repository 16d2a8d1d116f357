"""What a result becomes on disk: mask pictures, a record, an overlay to look at and a report to read."""
