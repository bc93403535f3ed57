"""Print the titles of a library, each on one line of the terminal."""

import shutil

TITLES = ["The tale of the three ships, told by a sailor who was there", "A short history of rope"]


def cut(title, width):
    """Return a title that is no wider than that."""
    return title if len(title) <= width else title[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


if __name__ == "__main__":
    for each in TITLES:
        print(cut(each, shutil.get_terminal_size((80, 24)).columns))
