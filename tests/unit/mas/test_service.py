"""The admin API of MAS: its address from the homeserver's metadata, and the reasons why it cannot be used."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from synadmin.client import Synapse
from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotFoundError,
    NotSupportedError,
    RefusedError,
    SynadminError,
)
from synadmin.http.transport import DryRunStop
from synadmin.journal import Journal, entries
from synadmin.mas.service import Mas, MasAccess
from tests.unit.mas.answers import (
    ALICE,
    API,
    METADATA,
    NO_SCOPE,
    NO_SUCH_PATH,
    SITE_CONFIG,
    VERSION,
    error,
    in_charge,
    page,
    single,
    user,
)
from tests.unit.stub import HTML, Reply, Stub, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mas_stub(stub: Stub) -> Stub:
    return in_charge(stub)


def mas_of(stub: Stub, access: MasAccess | None = None, journal: Journal | None = None) -> Mas:
    mas = Synapse(stub.url, token="mpt_secret", mas=access, journal=journal).mas
    assert mas is not None
    return mas


def test_homeserver_without_mas_is_asked_once(stub: Stub) -> None:
    synapse = Synapse(stub.url, token="syt_secret")
    assert synapse.mas is None
    assert synapse.dry_run().mas is None
    assert not synapse.mas_manages_accounts
    assert stub.targets.count(f"GET {METADATA}") == 1


def test_mas_admin_api_is_beside_the_token_endpoint(mas_stub: Stub) -> None:
    mas = mas_of(mas_stub)
    assert mas.url == mas_stub.url
    mas.require((1, 5))
    assert mas.version == (1, 22, 0)
    assert mas_stub.targets == [f"GET {METADATA}", f"GET {VERSION}", f"GET {API}/site-config"]
    assert mas_stub.requests[-1].headers["authorization"] == "Bearer mpt_secret"


def test_setting_names_another_mas_address(mas_stub: Stub) -> None:
    with Stub() as other:
        in_charge(other)
        mas = mas_of(mas_stub, MasAccess(url=f"{other.url}/auth"))
        other.on(f"/auth{VERSION}", json_reply({"version": "v1.5.0"}))
        other.on(f"/auth{API}/site-config", json_reply(SITE_CONFIG))
        assert mas.version == (1, 5, 0)
        assert [request.target for request in other.requests] == [
            f"/auth{VERSION}",
            f"/auth{API}/site-config",
        ]


@pytest.mark.parametrize(
    ("version", "users", "words", "hint"),
    [
        (NO_SCOPE, None, "the token has no scope urn:mas:admin", "synadmin login"),
        (error(401, "Access token is invalid"), None, "Access token is invalid", "synadmin login"),
        (NO_SUCH_PATH, NO_SUCH_PATH, "does not serve it", "`adminapi`"),
        (HTML, None, "is not MAS", "SYNADMIN_MAS"),
        (json_reply({"issuer": "x"}), None, "is not MAS", "SYNADMIN_MAS"),
        (NO_SUCH_PATH, page("user", {}), "MAS before 1.4 is too old for this", "update MAS to 1.5 or newer"),
        (
            json_reply({"version": "v1.4.2"}),
            None,
            "MAS 1.4.2 is too old for this",
            "update MAS to 1.5 or newer",
        ),
    ],
)
def test_reason_why_mas_cannot_be_used_is_named(
    mas_stub: Stub, version: Reply, users: Reply | None, words: str, hint: str
) -> None:
    mas_stub.on(VERSION, version)
    if users is not None:
        mas_stub.on(f"{API}/users", users)
    with pytest.raises(RefusedError) as refusal:
        mas_of(mas_stub).require((1, 5))
    assert words in str(refusal.value)
    assert hint in str(refusal.value.hint)
    assert "mpt_secret" not in f"{refusal.value} {refusal.value.hint}"


def test_compatibility_token_is_explained(mas_stub: Stub) -> None:
    mas_stub.on(VERSION, error(401, "Invalid type of access token"))
    mas = Synapse(mas_stub.url, token="mct_secret").mas
    assert mas is not None
    with pytest.raises(RefusedError, match="does not accept compatibility tokens"):
        mas.require()


def test_mas_of_another_server_is_refused(mas_stub: Stub) -> None:
    mas_stub.on(f"{API}/site-config", json_reply({**SITE_CONFIG, "server_name": "other.example"}))
    with pytest.raises(RefusedError, match=r"it is for the server other\.example"):
        mas_of(mas_stub).require()


def test_unreachable_mas_is_an_error_not_a_refusal(mas_stub: Stub) -> None:
    mas = mas_of(mas_stub, MasAccess(url=nobody_there()))
    with pytest.raises(ConnectError) as failure:
        mas.require()
    assert "the Matrix Authentication Service, and that it is running" in str(failure.value.hint)


def test_plain_http_to_another_machine_is_refused(mas_stub: Stub) -> None:
    mas_stub.on(METADATA, json_reply({"issuer": "x", "token_endpoint": "http://mas.example/oauth2/token"}))
    with pytest.raises(SynadminError, match="plain http"):
        mas_of(mas_stub)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(404, "User not found"), NotFoundError, "MAS: User not found (HTTP 404)"),
        (NO_SUCH_PATH, NotSupportedError, "not in the shape that MAS answers with"),
        (error(410, "Actor is deactivated"), MatrixError, "MAS: Actor is deactivated (HTTP 410)"),
        (
            json_reply({"error": "invalid_grant"}, 400),
            MatrixError,
            "MAS: invalid grant (invalid_grant, HTTP 400)",
        ),
    ],
)
def test_mas_errors_are_quoted(mas_stub: Stub, reply: Reply, kind: type[MatrixError], words: str) -> None:
    mas_stub.on(f"{API}/users/{ALICE}", reply)
    with pytest.raises(kind) as failure:
        mas_of(mas_stub).users.get(ALICE)
    assert words in str(failure.value)


def test_mas_list_is_read_with_its_cursor(mas_stub: Stub) -> None:
    first = page("user", {"01A": user("alice"), "01B": user("bob")}, more=True)
    mas_stub.on(f"{API}/users", first, page("user", {"01C": user("carol")}))
    names = [account.attributes.username for account in mas_of(mas_stub).users.list(admin=True)]
    assert names == ["alice", "bob", "carol"]
    queries = [parse_qs(request.target.partition("?")[2]) for request in mas_stub.requests[-2:]]
    expected = {"page[first]": ["100"], "count": ["false"], "filter[admin]": ["true"]}
    assert queries == [expected, {**expected, "page[after]": ["01B"]}]


def test_record_shows_unknown_fields(mas_stub: Stub) -> None:
    mas_stub.on(f"{API}/users/by-username/alice", single("user", ALICE, user("alice", new="field")))
    assert mas_of(mas_stub).users.by_username("alice").flat()["new"] == "field"


def test_mas_change_is_journaled_without_secrets(mas_stub: Stub, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    mas_stub.on(f"{API}/users/{ALICE}/set-password", Reply(204, b""))
    mas = mas_of(mas_stub, journal=journal)
    mas.users.set_password(ALICE, "correct horse")
    journal.close()
    (entry,) = entries(journal.path)
    assert entry["server"] == mas_stub.url
    assert entry["user"] == "@admin:example.org"
    assert entry["path"] == f"{API}/users/{ALICE}/set-password"
    assert entry["body"] == {"password": "(removed)", "skip_password_check": False}


def test_dry_run_stops_before_a_change(mas_stub: Stub) -> None:
    mas = Synapse(mas_stub.url, token="mpt_secret").dry_run().mas
    assert mas is not None
    with pytest.raises(DryRunStop):
        mas.users.lock(ALICE)


@pytest.fixture
def client(mas_stub: Stub) -> Stub:
    mas_stub.on(
        "/oauth2/token", json_reply({"access_token": "mat_1", "token_type": "Bearer", "expires_in": 300})
    )
    mas_stub.on("/oauth2/revoke", json_reply({}))
    return mas_stub


CLIENT = MasAccess(client_id="01CLIENT", client_secret=lambda: "the secret:+")


def test_client_gets_and_revokes_a_token(client: Stub, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    client.on(f"{API}/users/{ALICE}/lock", single("user", ALICE, user("alice", locked_at="2026-01-02")))
    with Synapse(client.url, token="mct_admin", mas=CLIENT, journal=journal) as synapse:
        assert synapse.mas is not None
        synapse.mas.users.lock(ALICE)
        synapse.mas.require()
    sent = {request.target: request for request in client.requests}
    token = sent["/oauth2/token"]
    assert parse_qs(token.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["urn:mas:admin"]}
    pair = base64.b64decode(token.headers["authorization"].removeprefix("Basic "))
    assert pair == b"01CLIENT:the+secret%3A%2B"
    assert sent[f"{API}/users/{ALICE}/lock"].headers["authorization"] == "Bearer mat_1"
    assert parse_qs(sent["/oauth2/revoke"].body.decode()) == {"token": ["mat_1"]}
    journal.close()
    written = journal.path.read_bytes()
    assert b"mat_1" not in written
    assert b"the secret" not in written


def test_token_is_renewed_before_it_expires(client: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("synadmin.mas.service.time.monotonic", lambda: now[0])
    mas = mas_of(client, CLIENT)
    for seconds in (0, 239, 2, 100):
        now[0] += seconds
        mas.site.version()
    assert client.targets.count("POST /oauth2/token") == 2
    assert client.targets.count("POST /oauth2/revoke") == 1


def test_client_refused_by_mas_is_reported(client: Stub) -> None:
    client.on("/oauth2/token", json_reply({"error": "invalid_client"}, 401))
    with pytest.raises(RefusedError) as refusal:
        mas_of(client, CLIENT).require()
    assert "gives the client 01CLIENT no token" in str(refusal.value)
    assert "policy.data.admin_clients" in str(refusal.value.hint)


def test_metadata_without_an_issuer_is_not_mas(stub: Stub) -> None:
    stub.on(METADATA, json_reply({"token_endpoint": f"{stub.url}/oauth2/token"}))
    assert Synapse(stub.url, token="x").mas is None


def test_homeserver_reports_that_mas_is_unreachable(stub: Stub) -> None:
    stub.on(METADATA, refused(500, "M_UNKNOWN", "Internal server error"))
    with pytest.raises(SynadminError, match="does not say whether"):
        _ = Synapse(stub.url, token="x").mas
