"""Environments in Go, Rust and Java: compiled in stages, verified, and without a compiler in what ships."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.network, pytest.mark.slow]

LANGUAGES = [
    # name, what the image has of the stage, what it must not have, the package that only the stage has, what differs
    ("go", "usr/bin/tally", "usr/bin/go", "golang-1.19-go", []),
    ("rust", "usr/bin/knots", "usr/bin/rustc", "rustc", []),
    ("java", "usr/share/java/berths.jar", "usr/bin/javac", "openjdk-17-jdk-headless", [{"locale": "C"}]),
]


def command(built, *words):
    environment = {**os.environ, "SEATRIAL_STORE": str(built.store)}
    program = (sys.executable, "-m", "pipeline.cli.main", *words)
    return subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", LANGUAGES, ids=[each[0] for each in LANGUAGES])
def test_compiled_environment_is_verified_and_its_compiler_does_not_ship(build, case):
    name, made, absent, compiler, causes = case
    built, spec = build(f"examples/{name}"), f"envs/examples/{name}.yaml"
    image = built.entries(built.image)
    assert image[made].isfile()
    assert absent not in image
    done = command(built, "verify", "--locked", "--hosts", "quick", "--json", spec)
    found = json.loads(done.stdout)
    assert (found["verdict"], done.returncode) == (("FAILED", 1) if causes else ("PASSED", 0)), done.stdout
    (environment,) = found["environments"]
    differences = [each for host in environment["hosts"] for each in host.get("differences", ())]
    told = [each["cause"]["factors"] for each in differences]
    assert all(each in causes for each in told)
    assert bool(told) == bool(causes)
    assert environment["image"] == built.image.text
    assert len(environment["hosts"]) == 7
    bill = json.loads(command(built, "bill", spec).stdout)
    assert compiler not in {each["name"] for each in bill["components"]}
    statement = json.loads(command(built, "bill", spec, "--format", "provenance").stdout)
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    (told,) = (each for each in inputs if each["name"] == compiler)
    assert told["annotations"]["stages"] == "build"


def test_keystore_of_java_is_accepted_with_its_clamped_dates(build):
    built = build("examples/java")
    listed = ("keytool", "-list", "-cacerts", "-storepass", "changeit")
    done = command(built, "run", "envs/examples/java.yaml", "--", *listed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trustedCertEntry" in done.stdout
