"""The Python library: public names, settings, journal, lists, and an invalid token."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import synadmin
from synadmin import NotAuthenticatedError, Synapse
from synadmin.journal import entries
from synadmin.journal.store import Store
from synadmin.settings import default_journal
from tests.library_page import program
from tests.unit.stub import BROKEN, WHOAMI, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.stub import Stub

ROOT = Path(__file__).parents[2]
ROOMS = "/_synapse/admin/v1/rooms"


def test_every_public_name_exists_and_has_a_docstring() -> None:
    for name in synadmin.__all__:
        assert name == "__version__" or getattr(synadmin, name).__doc__
    assert sorted(synadmin.__all__) == synadmin.__all__
    with pytest.raises(AttributeError, match="Nothing"):
        _ = synadmin.Nothing


def test_code_of_the_page_passes_mypy_and_pyright(tmp_path: Path) -> None:
    script = tmp_path / "library_page_program.py"
    script.write_text(program(to_run=False), "utf-8")
    process = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stdout


def test_client_is_made_from_a_profile(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_HOMESERVER", stub.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "syt_x")
    with Synapse.from_profile() as synapse:
        assert synapse.owner == "@admin:example.org"
    with pytest.raises(synadmin.SettingsError, match="work"):
        Synapse.from_profile("work")


def test_library_changes_are_journaled_unless_the_journal_is_disabled(stub: Stub) -> None:
    stub.on("/_synapse/admin/v1/suspend/@bob:example.org", json_reply({}))
    stub.on("/_synapse/admin/v1/suspend/%40bob%3Aexample.org", json_reply({}))
    with Synapse(stub.url, token="syt_x", journal=None) as synapse:
        synapse.users.suspend("@bob:example.org", suspend=True)
    assert not default_journal().exists()
    with Synapse(stub.url, token="syt_x") as synapse:
        synapse.users.suspend("@bob:example.org", suspend=True)
    (entry,) = entries(default_journal())
    assert entry["command"] == "library"
    with closing(Store(default_journal(), write=False)) as store:
        (run,) = store.runs()
    assert (run.ended is not None, run.code) == (True, 0)


def test_invalid_token_has_a_hint(stub: Stub) -> None:
    stub.on(WHOAMI, refused(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    with Synapse(stub.url, token="syt_old") as synapse, pytest.raises(NotAuthenticatedError) as caught:
        _ = synapse.owner
    assert caught.value.hint == "run `synadmin login` to get a new token"


def test_list_has_total_and_first(stub: Stub) -> None:
    listed = [{"room_id": f"!{number}:example.org"} for number in range(3)]
    stub.on(ROOMS, json_reply({"rooms": listed, "total_rooms": 37, "offset": 0}))
    with Synapse(stub.url, token="syt_x", journal=None) as synapse:
        rooms = synapse.rooms.list()
        assert rooms.total == 37
        assert [room.room_id for room in rooms.first(2)] == ["!0:example.org", "!1:example.org"]


def test_custom_request_encodes_ids(stub: Stub) -> None:
    stub.on("*", json_reply({"total": 2}))
    with Synapse(stub.url, token="syt_x", journal=None) as synapse:
        assert synapse.request("GET", "/x/{room}", room="!a/b:example.org") == {"total": 2}
    assert stub.requests[-1].target == "/x/%21a%2Fb%3Aexample.org"


def test_custom_change_is_not_repeated_after_a_lost_answer(stub: Stub) -> None:
    stub.on("/x", BROKEN, json_reply({}))
    with Synapse(stub.url, token="syt_x", journal=None) as synapse, pytest.raises(synadmin.ConnectError):
        synapse.request("POST", "/x", body={})
    assert [request.target for request in stub.requests].count("/x") == 1


def test_audit_without_rules_is_a_usage_error(stub: Stub) -> None:
    with Synapse(stub.url, token="syt_x", journal=None) as synapse:
        with pytest.raises(synadmin.UsageError, match="no rule to run"):
            synapse.audit(rules=["ghost-power"], skip=["ghost-power"])
        with pytest.raises(synadmin.UsageError, match="no rule to run"):
            synapse.audit(["users"], rules=["ghost-power"])


def test_invalid_id_is_a_usage_error_before_any_request(stub: Stub) -> None:
    with Synapse(stub.url, token="syt_x", journal=None) as synapse:
        with pytest.raises(synadmin.UsageError):
            synapse.regain("club")
        with pytest.raises(synadmin.UsageError):
            synapse.audit(["romms"])  # type: ignore[list-item]
    assert all(json.dumps(request.target) for request in stub.requests)
