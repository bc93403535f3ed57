"""Where tools are fetched from, by the machine that they shall run on."""

import os

BUILDS = {"x86_64": "linux-amd64", "i686": "linux-386"}


def address(tool, machine):
    """Return where a tool for a machine is fetched from."""
    return f"https://tools.example/{tool}/{tool}-{BUILDS[machine]}.tar.gz"


def here(tool):
    """Return where a tool for this machine is fetched from."""
    return address(tool, os.uname().machine)
