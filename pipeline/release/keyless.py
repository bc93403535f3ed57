"""``KeylessSigner``: signs by a key of a moment, for which an authority issues a certificate, and a log keeps an entry.

The addresses of both, and of authorities of time, come from a client trust configuration, which is a file: nothing is
asked by this module, or by the library, for anything newer.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sigstore._internal.fulcio import ExpiredCertificate  # the library has it nowhere else
from sigstore.dsse import Statement as DsseStatement
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer as SigstoreSigner
from sigstore.sign import SigningContext

from pipeline.declare.errors import KeysError, PipelineError
from pipeline.release.attest import Statement
from pipeline.release.certificate import identity_of
from pipeline.release.identity import Identity
from pipeline.release.signing import Certifying
from runtime.oci.document import DOCUMENT_LIMIT

_Answer = TypeVar("_Answer")


class KeylessSigner(Certifying):
    """See ``Certifying``. It asks nobody anything until something is to be signed.

    A certificate is of ten minutes: what is signed later has a new one, for which the token is got anew.

    Args:
        config: the client trust configuration.
        token: gives a token of the identity.
    """

    def __init__(self, config: ClientTrustConfig, token: Callable[[], IdentityToken]) -> None:
        self._config, self._token = config, token
        self._signer: SigstoreSigner | None = None

    @property
    def public(self) -> Identity:
        """Who signs, as the certificate says it.

        Raises:
            KeysError: nobody vouches for that.
        """
        return self._asked(lambda signer: identity_of(signer._signing_cert()))  # noqa: SLF001 - the library shows it nowhere else

    @property
    def trust_root(self) -> str:
        """The JSON of the trusted root by which that is verified."""
        return str(self._config.trusted_root._inner.to_json())  # noqa: SLF001 - likewise

    def certify(self, statement: Statement) -> bytes:
        """Return a bundle with a statement, its certificate and the entry of the log.

        Raises:
            RefusedEvidenceError: nobody would accept the statement.
            KeysError: the authority or the log refuses, or cannot be reached.
        """
        payload = statement.to_bytes()
        return self._asked(lambda signer: str(signer.sign_dsse(DsseStatement(payload)).to_json()).encode())

    def _asked(self, ask: Callable[[SigstoreSigner], _Answer]) -> _Answer:
        """Ask, and if the certificate has expired by now, ask with a new one."""
        try:
            try:
                return ask(self._current())
            except ExpiredCertificate:
                self._signer = None
                return ask(self._current())
        except PipelineError:
            raise
        except Exception as error:  # the library's many kinds, and those of its client of HTTP
            raise KeysError(
                f"nothing can be signed without a key: {_told(error)}",
                hint="look at the addresses in the trust configuration, and whether its authority knows the issuer",
            ) from error

    def _current(self) -> SigstoreSigner:
        """Return a signer with a certificate."""
        if self._signer is None:
            context = SigningContext.from_trust_config(self._config)
            self._signer = SigstoreSigner(self._token(), context)
        return self._signer


def keyless_signer(path: Path, token: Callable[[], IdentityToken]) -> KeylessSigner:
    """Return a signer without a key.

    Args:
        path: of the client trust configuration.
        token: gives a token of the identity.

    Raises:
        KeysError: the file cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(DOCUMENT_LIMIT)
    except OSError as error:
        raise KeysError(f"the trust configuration {path} cannot be read: {error.strerror}") from error
    try:
        config = ClientTrustConfig.from_json(raw.decode())
        _ = config.signing_config, config.trusted_root
    except Exception as error:  # likewise
        raise KeysError(
            f"{path} is no client trust configuration that can be used: {_told(error)}",
            hint="its media type is application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        ) from error
    return KeylessSigner(config, token)


def _told(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
