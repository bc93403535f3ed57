"""The command line of a backup tool."""

import argparse


def text():
    """Return the help."""
    parser = argparse.ArgumentParser(prog="backup", description="Copy files to a place far away and keep ten versions.")
    parser.add_argument("--target", help="where the copies go; a folder or an address of a server")
    return parser.format_help()
