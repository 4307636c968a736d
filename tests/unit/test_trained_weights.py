"""What is trained changes, and nothing else; adapters are merged without a trace."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from tiny_training import run, weights

from denseflow.config.recipe import LoRA, Recipe
from denseflow.encode.batches import encode_texts
from denseflow.encoder import learns, load_encoder, save_encoder
from denseflow.errors import DenseflowError
from denseflow.train.encoders import shape_encoders
from denseflow.train.trained_weights import TrainedWeights, choose_weights
from denseflow.workflow.canonical import canonical

TEXTS = ["what is milk", "cancer and risk of the heart", "not fruit with fish"]
ADAPTERS: dict[str, Any] = {"weights": "lora", "lora": {"rank": 4, "alpha": 8.0, "dropout": 0.0}}


@pytest.fixture
def model(tiny_model: Path) -> SentenceTransformer:
    return load_encoder(tiny_model)


def recipe(**lora: Any) -> dict[str, Any]:
    return {"weights": "lora", "lora": {**ADAPTERS["lora"], **lora}}


def learn(model: SentenceTransformer) -> None:
    """A few steps of weight decay and of a loss that has no meaning."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05, weight_decay=0.1)
    features = model.preprocess(TEXTS)
    for step in range(3):
        torch.manual_seed(step)
        vectors = model.train()(dict(features))["sentence_embedding"]
        (vectors[0] @ vectors[1] - vectors[0] @ vectors[2]).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def trained(model: SentenceTransformer, recipe: dict[str, Any]) -> TrainedWeights:
    chosen = choose_weights(model, recipe, seed=1)
    learn(model)
    return chosen


def changed(model: SentenceTransformer, base: Path) -> set[str]:
    """The names of the weights that are not those of the base bit for bit."""
    before, after = load_encoder(base).state_dict(), model.state_dict()
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def vectors(model: SentenceTransformer) -> torch.Tensor:
    return torch.from_numpy(encode_texts(model, TEXTS, "passage"))


def test_all_weights_learn_where_nothing_else_is_said(model, tiny_model):
    chosen = trained(model, {})
    assert chosen.learning == chosen.total
    assert len(changed(model, tiny_model)) > 20


def test_with_bitfit_only_biases_change(model, tiny_model):
    chosen = trained(model, {"weights": "bitfit"})
    names = changed(model, tiny_model)
    assert names
    assert all(name.endswith(".bias") for name in names)
    assert chosen.learning == sum(
        value.numel() for name, value in load_encoder(tiny_model).state_dict().items() if name.endswith(".bias")
    )


def test_with_adapters_only_adapters_change(model, tiny_model):
    before = load_encoder(tiny_model).state_dict()
    chosen = trained(model, ADAPTERS)
    after = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
    assert {name for name in after if name not in before} == {name for name in after if ".lora_" in name}
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert chosen.learning == sum(value.numel() for name, value in after.items() if ".lora_" in name)


def test_adapters_change_no_vector_before_they_learn(model):
    before = vectors(model)
    choose_weights(model, ADAPTERS, seed=1)
    assert torch.equal(vectors(model), before)


def test_merging_keeps_the_vectors_and_changes_the_target_layers_alone(model, tiny_model, tmp_path):
    before = vectors(model)
    chosen = trained(model, recipe(targets=["query", "output.dense"]))
    adapted = vectors(model)
    chosen.finish(tmp_path)
    assert (adapted - before).abs().max() > 1e-2
    assert (vectors(model) - adapted).abs().max() < 1e-6
    names = changed(model, tiny_model)
    assert len(names) == 2 * 3  # of each layer: query, attention.output.dense, output.dense
    assert all(name.endswith((".query.weight", ".output.dense.weight")) for name in names)
    assert not (tmp_path / "adapter").exists()


def test_a_merged_model_is_saved_as_an_ordinary_folder(model, tmp_path):
    chosen = trained(model, ADAPTERS)
    adapted = vectors(model)
    chosen.finish(tmp_path)
    save_encoder(model, tmp_path / "model")
    assert (vectors(SentenceTransformer(str(tmp_path / "model"))) - adapted).abs().max() < 1e-6


def test_an_ordinary_copy_leaves_the_adapters_to_learn_on(model):
    chosen = trained(model, ADAPTERS)
    adapted, names = vectors(model), set(model.state_dict())
    copy = chosen.ordinary_copy()
    assert (vectors(copy) - adapted).abs().max() < 1e-6
    assert not any("lora" in name for name in copy.state_dict())
    assert set(model.state_dict()) == names
    assert torch.equal(vectors(model), adapted)


def test_a_kept_adapter_is_loaded_by_peft_onto_the_base(model, tiny_model, tmp_path):
    chosen = trained(model, recipe(keep_adapter=True))
    adapted = vectors(model)
    chosen.finish(tmp_path)
    base = load_encoder(tiny_model)
    PeftModel.from_pretrained(base[0].auto_model, str(tmp_path / "adapter"))
    assert (vectors(base) - adapted).abs().max() < 1e-6


def test_a_kept_adapter_says_nothing_of_the_place_where_it_was_made(model, tiny_model, tmp_path):
    trained(model, recipe(keep_adapter=True)).finish(tmp_path)
    assert str(tiny_model) not in (tmp_path / "adapter/adapter_config.json").read_text()
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_an_adapter_of_an_earlier_recipe_goes(model, tmp_path):
    (tmp_path / "adapter").mkdir()
    trained(model, {}).finish(tmp_path)
    assert not (tmp_path / "adapter").exists()


def first_weights(tiny_model: Path, seed: int) -> dict[str, torch.Tensor]:
    model = load_encoder(tiny_model)
    choose_weights(model, ADAPTERS, seed)
    return {name: value for name, value in model.state_dict().items() if "lora_A" in name}


def test_the_seed_alone_gives_the_first_weights_of_adapters(tiny_model):
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    one = first_weights(tiny_model, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(8)
    again, other = first_weights(tiny_model, 1), first_weights(tiny_model, 2)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("changes", [{"rank": 2}, {"alpha": 4.0}, {"dropout": 0.5}, {"targets": ["query"]}])
def test_each_option_of_adapters_changes_the_result(tiny_model, changes):
    one, other = load_encoder(tiny_model), load_encoder(tiny_model)
    trained(one, recipe())
    trained(other, recipe(**changes))
    assert not torch.equal(vectors(one), vectors(other))


def test_a_target_that_matches_no_layer_is_refused_with_those_there_are(model):
    with pytest.raises(DenseflowError, match=r"recipe.lora.targets: 'q_proj' .* dense, key, query, value, or longer"):
        choose_weights(model, recipe(targets=["query", "q_proj"]), seed=1)


def test_bitfit_of_a_model_without_biases_is_refused(model):
    for name, values in model.named_parameters():
        if name.endswith("bias"):
            values.requires_grad_(False)
    with pytest.raises(DenseflowError, match="no layer of the model that learns has one; choose 'lora' or 'all'"):
        choose_weights(model, {"weights": "bitfit"}, seed=1)


@pytest.mark.parametrize("options", [ADAPTERS, {"weights": "bitfit"}])
def test_a_frozen_passage_side_stays_so(model, options, tmp_path):
    model = shape_encoders(model, {"encoders": "query_only"}, seed=1)
    chosen = choose_weights(model, options, seed=1)
    assert learns(model, "query")
    assert not learns(model, "passage")
    assert not any("lora" in name for name in model[0].sub_modules["document"].state_dict())
    assert set(chosen.adapters) == ({""} if options is ADAPTERS else set())


def test_separate_encoders_have_adapters_of_their_own(base, training_file, tmp_path):
    adapters = {"rank": 4, "alpha": 8.0, "dropout": 0.1, "keep_adapter": True}
    changes = {"encoders": "separate", "weights": "lora", "lora": adapters, "max_steps": 2}
    out = run(base, training_file, tmp_path, **changes)
    model = load_encoder(out / "model")
    for kind, other in (("query", "passage"), ("passage", "query")):
        merged = encode_texts(model, TEXTS, kind)
        encoder = load_encoder(base.parent / "model")
        PeftModel.from_pretrained(encoder[0].auto_model, str(out / "adapter" / kind))
        assert abs(encode_texts(encoder, TEXTS, kind) - merged).max() < 1e-6
        assert abs(encode_texts(model, TEXTS, other) - merged).max() > 1e-3
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert {f"adapter/{kind}/adapter_model.safetensors" for kind in ("query", "passage")} <= set(files)


@pytest.mark.parametrize(("options", "names"), [({"weights": "bitfit"}, {"bias"}), (ADAPTERS, {"weight"})])
def test_a_training_changes_what_is_chosen_alone(options, names, base, training_file, tmp_path):
    out = run(base, training_file, tmp_path, **options, max_steps=2, weight_decay=0.1)
    found = changed(load_encoder(out / "model"), base.parent / "model")
    assert {name.split(".")[-1] for name in found} == names
    assert not any("embeddings.weight" in name or "LayerNorm.weight" in name for name in found)


def test_gradient_checkpointing_and_grad_cache_give_adapters_the_same_weights(base, training_file, tmp_path):
    options = {**recipe(dropout=0.1), "max_steps": 2, "dropout": 0.2}
    plain = weights(run(base, training_file, tmp_path / "plain", **options))
    for name, changes in (("checkpointing", {"gradient_checkpointing": True}), ("cache", {"micro_batch": 32})):
        other = weights(run(base, training_file, tmp_path / name, **options, **changes))
        assert max((plain[key] - other[key]).abs().max() for key in plain) < 1e-6


@pytest.mark.parametrize("options", [ADAPTERS, {"weights": "bitfit"}])
def test_a_new_projection_learns_whatever_is_chosen(model, options):
    model.append(Dense(32, 8))
    choose_weights(model, {**options, "projection": 8}, seed=1)
    assert all(weights.requires_grad for weights in model[-1].parameters())


def test_frozen_layers_keep_the_embeddings_and_the_lowest_layers_bit_for_bit(model, tiny_model):
    trained(model, {"frozen_layers": 1})
    names = changed(model, tiny_model)
    assert names
    assert all(".layer.1." in name for name in names)


def test_with_the_embeddings_alone_frozen_all_layers_learn(model, tiny_model):
    trained(model, {"frozen_layers": 0})
    names = changed(model, tiny_model)
    assert {name.split(".layer.")[1][0] for name in names} == {"0", "1"}
    assert not any("embeddings" in name for name in names)


def test_more_frozen_layers_than_there_are_is_an_error(model):
    with pytest.raises(DenseflowError, match="the model has 2 layers, of which one must learn"):
        choose_weights(model, {"frozen_layers": 2}, seed=1)


def test_adapters_have_their_usual_options_where_none_are_given():
    recipe = Recipe(weights="lora")
    assert recipe.lora == LoRA()
    assert json.loads(canonical(recipe))["lora"]["rank"] == LoRA().rank
    assert "lora" not in json.loads(canonical(Recipe()))
