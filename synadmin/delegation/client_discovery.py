"""Checks what clients need; delegation between servers does not cover it.

Source: Matrix specification, Client-Server API, "Server Discovery" and "Web Browser Clients".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from synadmin.delegation.checks import WARNING, Check
from synadmin.delegation.https_files import Fetcher
from synadmin.delegation.names import ServerName, bracketed
from synadmin.delegation.probe import ADMIN, EXPOSED, exposes_admin_api, read
from synadmin.delegation.well_known import CLIENT, FileKind, client_file

_VERSIONS = "/_matrix/client/versions"


@dataclass(frozen=True, slots=True)
class Clients:
    """The result of discovery by clients.

    Attributes:
        checks: the checks with their results.
        base_url: the URL at which clients reach the homeserver; None if they do not reach it.
    """

    checks: tuple[Check, ...]
    base_url: str | None


def check(name: ServerName, fetcher: Fetcher) -> Clients:
    """Check what a client finds by a server name. A failure is a check of the result, not raised."""
    host = bracketed(name.host)
    file = client_file(fetcher.fetch(f"https://{host}{CLIENT}"))
    checks: list[Check] = []
    if file.base_url is not None:
        detail = "; ".join((file.detail, *file.remarks))
        ok = file.cors
        if not ok:
            detail += "; browsers may not read it: serve it with the header Access-Control-Allow-Origin: *"
        checks.append(_check("client-well-known", detail, ok=ok))
        problem = _versions(fetcher, file.base_url)
        works = problem is None
        checks.append(_check("client-api", problem or f"{file.base_url} answers clients", ok=works))
        checks += _admin(fetcher, file.base_url)
        return Clients(tuple(checks), file.base_url if works else None)
    # Next, clients try the server name itself as a URL.
    base_url = f"https://{name.text}"
    works = _versions(fetcher, base_url) is None
    if works and file.kind is FileKind.ABSENT:
        detail = f"there is none, and none is needed: {base_url} answers clients itself"
        checks.append(_check("client-well-known", detail, ok=True))
    else:
        reason = f"https://{host}{CLIENT}: {file.detail}"
        detail = f"{reason}; users have to type the homeserver's address when they sign in"
        checks.append(_check("client-well-known", detail, ok=False))
    if works:
        checks.append(_check("client-api", f"{base_url} answers clients", ok=True))
        checks += _admin(fetcher, base_url)
    return Clients(tuple(checks), base_url if works else None)


def _versions(fetcher: Fetcher, base_url: str) -> str | None:
    """Return the error of the client API, as a sentence."""
    url = f"{base_url}{_VERSIONS}"
    fetched = fetcher.fetch(url)
    if fetched.answer is None:
        return fetched.problem or f"{url} does not answer"
    problem, content = read(fetched.answer, url)
    if problem is None and not (isinstance(content, dict) and isinstance(content.get("versions"), list)):
        problem = f"{url} lists no versions: this is no homeserver"
    if problem is None and fetched.answer.headers.get("access-control-allow-origin") != "*":
        sent = fetched.answer.headers.get("access-control-allow-origin")
        how = "twice" if sent and "," in sent else "as *"
        problem = f"{url} does not send Access-Control-Allow-Origin {how}: browsers refuse it"
        if how == "twice":
            problem = (
                f"{url} sends Access-Control-Allow-Origin twice: browsers refuse it; Synapse sends it itself"
            )
    return problem


def _admin(fetcher: Fetcher, base_url: str) -> Iterator[Check]:
    fetched = fetcher.fetch(f"{base_url}{ADMIN}")
    if fetched.answer is not None and fetched.answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        exposed = exposes_admin_api(fetched.answer)
        detail = EXPOSED if exposed else "/_synapse/admin is not reachable here"
        yield _check("admin-api", f"{base_url}: {detail}", ok=not exposed)


def _check(name: str, detail: str, *, ok: bool) -> Check:
    return Check(name, ok=ok, detail=detail, severity=WARNING)
