"""Finds the address and port of a homeserver from its server name, step by step.

Source: Matrix specification, Server-Server API, "Resolving server names". The numbers in the comments
are its steps. Pure: DNS and HTTPS are passed in.
"""

from dataclasses import dataclass, field

from synadmin.delegation.dns import Addresses, Resolver, SrvRecords
from synadmin.delegation.https_files import Fetcher
from synadmin.delegation.names import FEDERATION_PORT, ServerName, bracketed
from synadmin.delegation.well_known import SERVER, FileKind, WellKnown, server_file

IP_LITERAL = "ip-literal"
EXPLICIT_PORT = "explicit-port"
WELL_KNOWN = "well-known"
SRV = "srv"
DEFAULT = "default"

_CURRENT = "_matrix-fed._tcp"
_DEPRECATED = "_matrix._tcp"


@dataclass(frozen=True, slots=True)
class RouteStep:
    """A step of the algorithm.

    Attributes:
        name: ``ip-literal``, ``explicit-port``, ``well-known``, ``srv``, ``default`` or ``addresses``.
        taken: the route follows from this step.
        detail: its result, as a sentence.
    """

    name: str
    taken: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ServerHost:
    """A host and port to connect to, with its addresses."""

    host: str
    port: int
    addresses: Addresses

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The route to a server: the result of discovery.

    Attributes:
        via: ``ip-literal``, ``explicit-port``, ``well-known``, ``srv`` or ``default``.
        certificate_name: the name that the certificate must have; sent as SNI unless it is an IP address.
        host_header: the ``Host`` of the requests.
        targets: the hosts to connect to, in this order; empty where an SRV record says "no service".
        srv: the SRV record that was used.
        srv_problems: the SRV records that could not be looked up.
    """

    via: str
    certificate_name: str
    host_header: str
    targets: tuple[ServerHost, ...]
    srv: str | None = None
    srv_problems: tuple[str, ...] = ()

    def as_record(self) -> dict[str, object]:
        """Return the route as scripts get it."""
        first = self.targets[0] if self.targets else None
        return {
            "via": self.via,
            "host": first.host if first else self.certificate_name,
            "port": first.port if first else None,
            "addresses": [address.ip for target in self.targets for address in target.addresses.found],
        }


@dataclass(frozen=True, slots=True)
class Discovery:
    """The route, and how it was found."""

    name: ServerName
    route: Route
    steps: tuple[RouteStep, ...]
    well_known: WellKnown | None = None


@dataclass
class _RouteFinder:
    resolver: Resolver
    fetcher: Fetcher
    steps: list[RouteStep] = field(default_factory=list)

    def add_step(self, name: str, *, taken: bool, detail: str) -> None:
        self.steps.append(RouteStep(name, taken, detail))

    def target(self, host: str, port: int) -> ServerHost:
        addresses = self.resolver.addresses(host, port)
        target = ServerHost(host, port, addresses)
        if addresses.found:
            ways = ", ".join(str(address) for address in addresses.found)
            via = "".join(f" by way of {alias}" for alias in addresses.aliases)
            given = ", as --resolve says" if addresses.given else ""
            self.add_step("addresses", taken=True, detail=f"{target} is {ways}{via}{given}")
        else:
            self.add_step("addresses", taken=False, detail=addresses.problem or f"{host} has no address")
        return target

    def route(self, via: str, name: ServerName) -> Route:
        """Route by the name itself: the steps that need only addresses."""
        return Route(via, name.host, name.text, (self.target(name.host, name.port or FEDERATION_PORT),))

    def by_srv_or_default(self, via: str | None, host: str) -> Route:
        """Route by SRV records, else to port 8448; steps 3.3 to 3.5, and 4 to 6."""
        problems: list[str] = []
        for prefix in (_CURRENT, _DEPRECATED):
            record = f"{prefix}.{host}"
            services = self.resolver.services(record)
            self.add_step(
                SRV,
                taken=bool(services.found or services.refused),
                detail=_srv_detail(record, services, host),
            )
            if services.problem is not None:
                problems.append(services.problem)
            if services.refused or services.found:
                targets = tuple(self.target(service.host, service.port) for service in services.found)
                # The certificate still has to be for the host: DNS alone proves nothing.
                return Route(via or SRV, host, host, targets, srv=record, srv_problems=tuple(problems))
        self.add_step(DEFAULT, taken=True, detail=f"the default applies: {host}, port {FEDERATION_PORT}")
        target = self.target(host, FEDERATION_PORT)
        return Route(via or DEFAULT, host, host, (target,), srv_problems=tuple(problems))


def _srv_detail(record: str, services: SrvRecords, host: str) -> str:
    if services.problem is not None:
        return services.problem
    if services.refused:
        return f"{record} says that there is no such service"
    if not services.found:
        return f"there is no SRV record {record}"
    ways = ", ".join(
        f"{service.host}:{service.port} (priority {service.priority})" for service in services.found
    )
    return f"{record} leads to {ways}; the certificate has to be for {host}"


def discover(name: ServerName, resolver: Resolver, fetcher: Fetcher) -> Discovery:
    """Find the route to a homeserver. A failure is a step of the result, and not raised."""
    finder = _RouteFinder(resolver, fetcher)
    # 1. An IP address: that, with the port or 8448.
    if name.literal:
        finder.add_step(IP_LITERAL, taken=True, detail=f"{name.host} is an IP address: nothing is looked up")
        return Discovery(name, finder.route(IP_LITERAL, name), tuple(finder.steps))
    # 2. An explicit port: that host and port.
    if name.port is not None:
        detail = f"the name says port {name.port}: no delegation is looked for"
        finder.add_step(EXPLICIT_PORT, taken=True, detail=detail)
        return Discovery(name, finder.route(EXPLICIT_PORT, name), tuple(finder.steps))
    # 3. The well-known file, and what it delegates to.
    well_known = server_file(fetcher.fetch(f"https://{name.host}{SERVER}"))
    delegated = well_known.delegated if well_known.kind is FileKind.FOUND else None
    finder.add_step(WELL_KNOWN, taken=delegated is not None, detail=f"{SERVER}: {well_known.detail}")
    if delegated is None:
        # 4, 5, 6. The same as without a file.
        route = finder.by_srv_or_default(None, name.host)
    elif delegated.literal or delegated.port is not None:
        # 3.1, 3.2. An IP address or an explicit port: nothing more is looked up.
        route = finder.route(WELL_KNOWN, delegated)
    else:
        # 3.3, 3.4, 3.5.
        route = finder.by_srv_or_default(WELL_KNOWN, delegated.host)
    return Discovery(name, route, tuple(finder.steps), well_known)
