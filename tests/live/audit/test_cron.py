"""Audits as cron and systemd run them."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from synadmin.ids import encoded
from tests.live.audit.conftest import audit
from tests.live.conftest import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.audit.conftest import AuditServer
    from tests.live.conftest import Synadmin


@pytest.mark.parametrize("how", ["print-cron", "install-timer"])
def test_cron_and_systemd_lines_work_in_a_clean_home(
    audit_server: AuditServer, synadmin: Synadmin, tmp_path: Path, how: str
) -> None:
    profile = tmp_path / "config" / "synadmin" / "default.env"
    profile.parent.mkdir(parents=True)
    profile.touch(mode=0o600)
    profile.write_text(
        f"SYNADMIN_HOMESERVER={audit_server.server.url}\nSYNADMIN_ACCESS_TOKEN={audit_server.server.admin.token}\n",
        "utf-8",
    )
    profile.with_name("audit.toml").write_text(audit_server.config.read_text("utf-8"), "utf-8")
    printed = synadmin("audit", how, server=audit_server.server).stdout
    if how == "print-cron":
        line = printed.splitlines()[-1].split("  ", 1)[1]
    else:
        service = tmp_path / "config" / "systemd" / "user" / "synadmin-audit.service"
        (line,) = re.findall(r"^ExecStart=(.*)$", service.read_text("utf-8"), re.MULTILINE)
        assert "systemctl --user enable --now synadmin-audit.timer" in printed
    environment = clean_environment(tmp_path) | {"PATH": "/usr/bin:/bin"}
    ended = [
        subprocess.run(
            ["/bin/sh", "-c", line], cwd="/", env=environment, capture_output=True, text=True, check=False
        )
        for _ in range(2)
    ]
    assert (ended[0].returncode, ended[0].stderr) == (10, "")
    assert "no-local-control: lost" in ended[0].stdout
    assert (ended[1].returncode, ended[1].stdout, ended[1].stderr) == (0, "", "")


def test_token_of_a_normal_user_exits_3(audit_server: AuditServer, synadmin: Synadmin) -> None:
    answer = synadmin("audit", server=audit_server.server, acting=audit_server.server.register("ben"))
    assert (answer.code, answer.stdout) == (3, "")
    assert answer.stderr.startswith("synadmin: You are not a server admin (M_FORBIDDEN, HTTP 403)\n")


def test_solved_finding_is_reported_once(
    audit_server: AuditServer, synadmin: Synadmin, tmp_path: Path
) -> None:
    ben = audit_server.server.register("ben")
    room = ben.make_room("weak for a night", levels={"events": {"m.room.power_levels": 10}})
    baseline_options = (
        "--rule",
        "weak-control",
        "--baseline",
        str(tmp_path / "baseline.json"),
        "--update-baseline",
    )
    first = synadmin("audit", *baseline_options, server=audit_server.server)
    assert (first.code, "weak for a night" in first.stdout) == (10, True)
    content = ben.state(room, "m.room.power_levels")
    ben.set_levels(room, {**content, "events": {**content["events"], "m.room.power_levels": 100}})
    second = synadmin("audit", *baseline_options, server=audit_server.server)
    assert second.stdout.startswith(f"solved: weak-control: weak for a night ({room})\n")
    third = synadmin("audit", *baseline_options, server=audit_server.server)
    assert (third.code, third.stdout, third.stderr) == (0, "", "")


def test_new_findings_are_posted_as_the_owner_of_the_token(
    audit_server: AuditServer, synadmin: Synadmin, tmp_path: Path
) -> None:
    admin = audit_server.server.admin
    admin.create_room("Night watch", alias="watch")
    alias = f"#watch:{audit_server.server.server_name}"
    baseline_options = ("--baseline", str(tmp_path / "baseline.json"), "--update-baseline", "--notify", alias)
    assert audit(audit_server, synadmin, *baseline_options).code == 10
    assert audit(audit_server, synadmin, *baseline_options).code == 0
    room = admin.synapse.client_server.resolve_alias(alias).room_id
    path = f"/_matrix/client/v3/rooms/{encoded(room)}/messages"
    events = admin.call("GET", path, query={"dir": "b", "limit": 50})["chunk"]
    (message,) = (event for event in events if event["type"] == "m.room.message")
    assert message["sender"] == admin.user_id
    assert "error: no-local-control: lost (!" in message["content"]["body"]
    assert message["content"]["format"] == "org.matrix.custom.html"


def test_wrong_notify_room_is_detected_before_the_audit(
    audit_server: AuditServer, synadmin: Synadmin, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.json"
    room = audit_server.rooms["lost"]  # the server admin is not in the room
    baseline_options = ("--baseline", str(baseline), "--update-baseline", "--notify", room)
    answer = audit(audit_server, synadmin, *baseline_options)
    assert (answer.code, answer.stdout) == (5, "")
    assert f"--notify: {audit_server.server.admin.user_id} is not in {room}" in answer.stderr
    assert not baseline.exists()


def test_audit_requests_levels_once_per_room_and_rooms_once_per_user(
    audit_server: AuditServer, synadmin: Synadmin
) -> None:
    before = len(audit_server.server.processed())
    answer = audit(audit_server, synadmin)
    assert answer.code == 10
    asked = [request.uri for request in audit_server.server.processed()[before:]]
    # The audit reads the members of few rooms: the finding depends on them, or suggests `room make-admin`.
    rules = {"no-local-control", "inactive-controller", "single-controller", "everyone-controls"}
    findings = json.loads(answer.stdout)["findings"]
    rooms_found = {encoded(finding["subject"]["id"]) for finding in findings if finding["rule"] in rules}
    members = [uri.split("/")[-2] for uri in asked if uri.endswith("/members")]
    assert set(members) <= rooms_found
    assert len(members) == len(set(members)) < len(audit_server.rooms) / 2
    levels = [uri for uri in asked if uri.endswith("state?type=m.room.power_levels")]
    rooms = audit_server.server.admin.call("GET", "/_synapse/admin/v1/rooms")["total_rooms"]
    assert len(levels) == len(set(levels)) == rooms
    where = [uri for uri in asked if uri.endswith("/joined_rooms")]
    assert len(where) == len(set(where))
