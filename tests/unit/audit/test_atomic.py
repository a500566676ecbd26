from __future__ import annotations

from pathlib import Path

import pytest

from synadmin.audit import atomic
from synadmin.errors import SettingsError


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "report.prom"
    path.write_text("old", "utf-8")
    atomic.write(path, "new ünd \udce4")
    assert path.read_text("utf-8") == "new ünd \\udce4"
    assert not path.with_name(".report.prom.draft").exists()


def test_what_a_killed_run_has_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".report.draft").write_text("half of", "utf-8")
    atomic.write(tmp_path / "report", "whole")
    assert (tmp_path / "report").read_text("utf-8") == "whole"
    assert not (tmp_path / ".report.draft").exists()


def test_a_file_that_cannot_be_written_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written: No such file or directory"):
        atomic.write(tmp_path / "missing" / "report", "text")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(SettingsError, match="cannot be written"):
        atomic.write(folder, "text")


def test_a_secret_is_nobody_elses_from_its_first_byte(tmp_path: Path) -> None:
    atomic.write(tmp_path / "baseline", "text", mode=0o600)
    assert (tmp_path / "baseline").stat().st_mode & 0o777 == 0o600


def test_a_device_is_written_to_and_not_replaced() -> None:
    atomic.write(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()
