"""The steps by which a process becomes a run: data that can be shown, and executed in order."""
