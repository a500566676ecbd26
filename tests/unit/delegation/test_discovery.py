"""Server discovery: every case of the specification, with its examples."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from synadmin.delegation.discovery import discover
from synadmin.delegation.dns import Addresses, SrvRecord, SrvRecords
from synadmin.delegation.https_files import Fetched
from synadmin.delegation.names import Address, parse_name
from synadmin.http.reader import Answer

_FED, _DEPRECATED = "_matrix-fed._tcp", "_matrix._tcp"


@dataclass
class FakeInternet:
    """DNS records and served files, by name."""

    files: dict[str, object] = field(default_factory=dict)
    srv: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def addresses(self, host: str, port: int) -> Addresses:
        self.asked.append(host)
        return Addresses((Address("192.0.2.1", port),))

    def services(self, name: str) -> SrvRecords:
        self.asked.append(name)
        if name in self.failing:
            return SrvRecords(problem="SERVFAIL")
        found = tuple(SrvRecord(10, 0, host, port) for host, port in self.srv.get(name, ()))
        return SrvRecords(found, refused=name in self.refused)

    def fetch(self, url: str) -> Fetched:
        self.asked.append(url)
        served = self.files.get(url.removeprefix("https://").partition("/")[0])
        if served is None:
            return Fetched(url, Answer(404))
        body = served if isinstance(served, bytes) else json.dumps(served).encode()
        return Fetched(url, Answer(200, content=body))


def delegate_to(host: str) -> dict[str, str]:
    return {"m.server": host}


@pytest.mark.parametrize(
    ("name", "internet", "expected"),
    [
        # Expected: via, where to connect, the certificate's name, the Host header.
        # The ids are the steps of the specification.
        pytest.param("1.2.3.4", FakeInternet(), ("ip-literal", "1.2.3.4:8448", "1.2.3.4", "1.2.3.4"), id="1"),
        pytest.param(
            "1.2.3.4:99", FakeInternet(), ("ip-literal", "1.2.3.4:99", "1.2.3.4", "1.2.3.4:99"), id="1, port"
        ),
        pytest.param("[::1]", FakeInternet(), ("ip-literal", "[::1]:8448", "::1", "[::1]"), id="1, IPv6"),
        pytest.param(
            "[::1]:9", FakeInternet(), ("ip-literal", "[::1]:9", "::1", "[::1]:9"), id="1, IPv6, port"
        ),
        pytest.param(
            "a.example:80",
            FakeInternet(
                files={"a.example": delegate_to("b.example:1")}, srv={f"{_FED}.a.example": [("c.example", 1)]}
            ),
            ("explicit-port", "a.example:80", "a.example", "a.example:80"),
            id="2",
        ),
        pytest.param(
            "a.example",
            FakeInternet(files={"a.example": delegate_to("1.2.3.4")}),
            ("well-known", "1.2.3.4:8448", "1.2.3.4", "1.2.3.4"),
            id="3.1",
        ),
        pytest.param(
            "a.example",
            FakeInternet(files={"a.example": delegate_to("[::1]:99")}),
            ("well-known", "[::1]:99", "::1", "[::1]:99"),
            id="3.1, port",
        ),
        pytest.param(
            "a.example",
            FakeInternet(
                files={"a.example": delegate_to("b.example:443")},
                srv={f"{_FED}.b.example": [("c.example", 1)]},
            ),
            ("well-known", "b.example:443", "b.example", "b.example:443"),
            id="3.2",
        ),
        pytest.param(
            "a.example",
            FakeInternet(
                files={"a.example": delegate_to("b.example")},
                srv={f"{_FED}.b.example": [("c.example", 1)], f"{_DEPRECATED}.b.example": [("d.example", 2)]},
            ),
            ("well-known", "c.example:1", "b.example", "b.example"),
            id="3.3",
        ),
        pytest.param(
            "a.example",
            FakeInternet(
                files={"a.example": delegate_to("b.example")},
                srv={f"{_DEPRECATED}.b.example": [("d.example", 2)]},
            ),
            ("well-known", "d.example:2", "b.example", "b.example"),
            id="3.4",
        ),
        pytest.param(
            "a.example",
            FakeInternet(
                files={"a.example": delegate_to("b.example"), "b.example": delegate_to("c.example")}
            ),
            ("well-known", "b.example:8448", "b.example", "b.example"),
            id="3.5, and the file of the delegated name is not fetched",
        ),
        pytest.param(
            "a.example",
            FakeInternet(
                srv={f"{_FED}.a.example": [("c.example", 1)], f"{_DEPRECATED}.a.example": [("d.example", 2)]}
            ),
            ("srv", "c.example:1", "a.example", "a.example"),
            id="4",
        ),
        pytest.param(
            "a.example",
            FakeInternet(
                files={"a.example": b"<html>"}, srv={f"{_DEPRECATED}.a.example": [("d.example", 2)]}
            ),
            ("srv", "d.example:2", "a.example", "a.example"),
            id="5, after an invalid file",
        ),
        pytest.param(
            "a.example", FakeInternet(), ("default", "a.example:8448", "a.example", "a.example"), id="6"
        ),
        pytest.param(
            "a.example",
            FakeInternet(files={"a.example": delegate_to("not a name")}, failing={f"{_FED}.a.example"}),
            ("default", "a.example:8448", "a.example", "a.example"),
            id="6, after an invalid file and a failed lookup",
        ),
    ],
)
def test_discovery_follows_the_specification(
    name: str, internet: FakeInternet, expected: tuple[str, str, str, str]
) -> None:
    route = discover(parse_name(name), internet, internet).route

    assert (route.via, str(route.targets[0]), route.certificate_name, route.host_header) == expected


@pytest.mark.parametrize("name", ["1.2.3.4", "[::1]:9", "a.example:80"])
def test_name_with_address_or_port_needs_only_addresses(name: str) -> None:
    internet = FakeInternet(files={"a.example": delegate_to("b.example")})

    discover(parse_name(name), internet, internet)

    assert internet.asked == [parse_name(name).host]


def test_steps_describe_the_whole_route() -> None:
    internet = FakeInternet(srv={f"{_DEPRECATED}.a.example": [("d.example", 2)]})

    steps = discover(parse_name("a.example"), internet, internet).steps

    assert [(step.name, step.taken) for step in steps] == [
        ("well-known", False),
        ("srv", False),
        ("srv", True),
        ("addresses", True),
    ]
    assert steps[2].detail == (
        "_matrix._tcp.a.example leads to d.example:2 (priority 10); the certificate has to be for a.example"
    )


def test_srv_record_without_service_has_no_target() -> None:
    internet = FakeInternet(
        refused={f"{_FED}.a.example"}, srv={f"{_DEPRECATED}.a.example": [("d.example", 2)]}
    )

    route = discover(parse_name("a.example"), internet, internet).route

    assert (route.via, route.targets, route.as_record()["host"]) == ("srv", (), "a.example")
