"""Make a key for deployments by OpenSSH's own ssh-keygen.

OpenShift runs containers as a user that no passwd file knows. Jenkins on OpenShift could make no key and use no
repository: "No user exists for uid 1001".
"""

import subprocess


def make(path):
    """Make a key without a passphrase, and return its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "deploy", "-f", path], check=True)
    with open(f"{path}.pub", encoding="ascii") as file:
        return file.read()
