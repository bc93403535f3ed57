"""Which packages have a script that has to run before their files are there.

Most such scripts are debhelper's, and hold calls of ``dpkg-maintscript-helper`` alone, which changes what an older
version of the package has left. Where there was none it does nothing, and neither does the script.

Source: dpkg-maintscript-helper(1); debhelper's dh_installdeb(1), "package.maintscript".
"""

import re

from pipeline.build.ecosystems.debian.deb import Deb

_PATH = r"(?:/[A-Za-z0-9@%+,:._-]+)+"
_TARGET = r"[A-Za-z0-9@%+,:._/-]+"
_CHARACTER = r"(?:[A-Za-z0-9.]|\\?[+~])"
_VERSION = rf"(?:[0-9]{{1,9}}:)?[0-9]{_CHARACTER}*(?:-{_CHARACTER}+)*"
_NAME = r"[a-z0-9][a-z0-9+.-]*"
_MOVES = f"rm_conffile {_PATH}|mv_conffile {_PATH} {_PATH}|(?:symlink_to_dir|dir_to_symlink) {_PATH} {_TARGET}"
_CALL = rf'dpkg-maintscript-helper (?:{_MOVES})(?: {_VERSION}(?: {_NAME})?)? -- "\$@"'
_FIRST = re.compile(r"#! ?/bin/sh(?: -e)?")
_LINE = re.compile(rf"(?:#.*|set -e|exit 0|{_CALL})?[ \t]*")
"""One of a script that does nothing: of words that a shell takes as they are, or with a backslash before a sign."""


def has_first_script(package: Deb) -> bool:
    """Tell whether a package that was not there before has a script that does something before its files are there."""
    script = package.control_files.get("preinst")
    if script is None:
        return False
    first, *lines = script.decode("utf-8", "replace").split("\n")
    return not _FIRST.fullmatch(first) or not all(map(_LINE.fullmatch, lines))
