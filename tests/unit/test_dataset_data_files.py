import gzip
import http.server
import json
import threading

import pytest

from denseflow.config.data_file import DataFile
from denseflow.config.dataset import Dataset
from denseflow.config.load import check
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.files import read_lines, sha256, sha256_text
from denseflow.table_rows import kind_of
from denseflow.workflow.canonical import canonical

TEXT = "un, deux, trois\n"


@pytest.fixture
def address(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "numbers.txt").write_text(TEXT)
    (folder / "numbers.txt.gz").write_bytes(gzip.compress(TEXT.encode()))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/numbers.txt"
    server.shutdown()


def test_a_file_is_read_where_it_lies_and_a_gzipped_one_is_unpacked(tmp_path):
    plain, packed = tmp_path / "numbers.txt", tmp_path / "numbers.txt.gz"
    plain.write_text(TEXT)
    packed.write_bytes(gzip.compress(TEXT.encode()))
    assert at_hand({"path": str(plain), "sha256": sha256_text(TEXT)}, tmp_path / "work") == plain
    for sum_ in (sha256_text(TEXT), sha256(packed), None):
        found = at_hand({"path": str(packed), "sha256": sum_}, tmp_path / "work")
        assert (found.name, found.read_text()) == ("numbers.txt", TEXT)


def test_what_is_not_at_the_path_is_downloaded(tmp_path, address):
    file = {"path": str(tmp_path / "nothing.txt"), "url": address, "sha256": sha256_text(TEXT)}
    assert at_hand(file, tmp_path / "work").read_text() == TEXT
    with pytest.raises(DenseflowError, match=r"nothing\.txt: no such file; correct `path`"):
        at_hand({"path": file["path"]}, tmp_path / "work")


def test_a_download_s_address_may_have_a_query_behind_the_name(tmp_path, address):
    file = {"url": f"{address}.gz?download=1", "sha256": sha256(tmp_path / "served" / "numbers.txt.gz")}
    found = at_hand(file, tmp_path / "work")
    assert (found.name, found.read_text()) == ("numbers.txt", TEXT)
    assert DataFile(**file).name == "numbers.txt"
    assert kind_of("https://example.org/a%20b.csv.gz?download=1#top") == ".csv"


def test_packed_files_of_one_name_in_folders_of_one_name_are_not_taken_for_each_other(tmp_path):
    places = [tmp_path / name / "data" / "numbers.txt.gz" for name in ("one", "two")]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_bytes(gzip.compress(str(place).encode()))
    found = [at_hand({"path": str(place)}, tmp_path / "work") for place in places]
    assert [file.read_text() for file in found] == [str(place) for place in places]


def test_another_file_than_the_sum_says_is_refused(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text(TEXT)
    with pytest.raises(DenseflowError, match=f"sha256 {sha256_text(TEXT)}, expected 0000"):
        at_hand({"path": str(path), "sha256": "0" * 64}, tmp_path / "work")
    packed = bytearray(gzip.compress(TEXT.encode()))
    for broken in (packed[:-9], packed[:10] + b"\xff" * 8 + packed[18:]):
        path.with_suffix(".gz").write_bytes(broken)
        with pytest.raises(DenseflowError, match="truncated or broken gzip"):
            at_hand({"path": str(path.with_suffix(".gz"))}, tmp_path / "work")
        with pytest.raises(DenseflowError, match="truncated or broken gzip"):
            list(read_lines(path.with_suffix(".gz")))


def test_a_file_needs_a_place_and_a_download_its_sum():
    with pytest.raises(ValueError, match="give `path`, `url`, or both"):
        DataFile()
    with pytest.raises(ValueError, match="`url` needs `sha256`"):
        DataFile(url="https://example.org/a.json")
    assert DataFile(path="folder/a.json.gz").name == "a.json"


LESSON = {"title": "t", "paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": [{"text": "c"}]}]}]}
FILES = {
    "squad.json": json.dumps({"data": [LESSON, {**LESSON, "paragraphs": LESSON["paragraphs"] * 2}]}),
    "dpr.json": json.dumps([{"question": "q", "positive_ctxs": [{"text": "c"}], "negative_ctxs": [{"text": "d"}]}]),
    "groups.jsonl": json.dumps({"query": "q", "pos": ["c"], "neg": ["d"]}),
    "documents.all": ".I 1\n.W\nc\n",
    "queries.all": ".I 1\n.W\nq\n.I 2\n.W\nq\n",
    "judgements.all": "1 1\n",
    "lines.txt": "c\nd\n",
    "pairs.csv": "query,passage,level\nq,c,1\nq,c,2\n",
    "queries.csv": "id,text\nq,q\n",
    "judgements.csv": "query,document,level\nq,1,1\nq,1,2\n",
}
COLUMNS = {
    "queries": [{"file": "queries.csv", "id": "id", "text": ["text"]}],
    "judgements": {"test": {"file": "judgements.csv", "query": "query", "document": "document", "level": "level"}},
}
PAIRS = {"test": {"file": "pairs.csv", "query": "query", "passage": "passage", "level": "level"}}
SOURCES = {
    "squad": {"files": {"a": {"path": "squad.json"}}, "splits": {"test": [{"file": "a"}]}},
    "dpr": {"splits": {"test": {"path": "dpr.json"}}},
    "flag_embedding": {"splits": {"test": {"path": "groups.jsonl"}}},
    "smart": {name: {"path": f"{name}.all"} for name in ("documents", "queries", "judgements")},
    "lines": {"files": [{"path": "lines.txt"}], **COLUMNS},
    "tables": {"pairs": PAIRS},
}


@pytest.mark.parametrize("name", SOURCES)
def test_where_the_files_lie_is_no_part_of_a_collection_s_manifest(tmp_path, name):
    def placed(value, folder, key=""):
        if isinstance(value, dict):
            return {name: placed(item, folder, name) for name, item in value.items()}
        if isinstance(value, list):
            return [placed(item, folder) for item in value]
        path = str(folder / f"{value}.gz")
        return path if key == "path" else {"path": path} if key == "file" and value in FILES else value

    manifests = []
    for folder in (tmp_path / "here", tmp_path / "over" / "there"):
        folder.mkdir(parents=True)
        for file, text in FILES.items():
            (folder / f"{file}.gz").write_bytes(gzip.compress(text.encode()))
        dataset = check(Dataset, {"source": {"type": name, **placed(SOURCES[name], folder)}}, "here.yaml")
        export(json.loads(canonical(dataset.source)), folder / "out")
        manifests.append((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifests[0] == manifests[1]
    assert "here" not in manifests[0]
