"""``login``, ``logout`` and ``whoami`` on a stub, with answers that are rare on real servers."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin import settings
from tests.unit.cli.conftest import TOKEN
from tests.unit.cli.terminal import Terminal
from tests.unit.stub import ADMIN, EMPTY, HTML, SILENT, WHOAMI, Reply, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

LOGIN = "/_matrix/client/v3/login"
LOGOUT = "/_matrix/client/v3/logout"
ROOMS = "/_synapse/admin/v1/rooms"
VERSION = "/_synapse/admin/v1/server_version"
PASSWORD = "correct horse battery"
FLOWS = json_reply({"flows": [{"type": "m.login.password"}, {"type": "m.login.token"}]})
SESSION = json_reply({"user_id": ADMIN, "access_token": TOKEN, "device_id": "D"})


@pytest.fixture
def server(stub: Stub) -> Stub:
    stub.on(LOGIN, FLOWS, SESSION)
    stub.on(LOGOUT, json_reply({}))
    stub.on(ROOMS, json_reply({"rooms": [], "total_rooms": 3}))
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}))
    return stub


def _everything_written(tmp_path: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())


def test_password_from_a_pipe_logs_in_and_the_profile_is_private(
    server: Stub, synadmin: Synadmin, tmp_path: Path
) -> None:
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=f"{PASSWORD}\n".encode())
    path = settings.profile_file("default")
    assert (result.code, result.stdout) == (0, "")
    assert (
        result.stderr
        == f"The token is kept in ~/{path.relative_to(Path.home())}.\nSigned in as {ADMIN}, a server admin.\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settings.in_profile("default") == {settings.HOMESERVER: server.url, settings.TOKEN: TOKEN}
    sent = next(request for request in server.requests if request.method == "POST")
    assert sent.json["password"] == PASSWORD
    assert sent.json["identifier"] == {"type": "m.id.user", "user": "admin"}
    assert PASSWORD not in _everything_written(tmp_path)


def test_token_from_a_pipe_is_verified_and_saved(server: Stub, synadmin: Synadmin) -> None:
    result = synadmin("login", "--homeserver", server.url, "--token", stdin=f"{TOKEN}\r\n".encode())
    assert result.code == 0
    assert settings.load().token() == TOKEN
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in result.stderr


def test_new_profile_is_created(server: Stub, synadmin: Synadmin) -> None:
    arguments = ("--profile", "club", "--homeserver", server.url)
    assert synadmin("login", "admin", *arguments, stdin=PASSWORD.encode()).code == 0
    assert settings.in_profile("club")[settings.TOKEN] == TOKEN
    assert settings.in_profile("default") == {}
    assert synadmin("whoami", "--profile", "club").code == 0


def test_new_login_replaces_the_token(server: Stub, synadmin: Synadmin) -> None:
    settings.write_profile(
        "default", {settings.HOMESERVER: server.url, settings.TOKEN_FILE: "/run/x", "SYNADMIN_TIMEOUT": "7"}
    )
    assert synadmin("login", "admin", stdin=PASSWORD.encode()).code == 0
    assert settings.in_profile("default") == {
        settings.HOMESERVER: server.url,
        "SYNADMIN_TIMEOUT": "7",
        settings.TOKEN: TOKEN,
    }


def test_login_of_a_normal_user_warns(server: Stub, synadmin: Synadmin) -> None:
    server.on(ROOMS, refused(403, "M_FORBIDDEN", "You are not a server admin"))
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    assert result.code == 0
    assert "who is not a server admin" in result.stderr


def test_token_with_precedence_over_the_profile_is_reported(
    server: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "syt_another")
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    assert result.code == 0
    assert "The environment or .env also has a token" in result.stderr


@pytest.mark.parametrize("stdin", [b"", b"\n", b"  \n"])
@pytest.mark.parametrize("arguments", [("admin",), ("--token",)])
def test_empty_pipe_is_a_one_line_error(
    stdin: bytes, arguments: tuple[str, ...], server: Stub, synadmin: Synadmin
) -> None:
    result = synadmin("login", *arguments, "--homeserver", server.url, stdin=stdin)
    result.assert_one_line_error(code=2)
    assert not settings.profile_file("default").exists()


@pytest.mark.parametrize(
    "stdin", [b"syt_secret\nsecond line", b"syt secret", "syt_secret_ü".encode(), b"\xff\xfe\n"]
)
def test_invalid_token_is_a_one_line_error_without_the_token(
    stdin: bytes, server: Stub, synadmin: Synadmin
) -> None:
    result = synadmin("login", "--homeserver", server.url, "--token", stdin=stdin)
    result.assert_one_line_error(code=2)
    assert "secret" not in result.stderr
    assert server.requests == []
    assert not settings.profile_file("default").exists()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refused(403, "M_FORBIDDEN", "Invalid username or password"), 3),
        (refused(403, "M_USER_DEACTIVATED", "This account has been deactivated"), 3),
        (refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=5), 1),
        (HTML, 1),
        (EMPTY, 1),
        (json_reply({"user_id": ADMIN}), 1),
        (SILENT, 1),
        (Reply(301, b"", {"Location": "https://evil.example"}), 1),
        (Reply(502), 1),
    ],
)
def test_failed_login_is_a_one_line_error_and_sent_once(
    reply: Reply, code: int, server: Stub, synadmin: Synadmin, tmp_path: Path
) -> None:
    server.on(LOGIN, FLOWS, reply)
    result = synadmin(
        "login", "admin", "--homeserver", server.url, "--timeout", "0.2", stdin=PASSWORD.encode()
    )
    result.assert_one_line_error(code=code)
    assert [request.method for request in server.requests if request.target == LOGIN] == ["GET", "POST"]
    assert PASSWORD not in result.stderr + _everything_written(tmp_path)
    assert not settings.profile_file("default").exists()


def test_wrong_password_names_the_account_and_the_homeserver(server: Stub, synadmin: Synadmin) -> None:
    server.on(LOGIN, FLOWS, refused(403, "M_FORBIDDEN", "Invalid username or password"))
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    assert result.stderr == (
        f"synadmin: cannot sign in as admin on {server.url}: Invalid username or password "
        "(M_FORBIDDEN, HTTP 403)\n"
        "hint: check the user name, the homeserver and the password, and run the command again\n"
    )


def test_login_of_a_deactivated_account_does_not_blame_the_password(server: Stub, synadmin: Synadmin) -> None:
    server.on(LOGIN, FLOWS, refused(403, "M_USER_DEACTIVATED", "This account has been deactivated"))
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    assert "cannot sign in as admin" in result.stderr
    assert "hint: check the user name" not in result.stderr


def test_unknown_token_is_not_saved(server: Stub, synadmin: Synadmin) -> None:
    server.on(WHOAMI, refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    result = synadmin("login", "--homeserver", server.url, "--token", stdin=TOKEN.encode())
    result.assert_one_line_error(code=3)
    assert not settings.profile_file("default").exists()


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"flows": []}),
        json_reply({"flows": [{"type": "m.login.sso"}, {"type": "m.login.\x1b[2Jtoken"}]}),
        refused(404, "M_UNRECOGNIZED"),
        Reply(404, b"<html>"),
    ],
)
def test_login_without_password_flow_names_another_way(
    reply: Reply, server: Stub, synadmin: Synadmin
) -> None:
    server.on(LOGIN, reply)
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    result.assert_one_line_error(code=5)
    assert "offers no password login" in result.stderr
    assert (
        "mas-cli manage issue-compatibility-token USER --yes-i-want-to-grant-synapse-admin-privileges"
        in result.stderr
    )
    assert "\x1b" not in result.stderr
    assert {request.method for request in server.requests} == {"GET"}


def test_user_that_is_not_text_is_a_one_line_error(server: Stub, synadmin: Synadmin) -> None:
    result = synadmin("login", "adm\udcffin", "--homeserver", server.url, stdin=PASSWORD.encode())
    result.assert_one_line_error(code=2)


def test_no_question_without_a_terminal(server: Stub, synadmin: Synadmin) -> None:
    synadmin("login").assert_one_line_error(code=2)
    synadmin("login", "--homeserver", server.url).assert_one_line_error(code=2)
    synadmin("login", "--homeserver", nobody_there(), "admin", stdin=b"x").assert_one_line_error(code=1)


def test_session_is_ended_where_the_token_cannot_be_saved(server: Stub, synadmin: Synadmin) -> None:
    folder = settings.profile_file("default").parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the directory should be")
    result = synadmin(
        "login", "admin", "--homeserver", server.url, "--profile", "club", stdin=PASSWORD.encode()
    )
    result.assert_one_line_error(code=2)
    # Without a readable profile, login may stop before it creates a session.
    assert [request.target for request in server.requests if request.method == "POST"] in (
        [],
        [LOGIN, LOGOUT],
    )


def test_session_is_ended_on_a_full_disk(
    server: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("synadmin.settings.os.fdopen", disk_full)
    result = synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    result.assert_one_line_error(code=2)
    assert [request.target for request in server.requests if request.method == "POST"] == [LOGIN, LOGOUT]
    assert list(settings.profile_file("default").parent.iterdir()) == []


# On a terminal


@pytest.mark.parametrize(
    ("arguments", "prompt"), [(("admin",), "Password: "), (("--token",), "Access token: ")]
)
def test_terminal_asks_for_the_secret_and_does_not_show_it(
    arguments: tuple[str, ...], prompt: str, server: Stub, work: Path
) -> None:
    secret = PASSWORD if prompt == "Password: " else TOKEN
    with Terminal("-m", "synadmin", "login", *arguments, "--homeserver", server.url, cwd=work) as terminal:
        terminal.see(prompt)
        terminal.type(f"{secret}\n")
        assert terminal.end() == 0
        assert "Signed in as @admin:example.org, a server admin." in terminal.shown
        assert secret not in terminal.shown
        assert TOKEN not in terminal.shown
    assert settings.load().token() == TOKEN


def test_terminal_asks_for_homeserver_and_user(server: Stub, work: Path) -> None:
    with Terminal("-m", "synadmin", "login", cwd=work) as terminal:
        terminal.see("Homeserver (URL or server name): ")
        terminal.type(f"{server.url}\n")
        terminal.see("User: ")
        terminal.type("admin\n")
        terminal.see("Password: ")
        terminal.type(f"{PASSWORD}\n")
        assert terminal.end() == 0
    assert settings.load().homeserver == server.url


@pytest.mark.parametrize("key", ["Ctrl-C", "Ctrl-D"])
def test_login_can_be_declined(key: str, server: Stub, work: Path) -> None:
    with Terminal("-m", "synadmin", "login", "admin", "--homeserver", server.url, cwd=work) as terminal:
        terminal.see("Password: ")
        if key == "Ctrl-C":
            assert terminal.interrupt() == 130
        else:
            terminal.type("\x04")
            assert terminal.end() == 130
        assert "synadmin: interrupted" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert not settings.profile_file("default").exists()


# logout


def _signed_in(server: Stub, **more: str) -> Path:
    return settings.write_profile("default", {settings.HOMESERVER: server.url, settings.TOKEN: TOKEN, **more})


def test_logout_ends_the_session_and_removes_the_token(server: Stub, synadmin: Synadmin) -> None:
    path = _signed_in(server)
    result = synadmin("logout")
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == f"The token was removed from {path}.\n{ADMIN} is signed out here.\n"
    assert [target for target in server.targets if not target.startswith("GET ")] == [f"POST {LOGOUT}"]
    assert settings.in_profile("default") == {settings.HOMESERVER: server.url}
    synadmin("whoami").assert_one_line_error(code=2)


def test_logout_removes_an_unknown_token(server: Stub, synadmin: Synadmin) -> None:
    _signed_in(server)
    server.on(WHOAMI, refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    result = synadmin("logout")
    assert result.code == 0
    assert "The session had already ended." in result.stderr
    assert settings.in_profile("default") == {settings.HOMESERVER: server.url}


def test_logout_keeps_the_token_if_the_session_may_continue(server: Stub, synadmin: Synadmin) -> None:
    _signed_in(server)
    server.on(LOGOUT, Reply(502))
    synadmin("logout").assert_one_line_error(code=1)
    assert settings.in_profile("default")[settings.TOKEN] == TOKEN


def test_logout_of_another_token_keeps_the_profile(
    server: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_HOMESERVER", server.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "syt_from_the_environment")
    assert synadmin("logout").code == 0  # no profile at all
    path = _signed_in(server)
    result = synadmin("logout")
    assert result.code == 0
    assert f"The token was not in {path}: remove it from where it is." in result.stderr
    assert server.requests[-1].headers["authorization"] == "Bearer syt_from_the_environment"
    assert settings.in_profile("default")[settings.TOKEN] == TOKEN


def test_logout_without_a_token_is_a_one_line_error(server: Stub, synadmin: Synadmin) -> None:
    synadmin("logout", "--homeserver", server.url).assert_one_line_error(code=2)
    assert server.requests == []


# whoami


def test_whoami_of_a_normal_user_exits_3(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, refused(403, "M_FORBIDDEN", "You are not a server admin"))
    result = synadmin("whoami", "-o", "csv", "--columns", "user_id,server_admin,synapse")
    assert result.code == 3
    assert result.stdout == f"user_id,server_admin,synapse\n{ADMIN},false,\n"
    assert result.stderr == "This token is not a server admin's.\n"


def test_whoami_sends_only_small_requests(server: Stub, synadmin: Synadmin) -> None:
    _signed_in(server)
    assert synadmin("whoami").code == 0
    asked = [target for target in server.targets if "auth_metadata" not in target]
    assert asked == [f"GET {ROOMS}?limit=0", f"GET {VERSION}"]


def test_whoami_without_the_admin_api_is_a_one_line_error(server: Stub, synadmin: Synadmin) -> None:
    _signed_in(server)
    server.on(ROOMS, Reply(404, b"<html>"))
    synadmin("whoami").assert_one_line_error(code=1)


def test_files_are_written_only_in_the_directories_of_synadmin(
    server: Stub, synadmin: Synadmin, work: Path
) -> None:
    synadmin("login", "admin", "--homeserver", server.url, stdin=PASSWORD.encode())
    synadmin("logout")
    assert list(work.iterdir()) == []
    assert {path.name for path in Path.home().rglob("*") if path.is_file()} == {
        "default.env",
        "journal.sqlite3",
    }


@pytest.mark.parametrize("arguments", [("admin",), ("--token",), ()])
def test_dry_run_of_login_says_what_would_be_saved(
    arguments: tuple[str, ...], server: Stub, synadmin: Synadmin
) -> None:
    result = synadmin("login", *arguments, "--homeserver", server.url, "--profile", "club", "--dry-run")

    profile_file = settings.profile_file("club")
    assert result.code == 0
    assert f"on {server.url}, and save the homeserver and the token in {profile_file}." in result.stdout
    assert result.stderr == "Nothing was changed: --dry-run.\n"
    assert not profile_file.exists()
    assert {request.method for request in server.requests} <= {"GET"}


def test_login_and_logout_accept_yes(server: Stub, synadmin: Synadmin) -> None:
    arguments = ("--homeserver", server.url, "--yes")
    assert synadmin("login", "admin", *arguments, stdin=PASSWORD.encode()).code == 0
    assert settings.in_profile("default")[settings.TOKEN] == TOKEN
    assert synadmin("logout", "--yes").code == 0
    assert settings.TOKEN not in settings.in_profile("default")


def test_dry_run_of_logout_changes_nothing(server: Stub, synadmin: Synadmin) -> None:
    profile_file = settings.write_profile("default", {settings.HOMESERVER: server.url, settings.TOKEN: TOKEN})

    result = synadmin("logout", "--dry-run")

    assert result.code == 0
    assert result.stdout == (
        f"Would end the session of {ADMIN} on {server.url} and remove the token from {profile_file}.\n"
    )
    assert settings.in_profile("default")[settings.TOKEN] == TOKEN
    assert LOGOUT not in server.targets
