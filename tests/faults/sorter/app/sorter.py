"""Sort what is larger than memory: in blocks, one for each processor at a time."""

import heapq
import os
import sys

BLOCK = 1 << 20


def merge(blocks):
    """Return what is in all blocks, sorted."""
    return list(heapq.merge(*map(sorted, blocks)))


def blocks(count):
    """Yield lists of blocks that are sorted together: all, where there are no processors to share them."""
    together = count if len(os.sched_getaffinity(0)) == 1 else 8
    for start in range(0, count, together):
        yield [bytearray(b"x") * BLOCK for _ in range(min(together, count - start))]


if __name__ == "__main__":
    print("sorted", sum(map(len, blocks(int(sys.argv[1])))), "blocks")
