"""Run commands for others."""

import signal
import subprocess


def output(command):
    """Return what a command prints."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def interrupted(command):
    """Start a command, interrupt it as soon as it says something, and return how it ended."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=_listen
    ) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        return child.wait(timeout=20)


def _listen():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
