"""Print a table, one row on a line."""

import shutil
import sys

LEAST = 20
ROWS = [("Bergen", "rain"), ("Troms\N{LATIN SMALL LETTER O WITH STROKE}", "snow"), ("Oslo", "a little of all")]


def lines(rows, width):
    """Return the lines, none wider than that unless it is too narrow for any table."""
    width = max(width, LEAST)
    first = min(max(len(row[0]) for row in rows), width // 2)
    return [f"{city[:first]:<{first}} {cell[: width - first - 1]}" for city, cell in rows]


def show(stream, rows):
    """Print a table, with a question mark for what the stream cannot say."""
    for line in lines(rows, shutil.get_terminal_size().columns):
        known = stream.encoding or "ascii"
        print(line.encode(known, "replace").decode(known), file=stream)


if __name__ == "__main__":
    show(sys.stdout, ROWS)
