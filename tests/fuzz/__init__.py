"""Mutated files through the reader and the merge: no crash, no hang, and the accounting closes."""
