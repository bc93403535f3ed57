"""Packages of Debian archives: what to take, proven by signed indexes, and what is in them."""

from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe
from pipeline.build.ecosystems.debian.deb import Deb, newest_mtime, read_deb
from pipeline.build.ecosystems.debian.lock import lock_debian

__all__ = ["Deb", "DebianRequest", "lock_debian", "newest_mtime", "read_deb", "read_universe"]
