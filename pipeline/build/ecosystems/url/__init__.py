"""Files that a spec names by their URLs."""
