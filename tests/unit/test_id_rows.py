"""From ids to rows without keeping the ids."""

from denseflow import id_rows
from denseflow.id_rows import IdRows

NAMES = [f"d{number}" for number in range(5000)]


def test_each_id_has_its_row_and_another_has_none():
    rows = IdRows(iter(NAMES), lambda: [])
    assert len(rows) == 5000
    assert [rows.get(name) for name in NAMES] == list(range(5000))
    assert [rows.get(name) for name in ("d5000", "", "D1")] == [None] * 3


def test_ids_that_share_a_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(id_rows, "hash", len, raising=False)
    names = ["a", "bb", "c", "ddd", "ee"]
    rows = IdRows(names, lambda: names)
    assert [rows.get(name) for name in names] == [0, 1, 2, 3, 4]


def test_no_ids_are_ids_too():
    assert IdRows([], lambda: []).get("a") is None
