"""Tables on a terminal of 80 columns: lines fit, ids are complete, only long words of names are broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.text import safe_text
from tests.live.api.test_media import upload
from tests.live.api.test_reports import report_event, say
from tests.live.conftest import environment_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.community import Community
    from synadmin.sandbox.homeserver import Homeserver

_WIDTH = 80
_NARROWEST_NAME = 8  # columns, next to a long id
# The words of relative times, which only terminals show.
_TIME_WORDS = {"just", "now", "minute", "minutes", "hour", "hours", "ago"}
_ID = re.compile(r"[!@#$][^\s\"',]+:[a-z0-9.]+[a-z0-9]|mxc://\S+")
COMMANDS = (
    "room list",
    "room show ROOM",
    "room members ROOM",
    "room state ROOM --columns type,state_key,sender",
    "room power ROOM",
    "room messages ROOM --limit 5 --columns event_id,sender,type",
    "user list",
    "user show greta",
    "user rooms greta --columns room_id,level,control,controllers",
    "user whois greta",
    "device list greta",
    "report list",
    "journal list",
    "audit rules --columns rule,severity,finds",
    "audit rooms",
)


@pytest.fixture(scope="module")
def placeholders(homeserver: Homeserver, community: Community) -> dict[str, str]:
    # Users choose the names of rooms, so a name may contain ids and words that are too long for a table.
    homeserver.register("long").make_room(f"Of @{'long' * 5}:club.example and #{'long' * 12}:club.example")
    return {"ROOM": community.rooms["committee"], "server": homeserver.server_name}


@pytest.mark.parametrize("command", COMMANDS)
def test_table_fits_and_breaks_no_id_or_word(
    command: str, homeserver: Homeserver, placeholders: dict[str, str], tmp_path: Path
) -> None:
    arguments = [placeholders.get(word, word) for word in command.split()]
    env = environment_of(tmp_path, homeserver.url, homeserver.admin) | {"COLUMNS": str(_WIDTH)}
    piped = _run(arguments, env, terminal=False)
    shown = _run(arguments, env, terminal=True)
    # A terminal shows relative times, and only the end of a run's name.
    words = {part for word in piped.split() for part in (word, word.rpartition("-")[2])} | _TIME_WORDS
    # A table may break only words of names that are too long for their column.
    synapse = homeserver.admin.synapse
    names = [room.name for room in synapse.rooms.list()] + [user.displayname for user in synapse.users.list()]
    long = {word for name in names for word in safe_text(name or "").split() if len(word) > _NARROWEST_NAME}
    for line in shown.splitlines():
        # A line may be wider if it contains only a command, or a heading and one id.
        is_command = line.lstrip().startswith("synadmin ")
        assert len(line) <= _WIDTH or is_command or len(line.split(maxsplit=1)[-1].split()) == 1, line
        broken = [word for word in line.split() if word not in words and not set(word) <= set("-─│├└…")]
        broken = [word for word in broken if not word.isdecimal() and not any(word in name for name in long)]
        assert not broken, (broken, line)
    ids = {found for found in _ID.findall(piped) if not any(found in name for name in long)}
    missing = {found for found in ids if found not in shown}
    assert not missing


def _run(arguments: list[str], env: dict[str, str], *, terminal: bool) -> str:
    """Return what a command prints on stdout: in a pipe, or on a terminal."""
    command = [sys.executable, "-m", "synadmin", *arguments]
    if not terminal:
        ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode in {0, 10}, ended.stderr
        return ended.stdout
    ours, theirs = os.openpty()
    with subprocess.Popen(command, env=env, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # the process has closed the terminal, and its output is read
            pass
        process.wait(120)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_lists_are_tables_at_80_columns(homeserver: Homeserver, community: Community, tmp_path: Path) -> None:
    env = environment_of(tmp_path, homeserver.url, homeserver.admin) | {"COLUMNS": str(_WIDTH)}
    talker = homeserver.register("talker")
    room = talker.make_room("A room with a name of several words", version="12")
    report_event(talker, room, say(talker, room, "hello"), "This message is about nothing at all.")
    upload(talker, "minutes-of-the-last-general-meeting-with-attachments.json")
    _run(["user", "redact", "mike", "--room", community.rooms["committee"], "--yes"], env, terminal=False)
    _run(["room", "block", room, "--yes", "--reason", "it is only a test"], env, terminal=False)
    for command in (
        "user rooms greta",
        "journal show last",
        "task list",
        f"report list --about {talker.user_id}",
        "journal report",
        f"room messages {room}",
        f"media list --user {talker.user_id}",
    ):
        lines = _run(command.split(), env, terminal=True).splitlines()
        assert set(lines[1]) == {"-", " "}, (command, lines)
        assert max(map(len, lines)) <= _WIDTH, (command, lines)


def test_first_columns_are_the_important_ones(
    homeserver: Homeserver, placeholders: dict[str, str], tmp_path: Path
) -> None:
    env = environment_of(tmp_path, homeserver.url, homeserver.admin)
    room = json.loads(_run(["room", "show", placeholders["ROOM"], "-o", "json"], env, terminal=False))
    assert room["controllers"] == [f"@greta:{placeholders['server']}"]
    shown = _run(["room", "show", placeholders["ROOM"]], env, terminal=False).splitlines()
    assert shown[3].startswith("controllers ")
    user = _run(["user", "show", "greta"], env, terminal=False).splitlines()
    assert [line.split("  ")[0] for line in user[2:5]] == ["joined rooms", "devices", "last seen"]
