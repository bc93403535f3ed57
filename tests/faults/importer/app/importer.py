"""Import rows from files and from standard input."""

import sys


def rows(lines):
    return [line.split(",") for line in map(str.strip, lines) if line]


def main(paths):
    found = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            found += rows(file)
    if not sys.stdin.isatty():
        found += rows(sys.stdin)
    print(f"{len(found)} rows")
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
