"""Sign-in by device code, on a stub whose answers the test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from synadmin import files, settings
from synadmin.files import LockedError
from synadmin.library.token_pair import pair_of
from tests.unit.mas.answers import ALICE, API, METADATA, NO_SUCH_PATH, VERSION, in_charge, single, user
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.unit.cli.conftest import Result, Synadmin
    from tests.unit.stub import Reply, Request, Stub

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
PENDING = json_reply({"error": "authorization_pending"}, 403)
TOKENS = json_reply(
    {"access_token": "mat_secret", "expires_in": 300, "refresh_token": "mar_secret", "scope": ""}
)
SESSION = {
    "created_at": "2026-01-02T03:04:05Z",
    "actor_user_id": ALICE,
    "owner_user_id": ALICE,
    "human_name": "synadmin login",
    "scope": "urn:mas:admin",
    "expires_at": "2026-02-02T03:04:05Z",
}
CODE = {
    "device_code": "secret-device-code",
    "user_code": "ABC123",
    "verification_uri": "https://mas.example.org/link",
    "expires_in": 1200,
    "interval": 5,
}


@pytest.fixture
def server(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    in_charge(stub)
    monkeypatch.setattr("synadmin.cli.device_code.time.sleep", lambda _: None)
    stub.on("/oauth2/registration", json_reply({"client_id": "01CLIENT", "grant_types": [DEVICE_CODE]}, 201))
    stub.on("/oauth2/device", json_reply(CODE))
    stub.on("/oauth2/token", PENDING, PENDING, TOKENS)
    stub.on("/oauth2/revoke", json_reply({}))
    stub.on(f"{API}/users/by-username/admin", single("user", ALICE, user("admin")))
    made = {**SESSION, "access_token": "mpt_secret"}
    stub.on(f"{API}/personal-sessions", single("personal-session", "01SESSION", made, status=201))
    stub.on(f"{API}/personal-sessions/01SESSION", single("personal-session", "01SESSION", SESSION))
    revoked = {**SESSION, "revoked_at": "2026-01-02T03:04:05Z"}
    stub.on(f"{API}/personal-sessions/01SESSION/revoke", single("personal-session", "01SESSION", revoked))
    stub.on("/_synapse/admin/v1/rooms", json_reply({"rooms": [], "total_rooms": 0}))
    stub.on("/_synapse/admin/v1/server_version", json_reply({"server_version": "1.163.2"}))
    return stub


def written_files(folder: Path) -> bytes:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".env")
    return b"".join(path.read_bytes() for path in files)


def secrets_in(texts: Iterable[bytes]) -> list[bytes]:
    secrets = (b"mat_secret", b"mar_secret", b"mpt_secret", b"secret-device-code")
    return [secret for text in texts for secret in secrets if secret in text]


def test_device_code_is_shown_and_a_personal_token_saved(
    server: Stub, synadmin: Synadmin, tmp_path: Path
) -> None:
    result = synadmin("login", "--homeserver", server.url, "--expires", "90d", "-v")
    assert result.code == 0, result.stderr
    assert "https://mas.example.org/link" in result.stderr
    assert "ABC123" in result.stderr
    assert settings.in_profile("default") == {
        settings.HOMESERVER: server.url,
        settings.TOKEN: "mpt_secret",
        settings.MAS_SESSION: "01SESSION",
    }
    sent = {request.target: request for request in server.requests}
    client = sent["/oauth2/registration"].json
    assert (client["application_type"], client["token_endpoint_auth_method"]) == ("native", "none")
    scopes = "urn:matrix:client:api:* urn:synapse:admin:* urn:mas:admin"
    assert parse_qs(sent["/oauth2/device"].body.decode())["scope"] == [scopes]
    made = sent[f"{API}/personal-sessions"]
    assert made.headers["authorization"] == "Bearer mat_secret"
    assert (made.json["scope"], made.json["actor_user_id"]) == (scopes, ALICE)
    assert abs(made.json["expires_in"] - 90 * 86_400) < 86_400  # the server's clock has whole seconds
    # synadmin has ended the session of the sign-in in the browser.
    assert parse_qs(sent["/oauth2/revoke"].body.decode())["token"] == ["mat_secret"]
    assert secrets_in([result.stdout.encode(), result.stderr.encode(), written_files(tmp_path)]) == []


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (json_reply({"error": "access_denied"}, 403), 3, "the sign-in was denied in the browser"),
        (
            json_reply({"error": "expired_token"}, 403),
            1,
            "the code has expired before the sign-in was allowed",
        ),
        (json_reply({"error": "invalid_grant"}, 400), 1, "invalid grant"),
    ],
)
def test_denied_device_code_saves_nothing(
    server: Stub, synadmin: Synadmin, reply: Reply, code: int, words: str
) -> None:
    server.on("/oauth2/token", PENDING, reply)
    result = synadmin("login", "--homeserver", server.url)
    assert result.code == code, result
    assert words in result.stderr
    assert settings.in_profile("default") == {}


def test_unused_device_code_expires(
    server: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def advance(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("synadmin.cli.device_code.time.sleep", advance)
    monkeypatch.setattr("synadmin.cli.device_code.time.monotonic", lambda: now[0])
    server.on("/oauth2/token", PENDING)
    result = synadmin("login", "--homeserver", server.url)
    assert result.code == 1
    assert "the code has expired" in result.stderr
    assert server.targets.count("POST /oauth2/token") == 240


def test_ctrl_c_while_waiting_saves_nothing(
    server: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("synadmin.cli.device_code.time.sleep", interrupted)
    result = synadmin("login", "--homeserver", server.url)
    assert result.code == 130
    assert settings.in_profile("default") == {}


@pytest.fixture
def without_api(server: Stub) -> Stub:
    server.on(VERSION, NO_SUCH_PATH)
    server.on(f"{API}/users", NO_SUCH_PATH)
    return server


def test_token_pair_is_saved_without_the_mas_admin_api(without_api: Stub, synadmin: Synadmin) -> None:
    result = synadmin("login", "--homeserver", without_api.url)
    assert result.code == 0, result
    assert "`adminapi`" in result.stderr
    assert "POST /oauth2/revoke" not in without_api.targets
    kept = settings.in_profile("default")
    assert (kept[settings.TOKEN], kept[settings.REFRESH_TOKEN]) == ("mat_secret", "mar_secret")
    assert kept[settings.REFRESH_CLIENT] == "01CLIENT"


def test_session_without_a_refresh_token_is_ended(without_api: Stub, synadmin: Synadmin) -> None:
    without_api.on("/oauth2/token", json_reply({"access_token": "mat_secret", "expires_in": 300}))
    result = synadmin("login", "--homeserver", without_api.url)
    assert result.code == 5, result
    assert "POST /oauth2/revoke" in without_api.targets
    assert settings.in_profile("default") == {}


def _keep_pair(server: Stub, *, expires: int) -> None:
    settings.write_profile(
        "default",
        {
            settings.HOMESERVER: server.url,
            settings.TOKEN: "mat_old",
            settings.REFRESH_TOKEN: "mar_old",
            settings.REFRESH_CLIENT: "01CLIENT",
            settings.TOKEN_EXPIRES: str(expires),
        },
    )


FAR = 4_000_000_000  # seconds since the epoch


def test_two_simultaneous_runs_refresh_a_token_once(
    without_api: Stub, in_a_shell: Callable[[str], Result]
) -> None:
    _keep_pair(without_api, expires=0)
    new = {"access_token": "mat_new", "refresh_token": "mar_new", "expires_in": 86400}
    invalid = json_reply({"error": "invalid_grant"}, 400)
    without_api.on("/oauth2/token", json_reply(new), invalid)
    result = in_a_shell("synadmin whoami & first=$!; synadmin whoami && wait $first")
    assert result.code == 0, result
    kept = settings.in_profile("default")
    assert (kept[settings.TOKEN], kept[settings.REFRESH_TOKEN]) == ("mat_new", "mar_new")
    assert without_api.targets.count("POST /oauth2/token") == 1
    used = {
        request.headers.get("authorization") for request in without_api.requests if "rooms" in request.target
    }
    assert used == {"Bearer mat_new"}


def test_token_refresh_is_locked(without_api: Stub, synadmin: Synadmin) -> None:
    _keep_pair(without_api, expires=0)
    without_api.on("/oauth2/token", json_reply({"access_token": "mat_new", "refresh_token": "mar_new"}))
    lock = settings.profile_file("default").with_suffix(".lock")
    locked: list[bool] = []

    def try_lock(request: Request) -> None:
        if request.target == "/oauth2/token":
            try:
                with files.locked(lock):
                    locked.append(False)
            except LockedError:
                locked.append(True)

    without_api.on_request = try_lock
    assert synadmin("whoami").code == 0
    assert locked == [True]


def test_token_pair_refreshed_by_another_run_is_used(without_api: Stub) -> None:
    _keep_pair(without_api, expires=0)
    chosen = settings.load()
    settings.write_profile("default", {settings.TOKEN: "mat_new", settings.TOKEN_EXPIRES: str(FAR)})
    pair = pair_of(chosen, pytest.fail)
    assert pair is not None
    assert pair.token() == "mat_new"


def test_valid_token_is_not_refreshed(without_api: Stub, synadmin: Synadmin) -> None:
    _keep_pair(without_api, expires=FAR)
    assert synadmin("whoami").code == 0
    assert "POST /oauth2/token" not in without_api.targets


def test_ended_session_is_reported(without_api: Stub, synadmin: Synadmin) -> None:
    _keep_pair(without_api, expires=0)
    without_api.on("/oauth2/token", json_reply({"error": "invalid_grant"}, 400))
    result = synadmin("whoami")
    result.assert_one_line_error(code=3)
    assert "the session at MAS has ended" in result.stderr
    assert "synadmin login" in result.stderr


def test_other_token_is_not_replaced(
    without_api: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep_pair(without_api, expires=0)
    monkeypatch.setenv("SYNADMIN_HOMESERVER", without_api.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "mpt_other")
    assert synadmin("whoami").code == 0
    assert "POST /oauth2/token" not in without_api.targets
    used = {
        request.headers.get("authorization") for request in without_api.requests if "rooms" in request.target
    }
    assert used == {"Bearer mpt_other"}


def test_login_of_another_user_is_refused(server: Stub, synadmin: Synadmin) -> None:
    result = synadmin("login", "alice", "--homeserver", server.url)
    assert result.code == 5, result
    assert "has signed in in the browser, not alice" in result.stderr
    assert f"POST {API}/personal-sessions/01SESSION/revoke" in server.targets
    assert settings.in_profile("default") == {}


@pytest.mark.parametrize("grants", [["refresh_token"], []])
def test_missing_device_code_grant_is_reported(server: Stub, synadmin: Synadmin, grants: list[str]) -> None:
    server.on("/oauth2/registration", json_reply({"client_id": "01CLIENT", "grant_types": grants}, 201))
    result = synadmin("login", "--homeserver", server.url)
    result.assert_one_line_error(code=5)
    assert "oauth.device_code_grant_enabled" in result.stderr


def test_service_without_device_codes_is_reported(server: Stub, synadmin: Synadmin) -> None:
    server.on(METADATA, json_reply({"issuer": "x", "token_endpoint": f"{server.url}/oauth2/token"}))
    for options in ((), ("--dry-run",)):
        result = synadmin("login", "--homeserver", server.url, *options)
        result.assert_one_line_error(code=5)
        assert "offers no sign-in by device code" in result.stderr


def test_dry_run_registers_no_client(server: Stub, synadmin: Synadmin) -> None:
    result = synadmin("login", "--homeserver", server.url, "--dry-run")
    assert (result.code, "show a code" in result.stdout) == (0, True), result
    assert not [request for request in server.requests if request.method == "POST"]


def test_whoami_shows_scopes_and_expiry_and_logout_revokes(server: Stub, synadmin: Synadmin) -> None:
    assert synadmin("login", "--homeserver", server.url).code == 0
    result = synadmin("whoami", "-o", "json")
    assert result.code == 0, result
    assert '"mas_admin": true' in result.stdout
    assert '"urn:mas:admin"' in result.stdout
    assert "2026-02-02T03:04:05Z" in result.stdout
    result = synadmin("logout")
    assert result.code == 0, result
    assert f"POST {API}/personal-sessions/01SESSION/revoke" in server.targets
    assert settings.in_profile("default") == {settings.HOMESERVER: server.url}
