"""Find the base URL of a server name, as clients do.

Source: Matrix specification, Client-Server API, "Server Discovery".
"""

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from synadmin.errors import ConnectError, ReplyError, SettingsError, SynadminError
from synadmin.http.answers import UNREADABLE
from synadmin.http.deadline import Deadline
from synadmin.ids import is_server_name
from synadmin.settings import is_loopback

if TYPE_CHECKING:
    import requests

_PATH = "/.well-known/matrix/client"
_MOST_REDIRECTS = 5
_CONNECT = 10.0  # seconds for a connection, TLS included
_LARGEST = 64 * 1024  # bytes; the file usually has about a hundred


class _Homeserver(msgspec.Struct, frozen=True):
    base_url: str


class _WellKnown(msgspec.Struct, frozen=True, rename={"homeserver": "m.homeserver"}):
    homeserver: _Homeserver


def base_url(homeserver: str, *, timeout: float, ca_file: str | None) -> str:
    """Return the base URL of a homeserver that is given as a URL or as a server name.

    Raises:
        SettingsError: it is neither.
        ConnectError: the server name does not lead to a server.
        ReplyError: the well-known file has no base URL.
    """
    if "://" in homeserver:
        return homeserver
    if not is_server_name(homeserver):
        message = f"homeserver {homeserver!a} is neither a URL (https://matrix.example.org) nor a server name"
        raise SettingsError(message)
    import requests

    from synadmin.http.session import bounded_session

    deadline = Deadline(timeout)
    hint = _homeserver_hint(homeserver)
    with bounded_session() as session:
        url = f"https://{homeserver}{_PATH}"
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                response, raw = _fetched(session, url, deadline=deadline, ca_file=ca_file)
            except (requests.RequestException, OSError, ValueError) as error:
                # requests does not wrap the ValueError of urllib3 for a host that is not valid.
                raise _unreachable(error, homeserver, url, hint) from None
            if not response.is_redirect:
                break
            location = response.headers["Location"]
            following = _https(url, location)
            if following is None:
                message = f"https://{homeserver}{_PATH} redirects to {location}, which is no https:// URL"
                raise ReplyError(message, hint=hint)
            url = following
    if response.is_redirect:
        message = f"https://{homeserver}{_PATH} redirects more than {_MOST_REDIRECTS} times"
        raise ReplyError(message, hint=hint)
    if not response.ok:
        message = f"{homeserver} looks like a server name, but {url} answers HTTP {response.status_code}"
        raise ReplyError(message, hint=hint)
    try:
        return msgspec.json.decode(raw, type=_WellKnown).homeserver.base_url
    except UNREADABLE:
        raise ReplyError(
            f"{url} has no base URL of a homeserver (m.homeserver.base_url)", hint=hint
        ) from None


def _homeserver_hint(name: str) -> str:
    hint = f"if {name} is the homeserver itself, write https://{name}"
    is_local = is_loopback(urlsplit(f"//{name}").hostname or "")
    return f"{hint}, or http://{name} where it does not use TLS" if is_local else hint


def _unreachable(error: Exception, homeserver: str, url: str, hint: str) -> SynadminError:
    import requests

    is_address = ":" in homeserver or homeserver.rpartition(".")[2].isdecimal()
    speaks_no_tls = isinstance(error, requests.exceptions.SSLError) or "refused" in str(error)
    if is_address and speaks_no_tls:
        # A base URL often has an address or a port, a server name hardly ever.
        message = f"homeserver {homeserver!a} has no scheme, and as a server name it was not found"
        return SettingsError(message, hint=f"write https://{homeserver}, or http:// on this machine")
    return ConnectError(f"{homeserver} looks like a server name, but {url} cannot be reached", hint=hint)


def _fetched(
    session: "requests.Session", url: str, *, deadline: Deadline, ca_file: str | None
) -> "tuple[requests.Response, bytes]":
    import urllib3

    response = session.get(
        url,
        # One deadline for the whole answer, and for all redirects.
        timeout=urllib3.Timeout(total=max(deadline.remaining, 0.001), connect=_CONNECT),  # type: ignore[arg-type]
        allow_redirects=False,
        # Set on the request: on the session, REQUESTS_CA_BUNDLE would take precedence.
        verify=ca_file or True,
        stream=True,
        # This does not change the request, but without it requests reads ~/.netrc.
        auth=lambda request: request,
    )
    raw = b""
    with response:
        for part in response.iter_content(_LARGEST):
            raw += part
            if len(raw) > _LARGEST:
                break
    return response, raw


def _https(url: str, location: str) -> str | None:
    try:
        following = urljoin(url, location)
        return following if urlsplit(following).scheme == "https" else None
    except ValueError:
        return None
