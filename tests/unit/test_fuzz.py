"""A small part of ``make fuzz``, with the same inputs in each run."""

from __future__ import annotations

from tests.fuzz.__main__ import fuzz


def test_random_inputs_crash_nothing() -> None:
    counts, refused, crashes = fuzz(5_000, seed=1)
    assert crashes == []
    assert counts.total() == 5_000
    assert all(0 < refused[name] < counts[name] for name in ("ids", "options", "lists", "answers", "sockets"))
