"""Observe the suite on every host, compare, explain, judge."""
