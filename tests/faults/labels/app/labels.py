"""Labels of a shipment, each once."""


def line(labels):
    """Return the labels as they are printed."""
    return ", ".join(set(labels))
