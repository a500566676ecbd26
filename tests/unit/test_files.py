"""Files that synadmin writes, also in directories where other users can plant files."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import SettingsError
from synadmin.files import LockedError, is_locked, locked, make_directory, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")

_HOLD_LOCK = """
import sys, time
from pathlib import Path
from synadmin.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=[0o000, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory with the permissions of /tmp."""
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o1777)
    return path


# Replacing


def test_file_is_replaced_and_no_temporary_file_remains(tmp_path: Path) -> None:
    path = tmp_path / "report.prom"
    path.write_text("old", "utf-8")
    replace_file(path, "new ünd \udce4")
    assert path.read_text("utf-8") == "new ünd \\udce4"
    assert not list(tmp_path.glob(".*"))


def test_unwritable_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot write .*: no such file") as caught:
        replace_file(tmp_path / "missing" / "report", "text", setting="--output-file")
    assert caught.value.hint == "choose another place with --output-file"
    with pytest.raises(SettingsError, match="is a directory"):
        replace_file(tmp_path, "text")


def test_full_disk_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "profile"
    path.write_text("old", "utf-8")

    def disk_full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("synadmin.files.os.fsync", disk_full)
        with pytest.raises(SettingsError, match="no space left on device"):
            replace_file(path, "new")
    assert path.read_text("utf-8") == "old"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("loose_umask")
def test_file_is_private_under_any_umask(tmp_path: Path) -> None:
    replace_file(tmp_path / "secret", "text")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    replace_file(tmp_path / "report", "text", mode=0o644)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o644


def test_planted_temporary_file_is_not_opened(shared: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    # Temporary files of earlier versions had these names: a hard link, a symbolic link, a pipe.
    (shared / ".report.draft").hardlink_to(victim)
    (shared / f".report.{os.getpid()}").symlink_to(victim)
    os.mkfifo(shared / ".report.tmp")
    replace_file(shared / "report", "text")
    assert victim.read_text("utf-8") == "precious"
    assert (shared / "report").read_text("utf-8") == "text"


def test_hard_link_is_replaced_not_followed(shared: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    (shared / "report").hardlink_to(victim)
    replace_file(shared / "report", "text")
    assert (victim.read_text("utf-8"), (shared / "report").read_text("utf-8")) == ("precious", "text")


def test_own_symlink_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "default.env").symlink_to("dotfiles/default.env")
    replace_file(tmp_path / "default.env", "text")
    assert (tmp_path / "default.env").is_symlink()
    assert (tmp_path / "dotfiles" / "default.env").read_text("utf-8") == "text"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SettingsError, match="too many levels"):
        replace_file(tmp_path / "loop", "text")


@as_root
def test_symlink_of_another_user_is_refused(shared: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    link = shared / "report"
    link.symlink_to(victim)
    os.lchown(link, _NOBODY, _NOBODY)
    with pytest.raises(SettingsError, match="symbolic link that another user has made"):
        replace_file(link, "text")
    assert victim.read_text("utf-8") == "precious"


@as_root
def test_file_of_another_user_is_replaced(shared: Path) -> None:
    path = shared / "report"
    path.write_text("theirs", "utf-8")
    path.chmod(0o666)
    os.chown(path, _NOBODY, _NOBODY)
    replace_file(path, "text")
    status = path.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)


def test_pipe_or_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "profile")
    for path in (tmp_path / "profile", Path("/dev/null")):
        with pytest.raises(SettingsError, match="is a pipe, a socket or a device"):
            replace_file(path, "text")
    assert Path("/dev/null").is_char_device()


def test_report_is_written_to_a_given_device_or_pipe(tmp_path: Path) -> None:
    replace_file(Path("/dev/null"), "text", into_devices=True)
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="nothing reads from this pipe"):
        replace_file(tmp_path / "pipe", "text", into_devices=True)
    long = "x" * 300_000  # more than a pipe holds
    count = f"print(len(open({str(tmp_path / 'pipe')!r}).read()))"
    with subprocess.Popen([sys.executable, "-c", count], stdout=subprocess.PIPE) as reader:
        deadline = time.monotonic() + 20
        while reader.poll() is None:
            try:
                replace_file(tmp_path / "pipe", long, into_devices=True)
            except SettingsError:  # the reader has not opened the pipe yet
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                break
        assert reader.stdout is not None
        assert reader.stdout.read() == b"300000\n"


@as_root
def test_pipe_of_another_user_is_refused(shared: Path) -> None:
    path = shared / "report"
    os.mkfifo(path)
    os.chown(path, _NOBODY, _NOBODY)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(SettingsError, match="belongs to another user"):
        replace_file(path, "text", into_devices=True)
    assert os.read(reader, 10) == b""
    os.close(reader)


def _replace_often(path: Path, text: str) -> None:
    for _ in range(50):
        replace_file(path, text)


def test_simultaneous_writers_leave_a_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "baseline"
    texts = ["a" * 5000, "b" * 5000, "c" * 5000]
    writers = [
        multiprocessing.get_context("spawn").Process(target=_replace_often, args=(path, text))
        for text in texts
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            assert path.read_text("utf-8") in texts
        time.sleep(0.002)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert not list(tmp_path.glob(".*"))


# Directories


def test_directories_are_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    del umask
    make_directory(tmp_path / "local" / "state" / "synadmin")
    for path in (tmp_path / "local", tmp_path / "local" / "state", tmp_path / "local" / "state" / "synadmin"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_existing_directory_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o750)
    make_directory(tmp_path / "shared")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o750


def test_directory_error_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot make the directory .*: not a directory") as caught:
        make_directory(tmp_path / "file" / "state", setting="XDG_STATE_HOME")
    assert caught.value.hint == "choose another place with XDG_STATE_HOME"


# Locks


def test_lock_without_wait_is_refused_while_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(LockedError, match="another process holds the lock"), locked(path):
        pass
    with locked(path):
        pass


def test_waiting_lock_continues_when_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    order: list[str] = []

    def take_lock() -> None:
        with locked(path, wait=True):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=take_lock)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_lock_wait_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    until = time.monotonic() + 0.1
    with locked(path), pytest.raises(LockedError), locked(path, wait=True, until=until):
        pass


def test_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    assert not is_locked(path)
    with subprocess.Popen([sys.executable, "-c", _HOLD_LOCK, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_locked(path)
        with pytest.raises(LockedError), locked(path):
            pass
        holder.kill()
    assert not is_locked(path)
    with locked(path, remove=True):
        assert path.exists()
    assert not path.exists()


def test_lock_error_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SettingsError, match="cannot make the lock") as caught,
        locked(tmp_path / "file" / "lock", setting="SYNADMIN_JOURNAL"),
    ):
        pass
    assert caught.value.hint == "choose another place with SYNADMIN_JOURNAL"


def test_lock_file_must_be_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(SettingsError, match="cannot make the lock"), locked(tmp_path / name):
            pass
    assert not (tmp_path / "victim").exists()


@as_root
def test_lock_file_of_another_user_is_refused(shared: Path) -> None:
    path = shared / "lock"
    path.touch()
    os.chown(path, _NOBODY, _NOBODY)
    # Some kernels refuse to open the file (fs.protected_regular), so the end of the message differs.
    with pytest.raises(SettingsError, match="cannot make the lock"), locked(path):
        pass
