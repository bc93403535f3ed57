"""Bytes from and to other machines: HTTP with the machine's own settings, and registries of images."""
