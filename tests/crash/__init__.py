"""Processes that are killed, or run into each other, in the middle of a write: `make test-crash`."""
