"""Sums over messages, in the way that suits the processor."""

BLOCK = 8


def features(lines):
    """Return what a processor can do."""
    return next((set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set())


def wide(message):
    """Return the sum, all bytes at once."""
    return sum(message) & 0xFFFF


def narrow(message):
    """Return the sum, block by block."""
    total = 0
    for start in range(0, len(message) - BLOCK + 1, BLOCK):
        total += sum(message[start : start + BLOCK])
    return total & 0xFFFF


def checksum(message):
    """Return the sum of a message."""
    with open("/proc/cpuinfo") as file:
        return wide(message) if "avx2" in features(file) else narrow(message)
