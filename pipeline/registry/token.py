"""``Authorizer``: how a registry is told who asks, by name and password or by a token.

Source: the token authentication of the distribution project, "token" and "oauth".
"""

import re
import threading
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import ChallengeError
from pipeline.registry.credential_program import Credential
from pipeline.registry.credentials import basic_header, find_credential
from pipeline.registry.http import Connections
from runtime.canonical import Json
from runtime.oci.document import parse_document, text
from runtime.oci.remote import Remote

_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_TOKEN_LIMIT = 64 * 1024


class Authorizer:
    """Answers the challenges of one registry; safe to use from several threads.

    Args:
        remote: names the repository.
        connections: reach the registry.
        actions: what is to be done in the repository, as ``pull,push``.
        others: repositories that are read beside it.
    """

    def __init__(self, remote: Remote, connections: Connections, actions: str, others: tuple[str, ...] = ()) -> None:
        self._remote = remote
        self._connections = connections
        self._scopes = (
            f"repository:{remote.repository}:{actions}",
            *(f"repository:{each}:pull" for each in others),
        )
        self._lock = threading.Lock()
        self._header = ""
        self._is_proven = False

    @property
    def header(self) -> str:
        """The header of each request now; empty before the first challenge."""
        return self._header

    def prove(self, used: str) -> None:
        """Note that a request was accepted with a header: when it is not any more, it has expired."""
        if used and used == self._header:
            self._is_proven = True

    def renew(self, used: str, error: ChallengeError) -> None:
        """Answer a challenge, once: a header that was never accepted is not asked for again.

        Args:
            used: the header of the request that was refused.
            error: says how the registry wants to be asked.

        Raises:
            ChallengeError: the one that was given, if there is no better answer.
            FetchError: the registry wants to be asked in a way that is not known, or gives no token.
        """
        with self._lock:
            if used != self._header:
                return  # Another thread has answered meanwhile.
            if used and not self._is_proven:
                raise error
            self._header, self._is_proven = self._answer(error.challenge), False

    def _answer(self, challenge: str) -> str:
        """Return the header that a registry asks for: name and password, or a token."""
        own = find_credential(self._connections.access.registry_files, self._remote.host, self._remote.repository)
        if own and not own.is_identity and challenge.lower().startswith("basic"):
            return basic_header(own)
        return f"Bearer {self._token(challenge, own)}"

    def _token(self, challenge: str, own: Credential | None) -> str:
        """Return a token; credentials for it are the registry's own, or those of the realm's host in netrc."""
        fields = dict(_PARAMETER.findall(challenge))
        realm = fields.get("realm", "")
        schemes = {"https", urlsplit(self._remote.base).scheme}
        if not challenge.lower().startswith("bearer ") or urlsplit(realm).scheme not in schemes:
            raise FetchError(
                f"the registry of {self._remote.text} wants to be asked in another way than by a token over TLS"
            )
        if urlsplit(realm).scheme != "https" and urlsplit(realm).netloc != urlsplit(self._remote.base).netloc:
            own = None  # A password goes in plain text to the registry of this machine alone.
        said = self._ask(realm, {"service": fields["service"]} if "service" in fields else {}, own)
        found = text(said.get("token") or said.get("access_token") or "", "the token of a registry")
        if not found or not found.isascii() or not found.isprintable():
            raise FetchError(f"the registry of {self._remote.text} gives no token")
        return found

    def _ask(self, realm: str, service: Mapping[str, str], own: Credential | None) -> Mapping[str, Json]:
        if own is not None and own.is_identity:
            form = {"grant_type": "refresh_token", "client_id": "seatrial", "scope": " ".join(self._scopes)}
            content = urlencode({**form, **service, "refresh_token": own.secret}).encode()
            raw = self._connections.post(realm, content, _TOKEN_LIMIT)
        else:
            query = urlencode([*(("scope", each) for each in self._scopes), *service.items()])
            joined = f"{realm}{'&' if '?' in realm else '?'}{query}"
            raw = self._connections.read(joined, _TOKEN_LIMIT, authorization=basic_header(own) if own else "")
        return parse_document(raw, "the token of a registry")
