from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import UsageError
from synadmin.sandbox.registry import noted_sandboxes, running_sandbox, up

if TYPE_CHECKING:
    from pathlib import Path


def test_missing_sandbox_names_the_start_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sandbox is up") as caught:
        running_sandbox(None, state=tmp_path)
    assert caught.value.hint is not None
    assert "synadmin sandbox up" in caught.value.hint


def test_directory_with_other_files_is_unchanged(tmp_path: Path) -> None:
    directory, state = tmp_path / "photos", tmp_path / "state"
    directory.mkdir()
    (directory / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="is not empty and not a sandbox"):
        up(directory, state=state)
    assert [path.name for path in directory.iterdir()] == ["holiday.jpg"]
    assert not state.exists()


def test_file_instead_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not empty and not a sandbox"):
        up(tmp_path / "file", state=tmp_path / "state")


def test_sandbox_keeps_its_number_of_servers(tmp_path: Path) -> None:
    (tmp_path / "here" / "ours").mkdir(parents=True)
    with pytest.raises(UsageError, match="has 1 server, not 2"):
        up(tmp_path / "here", state=tmp_path / "state", servers=2)


def test_damaged_records_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "c.json").write_text(json.dumps({"directory": "somewhere"}))
    assert noted_sandboxes(tmp_path) == []


def test_files_left_by_a_crash_are_removed(tmp_path: Path) -> None:
    directory, state = tmp_path / "left-behind", tmp_path / "state"
    (directory / "ours").mkdir(parents=True)
    state.mkdir()
    (state / "a.json").write_text(json.dumps({"directory": str(directory), "temporary": True}))
    (sandbox,) = noted_sandboxes(state)
    assert not sandbox.is_up
    assert not sandbox.down()
    assert not directory.exists()
    assert noted_sandboxes(state) == []


def test_unfinished_sandbox_is_removed_from_its_directory(tmp_path: Path) -> None:
    directory, state = tmp_path / "given", tmp_path / "state"
    (directory / "ours").mkdir(parents=True)
    state.mkdir()
    (state / "a.json").write_text(json.dumps({"directory": str(directory), "temporary": False}))
    (sandbox,) = noted_sandboxes(state)
    with pytest.raises(UsageError, match="never finished"):
        _ = sandbox.settings
    sandbox.down()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(("mas", "words"), [(True, "made without --mas"), (False, "made with --mas")])
def test_sandbox_cannot_change_between_mas_and_no_mas(tmp_path: Path, *, mas: bool, words: str) -> None:
    (tmp_path / "here" / "ours" / ("other" if mas else "mas")).mkdir(parents=True)
    with pytest.raises(UsageError, match=words):
        up(tmp_path / "here", state=tmp_path / "state", mas=mas)
