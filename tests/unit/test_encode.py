"""The encode stage: the model's own vectors, in the file's order, also after a kill."""

import gzip
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from denseflow import encode
from denseflow.encode.batches import encode_rows, encode_texts, make_batches
from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.encoder import apply_contract, load_encoder, save_encoder
from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_jsonl
from denseflow.manifest import read_manifest, write_manifest
from denseflow.token_rows import Row
from denseflow.train.pretrained import prepare

PACKAGE = Path(encode.__file__).parents[2]
CONTRACT = {
    "query_prefix": "query: ",
    "passage_prefix": "passage: ",
    "query_max_length": 9,
    "passage_max_length": 21,
    "title_separator": " - ",
}
DOCUMENTS = [
    ("d1", "fish", "the effect of fish on the risk of heart disease in men and women, and on the cells of the blood"),
    ("d2", "", "milk"),
    ("d3", "", ""),
    ("d4", "a title without a text", ""),
    *((f"n{n}", f"study {n}", f"health of patients who eat fruit {n} times " * (1 + n % 4)) for n in range(13)),
]
QUERIES = [("q1", "how does vitamin d act on the function of a protein of the cell"), ("q2", "fish"), ("q3", "")]


@pytest.fixture(scope="module")
def model_manifest(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with prefixes, and other lengths for queries than for passages."""
    folder = tmp_path_factory.mktemp("model")
    prepare({"path": str(tiny_model)}, CONTRACT, folder, folder / "revisions.json")
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def dataset_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with short, long and empty texts."""
    folder = tmp_path_factory.mktemp("dataset")
    write_jsonl(folder / "corpus.jsonl", ({"_id": d, "title": title, "text": text} for d, title, text in DOCUMENTS))
    write_jsonl(folder / "queries.test.jsonl", ({"_id": q, "text": text} for q, text in QUERIES))
    write_manifest(folder, "dataset", ["corpus.jsonl", "queries.test.jsonl"])
    return folder / "manifest.json"


def encode_documents(model_manifest: Path, dataset_manifest: Path, folder: Path, **options: int) -> np.ndarray:
    """Run encode_corpus in shards of 4 passages on the CPU, and return the vectors."""
    folder.mkdir(exist_ok=True)
    options = {"shard_size": 4, "granted_gpus": 0, "threads": 1, **options}
    encode_corpus(model_manifest, dataset_manifest, folder, **options)
    return read_shards(folder)


def read_shards(folder: Path) -> np.ndarray:
    """The vectors of all shards that the manifest lists, in their order."""
    shards = read_manifest(folder / "corpus.manifest.json")["shards"]
    vectors = [np.load(folder / shard["file"]) for shard in shards]
    assert [len(some) for some in vectors] == [shard["rows"] for shard in shards]
    return np.concatenate(vectors)


def files(folder: Path) -> dict[str, str]:
    """The sums of all files of a folder, by relative name."""
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


# What the vectors are


def test_the_vectors_of_passages_are_those_of_sentence_transformers(model_manifest, dataset_manifest, tmp_path):
    vectors = encode_documents(model_manifest, dataset_manifest, tmp_path / "out")
    texts = [" - ".join(filter(None, (title, text))) for _, title, text in DOCUMENTS]
    plain = SentenceTransformer(str(model_manifest.parent / "model"), device="cpu")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, plain.encode_document(texts), atol=1e-5)


def test_the_vectors_of_queries_are_those_of_sentence_transformers(model_manifest, dataset_manifest, tmp_path):
    encode_queries(model_manifest, dataset_manifest, tmp_path, split="test", granted_gpus=0, threads=1)
    vectors = np.load(tmp_path / "queries.test.npy")
    plain = SentenceTransformer(str(model_manifest.parent / "model"), device="cpu")
    np.testing.assert_allclose(vectors, plain.encode_query([text for _, text in QUERIES]), atol=1e-5)
    assert not np.allclose(vectors, plain.encode_document([text for _, text in QUERIES]), atol=1e-3)
    assert (tmp_path / "queries.test.ids").read_text(encoding="utf-8") == "q1\nq2\nq3\n"


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_gives_the_vectors_of_sentence_transformers(tiny_model, side):
    model = load_encoder(tiny_model)
    apply_contract(model, {**CONTRACT, "pooling": "cls"})
    model.tokenizer.padding_side = side
    texts = [text for _, _, text in DOCUMENTS]
    expected = model.encode_document(texts)
    # In one batch, as BERT's positions count the padding on the left.
    np.testing.assert_allclose(encode_texts(model, texts, "passage", batch_tokens=10_000), expected, atol=1e-5)


def test_a_prompt_left_out_of_the_pooling_is_left_out_here_too(tiny_model):
    model = load_encoder(tiny_model)
    apply_contract(model, CONTRACT)
    texts = [text for _, text in QUERIES]
    with_prompt = encode_texts(model, texts, "query")
    model.set_pooling_include_prompt(False)
    without = encode_texts(model, texts, "query")
    np.testing.assert_allclose(without, model.encode_query(texts), atol=1e-5)
    assert not np.allclose(without, with_prompt, atol=1e-3)


def test_a_model_with_a_dense_layer_has_the_dimensions_of_that_layer(tiny_model, tmp_path):
    from sentence_transformers.base.modules import Dense

    model = load_encoder(tiny_model)
    apply_contract(model, {"normalize": False})
    model.append(Dense(32, 8))
    save_encoder(model, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    vectors = encode_texts(again, ["fish", "milk"], "query")
    assert vectors.shape == (2, 8)
    np.testing.assert_allclose(vectors, again.encode_query(["fish", "milk"]), atol=1e-5)


def test_real_texts_get_the_vectors_of_sentence_transformers_whatever_the_budget(shared, tiny_model):
    with gzip.open(shared / "data" / "nfcorpus" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in islice(file, 60)]
    model = load_encoder(tiny_model)
    expected = model.encode_document(texts)
    for budget in (1, 500, 100_000):
        np.testing.assert_allclose(encode_texts(model, texts, "passage", batch_tokens=budget), expected, atol=1e-5)


def test_no_text_at_all_gives_no_vector(tiny_model):
    assert encode_texts(load_encoder(tiny_model), [], "query").shape == (0, 32)


# Batches


def test_batches_hold_each_text_once_longest_first_and_keep_to_the_budget():
    lengths = [5, 90, 3, 30, 30, 7, 1, 120]
    batches = list(make_batches(lengths, 100))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    flat = [lengths[place] for batch in batches for place in batch]
    assert flat == sorted(lengths, reverse=True)
    assert batches[0] == [7]  # longer than the budget: alone
    for batch in batches[1:]:
        assert len(batch) * max(lengths[place] for place in batch) <= 100
    assert [len(batch) for batch in make_batches(lengths, 60)] != [len(batch) for batch in batches]


def test_texts_of_one_length_keep_their_order_so_that_batches_are_always_the_same():
    assert list(make_batches([4, 4, 4, 4], 8)) == [[0, 1], [2, 3]]


# Files


def test_ids_and_rows_are_in_the_order_of_the_corpus_and_the_manifest_says_what_was_done(
    model_manifest, dataset_manifest, tmp_path
):
    encode_documents(model_manifest, dataset_manifest, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "corpus.manifest.json")
    ids = (tmp_path / "out" / "corpus.ids").read_text(encoding="utf-8").splitlines()
    assert ids == [document[0] for document in DOCUMENTS]
    assert (manifest["count"], manifest["dimensions"], manifest["device"]) == (len(DOCUMENTS), 32, "cpu")
    assert manifest["inputs"] == {"model": sha256(model_manifest), "dataset": sha256(dataset_manifest)}
    assert manifest["contract"]["passage_prefix"] == "passage: "
    assert manifest["similarity"] == "cosine"


def test_what_a_killed_job_and_a_larger_corpus_left_is_removed(model_manifest, dataset_manifest, tmp_path):
    encode_documents(model_manifest, dataset_manifest, tmp_path / "out", shard_size=2)
    (tmp_path / "out" / ".corpus.ids.killed").touch()
    (tmp_path / "out" / "corpus" / ".00000.npy.killed").touch()
    encode_documents(model_manifest, dataset_manifest, tmp_path / "out", shard_size=9)
    assert sorted(files(tmp_path / "out")) == [
        *("corpus.ids", "corpus.manifest.json"),
        *("corpus/00000.json", "corpus/00000.npy", "corpus/00001.json", "corpus/00001.npy"),
    ]


def test_the_size_of_a_shard_changes_no_vector(model_manifest, dataset_manifest, tmp_path):
    whole = encode_documents(model_manifest, dataset_manifest, tmp_path / "whole", shard_size=1000)
    pieces = encode_documents(model_manifest, dataset_manifest, tmp_path / "pieces", shard_size=3)
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


def test_an_altered_input_is_refused(model_manifest, dataset_manifest, tmp_path):
    copied = Path(shutil.copytree(dataset_manifest.parent, tmp_path / "dataset"))
    (copied / "corpus.jsonl").write_text('{"_id": "x", "text": "y"}\n', encoding="utf-8")
    with pytest.raises(DenseflowError, match=r"corpus\.jsonl: sha256 .* differs"):
        encode_documents(model_manifest, copied / "manifest.json", tmp_path / "out")


def test_broken_weights_are_an_error_that_names_the_text_and_writes_nothing(model_manifest, dataset_manifest, tmp_path):
    copied = Path(shutil.copytree(model_manifest.parent, tmp_path / "model"))
    weights = load_file(copied / "model" / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"][3] = float("nan")
    save_file(weights, copied / "model" / "model.safetensors", metadata={"format": "pt"})
    facts = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    write_manifest(copied, "train", list(facts["files"]))
    with pytest.raises(DenseflowError, match="the vector of 'd1' holds NaN or infinity"):
        encode_documents(copied / "manifest.json", dataset_manifest, tmp_path / "out")
    with pytest.raises(DenseflowError, match="the vector of 'q1' holds NaN"):
        encode_queries(
            copied / "manifest.json", dataset_manifest, tmp_path / "out", split="test", granted_gpus=0, threads=1
        )
    assert list((tmp_path / "out").iterdir()) == []


# Interruption

KILLED = """
import os, sys
from pathlib import Path
from denseflow.encode import corpus_shards, encode as stage
model, dataset, folder, moment, number = sys.argv[1:]
calls = 0

def dying(function):
    def wrapper(*arguments, **options):
        global calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), int(number))
        return function(*arguments, **options)
    return wrapper

owner = {"encode_rows": stage, "write_json": corpus_shards, "_write_ids": stage}[moment]
if moment == "_write_ids":
    calls = 2
setattr(owner, moment, dying(getattr(owner, moment)))
stage.encode_corpus(Path(model), Path(dataset), Path(folder), granted_gpus=0, threads=1, shard_size=4)
"""


def run_until_killed(manifests: tuple[Path, Path], folder: Path, moment: str, number: int) -> None:
    """Run encode_corpus in a process that gets a signal in the middle."""
    folder.mkdir()
    arguments = [*map(str, (*manifests, folder)), moment, str(number)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == -number, done.stderr


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param("encode_rows", signal.SIGKILL, id="kill -9 while a shard is encoded"),
        pytest.param("encode_rows", signal.SIGTERM, id="SIGTERM while a shard is encoded"),
        pytest.param("write_json", signal.SIGKILL, id="kill -9 between a shard and its record"),
        pytest.param("_write_ids", signal.SIGKILL, id="kill -9 after the vectors, before the ids"),
    ],
)
def test_after_a_kill_finished_shards_are_kept_and_the_vectors_are_the_same_to_the_bit(
    model_manifest, dataset_manifest, tmp_path, monkeypatch, moment, number
):
    whole = encode_documents(model_manifest, dataset_manifest, tmp_path / "whole")
    run_until_killed((model_manifest, dataset_manifest), tmp_path / "out", moment, number)
    assert not (tmp_path / "out" / "corpus.manifest.json").exists()
    kept = len(list((tmp_path / "out" / "corpus").glob("*.json")))
    assert kept == (5 if moment == "_write_ids" else 2)

    encoded = count_encoded(monkeypatch)
    resumed = encode_documents(model_manifest, dataset_manifest, tmp_path / "out")
    np.testing.assert_array_equal(resumed, whole)
    assert sum(encoded) == len(DOCUMENTS) - min(4 * kept, len(DOCUMENTS))
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def count_encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the number of texts whenever a shard is encoded."""
    encoded: list[int] = []

    def counting(model: SentenceTransformer, rows: list[Row], *arguments: object, **options: object) -> np.ndarray:
        encoded.append(len(rows))
        return encode_rows(model, rows, *arguments, **options)

    monkeypatch.setattr("denseflow.encode.encode.encode_rows", counting)
    return encoded


@pytest.fixture(scope="module")
def killed(model_manifest: Path, dataset_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a process that was killed after the first two of five shards."""
    folder = tmp_path_factory.mktemp("killed")
    run_until_killed((model_manifest, dataset_manifest), folder / "out", "encode_rows", signal.SIGKILL)
    return folder / "out"


@pytest.fixture
def interrupted(killed: Path, tmp_path: Path) -> Path:
    """A copy of that folder: the next run into ``out`` finds it."""
    return Path(shutil.copytree(killed, tmp_path / "out"))


def test_an_altered_shard_is_encoded_again(
    interrupted, model_manifest, dataset_manifest, tmp_path, monkeypatch, caplog
):
    whole = encode_documents(model_manifest, dataset_manifest, tmp_path / "whole")
    shard = min(interrupted.glob("corpus/0*.npy"))
    np.save(shard, np.load(shard) + 1)
    encoded = count_encoded(monkeypatch)
    with caplog.at_level(logging.WARNING, logger="denseflow"):
        resumed = encode_documents(model_manifest, dataset_manifest, tmp_path / "out")
    np.testing.assert_array_equal(resumed, whole)
    assert encoded == [4, 4, 4, 1]  # the first and the last three; the second was kept
    assert f"{shard}: altered" in caplog.text


def test_a_shard_of_another_model_is_not_used(interrupted, tiny_model, dataset_manifest, tmp_path, monkeypatch):
    prepare({"path": str(tiny_model)}, {"pooling": "cls"}, tmp_path / "other", tmp_path / "revisions.json")
    encoded = count_encoded(monkeypatch)
    resumed = encode_documents(tmp_path / "other" / "manifest.json", dataset_manifest, tmp_path / "out")
    assert sum(encoded) == len(DOCUMENTS)
    whole = encode_documents(tmp_path / "other" / "manifest.json", dataset_manifest, tmp_path / "whole")
    np.testing.assert_array_equal(resumed, whole)


def test_a_broken_record_makes_its_shard_be_encoded_again(interrupted, model_manifest, dataset_manifest, tmp_path):
    whole = encode_documents(model_manifest, dataset_manifest, tmp_path / "whole")
    min(interrupted.glob("corpus/*.json")).write_text("{", encoding="utf-8")
    np.testing.assert_array_equal(encode_documents(model_manifest, dataset_manifest, tmp_path / "out"), whole)
