from __future__ import annotations

import pytest

from synadmin.sandbox.mas.names import is_id, kind_of, new_id, new_token


def test_ids_are_ordered_by_creation() -> None:
    ids = [new_id() for _ in range(1000)]
    assert sorted(set(ids)) == ids
    assert all(is_id(id_) for id_ in ids)


@pytest.mark.parametrize("kind", ["mat", "mar", "mct", "mpt"])
def test_token_kind_is_recognised(kind: str) -> None:
    assert kind_of(new_token(kind)) == kind


@pytest.mark.parametrize("token", ["", "x", "mpt_x_y", "syt_0_1_2", f"mpt_{'0' * 30}_000000"])
def test_foreign_token_has_no_kind(token: str) -> None:
    assert kind_of(token) is None


def test_checksum_equals_that_of_mas() -> None:
    # MAS 1.22.0 expects it for this text.
    assert kind_of(f"mpt_{'0' * 30}_18Xjk1") == "mpt"
