"""Runs by an OCI runtime's command line: the tree and the limits are ours, the container is theirs."""
