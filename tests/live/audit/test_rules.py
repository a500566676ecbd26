"""Test every audit rule on a real Synapse, with rooms that match the rule and rooms that do not."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin.audit.rules import RULES
from synadmin.sandbox.homeserver import Homeserver
from tests.live.audit.conftest import AuditResult, audit

if TYPE_CHECKING:
    from tests.live.audit.conftest import AuditServer
    from tests.live.conftest import Synadmin


def test_room_with_two_active_admins_has_no_finding(audit_result: AuditResult) -> None:
    assert not [
        finding
        for finding in audit_result.report["findings"]
        if finding["subject"]["id"] == audit_result.audit_server.rooms["healthy"]
    ]


def test_every_room_and_account_is_checked(audit_result: AuditResult) -> None:
    admin = audit_result.audit_server.server.admin
    rooms = admin.call("GET", "/_synapse/admin/v1/rooms")["total_rooms"]
    users = admin.call("GET", "/_synapse/admin/v3/users", query={"locked": True})["total"]
    assert audit_result.report["checked"] == {"rooms": rooms, "users": users, "server": 1}
    assert audit_result.report["skipped"] == []
    assert audit_result.report["errors"] == []


def test_room_whose_only_controller_left_is_lost(audit_result: AuditResult) -> None:
    assert audit_result.subjects("no-local-control") == {
        "lost",
        "of deactivated",
        "of suspended",
        "of locked",
    }
    (finding,) = audit_result.findings_about("no-local-control", "lost")
    assert finding["severity"] == "error"
    assert finding["details"]["reach"] == "impersonate"
    assert finding["details"]["local_members"] == 2


@pytest.mark.parametrize("name", ["lost", "of deactivated", "of suspended", "of locked"])
def test_fix_of_a_lost_room_regains_it(audit_result: AuditResult, synadmin: Synadmin, name: str) -> None:
    (finding,) = audit_result.findings_about("no-local-control", name)
    command = shlex.split(finding["fix"])
    assert command[:3] == ["synadmin", "room", "make-admin"]
    answer = synadmin(*command[1:], "--dry-run", "-o", "json", server=audit_result.audit_server.server)
    assert answer.code == 0, answer.stdout + answer.stderr
    (planned,) = json.loads(answer.stdout)
    assert (planned["outcome"], planned["reach"]) == ("planned", finding["details"]["reach"])


def test_power_of_accounts_that_do_not_exist_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("ghost-power") == {"ghost", "ghost creator"}
    (finding,) = audit_result.findings_about("ghost-power", "ghost creator")
    assert finding["details"] == {
        "user_id": audit_result.audit_server.server.user_id("phantom"),
        "power_level": "creator",
    }


def test_room_in_which_all_members_have_control_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("everyone-controls") == {"everyone"}


def test_room_that_depends_on_one_user_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("single-controller") == {"alone", "one creator"}


def test_version_12_room_with_one_creator_is_found(audit_result: AuditResult, synadmin: Synadmin) -> None:
    assert audit_result.subjects("owner-gone") == {"one creator"}
    (finding,) = audit_result.findings_about("owner-gone", "one creator")
    assert (finding["severity"], finding["details"]["local_members"]) == ("info", 3)
    anna = audit_result.audit_server.server.user_id("anna")
    answer = audit(audit_result.audit_server, synadmin, "rooms", "--rule", "owner-gone", "--without", anna)
    (finding,) = json.loads(answer.stdout)["findings"]
    assert (finding["severity"], finding["message"]) == (
        "warning",
        f"No creator of the room is active here: {anna} (deactivated).",
    )


def test_room_with_inactive_controllers_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("inactive-controller") == {"of suspended", "of locked", "of away"}
    (finding,) = audit_result.findings_about("inactive-controller", "of away")
    assert "last seen" in finding["message"]


def test_remote_member_with_the_highest_level_is_found(
    audit_result: AuditResult,
) -> None:
    assert audit_result.subjects("foreign-controller") == {"foreign"}


def test_low_level_for_power_changes_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("weak-control") == {"weak"}


def test_power_of_users_who_left_is_found(audit_result: AuditResult) -> None:
    assert {"departed", "lost", "of deactivated"} <= audit_result.subjects("departed-power")
    assert not {"healthy", "alone", "ghost"} & audit_result.subjects("departed-power")


def test_rooms_without_local_members_are_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("no-local-members") == {"empty", "left", "upgraded and left"}


def test_replaced_rooms_with_members_are_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("tombstoned-with-members") == {"upgraded", "abandoned by hand"}
    (finding,) = audit_result.findings_about("tombstoned-with-members", "upgraded")
    assert finding["details"]["replacement"] == audit_result.audit_server.rooms["upgraded: new"]


def test_old_and_unstable_room_versions_are_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("old-room-version") == {"old", "unstable"}


def test_room_with_many_state_events_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("complex-room") == {"complex"}
    (finding,) = audit_result.findings_about("complex-room", "complex")
    assert finding["details"]["state_events"] > 100
    assert finding["details"]["forward_extremities"] == 1


def test_forward_extremities_are_counted_where_configured(
    audit_server: AuditServer, synadmin: Synadmin, tmp_path: Path
) -> None:
    config = tmp_path / "strict.toml"
    config.write_text("[audit.rules.complex-room]\nlook_at_extremities = true\nextremities = 0\n", "utf-8")
    answer = synadmin(
        "audit", "--rule", "complex-room", "--config", str(config), "-o", "json", server=audit_server.server
    )
    (finding,) = (
        finding
        for finding in json.loads(answer.stdout)["findings"]
        if finding["subject"]["id"] == audit_server.rooms["healthy"]
    )
    assert finding["message"] == "The room has 1 forward extremities."


def test_unexpected_server_admin_is_found(audit_result: AuditResult) -> None:
    people = audit_result.audit_server.people
    assert audit_result.subjects("unexpected-server-admin") == {people["second"], people["sleeper"]}


def test_all_server_admins_are_listed_without_expected_ones(
    audit_server: AuditServer, synadmin: Synadmin
) -> None:
    answer = synadmin(
        "audit", "users", "--rule", "unexpected-server-admin", "-o", "json", server=audit_server.server
    )
    report = json.loads(answer.stdout)
    assert answer.code == 0
    assert {(finding["severity"], finding["subject"]["id"]) for finding in report["findings"]} == {
        ("info", audit_server.server.user_id("admin")),
        ("info", audit_server.people["second"]),
        ("info", audit_server.people["sleeper"]),
    }


def test_dormant_server_admin_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("dormant-server-admin") == {audit_result.audit_server.people["sleeper"]}


def test_unused_accounts_are_found_where_configured(
    audit_result: AuditResult, synadmin: Synadmin, tmp_path: Path
) -> None:
    assert audit_result.subjects("dormant-account") == set()
    config = tmp_path / "strict.toml"
    config.write_text("[audit.rules.dormant-account]\ndays = 90\n", "utf-8")
    arguments = ("--rule", "dormant-account", "--config", str(config), "--fail-on", "info", "-o", "json")
    answer = synadmin("audit", "users", *arguments, server=audit_result.audit_server.server)
    people = audit_result.audit_server.people
    user_ids = {finding["subject"]["id"] for finding in json.loads(answer.stdout)["findings"]}
    assert (answer.code, user_ids) == (10, {people["away"], people["sleeper"]})


def test_registration_token_without_expiry_is_found_and_not_revealed(audit_result: AuditResult) -> None:
    (subject,) = audit_result.subjects("open-registration-token")
    assert "open-sesame" not in json.dumps(audit_result.report)
    assert subject.startswith("op…")


def test_reports_open_for_a_week_are_found(audit_result: AuditResult) -> None:
    admin = audit_result.audit_server.server.admin
    older, _newer = admin.call("GET", "/_synapse/admin/v1/event_reports", query={"dir": "f"})["event_reports"]
    (of_user,) = admin.call("GET", "/_synapse/admin/v1/user_reports")["user_reports"]
    assert audit_result.subjects("old-report") == {f"event/{older['id']}", f"user/{of_user['id']}"}


def test_destination_unreachable_for_a_week_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("failing-destination") == {audit_result.audit_server.remote_name}


def test_failed_task_is_found(audit_result: AuditResult) -> None:
    assert audit_result.subjects("failed-task") == {"task-1"}


def test_ignore_entry_without_a_match_is_found(audit_result: AuditResult) -> None:
    assert len(audit_result.subjects("unused-ignore")) == 1


def test_failing_delegation_is_found_where_configured(audit_result: AuditResult, synadmin: Synadmin) -> None:
    assert audit_result.subjects("delegation") == set()
    # The server has a self-signed certificate.
    answer = audit(audit_result.audit_server, synadmin, "server", "--rule", "delegation")
    (finding,) = json.loads(answer.stdout)["findings"]
    assert (answer.code, finding["severity"], finding["details"]["verdict"]) == (10, "error", "broken")


def test_disabled_or_endless_background_updates_are_found(synadmin: Synadmin, tmp_path: Path) -> None:
    # A new database has background updates. This server waits an hour after each step of an update.
    slow = {"background_updates": {"sleep_enabled": True, "sleep_duration_ms": 3_600_000}}
    arguments = ("audit", "--rule", "stuck-background-update", "-o", "json")
    baseline_options = ("--baseline", str(tmp_path / "baseline.json"), "--update-baseline")
    with Homeserver(extra_config=slow) as server:
        updates = "/_synapse/admin/v1/background_updates"
        first = synadmin(*arguments, *baseline_options, server=server)
        assert (first.code, json.loads(first.stdout)["findings"]) == (0, []), first.stderr
        second = synadmin(*arguments, *baseline_options, server=server)
        assert second.code == 10
        (finding,) = json.loads(second.stdout)["findings"]
        assert "has been running since the last baseline" in finding["message"]
        server.admin.call("POST", f"{updates}/enabled", {"enabled": False})
        third = synadmin(*arguments, server=server)
        assert [finding["message"] for finding in json.loads(third.stdout)["findings"]] == [
            "Background updates are disabled."
        ]


def test_every_rule_has_a_live_test() -> None:
    live = Path(__file__).parents[1]  # two other files test the rules that need MAS or a control file
    files = (Path(__file__), live / "mas" / "test_audit.py", live / "test_control_heirs.py")
    source = "".join(path.read_text("utf-8") for path in files)
    assert [rule.ID for rule in RULES if f'"{rule.ID}"' not in source] == [], (
        f"add a room or account for these rules to the audit server, and test it in {files[0].name}"
    )
