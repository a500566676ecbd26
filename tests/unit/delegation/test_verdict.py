"""The verdict and the advice for each combination of facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from synadmin.delegation.verdict import VerdictFacts, judge
from synadmin.delegation.well_known import FileKind

_FED, _DEPRECATED = "_matrix-fed._tcp.example.org", "_matrix._tcp.example.org"


def facts(via: str, **changes: Any) -> VerdictFacts:  # noqa: ANN401  any fact
    known: dict[str, Any] = {
        "name": "example.org",
        "host": "example.org",
        "via": via,
        "to": "example.org:8448",
        "works": True,
        "all_ok": True,
        **changes,
    }
    return VerdictFacts(**known)


@pytest.mark.parametrize(
    ("found", "delegation", "verdict"),
    [
        (facts("ip-literal"), "not-needed", "ok"),
        (facts("ip-literal", works=False, all_ok=False), "not-needed", "broken"),
        (facts("explicit-port"), "not-needed", "ok"),
        (facts("explicit-port", all_ok=False), "not-needed", "degraded"),
        (facts("explicit-port", works=False, all_ok=False), "not-needed", "broken"),
        (facts("default", well_known=FileKind.ABSENT), "not-needed", "ok"),
        (facts("default", well_known=FileKind.INVALID, all_ok=False), "not-needed", "degraded"),
        (facts("default", well_known=FileKind.UNREACHABLE, all_ok=False), "not-needed", "degraded"),
        (facts("default", well_known=FileKind.ABSENT, works=False, all_ok=False), "needed", "broken"),
        (facts("default", well_known=FileKind.UNREACHABLE, works=False, all_ok=False), "needed", "broken"),
        (facts("default", well_known=FileKind.INVALID, works=False, all_ok=False), "broken", "broken"),
        (facts("well-known", well_known=FileKind.FOUND), "in-place", "ok"),
        (facts("well-known", well_known=FileKind.FOUND, all_ok=False), "in-place", "degraded"),
        (facts("well-known", well_known=FileKind.FOUND, works=False, all_ok=False), "broken", "broken"),
        (facts("well-known", well_known=FileKind.FOUND, srv=_FED), "in-place", "ok"),
        (facts("srv", srv=_FED, well_known=FileKind.ABSENT), "in-place", "ok"),
        (facts("srv", srv=_DEPRECATED, well_known=FileKind.INVALID, all_ok=False), "in-place", "degraded"),
        (facts("srv", srv=_FED, works=False, all_ok=False), "broken", "broken"),
        (facts("srv", srv=_FED, to=None, works=False, all_ok=False), "broken", "broken"),
    ],
)
def test_each_case_has_its_verdict(found: VerdictFacts, delegation: str, verdict: str) -> None:
    judged = judge(found)

    assert (judged.delegation, judged.verdict) == (delegation, verdict)
    assert judged.message.startswith("example.org is ")
    assert ("is not reachable" in judged.message) is (verdict == "broken")


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (facts("explicit-port"), "."),
        (facts("default", well_known=FileKind.ABSENT), "; nothing is delegated."),
        (
            facts("default", well_known=FileKind.INVALID),
            "; other servers cannot use the file at /.well-known/matrix/server.",
        ),
        (facts("well-known", well_known=FileKind.FOUND), "; the delegation leads there."),
    ],
)
def test_server_that_accepts_connections_is_not_unreachable(found: VerdictFacts, end: str) -> None:
    message = judge(replace(found, works=False, all_ok=False, connects=True)).message

    assert message == (
        f"example.org:8448 takes connections, but does not answer as the homeserver of example.org{end}"
    )


def advice(found: VerdictFacts) -> str:
    return "\n".join(judge(found).advice)


def test_passed_checks_have_no_advice() -> None:
    assert judge(facts("default", well_known=FileKind.ABSENT)).advice == ()
    assert judge(facts("well-known", well_known=FileKind.FOUND, to="matrix.example.org:443")).advice == ()


def test_homeserver_on_port_443_gets_setting_and_file_as_advice() -> None:
    result = advice(
        facts(
            "default", well_known=FileKind.ABSENT, works=False, all_ok=False, elsewhere=("example.org", 443)
        )
    )

    assert "serve_server_wellknown: true" in result
    assert 'serve {"m.server": "example.org:443"} at https://example.org/.well-known/matrix/server' in result
    assert "`synadmin federation well-known example.org --to example.org:443`" in result


def test_homeserver_at_another_name_gets_the_exact_file() -> None:
    result = advice(
        facts(
            "default",
            well_known=FileKind.INVALID,
            works=False,
            all_ok=False,
            elsewhere=("matrix.example.org", 443),
        )
    )

    assert "serve_server_wellknown" not in result
    assert 'serve {"m.server": "matrix.example.org:443"} at' in result


def test_name_without_an_address_is_reported_first() -> None:
    first, *_ = judge(facts("default", works=False, all_ok=False, in_dns=False)).advice

    assert first.startswith("give example.org an address in DNS")


def test_no_file_is_advised_where_it_is_not_used() -> None:
    result = advice(
        facts("explicit-port", name="example.org:9", to="example.org:9", works=False, all_ok=False)
    )

    assert "no file under /.well-known can help" in result
    assert "m.server" not in result


def test_srv_advice_names_its_limits_and_the_deprecated_record() -> None:
    assert "clients do not ask for it" in advice(facts("srv", srv=_FED))
    assert "deprecated" not in advice(facts("srv", srv=_FED))
    assert "publish _matrix-fed._tcp.example.org as well" in advice(facts("srv", srv=_DEPRECATED))


def test_client_file_is_advised() -> None:
    result = advice(
        facts("well-known", well_known=FileKind.FOUND, to="matrix.example.org:443", clients=False)
    )

    assert '{"m.homeserver": {"base_url": "https://matrix.example.org"}}' in result
    assert "Access-Control-Allow-Origin: *" in result
