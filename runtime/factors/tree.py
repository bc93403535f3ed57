"""``disk-full``, ``filesystem``, ``overlay-rename``, ``directory-order``: how the tree's file system behaves."""

import errno

from runtime.data import replace
from runtime.factors.carriers import BUNDLES, EVERY, NATIVE
from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.factors.questions import MOUNTS, Answers
from runtime.plan import EntryOrder, Plan

_FREE = "free /"
_PLENTY = 16 << 20
_CANNOT_TELL = ("none", "EACCES", "EPERM", "EROFS", "ENOSPC")


class DiskFullFactor(Factor):
    """How much the program may still write into the tree; /tmp and /dev/shm have sizes of their own."""

    name = "disk-full"
    default = "no"
    control = "no"
    levels = {
        "no": "there is room",
        "yes": "none at all: the first byte that is written fails with ENOSPC",
        "1M": "1 MiB (any size)",
    }
    names = "write write_text write_bytes writelines disk_usage statvfs fallocate posix_fallocate copyfileobj flush"
    signs = "changes tree; measures .; measures /; errno ENOSPC; raises sqlite3.OperationalError"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the room."""
        room = None if level == "no" else 0 if level == "yes" else parse_size(level)
        if room is None and level != "no":
            raise self.unknown(level)
        return replace(plan, tuning=replace(plan.tuning, room=room))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What is left."""
        return (_FREE,)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it, in bytes."""
        return answers.text(_FREE)

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """There is none left, no more than the level and most of it, or plenty."""
        match level:
            case "no":
                return int(found) >= _PLENTY
            case "yes":
                return int(found) == 0
            case _:
                wanted = parse_size(level) or 0
                return wanted // 2 <= int(found) <= wanted

    def carriers(self, level: str) -> frozenset[str]:
        """A runtime keeps its own state where the tree is; root stacks the trees on our machines' older kernels."""
        return EVERY if level == self.default else NATIVE


class FilesystemFactor(Factor):
    """On which file system the working folder lies: to move a file out of a volume fails with EXDEV."""

    name = "filesystem"
    default = "overlay"
    control = "overlay"
    levels = {
        "overlay": "the one of the image, an overlay of its layers where the runtime makes one",
        "tmpfs": "the working folder is a tmpfs of its own, as a volume of a platform; its changes are not listed",
    }
    names = (
        "link rename replace st_dev st_ino flock lockf setxattr getxattr listxattr sendfile copy_file_range "
        "statvfs ismount fallocate O_TMPFILE fcntl sqlite3"
    )
    signs = (
        "renames .; links .; measures .; opens /proc/self/mountinfo; opens /proc/mounts; errno EXDEV; errno EOPNOTSUPP"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Have a file system mounted at the working folder, with what is in it."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, tuning=replace(plan.tuning, volume=level == "tmpfs"))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What is mounted, and where the working folder is."""
        return MOUNTS, "folder"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the kind of the file system, and whether the folder is its root."""
        folder = answers.text("folder")
        above = [each for each in answers.mounts() if (folder + "/").startswith(each.place.rstrip("/") + "/")]
        if not above:
            return "unknown"
        nearest = max(above, key=lambda each: len(each.place))
        return f"{nearest.kind}{' volume' if nearest.place == folder else ''}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is a tmpfs of its own where that was asked for."""
        return level == self.default or found == "tmpfs volume"

    def lacks(self, level: str, plan: Plan) -> str:
        """The root of the tree stays as it is."""
        return "" if level == self.default else _lacks_folder(plan)

    def carriers(self, level: str) -> frozenset[str]:
        """Engines make a volume of what they have, and not of a folder of the image."""
        return EVERY if level == self.default else BUNDLES


class OverlayRenameFactor(Factor):
    """Whether a folder of the image can be renamed: an overlay answers EXDEV, and not every program copies then."""

    name = "overlay-rename"
    default = "as-is"
    control = "as-is"
    levels = {
        "as-is": "as the tree's file system has it: an overlay of our own answers EXDEV",
        "works": "folders below the working folder can be renamed, as on a disk",
    }
    names = "rename renames replace move"
    signs = "renames .; errno EXDEV"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Have the working folder made anew, above the overlay's lower layers."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, tuning=replace(plan.tuning, renames_folders=level != self.default))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """What would become of the first folder in the working folder; not unasked, as that makes a folder there."""
        return (f"rename {plan.workdir}",) if plan.tuning.renames_folders else ()

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say it."""
        if not plan.tuning.renames_folders:
            return "not asked"
        said = answers.text(f"rename {plan.workdir}")
        return errno.errorcode.get(int(said), said) if said.isdecimal() else said

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It works, or the user may rename nothing there, or there is nothing: then the level can change nothing."""
        return level == self.default or found == "yes" or found in _CANNOT_TELL

    def lacks(self, level: str, plan: Plan) -> str:
        """The root of the tree stays as it is."""
        return "" if level == self.default else _lacks_folder(plan)

    def carriers(self, level: str) -> frozenset[str]:
        """Engines and gVisor have file systems of their own."""
        return EVERY if level == self.default else BUNDLES


class DirectoryOrderFactor(Factor):
    """In which order the folders of the working folder list what is in them: programs forget to sort."""

    name = "directory-order"
    default = "as-is"
    control = "as-is"
    levels = {
        "as-is": "as the file system of the store has it",
        "sorted": "by name, below the working folder",
        "reverse": "by name, the last one first, below the working folder",
    }
    names = "listdir scandir iterdir glob iglob rglob walk fwalk"
    signs = "lists ."

    def apply(self, plan: Plan, level: str) -> Plan:
        """Have the working folder made anew, its entries in an order that a tmpfs lists as asked."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, tuning=replace(plan.tuning, entries=EntryOrder(level)))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """The names in the working folder, as they come."""
        return (f"entries {plan.workdir}",) if plan.tuning.entries is not EntryOrder.AS_IS else ()

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say how they are ordered."""
        if not self.questions(plan):
            return "not asked"
        names = [each for each in answers.raw(f"entries {plan.workdir}").split(b"\0") if each]
        if len(names) < 2:
            return "nothing to order"
        return "sorted" if names == sorted(names) else "reverse" if names == sorted(names)[::-1] else "unordered"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """They are as asked."""
        return level == self.default or found in (level, "nothing to order")

    def lacks(self, level: str, plan: Plan) -> str:
        """The root of the tree stays as it is."""
        return "" if level == self.default else _lacks_folder(plan)

    def carriers(self, level: str) -> frozenset[str]:
        """Engines and gVisor have file systems of their own."""
        return EVERY if level == self.default else BUNDLES


def _lacks_folder(plan: Plan) -> str:
    return "the working folder would be made anew, and that is the root of the tree" if plan.workdir == "/" else ""
