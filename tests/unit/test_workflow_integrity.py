"""Altered results and inputs are found by content, whatever their dates say."""

import os
from pathlib import Path

import pytest

from denseflow.manifest import write_manifest
from denseflow.workflow.integrity import Digests, damaged_files


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A folder with a result of two files; returns its manifest."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"the file {name}")
    write_manifest(tmp_path, "stage", ["a", "b"])
    return tmp_path / "manifest.json"


def damaged(manifest: Path) -> list[str]:
    return [path.name for path in damaged_files(manifest, Digests(manifest.parent / "digests.json"))]


def later(path: Path) -> None:
    now = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(now, now))


def test_a_whole_result_has_no_damage_touched_or_not(result):
    assert damaged(result) == []
    later(result.parent / "a")
    assert damaged(result) == []


def test_an_altered_a_cut_and_a_deleted_file_are_found(result):
    (result.parent / "a").write_text("the FILE a")
    later(result.parent / "a")
    assert damaged(result) == ["a"]
    (result.parent / "b").write_text("the")
    assert damaged(result) == ["a", "b"]
    (result.parent / "a").unlink()
    assert damaged(result) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_a_manifest_that_was_cut_or_overwritten_is_found(result, text):
    result.write_text(text)
    assert damaged(result) == ["manifest.json"]


def test_a_result_that_was_never_made_is_not_damaged(tmp_path):
    assert damaged(tmp_path / "manifest.json") == []


def test_sums_are_remembered_by_size_and_date_and_kept_on_disk(tmp_path, monkeypatch):
    file, memory = tmp_path / "file", tmp_path / "memory.json"
    file.write_text("one")
    first = Digests(memory)
    digest = first.of(file)
    first.save()
    monkeypatch.setattr("denseflow.workflow.integrity.sha256", lambda path: pytest.fail("read again"))
    assert Digests(memory).of(file) == digest


def test_a_changed_file_is_read_again(tmp_path):
    file, digests = tmp_path / "file", Digests(tmp_path / "memory.json")
    file.write_text("one")
    digest = digests.of(file)
    file.write_text("two")
    later(file)
    assert digests.of(file) != digest


def test_of_a_folder_only_the_files_that_match_count(tmp_path):
    (tmp_path / "qrels").mkdir()
    for name in ("corpus.jsonl.gz", "qrels/test.tsv", "README", "qrels/notes.txt"):
        (tmp_path / name).write_text(name)
    digests = Digests(tmp_path.parent / "memory.json")
    assert list(digests.of_tree(tmp_path, ("corpus.jsonl*", "qrels/*.tsv*"))) == ["corpus.jsonl.gz", "qrels/test.tsv"]
    assert len(digests.of_tree(tmp_path)) == 4
