"""DNS: addresses and services, with a separate sentence for each failure."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver

from synadmin.delegation.names import Address, is_ip
from synadmin.http.deadline import Deadline

_MOST_ALIASES = 8


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a host and port.

    Attributes:
        found: the addresses, IPv6 first as DNS gives them.
        aliases: the CNAMEs that were followed.
        given: the addresses are from ``--resolve``, not from DNS.
        problem: why there is no address, or why there may be more, as a sentence.
        unanswered: DNS did not answer, so it is not known whether there is an address.
    """

    found: tuple[Address, ...] = ()
    aliases: tuple[str, ...] = ()
    given: bool = False
    problem: str | None = None
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """An SRV record; the lowest priority is tried first."""

    priority: int
    weight: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SrvRecords:
    """The SRV records of a name.

    Attributes:
        found: the records, in the order in which they are to be tried.
        refused: a record says that the service is not offered (the target is ``.``; RFC 2782).
        problem: why they could not be looked up, as a sentence; None if there are no records.
    """

    found: tuple[SrvRecord, ...] = ()
    refused: bool = False
    problem: str | None = None


class Resolver(Protocol):
    """The protocol of a resolver for discovery."""

    def addresses(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host and port."""

    def services(self, name: str) -> SrvRecords:
        """Return the SRV records of ``_service._proto.host``."""


class DnsResolver:
    """Resolves by ``--resolve``, then IP literals and localhost, then DNS."""

    def __init__(
        self,
        deadline: Deadline,
        *,
        nameserver: Address | None = None,
        overrides: Mapping[tuple[str, int], tuple[Address, ...]] | None = None,
    ) -> None:
        """Prepare the resolver.

        Args:
            deadline: the time by which all questions have to be answered.
            nameserver: a nameserver to use instead of those in ``/etc/resolv.conf``.
            overrides: addresses by host and port.
        """
        self._deadline = deadline
        self._overrides = overrides or {}
        try:
            self._resolver = dns.resolver.Resolver(configure=nameserver is None)
        except dns.resolver.NoResolverConfiguration:
            # Enough for names in --resolve; all other names have no nameserver.
            self._resolver = dns.resolver.Resolver(configure=False)
        if nameserver is not None:
            self._resolver.nameservers = [nameserver.ip]
            self._resolver.port = nameserver.port
        self._resolver.search = []
        self._resolver.ndots = 1

    def addresses(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host and port."""
        given = self._overrides.get((host.lower(), port))
        if given is not None:
            return Addresses(given, given=True)
        if is_ip(host):
            return Addresses((Address(host, port),))
        if host.lower().removesuffix(".").endswith("localhost"):
            # RFC 6761: localhost is never looked up in DNS.
            return Addresses((Address("127.0.0.1", port),))
        deadline = self._deadline.share()
        with ThreadPoolExecutor(2) as pool:
            six, four = pool.map(lambda kind: self._hosts(host, kind, deadline), ("AAAA", "A"))
        found = tuple(Address(ip, port) for ip in (*six.values, *four.values))
        # Both failures are about the same name: one sentence is enough.
        problem = four.problem or six.problem
        if not found and problem is None:
            problem = f"{host} is in DNS, but has no address there (neither A nor AAAA)"
        return Addresses(
            found,
            aliases=four.aliases or six.aliases,
            problem=problem,
            unanswered=four.unanswered or six.unanswered,
        )

    def services(self, name: str) -> SrvRecords:
        """Return the SRV records of ``_service._proto.host``."""
        answer = self._ask(name, "SRV", self._deadline.share())
        if answer.unanswered or (answer.problem and not answer.missing):
            return SrvRecords(problem=answer.problem)
        records = [
            SrvRecord(record.priority, record.weight, _text(record.target), record.port)
            for record in answer.records
        ]
        if len(records) == 1 and records[0].host in {"", "."}:
            return SrvRecords(refused=True)
        return SrvRecords(tuple(sorted(records, key=lambda service: (service.priority, -service.weight))))

    def _hosts(self, host: str, kind: str, deadline: Deadline) -> "_Hosts":
        """Look up A or AAAA and follow aliases that the nameserver itself did not follow."""
        aliases: list[str] = []
        name = host
        while True:
            answer = self._ask(name, kind, deadline)
            aliases += [alias for alias in answer.aliases if alias not in aliases]
            values = tuple(record.address for record in answer.records)
            following = answer.aliases[-1] if answer.aliases else None
            if values or answer.problem is not None or following is None:
                return _Hosts(values, tuple(aliases), answer.problem, unanswered=answer.unanswered)
            if following.lower() in {host.lower(), name.lower()} or len(aliases) > _MOST_ALIASES:
                return _Hosts((), tuple(aliases), _LOOP.format(host))
            name = following

    def _ask(self, name: str, kind: str, deadline: Deadline) -> "_Answer":  # noqa: PLR0911  one for each failure
        try:
            seconds = deadline.left()
            answer = self._resolver.resolve(
                name, kind, lifetime=seconds, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return _Answer(problem=f"DNS has no name {name} (NXDOMAIN)", missing=True)
        except (dns.resolver.LifetimeTimeout, TimeoutError):
            return _Answer(problem=f"DNS did not answer in time when asked about {name}", unanswered=True)
        except dns.resolver.NoNameservers as error:
            return _Answer(
                problem=f"the nameserver does not resolve {name}: {_reason(error)}", unanswered=True
            )
        except dns.name.LabelTooLong:
            return _Answer(problem=f"{name} has a part that is longer than 63 characters")
        except dns.exception.DNSException as error:
            if type(error).__name__ in {"ChainTooLong", "YXDOMAIN"}:
                return _Answer(problem=_LOOP.format(name))
            return _Answer(problem=f"DNS does not resolve {name}: {type(error).__name__}", unanswered=True)
        except (OSError, ValueError) as error:
            return _Answer(problem=f"DNS cannot look up {name}: {error}", unanswered=True)
        aliases = tuple(
            _text(item.target)
            for rrset in answer.response.answer
            if rrset.rdtype == dns.rdatatype.CNAME
            for item in rrset
        )
        return _Answer(tuple(answer.rrset or ()), aliases)


_LOOP = "the aliases (CNAME) of {} form a loop"


@dataclass(frozen=True, slots=True)
class _Answer:
    records: tuple[Any, ...] = ()  # dnspython makes their classes at run time
    aliases: tuple[str, ...] = ()
    problem: str | None = None
    unanswered: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True)
class _Hosts:
    values: tuple[str, ...]
    aliases: tuple[str, ...]
    problem: str | None
    unanswered: bool = False


def _reason(error: dns.resolver.NoNameservers) -> str:
    """Return the nameserver's answer code, or the error of the network."""
    for _, _, _, failure, response in reversed(error.kwargs.get("errors", ())):
        if response is not None:
            return dns.rcode.to_text(response.rcode())
        if isinstance(failure, OSError):
            return failure.strerror or str(failure)
        return str(failure)
    return "no nameserver answers"


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)
