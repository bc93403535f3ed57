"""Packages of Debian archives: what to take, proven by signed indexes, and what is in them."""

from pipeline.build.ecosystems.debian.deb import Deb, newest_mtime, read_deb
from pipeline.build.ecosystems.debian.lock import DebianRequest, lock_debian

__all__ = ["Deb", "DebianRequest", "lock_debian", "newest_mtime", "read_deb"]
