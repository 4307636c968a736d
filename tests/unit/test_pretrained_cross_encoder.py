"""A pretrained cross-encoder is laid down as a trained one is: whole, with its contract, its weights as they were."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from tiny import make_tiny_bert
from tiny_cross_encoder import make_cross_encoder
from transformers import AutoModelForSequenceClassification

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs
from denseflow.train.cross_encoder.pretrained import prepare_cross_encoder

PAIRS = [("what is heart", "heart disease and diet"), ("milk", "the array function"), ("risk", "cancer " * 60)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A CrossEncoder folder that ends with a sigmoid, and a plain folder for sequence classification."""
    folder = tmp_path_factory.mktemp("saved")
    ours = make_cross_encoder(folder / "ours").parent / "model"
    CrossEncoder(str(ours), device="cpu", activation_fn=torch.nn.Sigmoid()).save(str(folder / "own"))
    make_tiny_bert(folder / "plain")
    AutoModelForSequenceClassification.from_pretrained(folder / "plain", num_labels=1).save_pretrained(folder / "plain")
    return folder


def prepare(source, folder, **contract):
    prepare_cross_encoder({"path": str(source)}, contract, folder, folder / "revisions.json")
    return load_cross_encoder(folder / "model")


@pytest.mark.parametrize("form", ["own", "plain"])
def test_scores_are_those_of_the_source_before_its_activation(saved, tmp_path, form):
    model = prepare(saved / form, tmp_path)
    expected = CrossEncoder(str(saved / form), device="cpu").predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(score_pairs(model, PAIRS), expected, rtol=1e-4, atol=1e-5)
    found = CrossEncoder(str(tmp_path / "model"), device="cpu").predict(PAIRS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["own", "plain"])
def test_float32_weights_keep_their_bytes(saved, tmp_path, form):
    prepare(saved / form, tmp_path)
    name = "model.safetensors"
    assert (tmp_path / "model" / name).read_bytes() == (saved / form / name).read_bytes()


def test_the_contract_of_the_file_is_saved_and_acts(saved, tmp_path):
    contract = {"pair_max_length": 16, "query_prefix": "query: ", "passage_prefix": "", "title_separator": " - "}
    model = prepare(saved / "plain", tmp_path / "other", **contract)
    assert read_pair_contract(model).as_dict() == contract
    manifest = read_manifest(tmp_path / "other" / "manifest.json")
    assert manifest["contract"] == contract
    assert manifest["kind"] == "cross_encoder"
    assert not np.allclose(score_pairs(model, PAIRS), score_pairs(prepare(saved / "plain", tmp_path), PAIRS))


def test_what_the_file_leaves_out_stays_as_the_model_says(saved, tmp_path):
    assert read_pair_contract(prepare(saved / "plain", tmp_path)).as_dict() == {
        "query_prefix": "",
        "passage_prefix": "",
        "pair_max_length": 128,
        "title_separator": " ",
    }


def test_the_same_source_gives_the_same_manifest(saved, tmp_path):
    for name in ("one", "two"):
        prepare(saved / "own", tmp_path / name)
    assert (tmp_path / "one/manifest.json").read_bytes() == (tmp_path / "two/manifest.json").read_bytes()


def test_an_encoder_is_refused(tiny_model, tmp_path):
    with pytest.raises(DenseflowError, match="holds no cross-encoder"):
        prepare(tiny_model, tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_a_head_that_is_not_in_the_files_is_refused(saved, tmp_path):
    shutil.copytree(saved / "plain", tmp_path / "headless")
    path = tmp_path / "headless" / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if not name.startswith("classifier")}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(DenseflowError, match="weights are not in its files and would be random"):
        prepare(tmp_path / "headless", tmp_path / "out")


def test_code_of_the_models_own_is_refused(saved, tmp_path):
    shutil.copytree(saved / "plain", tmp_path / "own")
    path = tmp_path / "own" / "config.json"
    settings = json.loads(path.read_text()) | {"auto_map": {"AutoModelForSequenceClassification": "code.Model"}}
    path.write_text(json.dumps(settings))
    with pytest.raises(DenseflowError, match="trust_remote_code: true"):
        prepare(tmp_path / "own", tmp_path / "out")
