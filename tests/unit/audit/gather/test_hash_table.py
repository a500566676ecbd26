"""The hash table has the same content as a dictionary, and needs less memory."""

from __future__ import annotations

import random
import tracemalloc

from synadmin.audit.gather.hash_table import HashTable


def test_hash_table_equals_a_dictionary() -> None:
    rng = random.Random(1)
    # Many digests start at the same slot, and 0 is a valid digest.
    digests = [0, *(rng.choice([1, 2**20, 2**40, -1]) * rng.randrange(2000) for _ in range(6000))]
    table, expected = HashTable(), dict[int, int]()
    for number, digest in enumerate(digests):
        assert (digest in table) == (digest in expected)
        table.set(digest, number)
        expected[digest] = number
    assert len(table) == len(expected)
    assert all(table.get(digest) == number for digest, number in expected.items() if digest != 1)
    assert table.get(3**35) is None


def test_hash_table_uses_less_memory_than_a_dictionary() -> None:
    digests = [hash(f"@u{number}:example.org") for number in range(50_000)]
    tracemalloc.start()
    try:
        table = HashTable()
        for number, digest in enumerate(digests):
            table.set(digest, number)
        of_table, _ = tracemalloc.get_traced_memory()
        assert len({digest + 1: number for number, digest in enumerate(digests)}) == len(table)
        _, of_dictionary = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 3 * of_table < of_dictionary - of_table
