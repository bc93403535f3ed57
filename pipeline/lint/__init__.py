"""Lint: what an image should not hold, and what in it is stale."""
