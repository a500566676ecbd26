"""Each failure of the server check has its own message, and the check ends before its timeout."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from synadmin.delegation.names import Address
from synadmin.delegation.server_check import check_server
from tests.live.delegation.fake_internet import (
    CLIENT_FILE,
    KEYS,
    REFUSED,
    SERVER_FILE,
    SERVFAIL,
    VERSION,
    VERSIONS,
    RawServer,
    Reply,
    answer_plain_http,
    client_well_known,
    end_tls,
    hang_up,
    homeserver_replies,
    json_reply,
    server_well_known,
    signed_keys,
    stay_silent,
)

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

    from synadmin.delegation.server_check import ServerCheck
    from tests.live.delegation.fake_internet import FakeInternet

NAME = "example.org"
_NOW = dt.datetime.now(dt.UTC)
_TIMEOUT = 3.0  # seconds: the --timeout of checks of servers that hang for minutes
_HANGS = 60.0  # seconds: a check that takes longer has waited for a server that hangs


def run_check(
    internet: FakeInternet, name: str = NAME, *, timeout: float = 30.0, **network: object
) -> ServerCheck:
    started = time.monotonic()
    report = check_server(name, internet.network(**network), timeout=timeout)
    assert time.monotonic() - started < _HANGS
    return report


def problem(report: ServerCheck, name: str) -> str:
    """Return the detail of the only problem that a check found."""
    [detail] = [check.detail for check in report.problems if check.name == name]
    return detail


def serve_on_443(internet: FakeInternet, well_known: Reply) -> None:
    """Serve a correct homeserver on port 443 of the name, with this /.well-known/matrix/server."""
    internet.zone.a(NAME)
    files = {SERVER_FILE: well_known, CLIENT_FILE: client_well_known(f"https://{NAME}")}
    internet.https(NAME, homeserver_replies(NAME) | files, port=443)


# The well-known file


@pytest.mark.parametrize(
    ("served", "sentence"),
    [
        pytest.param(Reply(200, b"<!DOCTYPE html><title>Welcome"), "is HTML, not JSON", id="html"),
        pytest.param(Reply(200, b""), "is empty", id="empty"),
        pytest.param(Reply(200, b"matrix.example.org:443"), "is not JSON", id="no json"),
        pytest.param(Reply(200, b"[" * 40_000), "is not JSON", id="nested too deep"),
        pytest.param(Reply(200, b'{"m.server": "\xff"}'), "is not JSON", id="not UTF-8"),
        pytest.param(json_reply(["matrix.example.org"]), "is JSON, but not an object", id="array"),
        pytest.param(json_reply({}), "the file has no m.server", id="no m.server"),
        pytest.param(json_reply({"m.server": 443}), "m.server is not a text", id="number"),
        pytest.param(server_well_known("https://a.example"), "it is a URL; write a.example", id="url"),
        pytest.param(
            server_well_known("a.example:99999"), "port 99999 is not between 1 and 65535", id="port"
        ),
        pytest.param(server_well_known("a example"), "it has a space in it", id="space"),
        pytest.param(server_well_known("bücher.example"), "write xn--bcher-kva.example", id="not ascii"),
        pytest.param(
            Reply(200, b'{"m.server": "a.example", "x": "' + b"x" * 10_000_000 + b'"}'),
            "is larger than 50 KiB: homeservers do not read more",
            id="10 MB",
        ),
        pytest.param(Reply(403, b"no"), "answers HTTP 403", id="403"),
        pytest.param(
            Reply(302, b"", {"Location": SERVER_FILE}), "redirects in a circle", id="redirect to itself"
        ),
        pytest.param(
            Reply(302, b"", {"Location": f"http://{NAME}/"}),
            "which is no https:// URL",
            id="redirect to http",
        ),
    ],
)
def test_invalid_well_known_files_are_distinguished(
    internet: FakeInternet, served: Reply, sentence: str
) -> None:
    serve_on_443(internet, served)
    internet.https(NAME, homeserver_replies(NAME), port=8448)

    report = run_check(internet)

    assert sentence in problem(report, "well-known")
    # Other servers ignore the invalid file, and reach port 8448.
    assert (report.verdict, report.delegation) == ("degraded", "not-needed")


def test_invalid_well_known_without_port_8448_is_broken_delegation(
    internet: FakeInternet,
) -> None:
    serve_on_443(internet, Reply(200, b"<html>"))
    internet.close_port(8448)

    report = run_check(internet)

    assert (report.verdict, report.delegation) == ("broken", "broken")
    assert any("serve_server_wellknown: true" in advice for advice in report.advice)


def test_endless_redirects_end_with_an_error(internet: FakeInternet) -> None:
    hops = {f"/{number}": Reply(302, b"", {"Location": f"/{number + 1}"}) for number in range(30)}
    internet.zone.a(NAME)
    internet.https(NAME, hops | {SERVER_FILE: Reply(302, b"", {"Location": "/0"})}, port=443)
    internet.close_port(8448)

    assert "redirects more than 10 times" in problem(run_check(internet), "well-known")


@pytest.mark.parametrize(
    "served",
    [
        pytest.param(Reply(200, b'{"m.server": "a.example:443"}' + b" " * 1000, pace=0.2), id="slowly"),
        pytest.param(Reply(200, b"x" * 40_000, pace=0.01), id="forever"),
    ],
)
def test_slow_or_endless_well_known_ends_in_time(internet: FakeInternet, served: Reply) -> None:
    serve_on_443(internet, served)
    internet.https(NAME, homeserver_replies(NAME), port=8448)

    report = run_check(internet, timeout=_TIMEOUT)

    assert "the answer to GET /.well-known/matrix/server did not come in time" in problem(
        report, "well-known"
    )
    assert report.delegation == "not-needed"
    assert report.verdict == "degraded"


def test_wrong_content_type_and_cache_headers_are_warnings(internet: FakeInternet) -> None:
    body = b'{"m.server": "example.org:9000"}'
    headers = {"Content-Type": "text/plain", "Cache-Control": "public, max-age=604800"}
    serve_on_443(internet, Reply(200, body, headers))
    internet.https(NAME, homeserver_replies(NAME), port=9000)

    report = run_check(internet)

    assert (report.verdict, report.problems) == ("ok", ())
    [detail] = [check.detail for check in report.checks if check.name == "well-known"]
    assert "it is served as text/plain; application/json would be right" in detail
    assert "other servers keep it for 48 hours; the file asks for 168, but 48 is the limit" in detail


# Certificates


def _expired(internet: FakeInternet) -> trustme.LeafCert:
    return internet.certificate(NAME, ends=_NOW - dt.timedelta(days=3))


def _unknown_authority(_: FakeInternet) -> trustme.LeafCert:
    """Return a certificate of an unknown authority."""
    return trustme.CA(organization_name="Unknown authority").issue_cert(NAME)


def _for_another_name(internet: FakeInternet) -> trustme.LeafCert:
    return internet.certificate("other.example", "third.example")


def _expired_and_for_another_name(internet: FakeInternet) -> trustme.LeafCert:
    return internet.certificate("other.example", ends=_NOW - dt.timedelta(days=3))


@pytest.mark.parametrize(
    ("make", "sentences"),
    [
        pytest.param(
            _expired, [f"the certificate expired on {_NOW - dt.timedelta(days=3):%Y-%m-%d}"], id="expired"
        ),
        pytest.param(
            _unknown_authority, ["the certificate", "is not known", "fullchain.pem"], id="unknown authority"
        ),
        pytest.param(
            _for_another_name,
            ["the certificate is not for example.org, but for other.example, third.example"],
            id="another name",
        ),
        pytest.param(
            _expired_and_for_another_name,
            ["the certificate expired on", "is not for example.org"],
            id="two things wrong",
        ),
    ],
)
@pytest.mark.parametrize("place", ["well-known", "homeserver"])
def test_untrusted_certificate_is_reported_with_the_reason(
    internet: FakeInternet, make: Callable[[FakeInternet], trustme.LeafCert], sentences: list[str], place: str
) -> None:
    internet.zone.a(NAME)
    bad = make(internet)
    internet.https(
        bad if place == "well-known" else NAME, {SERVER_FILE: server_well_known(f"{NAME}:9000")}, port=443
    )
    internet.https(bad if place == "homeserver" else NAME, homeserver_replies(NAME), port=9000)
    internet.close_port(8448)

    report = run_check(internet)

    detail = problem(report, "well-known" if place == "well-known" else "certificate")
    assert all(sentence in detail for sentence in sentences), detail
    assert (report.verdict, report.delegation) == ("broken", "broken")
    if place == "homeserver":
        # The check goes on with the untrusted certificate, so it reports one problem and not three.
        assert {check.name for check in report.checks if check.ok} >= {"version", "keys"}


def test_self_signed_certificate_is_named(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.close_port(443)
    internet.https(_self_signed(), homeserver_replies(NAME), port=8448)

    assert "the certificate is self-signed" in problem(run_check(internet), "certificate")


def _self_signed() -> trustme.LeafCert:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_NOW - dt.timedelta(days=1))
        .not_valid_after(_NOW + dt.timedelta(days=100))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return trustme.LeafCert(private, signed.public_bytes(pem), [])


def test_certificate_that_expires_soon_is_a_warning(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.https(NAME, homeserver_replies(NAME), port=443)
    internet.https(
        internet.certificate(NAME, ends=_NOW + dt.timedelta(days=5, hours=1)),
        homeserver_replies(NAME),
        port=8448,
    )

    report = run_check(internet)

    assert "ends in 5 days" in problem(report, "certificate")
    assert (report.verdict, report.delegation) == ("degraded", "not-needed")


# Servers that are not a homeserver


@pytest.mark.parametrize(
    ("behave", "sentence", "timeout"),
    [
        pytest.param(stay_silent, "the TLS handshake did not end in time", _TIMEOUT, id="silent"),
        pytest.param(hang_up, "closes the connection during the TLS handshake", 30, id="hangs up"),
        pytest.param(end_tls, "closes the connection during the TLS handshake", 30, id="ends TLS"),
        pytest.param(answer_plain_http, "does not speak TLS (plain http, perhaps)", 30, id="plain http"),
    ],
)
def test_plain_http_and_other_non_tls_servers_are_distinguished(
    internet: FakeInternet,
    behave: Callable[[socket.socket, threading.Event], None],
    sentence: str,
    timeout: float,
) -> None:
    internet.zone.a(NAME)
    internet.close_port(443)
    internet.raw(behave, port=8448)

    report = run_check(internet, timeout=timeout)

    assert sentence in problem(report, "connection")
    assert (report.verdict, report.delegation) == ("broken", "needed")


def test_no_server_on_8448_needs_delegation(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.close_port(443)
    internet.close_port(8448)

    report = run_check(internet)

    assert "refuses the connection: nothing listens there" in problem(report, "connection")
    assert (report.verdict, report.delegation) == ("broken", "needed")


@pytest.mark.parametrize(
    ("path", "reply", "check", "sentence"),
    [
        pytest.param(VERSION, Reply(404, b"no"), "version", "the proxy does not pass it on", id="404"),
        pytest.param(
            VERSION, Reply(502, b"no"), "version", "does not reach the homeserver behind it", id="502"
        ),
        pytest.param(
            VERSION, Reply(200, b"<html>"), "version", "answers HTML: this is no homeserver", id="html"
        ),
        pytest.param(VERSION, json_reply({}), "version", "does not say what software it is", id="empty"),
        pytest.param(KEYS, Reply(404, b"no"), "keys", "the proxy does not pass it on", id="no keys"),
        pytest.param(KEYS, json_reply(["a"]), "keys", "not a JSON object", id="array of keys"),
        pytest.param(
            KEYS, json_reply(signed_keys("b.example")), "keys", "those of 'b.example'", id="keys of another"
        ),
        pytest.param(
            KEYS, json_reply(signed_keys(NAME, until=5)), "keys", "the keys have expired", id="expired keys"
        ),
        pytest.param(
            KEYS,
            json_reply(signed_keys(NAME, tampered=True)),
            "keys",
            "the signature with ed25519:a is wrong",
            id="forged",
        ),
    ],
)
def test_wrong_homeserver_and_no_homeserver_are_distinguished(
    internet: FakeInternet, path: str, reply: Reply, check: str, sentence: str
) -> None:
    internet.zone.a(NAME)
    internet.https(NAME, homeserver_replies(NAME), port=443)
    internet.https(NAME, homeserver_replies(NAME) | {path: reply}, port=8448)

    report = run_check(internet)

    assert sentence in problem(report, check)
    # A homeserver answers on port 443, so the advice is to delegate to it.
    assert (report.verdict, report.delegation) == ("broken", "needed")
    assert any('{"m.server": "example.org:443"}' in advice for advice in report.advice)


def test_answer_that_hangs_ends_in_time(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.close_port(443)
    internet.https(NAME, homeserver_replies(NAME) | {VERSION: Reply(200, b"x" * 1000, pace=0.5)}, port=8448)

    report = run_check(internet, timeout=_TIMEOUT)

    assert "the answer to GET /_matrix/federation/v1/version did not come in time" in problem(
        report, "version"
    )


def test_public_admin_api_is_a_warning(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.https(NAME, homeserver_replies(NAME), port=443)
    admin = {
        "/_synapse/admin/v1/server_version": json_reply({"errcode": "M_MISSING_TOKEN", "error": "no"}, 401)
    }
    internet.https(NAME, homeserver_replies(NAME) | admin, port=8448)

    report = run_check(internet)

    assert "/_synapse/admin is reachable" in problem(report, "admin-api")
    assert report.verdict == "degraded"


# Clients


@pytest.mark.parametrize(
    ("served", "check", "sentence"),
    [
        pytest.param(
            json_reply({"m.homeserver": {"base_url": f"https://{NAME}"}}),
            "client-well-known",
            "serve it with the header Access-Control-Allow-Origin: *",
            id="no CORS",
        ),
        pytest.param(
            json_reply({}), "client-well-known", "no m.homeserver with a base_url", id="no base_url"
        ),
        pytest.param(
            client_well_known("http://a.example"), "client-well-known", "is not an https:// URL", id="http"
        ),
        pytest.param(Reply(200, b"<html>"), "client-well-known", "is HTML, not JSON", id="html"),
        pytest.param(
            client_well_known("https://gone.example"), "client-api", "DNS has no name gone.example", id="gone"
        ),
    ],
)
def test_problems_of_the_client_well_known_are_reported(
    internet: FakeInternet, served: Reply, check: str, sentence: str
) -> None:
    internet.zone.a(NAME)
    internet.https(NAME, homeserver_replies(NAME) | {CLIENT_FILE: served}, port=443)
    internet.https(NAME, homeserver_replies(NAME), port=8448)

    report = run_check(internet)

    assert sentence in problem(report, check)
    assert (report.verdict, report.delegation) == ("degraded", "not-needed")


@pytest.mark.parametrize(
    ("sent", "sentence"), [("*, *", "twice"), ("https://a.example", "as *"), (None, "as *")]
)
def test_missing_cors_header_is_reported(internet: FakeInternet, sent: str | None, sentence: str) -> None:
    internet.zone.a(NAME)
    headers = {} if sent is None else {"Access-Control-Allow-Origin": sent}
    versions = Reply(200, b'{"versions": ["v1.11"]}', headers)
    files = {CLIENT_FILE: client_well_known(f"https://{NAME}"), VERSIONS: versions}
    internet.https(NAME, homeserver_replies(NAME) | files, port=443)
    internet.https(NAME, homeserver_replies(NAME), port=8448)

    assert sentence in problem(run_check(internet), "client-api")


# DNS


def test_name_without_dns_entry_is_reported_first(internet: FakeInternet) -> None:
    report = run_check(internet, "nowhere.example")

    assert problem(report, "dns") == "DNS has no name nowhere.example (NXDOMAIN)"
    assert (report.verdict, report.delegation) == ("broken", "needed")
    assert report.advice[0].startswith("give nowhere.example an address in DNS")


def test_name_without_address_record_is_distinguished(internet: FakeInternet) -> None:
    internet.zone.srv(NAME, "a.example", 1)

    assert "is in DNS, but has no address there" in problem(run_check(internet), "dns")


@pytest.mark.parametrize(("code", "word"), [(SERVFAIL, "SERVFAIL"), (REFUSED, "REFUSED")])
def test_failing_nameserver_is_reported_with_its_code(internet: FakeInternet, code: int, word: str) -> None:
    internet.zone.codes[NAME] = code

    assert problem(run_check(internet), "dns") == f"the nameserver does not resolve example.org: {word}"


def test_silent_nameserver_ends_in_time(internet: FakeInternet) -> None:
    internet.zone.unanswered.update({NAME, f"_matrix-fed._tcp.{NAME}", f"_matrix._tcp.{NAME}"})

    report = run_check(internet, timeout=_TIMEOUT)

    assert "DNS did not answer in time when asked about example.org" in problem(report, "dns")
    assert report.verdict == "broken"


def test_unreachable_nameserver_ends_in_time(internet: FakeInternet) -> None:
    nameserver = Address("127.0.0.1", unused_port())
    report = run_check(internet, timeout=_TIMEOUT, nameserver=nameserver)

    assert report.verdict == "broken"
    assert "about example.org" in problem(report, "dns")


def unused_port() -> int:
    """Return a UDP port on which nothing answers."""
    server = RawServer(stay_silent)
    server.close()
    return server.address.port


def test_circular_cname_records_are_reported(internet: FakeInternet) -> None:
    internet.zone.cname(NAME, "b.example")
    internet.zone.cname("b.example", NAME)

    assert problem(run_check(internet), "dns") == "the aliases (CNAME) of example.org form a loop"


def test_srv_record_with_an_unknown_target_is_reported(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.close_port(443)
    internet.zone.srv(f"_matrix-fed._tcp.{NAME}", "gone.example", 443)

    report = run_check(internet)

    assert problem(report, "dns") == "DNS has no name gone.example (NXDOMAIN)"
    assert (report.verdict, report.delegation) == ("broken", "broken")


def test_srv_record_with_a_dot_means_no_service(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.close_port(443)
    internet.zone.srv(f"_matrix-fed._tcp.{NAME}", ".", 0)
    internet.https(NAME, homeserver_replies(NAME), port=8448)

    report = run_check(internet)

    assert "says that there is no such service" in problem(report, "srv")
    assert (report.verdict, report.delegation) == ("broken", "broken")


def test_failed_srv_lookup_is_a_warning_where_8448_answers(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.https(NAME, homeserver_replies(NAME), port=443)
    internet.https(NAME, homeserver_replies(NAME), port=8448)
    internet.zone.codes[f"_matrix-fed._tcp.{NAME}"] = SERVFAIL

    report = run_check(internet)

    assert "SERVFAIL" in problem(report, "srv")
    assert (report.verdict, report.delegation) == ("degraded", "not-needed")


def test_one_failing_address_of_two_is_a_warning(internet: FakeInternet) -> None:
    internet.zone.a(NAME)
    internet.zone.a(NAME, "127.0.0.2")
    for ip in ("127.0.0.1", "127.0.0.2"):
        internet.https(NAME, homeserver_replies(NAME), ip=ip, port=443)
    internet.https(NAME, homeserver_replies(NAME), port=8448)
    internet.close_port(8448, "127.0.0.2")

    report = run_check(internet)

    assert problem(report, "connection").startswith("127.0.0.2 port ")
    assert report.verdict == "degraded"
