from __future__ import annotations

import pytest

from synadmin.cli.federation_ping import _mark
from synadmin.delegation.ping import Ping


@pytest.mark.parametrize(
    ("milliseconds", "mark"),
    [([20.0, 379.0], "fast"), ([199.9], "fast"), ([200.0], "slow"), ([20.0, 381.0], "slow"), ([], "none")],
)
def test_server_below_200_milliseconds_is_fast(milliseconds: list[float], mark: str) -> None:
    assert _mark(Ping("example.org", 2, milliseconds).as_record()) == mark


def test_servers_without_an_answer_come_last() -> None:
    slow, no_answer = Ping("slow.example", 1, [20_000.0]), Ping("gone.example", 1)
    assert sorted([no_answer, slow], key=lambda ping: ping.average) == [slow, no_answer]
