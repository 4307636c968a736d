"""An adapter that somebody has trained is merged into its model, or refused; the padding token changes nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_hub import FakeHub
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny import make_tiny_llama, make_tiny_model
from transformers import AutoModel, AutoModelForCausalLM

from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.train.pretrained import prepare

TEXTS = ["the effect of diet", "which fish is in milk", "a"]
CONTRACT = {"pooling": "lasttoken", "query_max_length": 16, "passage_max_length": 16, "add_eos": True}


@pytest.fixture
def base(tmp_path):
    """A tiny decoder's folder."""
    return make_tiny_llama(tmp_path / "base")


def make_adapter(base: Path, folder: Path, *, head: bool = False, **options: object) -> Path:
    """Write an adapter with random weights as peft writes it, trained on the bare model or with its language head."""
    model = (AutoModelForCausalLM if head else AutoModel).from_pretrained(base, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False, **options)
        get_peft_model(model, config).save_pretrained(folder)
    return folder


def vectors(base: Path, folder: Path, contract: dict | None = None, **source: object) -> np.ndarray:
    """The vectors of three queries, from what the stage lays down."""
    prepare({"path": str(base), **source}, contract or CONTRACT, folder, folder.parent / "revisions.json")
    return load_encoder(folder / "model").encode_query(TEXTS)


@pytest.mark.parametrize(
    "trained", [{}, {"head": True}, {"head": True, "task_type": "CAUSAL_LM"}, {"task_type": "FEATURE_EXTRACTION"}]
)
def test_an_adapter_gives_the_vectors_of_pefts_own_merged_model(base, tmp_path, trained):
    adapter = make_adapter(base, tmp_path / "adapter", **trained)
    found = vectors(base, tmp_path / "result", adapter={"path": str(adapter)})
    bare = AutoModel.from_pretrained(base, dtype=torch.float32)
    weights = load_file(adapter / "adapter_model.safetensors")
    for name, layer in bare.named_modules():
        a = next((value for key, value in weights.items() if f"{name}.lora_A" in key and name), None)
        if a is not None:
            b = next(value for key, value in weights.items() if f"{name}.lora_B" in key)
            layer.weight.data += 16 / 4 * b @ a
    bare.save_pretrained(tmp_path / "merged")
    for file in base.glob("*token*"):
        shutil.copy(file, tmp_path / "merged")
    by_hand = vectors(tmp_path / "merged", tmp_path / "by_hand")
    np.testing.assert_allclose(found, by_hand, atol=1e-5)
    assert not np.allclose(found, vectors(base, tmp_path / "without"), atol=1e-3)


def test_an_adapter_from_the_hub_is_recorded_with_its_commit_and_its_pickle_becomes_weights(
    base, tmp_path, monkeypatch
):
    adapter = make_adapter(base, tmp_path / "adapter")
    expected = vectors(base, tmp_path / "safe", adapter={"path": str(adapter)})
    torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    (adapter / "adapter_model.safetensors").unlink()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with FakeHub("org/adapter", adapter).running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        found = vectors(base, tmp_path / "result", adapter={"hub": "org/adapter"})
    np.testing.assert_array_equal(found, expected)
    recorded = json.loads((tmp_path / "revisions.json").read_text())["org/adapter (adapter)"]
    assert (recorded["commit"], sorted(recorded["files"])) == ("a" * 40, ["adapter_config.json", "adapter_model.bin"])
    manifest = json.loads((tmp_path / "result" / "manifest.json").read_text())
    assert manifest["source"]["adapter"] == {"hub": "org/adapter", "revision": "a" * 40}


def test_a_folder_with_an_adapter_alone_says_which_model_to_name(base, tmp_path):
    adapter = make_adapter(base, tmp_path / "adapter")
    with pytest.raises(DenseflowError, match=r"holds an adapter and no model; .*says .*base.*as `adapter`"):
        vectors(adapter, tmp_path / "result")


def test_an_adapter_of_another_model_is_refused(base, tmp_path):
    adapter = make_adapter(make_tiny_llama(tmp_path / "wide", width=64), tmp_path / "adapter")
    with pytest.raises(DenseflowError, match="does not fit the model"):
        vectors(base, tmp_path / "result", adapter={"path": str(adapter)})
    bert = make_tiny_model(tmp_path / "bert")
    with pytest.raises(DenseflowError, match="does not fit the model"):
        vectors(bert, tmp_path / "result", {"pooling": "mean"}, adapter={"path": str(adapter)})


@pytest.mark.parametrize(
    "change", [lambda weights: weights.popitem(), lambda weights: weights.update(more=torch.ones(1))]
)
def test_an_adapter_that_is_not_whole_or_has_more_is_refused(base, tmp_path, change):
    adapter = make_adapter(base, tmp_path / "adapter")
    weights = load_file(adapter / "adapter_model.safetensors")
    change(weights)
    save_file(weights, adapter / "adapter_model.safetensors")
    with pytest.raises(DenseflowError, match=r"does not fit the model: \d weights are not in it, \d have no place"):
        vectors(base, tmp_path / "result", adapter={"path": str(adapter)})


def test_an_adapter_for_a_model_of_two_encoders_is_refused(base, tmp_path):
    adapter = make_adapter(base, tmp_path / "adapter")
    vectors(base, tmp_path / "two", passage={"path": str(base)})
    with pytest.raises(DenseflowError, match=r"separate encoders.*each with its own `adapter`"):
        vectors(tmp_path / "two" / "model", tmp_path / "result", {}, adapter={"path": str(adapter)})


def test_an_adapter_that_changes_more_than_linear_layers_is_refused(base, tmp_path):
    adapter = make_adapter(base, tmp_path / "adapter", modules_to_save=["norm"])
    with pytest.raises(DenseflowError, match=r"modules_to_save in its adapter_config\.json is \['norm'\]"):
        vectors(base, tmp_path / "result", adapter={"path": str(adapter)})


@pytest.mark.parametrize("token", ["unk", "eos"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_padding_token_is_kept_and_changes_no_vector(base, tmp_path, token, side):
    plain = vectors(base, tmp_path / "plain")
    found = vectors(base, tmp_path / "result", {**CONTRACT, "pad_token": token, "padding_side": side})
    np.testing.assert_allclose(found, plain, atol=1e-5)
    tokenizer = load_encoder(tmp_path / "result" / "model").tokenizer
    assert tokenizer.pad_token == {"unk": "<unk>", "eos": "</s>"}[token]
    assert json.loads((tmp_path / "result" / "manifest.json").read_text())["contract"]["pad_token"] == token


def test_a_padding_token_that_is_not_there_is_refused(tmp_path):
    bert = make_tiny_model(tmp_path / "bert")
    with pytest.raises(DenseflowError, match=r"contract\.pad_token: 'eos', but the tokenizer has no such token"):
        vectors(bert, tmp_path / "result", {"pad_token": "eos"})


def test_a_token_that_the_tokenizers_settings_add_but_the_model_does_not_know_is_refused(base, tmp_path):
    vectors(base, tmp_path / "result", tokenizer={"pad_token": "<unk>"})
    with pytest.raises(DenseflowError, match=r"`pretrained\.tokenizer` makes '<new>' token \d+, but the model has"):
        vectors(base, tmp_path / "result", tokenizer={"pad_token": "<new>"})
