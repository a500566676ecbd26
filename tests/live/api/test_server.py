"""Statistics, background updates, tasks, version and raw requests, on a real Synapse."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError, NotPermittedError
from synadmin.ids import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from synadmin.api.background_updates import BackgroundUpdate
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

SYNAPSE = importlib.metadata.version("matrix-synapse")


def test_server_version_needs_no_token(homeserver: Homeserver, synadmin: Synadmin) -> None:
    from_library = homeserver.admin.synapse.server.version()
    answer = synadmin("server", "version", "-o", "json", env={"SYNADMIN_ACCESS_TOKEN": ""})

    assert from_library.server_version.startswith(SYNAPSE)
    assert json.loads(answer.stdout)["server_version"] == from_library.server_version


def test_media_statistics_show_usage_by_user(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    few, many = newcomer("stores-few"), newcomer("stores-many")
    for person, number in ((few, 1), (many, 3)):
        for index in range(number):
            person.call("POST", "/_matrix/media/v3/upload", {"number": index})

    statistics = homeserver.admin.synapse.statistics
    found = list(statistics.media(search="stores-", page_size=1))
    until = int(time.time() * 1000) - 3_600_000
    options = ("--search", "stores-", "--sort", "media_count:desc")
    answer = synadmin("stats", "media", *options, "--since", "1h", "-o", "ndjson")

    assert {usage.user_id: usage.media_count for usage in found} == {few.user_id: 1, many.user_id: 3}
    assert all(usage.media_length > 0 for usage in found)
    assert list(statistics.media(search="stores-", until_ts=until)) == []
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["user_id"] for line in lines] == [many.user_id, few.user_id]


def test_room_sizes_are_refused_without_postgresql(homeserver: Homeserver, synadmin: Synadmin) -> None:
    with pytest.raises(MatrixError) as refused:
        homeserver.admin.synapse.statistics.rooms()
    answer = synadmin("stats", "rooms")

    assert refused.value.status == 400
    assert (answer.code, answer.stdout) == (1, "")
    assert "PostgreSQL" in answer.stderr


def test_background_updates_are_disabled_enabled_and_started(
    homeserver: Homeserver, synadmin: Synadmin
) -> None:
    updates = homeserver.admin.synapse.background_updates

    paused = updates.set_enabled(enabled=False)
    waiting = synadmin("background-update", "start", "populate_stats_process_rooms", "-o", "json")
    updates.start_job("event_resign", before_ts=1_500_000_000_000)
    twice = synadmin("background-update", "start", "populate_stats_process_rooms")
    shown = synadmin("background-update", "status", "-o", "json")
    resumed = synadmin("background-update", "enable", "-o", "json")
    disabled = synadmin("background-update", "disable", "-o", "json")
    enabled_after_disable = updates.enabled().enabled
    updates.set_enabled(enabled=True)
    until = time.monotonic() + 60
    while (status := updates.status()).current_updates and time.monotonic() < until:
        time.sleep(0.2)
    regenerated = synadmin("background-update", "start", "regenerate_directory", "-o", "json")
    as_text = synadmin("background-update", "status")

    assert not paused.enabled
    assert "disabled" in json.loads(waiting.stdout)[0]["message"]
    assert (twice.code, twice.stdout) == (1, "")
    assert "already in queue" in twice.stderr
    assert json.loads(shown.stdout)["enabled"] is False
    assert json.loads(resumed.stdout)[0]["enabled"] is True
    assert json.loads(disabled.stdout)[0]["enabled"] is False
    assert not enabled_after_disable
    assert (status.enabled, status.current_updates) == (True, {})
    assert json.loads(regenerated.stdout)[0]["message"] is None
    assert "enabled  yes" in as_text.stdout


def test_running_background_update_is_shown(homeserver: Homeserver) -> None:
    updates = homeserver.admin.synapse.background_updates
    running: Mapping[str, BackgroundUpdate] = {}
    until = time.monotonic() + 60
    while not running and time.monotonic() < until:
        # Synapse refuses a new job while another job runs.
        with contextlib.suppress(MatrixError):
            updates.start_job("regenerate_directory")
        running = updates.status().current_updates

    ((database, update),) = running.items()
    assert (database, update.name.startswith("populate_user_directory")) == ("master", True)
    assert update.total_item_count >= 0


def test_scheduled_tasks_are_listed(homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("To be deleted")
    admin = homeserver.admin
    path = f"/_synapse/admin/v2/rooms/{encoded(room_id)}"
    delete_id = admin.call("DELETE", path, {"purge": True})["delete_id"]
    tasks = admin.synapse.tasks

    until = time.monotonic() + 60
    while True:
        (task,) = tasks.list(resource_id=room_id).scheduled_tasks
        if task.status == "complete" or time.monotonic() > until:
            break
        time.sleep(0.1)
    lines = synadmin("task", "list", "--resource", room_id, "--status", "complete", "-o", "ndjson").stdout
    none = tasks.list(resource_id=room_id, status=["failed", "active"], action_name=["purge_history"])
    table = synadmin("task", "list", "--action", task.action, "--before", "2099-01-01")

    assert (task.id, task.status, task.error) == (delete_id, "complete", None)
    assert task.result is not None
    assert task.result["failed_to_kick_users"] == []
    assert json.loads(lines)["id"] == delete_id
    assert none.scheduled_tasks == ()
    assert delete_id in table.stdout


def test_api_command_prints_the_answer_unchanged(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("Through and through \x1b[31m")
    path = f"/_synapse/admin/v1/rooms/{encoded(room_id)}/block"
    body = tmp_path / "body.json"
    body.write_text('{"block": false}')

    listed = synadmin(
        "api", "get", "/_synapse/admin/v1/rooms?search_term=through%20and", "--query", "limit=5"
    )
    planned = synadmin("api", "PUT", path, "-d", '{"block": true}', "--dry-run")
    blocked = synadmin("api", "PUT", path, "-d", '{"block": true}')
    written = synadmin("journal", "show", "last", "-o", "json")
    is_blocked = homeserver.admin.synapse.rooms.block_status(room_id).block
    unblocked = synadmin("api", "PUT", path, "-d", f"@{body}")
    piped = synadmin("api", "PUT", path, "-d", "-", stdin='{"block": true}')
    missing = synadmin("api", "GET", "/_synapse/admin/v1/rooms/!nowhere:club.example")
    not_admin = synadmin("api", "GET", "/_synapse/admin/v1/rooms", acting=alice)

    assert [room["room_id"] for room in json.loads(listed.stdout)["rooms"]] == [room_id]
    assert "\x1b" not in listed.stdout
    assert json.loads(planned.stdout) == {
        "outcome": "planned",
        "method": "PUT",
        "path": path,
        "body": {"block": True},
    }
    assert json.loads(blocked.stdout) == {"block": True}
    assert [(line["method"], line["path"], line["status"]) for line in json.loads(written.stdout)] == [
        ("PUT", path, 200)
    ]
    assert is_blocked
    assert json.loads(unblocked.stdout) == {"block": False}
    assert json.loads(piped.stdout) == {"block": True}
    assert (missing.code, missing.stdout) == (4, "")
    assert (not_admin.code, not_admin.stdout) == (3, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("api",),
        ("api", "GET"),
        ("api", "FETCH", "/_synapse/admin/v1/rooms"),
        ("api", "GET", "https://elsewhere.example/_synapse/admin/v1/rooms"),
        ("api", "GET", "/_synapse/admin/v1/rooms/{room_id}"),
        ("api", "GET", "/_synapse/admin/v1/rooms/#club:b.example"),
        ("api", "GET", "/_synapse/admin/v1/rooms/a b"),
        ("api", "GET", "/_synapse/admin/v1/rooms/%zz"),
        ("api", "GET", "/_synapse/admin/v1/rooms", "--query", "limit"),
        ("api", "PUT", "/_synapse/admin/v1/rooms/!a:b/block", "-d", "{block: true}"),
        ("api", "PUT", "/_synapse/admin/v1/rooms/!a:b/block", "-d", "[]"),
        ("api", "PUT", "/_synapse/admin/v1/rooms/!a:b/block", "-d", "@nothing-there.json"),
        ("api", "--list", "GET", "/"),
    ],
)
def test_invalid_request_is_refused(arguments: tuple[str, ...], synadmin: Synadmin) -> None:
    answer = synadmin(*arguments)

    assert (answer.code, answer.stdout) == (2, "")
    assert len(answer.stderr.splitlines()) <= 2


def test_unknown_operation_is_explained_by_version_worker_or_mas(synadmin: Synadmin) -> None:
    answer = synadmin("api", "GET", "/_synapse/admin/v1/levitate")

    assert (answer.code, answer.stdout) == (1, "")
    assert f"Synapse {SYNAPSE}" in answer.stderr
    assert "no such operation (M_UNRECOGNIZED, HTTP 404)" in answer.stderr
    assert "synadmin api --list" in answer.stderr


def test_user_who_is_not_a_server_admin_is_refused(newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice = newcomer("alice")

    for command in (("stats", "media"), ("task", "list"), ("background-update", "status")):
        answer = synadmin(*command, acting=alice)
        assert (answer.code, answer.stdout) == (3, "")
    with pytest.raises(NotPermittedError):
        alice.synapse.background_updates.enabled()
