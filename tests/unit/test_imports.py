"""Imports take less time and give the same."""

import gc
import importlib
import sys

import pytest

from denseflow.imports import importing


@pytest.fixture
def not_imported(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that looks as if it had not been imported yet."""
    monkeypatch.delitem(sys.modules, "sklearn.metrics", raising=False)
    return "sklearn.metrics"


def test_a_function_of_scikit_learn_imports_it_when_it_is_called(not_imported):
    with importing():
        from sklearn.metrics import pairwise_distances
    assert not_imported not in sys.modules
    assert pairwise_distances([[0.0, 1.0]], [[2.0, 4.0]], metric="manhattan") == [[5.0]]
    assert not_imported in sys.modules


def test_garbage_is_collected_afterwards_and_even_where_an_import_fails(not_imported):
    with pytest.raises(ModuleNotFoundError), importing():
        importlib.import_module("no_such_module")
    assert gc.isenabled()
    assert not_imported not in sys.modules


def test_a_module_that_was_imported_already_stays(not_imported):
    import sklearn.metrics as real

    with importing():
        from sklearn import metrics
    assert metrics is real
    assert sys.modules[not_imported] is real
