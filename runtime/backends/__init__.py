"""The ways to run a plan: one package or module a backend."""
