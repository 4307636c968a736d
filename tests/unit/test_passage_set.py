"""Training on passages alone: the file stays on the disk, and only what comes up is read."""

import json

import pytest
from test_train_resume import run_until
from tiny_training import WORDS, make_training_file, run, same, weights

from denseflow.files import sha256, write_jsonl
from denseflow.manifest import write_manifest
from denseflow.negatives import passage_set
from denseflow.negatives.mine import mine
from denseflow.negatives.passage_set import PassageSet, open_training_file
from denseflow.negatives.training_file import TrainingSet, read_training_file
from denseflow.train import preflight
from denseflow.train.tokens import Tokens

PASSAGES = 48
BATCH, BATCHES = 4, 12
CHANGES = {
    "loss": {"name": "mixcse", "temperature": 0.1, "mix": 0.2},
    "batch_size": BATCH,
    "negatives_per_query": 0,
    "epochs": 2.0,
}


@pytest.fixture(scope="module")
def passages(tmp_path_factory):
    """A training file of passages, as the negatives stage writes it."""
    folder = tmp_path_factory.mktemp("passages")
    texts = [f"{one} and {other} in 猫{n}" for n in range(2) for one in WORDS[:6] for other in WORDS[:4]]
    write_jsonl(folder / "corpus.jsonl", ({"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)))
    write_manifest(folder, "dataset", ["corpus.jsonl"])
    mine(folder / "manifest.json", "passages", {"queries": "passages", "seed": 0, "sources": []}, {}, folder / "mined")
    return folder / "mined" / "train.jsonl"


@pytest.fixture(scope="module")
def whole(base, passages, tmp_path_factory):
    return run(base, passages, tmp_path_factory.mktemp("whole"), **CHANGES)


def test_lines_are_the_examples_and_passages_of_the_file(passages):
    left, whole = PassageSet(passages), read_training_file(passages)
    assert list(left.passages) == whole.passages
    assert list(left.examples) == whole.examples
    assert left.examples[2:4] == whole.examples[2:4]
    assert left.examples[-1] == whole.examples[-1]
    assert left.positives_per_query() == whole.positives_per_query() == [1] * PASSAGES
    assert left.negatives_per_query() == whole.negatives_per_query() == [0] * PASSAGES
    with pytest.raises(IndexError):
        left.examples[PASSAGES]


def test_only_the_negatives_stage_s_own_file_of_passages_is_left_on_the_disk(passages, tmp_path):
    assert isinstance(open_training_file(passages, sha256(passages)), PassageSet)
    judged = make_training_file(tmp_path / "train.jsonl")
    write_manifest(tmp_path, "negatives", ["train.jsonl"], options={"sources": []})
    assert type(open_training_file(judged, sha256(judged))) is TrainingSet
    copy = tmp_path / "other" / "train.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(passages.read_bytes())
    assert type(open_training_file(copy, sha256(copy))) is TrainingSet
    (copy.parent / "manifest.json").write_bytes(passages.with_name("manifest.json").read_bytes())
    assert isinstance(open_training_file(copy, sha256(copy)), PassageSet)
    lines = copy.read_text(encoding="utf-8").splitlines()
    copy.write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    assert type(open_training_file(copy, sha256(copy))) is TrainingSet


def test_a_training_from_the_disk_ends_with_the_weights_of_one_from_memory(
    base, passages, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(passage_set, "_of_passages", lambda path, digest: False)
    assert same(weights(run(base, passages, tmp_path, **CHANGES)), weights(whole))


@pytest.mark.parametrize(("done", "left"), [(10, 2), (BATCHES + 9, 3)], ids=["first epoch", "second epoch"])
def test_what_goes_on_in_the_middle_of_an_epoch_reads_only_what_is_left(
    done, left, base, passages, whole, tmp_path, monkeypatch
):
    changes = {**CHANGES, "epochs": 1.0 if done < BATCHES else 2.0}
    expected = weights(run(base, passages, tmp_path / "whole", **changes)) if done < BATCHES else weights(whole)
    run_until(done, monkeypatch, base, passages, tmp_path / "cut", checkpoint_steps=1, **changes)
    read, tokenized = set(), []
    reading, tokenizing = PassageSet._row, Tokens._tokenize
    monkeypatch.setattr(PassageSet, "_row", lambda self, number: read.add(number) or reading(self, number))
    monkeypatch.setattr(
        Tokens, "_tokenize", lambda self, numbers: tokenized.extend(numbers) or tokenizing(self, numbers)
    )
    monkeypatch.setattr(preflight, "SAMPLE", 1)
    out = run(base, passages, tmp_path / "cut", **changes)
    assert same(weights(out), expected)
    assert len(tokenized) == 2 * BATCH * left
    # And the one line that the preflight looks at.
    assert len(read) in (BATCH * left, BATCH * left + 1)
    assert json.loads((out / "manifest.json").read_text())["counts"]["examples"] == PASSAGES
