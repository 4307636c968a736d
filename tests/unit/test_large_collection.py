"""The synthetic collection: real sentences, judgements that follow from how it is made, the same bits each time."""

import gzip
import json
import runpy
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "large_collection.py"


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "nfcorpus").mkdir()
    with gzip.open(folder / "nfcorpus" / "corpus.jsonl.gz", "wt") as file:
        for number in range(6):
            text = (
                f"Sentence alpha{number} speaks of nothing at all. Sentence beta{number} says the very same thing. No."
            )
            file.write(json.dumps({"_id": str(number), "title": f"Title {number}", "text": text}) + "\n")
    return folder


def made(corpora: Path, folder: Path, *options: str) -> dict[str, bytes]:
    arguments = ["--passages", "100", "--train", "10", "--dev", "2", "--test", "5", *options]
    done = subprocess.run([sys.executable, SCRIPT, corpora, folder, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_it_is_the_same_for_the_same_seed_and_another_for_another(corpora, tmp_path):
    first, again = made(corpora, tmp_path / "a"), made(corpora, tmp_path / "b")
    assert first == again
    assert set(first) == {"corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/dev.tsv", "qrels/test.tsv"}
    assert made(corpora, tmp_path / "c", "--seed", "1")["corpus.jsonl"] != first["corpus.jsonl"]


def test_passages_are_different_pairs_of_sentences_and_judgements_name_all_that_share_one(corpora, tmp_path):
    files = made(corpora, tmp_path / "a")
    texts = {row["_id"]: row["text"] for row in map(json.loads, files["corpus.jsonl"].splitlines())}
    assert len(texts) == len(set(texts.values())) == 100
    queries = {row["_id"]: row["text"] for row in map(json.loads, files["queries.jsonl"].splitlines())}
    assert len(queries) == 17
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for line in files["qrels/test.tsv"].decode().splitlines()[1:]:
        query, document, level = line.split("\t")
        qrels[query][document] = int(level)
    assert len(qrels) == 5
    for query, levels in qrels.items():
        asked = next(document for document, level in levels.items() if level == 2)
        assert all(word in texts[asked] for word in queries[query].split())
        halves = {half.strip(" .") for half in texts[asked].split(". ")}
        for document, text in texts.items():
            shared = sum(half.strip(" .") in halves for half in text.split(". "))
            both = {half.strip(" .") for half in text.split(". ")} == halves
            assert levels.get(document, 0) == (2 if both else 1 if shared else 0)


def test_more_passages_than_pairs_of_sentences_are_refused(corpora, tmp_path):
    write = runpy.run_path(str(SCRIPT))["write_collection"]
    with pytest.raises(ValueError, match="ask for fewer"):
        write(corpora, tmp_path, 10**6, {"test": 1}, 0)
    with pytest.raises(ValueError, match="has none of"):
        write(tmp_path, tmp_path, 10, {"test": 1}, 0)
