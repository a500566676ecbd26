import pytest

from synadmin.power.room import Reach
from synadmin.power.steps import ENABLING, Action, Step
from tests.unit.power.rooms import ADMIN, ALICE


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            Step(action=Action.MAKE_ROOM_ADMIN, as_user=ALICE, user=ADMIN, level=100, invites=True),
            f"Give {ADMIN} level 100 through {ALICE} (Make Room Admin), and invite them.",
        ),
        (
            Step(action=Action.SET_LEVEL, as_user=None, user=ADMIN, level=100),
            "As a local member, yet to be found, give @admin:example.org level 100.",
        ),
        (Step(action=Action.JOIN, as_user=ALICE, user=ALICE), "Join the room as @alice:example.org."),
        (
            Step(action=Action.UNSUSPEND, as_user=ADMIN, user=ALICE, reach=Reach.REACTIVATE),
            "Unsuspend the account @alice:example.org for a short time.",
        ),
        (
            Step(action=Action.DEACTIVATE, as_user=ADMIN, user=ALICE, reach=Reach.REACTIVATE, puts_back=True),
            "Deactivate the account @alice:example.org again; that makes it leave, too.",
        ),
    ],
)
def test_step_is_a_sentence(step: Step, sentence: str) -> None:
    assert str(step) == step.detail == sentence


def test_every_action_has_its_own_sentence() -> None:
    sentences = {Step(action=action, as_user=ADMIN, user=ALICE).detail for action in Action}
    assert len(sentences) == len(Action)


def test_each_reactivation_has_its_counterpart() -> None:
    assert dict(ENABLING.values()) == {
        "reactivate": "deactivate",
        "unlock": "lock",
        "unsuspend": "suspend",
    }
