"""Repeated ids are found without keeping the ids."""

import pytest

from denseflow.dataset import unique_ids
from denseflow.dataset.unique_ids import UniqueIds


def noted(ids):
    unique = UniqueIds()
    for id_ in ids:
        unique.add(id_)
    return unique


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ([], None),
        (["a"], None),
        (["b", "a", "c"], None),
        (["b", "a", "c", "a"], ("a", 2, 4)),
        (["b", "a", "a", "b"], ("a", 2, 3)),
        (["", "x", ""], ("", 1, 3)),
    ],
)
def test_the_first_id_that_comes_twice_is_found_with_its_places(ids, found):
    assert noted(ids).repeated(iter(ids)) == found


def test_different_ids_of_one_hash_are_not_repeated(monkeypatch):
    monkeypatch.setattr(unique_ids, "hash", len, raising=False)
    assert noted(["ab", "cd", "e"]).repeated(["ab", "cd", "e"]) is None
    assert noted(["ab", "cd", "ab"]).repeated(["ab", "cd", "ab"]) == ("ab", 1, 3)
