"""Every route of the specification's algorithm, over real DNS and real TLS.

Source: Matrix specification, Server-Server API, "Resolving server names".
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from synadmin.delegation.names import Address
from synadmin.delegation.server_check import check_server
from tests.live.delegation.world import (
    CLIENT_FILE,
    KEYS,
    SERVER_FILE,
    VERSION,
    Reply,
    delegating,
    for_clients,
    homeserver,
    result,
)

if TYPE_CHECKING:
    from synadmin.delegation.server_check import ServerCheck
    from tests.live.delegation.world import World

NAME = "example.org"
HOST = "matrix.example.org"
_TIMEOUT = 30.0


def checked(world: World, name: str = NAME) -> ServerCheck:
    return check_server(name, world.network(), timeout=_TIMEOUT)


def serve_clients(world: World, *, port: int = 443, **files: Reply) -> None:
    """Serve what clients need at the name, and more files if the test has some."""
    answers = homeserver(NAME) | {CLIENT_FILE: for_clients(f"https://{NAME}")}
    world.https(
        NAME, answers | {f"/.well-known/matrix/{name}": reply for name, reply in files.items()}, port=port
    )


def of(report: ServerCheck, name: str) -> list[str]:
    return [check.detail for check in report.checks if check.name == name]


def test_default_port_needs_no_delegation(world: World) -> None:
    world.zone.a(NAME)
    serve_clients(world)
    server = world.https(NAME, homeserver(NAME), port=8448)

    report = checked(world)

    assert report.as_record()["route"] == {
        "via": "default",
        "host": NAME,
        "port": 8448,
        "addresses": ["127.0.0.1"],
    }
    assert (report.verdict, report.delegation, report.problems) == ("ok", "not-needed", ())
    assert report.message == "example.org is reachable without delegation, at example.org:8448."
    assert server.hosts(VERSION) == server.hosts(KEYS) == {(NAME, NAME)}
    assert ("_matrix-fed._tcp.example.org", "SRV") in world.zone.asked
    assert ("_matrix._tcp.example.org", "SRV") in world.zone.asked


def test_well_known_with_a_port_sets_the_host_header_with_port(world: World) -> None:
    world.zone.a(NAME)
    world.zone.a(HOST, "127.0.0.2")
    serve_clients(world, server=delegating(f"{HOST}:443"))
    server = world.https(HOST, homeserver(NAME), ip="127.0.0.2", port=443)

    report = checked(world)

    assert report.as_record()["route"] == {
        "via": "well-known",
        "host": HOST,
        "port": 443,
        "addresses": ["127.0.0.2"],
    }
    assert (report.verdict, report.delegation, report.problems) == ("ok", "in-place", ())
    assert server.hosts(VERSION) == {(HOST, f"{HOST}:443")}
    assert not [name for name, kind in world.zone.asked if kind == "SRV"]


def test_well_known_without_port_and_srv_uses_8448(world: World) -> None:
    world.zone.a(NAME)
    world.zone.a(HOST, "127.0.0.2")
    serve_clients(world, server=delegating(HOST))
    server = world.https(HOST, homeserver(NAME), ip="127.0.0.2", port=8448)

    report = checked(world)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert (report.discovery.route.via, str(report.discovery.route.targets[0])) == (
        "well-known",
        f"{HOST}:8448",
    )
    assert server.hosts(VERSION) == {(HOST, HOST)}
    asked = [name for name, kind in world.zone.asked if kind == "SRV"]
    assert asked == [f"_matrix-fed._tcp.{HOST}", f"_matrix._tcp.{HOST}"]


@pytest.mark.parametrize("service", ["_matrix-fed._tcp", "_matrix._tcp"])
def test_well_known_without_port_follows_srv_with_the_delegated_name(world: World, service: str) -> None:
    world.zone.a(NAME)
    world.zone.a("node.example.net", "127.0.0.2")
    world.zone.srv(f"{service}.{HOST}", "node.example.net", 9443)
    serve_clients(world, server=delegating(HOST))
    server = world.https(HOST, homeserver(NAME), ip="127.0.0.2", port=9443)

    report = checked(world)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert report.as_record()["route"] == {
        "via": "well-known",
        "host": "node.example.net",
        "port": 9443,
        "addresses": ["127.0.0.2"],
    }
    assert server.hosts(VERSION) == {(HOST, HOST)}
    assert any("SRV record only says where to connect" in advice for advice in report.advice)
    assert any("is deprecated" in advice for advice in report.advice) is (service == "_matrix._tcp")


@pytest.mark.parametrize("service", ["_matrix-fed._tcp", "_matrix._tcp"])
def test_srv_record_of_the_name_needs_a_certificate_for_the_name(world: World, service: str) -> None:
    world.zone.a(NAME)
    world.zone.a("node.example.net", "127.0.0.2")
    world.zone.srv(f"{service}.{NAME}", "node.example.net", 9443)
    serve_clients(world)
    server = world.https(NAME, homeserver(NAME), ip="127.0.0.2", port=9443)

    report = checked(world)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert report.discovery.route.via == "srv"
    assert server.hosts(VERSION) == {(NAME, NAME)}


def test_certificate_for_the_srv_target_is_not_enough(world: World) -> None:
    world.zone.a(NAME)
    world.zone.a(HOST, "127.0.0.2")
    world.zone.srv(f"_matrix-fed._tcp.{NAME}", HOST, 9443)
    serve_clients(world)
    world.https(HOST, homeserver(NAME), ip="127.0.0.2", port=9443)

    report = checked(world)

    assert (report.verdict, report.delegation) == ("broken", "broken")
    [detail] = of(report, "certificate")
    assert "the certificate is not for example.org, but for matrix.example.org" in detail


def test_srv_records_are_tried_by_priority(world: World) -> None:
    world.zone.a(NAME)
    world.zone.a("first.example.org", "127.0.0.2")
    world.zone.a("second.example.org", "127.0.0.3")
    world.zone.srv(f"_matrix-fed._tcp.{NAME}", "second.example.org", 9443, priority=20)
    world.zone.srv(f"_matrix-fed._tcp.{NAME}", "first.example.org", 9443, priority=10)
    serve_clients(world)
    world.nobody(9443, "127.0.0.2")
    world.https(NAME, homeserver(NAME), ip="127.0.0.3", port=9443)

    report = checked(world)

    assert [target.host for target in report.discovery.route.targets] == [
        "first.example.org",
        "second.example.org",
    ]
    # One of the two is down: other servers get through by the second.
    assert (report.verdict, report.delegation) == ("degraded", "in-place")


def test_explicit_port_skips_delegation(world: World) -> None:
    world.zone.a(NAME)
    well_known = world.https(NAME, {SERVER_FILE: delegating("elsewhere.example:1")}, port=443)
    server = world.https(NAME, homeserver(f"{NAME}:9000"), port=9000)

    report = checked(world, f"{NAME}:9000")

    assert report.delegation == "not-needed"
    assert report.discovery.route.via == "explicit-port"
    assert [check for check in report.problems if check.severity == "error"] == []
    assert server.hosts(VERSION) == {(NAME, f"{NAME}:9000")}
    assert well_known.hosts(SERVER_FILE) == set()


def test_ip_address_is_asked_without_sni(world: World) -> None:
    server = world.https("127.0.0.9", homeserver("127.0.0.9"), ip="127.0.0.9", port=8448)
    world.nobody(443, "127.0.0.9")

    report = checked(world, "127.0.0.9")

    assert (report.discovery.route.via, report.delegation) == ("ip-literal", "not-needed")
    assert report.verdict == "degraded"  # nothing serves clients
    assert server.hosts(VERSION) == {(None, "127.0.0.9")}
    assert world.zone.asked == []


def test_ip_address_with_port_keeps_it_in_the_host_header(world: World) -> None:
    server = world.https("127.0.0.9", homeserver("127.0.0.9:9000"), ip="127.0.0.9", port=9000)
    world.nobody(443, "127.0.0.9")

    report = checked(world, "127.0.0.9:9000")

    assert report.discovery.route.via == "ip-literal"
    assert report.verdict != "broken"
    assert server.hosts(VERSION) == {(None, "127.0.0.9:9000")}


def test_ip_address_needs_a_certificate_for_the_address(world: World) -> None:
    world.https(NAME, homeserver("127.0.0.9"), ip="127.0.0.9", port=8448)
    world.nobody(443, "127.0.0.9")

    report = checked(world, "127.0.0.9")

    assert (report.verdict, report.delegation) == ("broken", "not-needed")
    assert "the certificate is not for 127.0.0.9, but for example.org" in of(report, "certificate")[0]


@pytest.mark.parametrize(("suffix", "port"), [("", 8448), (":9443", 9443)])
def test_well_known_may_delegate_to_an_ip_address(world: World, suffix: str, port: int) -> None:
    world.zone.a(NAME)
    serve_clients(world, server=delegating(f"127.0.0.9{suffix}"))
    server = world.https("127.0.0.9", homeserver(NAME), ip="127.0.0.9", port=port)

    report = checked(world)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert server.hosts(VERSION) == {(None, f"127.0.0.9{suffix}")}


@pytest.mark.parametrize(
    "served",
    [
        pytest.param(Reply(404, b"no"), id="404"),
        pytest.param(Reply(500, b"no"), id="500"),
        pytest.param(Reply(200, b"<html>"), id="html"),
        pytest.param(result({"m.homeserver": {}}), id="no m.server"),
    ],
)
def test_srv_records_are_used_without_a_valid_well_known(world: World, served: Reply) -> None:
    world.zone.a(NAME)
    world.zone.srv(f"_matrix-fed._tcp.{NAME}", NAME, 9443)
    serve_clients(world, server=served)
    world.https(NAME, homeserver(NAME), port=9443)

    report = checked(world)

    assert report.discovery.route.via == "srv"
    assert report.delegation == "in-place"


def test_redirects_of_the_well_known_are_followed(world: World) -> None:
    world.zone.a(NAME)
    world.zone.a("www.example.org", "127.0.0.2")
    serve_clients(world, server=Reply(301, b"", {"Location": f"https://www.example.org{SERVER_FILE}"}))
    world.https(
        "www.example.org",
        {SERVER_FILE: Reply(302, b"", {"Location": "/there"}), "/there": delegating(f"{NAME}:9000")},
        ip="127.0.0.2",
        port=443,
    )
    world.https(NAME, homeserver(NAME), port=9000)

    report = checked(world)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert "found after 2 redirects, at https://www.example.org/there" in of(report, "well-known")[0]


def test_cname_records_are_followed(world: World) -> None:
    world.zone.cname(NAME, "www.example.net")
    world.zone.cname("www.example.net", "host.example.net")
    world.zone.a("host.example.net")
    serve_clients(world)
    world.https(NAME, homeserver(NAME), port=8448)

    report = checked(world)

    assert report.verdict == "ok"
    assert any("by way of www.example.net by way of host.example.net" in step.detail for step in report.steps)


def test_every_ipv4_and_ipv6_address_is_checked(world: World) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6, not even ::1")
    world.zone.a(NAME)
    world.zone.aaaa(NAME)
    serve_clients(world)
    world.https(NAME, homeserver(NAME), ip="::1", port=443)
    world.https(NAME, homeserver(NAME), port=8448)
    world.https(NAME, homeserver("other.example"), ip="::1", port=8448)

    report = checked(world)

    # IPv4 works, and IPv6 leads to somebody else.
    assert report.verdict == "degraded"
    [problem] = [check for check in report.problems if check.name == "keys"]
    assert problem.detail.startswith("[::1] port ")
    assert "the keys are those of 'other.example', not of example.org" in problem.detail


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_resolve_checks_a_server_before_a_dns_change(world: World) -> None:
    serve_clients(world)
    [https] = world.ports.values()
    server = world.https(NAME, homeserver(NAME))
    overrides = {
        (NAME, 443): (Address("127.0.0.1", https),),
        (NAME, 8448): (server.address,),
    }
    report = check_server(NAME, world.network(overrides=overrides), timeout=_TIMEOUT)

    assert report.verdict == "ok"
    assert any("as --resolve says" in step.detail for step in report.steps)
