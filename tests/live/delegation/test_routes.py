"""Each step of server name resolution in the specification, with real DNS and TLS connections.

Source: Matrix specification, Server-Server API, "Resolving server names".
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from synadmin.delegation.names import Address
from synadmin.delegation.server_check import check_server
from tests.live.delegation.fake_internet import (
    CLIENT_FILE,
    KEYS,
    SERVER_FILE,
    VERSION,
    Reply,
    client_well_known,
    homeserver_replies,
    json_reply,
    server_well_known,
)

if TYPE_CHECKING:
    from synadmin.delegation.server_check import ServerCheck
    from tests.live.delegation.fake_internet import FakeInternet

NAME = "example.org"
HOST = "matrix.example.org"
_TIMEOUT = 30.0


def run_check(internet: FakeInternet, name: str = NAME) -> ServerCheck:
    return check_server(name, internet.network(), timeout=_TIMEOUT)


def serve_clients(internet: FakeInternet, *, port: int = 443, **files: Reply) -> None:
    """Serve the client API and the client file on a port of the name, with more well-known files."""
    answers = homeserver_replies(NAME) | {CLIENT_FILE: client_well_known(f"https://{NAME}")}
    internet.https(
        NAME, answers | {f"/.well-known/matrix/{name}": reply for name, reply in files.items()}, port=port
    )


def details(report: ServerCheck, name: str) -> list[str]:
    return [check.detail for check in report.checks if check.name == name]


def test_default_port_needs_no_delegation(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    serve_clients(internet)
    server = internet.https(NAME, homeserver_replies(NAME), port=8448)

    report = run_check(internet)

    assert report.as_record()["route"] == {
        "via": "default",
        "host": NAME,
        "port": 8448,
        "addresses": ["127.0.0.1"],
    }
    assert (report.verdict, report.delegation, report.problems) == ("ok", "not-needed", ())
    assert report.message == "example.org is reachable without delegation, at example.org:8448."
    assert server.hosts(VERSION) == server.hosts(KEYS) == {(NAME, NAME)}
    assert ("_matrix-fed._tcp.example.org", "SRV") in internet.zone.queries
    assert ("_matrix._tcp.example.org", "SRV") in internet.zone.queries


def test_well_known_with_a_port_sets_the_host_header_with_port(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.zone.a(HOST, "127.0.0.2")
    serve_clients(internet, server=server_well_known(f"{HOST}:443"))
    server = internet.https(HOST, homeserver_replies(NAME), ip="127.0.0.2", port=443)

    report = run_check(internet)

    assert report.as_record()["route"] == {
        "via": "well-known",
        "host": HOST,
        "port": 443,
        "addresses": ["127.0.0.2"],
    }
    assert (report.verdict, report.delegation, report.problems) == ("ok", "in-place", ())
    assert server.hosts(VERSION) == {(HOST, f"{HOST}:443")}
    assert not [name for name, kind in internet.zone.queries if kind == "SRV"]


def test_well_known_without_port_and_srv_uses_8448(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.zone.a(HOST, "127.0.0.2")
    serve_clients(internet, server=server_well_known(HOST))
    server = internet.https(HOST, homeserver_replies(NAME), ip="127.0.0.2", port=8448)

    report = run_check(internet)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert (report.discovery.route.via, str(report.discovery.route.targets[0])) == (
        "well-known",
        f"{HOST}:8448",
    )
    assert server.hosts(VERSION) == {(HOST, HOST)}
    asked = [name for name, kind in internet.zone.queries if kind == "SRV"]
    assert asked == [f"_matrix-fed._tcp.{HOST}", f"_matrix._tcp.{HOST}"]


@pytest.mark.parametrize("service", ["_matrix-fed._tcp", "_matrix._tcp"])
def test_well_known_without_port_follows_srv_with_the_delegated_name(
    internet: FakeInternet, service: str
) -> None:
    internet.zone.a(NAME)
    internet.zone.a("node.example.net", "127.0.0.2")
    internet.zone.srv(f"{service}.{HOST}", "node.example.net", 9443)
    serve_clients(internet, server=server_well_known(HOST))
    server = internet.https(HOST, homeserver_replies(NAME), ip="127.0.0.2", port=9443)

    report = run_check(internet)

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
def test_srv_record_of_the_name_needs_a_certificate_for_the_name(
    internet: FakeInternet, service: str
) -> None:
    internet.zone.a(NAME)
    internet.zone.a("node.example.net", "127.0.0.2")
    internet.zone.srv(f"{service}.{NAME}", "node.example.net", 9443)
    serve_clients(internet)
    server = internet.https(NAME, homeserver_replies(NAME), ip="127.0.0.2", port=9443)

    report = run_check(internet)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert report.discovery.route.via == "srv"
    assert server.hosts(VERSION) == {(NAME, NAME)}


def test_certificate_for_the_srv_target_is_not_enough(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.zone.a(HOST, "127.0.0.2")
    internet.zone.srv(f"_matrix-fed._tcp.{NAME}", HOST, 9443)
    serve_clients(internet)
    internet.https(HOST, homeserver_replies(NAME), ip="127.0.0.2", port=9443)

    report = run_check(internet)

    assert (report.verdict, report.delegation) == ("broken", "broken")
    [detail] = details(report, "certificate")
    assert "the certificate is not for example.org, but for matrix.example.org" in detail


def test_srv_records_are_tried_by_priority(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.zone.a("first.example.org", "127.0.0.2")
    internet.zone.a("second.example.org", "127.0.0.3")
    internet.zone.srv(f"_matrix-fed._tcp.{NAME}", "second.example.org", 9443, priority=20)
    internet.zone.srv(f"_matrix-fed._tcp.{NAME}", "first.example.org", 9443, priority=10)
    serve_clients(internet)
    internet.close_port(9443, "127.0.0.2")
    internet.https(NAME, homeserver_replies(NAME), ip="127.0.0.3", port=9443)

    report = run_check(internet)

    assert [target.host for target in report.discovery.route.targets] == [
        "first.example.org",
        "second.example.org",
    ]
    # The first target is down. Other servers use the second.
    assert (report.verdict, report.delegation) == ("degraded", "in-place")


def test_explicit_port_skips_delegation(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    well_known = internet.https(NAME, {SERVER_FILE: server_well_known("elsewhere.example:1")}, port=443)
    server = internet.https(NAME, homeserver_replies(f"{NAME}:9000"), port=9000)

    report = run_check(internet, f"{NAME}:9000")

    assert report.delegation == "not-needed"
    assert report.discovery.route.via == "explicit-port"
    assert [check for check in report.problems if check.severity == "error"] == []
    assert server.hosts(VERSION) == {(NAME, f"{NAME}:9000")}
    assert well_known.hosts(SERVER_FILE) == set()


def test_ip_address_is_asked_without_sni(internet: FakeInternet) -> None:
    server = internet.https("127.0.0.9", homeserver_replies("127.0.0.9"), ip="127.0.0.9", port=8448)
    internet.close_port(443, "127.0.0.9")

    report = run_check(internet, "127.0.0.9")

    assert (report.discovery.route.via, report.delegation) == ("ip-literal", "not-needed")
    assert report.verdict == "degraded"  # no server answers clients
    assert server.hosts(VERSION) == {(None, "127.0.0.9")}
    assert internet.zone.queries == []


def test_ip_address_with_port_keeps_it_in_the_host_header(internet: FakeInternet) -> None:
    server = internet.https("127.0.0.9", homeserver_replies("127.0.0.9:9000"), ip="127.0.0.9", port=9000)
    internet.close_port(443, "127.0.0.9")

    report = run_check(internet, "127.0.0.9:9000")

    assert report.discovery.route.via == "ip-literal"
    assert report.verdict != "broken"
    assert server.hosts(VERSION) == {(None, "127.0.0.9:9000")}


def test_ip_address_needs_a_certificate_for_the_address(internet: FakeInternet) -> None:
    internet.https(NAME, homeserver_replies("127.0.0.9"), ip="127.0.0.9", port=8448)
    internet.close_port(443, "127.0.0.9")

    report = run_check(internet, "127.0.0.9")

    assert (report.verdict, report.delegation) == ("broken", "not-needed")
    assert "the certificate is not for 127.0.0.9, but for example.org" in details(report, "certificate")[0]


@pytest.mark.parametrize(("suffix", "port"), [("", 8448), (":9443", 9443)])
def test_well_known_may_delegate_to_an_ip_address(internet: FakeInternet, suffix: str, port: int) -> None:
    internet.zone.a(NAME)
    serve_clients(internet, server=server_well_known(f"127.0.0.9{suffix}"))
    server = internet.https("127.0.0.9", homeserver_replies(NAME), ip="127.0.0.9", port=port)

    report = run_check(internet)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert server.hosts(VERSION) == {(None, f"127.0.0.9{suffix}")}


@pytest.mark.parametrize(
    "served",
    [
        pytest.param(Reply(404, b"no"), id="404"),
        pytest.param(Reply(500, b"no"), id="500"),
        pytest.param(Reply(200, b"<html>"), id="html"),
        pytest.param(json_reply({"m.homeserver": {}}), id="no m.server"),
    ],
)
def test_srv_records_are_used_without_a_valid_well_known(internet: FakeInternet, served: Reply) -> None:
    internet.zone.a(NAME)
    internet.zone.srv(f"_matrix-fed._tcp.{NAME}", NAME, 9443)
    serve_clients(internet, server=served)
    internet.https(NAME, homeserver_replies(NAME), port=9443)

    report = run_check(internet)

    assert report.discovery.route.via == "srv"
    assert report.delegation == "in-place"


def test_redirects_of_the_well_known_are_followed(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.zone.a("www.example.org", "127.0.0.2")
    serve_clients(internet, server=Reply(301, b"", {"Location": f"https://www.example.org{SERVER_FILE}"}))
    internet.https(
        "www.example.org",
        {SERVER_FILE: Reply(302, b"", {"Location": "/there"}), "/there": server_well_known(f"{NAME}:9000")},
        ip="127.0.0.2",
        port=443,
    )
    internet.https(NAME, homeserver_replies(NAME), port=9000)

    report = run_check(internet)

    assert (report.verdict, report.delegation) == ("ok", "in-place")
    assert "found after 2 redirects, at https://www.example.org/there" in details(report, "well-known")[0]


def test_cname_records_are_followed(internet: FakeInternet) -> None:
    internet.zone.cname(NAME, "www.example.net")
    internet.zone.cname("www.example.net", "host.example.net")
    internet.zone.a("host.example.net")
    serve_clients(internet)
    internet.https(NAME, homeserver_replies(NAME), port=8448)

    report = run_check(internet)

    assert report.verdict == "ok"
    assert any("by way of www.example.net by way of host.example.net" in step.detail for step in report.steps)


def test_every_ipv4_and_ipv6_address_is_checked(internet: FakeInternet) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6, not even ::1")
    internet.zone.a(NAME)
    internet.zone.aaaa(NAME)
    serve_clients(internet)
    internet.https(NAME, homeserver_replies(NAME), ip="::1", port=443)
    internet.https(NAME, homeserver_replies(NAME), port=8448)
    internet.https(NAME, homeserver_replies("other.example"), ip="::1", port=8448)

    report = run_check(internet)

    # The IPv4 address is correct. The IPv6 address belongs to another homeserver.
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


def test_resolve_checks_a_server_before_a_dns_change(internet: FakeInternet) -> None:
    serve_clients(internet)
    [https] = internet.ports.values()
    server = internet.https(NAME, homeserver_replies(NAME))
    overrides = {
        (NAME, 443): (Address("127.0.0.1", https),),
        (NAME, 8448): (server.address,),
    }
    report = check_server(NAME, internet.network(overrides=overrides), timeout=_TIMEOUT)

    assert report.verdict == "ok"
    assert any("as --resolve says" in step.detail for step in report.steps)
