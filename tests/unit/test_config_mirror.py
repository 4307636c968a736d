"""A collection that is on this machine already is read there."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from denseflow.config.dataset import Dataset

SPLITS = {"train": "beir/nfcorpus/train", "test": "beir/nfcorpus/test"}


def dataset(folder: Path, splits: tuple[str, ...] = ("train", "test")) -> Dataset:
    mirror = {"type": "beir", "path": str(folder / "here"), "splits": list(splits)}
    return Dataset.model_validate({"source": {"type": "ir_datasets", "splits": SPLITS}, "mirror": mirror})


def test_the_mirror_is_read_where_it_is_there_and_else_the_source(tmp_path):
    assert dataset(tmp_path).at_hand().source.type == "ir_datasets"
    (tmp_path / "here").mkdir()
    assert dataset(tmp_path).at_hand().source.type == "beir"


def test_a_mirror_is_there_when_all_its_files_are(tmp_path):
    place = {"path": str(tmp_path / "a.jsonl")}
    tables = {
        "type": "tables",
        "documents": [{"file": place, "id": "_id", "text": ["text"]}],
        "queries": [{"file": {"path": str(tmp_path / "b.jsonl")}, "id": "_id", "text": ["text"]}],
        "judgements": {name: {"file": place, "query": "q", "document": "d"} for name in ("train", "test")},
    }
    found = Dataset.model_validate({"source": {"type": "ir_datasets", "splits": SPLITS}, "mirror": tables})
    (tmp_path / "a.jsonl").touch()
    assert found.at_hand().source.type == "ir_datasets"
    (tmp_path / "b.jsonl").touch()
    assert found.at_hand().source.type == "tables"


def test_a_mirror_with_other_splits_is_another_collection(tmp_path):
    with pytest.raises(ValidationError, match=r"`mirror` has the splits \['dev', 'test'\], but `source` has"):
        dataset(tmp_path, ("test", "dev"))
