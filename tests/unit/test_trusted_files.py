"""Settings files that other users own or can change are not trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin import settings
from synadmin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")

OTHER = 65_000  # a user id without an account
PLANTED = """\
SYNADMIN_HOMESERVER=http://127.0.0.1:9
SYNADMIN_ACCESS_TOKEN_COMMAND=touch planted
SYNADMIN_CA_FILE=/tmp/ca.pem
SYNADMIN_JOURNAL=/tmp/planted.jsonl
SYNADMIN_ALLOW_HTTP=1
"""


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that all users can write to; the umask is 0."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.chdir(folder)
    before = os.umask(0)
    yield folder
    os.umask(before)


def _file_of(owner: int, name: str, text: str = PLANTED, mode: int = 0o600) -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


def _own_file(name: str = "ours.env", mode: int = 0o600) -> Path:
    return _file_of(
        0, name, "SYNADMIN_HOMESERVER=https://ours.example\nSYNADMIN_ACCESS_TOKEN=syt_ours\n", mode
    )


def _profile_of_another() -> None:
    path = settings.write_profile("default", {settings.TOKEN: "syt_theirs"})
    os.chown(path, OTHER, OTHER)


def _link_of_another() -> None:
    _own_file()
    Path(".env").symlink_to("ours.env")
    os.lchown(".env", OTHER, OTHER)


def _link_to_a_link_of_another() -> None:
    _own_file()
    Path("between").symlink_to("ours.env")
    os.lchown("between", OTHER, OTHER)
    Path(".env").symlink_to("between")


def _hard_link() -> None:
    Path(".env").hardlink_to(_own_file())


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda: _file_of(OTHER, ".env"), "its owner is user 65000, not you or root"),
        (lambda: _file_of(OTHER, ".env", "export SYNADMIN_JOURNAL=x\n", 0o644), "its owner is user 65000"),
        (lambda: _file_of(0, ".env", mode=0o620), "others can write it"),
        (lambda: _file_of(0, ".env", mode=0o602), "others can write it"),
        (lambda: _file_of(0, ".env", mode=0o666), "others can write it"),
        (_link_of_another, "user 65000, not you or root, made the symbolic link .env"),
        (_link_to_a_link_of_another, "made the symbolic link between"),
        (_hard_link, "it is a hard link in a directory that others can write"),
        (_profile_of_another, "its owner is user 65000"),
    ],
    ids=["owner", "one setting", "group", "others", "all", "link", "second link", "hard link", "profile"],
)
def test_settings_file_that_others_can_change_is_refused(plant: Callable[[], object], words: str) -> None:
    plant()
    with pytest.raises(SettingsError, match=words) as refused:
        settings.load()
    assert "is not trusted" in str(refused.value)
    assert refused.value.hint


def test_named_settings_file_of_another_user_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"named\.env is not trusted: its owner"):
        settings.load(env_file=_file_of(OTHER, "named.env", "HARMLESS=1\n"))


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_own_file_in_a_shared_directory_is_trusted(mode: int) -> None:
    _own_file(".env", mode)
    loaded = settings.load()
    assert loaded.token() == "syt_ours"
    assert bool(loaded.warnings) == (mode == 0o644)


def test_own_links_are_trusted_where_others_cannot_write(shared: Path) -> None:
    shared.chmod(0o755)
    _own_file()
    Path("hard.env").hardlink_to("ours.env")
    Path(".env").symlink_to("hard.env")
    assert settings.load().token() == "syt_ours"


@pytest.mark.parametrize("text", ["DATABASE_URL=x\n", "", "# SYNADMIN_HOMESERVER is set elsewhere\n"])
def test_foreign_dotenv_of_another_program_is_ignored(text: str) -> None:
    _file_of(OTHER, ".env", text, 0o666)
    loaded = settings.load()
    assert (loaded.values, loaded.warnings) == ({}, ())


def test_foreign_pipe_named_dotenv_is_ignored() -> None:
    os.mkfifo(".env", 0o666)
    os.chown(".env", OTHER, OTHER)
    assert settings.load().values == {}


@pytest.mark.parametrize(
    ("owner", "mode", "words"), [(OTHER, 0o600, "its owner is user 65000"), (0, 0o622, "others can write it")]
)
def test_token_file_that_others_can_change_is_refused(
    owner: int, mode: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file_of(owner, "token", "syt_secret\n", mode)
    monkeypatch.setenv(settings.TOKEN_FILE, "token")
    with pytest.raises(SettingsError, match=words) as refused:
        settings.load().token()
    assert str(refused.value).startswith("SYNADMIN_ACCESS_TOKEN_FILE: token is not trusted")
    assert "syt_secret" not in str(refused.value)


def test_token_file_that_others_can_read_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    _file_of(0, "token", "syt_secret\n", 0o644)
    monkeypatch.setenv(settings.TOKEN_FILE, "token")
    loaded = settings.load()
    assert loaded.warnings == ("token holds an access token and is readable by others: chmod 600 token",)
    assert loaded.token() == "syt_secret"


# All modules are imported first: the other user may not be able to read the files of Python.
_AS_OTHER = """
import os, pkgutil, pwd, sys, encodings.idna, encodings.utf_8_sig, requests, dotenv.parser, synadmin
for module in pkgutil.walk_packages(synadmin.__path__, "synadmin."):
    if "__main__" not in module.name and "html" not in module.name:
        __import__(module.name)
os.setgroups([])
os.setresgid(*3 * [int(sys.argv[1])])
os.setresuid(*3 * [int(sys.argv[1])])
from synadmin.cli.app import main
main(sys.argv[2:])
"""


def _run(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _as_other(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as another user."""
    return _run(home, "-c", _AS_OTHER, str(OTHER), *arguments, **environment)


def test_files_of_root_and_the_user_are_trusted(shared: Path) -> None:
    for owner, trusted in ((0, True), (OTHER, True), (OTHER + 1, False)):
        _file_of(owner, ".env", "SYNADMIN_TIMEOUT=never\n", 0o644)
        result = _as_other(
            shared, "whoami", SYNADMIN_HOMESERVER="http://127.0.0.1:9", SYNADMIN_ACCESS_TOKEN="x"
        )
        assert result.returncode == 2, result.stderr
        assert ("is not trusted" in result.stderr) != trusted, result
        assert ("SYNADMIN_TIMEOUT" in result.stderr) == trusted, result


def test_inaccessible_home_is_not_needed(shared: Path) -> None:
    home = shared / "roots"
    home.mkdir(mode=0o700)
    complete = {"SYNADMIN_HOMESERVER": "http://127.0.0.1:9", "SYNADMIN_ACCESS_TOKEN": "syt_x"}

    result = _as_other(home, "room", "list", **complete)

    assert result.returncode == 1, result
    assert "127.0.0.1:9" in result.stderr  # the request was sent, and the server does not answer
    incomplete = _as_other(home, "room", "list")
    assert incomplete.returncode == 2
    assert "no homeserver is configured" in incomplete.stderr
    assert "Permission denied" in incomplete.stderr


def test_planted_file_has_no_effect(shared: Path) -> None:
    _file_of(OTHER, ".env", mode=0o644)
    result = _run(shared / "home", "-m", "synadmin", "whoami")
    assert result.returncode == 2
    assert result.stderr.startswith("synadmin: .env is not trusted: its owner is user 65000")
    assert [entry.name for entry in shared.iterdir()] == [".env"]
