"""Settings: their sources, their precedence, and values that are not valid."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin import settings
from synadmin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOMESERVER, TOKEN, TOKEN_COMMAND = settings.HOMESERVER, settings.TOKEN, settings.TOKEN_COMMAND
OURS = "SYNADMIN_HOMESERVER=https://ours.example\nSYNADMIN_ACCESS_TOKEN=syt_ours\n"


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


def _write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def _profile(text: str, name: str = "default") -> Path:
    return _write(settings.profile_file(name), text)


def test_precedence_is_option_environment_dotenv_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _profile("SYNADMIN_HOMESERVER=https://profile.example\nSYNADMIN_TIMEOUT=1\n")
    assert settings.load().homeserver == "https://profile.example"
    _write(Path(".env"), "SYNADMIN_HOMESERVER=https://dotenv.example\nSYNADMIN_TIMEOUT=2\n")
    assert settings.load().homeserver == "https://dotenv.example"
    monkeypatch.setenv(HOMESERVER, "https://environment.example")
    assert settings.load().homeserver == "https://environment.example"
    loaded = settings.load(options={HOMESERVER: "https://option.example", "SYNADMIN_TIMEOUT": None})
    assert loaded.homeserver == "https://option.example"
    assert loaded.timeout == 2.0  # each setting has its own precedence


def test_settings_have_defaults() -> None:
    loaded = settings.load()
    assert (loaded.homeserver, loaded.token(), loaded.ca_file) == (None, None, None)
    assert (loaded.profile, loaded.timeout, loaded.warnings) == ("default", 60.0, ())
    assert loaded.journal == Path(os.environ["XDG_STATE_HOME"]) / "synadmin" / "journal.sqlite3"
    assert 1 <= loaded.concurrency <= 64


def test_profile_is_chosen_by_option_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _profile("SYNADMIN_HOMESERVER=https://work.example\n", "work")
    _profile("SYNADMIN_HOMESERVER=https://club.example\n", "club")
    monkeypatch.setenv("SYNADMIN_PROFILE", "work")
    assert settings.load().homeserver == "https://work.example"
    assert settings.load(profile="club").homeserver == "https://club.example"


def test_environment_that_replaces_the_named_profile_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pasted `synadmin --profile club ...` must not change another server without a warning."""
    _profile("SYNADMIN_HOMESERVER=https://club.example\n", "club")
    assert settings.load(profile="club").warnings == ()
    monkeypatch.setenv("SYNADMIN_HOMESERVER", "https://club.example/")
    assert settings.load(profile="club").warnings == ()
    monkeypatch.setenv("SYNADMIN_HOMESERVER", "https://work.example")
    loaded = settings.load(profile="club")
    assert loaded.homeserver == "https://work.example"
    assert loaded.warnings == (
        (
            "the environment sets SYNADMIN_HOMESERVER: this command uses 'https://work.example'"
            " instead of 'https://club.example' of the profile club"
        ),
    )
    assert settings.load(profile="club", options={HOMESERVER: "https://other.example"}).warnings == ()


def test_account_settings_come_only_from_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    _profile("SYNADMIN_HOMESERVER=https://club.example\nSYNADMIN_MAS_SESSION=of_club\n", "club")
    for name in ("SYNADMIN_HOMESERVER", "SYNADMIN_MAS_SESSION", "SYNADMIN_REFRESH_TOKEN"):
        monkeypatch.setenv(name, "of_work")
    assert settings.of_profile("club").values == {
        "SYNADMIN_HOMESERVER": "https://club.example",
        "SYNADMIN_MAS_SESSION": "of_club",
    }


def test_missing_named_profile_is_an_error_with_a_hint() -> None:
    with pytest.raises(SettingsError, match="there is no profile club: the file ") as caught:
        settings.load(profile="club")
    assert caught.value.hint == "`synadmin login --profile club` makes this one"
    settings.write_profile("work", {settings.HOMESERVER: "https://work.example"})
    with pytest.raises(SettingsError) as caught:
        settings.load(profile="club")
    assert caught.value.hint == "the profiles are work; `synadmin login --profile club` makes this one"
    assert settings.load(profile="club", new_profile=True).profile == "club"


@pytest.mark.parametrize("name", ["../club", "a/b", ".hidden", "..", "cl\nub", "a" * 300])
def test_profile_name_cannot_leave_the_directory(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(profile=name)
    assert "\n" not in str(caught.value)


def test_env_file_replaces_dotenv() -> None:
    _write(Path(".env"), "SYNADMIN_HOMESERVER=https://dotenv.example\n")
    other = _write(Path("other.env"), "SYNADMIN_HOMESERVER=https://other.example\n")
    assert settings.load(env_file=other).homeserver == "https://other.example"
    with pytest.raises(SettingsError, match=r"there is no settings file missing\.env"):
        settings.load(env_file=Path("missing.env"))
    with pytest.raises(SettingsError, match="is not a file"):
        settings.load(env_file=Path())


def test_two_tokens_in_one_source_are_an_error() -> None:
    _write(Path(".env"), "SYNADMIN_ACCESS_TOKEN=abc\nSYNADMIN_ACCESS_TOKEN_FILE=/run/token\n")
    with pytest.raises(SettingsError) as caught:
        settings.load()
    assert str(caught.value) == (
        ".env: SYNADMIN_ACCESS_TOKEN and SYNADMIN_ACCESS_TOKEN_FILE are both set; keep one"
    )


def test_token_of_a_higher_source_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _profile("SYNADMIN_ACCESS_TOKEN=from_profile\n")
    file = _write(Path("token"), "from_file\n")
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN_FILE", str(file))
    assert settings.load().token() == "from_file"
    monkeypatch.delenv("SYNADMIN_ACCESS_TOKEN_FILE")
    assert settings.load().token() == "from_profile"


def test_token_command_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN_COMMAND", f"{sys.executable} -c 'print(\"syt_printed\")'")
    assert settings.load().token() == "syt_printed"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-command-anywhere", "cannot be run"),
        (f"{sys.executable} -c 'print(\"secret\"); raise SystemExit(7)'", "ended with exit code 7"),
        (f"{sys.executable} -c pass", "the access token is empty"),
        (f"{sys.executable} -c 'print(\"two\\nsecret lines\")'", "more than one line"),
        ("unbalanced 'quote", "cannot be run"),
        ("   ", "there is no command in it"),
    ],
)
def test_failed_token_command_is_reported_without_its_output(
    command: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN_COMMAND", command)
    with pytest.raises(SettingsError, match=words) as caught:
        settings.load().token()
    assert "SYNADMIN_ACCESS_TOKEN_COMMAND" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"first\nsecret", "more than one line"),
        (b"syt secret", "holds a space, a line break"),
        (b"secret\x00", "holds a space, a line break"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_invalid_token_file_is_reported_without_its_content(
    content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("token").write_bytes(content)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN_FILE", "token")
    with pytest.raises(SettingsError, match=words) as caught:
        settings.load().token()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", ".", "~nobody-of-that-name/token"])
def test_unreadable_token_file_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN_FILE", name)
    with pytest.raises(SettingsError, match="SYNADMIN_ACCESS_TOKEN_FILE") as caught:
        settings.load().token()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("token", ["syt_a\nb", "syt a", "syt_ä", "a\x1b[31m", "a\rb"])
def test_malformed_token_is_refused_without_its_text(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(SettingsError) as caught:
        settings.load().token()
    assert str(caught.value) == (
        "SYNADMIN_ACCESS_TOKEN: the access token holds "
        "a space, a line break or another character no token has"
    )


def test_dollar_in_a_file_is_literal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMELY", "surprise")
    _write(Path(".env"), "SYNADMIN_ACCESS_TOKEN=syt_${HOMELY}$HOMELY\n")
    assert settings.load().token() == "syt_${HOMELY}$HOMELY"


def test_repr_of_settings_has_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "syt_secret")
    loaded = settings.load()
    assert loaded.token() == "syt_secret"
    assert "syt_secret" not in repr(loaded)
    assert "syt_secret" not in str(loaded)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_readable_file_with_a_token_is_a_warning(mode: int) -> None:
    path = _write(Path(".env"), "SYNADMIN_ACCESS_TOKEN=syt_secret\n", mode)
    assert settings.load().warnings == (
        ".env holds an access token and is readable by others: chmod 600 .env",
    )
    path.chmod(0o600)
    assert settings.load().warnings == ()


def test_readable_file_without_a_token_is_accepted() -> None:
    _write(Path(".env"), "SYNADMIN_HOMESERVER=https://example.org\n", 0o644)
    assert settings.load().warnings == ()


def test_invalid_line_is_a_warning_and_ignored(capfd: pytest.CaptureFixture[str]) -> None:
    _write(
        Path(".env"), "SYNADMIN_HOMESERVER=https://example.org\nSYNADMIN CONCURRENCY=3\nSYNADMIN_TIMEOUT=7\n"
    )
    loaded = settings.load()
    assert loaded.warnings == (".env: line 2 is not NAME=VALUE; it is ignored",)
    assert (loaded.homeserver, loaded.timeout) == ("https://example.org", 7.0)
    assert capfd.readouterr().err == ""


def test_dotenv_of_another_program_is_ignored() -> None:
    _write(Path(".env"), "this is not\nfor us\nDATABASE_URL=x\n", 0o644)
    assert settings.load().warnings == ()


def test_invalid_named_env_file_is_an_error() -> None:
    path = _write(Path("homeserver.yaml"), "listeners:\n  - port: 8008\n")
    with pytest.raises(SettingsError, match=r"homeserver\.yaml: line 2 is not NAME=VALUE"):
        settings.load(env_file=path)


def test_binary_file_is_an_error() -> None:
    Path(".env").write_bytes(b"SYNADMIN_TIMEOUT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read: it is not UTF-8 text"):
        settings.load()


def test_pipe_named_dotenv_does_not_hang() -> None:
    os.mkfifo(".env")
    assert settings.load().homeserver is None


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e300", "86401"])
def test_invalid_timeout_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--timeout \(SYNADMIN_TIMEOUT\): .* is not a valid timeout"):
        _ = settings.load(options={"SYNADMIN_TIMEOUT": text}).timeout


@pytest.mark.parametrize("text", ["0", "65", "-1", "2.5", "many", "٣", "9" * 5000])
def test_invalid_concurrency_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_CONCURRENCY", text)
    with pytest.raises(SettingsError, match=r"SYNADMIN_CONCURRENCY: .* is not a whole number from 1 to 64"):
        _ = settings.load().concurrency


def test_plain_http_needs_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings.load().allow_plain_http
    monkeypatch.setenv("SYNADMIN_ALLOW_HTTP", "1")
    assert settings.load().allow_plain_http
    monkeypatch.setenv("SYNADMIN_ALLOW_HTTP", "perhaps")
    with pytest.raises(SettingsError, match="neither 1 nor 0"):
        _ = settings.load().allow_plain_http


@pytest.mark.parametrize("name", ["missing.pem", ".", "~nobody-of-that-name/ca.pem"])
def test_missing_ca_file_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_CA_FILE", name)
    with pytest.raises(
        SettingsError, match=r"SYNADMIN_CA_FILE: (there is no file|.* is not a valid file name)"
    ):
        _ = settings.load().ca_file


def test_relative_xdg_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert settings.profile_file("default") == Path.home() / ".config" / "synadmin" / "default.env"


# The profile


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
def test_profile_is_private_from_its_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    opened = os.fdopen

    def record_mode(descriptor: int, *args: object, **options: object) -> object:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return opened(descriptor, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("synadmin.files.os.fdopen", record_mode)
    path = settings.write_profile("club", {TOKEN: "syt_secret"})
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_profile_is_replaced_atomically(monkeypatch: pytest.MonkeyPatch) -> None:
    path = settings.write_profile("club", {HOMESERVER: "https://example.org", TOKEN: "syt_old"})
    before = path.read_text()

    def disk_full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("synadmin.files.os.fsync", disk_full)
        with pytest.raises(SettingsError, match=r"cannot write .*: no space left on device"):
            settings.write_profile("club", {TOKEN: "syt_new"})
    assert path.read_text() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["club.env"]
    old = path.stat().st_ino
    settings.write_profile("club", {TOKEN: "syt_new"})
    assert path.stat().st_ino != old  # the file was replaced: no reader sees a partial file


def test_other_lines_of_a_profile_are_kept() -> None:
    _profile("# by hand\nexport SYNADMIN_TIMEOUT=5\nexport SYNADMIN_ACCESS_TOKEN=syt_old\n")
    path = settings.write_profile("default", {TOKEN: None, HOMESERVER: "https://example.org"})
    assert path.read_text() == (
        "# by hand\nexport SYNADMIN_TIMEOUT=5\nSYNADMIN_HOMESERVER=https://example.org\n"
    )


@pytest.mark.parametrize(
    "token", ["syt_plain", "with$dollar", "with'quote", "back\\slash", "a#b", '"', "=a=", "`x`"]
)
def test_token_round_trips_through_a_profile(token: str) -> None:
    settings.write_profile("default", {TOKEN: token})
    assert settings.load().token() == token
    assert settings.in_profile("default") == {TOKEN: token}


def test_unwritable_profile_is_reported() -> None:
    folder = settings.profile_file("default").parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where a directory should be")
    with pytest.raises(SettingsError, match="cannot make the directory"):
        settings.write_profile("default", {TOKEN: "syt_secret"})


def test_missing_profile_is_empty() -> None:
    assert settings.in_profile("club") == {}


def test_dotenv_cannot_redirect_the_token_of_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings.write_profile(
        "default", {settings.HOMESERVER: "https://ours.example", settings.TOKEN: "syt_ours"}
    )
    Path(".env").write_text("SYNADMIN_HOMESERVER=https://evil.example\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"evil\.example"):
        settings.load()
    assert settings.load(options={settings.HOMESERVER: "https://other.example"}).token() == "syt_ours"


@pytest.mark.parametrize(
    "homeserver", ["http://127.0.0.1:8008", "http://[::1]:8008", "http://localhost:8008", "localhost:8448"]
)
def test_loopback_homeserver_is_another_homeserver(homeserver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _profile(OURS)
    _write(Path(".env"), f"SYNADMIN_HOMESERVER={homeserver}\n")
    with pytest.raises(SettingsError, match="names the homeserver"):
        settings.load()
    monkeypatch.setenv(TOKEN, "syt_environment")
    with pytest.raises(SettingsError, match="the access token is set in the environment"):
        settings.load()


@pytest.mark.parametrize("name", ["SYNADMIN_ACCESS_TOKEN", "SYNADMIN_ACCESS_TOKEN_FILE", TOKEN_COMMAND])
def test_dotenv_cannot_redirect_the_token_of_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "syt_environment")
    _write(Path(".env"), "SYNADMIN_HOMESERVER=https://evil.example\n")
    with pytest.raises(SettingsError, match=r"evil\.example") as refused:
        settings.load()
    assert "syt_environment" not in str(refused.value)
    monkeypatch.setenv(HOMESERVER, "https://ours.example")
    assert settings.load().homeserver == "https://ours.example"


def test_token_without_a_homeserver_goes_to_that_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "syt_environment")
    _profile("SYNADMIN_HOMESERVER=https://ours.example\n")
    loaded = settings.load()
    assert (loaded.homeserver, loaded.token()) == ("https://ours.example", "syt_environment")


def test_only_the_command_line_redirects_the_token_of_a_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _profile(OURS)
    named = _write(Path("move.env"), "SYNADMIN_HOMESERVER=https://new.example\n")
    with pytest.raises(SettingsError, match=r"move\.env names the homeserver 'https://new\.example'"):
        settings.load(env_file=named)
    monkeypatch.setenv(HOMESERVER, "https://new.example")
    with pytest.raises(SettingsError, match="the environment names the homeserver"):
        settings.load()
    loaded = settings.load(options={HOMESERVER: "https://new.example"})
    assert (loaded.homeserver, loaded.token()) == ("https://new.example", "syt_ours")


@pytest.mark.parametrize(
    "same", ["https://ours.example/", "HTTPS://Ours.example", "https://ours.example:443"]
)
def test_homeserver_comparison_ignores_case(same: str) -> None:
    _profile(OURS)
    _write(Path(".env"), f"SYNADMIN_HOMESERVER={same}\n")
    assert settings.load().token() == "syt_ours"


@pytest.mark.parametrize("other", ["http://ours.example", "https://ours.example:8448", "ours.example"])
def test_other_scheme_or_port_is_another_homeserver(other: str) -> None:
    _profile(OURS)
    _write(Path(".env"), f"SYNADMIN_HOMESERVER={other}\n")
    with pytest.raises(SettingsError, match="names the homeserver"):
        settings.load()


@pytest.mark.parametrize(
    "line",
    ["SYNADMIN_CA_FILE=/tmp/ca.pem", "SYNADMIN_ALLOW_HTTP=1", "SYNADMIN_MAS=https://elsewhere.example"],
)
def test_dotenv_cannot_weaken_tls_for_another_token(line: str) -> None:
    _profile(OURS)
    _write(Path(".env"), f"{line}\n")
    with pytest.raises(SettingsError, match=rf"\.env sets {line.partition('=')[0]}, but the access token"):
        settings.load()
    _write(Path(".env"), f"{line}\n{OURS}")
    assert settings.load().token() == "syt_ours"


@pytest.mark.parametrize(
    "line", ["SYNADMIN_MAS=https://elsewhere.example", f"{HOMESERVER}=https://b.example"]
)
def test_dotenv_cannot_redirect_a_client_secret(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_MAS_CLIENT_ID", "01CLIENT")
    monkeypatch.setenv("SYNADMIN_MAS_CLIENT_SECRET", "not-to-be-shown")
    _write(Path(".env"), f"{line}\n")
    with pytest.raises(SettingsError, match="the client secret is set in the environment") as refusal:
        settings.load()
    assert "not-to-be-shown" not in str(refusal.value)


def test_client_secret_comes_from_file_or_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_MAS_CLIENT_ID", "01CLIENT")
    with pytest.raises(SettingsError, match="its secret is not"):
        settings.load().mas_client_secret()
    file = _write(tmp_path / "secret", "s3cret\n")
    monkeypatch.setenv("SYNADMIN_MAS_CLIENT_SECRET_FILE", str(file))
    loaded = settings.load()
    assert (loaded.mas_client_id, loaded.mas_client_secret()) == ("01CLIENT", "s3cret")
    assert "s3cret" not in repr(loaded)
    monkeypatch.setenv("SYNADMIN_MAS_CLIENT_SECRET_COMMAND", "echo other")
    with pytest.raises(SettingsError, match="are both set"):
        settings.load()
    monkeypatch.delenv("SYNADMIN_MAS_CLIENT_SECRET_FILE")
    assert settings.load().mas_client_secret() == "other"


def test_token_command_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("SYNADMIN_JOURNAL", "/somewhere")
    monkeypatch.setenv("PASSWORD_STORE_DIR", "/store")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    monkeypatch.setenv(TOKEN_COMMAND, f"/bin/sh -c 'env > {seen}; echo syt_printed'")
    assert settings.load().token() == "syt_printed"
    environment = dict(line.partition("=")[::2] for line in seen.read_text().splitlines())
    assert environment["HOME"] == os.environ["HOME"]
    assert environment["PATH"] == os.environ["PATH"]
    assert (environment["PASSWORD_STORE_DIR"], environment["LC_MESSAGES"]) == ("/store", "de_DE.UTF-8")
    assert "DATABASE_PASSWORD" not in environment
    assert not [name for name in environment if name.startswith("SYNADMIN_")]


@pytest.mark.parametrize("home", [os.devnull, "/nowhere/at/all", ""])
def test_unreachable_default_profile_is_ignored(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv(HOMESERVER, "https://ours.example")
    monkeypatch.setenv(TOKEN, "syt_environment")
    loaded = settings.load()
    assert (loaded.homeserver, loaded.token()) == ("https://ours.example", "syt_environment")
    assert loaded.journal.name == "journal.sqlite3"


def test_environment_is_enough_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_path: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(no_home))
    monkeypatch.setenv(HOMESERVER, "https://ours.example")
    loaded = settings.load()
    assert (loaded.homeserver, loaded.journal.is_relative_to(os.devnull)) == ("https://ours.example", True)


def test_unreachable_named_profile_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    with pytest.raises(SettingsError, match="Not a directory"):
        settings.load(profile="club")
    assert "Not a directory" in (settings.load().unread_profile or "")


def test_too_long_ca_file_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_CA_FILE", "x" * 5000)
    with pytest.raises(SettingsError, match=r"SYNADMIN_CA_FILE: .*cannot be read: File name too long"):
        _ = settings.load().ca_file


def test_home_directory_of_a_non_unicode_user_is_reported() -> None:
    loaded = settings.Settings("club", {"SYNADMIN_JOURNAL": "~a\ud800/journal"})
    with pytest.raises(SettingsError, match=r"SYNADMIN_JOURNAL: .* is not a valid file name"):
        _ = loaded.journal


def test_profile_that_is_not_utf_8_is_reported_and_kept() -> None:
    path = settings.write_profile("club", {HOMESERVER: "https://example.org"})
    path.write_bytes(b"# \xff\n")
    with pytest.raises(SettingsError, match="it is not UTF-8 text"):
        settings.write_profile("club", {TOKEN: "syt_new"})
    assert path.read_bytes() == b"# \xff\n"


def test_example_file_names_every_setting_with_its_default() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text("utf-8")
    named = dict(re.findall(r"^(?:# )?(SYNADMIN_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    # Settings that `synadmin login` saves in addition to the token.
    saved_by_login = {
        settings.MAS_SESSION,
        settings.REFRESH_TOKEN,
        settings.REFRESH_CLIENT,
        settings.TOKEN_EXPIRES,
    }
    assert set(named) == set(settings.NAMES) - saved_by_login
    defaults = settings.Settings("default", {})
    assert float(named["SYNADMIN_TIMEOUT"]) == defaults.timeout
    assert int(named["SYNADMIN_CONCURRENCY"]) == defaults.concurrency
    assert Path(named["SYNADMIN_JOURNAL"]).name == defaults.journal.name
    assert named["SYNADMIN_ALLOW_HTTP"] == str(int(defaults.allow_plain_http))
    guide = (Path(__file__).parents[2] / "docs" / "first-steps.md").read_text("utf-8")
    in_guide = dict(re.findall(r"^\| `(SYNADMIN_[A-Z_]+)` \| .*\(`?([^()`]+)`?\) \|$", guide, re.MULTILINE))
    for name in ("SYNADMIN_TIMEOUT", "SYNADMIN_CONCURRENCY", "SYNADMIN_JOURNAL"):
        assert in_guide[name] == named[name], f"docs/first-steps.md has another default of {name}"
