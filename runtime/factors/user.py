"""``user``: who runs the program."""

import os
from dataclasses import replace

from runtime.factors.factor import Factor
from runtime.plan import Plan, User

ARBITRARY_UID = 1000660000
"""The first uid that OpenShift gives a project on many clusters; any uid without a passwd entry shows the same bugs."""

APP_UID = 1000


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

    def apply(self, plan: Plan, level: str) -> Plan:
        """Change uid, gid, groups and home."""
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

    def probe(self, plan: Plan) -> str:  # noqa: ARG002 - what is found must not come from the plan
        """Read the ids of this process, and whether /etc/passwd knows the uid."""
        ids = [*os.getresuid(), *os.getresgid()]
        uid, gid = (ids[0], ids[3]) if len(set(ids[:3])) == len(set(ids[3:])) == 1 else (-1, -1)
        groups = ",".join(str(each) for each in sorted(os.getgroups()))
        return f"uid={uid} gid={gid} groups={groups} named={'yes' if _is_named(uid) else 'no'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """The ids are the plan's; an arbitrary uid has no passwd entry."""
        ids = f"uid={plan.user.uid} gid={plan.user.gid} groups={','.join(map(str, plan.user.groups))} "
        return found.startswith(ids) and (level != "arbitrary" or found.endswith("named=no"))


def _is_named(uid: int) -> bool:
    """Tell whether /etc/passwd of the image has an entry; not by ``pwd``, which would load libraries of the image."""
    try:
        with open("/etc/passwd", "rb") as file:  # noqa: PTH123 - pathlib is not among the warm process's modules
            return any(line.split(b":")[2:3] == [b"%d" % uid] for line in file)
    except OSError:
        return False
