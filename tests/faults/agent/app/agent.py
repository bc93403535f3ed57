"""Tell a monitoring system how long this machine has been up, and how it is."""

import struct
import time

LAYOUT = ">IH"  # TimeTicks of SNMP, and a state


def message(state):
    """Return what is sent."""
    return struct.pack(LAYOUT, int(time.monotonic() * 100), state)


def read(content):
    """Return what a message says."""
    ticks, state = struct.unpack(LAYOUT, content)
    return {"ticks": ticks, "state": state}
