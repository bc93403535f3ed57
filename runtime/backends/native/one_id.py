"""A run where the kernel has one id only: what its plan becomes, and which levels are emulated by that.

The program owns every file then, in the kernel's eyes. What it may do with one is decided by the bits of the owner
alone: these are made the bits of the class, owner, group or others, into which the plan's user falls.
"""

from runtime.backend import Unsupported
from runtime.data import replace
from runtime.oci.owners import ROOT, Owner
from runtime.plan import Plan, User

OVERRIDE = "dac_override"
"""The capability by which a process is asked for no permission bits."""

_NAMESPACES = "user.max_user_namespaces"


def seen_mode(mode: int, owner: Owner, user: User) -> int:
    """Return the mode of a file as its only owner must have it, for ``user`` to get what the file's owner allows.

    Args:
        mode: permission bits.
        owner: whose the file is.
        user: who meets it.

    Source: path_resolution(7), "Permissions".
    """
    if user.uid == owner[0]:
        return mode
    is_member = owner[1] == user.gid or owner[1] in user.groups
    bits = mode >> 3 & 7 if is_member else mode & 7
    return mode & ~0o700 | bits << 6


def is_root(user: User) -> bool:
    """Tell whether a user is the one that a namespace of one id has by itself."""
    return (user.uid, user.gid) == ROOT


def as_one_id(plan: Plan) -> Plan:
    """Return a plan in which everything laid into the tree is root's, with the bits that the plan's user must meet."""
    user = plan.user
    files = tuple(replace(each, mode=seen_mode(each.mode, ROOT, user)) for each in plan.files)
    attributes = tuple(
        replace(each, uid=0, gid=0, mode=seen_mode(each.mode, (each.uid, each.gid), user)) for each in plan.attributes
    )
    tmpfs = tuple(
        replace(each, uid=0, gid=0, mode=seen_mode(each.mode, (each.uid, each.gid), user)) for each in plan.tmpfs
    )
    switches = dict(plan.tuning.sysctls)
    if switches.get(_NAMESPACES) == "0" and not is_root(user):
        switches[_NAMESPACES] = (
            "1"  # for the one in which the program is seen as its user; inside there is room for none
        )
    tuning = replace(plan.tuning, sysctls=switches)
    return replace(plan, files=files, attributes=attributes, tmpfs=tmpfs, tuning=tuning)


def needs_view(plan: Plan) -> bool:
    """Tell whether the program is asked for permission bits at all."""
    return not is_root(plan.user) or OVERRIDE not in plan.capabilities


def is_emulated(factor: str, level: str) -> bool:
    """Tell whether a level is only emulated where the kernel has one id."""
    return factor == "user" or (factor, level) == ("home", "unwritable")


def refusal(plan: Plan, hint: str) -> Unsupported | None:
    """Tell why a plan cannot run with one id, or None if it can.

    Args:
        plan: what is to run.
        hint: the command that gives more ids.
    """
    if plan.user.groups:
        groups = ", ".join(map(str, plan.user.groups))
        return Unsupported(reason=f"the further groups {groups} need a range of ids", hint=hint)
    if not plan.no_new_privileges and not is_root(plan.user):
        return Unsupported(reason="set-user-id programs have an effect only where there is a range of ids", hint=hint)
    return None
