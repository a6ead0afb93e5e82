"""The assets, thin: read by a resource, one call into `compute`, write, metadata. Start with `ingest.py`."""
