"""``compile_with_uv``: uv as a program, shut off from the host's configuration, interpreter and variables."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.build.sources import Sources
from pipeline.declare.errors import FetchError, ResolveError

TIMEOUT = 600
"""Seconds after which uv is ended: it retries each request by itself."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_KEPT = ("HOME", "PATH", "NETRC", "TMPDIR", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_NETWORK = re.compile(
    r"Failed to fetch|error sending request|Could not connect|dns error|timed out|Request failed|client error|401|403"
)
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def compile_with_uv(
    arguments: Sequence[str], *, sources: Sources, work: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run ``uv pip compile``, which writes where its arguments say.

    Args:
        arguments: its arguments.
        sources: where the index is reached; its credentials go by the environment, which other users cannot read.
        work: the folder that uv runs in and keeps its cache in.
        environment: the caller's variables, of which few are handed on; those of this process by default.

    Raises:
        ResolveError: nothing satisfies the requirements; the message is uv's own reason.
        FetchError: the index could not be read, or uv did not end.
    """
    import uv  # noqa: PLC0415 - finds its program at import, and only locking needs it

    command = [
        uv.find_uv_bin(),
        *("pip", "compile", *arguments),
        *("--no-config", "--no-header", "--no-annotate", "--no-progress", "--color=never"),
        *("--no-python-downloads", "--python", sys.executable, "--cache-dir", str(work / "uv-cache")),
    ]
    libc = ctypes.CDLL(None)
    try:
        done = subprocess.run(  # noqa: S603 - our own program, and arguments in a list
            command,
            cwd=work,
            env=_environment(sources, os.environ if environment is None else environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            # A killed caller leaves no uv behind; prctl alone is called between fork and exec.
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"uv did not end within {TIMEOUT} s") from None
    if done.returncode != 0:
        raise _error(done.stderr.decode("utf-8", "backslashreplace"), done.returncode)


def condensed(stderr: str) -> str:
    """Return uv's own reason in one line: its causes without heads, hints and credentials."""
    text = _CREDENTIALS.sub("://", _COLOR.sub("", stderr))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("warning")]
    heads = re.compile(r"^(\d+ errors?:|error:|\u00d7|╰─▶|├─▶|│|cause:|Caused by:|hint:)\s*")
    bare = []
    for line in lines:
        shorter = heads.sub("", line)
        while shorter != line:
            line, shorter = shorter, heads.sub("", shorter)  # noqa: PLW2901 - heads are stacked
        if line and not line.startswith("No solution found when resolving"):
            bare.append(line)
    return " ".join(bare)[:2000]


def _error(stderr: str, code: int) -> FetchError | ResolveError:
    reason = condensed(stderr) or f"uv ended with {code} and said nothing"
    if _NETWORK.search(stderr) and "unsatisfiable" not in stderr:
        return FetchError(
            f"the Python index cannot be read: {reason}",
            hint="check the network, and the index that UV_DEFAULT_INDEX or pip's index-url names",
        )
    return ResolveError(f"no Python packages satisfy what is asked for: {reason}", hint=_next_step(reason))


def _next_step(reason: str) -> str:
    if "not found in the package registry" in reason:
        return "check the name in `python:`, and the index that UV_DEFAULT_INDEX or pip's index-url names"
    if "building from source is disabled" in reason:
        return "ask for a version that has a wheel; building from source is not supported yet"
    return "loosen one of the requirements that it names"


def _environment(sources: Sources, caller: Mapping[str, str]) -> dict[str, str]:
    environment = {name: caller[name] for name in _KEPT if name in caller}
    environment["UV_DEFAULT_INDEX"] = sources.pypi_index
    if sources.ca_file is not None:
        environment["SSL_CERT_FILE"] = str(sources.ca_file)
    if sources.netrc is not None:
        environment["NETRC"] = str(sources.netrc)
    for scheme, proxy in sources.proxies.items():
        if scheme in {"http", "https", "all", "no"}:
            environment[f"{scheme}_proxy".upper()] = proxy
    return environment
