"""``synadmin profile`` and ``synadmin completion``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin import settings
from synadmin.errors import SettingsError
from synadmin.settings.places import write_profile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin

SECRET = "syt_abcdef"


@pytest.fixture
def two_profiles(work: Path) -> None:
    del work
    for name in ("home", "work"):
        values = {settings.HOMESERVER: f"https://{name}.example", settings.TOKEN: SECRET}
        write_profile(name, dict(values))


@pytest.mark.usefixtures("two_profiles")
def test_profiles_are_listed_without_tokens(synadmin: Synadmin) -> None:
    shown = synadmin("profile", "list", "-o", "json").stdout
    assert [(profile["profile"], profile["homeserver"]) for profile in json.loads(shown)] == [
        ("home", "https://home.example"),
        ("work", "https://work.example"),
    ]
    assert SECRET not in shown


@pytest.mark.usefixtures("two_profiles")
def test_chosen_profile_is_the_default(synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().homeserver is None
    assert synadmin("profile", "use", "work").code == 0
    assert settings.load().homeserver == "https://work.example"
    assert settings.load(profile="home").homeserver == "https://home.example"
    monkeypatch.setenv("SYNADMIN_PROFILE", "home")
    assert settings.load().homeserver == "https://home.example"
    monkeypatch.delenv("SYNADMIN_PROFILE")
    synadmin("profile", "remove", "work", "--yes")
    assert settings.load().homeserver is None
    with pytest.raises(SettingsError, match="work"):
        settings.of_profile("work")


@pytest.mark.usefixtures("two_profiles")
def test_unknown_profile_is_refused(synadmin: Synadmin) -> None:
    synadmin("profile", "use", "nowhere").assert_one_line_error(code=2)
    synadmin("profile", "remove", "nowhere", "--yes").assert_one_line_error(code=2)
    assert synadmin("profile", "remove", "home").code == 2, "there is no terminal to ask on"
    assert synadmin("profile", "remove", "home", "--yes", "--dry-run").code == 0
    assert len(json.loads(synadmin("profile", "list", "-o", "json").stdout)) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion_script(synadmin: Synadmin, shell: str) -> None:
    result = synadmin("completion", shell)
    assert result.code == 0
    assert "_SYNADMIN_COMPLETE" in result.stdout


@pytest.mark.usefixtures("two_profiles")
@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("synadmin room make-a", "make-admin"),
        ("synadmin room list --columns room_id,na", "room_id,name"),
        ("synadmin audit --rule departed", "departed-power"),
        ("synadmin --profile wo", "work"),
        ("synadmin room list -o js", "json"),
    ],
)
def test_commands_options_and_values_are_completed(line: str, completed: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", "from synadmin.cli.app import main; main()"],
        env=os.environ
        | {
            "_SYNADMIN_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - 1),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    values = process.stdout.splitlines()
    assert f"plain,{completed}" in values, process
    assert all(value.startswith(f"plain,{line.rsplit(maxsplit=1)[-1]}") for value in values)
