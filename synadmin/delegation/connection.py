"""One TLS connection to one address, and GET requests over it: each bounded in time and size.

``requests`` cannot connect to one address, check the certificate for another name, and send a third name in
``Host``; discovery needs all three.
"""

import errno
import socket
import ssl
from datetime import datetime
from typing import Self

from synadmin._version import __version__
from synadmin.delegation import certificate
from synadmin.delegation.certificate import Certificate
from synadmin.delegation.names import Address
from synadmin.errors import ConnectError, SettingsError
from synadmin.http.deadline import Deadline
from synadmin.http.reader import Answer, UnreadableError, read

_AT_ONCE = 65_536  # bytes
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
# OpenSSL reports a closed connection in one of these ways, depending on the moment.
_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, BrokenPipeError)


class NoAnswerError(ConnectError):
    """No answer from an address.

    Attributes:
        refused: no server listens there.
        no_route: this machine has no route to such an address (it has no IPv6, for example).
        timed_out: no answer came in time.
        connected: the server took the connection.
        insecure: a server answered, but TLS with it failed.
    """

    def __init__(
        self,
        message: str,
        *,
        refused: bool = False,
        no_route: bool = False,
        timed_out: bool = False,
        connected: bool = False,
        insecure: bool = False,
    ) -> None:
        super().__init__(message)
        self.refused = refused
        self.no_route = no_route
        self.timed_out = timed_out
        self.connected = connected
        self.insecure = insecure


class Trust:
    """The trusted certificate authorities: the system's, as in Synapse, or those of a file."""

    def __init__(self, ca_file: str | None = None) -> None:
        """Load the certificates.

        Raises:
            SettingsError: the file has no certificates.
        """
        try:
            self.verifying = ssl.create_default_context(cafile=ca_file)
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or error.strerror or str(error)
            raise SettingsError(
                f"SYNADMIN_CA_FILE: {ca_file} holds no certificates ({reason.lower().replace('_', ' ')})"
            ) from None
        # certificate.py compares the name, so that one problem does not hide another.
        self.verifying.check_hostname = False
        # Newer Pythons are stricter here than any homeserver is.
        self.verifying.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self.unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.unverified.check_hostname = False
        self.unverified.verify_mode = ssl.CERT_NONE
        for context in (self.verifying, self.unverified):
            context.set_alpn_protocols(["http/1.1"])


def content_type(answer: Answer) -> str:
    """Return the media type of an answer, without its parameters."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


class TlsConnection:
    """A TLS connection. As a context manager it is closed on exit."""

    def __init__(self, address: Address, name: str, context: ssl.SSLContext, deadline: Deadline) -> None:
        """Connect.

        Args:
            address: the address.
            name: sent as SNI, unless it is an IP address (for which there is no SNI).
            context: one of the contexts of :class:`Trust`.
            deadline: the time by which the handshake has to end.

        Raises:
            NoAnswerError: no server answers, or it answers without TLS.
            ssl.SSLCertVerificationError: the certificate's chain is not trusted.
        """
        self.address = address
        self.closed = False
        """The connection takes no further request."""
        plain = _open_socket(address, deadline)
        try:
            plain.settimeout(deadline.left())
            self._socket = context.wrap_socket(plain, server_hostname=name)
        except ssl.SSLCertVerificationError:
            plain.close()
            raise
        except (OSError, ValueError, UnicodeError) as error:
            plain.close()
            raise _explain_handshake(address, name, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    @property
    def certificate(self) -> bytes:
        """Return the certificate that was shown, as DER."""
        return self._socket.getpeercert(binary_form=True) or b""

    def get(self, target: str, host: str, deadline: Deadline, *, most: int = 65_536) -> Answer:
        """Ask for a path.

        Args:
            target: path and query, percent-encoded.
            host: the ``Host`` header.
            deadline: the time by which the whole answer has to arrive.
            most: the largest size of the body, in bytes.

        Raises:
            NoAnswerError: no answer came, or an answer that is not HTTP.
        """
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: synadmin/{__version__}\r\n"
            "Accept: application/json\r\n\r\n"
        )

        def receive() -> bytes:
            # A timeout for each byte would never end for a server that sends a byte a second.
            self._socket.settimeout(deadline.left())
            return self._socket.recv(_AT_ONCE)

        self.closed = True
        try:
            self._socket.settimeout(deadline.left())
            self._socket.sendall(request.encode("ascii"))
            answer = read(receive, most=most, cut=True)
        except TimeoutError:
            message = f"{self.address} is connected, but the answer to GET {target} did not come in time"
            raise NoAnswerError(message, timed_out=True) from None
        except (OSError, ValueError) as error:
            message = f"{self.address} did not answer GET {target} in HTTP ({_error_text(error)})"
            raise NoAnswerError(message) from None
        self.closed = not answer.keeps
        if self.closed:
            self.close()
        return answer


def connect(
    address: Address, name: str, trust: Trust, deadline: Deadline, now: datetime
) -> tuple[TlsConnection, Certificate | None, tuple[str, ...]]:
    """Connect, and check the certificate. A wrong certificate does not end the connection.

    Args:
        address: the address.
        name: the name that the certificate must have; sent as SNI.
        trust: the trusted certificates.
        deadline: the time by which both attempts have to end.
        now: the time, with its zone.

    Returns:
        The connection, the certificate (None: it cannot be read), and its problems.

    Raises:
        NoAnswerError: no server answers, or it answers without TLS.
    """
    chain: ssl.SSLCertVerificationError | None = None
    try:
        connection = TlsConnection(address, name, trust.verifying, deadline)
    except ssl.SSLCertVerificationError as error:
        chain = error
        # This reads the certificate and the answers of the server; no secret is sent.
        connection = TlsConnection(address, name, trust.unverified, deadline)
    shown = certificate.read(connection.certificate)
    return connection, shown, certificate.problems(shown, name, chain, now)


def connect_trusted(address: Address, name: str, trust: Trust, deadline: Deadline) -> TlsConnection:
    """Connect as other servers and browsers do: only with a valid and trusted certificate.

    Raises:
        NoAnswerError: no server answers, or its certificate is not trusted.
    """
    connection, _, problems = connect(address, name, trust, deadline, certificate.now())
    if problems:
        connection.close()
        raise NoAnswerError(f"{address}: {'; '.join(problems)}", insecure=True)
    return connection


def _open_socket(address: Address, deadline: Deadline) -> socket.socket:
    try:
        return socket.create_connection((address.ip, address.port), timeout=deadline.left())
    except TimeoutError:
        message = f"{address} does not answer: no connection in time (a firewall that drops, perhaps)"
        raise NoAnswerError(message, timed_out=True) from None
    except ConnectionRefusedError:
        message = f"{address} refuses the connection: nothing listens there"
        raise NoAnswerError(message, refused=True) from None
    except OSError as error:
        message = f"{address} cannot be reached: {error.strerror or error}"
        raise NoAnswerError(message, no_route=error.errno in _NO_ROUTE) from None


def _explain_handshake(address: Address, name: str, error: Exception) -> NoAnswerError:
    if isinstance(error, TimeoutError):
        message = (
            f"{address} takes the connection, but the TLS handshake did not end in time (plain http, perhaps)"
        )
        return NoAnswerError(message, timed_out=True, connected=True)
    reason = getattr(error, "reason", None) or ""
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        message = f"{address} does not speak TLS (plain http, perhaps)"
    elif "UNRECOGNIZED_NAME" in reason:
        message = f"{address} refuses TLS for the name {name} (SNI): it has no certificate for it"
    elif "ALERT" in reason or "HANDSHAKE_FAILURE" in reason:
        message = f"{address} refuses the TLS handshake for {name} ({reason.lower().replace('_', ' ')})"
    elif isinstance(error, _CLOSED):
        message = f"{address} closes the connection during the TLS handshake"
    else:
        message = f"the TLS handshake with {address} failed: {_error_text(error)}"
    return NoAnswerError(message, connected=True, insecure=True)


def _error_text(error: Exception) -> str:
    if isinstance(error, UnreadableError) and not error.empty:
        return str(error)
    if isinstance(error, UnreadableError | ConnectionResetError | BrokenPipeError):
        return "it closed the connection"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__
