"""Why two images have two digests: from the index down to the bytes of one file."""
