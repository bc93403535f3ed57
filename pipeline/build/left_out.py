"""What dpkg leaves in a Debian tree and no layer may hold: locks, copies of what was, caches of this making."""

import os

PACKAGES = "debs"
"""The folder of package files in the tree, while it is made."""

LEFT_OUT = tuple(
    os.fsencode(path)
    for path in (
        PACKAGES,
        "etc/.pwd.lock",
        "etc/group-",
        "etc/gshadow-",
        "etc/hostname",
        "etc/passwd-",
        "etc/resolv.conf",
        "etc/shadow-",
        "usr/sbin/policy-rc.d",
        "var/cache/debconf/config.dat-old",
        "var/cache/debconf/templates.dat-old",
        "var/cache/ldconfig/aux-cache",
        "var/lib/dbus/machine-id",
        "var/lib/dpkg/available",
        "var/lib/dpkg/diversions-old",
        "var/lib/dpkg/lock",
        "var/lib/dpkg/lock-frontend",
        "var/lib/dpkg/statoverride-old",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/triggers/Lock",
        "var/log/alternatives.log",
        "var/log/bootstrap.log",
        "var/log/dpkg.log",
    )
)
