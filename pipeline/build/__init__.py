"""Turn a spec into a lock, and a lock into an image and a suite tree."""
