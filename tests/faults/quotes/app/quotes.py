"""Quotes that were fetched before."""

import hashlib
from pathlib import Path


def folder():
    return Path.home() / ".cache" / "quotes"


def name_of(symbol, day):
    return hashlib.sha256(f"{symbol} {day}".encode()).hexdigest()[:16]
