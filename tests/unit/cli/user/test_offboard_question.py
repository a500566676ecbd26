"""The question of ``user offboard``: rooms that cannot be handed over come first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from synadmin.cli.invocation import Invocation
from synadmin.cli.user.offboard_rooms import HandoverReport, question
from synadmin.ids import UserId

ALICE, BOB = UserId("@alice:a.example"), UserId("@bob:a.example")
_GIVES_UP = "gives up its power where other local users stay, and leaves these rooms."


def _report(*outcomes: str) -> HandoverReport:
    rooms = [cast("Any", SimpleNamespace(outcome=outcome)) for outcome in outcomes]
    return HandoverReport(Invocation(), asks=True, planned={ALICE: rooms})


@pytest.mark.parametrize(
    ("outcomes", "leave_rooms", "text"),
    [
        (
            ("planned", "refused", "planned"),
            False,
            (
                f"1 of 3 rooms of {ALICE} cannot be handed over. 2 rooms will be handed over. "
                "The account will not be locked; --leave-rooms does it anyway. Continue?"
            ),
        ),
        (
            ("planned", "partly", "planned"),
            True,
            (
                f"1 of 3 rooms of {ALICE} cannot be handed over to every successor. "
                "2 rooms will be handed over. Then the account is locked. Continue?"
            ),
        ),
        (
            ("planned", "planned", "planned"),
            False,
            (
                f"3 rooms of {ALICE} will be handed over to the successors. The account {_GIVES_UP} "
                "After its rooms are handed over, the account is locked. Continue?"
            ),
        ),
    ],
)
def test_question_counts_rooms_that_are_refused(
    outcomes: tuple[str, ...], leave_rooms: bool, text: str
) -> None:
    assert question(_report(*outcomes), {ALICE: 3}, "lock", gives_up=True, leave_rooms=leave_rooms) == text


def test_question_names_the_account_that_stays() -> None:
    text = question(_report("refused"), {ALICE: 1, BOB: 2}, "deactivate", gives_up=True, leave_rooms=False)
    assert text == (
        f"1 of 3 rooms of {ALICE}, {BOB} cannot be handed over. 2 rooms will be handed over. "
        f"{ALICE} will not be deactivated; --leave-rooms does it anyway. The other account {_GIVES_UP} "
        "After its rooms are handed over, the other account is deactivated. Continue?"
    )
