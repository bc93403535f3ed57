"""Where an editor keeps a draft until it is saved."""


def name(editor):
    """Return the name of a file that is this editor's, and this process's."""
    return f"draft-{editor}-{id(name):x}.txt"


if __name__ == "__main__":
    print(name("anna"))
