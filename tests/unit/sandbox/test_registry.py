from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import UsageError
from synadmin.sandbox.registry import noted_sandboxes, running_sandbox, up

if TYPE_CHECKING:
    from pathlib import Path


def test_where_no_sandbox_is_up_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sandbox is up") as caught:
        running_sandbox(None, state=tmp_path)
    assert caught.value.hint is not None
    assert "synadmin sandbox up" in caught.value.hint


def test_a_directory_that_holds_something_else_is_not_touched(tmp_path: Path) -> None:
    directory, state = tmp_path / "photos", tmp_path / "state"
    directory.mkdir()
    (directory / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="is not empty and not a sandbox"):
        up(directory, state=state)
    assert [path.name for path in directory.iterdir()] == ["holiday.jpg"]
    assert not state.exists()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not empty and not a sandbox"):
        up(tmp_path / "file", state=tmp_path / "state")


def test_a_sandbox_of_one_server_does_not_become_one_of_two(tmp_path: Path) -> None:
    (tmp_path / "here" / "ours").mkdir(parents=True)
    with pytest.raises(UsageError, match="has 1 server, not 2"):
        up(tmp_path / "here", state=tmp_path / "state", servers=2)


def test_notes_that_are_damaged_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "c.json").write_text(json.dumps({"directory": "somewhere"}))
    assert noted_sandboxes(tmp_path) == []


def test_what_a_crash_left_behind_is_cleared_away(tmp_path: Path) -> None:
    directory, state = tmp_path / "left-behind", tmp_path / "state"
    (directory / "ours").mkdir(parents=True)
    state.mkdir()
    (state / "a.json").write_text(json.dumps({"directory": str(directory), "temporary": True}))
    (sandbox,) = noted_sandboxes(state)
    assert not sandbox.is_up
    assert not sandbox.down()
    assert not directory.exists()
    assert noted_sandboxes(state) == []


def test_a_sandbox_that_was_never_finished_is_cleared_away_from_a_given_directory(tmp_path: Path) -> None:
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
def test_a_sandbox_keeps_its_accounts_where_they_are(tmp_path: Path, *, mas: bool, words: str) -> None:
    (tmp_path / "here" / "ours" / ("other" if mas else "mas")).mkdir(parents=True)
    with pytest.raises(UsageError, match=words):
        up(tmp_path / "here", state=tmp_path / "state", mas=mas)
