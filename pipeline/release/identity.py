"""``Identity``: somebody who has no key, and for whom an issuer of identities vouches whenever something is signed."""

from dataclasses import dataclass

PREFIX = "oidc:"
"""What begins the id of an identity, and the name of a signer that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a certificate of a moment says that its holder is.

    Args:
        subject: as the certificate has it: the address of a workflow, or of mail.
        issuer: the address of whoever vouched for that; it has no ``#``.
    """

    subject: str
    issuer: str

    @property
    def id(self) -> str:
        """One text for one identity: what is revoked, and what messages say."""
        return f"{PREFIX}{self.issuer}#{self.subject}"

    @property
    def kind(self) -> str:
        """What stands in the place of a key's kind."""
        return "oidc"
