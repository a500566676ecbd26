"""A fault at each change of each command: the command reports the true outcome.

`make faults` does the same with every fault at every request.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.faults import judge
from tests.faults.judge import Cell, left_over
from tests.faults.scenarios import SCENARIOS, set_power, token_create

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.judge import FaultRunner

# The answer of the server is lost or replaced, or the command ends before it reads the answer.
_LOST = ["drop-after", "500-after", "html-after", "403", "SIGINT-after", "SIGKILL-after"]
_ONE_CHANGE = ["delete", "deactivate", "create", "media", "token-create", "token-delete"]


def _cells() -> Iterator[Cell]:
    def at_changes(scenario: str, count: int, faults: list[str]) -> Iterator[Cell]:
        for number, fault in product(range(1, count + 1), faults):
            yield Cell(scenario, fault, "change", number)

    yield from at_changes("make-admin", 2, _LOST)
    yield from at_changes("impersonate", 9, ["500-after", "html-after", "SIGINT-after", "SIGKILL-after"])
    yield from at_changes("reactivate", 10, ["html-after", "403", "SIGKILL-after"])
    yield from at_changes("unlock", 11, ["500-before", "SIGTERM-after"])
    yield from at_changes("replace", 3, ["500-before", "html-after", "SIGKILL-after"])
    yield from at_changes("set-power", 3, ["drop-after", "500-before", "html-after", "SIGKILL-after"])
    yield from at_changes("demote", 3, ["403", "SIGHUP-after", "list"])
    for scenario in _ONE_CHANGE:
        yield from at_changes(scenario, 1, _LOST)
    # Reads: before the change, and after it.
    for scenario, fault in product(["deactivate", "media", "token-delete"], ["500-before", "null"]):
        yield Cell(scenario, fault, "read", 1)
    for scenario in ("create", "token-delete"):
        yield Cell(scenario, "html-after", "read", 3)
    for fault in ("drip", "bomb", "delay-after", "truncated", "redirect-after", "401", "users-list"):
        yield Cell("token-create", fault, "change", 1)


CELLS = list(_cells())


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_outcome_after_a_fault_is_true_and_nothing_temporary_remains(runner: FaultRunner, cell: Cell) -> None:
    verdict = runner.run_cell(cell)
    assert verdict.met, f"the run has no such request: {verdict}"
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize(
    "fault", ["drop-before", "500-before", "html-after", "users-list", "drip", "SIGTERM-before"]
)
def test_audit_is_right_or_says_that_it_is_incomplete(audit_runner: FaultRunner, fault: str) -> None:
    verdict = audit_runner.run_cell(Cell("audit", fault, "read", 3))
    assert verdict.met
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "audit"])
def test_every_command_reaches_its_goal_without_a_fault(runner: FaultRunner, scenario: str) -> None:
    assert runner.requests_of(scenario)


def test_judge_detects_temporary_changes_that_remain(runner: FaultRunner) -> None:
    """A token, a membership, an account state and a rate limit that remain are found."""
    world = runner.world
    case = set_power(world)
    before = world.read(case)
    assert left_over(case, before, before) == []
    login = f"/_synapse/admin/v1/users/{world.bob.user_id}/login"
    token = world.operator.call("POST", login, {})["access_token"]
    limits = f"/_synapse/admin/v1/users/{world.bob.user_id}/override_ratelimit"
    world.operator.call("POST", limits, {"messages_per_second": 0, "burst_count": 0})
    world.operator.suspend(world.bob)
    assert case.room is not None
    world.bob.synapse.client_server.transport.close()
    found = left_over(case, before, world.read(case))
    world.operator.suspend(world.bob, suspended=False)
    world.operator.call("DELETE", limits)
    world.bob.leave(case.room)  # type: ignore[arg-type]
    found += left_over(case, before, world.read(case))
    assert token
    assert {line.partition(" ")[0].rstrip(":") for line in found} == {
        "accounts",
        "limits",
        "impersonation_tokens",
        "memberships",
    }


def test_judge_detects_a_false_done(runner: FaultRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "_SETTLE_TIME", 0)
    monkeypatch.setitem(
        SCENARIOS,
        "token-create",
        lambda world: replace(token_create(world), goal=lambda _before, _now: False),
    )
    assert runner.run_cell(Cell("token-create", "none", "any", 0)).wrong == [
        "says done, and the goal is not reached"
    ]
