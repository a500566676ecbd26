"""Media, with the library and with commands, on real Synapses."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import MediaId, encoded, parse_media_id

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

_transactions = itertools.count(1)


def upload(person: Person, name: str = "minutes.json", *, size: int = 0) -> MediaId:
    """Upload a file with unique content, of a little more than ``size`` bytes."""
    content = {"number": next(_transactions), "from": person.user_id, "padding": "x" * size}
    answer = person.call("POST", "/_matrix/media/v3/upload", content, query={"filename": name})
    return parse_media_id(answer["content_uri"])


def post(person: Person, room_id: RoomId, item: MediaId) -> str:
    """Send a message with a file; return its event id."""
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/send/m.room.message/media-{next(_transactions)}"
    body = {"msgtype": "m.file", "body": "minutes", "url": str(item)}
    return str(person.call("PUT", path, body)["event_id"])


def download(person: Person, item: MediaId) -> None:
    """Download a file."""
    person.call("GET", f"/_matrix/client/v1/media/download/{item.server_name}/{item.media_id}")


def outcomes(stdout: str) -> list[str]:
    return [json.loads(line)["outcome"] for line in stdout.splitlines()]


def test_media_of_a_user_is_listed_and_shown(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    small, large = upload(alice, "small.json"), upload(alice, "large.json", size=5000)
    media = homeserver.admin.synapse.media

    listed = list(media.of_user(alice.user_id, page_size=1))
    by_size = list(media.of_user(alice.user_id, order_by="media_length", reverse=True))
    info = media.get(*large).media_info
    shown = synadmin("media", "show", str(large), "-o", "json")
    lines = synadmin("media", "list", "--user", alice.user_id, "-o", "ndjson").stdout.splitlines()
    table = synadmin("media", "list", "--user", alice.user_id, "--sort", "upload_name").stdout

    assert [item.media_id for item in listed] == [large.media_id, small.media_id]
    assert [item.upload_name for item in by_size] == ["large.json", "small.json"]
    assert (info.user_id, info.upload_name, info.media_type) == (
        alice.user_id,
        "large.json",
        "application/json",
    )
    assert info.media_length == listed[0].media_length
    assert json.loads(shown.stdout)["sha256"] == info.sha256
    assert [json.loads(line)["media_id"] for line in lines] == [large.media_id, small.media_id]
    assert table.index(str(large)) < table.index(str(small))


def test_media_of_a_room_is_quarantined_and_released(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("Photographs")
    first, second = upload(alice), upload(alice)
    for item in (first, second, second):
        post(alice, room_id, item)
    media = homeserver.admin.synapse.media

    found = media.in_room(room_id)
    rows = json.loads(synadmin("media", "list", "--room", room_id, "-o", "json").stdout)
    through_library = media.quarantine_in_room(room_id)
    released = synadmin("media", "unquarantine", "--room", room_id, "-o", "ndjson")
    quarantined_after_release = [media.get(*item).media_info.quarantined_by for item in (first, second)]
    old_path = synadmin("media", "quarantine", "--room", room_id, "--old-path", "--yes", "-o", "json")
    again = media.quarantine_in_room_old(room_id)
    synadmin("media", "unquarantine", "--room", room_id)
    through_command = synadmin("media", "quarantine", "--room", room_id, "--yes", "-o", "json")

    assert set(found.local) == {str(first), str(second)}
    assert found.remote == ()
    assert [row["media"] for row in rows] == [str(second), str(first)]
    assert through_library.num_quarantined == 2
    assert outcomes(released.stdout) == ["done", "done"]
    assert quarantined_after_release == [None, None]
    assert json.loads(old_path.stdout)[0]["num_quarantined"] == 2
    assert again.num_quarantined == 2
    assert json.loads(through_command.stdout)[0]["num_quarantined"] == 2
    assert media.get(*first).media_info.quarantined_by == homeserver.admin.user_id


def test_media_of_a_user_is_quarantined_and_released(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    mallory = newcomer("mallory")
    for _ in range(3):
        upload(mallory)
    media = homeserver.admin.synapse.media

    planned = synadmin("media", "quarantine", "--user", mallory.user_id, "--dry-run")
    untouched = [item.quarantined_by for item in media.of_user(mallory.user_id)]
    through_library = media.quarantine_of_user(mallory.user_id)
    released = synadmin("media", "unquarantine", "--user", mallory.user_id, "-o", "ndjson")
    nothing_left = synadmin("media", "unquarantine", "--user", mallory.user_id, "-o", "json")
    through_command = synadmin("media", "quarantine", "--user", mallory.user_id, "--yes", "-o", "json")

    assert "/media/quarantine" in planned.stdout
    assert untouched == [None, None, None]
    assert through_library.num_quarantined == 3
    assert outcomes(released.stdout) == ["done"] * 3
    assert (nothing_left.code, nothing_left.stdout) == (0, "[]\n")
    assert json.loads(through_command.stdout)[0]["num_quarantined"] == 3
    assert {item.quarantined_by for item in media.of_user(mallory.user_id)} == {homeserver.admin.user_id}


@pytest.mark.parametrize("options", [("quarantine", "--yes"), ("quarantine", "--dry-run"), ("unquarantine",)])
@pytest.mark.parametrize("target", [("--room", "!nowhere:club.example"), ("--user", "never-registered")])
def test_media_of_an_unknown_room_or_user_is_not_done(
    synadmin: Synadmin, options: tuple[str, ...], target: tuple[str, str]
) -> None:
    answer = synadmin("media", *options, *target, "-o", "json")
    assert answer.code == 4, answer.stdout + answer.stderr
    assert not {"done", "planned"} & set(outcomes(answer.stdout)), answer.stdout
    assert "None of it is in quarantine" not in answer.stderr


def test_protected_item_is_not_quarantined(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice = newcomer("alice")
    logo = upload(alice, "logo.json")
    media = homeserver.admin.synapse.media

    protected = synadmin("media", "protect", logo.media_id, "-o", "json")
    refused = synadmin("media", "quarantine", str(logo), "--yes")
    protected_info = media.get(*logo).media_info
    unprotected = synadmin("media", "unprotect", f"{logo.server_name}/{logo.media_id}", "-o", "json")
    quarantined = synadmin("media", "quarantine", str(logo), "--yes", "-o", "json")
    twice = synadmin("media", "quarantine", str(logo), "--yes", "-o", "json")
    unquarantined = synadmin("media", "unquarantine", str(logo), "-o", "json")

    done = [json.loads(answer.stdout)[0] for answer in (protected, unprotected, quarantined, unquarantined)]
    assert [(record["outcome"], record["message"]) for record in done] == [
        ("done", "protected"),
        ("done", "not protected"),
        ("done", "in quarantine"),
        ("done", "not in quarantine"),
    ]
    assert (refused.code, refused.stdout) == (5, "")
    assert f"{logo} is protected from quarantine" in refused.stderr
    assert f"synadmin media unprotect {logo}" in refused.stderr
    assert (protected_info.safe_from_quarantine, protected_info.quarantined_by) == (True, None)
    assert done[2]["quarantined_by"] == homeserver.admin.user_id
    assert json.loads(twice.stdout)[0]["message"] == "already in quarantine"
    assert media.get(*logo).media_info.quarantined_by is None


def test_quarantine_changes_are_listed_in_order_from_a_position(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    item = upload(newcomer("alice"))
    media = homeserver.admin.synapse.media
    *_, last = media.quarantine_changes().pages()
    assert isinstance(last.next, int)

    media.protect(item.media_id)
    media.quarantine(*item)  # no change: the item is protected
    media.unprotect(item.media_id)
    for _ in range(2):
        media.quarantine(*item)
        media.unquarantine(*item)
    changes = list(media.quarantine_changes(after=last.next))
    answer = synadmin("media", "quarantine-changes", "--after", str(last.next), "-o", "ndjson")

    assert [(change.media_id, change.quarantined) for change in changes] == [
        (item.media_id, quarantined) for quarantined in (True, False, True, False)
    ]
    assert [json.loads(line) for line in answer.stdout.splitlines()] == [
        change.as_sent() for change in changes
    ]
    assert f"--after {last.next + 4}" in answer.stderr


def test_deleted_items_are_unknown_to_the_server(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    alice = newcomer("alice")
    one, two, three = upload(alice), upload(alice), upload(alice)
    media = homeserver.admin.synapse.media
    listed = tmp_path / "items.txt"
    listed.write_text(f"{two}\n{three.media_id}\nmxc://{two.server_name}/NoSuchThing\n")

    through_library = media.delete(*one)
    unconfirmed = synadmin("media", "delete", str(two))
    planned = synadmin("media", "delete", str(two), "--dry-run", "-o", "json")
    still_there = media.get(*two).media_info.media_id
    mixed = synadmin("media", "delete", "--from", str(listed), "--yes", "-o", "ndjson")
    after_deletion = synadmin("media", "delete", str(two), "--dry-run")
    elsewhere = synadmin("media", "delete", "mxc://elsewhere.example/AbCd", "--yes")

    assert (through_library.deleted_media, through_library.total) == ((one.media_id,), 1)
    assert (unconfirmed.code, unconfirmed.stdout) == (2, "")
    assert json.loads(planned.stdout)[0]["method"] == "DELETE"
    assert still_there == two.media_id
    assert outcomes(mixed.stdout) == ["done", "done", "failed"]
    assert mixed.code == 6
    assert after_deletion.code == 4
    assert elsewhere.code == 5
    for item in (one, two, three):
        with pytest.raises(NotFoundError):
            media.get(*item)


def test_all_media_of_a_user_are_deleted_over_several_pages(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    mallory = newcomer("mallory")
    for _ in range(103):
        upload(mallory)
    media = homeserver.admin.synapse.media

    two = media.delete_of_user(mallory.user_id, limit=2, order_by="created_ts")
    rest = synadmin("media", "delete", "--user", mallory.user_id, "--yes", "-o", "json")

    assert two.total == 2
    assert json.loads(rest.stdout)[0]["total"] == 101
    assert list(media.of_user(mallory.user_id)) == []


def test_media_without_recent_access_are_deleted_by_date_and_size(
    newcomer: Newcomer, synadmin: Synadmin
) -> None:
    from synadmin.sandbox.homeserver import Homeserver as SeparateHomeserver

    with SeparateHomeserver(server_name="media.example") as server:
        alice = newcomer("alice", server=server)
        media = server.admin.synapse.media
        small, avatar = upload(alice), upload(alice)
        large = [upload(alice, size=20_000) for _ in range(3)]
        profile = f"/_matrix/client/v3/profile/{encoded(alice.user_id)}/avatar_url"
        alice.call("PUT", profile, {"avatar_url": str(avatar)})
        now = int(time.time() * 1000)
        soon = str(now + 3_600_000)

        first = media.delete_unused(before_ts=now + 1000, size_gt=10_000)
        large.append(upload(alice, size=20_000))
        old_path = media.delete_unused_old(server.server_name, before_ts=now + 60_000, size_gt=10_000)
        large.append(upload(alice, size=20_000))
        command = synadmin("media", "delete", "--larger-than", "10kB", "--yes", "-o", "json", server=server)
        large.append(upload(alice, size=20_000))
        old = ("media", "delete", "--before", soon, "--larger-than", "10kB", "--old-path")
        old_command = synadmin(*old, "--yes", "-o", "json", server=server)
        refused = synadmin("media", "delete", "--before", soon, server=server)
        keeping = synadmin("media", "delete", "--before", soon, "--yes", "-o", "json", server=server)
        known = [item.media_id for item in media.of_user(alice.user_id)]
        last = synadmin(
            "media", "delete", "--before", soon, "--avatars-too", "--yes", "-o", "json", server=server
        )

    deleted = [json.loads(answer.stdout)[0]["deleted_media"] for answer in (command, old_command)]
    assert first.total == 3
    assert (old_path.deleted_media, *map(tuple, deleted)) == tuple((item.media_id,) for item in large[3:])
    assert refused.code == 2
    assert json.loads(keeping.stdout)[0]["deleted_media"] == [small.media_id]
    assert known == [avatar.media_id]
    assert json.loads(last.stdout)[0]["deleted_media"] == [avatar.media_id]


def test_remote_media_are_shown_quarantined_and_purged(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    ours, theirs = federation
    alice, bob = newcomer("alice", server=ours), newcomer("bob", server=theirs)
    media = ours.admin.synapse.media
    copies = [upload(bob, "theirs.json") for _ in range(3)]
    for copy in copies:
        download(alice, copy)
    room_id = alice.make_room("Swaps")
    post(alice, room_id, copies[0])

    info = media.get(*copies[0]).media_info
    remote = media.in_room(room_id).remote
    quarantined = synadmin("media", "quarantine", str(copies[0]), "--yes", server=ours)
    by_library = media.purge_remote(before_ts=info.last_access_ts or 0)
    too_early = synadmin("media", "purge-remote", "--before", "1970-01-02", server=ours)
    later = str(int(time.time() * 1000) + 10_000)
    purged = synadmin("media", "purge-remote", "--before", later, "--yes", "-o", "json", server=ours)

    assert (info.media_origin, info.upload_name, info.user_id) == (theirs.server_name, "theirs.json", None)
    assert remote == (str(copies[0]),)
    assert quarantined.code == 0
    assert by_library.deleted == 0
    assert too_early.code == 2
    assert json.loads(purged.stdout)[0]["deleted"] == 2
    assert media.get(*copies[0]).media_info.quarantined_by == ours.admin.user_id
    with pytest.raises(NotFoundError):
        media.get(*copies[1])


@pytest.mark.parametrize(
    "arguments",
    [
        ("media", "list"),
        ("media", "list", "--room", "!a:b.example", "--user", "alice"),
        ("media", "list", "--user", "alice", "--sort", "x"),
        ("media", "show", "mxc://no-slash"),
        ("media", "show", "mxc://b.example/a/b"),
        ("media", "quarantine", "--yes"),
        ("media", "quarantine", "abc", "--user", "alice", "--yes"),
        ("media", "quarantine", "abc", "--old-path", "--yes"),
        ("media", "delete", "--yes"),
        ("media", "delete", "--before", "yesterday", "--yes"),
        ("media", "delete", "--before", "30d", "--larger-than", "10XB", "--yes"),
        ("media", "delete", "abc", "--avatars-too", "--yes"),
        ("media", "purge-remote", "--yes"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    arguments: tuple[str, ...], homeserver: Homeserver, synadmin: Synadmin
) -> None:
    def changes() -> int:
        return sum(request.method != "GET" for request in homeserver.processed())

    before = changes()

    answer = synadmin(*arguments)

    assert (answer.code, answer.stdout) == (2, "")
    assert len(answer.stderr.splitlines()) <= 2
    assert changes() == before
