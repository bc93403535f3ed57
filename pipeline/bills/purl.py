"""Package URLs: what scanners and registries call a package.

Source: purl-spec, "Rules for each purl component", and its types deb, generic, npm, oci and pypi.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from pipeline.build.artifact import LockedPackage
from runtime.digest import Digest


def package_url(package: LockedPackage, distribution: str) -> str:
    """Return the package URL of a locked package.

    What is in no archive that has a type of its own, as a file from a URL, is ``generic``, told apart by its hash.

    Args:
        package: its archive decides the type.
        distribution: the suite of Debian, for what comes from Debian.
    """
    name, version, file = package.name, package.version, package.artifact
    match file.archive:
        case "debian" | "debian-security":
            return _url("deb/debian", name, version, {"arch": package.architecture, "distro": distribution})
        case "pypi":
            normal = re.sub(r"[-_.]+", "-", name).lower()  # PEP 503, which the type demands
            return _url("pypi", normal, version, {"file_name": file.name})
        case "npm":
            scope, slash, own = name.rpartition("/")
            return _url(f"npm/{_escaped(scope)}" if slash else "npm", own, version, {})
        case _:
            return _url("generic", name, version, {"checksum": file.hash})


def image_url(name: str, manifest: Digest, architecture: str) -> str:
    """Return the package URL of an image; it names no registry, for the same bytes may be in many.

    Args:
        name: its last part is what counts, in lower case.
        manifest: digest of its manifest.
        architecture: as its config has it.
    """
    return _url("oci", name.rpartition("/")[2].lower(), manifest.text, {"arch": architecture})


def _url(kind: str, name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    """Write a URL whose parts are escaped; an empty part is left out, qualifiers are in the order of their keys."""
    at = f"@{_escaped(version)}" if version else ""
    asked = "&".join(f"{key}={_escaped(value)}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{_escaped(name)}{at}" + (f"?{asked}" if asked else "")


def _escaped(text: str) -> str:
    return quote(text, safe=":")  # the colon stays as it is, everything else but letters, digits and "-._~" does not
