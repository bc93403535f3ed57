"""A small world of packages: a signed Debian archive and a Python index on one port, and nothing else anywhere.

The same port is a proxy: every other server that a program asks through it says that it has no such file.
"""

import base64
import contextlib
import hashlib
import io
import ssl
import tarfile
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from debian_archive import Archive, make_deb


class World:
    """The packages, served while it is open.

    Args:
        folder: an empty folder of its own.
        secret: signs the archive.
    """

    def __init__(self, folder, secret):
        self.folder = folder
        self.served = folder / "served"
        self.archive = Archive(self.served, secret)
        for pocket in (self.archive.main, self.archive.updates, self.archive.security):
            pocket.date = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
            pocket.valid_until = pocket.date + timedelta(days=7)
        self.archive.add("libc6", "2.36-9", essential="yes")
        self.archive.add("python3.11-minimal", "3.11.2-6", depends="libc6")
        self.archive.add("python3", "3.11.2-1", depends="python3.11-minimal")
        self.archive.add("app", depends="lib (>= 1)")
        self.archive.add("lib")
        self.archive.publish()
        self.add_wheel("blue")
        self.add_wheel("red", requires=("blue",))
        self.authority = Authority(folder)
        self.answers = {}  # by the end of a path, what answers in place of the served file
        self.redirects = {}  # by the end of a path at any server that speaks TLS, where it leads

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, directory=self.served))
        self._server.authority = self.authority
        self._server.answers = self.answers
        self._server.redirects = self.redirects
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Serve nothing more: a connection is refused."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self):
        """The variables that lead a program here and nowhere else."""
        return {
            "http_proxy": self.url,
            "https_proxy": self.url,
            "no_proxy": "127.0.0.1",
            "UV_DEFAULT_INDEX": f"{self.url}/simple",
            "SSL_CERT_FILE": str(self.authority.path),
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }

    def add_deb(self, name, version="1", *, files=None, device="", changed=bytes, **fields):
        """Add a package with files, whatever their paths are, and perhaps a device; ``changed`` spoils its bytes.

        Names in lower case are of ``make_deb``, as ``links``, the others are fields of its control file.
        """
        odd = {key: fields.pop(key) for key in list(fields) if key.islower()}
        control = {"Package": name, "Version": version, "Architecture": "all", **fields}
        content = changed(make_deb(control, files or {}, devices=(device,) if device else (), **odd))
        path = f"pool/main/{name[0]}/{name}/{name}_{version}_all.deb"
        target = self.served / "debian" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        listed = {"Filename": path, "Size": str(len(content)), "SHA256": hashlib.sha256(content).hexdigest()}
        self.archive.main.packages.append(control | listed)

    def add_wheel(
        self, name, version="1.0", *, requires=(), extra=(), unlisted=(), recorded=str, info=id, changed=bytes
    ):
        """Add a wheel to the index; ``extra`` are more members, ``unlisted`` those that its RECORD keeps quiet.

        ``recorded`` spoils its RECORD, ``info`` what the archive says of each member, ``changed`` its bytes.
        """
        folder = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        members = [
            (f"{name}.py", b""),
            (f"{folder}/METADATA", metadata.encode()),
            (f"{folder}/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            *extra,
        ]
        rows = recorded("".join(_row(path, content) for path, content in members) + f"{folder}/RECORD,,\n")
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w") as archive:
            for path, content in [*members, *unlisted, (f"{folder}/RECORD", rows.encode())]:
                member = zipfile.ZipInfo(path, (2024, 5, 6, 7, 8, 10))
                info(member)
                archive.writestr(member, content)
        self._list(name, f"{name}-{version}-py3-none-any.whl", changed(raw.getvalue()))

    def add_sdist(self, name, version="1.0", *, members=None, links=None):
        """Add a source distribution of files and symbolic links, whatever their paths are."""
        top = f"{name}-{version}"
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
            for path, content in {f"{top}/PKG-INFO": metadata, **(members or {})}.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            for path, target in (links or {}).items():
                entry = tarfile.TarInfo(path)
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                archive.addfile(entry)
        return self._list(name, f"{top}.tar.gz", raw.getvalue())

    def _list(self, project, file, content):
        page = self.served / "simple" / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        (page.parent / file).write_bytes(content)
        digits = hashlib.sha256(content).hexdigest()
        with page.open("a") as stream:
            stream.write(f'<a href="{file}#sha256={digits}">{file}</a><br>\n')
        return {"source": f"pypi:{file}", "size": len(content), "hash": f"sha256:{digits}"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Whoever asked has gone."""


class _Handler(SimpleHTTPRequestHandler):
    """Serves the folder; as a proxy it answers for every other server that there is no such file."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        for end, answer in self.server.answers.items():
            if self.path.endswith(end):
                self.close_connection = True
                answer(self)
                return
        if self.path.startswith("/"):
            super().do_GET()
        else:
            self.send_error(404)

    def do_CONNECT(self):
        """Be the server that was asked for, by a certificate of the world's own authority."""
        self.send_response(200)
        self.end_headers()
        host = self.path.rpartition(":")[0]
        context = self.server.authority.context(host)
        with contextlib.suppress(OSError), context.wrap_socket(self.connection, server_side=True) as stream:
            path = stream.recv(1 << 16).split()[1].decode()
            found = next((each for end, each in self.server.redirects.items() if path.endswith(end)), "")
            status = f"302 Found\r\nLocation: {found}" if found else "404 Not Found"
            stream.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        self.close_connection = True

    def log_message(self, *_):
        return


class Authority:
    """Signs a certificate for any server."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "authority.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        folder.mkdir(parents=True, exist_ok=True)
        certificate = self._certificate(
            self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0)
        )
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, host):
        """Return the file of a certificate for a server or a client, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:60])])
        certificate = self._certificate(subject, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(host)]))
        both = self.folder / f"{hashlib.sha256(host.encode()).hexdigest()[:16]}-{threading.get_ident()}.pem"
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        both.write_bytes(
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(encoding)
        )
        return both

    def context(self, host):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(host))
        return context

    def _certificate(self, subject, key, extension):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


def _row(path, content):
    digits = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digits},{len(content)}\n"
