"""The whole check: discover the route, probe every address, check what clients need, give a verdict."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from synadmin.delegation import certificate, client_discovery
from synadmin.delegation.checks import ERROR, NOTE, WARNING, Check
from synadmin.delegation.connection import Trust
from synadmin.delegation.discovery import DEFAULT, Discovery, RouteStep, discover
from synadmin.delegation.dns import DnsResolver
from synadmin.delegation.https_files import HttpsFetcher
from synadmin.delegation.names import (
    HTTPS_PORT,
    Address,
    ServerName,
    bracketed,
    parse_address,
    parse_name,
    parse_overrides,
)
from synadmin.delegation.probe import Probe, ProbeTarget, probe
from synadmin.delegation.verdict import Verdict, VerdictFacts, judge
from synadmin.delegation.well_known import FileKind
from synadmin.http.deadline import Deadline

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Network:
    """The resolver, the fetcher and the options that a check uses.

    Attributes:
        trust: the trusted certificate authorities.
        nameserver: a DNS server in place of the system's.
        overrides: addresses by host and port, as ``--resolve`` gives them.
    """

    trust: Trust
    nameserver: Address | None = None
    overrides: Mapping[tuple[str, int], tuple[Address, ...]] | None = None

    @classmethod
    def parsed(cls, ca_file: str | None, nameserver: str | None, resolve: Sequence[str]) -> "Network":
        """Parse the options: ``ADDRESS[:PORT]``, and ``NAME:PORT:ADDRESS[:PORT]`` each.

        Raises:
            UsageError: one of these values is not valid.
        """
        asked = None if nameserver is None else parse_address(nameserver)
        return cls(Trust(ca_file), asked, parse_overrides(resolve))

    def resolver(self, deadline: Deadline) -> DnsResolver:
        """Return a resolver that ends by the deadline."""
        return DnsResolver(deadline, nameserver=self.nameserver, overrides=self.overrides)

    def fetcher(self, deadline: Deadline) -> HttpsFetcher:
        """Return a fetcher that ends by the deadline."""
        return HttpsFetcher(self.trust, self.resolver(deadline), deadline)


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """The result of a check of a server name.

    Attributes:
        discovery: the route, and how it was found.
        judgement: the verdict, with message and advice.
    """

    server_name: str
    discovery: Discovery
    checks: tuple[Check, ...]
    judgement: Verdict

    @property
    def verdict(self) -> str:
        """Return ``ok``, ``degraded`` or ``broken``."""
        return self.judgement.verdict

    @property
    def delegation(self) -> str:
        """Return ``needed``, ``not-needed``, ``in-place`` or ``broken``."""
        return self.judgement.delegation

    @property
    def message(self) -> str:
        """Return the verdict in one sentence."""
        return self.judgement.message

    @property
    def advice(self) -> tuple[str, ...]:
        """Return what to do, a step each."""
        return self.judgement.advice

    @property
    def steps(self) -> tuple[RouteStep, ...]:
        """Return how the route was found."""
        return self.discovery.steps

    @property
    def problems(self) -> tuple[Check, ...]:
        """Return the checks that are not ok."""
        return tuple(check for check in self.checks if not check.ok)

    def as_record(self) -> dict[str, Any]:
        """Return the result as scripts get it."""
        return {
            "server_name": self.server_name,
            "route": self.discovery.route.as_record(),
            "delegation": self.delegation,
            "checks": [check.as_record() for check in self.checks],
            "verdict": self.verdict,
            "message": self.message,
            "advice": list(self.advice),
            "steps": [{"name": step.name, "taken": step.taken, "detail": step.detail} for step in self.steps],
        }


def check_server(
    server_name: str, network: Network, *, timeout: float, now: datetime | None = None
) -> ServerCheck:
    """Check a server name.

    Args:
        server_name: the server name.
        network: the resolver, the fetcher and the trusted certificates.
        timeout: seconds after which the check ends, even if a server does not answer.
        now: the time, with its zone; the clock's, unless given.

    Raises:
        UsageError: it is not a server name.
    """
    name = parse_name(server_name)
    moment = now or certificate.now()
    deadline = Deadline(timeout)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # The check for clients does not depend on the check for servers, so both run at the same time.
        of_clients = pool.submit(
            client_discovery.check, name, network.fetcher(deadline.share(most=timeout, of=0.9))
        )
        discovery = discover(name, network.resolver(deadline), network.fetcher(deadline))
        route = discovery.route
        question = ProbeTarget(name.text, route.certificate_name, route.host_header)
        addresses = dict.fromkeys(address for target in route.targets for address in target.addresses.found)
        share = deadline.share(most=timeout, of=2 / 3)
        probes = list(
            pool.map(lambda address: probe(address, question, network.trust, share, moment), addresses)
        )
        works = any(probe.works for probe in probes)
        seen_by_clients = of_clients.result()
    checks = [*_all_checks(discovery, probes), *seen_by_clients.checks]
    elsewhere = None
    if route.via == DEFAULT and not works:
        elsewhere = _other_address(name, network, seen_by_clients.base_url, deadline, moment)
    judgement = judge(
        VerdictFacts(
            name=name.text,
            host=name.host,
            via=route.via,
            to=str(route.targets[0]) if route.targets else None,
            works=works,
            all_ok=all(check.ok for check in checks),
            in_dns=any(target.addresses.found for target in route.targets),
            well_known=discovery.well_known.kind if discovery.well_known else None,
            srv=route.srv,
            elsewhere=elsewhere,
            clients=seen_by_clients.base_url is not None,
            connects=any(probe.connects for probe in probes),
            untrusted=not works and any(probe.is_untrusted for probe in probes),
        )
    )
    return ServerCheck(name.text, discovery, tuple(checks), judgement)


def _all_checks(found: Discovery, probes: Iterable[Probe]) -> list[Check]:
    """Return the checks of discovery and of the addresses."""
    checks = []
    file = found.well_known
    if file is not None:
        ok = file.kind in {FileKind.FOUND, FileKind.ABSENT}
        url = f"{file.url} is not served" if file.kind is FileKind.ABSENT else file.url
        detail = "; ".join((f"{url}: {file.detail}", *file.remarks))
        checks.append(Check("well-known", ok=ok, detail=detail, severity=WARNING))
    route = found.route
    checks += [Check("srv", ok=False, detail=text, severity=WARNING) for text in route.srv_problems]
    if route.srv is not None and not route.targets:
        detail = f"{route.srv} says that there is no such service (its target is a dot)"
        checks.append(Check("srv", ok=False, detail=detail, severity=ERROR))
    elif route.srv is not None:
        detail = f"{route.srv} is in use: it covers neither clients nor the certificate"
        checks.append(Check("srv", ok=True, detail=detail, severity=NOTE))
    for target in route.targets:
        addresses = target.addresses
        if not addresses.found:
            detail = addresses.problem or f"{target.host} has no address"
            checks.append(Check("dns", ok=False, detail=detail, severity=ERROR))
        elif addresses.problem is not None and addresses.unanswered:
            checks.append(Check("dns", ok=False, detail=addresses.problem, severity=WARNING))
        elif not addresses.given:
            ways = ", ".join(address.ip for address in addresses.found)
            checks.append(Check("dns", ok=True, detail=f"{target.host} is {ways}", severity=NOTE))
    for probed in probes:
        checks += probed.checks
    return checks


def _other_address(
    name: ServerName, network: Network, base_url: str | None, deadline: Deadline, now: datetime
) -> tuple[str, int] | None:
    """Return a host and port at which this homeserver answers, although its name does not lead there."""
    candidates = [(name.host, HTTPS_PORT)]
    if base_url is not None:
        parts = urlsplit(base_url)
        if parts.hostname and parts.path in {"", "/"}:
            candidates.append((parts.hostname, parts.port or HTTPS_PORT))
    resolver = network.resolver(deadline)
    for host, port in dict.fromkeys(candidates):
        question = ProbeTarget(
            name.text, host, bracketed(host) if port == HTTPS_PORT else f"{bracketed(host)}:{port}"
        )
        for address in resolver.addresses(host, port).found:
            if probe(address, question, network.trust, deadline.share(), now).works:
                return host, port
    return None
