import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.report import FORMATS

ROOT = Path(__file__).parents[3]
HEAVY = ("pydantic", "rich", "yaml", "junitparser", "urllib3", "uv", "pysequoia", "zstandard", "deflate")


def python(*words, **more):
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, **more
    )


@pytest.mark.parametrize("entry", ["verify", "main"])
def test_help_imports_no_heavy_module(entry):
    script = (
        f"import sys; from pipeline.cli.main import {entry}\nsys.argv = ['x', '--help']\n"
        f"try: {entry}()\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = python("-c", script)
    modules = {name.split(".")[0] for name in done.stderr.split()}
    ours = [name for name in done.stderr.split() if name.startswith(("pipeline.", "runtime."))]
    assert not modules & set(HEAVY)
    assert len(ours) <= 12, ours


def test_ascii_stream_shows_a_report_with_symbols():
    report = ROOT / "tests/golden/report/everything.json"
    done = python("-m", "pipeline.cli.main", "report", str(report), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "x DIFFERENT" in done.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_report_loads_no_other_format_than_the_one_that_is_asked_for(form):
    report = ROOT / "tests/golden/report/everything.json"
    script = (
        "import sys; from pipeline.cli.main import main\n"
        f"sys.argv = ['seatrial', 'report', {str(report)!r}, '--format', {form!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    modules = set(python("-c", script).stderr.split())
    # A report is read from JSON, whatever it is written as.
    assert {name for name in FORMATS if f"pipeline.report.{name}" in modules} == {"json", form}
    assert ("jinja2" in modules, "junitparser" in modules) == (form == "html", form == "junit")


def test_closed_pipe_ends_without_a_word():
    report = ROOT / "tests/golden/report/everything.json"
    shell = f"{sys.executable} -m pipeline.cli.main report {report} --format json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in {0, 128 + signal.SIGPIPE}
    assert done.stderr == ""


def test_bash_completion_completes(tmp_path):
    script = tmp_path / "completion.bash"
    script.write_text(python("-m", "pipeline.cli.main", "completion", "bash").stdout)
    ask = f'. {script}; COMP_WORDS=(verify --ho); COMP_CWORD=1; _seatrial; echo "${{COMPREPLY[*]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "--hosts\n"
