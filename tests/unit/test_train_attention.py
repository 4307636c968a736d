"""The implementations of attention give the same vectors; what the hardware has not is refused."""

import json
from pathlib import Path

import pytest
import torch
from tiny_training import run, same, weights

from denseflow.attention import attention_in_float32, check_attention, set_attention
from denseflow.encode.batches import encode_texts
from denseflow.encoder import load_encoder, save_encoder
from denseflow.errors import DenseflowError
from denseflow.precision import usable_precision

KEY = "recipe.precision"
TEXTS = ["what is milk", "cancer and risk of the heart", "not fruit with fish and meat for women and men"]


def test_eager_and_sdpa_give_the_same_vectors_and_are_used(tiny_model: Path):
    vectors = {}
    for implementation in ("eager", "sdpa"):
        model = load_encoder(tiny_model)
        set_attention(model, implementation)
        assert model[0].auto_model.config._attn_implementation == implementation
        vectors[implementation] = encode_texts(model, TEXTS, "passage")
    assert abs(vectors["eager"] - vectors["sdpa"]).max() < 1e-5
    assert not (vectors["eager"] == vectors["sdpa"]).all()


def test_the_implementation_is_not_saved_with_the_model(tiny_model: Path, tmp_path: Path):
    model = load_encoder(tiny_model)
    for name in ("as_it_is", "eager"):
        set_attention(model, None if name == "as_it_is" else name)
        save_encoder(model, tmp_path / name)
    settings = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("as_it_is", "eager")]
    assert settings[0] == settings[1]


def test_an_implementation_that_a_model_has_not_is_refused(tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    model = load_encoder(tiny_model)
    monkeypatch.setattr(type(model[0].auto_model), "_supports_sdpa", False)
    set_attention(model, "eager")
    with pytest.raises(DenseflowError, match=r"run.attention: BertModel has no sdpa .*; leave the key out"):
        set_attention(model, "sdpa")


def test_flash_attention_on_a_cpu_is_refused():
    with pytest.raises(DenseflowError, match=r"run.attention: flash_attention_2 needs a CUDA GPU, .* on cpu; set it"):
        check_attention("flash_attention_2", "cpu", "bf16", KEY)


@pytest.mark.parametrize(
    ("capability", "package", "precision", "message"),
    [
        ((7, 5), True, "fp16", "compute capability 8.0 or later, and A card is older"),
        ((8, 0), False, "bf16", "flash-attn, which is not installed"),
        ((8, 0), True, "fp32", "computes in bf16 or fp16, and recipe.precision is fp32"),
    ],
)
def test_flash_attention_without_what_it_needs_is_refused(monkeypatch, capability, package, precision, message):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A card")
    monkeypatch.setattr("denseflow.attention.find_spec", lambda name: object() if package else None)
    with pytest.raises(DenseflowError, match=message):
        check_attention("flash_attention_2", "cuda", precision, KEY)


def test_flash_attention_with_all_it_needs_is_let_through(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr("denseflow.attention.find_spec", lambda name: object())
    check_attention("flash_attention_2", "cuda", "bf16", KEY)


@pytest.mark.parametrize("implementation", [None, "eager", "sdpa"])
def test_the_others_are_let_through_everywhere(implementation):
    check_attention(implementation, "cpu", "fp32", KEY)


def test_the_implementation_changes_a_training_by_floating_point_alone_dropout_included(base, training_file, tmp_path):
    found = {
        name: weights(run(base, training_file, tmp_path / name, attention=name, max_steps=2))
        for name in ("eager", "sdpa")
    }
    eager, sdpa = found["eager"], found["sdpa"]
    # Adam makes whole steps of what rounding leaves of the keys' biases, whose gradient is 0.
    assert max((eager[name] - sdpa[name]).abs().max() for name in eager if not name.endswith("key.bias")) < 1e-5
    assert not same(eager, sdpa)


def test_a_training_with_flash_attention_on_a_cpu_stops_before_it_starts(base, training_file, tmp_path):
    with pytest.raises(DenseflowError, match=r"run.attention: flash_attention_2 needs a CUDA GPU"):
        run(base, training_file, tmp_path, attention="flash_attention_2")
    assert not any(tmp_path.iterdir())


def test_flash_attention_is_left_while_a_model_encodes_in_float32(tiny_model: Path):
    model = load_encoder(tiny_model)
    config = model[0].auto_model.config
    before = encode_texts(model, TEXTS, "passage")
    config._attn_implementation_internal = "flash_attention_2"  # as set_attention leaves it where there is a GPU
    model[0].auto_model.set_attn_implementation = lambda name: setattr(config, "_attn_implementation_internal", name)
    with attention_in_float32(model):
        assert (encode_texts(model, TEXTS, "passage") == before).all()
    assert config._attn_implementation == "flash_attention_2"


def test_fp16_on_a_cpu_becomes_fp32_with_a_word(caplog):
    assert usable_precision("fp16", "cpu", KEY) == "fp32"
    assert "needs a GPU" in caplog.text


@pytest.mark.parametrize(("native", "said"), [(True, False), (False, True)])
def test_bf16_on_a_cpu_that_has_no_instructions_for_it_is_said_to_be_slow(monkeypatch, caplog, native, said):
    monkeypatch.setattr("denseflow.precision._cpu_has_bf16", lambda: native)
    assert usable_precision("bf16", "cpu", KEY) == "bf16"
    assert ("slower than fp32" in caplog.text) == said


def test_bf16_on_a_gpu_that_has_none_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A card")
    with pytest.raises(DenseflowError, match=r"recipe.precision: bf16, which A card has not; set it to fp16 or fp32"):
        usable_precision("bf16", "cuda", KEY)
    assert usable_precision("fp16", "cuda", KEY) == "fp16"
