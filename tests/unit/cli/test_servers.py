"""``--profiles``: the order and settings of its servers, and values that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin import settings
from synadmin.cli.invocation import Invocation
from synadmin.cli.servers import common_code, file_of_profile, invocations, profiles_named
from synadmin.errors import SettingsError
from tests.unit.cli.several import TOKEN, write_profiles

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin


@pytest.fixture
def three_profiles(work: Path) -> None:
    del work
    write_profiles(
        **{name: f"https://{name}.example" for name in ("club", "school")}, default="https://d.example"
    )


@pytest.mark.usefixtures("three_profiles")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", ["club", "default", "school"]),
        ("school", ["school"]),
        ("school,club", ["school", "club"]),
        (" school , club,school, ", ["school", "club"]),
    ],
)
def test_profiles_keep_the_order_of_the_command_line(text: str, names: list[str]) -> None:
    assert profiles_named(Invocation(), text) == names


@pytest.mark.usefixtures("three_profiles")
@pytest.mark.parametrize("command", ["audit", "status"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--profiles", "nowhere"], "there is no profile 'nowhere'"),
        (["--profiles", "club,nowhere,../club"], "there is no profile 'nowhere', '../club'"),
        (["--profiles", "club,all"], "there is no profile 'all'"),
        (["--profiles", " , "], "--profiles names no profile"),
        (["--profiles", ""], "--profiles names no profile"),
        (["--profiles", "all", "--profile", "club"], "--profiles and --profile do not go together"),
        (["--profiles", "all", "--homeserver", "x.example"], "--profiles and --homeserver do not go"),
        (["--profiles", "all", "--env-file", "x.env"], "--profiles and --env-file do not go together"),
    ],
)
def test_profiles_without_a_server_are_refused_in_one_line(
    synadmin: Synadmin, command: str, words: list[str], message: str
) -> None:
    result = synadmin(command, *words)
    result.assert_one_line_error(code=2)
    assert message in result.stderr


@pytest.mark.parametrize("command", ["audit", "status"])
def test_all_without_profiles_says_how_to_create_one(synadmin: Synadmin, command: str) -> None:
    result = synadmin(command, "--profiles", "all")
    result.assert_one_line_error(code=2)
    assert "hint: `synadmin login --profile NAME` makes one" in result.stderr


@pytest.mark.usefixtures("three_profiles")
def test_environment_does_not_change_server_or_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HOMESERVER, "https://elsewhere.example")
    monkeypatch.setenv(settings.TOKEN, "syt_of_elsewhere")
    monkeypatch.setenv("SYNADMIN_PROFILE", "default")
    (club,) = invocations(Invocation(timeout="7"), "club")
    assert club.settings.homeserver == "https://club.example"
    assert club.settings.token() == TOKEN
    assert club.settings.timeout == 7
    assert club.settings.token_in_profile


@pytest.mark.usefixtures("three_profiles")
def test_message_about_a_server_names_its_profile(capsys: pytest.CaptureFixture[str]) -> None:
    invocations(Invocation(), "club")[0].warn("the server is slow")
    assert capsys.readouterr().err == "club: the server is slow\n"


@pytest.mark.usefixtures("three_profiles")
def test_unreadable_profile_affects_only_its_server() -> None:
    settings.profile_file("club").write_text("this is no setting\n", "utf-8")
    club, school = invocations(Invocation(), "club,school")
    assert school.settings.homeserver == "https://school.example"
    with pytest.raises(SettingsError, match="line 1 is not NAME=VALUE"):
        _ = club.settings


@pytest.mark.parametrize(("codes", "code"), [([3, 3], 3), ([3], 3), ([3, 1], 1), ([0, 3], 1), ([10, 2], 1)])
def test_servers_with_the_same_error_exit_like_one(codes: list[int], code: int) -> None:
    assert common_code(codes) == code


def test_profile_name_is_before_the_suffix(tmp_path: Path) -> None:
    assert file_of_profile(tmp_path / "audit.json", "club") == tmp_path / "audit.club.json"
    assert file_of_profile(tmp_path / "audit", "club") == tmp_path / "audit.club"
