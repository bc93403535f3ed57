"""What ``systemctl`` does with units like ours, where no systemd runs: ``python simulated_systemctl.py FOLDER VERB…``.

``enable --now`` and ``start`` run ``ExecStart`` beside this process, ``stop`` and ``disable --now`` run ``ExecStop``
to its end. Units that do not exist are refused, and so are those that were changed without a
``daemon-reload``. Nothing is started again when it ends, and nothing at a boot.

Source: systemctl(1), systemd.service(5).
"""

import configparser
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path


def main(folder, verb, *words):
    folder = Path(folder)
    loaded = folder / ".loaded"
    if verb == "daemon-reload":
        loaded.write_text("\n".join(f"{each.name} {each.stat().st_mtime_ns}" for each in folder.glob("*.service")))
        return 0
    name = words[-1]
    unit = folder / name
    known = loaded.read_text().splitlines() if loaded.exists() else []
    if not unit.exists() or f"{name} {unit.stat().st_mtime_ns}" not in known:
        sys.stderr.write(f"Unit {name} not found, or changed on disk: run daemon-reload\n")
        return 5
    service = configparser.ConfigParser(interpolation=None)
    service.optionxform = str
    service.read(unit)
    if verb == "start" or (verb == "enable" and "--now" in words):
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.Popen(argv(service, "ExecStart"), start_new_session=True, **nothing)
        time.sleep(0.5)  # as Type=exec: the program has begun, not more
        return 0
    if verb == "stop" or (verb == "disable" and "--now" in words):
        return subprocess.run(argv(service, "ExecStop"), capture_output=True, check=False).returncode
    return 1


def argv(service, key):
    return [each.replace("%%", "%").replace("$$", "$") for each in shlex.split(service["Service"][key])]


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(*sys.argv[1:]))
