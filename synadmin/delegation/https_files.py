"""Fetching a file over HTTPS as servers and browsers do; redirects are followed."""

from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from synadmin.delegation.connection import NoAnswerError, Trust, connect_trusted
from synadmin.delegation.dns import Resolver
from synadmin.delegation.names import HTTPS_PORT, bracketed
from synadmin.http.deadline import Deadline
from synadmin.http.reader import Answer

_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
LARGEST = 50 * 1024  # bytes: what Synapse reads of a well-known file


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of fetching a URL.

    Attributes:
        url: the last one, after redirects.
        answer: the answer; None where none came.
        problem: why there is no answer, as a sentence.
        absent: no server is there: the name does not exist, or no server listens.
        insecure: TLS failed: the certificate is not valid, or the server has no TLS.
        misdirected: the redirects are not valid: a loop, too many, or not https.
        redirects: the URLs of the redirects, without the first URL.
    """

    url: str
    answer: Answer | None = None
    problem: str | None = None
    absent: bool = False
    insecure: bool = False
    misdirected: bool = False
    redirects: tuple[str, ...] = ()


class Fetcher(Protocol):
    """The protocol of a fetcher of files."""

    def fetch(self, url: str) -> Fetched:
        """Fetch a URL and follow its redirects."""


class HttpsFetcher:
    """Fetches files over HTTPS."""

    def __init__(self, trust: Trust, resolver: Resolver, deadline: Deadline) -> None:
        self._trust = trust
        self._resolver = resolver
        self._deadline = deadline

    def fetch(self, url: str) -> Fetched:
        """Fetch a URL and follow its redirects."""
        deadline = self._deadline.share()
        seen = [url]
        while True:
            fetched = self._fetch_once(url, deadline)
            following = _redirect(url, fetched.answer)
            if following is None:
                return replace(fetched, redirects=tuple(seen[1:]))
            problem = None
            if following in seen:
                problem = f"{seen[0]} redirects in a circle"
            elif len(seen) > _MOST_REDIRECTS:
                problem = f"{seen[0]} redirects more than {_MOST_REDIRECTS} times"
            elif not following.startswith("https://"):
                problem = f"{url} redirects to {following[:200]}, which is no https:// URL"
            if problem is not None:
                return Fetched(url, problem=problem, misdirected=True, redirects=tuple(seen[1:]))
            seen.append(following)
            url = following

    def _fetch_once(self, url: str, deadline: Deadline) -> Fetched:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or HTTPS_PORT
        except ValueError:
            return Fetched(url, problem=f"{url} is not a URL")
        addresses = self._resolver.addresses(host, port)
        if not addresses.found:
            return Fetched(url, problem=addresses.problem, absent=not addresses.unanswered)
        netloc = bracketed(host) if parts.port is None else f"{bracketed(host)}:{port}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        failure: NoAnswerError | None = None
        for number, address in enumerate(addresses.found):
            # Like browsers and homeservers, try the next address if this one does not take connections.
            share = deadline.share(of=1 / (len(addresses.found) - number))
            try:
                with connect_trusted(address, host, self._trust, share) as connection:
                    return Fetched(url, connection.get(target, netloc, share, most=LARGEST))
            except NoAnswerError as error:
                failure = error if failure is None or failure.no_route else failure
        if failure is None:
            return Fetched(url, problem=f"{url} has no address")
        return Fetched(url, problem=str(failure), absent=failure.refused, insecure=failure.insecure)


def _redirect(url: str, answer: Answer | None) -> str | None:
    if answer is None or answer.status not in _REDIRECTS or not answer.headers.get("location"):
        return None
    try:
        return urljoin(url, answer.headers["location"]).partition("#")[0]
    except ValueError:
        return answer.headers["location"]
