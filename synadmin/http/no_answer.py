"""Turn a failed request into an error with one clear line: no answer, or no usable answer.

The text of Python or OpenSSL is the error's ``detail``, which ``-vv`` shows.
"""

import errno
import socket
from typing import TYPE_CHECKING

from synadmin.errors import ConnectError, ReplyError, SettingsError, SynadminError
from synadmin.http.reader import UnreadableError

if TYPE_CHECKING:
    from synadmin.http.connection import Connection

# Errors before there is a connection. After any other error the server may have got the request.
_NEVER_CONNECTED = {
    errno.ECONNREFUSED: "refuses the connection: nothing listens there",
    errno.ENOENT: "does not exist: no homeserver listens there",
    errno.ENOTSOCK: "is not a socket",
    errno.ENETUNREACH: "cannot be reached: there is no route to its network",
    errno.EHOSTUNREACH: "cannot be reached: there is no route to it",
    errno.ENETDOWN: "cannot be reached: the network is down",
    errno.EHOSTDOWN: "cannot be reached: the machine is down",
    errno.EADDRNOTAVAIL: "cannot be reached: this machine has no address for it",
    errno.EACCES: "may not be used by this user",
    errno.EPERM: "may not be used by this user",
}
_CUT_OFF = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
# OpenSSL's error numbers (X509_V_ERR_…): its texts differ between versions.
_UNTRUSTED = {
    9: "it is not valid yet (is the clock right?)",
    10: "it has expired",
    18: "it is self-signed",
    19: "it is from an authority that this machine does not trust",
    20: "it is from an authority that this machine does not trust",
    21: "it is from an authority that this machine does not trust",
    23: "it was revoked",
    62: "it is for another name",
    64: "it is for another IP address",
}
_OWN_AUTHORITY = frozenset({18, 19, 20, 21})
_HANDSHAKE = "handshake operation timed out"  # Python's text, in an error of urllib3
_LONGEST_DETAIL = 300  # characters


class FinalConnectError(ConnectError):
    """The connection failed for a reason that a second attempt does not change."""


def no_answer(error: BaseException, connection: "Connection", method: str) -> SynadminError:
    """Return the error to raise for a failed request.

    Args:
        error: an exception of the socket, TLS, the reader or requests.
        connection: the connection to the homeserver.
        method: of the request.
    """
    root = _root(error)
    host = connection.host
    detail = " ".join(f"{type(root).__name__}: {root}".split())[:_LONGEST_DETAIL]
    if isinstance(root, UnreadableError):
        return _unreadable(root, host, detail)
    if _is_tls(root):
        return _tls(root, connection, detail)
    # urllib3 has a separate error for a timeout before it begins to read.
    if isinstance(root, TimeoutError) or type(root).__name__ == "ReadTimeoutError":
        return _timed_out(error, connection, method, detail)
    if isinstance(root, socket.gaierror):
        unknown = root.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}
        why = "DNS has no such name" if unknown else "DNS does not answer"
        return ConnectError(
            f"{host} cannot be found: {why}", hint=_is_running_hint(connection), detail=detail
        )
    if isinstance(root, OSError) and root.errno in _NEVER_CONNECTED:
        message = f"{_peer_name(error, host)} {_NEVER_CONNECTED[root.errno]}"
        return ConnectError(message, hint=_is_running_hint(connection), detail=detail)
    return _failed_exchange(root, connection, detail)


def not_a_url(connection: "Connection") -> SettingsError:
    """Return the error for a URL without a usable address."""
    return SettingsError(f"homeserver {connection.homeserver} is not a URL that can be reached")


def _failed_exchange(root: BaseException, connection: "Connection", detail: str) -> SynadminError:
    host = connection.host
    if isinstance(root, ValueError) and not isinstance(root, OSError):
        # The host name has an empty or too long label.
        return not_a_url(connection)
    if isinstance(root, _CUT_OFF):
        return ConnectError(f"{host} closed the connection without an answer", sent=True, detail=detail)
    if isinstance(root, OSError):
        return ConnectError(f"{host} gave no answer: the connection failed", sent=True, detail=detail)
    if type(root).__name__ == "IncompleteRead":
        return ConnectError(f"{host}: the answer broke off", sent=True, detail=detail)
    # http.client quotes the bytes that it read as a status line.
    speaks_tls = "\\x15\\x03" in repr(root) or "\\x16\\x03" in repr(root)
    why = "it speaks TLS: use https" if speaks_tls else "it is no HTTP"
    return FinalConnectError(f"{host}: what answers is not Matrix: {why}", sent=True, detail=detail)


def _unreadable(error: UnreadableError, host: str, detail: str) -> SynadminError:
    if error.answered:
        return ReplyError(f"{host}: the answer cannot be used: {error}")
    if error.empty:
        return ConnectError(f"{host} closed the connection without an answer", sent=True, detail=detail)
    if str(error) == "it broke off":
        return ConnectError(f"{host}: the answer broke off", sent=True, detail=detail)
    return FinalConnectError(f"{host}: what answers is not Matrix: {error}", sent=True, detail=detail)


def _timed_out(error: BaseException, connection: "Connection", method: str, detail: str) -> ConnectError:
    root, within = _root(error), f"within {connection.connect_timeout:g} s"
    if isinstance(root, HandshakeTimeoutError) or _HANDSHAKE in str(root):
        message = (
            f"{connection.host} accepts the connection, but does not finish the TLS handshake {within}: "
            "it may use http, or be overloaded"
        )
        return FinalConnectError(message, detail=detail)
    if "Connect" in type(error).__name__ and "Timeout" in type(error).__name__:
        message = f"{connection.host} could not be reached {within}"
        return ConnectError(message, hint=_is_running_hint(connection), detail=detail)
    message = f"{connection.host} did not answer within {connection.timeout:g} s"
    hint = "--timeout (SYNADMIN_TIMEOUT) allows more time"
    if method != "GET":
        hint = f"the request may have been carried out; {hint}"
    return ConnectError(message, sent=True, hint=hint, detail=detail)


class ConnectTimeoutError(TimeoutError):
    """The connection was not made in time."""


class HandshakeTimeoutError(ConnectTimeoutError):
    """The connection was made, but TLS did not begin in time. Synapse's plain http port causes this."""


def _is_tls(root: BaseException) -> bool:
    # Without isinstance: the module ssl is not loaded where TLS is not used.
    return any(kind.__module__ == "ssl" for kind in type(root).__mro__)


def _tls(root: BaseException, connection: "Connection", detail: str) -> ConnectError:
    host = connection.host
    code = getattr(root, "verify_code", None)
    if code is not None:
        why = _UNTRUSTED.get(code, "its chain is not valid")
        hint = None
        if code in _OWN_AUTHORITY:
            hint = "a certificate of your own authority is named with SYNADMIN_CA_FILE"
        message = f"{host}: the TLS certificate is not trusted: {why}"
        return FinalConnectError(message, hint=hint, detail=detail)
    reason = getattr(root, "reason", None) or ""
    if "ALERT" in reason or "HANDSHAKE" in reason:
        return FinalConnectError(f"{host} refuses the TLS handshake", detail=detail)
    return FinalConnectError(f"{host} does not speak TLS: it may use http", detail=detail)


def _is_running_hint(connection: "Connection") -> str:
    return f"check that {connection.homeserver} is {connection.service}, and that it is running"


def _peer_name(error: BaseException, host: str) -> str:
    return f"the proxy on the way to {host}" if type(error).__name__ == "ProxyError" else host


def _root(error: BaseException) -> BaseException:
    """Return the innermost of several exceptions that wrap each other."""
    # Without __context__: it may be an unrelated error that the caller was handling.
    for _ in range(10):
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = error.__cause__
        if inner is None:
            inner = next((part for part in error.args if isinstance(part, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error
