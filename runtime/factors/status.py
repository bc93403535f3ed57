"""Read /proc/self/status: what the kernel says of the process that asks."""


def read_status(*keys: str) -> dict[str, str]:
    """Return the named fields of /proc/self/status; a field that the kernel does not show gives ``0``."""
    found = dict.fromkeys(keys, "0")
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - no pathlib in the warm process
            for line in file:
                key, _, value = line.partition(":")
                if key in found:
                    found[key] = value.strip()
    except OSError:
        pass
    return found
