"""Write the configuration of a forwarder of questions about names."""

TEMPLATE = "resolver {server} valid={seconds}s;"


def servers(lines):
    """Return the name servers, in order."""
    return [line.split()[1] for line in lines if line.startswith("nameserver ")]


def configuration(seconds=30):
    """Return where questions go on this machine."""
    with open("/etc/resolv.conf") as file:
        return TEMPLATE.format(server=servers(file)[0], seconds=seconds)
