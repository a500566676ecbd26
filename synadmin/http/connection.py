"""The connection to a homeserver: its base URL, token, timeouts and certificates."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote, urlsplit

from synadmin._version import __version__
from synadmin.errors import SettingsError
from synadmin.settings import checked_token, is_loopback

if TYPE_CHECKING:
    import ssl

_CONNECT_TIMEOUT = 10.0  # seconds
_LOCAL_CONNECT_TIMEOUT = 5.0  # ... to this machine
_PORTS = {"http": 80, "https": 443}
_SOCKET = "unix://"
_LONGEST_SOCKET = 107  # bytes, on Linux
_OF_REQUESTS = re.compile(r"/_(?:matrix|synapse)\b")
_BASE_PATH = re.compile(r"(?:/(?!_matrix\b|_synapse\b|\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class Connection:
    """The URL of a homeserver, and the options of connections to it.

    Attributes:
        homeserver: the base URL, checked: ``https://matrix.example.org``, ``unix:///run/synapse.sock``.
        timeout: seconds for one whole answer, from connecting to its last byte.
        ca_file: certificates to trust instead of the usual ones.
        pool_size: how many connections to keep open.
        service: the name of the service, for messages.
        is_form: bodies are sent as a form, as in OAuth 2.0, instead of JSON.
        client: id and secret of an OAuth 2.0 client, sent in place of a token.
        renewed: returns the current token, for a token that changes while the connection is used.
    """

    homeserver: str
    _: KW_ONLY
    token: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    ca_file: str | None = None
    pool_size: int = 8
    service: str = "the homeserver"
    is_form: bool = False
    client: tuple[str, str] | None = field(default=None, repr=False)
    renewed: Callable[[], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "homeserver", self.homeserver.rstrip("/"))
        if self.token is not None:
            # If a token is not a valid header value, the ValueError of http.client contains the token.
            checked_token(self.token, "token")

    @property
    def connect_timeout(self) -> float:
        """Return the timeout in seconds for the connection and TLS."""
        return min(_LOCAL_CONNECT_TIMEOUT if self.is_local else _CONNECT_TIMEOUT, self.timeout)

    @property
    def socket_path(self) -> str | None:
        """Return the path of the homeserver's unix socket; None where it has an address."""
        return unquote(self.homeserver[len(_SOCKET) :]) if self.homeserver.startswith(_SOCKET) else None

    @property
    def host(self) -> str:
        """Return the homeserver's name for messages: host and port, or the path of its socket."""
        return self.socket_path or urlsplit(self.homeserver).netloc

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        parts = urlsplit(self.homeserver)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    @property
    def base_path(self) -> str:
        """Return the path of the base URL, which is put before the path of each request; mostly empty."""
        return "" if self.socket_path else urlsplit(self.homeserver).path

    @property
    def is_local(self) -> bool:
        """Whether the homeserver is on this machine: then no proxy is used, and plain http is allowed."""
        return self.socket_path is not None or is_loopback(urlsplit(self.homeserver).hostname or "")

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.homeserver.startswith("https://")

    def headers(self, content: bytes | None) -> Mapping[str, str]:
        """Return the headers of a request."""
        headers = {"User-Agent": f"synadmin/{__version__}", "Accept": "application/json"}
        # On one machine compression costs more time than it saves.
        headers["Accept-Encoding"] = "identity" if self.is_local else "gzip"
        if content is not None:
            form = "application/x-www-form-urlencoded"
            headers["Content-Type"] = form if self.is_form else "application/json"
        if self.token is not None:
            token = self.token if self.renewed is None else self.renewed()
            headers["Authorization"] = f"Bearer {token}"
        elif self.client is not None:
            # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
            pair = ":".join(quote_plus(part) for part in self.client)
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return headers


def checked_homeserver(url: str, *, allow_plain_http: bool = False) -> str:
    """Check a homeserver's base URL and return it without a trailing slash.

    Raises:
        SettingsError: it has no scheme, has credentials or an API path, or is plain http to another machine.
    """
    if url.startswith("unix:"):
        return _checked_socket(url)
    if "@" in url:
        # Checked first: later messages contain the URL.
        raise SettingsError("the homeserver's URL must not hold a user name or password")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"homeserver {url!a} is not a URL: {error}") from None
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise SettingsError(f"homeserver {url!a} is not a URL: a URL looks like https://matrix.example.org")
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or "?" in url or "#" in url or not _BASE_PATH.fullmatch(path):
        bare = f"{parts.scheme}://{parts.netloc}{_OF_REQUESTS.split(path)[0]}"
        raise SettingsError(f"homeserver {url!a} has a path: give the base URL alone, {bare}")
    if parts.scheme == "http" and not is_loopback(host) and not allow_plain_http:
        raise SettingsError(
            f"homeserver {url}: plain http would send the token readable over the network",
            hint="use https://, or set SYNADMIN_ALLOW_HTTP=1 where the network is your own",
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


def _checked_socket(url: str) -> str:
    path = unquote(url.removeprefix(_SOCKET))
    if not url.startswith(f"{_SOCKET}/") or not path.strip("/") or "\0" in path or not url.isprintable():
        message = f"homeserver {url!a} is not a URL: a unix socket looks like unix:///run/synapse/main.sock"
        raise SettingsError(message)
    if len(path.encode("utf-8", "surrogateescape")) > _LONGEST_SOCKET:
        message = f"homeserver {url!a}: the path of a unix socket has at most {_LONGEST_SOCKET} bytes"
        raise SettingsError(message)
    return url.rstrip("/")


def certificates(ca_file: str | None) -> "ssl.SSLContext":
    """Return a TLS context that trusts the certificates of a file, else those that ``requests`` trusts.

    Raises:
        SettingsError: the file has no certificates.
    """
    import ssl

    if ca_file is None:
        import certifi

        ca_file = certifi.where()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise SettingsError(f"SYNADMIN_CA_FILE: {ca_file} holds no certificates") from None
