"""The ids of rooms and users for shell completion, which ``synadmin completion --refresh`` saves."""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from synadmin.ids import server_name_of
from synadmin.text import safe_text

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from synadmin.client import Synapse

# An id with other characters is not completed: some characters are special in a shell.
_PLAIN = r"[!@][A-Za-z0-9._~/=+-]+(:[A-Za-z0-9.:-]+)?"


def save(synapse: "Synapse") -> "tuple[Path, int, int]":
    """Save the ids of the rooms and accounts of a server; they replace those saved before.

    Returns:
        The file, the number of rooms and the number of users.

    Raises:
        SettingsError: the file cannot be written.
    """
    from urllib.parse import quote

    from synadmin import files

    rooms = [f"{room.room_id}\t{safe_text(room.name or '')}\n" for room in synapse.rooms.list()]
    users = [
        f"{user.name}\t{safe_text(user.displayname or '')}\n" for user in synapse.users.list_v2(locked=True)
    ]
    # The name comes from the server: a slash in it must not lead out of the directory.
    path = _directory() / f"{quote(server_name_of(synapse.owner), safe='')}.txt"
    files.make_directory(path.parent, setting="XDG_STATE_HOME")
    files.replace_file(path, "".join((*rooms, *users)), setting="XDG_STATE_HOME")
    return path, len(rooms), len(users)


def complete_rooms(_context: click.Context, _: click.Parameter, start: str) -> "list[CompletionItem]":
    """Complete the id of a room."""
    from click.shell_completion import CompletionItem

    quote = ""
    if os.environ.get("_SYNADMIN_COMPLETE") == "bash_complete":
        # In bash, ! starts a history expansion, except in single quotes.
        words = os.environ.get("COMP_WORDS", "")
        if not words.endswith((f"'{start}", f'"{start}')):
            if start:
                return []
            quote = "'"
    return [CompletionItem(f"{quote}{room_id}{quote}", help=name) for room_id, name in _saved("!", start)]


def complete_users(_context: click.Context, _: click.Parameter, start: str) -> "list[CompletionItem]":
    """Complete a user id, or a localpart where no @ is typed."""
    from click.shell_completion import CompletionItem

    found = _saved("@", start if start.startswith("@") else f"@{start}")
    if start.startswith("@"):
        return [CompletionItem(user_id, help=name) for user_id, name in found]
    return [CompletionItem(user_id[1:].partition(":")[0], help=name) for user_id, name in found]


COMPLETE = {"room_id": complete_rooms, "user_id": complete_users}
"""The completion functions of arguments with an id, by the name of the argument."""


def _saved(sigil: str, start: str) -> Iterator[tuple[str, str]]:
    for path in sorted(_directory().glob("*.txt")):
        for line in path.read_text("utf-8", "replace").splitlines():
            known, _, name = line.partition("\t")
            if known.startswith(sigil) and known.startswith(start) and re.fullmatch(_PLAIN, known):
                yield known, name


def _directory() -> "Path":
    from synadmin.settings.places import state_directory

    return state_directory() / "completion"
