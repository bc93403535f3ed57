"""What some packages make when they are installed and what belongs to one machine: keys, database clusters.

An image has none of it: a key in an image is everybody's, and each making of it is another one. The programs that make
such things do nothing while the packages' scripts run; afterwards they are there for the first use.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

MAKERS: Mapping[str, str] = MappingProxyType(
    {
        "bind9-utils": "/usr/sbin/rndc-confgen",  # the key by which a name server is controlled
        "mariadb-server-core": "/usr/bin/mysql_install_db",  # databases, with an identifier of their own
        "openssh-client": "/usr/bin/ssh-keygen",  # the keys by which a host is known
        "postgresql-common": "/usr/bin/pg_createcluster",  # a cluster, with an identifier of its own
        "ssl-cert": "/usr/sbin/make-ssl-cert",  # a key, and a certificate in the name of the machine
    }
)
"""Package → its program."""

MADE: Mapping[str, str] = MappingProxyType({"bind9-utils": "/etc/bind/rndc.key"})
"""Package → the file that has to be there, empty, while scripts run: they go on only where it was made."""


def before_scripts(packages: Collection[str]) -> str:
    """Return the lines of shell that run before the scripts of packages; none where no package makes such things."""
    return "".join(
        f"mv {maker} {maker}.kept\nprintf '#!/bin/sh\\n{_making(package)}' > {maker} && chmod 755 {maker}\n"
        for package, maker in MAKERS.items()
        if package in packages
    )


def after_scripts(packages: Collection[str]) -> str:
    """Return those that run after them."""
    return "".join(
        f"mv {maker}.kept {maker}\n" + (f"rm -f {MADE[package]}\n" if package in MADE else "")
        for package, maker in MAKERS.items()
        if package in packages
    )


def _making(package: str) -> str:
    return f": > {MADE[package]}\\n" if package in MADE else ""
