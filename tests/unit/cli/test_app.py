"""Common behaviour of all commands: exit codes, errors in one line, pipes and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from synadmin import __version__
from synadmin.cli.exit_codes import exit_code
from synadmin.errors import (
    ConnectError,
    JournalError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    RateLimitedError,
    RefusedError,
    ReplyError,
    ServerError,
    SettingsError,
    SynadminError,
    UsageError,
)
from synadmin.journal import entries
from tests.unit.cli.conftest import TOKEN
from tests.unit.stub import BROKEN, EMPTY, HTML, SILENT, WHOAMI, Reply, json_reply, nobody_there, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Result, Synadmin
    from tests.unit.stub import Request, Stub


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (SettingsError, 2),
        (NotAuthenticatedError, 3),
        (NotPermittedError, 3),
        (NotFoundError, 4),
        (RefusedError, 5),
        (ConnectError, 1),
        (ReplyError, 1),
        (JournalError, 1),
        (NotSupportedError, 1),
        (RateLimitedError, 1),
        (ServerError, 1),
        (MatrixError, 1),
        (SynadminError, 1),
    ],
)
def test_errors_have_the_exit_codes_of_the_contract(kind: type[SynadminError], code: int) -> None:
    if issubclass(kind, MatrixError):
        assert exit_code(kind(status=400, errcode="M_X", reason="no")) == code
    else:
        assert exit_code(kind("no")) == code


# Errors of the server, and answers that are not valid

_FAILURES = {
    "HTML": (HTML, 1, "the answer is a web page, not JSON"),
    "an empty body": (EMPTY, 1, "the answer is empty"),
    "JSON of another shape": (json_reply(["x"]), 1, "the answer has another shape"),
    "a field of another type": (json_reply({"user_id": 5}), 1, "the answer has another shape"),
    "invalid UTF-8": (Reply(200, b'{"user_id": "\xff"}'), 1, "the answer has another shape"),
    "endless nesting": (Reply(200, b"[" * 100_000), 1, "the answer has another shape"),
    "301": (Reply(301, b"", {"Location": "https://evil.example/"}), 1, "the server redirects to"),
    "301 to nowhere": (Reply(301, b"", {"Location": "http://[::1"}), 1, "the server redirects to"),
    "401": (refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."), 3, "M_UNKNOWN_TOKEN, HTTP 401"),
    "403": (refused(403, "M_FORBIDDEN", "You are not a server admin"), 3, "You are not a server admin"),
    "404": (refused(404, "M_NOT_FOUND", "Room not found"), 4, "Room not found"),
    "404 by a proxy": (Reply(404, b"<html>"), 1, "which is not a Matrix error"),
    "429": (refused(429, "M_LIMIT_EXCEEDED", "Too Many", retry_after_ms=99_000), 1, "M_LIMIT_EXCEEDED"),
    "500": (refused(500, "M_UNKNOWN", "Internal server error"), 1, "Internal server error"),
    "502": (Reply(502, b"<html>"), 1, "Bad Gateway"),
    "a closed connection": (BROKEN, 1, "closed the connection without an answer"),
    "not HTTP": (Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), 1, "is not Matrix: it is no HTTP"),
    "no answer": (SILENT, 1, "did not answer within 0.2 s"),
    "an escape sequence": (refused(400, "M_\x1b[2J", "a\x1b[31mb\nc\r\u202ed"), 1, r"a\x1b[31mb\nc\r\u202ed"),
}


@pytest.mark.parametrize(("reply", "code", "words"), _FAILURES.values(), ids=_FAILURES)
def test_server_error_is_a_one_line_error(
    reply: Reply, code: int, words: str, signed_in: Stub, synadmin: Synadmin
) -> None:
    signed_in.on(WHOAMI, reply)
    result = synadmin("whoami", "--timeout", "0.2" if reply is SILENT else "20")
    result.assert_one_line_error(code=code)
    assert words in result.stderr
    assert result.stderr.replace("\n", "").isprintable()
    assert TOKEN not in result.stderr


def test_refused_connection_is_a_one_line_error(synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", TOKEN)
    for homeserver, words in (
        (nobody_there(), "refuses the connection: nothing listens there"),
        ("https://matrix.invalid", "matrix.invalid cannot be found: DNS "),
    ):
        result = synadmin("whoami", "--homeserver", homeserver)
        result.assert_one_line_error(code=1)
        assert words in result.stderr
    assert "gaierror" not in result.stderr
    assert "gaierror" in synadmin("whoami", "-vv", "--homeserver", homeserver).stderr


@pytest.mark.parametrize(
    ("homeserver", "code", "words"),
    [
        ("", 2, "no homeserver is configured"),
        ("matrix.invalid", 1, "looks like a server name, but https://matrix.invalid/"),
        ("a..b", 1, "looks like a server name"),
        ("matrix.invalid/_matrix", 2, "neither a URL (https://matrix.example.org) nor a server name"),
        (
            "https://matrix.example.org/_matrix",
            2,
            "has a path: give the base URL alone, https://matrix.example.org",
        ),
        ("https://", 2, "is not a URL"),
        ("ftp://matrix.example.org", 2, "is not a URL"),
        ("https://exämple.org", 2, "is not a URL"),
        ("https://root:hunter2@example.org", 2, "must not hold a user name or password"),
        ("http://matrix.example.org", 2, "plain http would send the token readable"),
        ("https://a..b", 2, "is not a URL that can be reached"),
        ("https://\x1b[31m", 2, "is not a URL"),
        ("https://\udcff", 2, "is not a URL"),
        ("\udcff", 2, "nor a server name"),
    ],
)
def test_invalid_homeserver_is_a_one_line_error(
    homeserver: str, code: int, words: str, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", TOKEN)
    result = synadmin("whoami", f"--homeserver={homeserver}")
    result.assert_one_line_error(code=code)
    assert words in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    "setting",
    [
        ("SYNADMIN_ACCESS_TOKEN", ""),
        ("SYNADMIN_ACCESS_TOKEN", "syt_donotshow\nthis"),
        ("SYNADMIN_ACCESS_TOKEN", "syt_donotshow\u2028"),
        ("SYNADMIN_ACCESS_TOKEN_FILE", "missing"),
        ("SYNADMIN_ACCESS_TOKEN_FILE", "~nobody-of-that-name/x"),
        ("SYNADMIN_ACCESS_TOKEN_COMMAND", "false"),
        ("SYNADMIN_ACCESS_TOKEN_COMMAND", " "),
        ("SYNADMIN_CA_FILE", "missing.pem"),
        ("SYNADMIN_TIMEOUT", "soon"),
        ("SYNADMIN_TIMEOUT", "1e300"),
        ("SYNADMIN_CONCURRENCY", "0"),
        ("SYNADMIN_ALLOW_HTTP", "perhaps"),
        ("SYNADMIN_JOURNAL", "~nobody-of-that-name/x"),
        ("SYNADMIN_PROFILE", "../x"),
    ],
    ids="=".join,
)
def test_invalid_setting_is_a_one_line_error(
    setting: tuple[str, str], stub: Stub, synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_HOMESERVER", stub.url)
    if "TOKEN" not in setting[0]:
        monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv(*setting)
    result = synadmin("whoami")
    result.assert_one_line_error(code=2)
    assert "donotshow" not in result.stderr
    assert stub.requests == []


def test_missing_settings_file_is_a_one_line_error(synadmin: Synadmin) -> None:
    synadmin("whoami", "--env-file", "missing.env").assert_one_line_error(code=2)
    result = synadmin("whoami", "--profile", "club")
    result.assert_one_line_error(code=2)
    assert "`synadmin login --profile club` makes this one" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["journal", "nonsense"],
        ["whoami", "too", "many"],
        ["whoami", "-o", "xml"],
        ["journal", "show", "one", "too many"],
    ],
)
def test_invalid_command_is_a_one_line_error_with_help(arguments: list[str], synadmin: Synadmin) -> None:
    result = synadmin(*arguments)
    result.assert_one_line_error(code=2)
    assert re.search("--help` (shows how it is used|lists its commands|explains them)", result.stderr)


def test_no_option_takes_a_secret(synadmin: Synadmin) -> None:
    synadmin("whoami", "--access-token", TOKEN).assert_one_line_error(code=2)
    synadmin("login", "admin", "--password", "hunter2").assert_one_line_error(code=2)


def test_help_and_version_go_to_stdout_and_exit_0(synadmin: Synadmin) -> None:
    for arguments in (["--help"], ["-h"], ["journal", "-h"], ["login", "--help"]):
        result = synadmin(*arguments)
        assert (result.code, result.stderr) == (0, "")
        assert result.stdout.startswith("Usage: synadmin")
    assert synadmin("--version").stdout == f"synadmin {__version__}\n"


def test_group_without_a_command_shows_help_and_exits_2(synadmin: Synadmin) -> None:
    for arguments in ([], ["journal"]):
        result = synadmin(*arguments)
        assert (result.code, result.stdout) == (2, "")
        assert result.stderr.startswith("Usage: synadmin")


# -v


def test_traceback_needs_verbose_and_has_no_secret(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(WHOAMI, refused(403, "M_FORBIDDEN", "no\x1b[2J"))
    plain = synadmin("whoami")
    verbose = synadmin("whoami", "-v")
    very_verbose = synadmin("whoami", "-vv")
    assert (plain.code, verbose.code, very_verbose.code) == (3, 3, 3)
    assert f"GET {WHOAMI} -> 403" in verbose.stderr
    assert "Traceback" not in plain.stderr + verbose.stderr
    assert "Traceback (most recent call last):" in very_verbose.stderr
    for result in (plain, verbose, very_verbose):
        assert "\x1b" not in result.stderr
        assert TOKEN not in result.stderr


def test_quiet_prints_only_errors(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(
        WHOAMI, refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=500), refused(401, "M_UNKNOWN_TOKEN")
    )
    assert "the server asks to wait" in synadmin("whoami").stderr
    signed_in.on(
        WHOAMI, refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=500), refused(401, "M_UNKNOWN_TOKEN")
    )
    result = synadmin("whoami", "-q")
    result.assert_one_line_error(code=3)
    assert "wait" not in result.stderr


# Pipes, standard streams and signals


@pytest.fixture
def long_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal that is larger than the buffer of a pipe."""
    path = tmp_path / "journal.jsonl"
    line = '{"run": "x", "id": "x-1", "server": "s", "method": "POST", "path": "%s", "status": 200}\n'
    path.write_text(line % ("/" + "x" * 100) * 5000)
    assert len(list(entries(path))) == 5000  # reading imports the entries
    monkeypatch.setenv("SYNADMIN_JOURNAL", str(path))
    return path


@pytest.mark.usefixtures("long_journal")
@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
def test_closed_pipe_is_not_an_error(output_format: str, in_a_shell: Callable[[str], Result]) -> None:
    line = f"{{ synadmin journal list --requests --limit 0 -o {output_format}; echo $? >&2; }} | head -c 10"
    result = in_a_shell(line)
    assert (len(result.stdout), result.stderr) == (10, "0\n")


@pytest.mark.usefixtures("long_journal")
def test_full_disk_is_a_one_line_error(in_a_shell: Callable[[str], Result]) -> None:
    for command in ("journal list --requests --limit 0 -o csv", "--version"):
        result = in_a_shell(f"synadmin {command} > /dev/full")
        result.assert_one_line_error(code=1)
        assert "No space left on device" in result.stderr


def test_closed_standard_streams_give_no_traceback(in_a_shell: Callable[[str], Result]) -> None:
    for command in ("journal list -o json", "--help"):
        result = in_a_shell(f"synadmin {command} >&-")
        assert (result.code, result.stderr) == (0, "")
    in_a_shell("synadmin login admin --homeserver https://matrix.invalid --token <&-").assert_one_line_error(
        code=2
    )
    assert in_a_shell("synadmin nonsense 2>&-").code == 2


def test_text_outside_the_locale_is_escaped(in_a_shell: Callable[[str], Result]) -> None:
    result = in_a_shell("export PYTHONIOENCODING=latin-1; synadmin nons✓nse")
    assert result.code == 2
    assert r"nons\u2713nse" in result.stderr


@pytest.mark.parametrize(
    ("number", "ignored", "code"),
    [
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, False, 130),
        (signal.SIGHUP, False, 130),
        (signal.SIGHUP, True, 3),  # with nohup, the command continues and reads the answer
    ],
)
def test_signal_ends_a_run_like_ctrl_c(
    number: int, ignored: bool, code: int, signed_in: Stub, work: Path
) -> None:
    signalled = threading.Event()

    def wait(_: Request) -> None:
        signalled.wait(30)

    signed_in.on_request = wait
    signed_in.on(WHOAMI, refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    command = [sys.executable, "-m", "synadmin", "whoami", "--timeout", "30"]
    if ignored:
        command = ["/usr/bin/env", "nohup", *command]
    with subprocess.Popen(
        command, cwd=work, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not signed_in.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        if ignored:
            signalled.set()
        _, stderr = process.communicate(timeout=60)
    signalled.set()
    assert process.returncode == code
    assert [line for line in stderr.splitlines() if line.startswith("synadmin: ")]
    assert ("interrupted" in stderr) is not ignored
    assert "Traceback" not in stderr


def test_synadmin_runs_as_module_and_script(in_a_shell: Callable[[str], Result]) -> None:
    script = os.path.join(os.path.dirname(sys.executable), "synadmin")  # noqa: PTH118, PTH120
    for line in ("synadmin --version", f"{script} --version"):
        result = in_a_shell(line)
        assert re.fullmatch(r"synadmin \d+\.\d+\.\d+(rc\d+)?\n", result.stdout)


# Invalid ids and lists

_INVALID_ROOMS = [
    "",
    "!",
    "#club",
    "!a b:example.org",
    "!ä:example.org",
    "!a:exa mple.org",
    "#cl\nub:example.org",
    "#cl\udcffub:example.org",
    "@alice:example.org",
    "!abc:example.org/../..",
]


@pytest.mark.parametrize("room", _INVALID_ROOMS, ids=ascii)
@pytest.mark.parametrize(
    "command", [("show",), ("power",), ("state",), ("members",), ("make-admin", "--yes")], ids=" ".join
)
def test_invalid_room_is_a_one_line_error(
    command: tuple[str, ...], room: str, signed_in: Stub, synadmin: Synadmin
) -> None:
    result = synadmin("room", *command, "--", room)
    result.assert_one_line_error(code=2)
    assert result.stderr.replace("\n", "").isprintable()
    assert signed_in.targets == []


@pytest.mark.parametrize(
    "user",
    ["", "@alice", "@al ice:example.org", "@ålice:example.org", "al\nice", "!a:example.org", "\udcff"],
    ids=ascii,
)
def test_invalid_user_is_a_one_line_error(user: str, signed_in: Stub, synadmin: Synadmin) -> None:
    result = synadmin("room", "make-admin", "--yes", "!a:example.org", f"--user={user}")
    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


@pytest.mark.parametrize("content", [None, "", "\n\n", "# only a remark\n", b"\xff\xfe"])
def test_invalid_list_is_a_one_line_error(
    content: str | bytes | None, signed_in: Stub, synadmin: Synadmin, work: Path
) -> None:
    if content is not None:
        (work / "rooms.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = synadmin("room", "make-admin", "--yes", "--from", "rooms.txt")
    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_id_with_special_characters_is_one_segment(signed_in: Stub, synadmin: Synadmin) -> None:
    result = synadmin("room", "show", "!a/../b?c#d%2fe&f=g+h;i:example.org")
    assert result.code in {1, 4}
    rooms = [target for target in signed_in.targets if "/rooms/" in target]
    assert rooms
    for target in rooms:
        assert "/rooms/%21a%2F..%2Fb%3Fc%23d%252fe%26f%3Dg%2Bh%3Bi%3Aexample.org" in target


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("user lock --from -", "standard input names no user"),
        ("notice send alice", "the notice is empty"),
        ("user password alice --yes", "standard input is empty"),
        ("api POST /_synapse/admin/v1/x -d -", "standard input"),
    ],
)
@pytest.mark.usefixtures("signed_in")
def test_closed_standard_input_counts_as_empty(
    command: str, words: str, in_a_shell: Callable[[str], Result]
) -> None:
    result = in_a_shell(f"synadmin {command} <&-")
    result.assert_one_line_error(code=2)
    assert words in result.stderr
