"""The options of a command.

argparse breaks lines where the terminal ends, which COLUMNS says: tests of PSyclone that compare its help failed on
screens of another width.
"""

import argparse


def help_text():
    """Return the help of the command."""
    parser = argparse.ArgumentParser(prog="psyad")
    parser.add_argument("-oad", metavar="OAD", help="filename for the transformed code")
    return parser.format_help()
