"""Collections of ir_datasets, read by its own loader from files placed by hand."""

import gzip
import json
import os
import subprocess
import sys
import zipfile
from typing import NamedTuple

import pytest

from denseflow.collection import Document
from denseflow.dataset.export import export
from denseflow.dataset.ir_datasets import document
from denseflow.errors import DenseflowError

NFCORPUS = {"train": "beir/nfcorpus/train", "dev": "beir/nfcorpus/dev", "test": "beir/nfcorpus/test"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder for ir_datasets, and ir_datasets imported anew so that it sees it."""
    folder = tmp_path / "ir_datasets"
    monkeypatch.setenv("IR_DATASETS_HOME", str(folder))
    monkeypatch.setenv("IR_DATASETS_TMP", str(tmp_path / "tmp"))
    monkeypatch.setenv("IR_DATASETS_DL_TRIES", "1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "ir_datasets"]:
        monkeypatch.delitem(sys.modules, name)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "ir_datasets"]:
        del sys.modules[name]


def place(home, name, files):
    path = home / "beir" / name / "source.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, content in files.items():
            file.writestr(f"{name}/{member}", content)
    return path


def run(splits, out):
    return export({"type": "ir_datasets", "splits": splits}, out)


def small(**changed):
    return {
        "corpus.jsonl": '{"_id": "d1", "title": "Apples", "text": "red", "metadata": {"url": ""}}\n',
        "queries.jsonl": '{"_id": "q1", "text": "fruit", "metadata": {"url": ""}}\n',
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
        **changed,
    }


def place_nfcorpus(home, shared):
    source = shared / "data" / "nfcorpus"
    place(
        home,
        "nfcorpus",
        {
            "corpus.jsonl": gzip.decompress((source / "corpus.jsonl.gz").read_bytes()),
            "queries.jsonl": (source / "queries.jsonl").read_bytes(),
            "qrels/train.tsv": gzip.decompress((source / "qrels" / "train.tsv.gz").read_bytes()),
            "qrels/dev.tsv": (source / "qrels" / "dev.tsv").read_bytes(),
            "qrels/test.tsv": (source / "qrels" / "test.tsv").read_bytes(),
        },
    )
    return source


def test_nfcorpus_through_ir_datasets_has_its_published_counts_and_equals_the_beir_folder(home, shared, tmp_path):
    source = place_nfcorpus(home, shared)
    manifest = run(NFCORPUS, tmp_path / "out")
    assert manifest["counts"]["documents"] == 3633
    splits = manifest["counts"]["splits"]
    assert {name: (counts["queries"], counts["judgements"]) for name, counts in splits.items()} == {
        "train": (2590, 110575),
        "dev": (324, 11385),
        "test": (323, 12334),
    }
    assert [warning.split(" (")[0] for warning in manifest["warnings"]] == [
        "4 queries of dev have the same text as one of train",
        "4 queries of test have the same text as one of train",
        "1 queries of test have the same text as one of dev",
    ]
    beir = export({"type": "beir", "path": str(source), "splits": list(NFCORPUS)}, tmp_path / "beir")
    assert beir["files"] == manifest["files"]
    assert beir["lengths"] == manifest["lengths"]


def test_exports_at_the_same_time_do_not_spoil_ir_datasets_document_store(home, shared, tmp_path):
    place_nfcorpus(home, shared)
    program = (
        "import sys; from pathlib import Path; from denseflow.dataset.export import export; "
        "export({'type': 'ir_datasets', 'splits': {'test': 'beir/nfcorpus/test'}}, Path(sys.argv[1]))"
    )
    folders = [tmp_path / f"out{number}" for number in range(3)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    exports = [subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment) for folder in folders]
    assert [process.wait(timeout=120) for process in exports] == [0, 0, 0]
    assert len({(folder / "manifest.json").read_bytes() for folder in folders}) == 1
    assert json.loads((folders[0] / "manifest.json").read_text())["counts"]["documents"] == 3633


def test_documents_are_counted_and_another_count_than_ir_datasets_own_is_warned_about(home, tmp_path):
    place(home, "nfcorpus", small())
    manifest = run({"test": "beir/nfcorpus/test"}, tmp_path / "out")
    assert manifest["counts"]["documents"] == 1
    assert manifest["warnings"][0].startswith("beir/nfcorpus/test: 1 documents read, but 3633 in ir_datasets' own")
    assert manifest["versions"].keys() == {"ir_datasets"}


def test_an_unknown_id_is_an_error_with_those_close_to_it(home, tmp_path):
    with pytest.raises(DenseflowError, match=r"no data set 'beir/nfcorpos/test'.*'beir/nfcorpus/test'"):
        run({"test": "beir/nfcorpos/test"}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_id_without_judgements_is_an_error_with_those_below_it_that_have_them(home, tmp_path):
    with pytest.raises(DenseflowError, match=r"'beir/nfcorpus' has no qrels.*'beir/nfcorpus/dev'"):
        run({"test": "beir/nfcorpus"}, tmp_path / "out")


def test_splits_that_do_not_share_their_documents_are_an_error(home, tmp_path):
    with pytest.raises(DenseflowError, match=r"'beir/nfcorpus/train' \(split train\) and 'beir/scifact/test' \(split"):
        run({"train": "beir/nfcorpus/train", "test": "beir/scifact/test"}, tmp_path / "out")


def test_a_download_that_cannot_be_reached_says_what_was_tried_and_where_to_place_the_file(home, tmp_path, monkeypatch):
    import requests

    def unreachable(*_, **__):
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", unreachable)
    with pytest.raises(DenseflowError) as caught:
        run(NFCORPUS, tmp_path / "out")
    message = str(caught.value)
    assert "source ir_datasets: beir/nfcorpus/train cannot be downloaded" in message
    assert "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/nfcorpus.zip" in message
    assert "no route to host" in message
    assert "md5 a89dba18a62ef92f7d323ec890a0d38d" in message
    assert str(home / "beir" / "nfcorpus" / "source.zip") in message
    assert "`quickstart` needs no download" in message
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_placed_by_hand_that_is_truncated_is_an_error(home, tmp_path):
    path = place(home, "nfcorpus", small())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DenseflowError, match=r"cannot be read \(BadZipFile.*placed by hand or is truncated"):
        run({"test": "beir/nfcorpus/test"}, tmp_path / "out")


def test_a_query_of_the_judgements_that_does_not_exist_is_an_error(home, tmp_path):
    place(home, "nfcorpus", small(**{"qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq9\td1\t1\n"}))
    with pytest.raises(DenseflowError, match=r"beir/nfcorpus/test: 1 queries of the judgements do not exist \('q9'\)"):
        run({"test": "beir/nfcorpus/test"}, tmp_path / "out")


def test_a_second_judgement_of_a_pair_keeps_the_highest_level_with_a_warning(home, tmp_path):
    lines = "query-id\tcorpus-id\tscore\nq1\td1\t0\nq1\td1\t2\nq1\td1\t1\n"
    place(home, "nfcorpus", small(**{"qrels/test.tsv": lines}))
    manifest = run({"test": "beir/nfcorpus/test"}, tmp_path / "out")
    assert (tmp_path / "out" / "qrels.test.tsv").read_text().splitlines()[1:] == ["q1\td1\t2"]
    assert (
        "beir/nfcorpus/test: 2 judgements of a pair judged before; the highest level was kept" in manifest["warnings"]
    )


class TitleAndText(NamedTuple):
    doc_id: str
    text: str
    title: str | None

    def default_text(self):
        return f"{self.title} {self.text}"


class Headline(NamedTuple):
    doc_id: str
    headline: str
    body: str

    def default_text(self):
        return f"{self.headline}\n{self.body}"


class NoDefault(NamedTuple):
    doc_id: str
    title: str
    summary: str
    eligibility: int


class TextOnly(NamedTuple):
    doc_id: str
    text: str

    def default_text(self):
        return self.text


class TitleElsewhere(NamedTuple):
    doc_id: str
    title: str
    text: str

    def default_text(self):
        return f"{self.text} {self.title}"


class Picture(NamedTuple):
    doc_id: str
    png: bytes


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (TitleAndText("1", " two  spaces", "Title"), Document("1", "Title", " two  spaces")),
        (TitleAndText("1", "text", ""), Document("1", "", "text")),
        (TitleAndText("1", "text", None), Document("1", "", "text")),
        (TitleAndText("1", "", "Title"), Document("1", "Title", "")),
        (Headline("1", "News", "body"), Document("1", "News", "body")),
        (NoDefault("1", "Trial", "a summary", 3), Document("1", "Trial", "a summary")),
        (TextOnly("1", " text"), Document("1", "", " text")),
        (TitleElsewhere("1", "Title", "text"), Document("1", "", "text Title")),
    ],
)
def test_title_and_text_of_any_type_of_document_hold_each_word_once(row, expected):
    assert document(row) == expected


def test_a_document_without_a_text_is_an_error_that_names_its_fields():
    with pytest.raises(DenseflowError, match=r"the type Picture has no text.*\(fields: doc_id, png\)"):
        document(Picture("1", b""))


def test_ir_datasets_is_not_touched_by_the_export_of_another_source(home, tmp_path):
    with pytest.raises(DenseflowError):
        export({"type": "beir", "path": str(tmp_path / "nowhere"), "splits": []}, tmp_path / "out")
    assert "ir_datasets" not in sys.modules
    assert not home.exists()
