"""Runs by Docker Engine or Podman, through the docker SDK: one code path, as Podman answers Docker's interface too."""
