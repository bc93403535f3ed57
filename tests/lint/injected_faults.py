"""One fault for each rule: what is changed in a sound image so that this rule, and no other, has something to say.

No two are alike. What looks like a secret is none: all of it was made up.
"""

import io
import tarfile
from dataclasses import dataclass, field

from crafted_images import (
    ACCOUNTS,
    EPOCH,
    SHADOW,
    SOURCE,
    STATUS,
    Item,
    bytecode,
    file,
    folder,
    link,
    loader_cache,
    pack,
)

KEY = "-----BEGIN {}PRIVATE KEY-----\n" + "QUJDRA" * 10 + "==\n-----END {}PRIVATE KEY-----\n"
CLOUD = "AKIA" + "EXAMPLE0" * 2
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


@dataclass(frozen=True)
class Fault:
    """What is changed: paths of the one layer, layers on top of it, the configuration."""

    base: dict[str, Item | None] = field(default_factory=dict)
    over: tuple[bytes, ...] = ()
    run: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)


def at(path: str, content: str | bytes = "content\n", **more) -> Fault:
    return Fault(base={path: file(content, **more)})


def over(*layers: list[tuple[str, Item]]) -> Fault:
    return Fault(over=tuple(pack(each) for each in layers))


def with_device() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        device = tarfile.TarInfo("dev/null")
        device.type, device.devmajor, device.devminor, device.mode = tarfile.CHRTYPE, 1, 3, 0o666
        archive.addfile(device)
    return out.getvalue()


def with_environment(*variables: str) -> Fault:
    return Fault(run={"Env": ["PATH=/usr/bin", *variables]})


FAULTS = {
    # secrets
    "netrc": at("root/.netrc", "machine example.org login me password hidden\n"),
    "pip-credentials": at("etc/pip.conf", "[global]\nindex-url = https://me:hidden@pypi.example.org/simple\n"),
    "npm-token": at("home/app/.npmrc", "//registry.example.org/:_authToken=hidden0hidden\n"),
    "docker-credentials": at("root/.docker/config.json", '{"auths": {"r.example.org": {"auth": "bWU6aGlkZGVu"}}}'),
    "git-credentials": at("root/.git-credentials", "https://me:hidden@git.example.org\n"),
    "cloud-key": at("root/.aws/credentials", "[default]\naws_secret_access_key = hidden0hidden\n"),
    "kube-config": at("root/.kube/config", "users:\n- name: me\n  user:\n    token: hidden0hidden\n"),
    "password-file": at("app/.env", "LOG=info\nDATABASE_PASSWORD=hidden0hidden\n"),
    "gpg-secret-key": at("root/.gnupg/private-keys-v1.d/0123.key", "(protected-private-key)"),
    "private-key": at("app/tls/server", KEY.format("RSA ", "RSA ")),
    "ssh-host-key": at("etc/ssh/ssh_host_ed25519_key", KEY.format("OPENSSH ", "OPENSSH "), mode=0o600),
    "ssh-trust": at("root/.ssh/authorized_keys", "ssh-ed25519 AAAA builder\n"),
    "hidden-secret": over([("srv/key", file(KEY.format("EC ", "EC ")))], [("srv/.wh.key", file(""))]),
    # the machine and the network of the build
    "host-name": at("etc/hostname", "builder-7\n"),
    "resolv-conf": at("etc/resolv.conf", "nameserver 192.0.2.1\n"),
    "hosts-entries": at("etc/hosts", "127.0.0.1 localhost\n192.0.2.7 mirror.example.org mirror\n"),
    "mirror-address": at("etc/apt/sources.list", "deb http://mirror.internal/debian bookworm main\n"),
    "apt-credentials": at("etc/apt/auth.conf.d/private", "machine example.org login me password hidden\n"),
    "apt-proxy": at("etc/apt/apt.conf.d/99proxy", 'Acquire::http::Proxy "http://192.0.2.9:3128";\n'),
    "proxy-file": at("etc/environment", "https_proxy=http://192.0.2.9:3128\n"),
    "proxy-environment": with_environment("HTTPS_PROXY=http://192.0.2.9:3128"),
    "host-environment": with_environment("HOSTNAME=builder-7"),
    "machine-id": at("etc/machine-id", "0123456789abcdef" * 2 + "\n"),
    "dbus-machine-id": at("var/lib/dbus/machine-id", "fedcba9876543210" * 2 + "\n"),
    "random-seed": at("var/lib/systemd/random-seed", bytes(range(256)), mode=0o600),
    # what a build leaves behind
    "shell-history": at("root/.bash_history", "ls\n"),
    "log": at("var/log/dpkg.log", "2026-01-01 00:00:00 startup archives unpack\n"),
    "apt-lists": at("var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease", "Origin: Debian\n"),
    "apt-archives": at("var/cache/apt/archives/dash_1_amd64.deb", "!<arch>\n"),
    "apt-cache": at("var/cache/apt/pkgcache.bin", "\x98\xfe"),
    "pip-cache": at("root/.cache/pip/http-v2/a/b", "wheel"),
    "npm-cache": at("root/.npm/_cacache/index-v5/aa/bb", "entry"),
    "compiler-cache": at("root/.cargo/registry/cache/index/serde.crate", "crate"),
    "ldconfig-cache": at("var/cache/ldconfig/aux-cache", "glibc-ld.so.auxcache-1.0"),
    "account-backup": at("etc/passwd-", "root:x:0:0:root:/root:/bin/sh\n"),
    "database-backup": at("var/lib/dpkg/status-old", STATUS),
    "temporary-file": at("tmp/build.out", "half"),
    "run-file": at("run/nginx.pid", "17\n"),
    "editor-backup": at("app/main.py~", SOURCE),
    "desktop-file": at("app/.DS_Store", "Bud1"),
    "tool-cache": at("app/.pytest_cache/v/cache/lastfailed", "{}"),
    "core-dump": at("app/core.17", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00\x3e\x00"),
    "version-control": at("app/.git/HEAD", "ref: refs/heads/main\n"),
    "ci-file": at("app/.gitlab-ci.yml", "build: {script: [make]}\n"),
    "test-file": at("app/tests/test_main.py", "def test(): pass\n"),
    # byte-code
    "bytecode-unchecked": at("app/__pycache__/main.cpython-311.pyc", bytecode(1)),
    "bytecode-stale": at("app/__pycache__/main.cpython-311.pyc", bytecode(0, EPOCH - 60, len(SOURCE))),
    "bytecode-orphan": at("app/__pycache__/gone.cpython-311.pyc", bytecode(3)),
    "bytecode-version": at("app/__pycache__/main.cpython-39.pyc", bytecode(3)),
    # libraries and links
    "ld-so-cache-missing": Fault(base={"etc/ld.so.cache": None}),
    "ld-so-cache-stale": at("etc/ld.so.cache", loader_cache("/lib/x86_64-linux-gnu/libz.so.1")),
    "dangling-link": Fault(base={"usr/bin/awk": link("/etc/alternatives/awk")}),
    "link-above-root": Fault(base={"app/data": link("../../../srv/data")}),
    "link-to-builder": Fault(base={"app/lib": link("/home/alice/project/lib")}),
    # rights
    "setuid-program": at("usr/bin/helper", "program", mode=0o4755),
    "file-capability": at("usr/bin/helper", "program", mode=0o755, xattrs={"security.capability": CAPABILITY}),
    "world-writable-file": at("app/settings", "a=1\n", mode=0o666),
    "world-writable-folder": Fault(base={"app/data": folder(0o777)}),
    "program-owner": at("usr/local/bin/tool", "program", mode=0o755, uid=1000),
    "secret-readable": at("etc/shadow", SHADOW, mode=0o644),
    # packages
    "package-without-list": at("var/lib/dpkg/status", f"{STATUS}\n{STATUS.replace('dash', 'tar')}"),
    "package-half-installed": at("var/lib/dpkg/status", STATUS.replace("ok installed", "ok half-configured")),
    "package-twice": at("var/lib/dpkg/status", f"{STATUS}\n{STATUS}"),
    "list-without-package": at("var/lib/dpkg/info/tar:amd64.list", "/bin/tar\n"),
    "package-pending": at("var/lib/dpkg/updates/0001", STATUS),
    # users
    "password-empty": at("etc/shadow", SHADOW.replace("app:!", "app:"), mode=0o640),
    "password-hash": at("etc/shadow", SHADOW.replace("root:*", "root:$y$j9T$c2FsdA$aGFzaA"), mode=0o640),
    "uid-twice": at("etc/passwd", f"{ACCOUNTS}other:x:1000:1000::/home/app:/bin/sh\n"),
    "name-twice": at("etc/group", "root:x:0:\napp:x:1000:\napp:x:1001:\n"),
    "root-twin": at("etc/passwd", f"{ACCOUNTS}toor:x:0:0::/root:/bin/sh\n"),
    "home-missing": at("etc/passwd", ACCOUNTS.replace("/home/app", "/home/gone")),
    "user-unknown": Fault(run={"User": "stranger"}),
    # layers
    "device-node": Fault(over=(with_device(),)),
    "layer-refused": Fault(over=(pack([("/etc/absolute", file())]),)),
    "entries-unsorted": over([("srv/b", file()), ("srv/a", file())]),
    "entry-twice": over([("srv/a", file("1")), ("srv/a", file("2"))]),
    "newer-than-image": at("app/late", mtime=EPOCH + 1),
    "useless-whiteout": over([("srv/.wh.gone", file(""))]),
    "deleted-file": over([("srv/large", file(bytes(5000)))], [("srv/.wh.large", file(""))]),
    "empty-layer": over([]),
    # configuration
    "root-user": Fault(run={"User": "0"}),
    "no-user": Fault(run={"User": ""}),
    "environment-secret": with_environment("DATABASE_PASSWORD=hidden"),
    "environment-twice": with_environment("A=1", "A=2"),
    "build-path": Fault(run={"WorkingDir": "/home/alice/project"}),
    "label-floating": Fault(run={"Labels": {"org.opencontainers.image.version": "latest"}}),
    "label-secret": Fault(run={"Labels": {"source": "https://me:hidden@git.example.org/app"}}),
    "port-malformed": Fault(run={"ExposedPorts": {"http": {}}}),
    "history-secret": Fault(config={"history": [{"created_by": f"RUN aws configure set key {CLOUD}"}]}),
    "created-in-future": Fault(config={"created": "2040-01-01T00:00:00Z"}),
    "program-missing": Fault(run={"Entrypoint": ["/usr/bin/gone"]}),
}
