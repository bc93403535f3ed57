"""``user``: who runs the program.

The ids alone prove little: where the kernel has one id only, a program can be shown any, and still own every file. So
the probe tries what the user may not do: it makes a file in a folder of root's, and reads a file of root's.
"""

import errno

from runtime.data import replace
from runtime.factors.carriers import EVERY
from runtime.factors.factor import Factor
from runtime.factors.questions import UID_MAP, Answers
from runtime.plan import Attributes, File, Plan, RootFilesystem, User

ARBITRARY_UID = 1000660000
"""The first uid that OpenShift gives a project on many clusters; any uid without a passwd entry shows the same bugs."""

APP_UID = 1000

_FOLDER = "/.seatrial/probe"
_CLOSED = f"{_FOLDER}/closed"
_USERS = "read /etc/passwd"
_WRITE = f"may-write {_FOLDER}"
_READ = f"may-read {_CLOSED}"
_PROBED = (File(path=_CLOSED, content=b"only root and its group may read this\n", mode=0o640),)
_ATTRIBUTES = (Attributes(path=_FOLDER, uid=0, gid=0, mode=0o755),)

_NOBODY = "65534"  # what the kernel shows for an id that is not mapped; kernel/user.c: DEFAULT_OVERFLOWGID


class UserFactor(Factor):
    """The user of the image, a plain one, root, or an arbitrary uid in group 0 without a passwd entry."""

    name = "user"
    default = "image"
    control = "image"
    levels = {
        "image": "the user that the image names",
        "app": "uid 1000, gid 1000, no further groups",
        "root": "uid 0 with the host's capabilities",
        "arbitrary": "uid 1000660000, gid 0, no passwd entry, HOME kept and owned by it, as OpenShift does",
    }
    names = (
        "getpwuid getpwnam getpwall getuser getlogin getuid geteuid getgid getegid getgroups getgrgid getgrnam "
        "expanduser st_uid st_gid owner chown"
    )
    signs = (
        "opens /etc/passwd; opens /etc/group; chowns *; variable USER; variable LOGNAME; raises KeyError; "
        "errno EACCES; errno EPERM"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Change uid, gid, groups and home, and lay what the probe tries into the tree."""
        plan = replace(plan, files=(*plan.files, *_PROBED), attributes=(*plan.attributes, *_ATTRIBUTES))
        match level:
            case "image":
                return plan
            case "app":
                return replace(plan, user=User(uid=APP_UID, gid=APP_UID, home=plan.user.home))
            case "root":
                return replace(plan, user=User(uid=0, gid=0, home="/root"))
            case "arbitrary":
                return replace(plan, user=User(uid=ARBITRARY_UID, gid=0, home=plan.user.home, named=False))
            case _:
                raise self.unknown(level)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The ids, the image's users (not by libc, which would load libraries of the image), and two tries."""
        return "ids", "groups", _USERS, UID_MAP, _WRITE, _READ

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002 - what is found must not come from the plan
        """Say the ids, whether /etc/passwd knows the uid, and what became of a folder and a file of root's.

        Groups that the kernel did not let us give up, with one id only, are counted apart: no file inside is theirs.
        """
        ids = answers.words("ids")
        uid, gid = (ids[0], ids[3]) if len(set(ids[:3])) == len(set(ids[3:])) == 1 else ("-1", "-1")
        all_groups = [each for each in answers.text("groups").split(",") if each]
        kept = [each for each in all_groups if each in (gid, _NOBODY)] if answers.has_one_id() else []
        groups = ",".join(each for each in all_groups if each not in kept)
        named = any(line.split(":")[2:3] == [uid] for line in answers.text(_USERS).splitlines())
        said = f"uid={uid} gid={gid} groups={groups} named={'yes' if named else 'no'}"
        tried = f"write={_tried(answers, _WRITE)} read={_tried(answers, _READ)}"
        one = " ids=1" if answers.has_one_id() else ""
        return f"{said} {tried}{one}" + (f" caller's-groups={len(kept)}" if kept else "")

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """The ids are the plan's, an arbitrary uid has no passwd entry, and root's files are closed as they must be."""
        fields = dict(each.split("=", 1) for each in found.split())
        # Docker lists the primary group among the others, which gives no right that it has not given already.
        groups = {int(each) for each in fields["groups"].split(",") if each} - {plan.user.gid}
        writes, reads = plan.user.uid == 0, 0 in (plan.user.uid, plan.user.gid, *plan.user.groups)
        # Then that is the answer, whoever asks; gVisor looks at the rights first.
        is_closed = plan.root_filesystem is RootFilesystem.READ_ONLY
        answers = {"yes"} if writes else {"EACCES"}
        if is_closed:
            answers = answers - {"yes"} | {"EROFS"}
        return (
            found.startswith(f"uid={plan.user.uid} gid={plan.user.gid} ")
            and groups == set(plan.user.groups) - {plan.user.gid}
            and (level != "arbitrary" or fields["named"] == "no")
            and fields["write"] in answers
            and fields["read"] == ("yes" if reads else "EACCES")
        )

    def carriers(self, level: str) -> frozenset[str]:
        """Podman writes a passwd entry for whoever has none."""
        return EVERY - {"podman"} if level == "arbitrary" else EVERY


def _tried(answers: Answers, question: str) -> str:
    """Return ``yes``, or the name of the error."""
    said = answers.text(question)
    return errno.errorcode.get(int(said), said) if said.isdecimal() else said
