"""Join many small files to one."""


def join(paths, target):
    """Write all files behind each other."""
    sources = [open(path, "rb") for path in paths]
    with open(target, "wb") as out:
        for source in sources:
            out.write(source.read())
    for source in sources:
        source.close()
