"""A certificate judged as Synapse judges it: the chain, the time, and the names it is for.

Only the subject alternative names count, never the common name (RFC 6125, and service_identity, which
Synapse uses).
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

_WARNING = timedelta(days=14)
_SELF_SIGNED = 18
_UNTRUSTED_ROOT = 19
_ISSUER_UNKNOWN = frozenset({2, 20, 21})
_NOT_YET_VALID = 9
_EXPIRED = 10
_TIMES = frozenset({_NOT_YET_VALID, _EXPIRED})  # reported with the date, which OpenSSL omits
_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class Certificate:
    """The parts of a certificate that checks use.

    Attributes:
        names: the DNS names and IP addresses that it is for.
        issuer: its issuer, in words.
    """

    names: tuple[str, ...]
    starts: datetime
    ends: datetime
    issuer: str

    def covers(self, name: str) -> bool:
        """Whether the certificate is for this DNS name or IP address."""
        try:
            wanted = ip_address(name)
        except ValueError:
            return any(_matches(pattern, name) for pattern in self.names)
        return any(_is_same(pattern, wanted) for pattern in self.names)


def read(der: bytes) -> Certificate | None:
    """Read a certificate; None where it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        issuer = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return Certificate(
            names=_names(certificate),
            starts=certificate.not_valid_before_utc,
            ends=certificate.not_valid_after_utc,
            issuer=str(issuer[0].value) if issuer else certificate.issuer.rfc4514_string(),
        )
    except ValueError:
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def _matches(pattern: str, name: str) -> bool:
    pattern, name = pattern.lower().removesuffix("."), name.lower().removesuffix(".")
    if pattern.startswith("*."):
        # One label, and never `*.org`.
        head, _, rest = name.partition(".")
        return bool(head) and "." in rest and rest == pattern[2:]
    return pattern == name


def _is_same(text: str, wanted: object) -> bool:
    try:
        return ip_address(text) == wanted
    except ValueError:
        return False


def problems(
    certificate: Certificate | None, name: str, chain: ssl.SSLCertVerificationError | None, now: datetime
) -> tuple[str, ...]:
    """Return why other servers do not accept a certificate, each reason as a clause.

    Args:
        certificate: the certificate that the server sent; None where it cannot be read.
        name: the name that it must have.
        chain: OpenSSL's error about the chain.
        now: the time, with its zone.
    """
    if certificate is None:
        return ("the certificate cannot be read",)
    problems = []
    if now > certificate.ends:
        problems.append(f"the certificate expired on {certificate.ends:%Y-%m-%d}")
    if now < certificate.starts:
        problems.append(f"the certificate is not valid before {certificate.starts:%Y-%m-%d %H:%M} UTC")
    if chain is not None and not (chain.verify_code in _TIMES and problems):
        problems.append(_chain_problem(chain, certificate))
    if not certificate.covers(name):
        names = ", ".join(certificate.names[:_SHOWN_NAMES]) or "no name at all"
        more = len(certificate.names) - _SHOWN_NAMES
        problems.append(
            f"the certificate is not for {name}, but for {names}{f' and {more} more' if more > 0 else ''}"
        )
    return tuple(problems)


def _chain_problem(chain: ssl.SSLCertVerificationError, certificate: Certificate) -> str:
    if chain.verify_code == _SELF_SIGNED:
        return "the certificate is self-signed, which other servers do not accept"
    if chain.verify_code == _UNTRUSTED_ROOT:
        return f"the certificate comes from an authority that is not trusted ({certificate.issuer})"
    if chain.verify_code in _ISSUER_UNKNOWN:
        return (
            f"the certificate's issuer ({certificate.issuer}) is not known: serve the whole chain "
            "(fullchain.pem, not cert.pem), or it is a private authority"
        )
    if chain.verify_code == _EXPIRED:
        return "a certificate of the chain has expired"
    return f"the certificate's chain is not valid: {chain.verify_message}"


def expires_soon(certificate: Certificate, now: datetime) -> bool:
    """Whether the certificate expires within 14 days."""
    return certificate.ends - now < _WARNING


def days_left(certificate: Certificate, now: datetime) -> int:
    """Return for how many whole days the certificate is still valid."""
    return (certificate.ends - now).days


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)
