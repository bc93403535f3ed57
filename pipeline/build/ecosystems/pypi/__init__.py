"""PyPI: wheels are locked by uv for the image's Python, found by the simple index, and installed by our own hands."""
