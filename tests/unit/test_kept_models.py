"""Models kept along the way: whole folders of their steps, scored in the steps' order."""

import json
import shutil

import pytest
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tiny_training import make_collection, run, same, weights

from denseflow.encoder import apply_contract, load_encoder, read_contract, save_encoder
from denseflow.errors import DenseflowError
from denseflow.evaluate.checkpoints import score_checkpoints
from denseflow.evaluate.retrieval import Retrieval
from denseflow.manifest import read_manifest, write_manifest

CONSTANT = {"schedule": "constant", "learning_rate": 1e-2}
CONTRACT = {"query_prefix": "query: ", "passage_max_length": 12}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="module")
def finished(base, training_file, tmp_path_factory):
    """A training of five steps that kept models of steps 2 and 4."""
    folder = tmp_path_factory.mktemp("finished")
    return run(base, training_file, folder, max_steps=5, keep_models={"every_steps": 2}, contract=CONTRACT, **CONSTANT)


def kept(out):
    return {path.name: load_file(path / "model" / "model.safetensors") for path in sorted((out / "kept").iterdir())}


def score(manifest, collection, table, **changes):
    options = {"split": "dev", "measures": ["nDCG@10", "R@100"], "depth": 1000, "granted_gpus": 0, "threads": 1}
    score_checkpoints(manifest, collection, table, **(options | changes))
    return [line.split("\t") for line in table.read_text().splitlines()]


def test_a_kept_model_is_the_one_that_a_training_of_so_many_steps_gives(base, training_file, finished, tmp_path):
    found = kept(finished)
    assert list(found) == ["step-2", "step-4"]
    for steps, weights_then in ((2, found["step-2"]), (5, weights(finished))):
        folder = tmp_path / str(steps)
        plain = run(base, training_file, folder, max_steps=steps, contract=CONTRACT, **CONSTANT)
        assert same(weights_then, weights(plain))


def test_kept_models_are_ordinary_folders_with_the_contract_and_part_of_the_manifest(finished):
    manifest = read_manifest(finished / "manifest.json")
    assert manifest["kept_models"] == [2, 4]
    files = {str(path.relative_to(finished)) for path in (finished / "kept").rglob("*") if path.is_file()}
    assert files < manifest["files"].keys()
    folder = finished / "kept" / "step-2" / "model"
    assert SentenceTransformer(str(folder), device="cpu").encode("milk").shape == (32,)
    contract = read_contract(load_encoder(folder))
    assert (contract.query_prefix, contract.passage_max_length) == ("query: ", 12)


def test_adapters_are_merged_into_kept_models_and_the_training_goes_on_with_them(base, training_file, tmp_path):
    lora = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "keep_adapter": False}
    options = {"weights": "lora", "lora": lora, **CONSTANT}
    plain = run(base, training_file, tmp_path / "plain", max_steps=2, **options)
    out = run(base, training_file, tmp_path / "kept", max_steps=2, keep_models={"every_steps": 1}, **options)
    found = kept(out)
    assert found["step-1"].keys() == weights(out).keys()
    assert not same(found["step-1"], weights(out))
    assert same(found["step-2"], weights(out))
    assert same(weights(out), weights(plain))


def test_models_of_an_earlier_training_do_not_stay(base, training_file, tmp_path):
    for every in (1, 2):
        out = run(base, training_file, tmp_path, max_steps=2, keep_models={"every_steps": every})
    assert list(kept(out)) == ["step-2"]
    out = run(base, training_file, tmp_path, max_steps=2)
    assert not (out / "kept").exists()


def test_all_kept_models_are_scored_in_numeric_order_and_the_result_after_them(finished, collection, tmp_path):
    rows = score(finished / "manifest.json", collection, tmp_path / "checkpoints.tiny.dev.tsv")
    assert rows[0] == ["step", "model", "nDCG@10", "R@100"]
    assert [row[:2] for row in rows[1:]] == [["2", "kept/step-2/model"], ["4", "kept/step-4/model"], ["5", "model"]]
    retrieval = Retrieval(collection, "dev")
    for _, folder, value, _ in rows[1:]:
        expected = retrieval.score(load_encoder(finished / folder), ["nDCG@10"], threads=1)
        assert value == f"{expected['nDCG@10']:.6f}"
    assert len({row[2] for row in rows}) == 4
    manifest = read_manifest(tmp_path / "checkpoints.tiny.dev.manifest.json")
    assert (manifest["passages"], manifest["queries"]) == (40, 10)


def test_step_500_comes_before_step_1000_and_each_models_own_contract_is_read(finished, collection, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    for old, new in ((2, 1000), (4, 500)):
        (out / f"kept/step-{old}").rename(out / f"kept/step-{new}")
    model = load_encoder(out / "kept/step-1000/model")
    apply_contract(model, {"query_prefix": "milk milk milk milk milk milk"})
    save_encoder(model, out / "kept/step-1000/model")
    facts = json.loads((finished / "manifest.json").read_text()) | {"kept_models": [1000, 500]}
    files = [str(path.relative_to(out)) for path in out.rglob("model.safetensors")]
    write_manifest(out, "train", files, **{key: facts[key] for key in ("kept_models", "counts")})
    before, after = (
        score(manifest, collection, tmp_path / f"{name}.tsv")
        for name, manifest in (("before", finished / "manifest.json"), ("after", out / "manifest.json"))
    )
    assert [row[0] for row in after[1:]] == ["500", "1000", "5"]
    assert after[1][2] == before[2][2]
    assert after[2][2] != before[1][2]


def test_every_passage_is_searched(finished, tmp_path):
    collection = make_collection(tmp_path / "large", passages=12_000)
    (row,) = [row for row in score(finished / "manifest.json", collection, tmp_path / "t.tsv") if row[0] == "5"]
    retrieval = Retrieval(collection, "dev", passages=0)
    assert len(retrieval.passages) == 20
    alone = retrieval.score(load_encoder(finished / "model"), ["R@100"], threads=1)
    assert float(row[3]) < alone["R@100"] == 1


def test_a_training_that_kept_no_models_is_refused(base, collection, tmp_path):
    facts = {**json.loads(base.read_text()), "kept_models": []}
    write_manifest(tmp_path, "train", [], **{key: facts[key] for key in ("kept_models",)})
    with pytest.raises(DenseflowError, match=r"kept no models along the way; set `trained\.recipe\.keep_models`"):
        score(tmp_path / "manifest.json", collection, tmp_path / "t.tsv")
