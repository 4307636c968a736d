"""Cross-encoders are trained from the retriever's training file, each option changing a result, and resumed exactly."""

import json
from functools import partial

import pytest
import tiny_training
import torch
from sentence_transformers import CrossEncoder
from tiny_cross_encoder import make_cross_encoder
from tiny_training import history, make_training_file, same, weights

from denseflow.cross_encoder import load_cross_encoder, tokenize_pairs
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.negatives.training_file import read_training_file
from denseflow.train.cross_encoder.batches import PairBatches
from denseflow.train.cross_encoder.trainer import CrossEncoderTrainer, score_piece
from denseflow.train.examples import Draw
from denseflow.train.grad_cache import GradCache
from denseflow.train.losses.lce import LocalizedContrastive

RECIPE = {"loss": {"name": "lce"}, "negatives_per_query": 2, "max_steps": 3}


def run(base, training_file, folder, **changes):
    return tiny_training.run(base, training_file, folder, **{**RECIPE, **changes})


@pytest.fixture(scope="module")
def whole(base, training_file, tmp_path_factory):
    return run(base, training_file, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def cross_base(tmp_path_factory):
    return make_cross_encoder(tmp_path_factory.mktemp("cross"))


def test_the_same_training_gives_the_same_bits(base, training_file, whole, tmp_path):
    again = run(base, training_file, tmp_path)
    assert same(weights(again), weights(whole))
    assert (again / "manifest.json").read_bytes() == (whole / "manifest.json").read_bytes()


def test_the_result_is_an_ordinary_cross_encoder_folder(whole):
    manifest = read_manifest(whole / "manifest.json")
    assert manifest["kind"] == "cross_encoder"
    assert "classifier.weight" in manifest["new_weights"]
    pairs = [("what is heart", "heart and risk 1"), ("what is milk", "meat")]
    scores = CrossEncoder(str(whole / "model"), device="cpu").predict(pairs)
    features = tokenize_pairs(load_cross_encoder(whole / "model"), pairs)
    with torch.inference_mode():
        expected = load_cross_encoder(whole / "model")(features)["scores"].squeeze(1)
    assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": {"name": "bce"}},
        {"negatives_per_query": 1},
        {"positive": "first"},
        {"seed": 1},
        {"dropout": 0.0},
        {"batch_size": 5},
        {"learning_rate": 2e-3},
        {"weights": "lora", "lora": {"rank": 2, "alpha": 4.0, "dropout": 0.0}},
        {"weights": "bitfit"},
        {"contract": {"pair_max_length": 8}},
        {"contract": {"query_prefix": "query: "}},
        {"contract": {"title_separator": " ! "}},
    ],
    ids=str,
)
def test_each_option_changes_the_weights(base, training_file, whole, tmp_path, change):
    assert not same(weights(run(base, training_file, tmp_path, **change)), weights(whole))


def test_it_learns_to_put_the_positive_first(base, training_file, tmp_path):
    lines = history(run(base, training_file, tmp_path, max_steps=40, learning_rate=3e-3, dropout=0.0, batch_size=10))
    assert lines[-1]["loss"] < 0.3 * lines[0]["loss"]
    assert lines[-1]["positive_first"] > 0.9


@pytest.mark.parametrize("weights_option", ["lora", "bitfit"])
def test_a_new_head_learns_whatever_is_chosen_and_other_weights_do_not(
    base, training_file, tmp_path, weights_option, whole
):
    lora = {"lora": {"rank": 2, "alpha": 4.0, "dropout": 0.0, "targets": ["query"]}} if weights_option == "lora" else {}
    one, other = (
        weights(run(base, training_file, tmp_path / str(steps), max_steps=steps, weights=weights_option, **lora))
        for steps in (1, 3)
    )
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert {"classifier.weight", "bert.pooler.dense.weight"} <= changed
    assert "bert.encoder.layer.0.attention.self.key.weight" not in changed
    assert one.keys() == weights(whole).keys()


def test_training_goes_on_from_a_cross_encoder(cross_base, training_file, tmp_path):
    out = run(cross_base, training_file, tmp_path, learning_rate=1e-9)
    assert read_manifest(out / "manifest.json")["new_weights"] == []
    before = weights(cross_base.parent)
    assert all(torch.allclose(value, before[name], atol=1e-6) for name, value in weights(out).items())


@pytest.mark.parametrize("changes", [{}, {"micro_batch": 4, "accumulation": 2}], ids=["plain", "micro-batch"])
def test_an_interrupted_training_ends_with_the_same_weights(base, training_file, tmp_path, monkeypatch, changes):
    changes = {**changes, "epochs": 2.0, "max_steps": None}
    expected = weights(run(base, training_file, tmp_path / "whole", **changes))
    add_gradient, count = CrossEncoderTrainer.add_gradient, iter(range(100))

    def killed(self, *args):
        if next(count) == 4:
            raise KeyboardInterrupt
        return add_gradient(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(CrossEncoderTrainer, "add_gradient", killed)
        with pytest.raises(KeyboardInterrupt):
            run(base, training_file, tmp_path, checkpoint_steps=1, **changes)
    assert list(tmp_path.glob("work/*/step-*"))
    assert same(weights(run(base, training_file, tmp_path, **changes)), expected)


def test_piece_by_piece_the_gradient_is_that_of_the_whole_batch(cross_base, training_file):
    model = load_cross_encoder(cross_base.parent / "model").train()
    draws = [Draw(0, index, index, 5 * index, (5 * index + 2, 5 * index + 3)) for index in range(4)]
    batch = PairBatches(model, read_training_file(training_file), seed=0, micro_batch=5)(draws)
    assert [len(piece["input_ids"]) for piece in batch["pairs"]] == [5, 5, 2]

    def gradient(recompute):
        cache = GradCache(partial(score_piece, model), torch.Tensor.backward, recompute=recompute)
        loss = cache.step([batch["pairs"]], lambda scores: LocalizedContrastive()(scores.squeeze(1), batch["places"]))
        found = torch.cat([weights.grad.flatten() for weights in model.parameters()])
        model.zero_grad()
        return loss.item(), found

    loss, whole_gradient = gradient(recompute=False)
    again, cached = gradient(recompute=True)
    scores = torch.cat([score_piece(model, piece) for piece in batch["pairs"]]).squeeze(1)
    LocalizedContrastive()(scores, batch["places"]).backward()
    expected = torch.cat([weights.grad.flatten() for weights in model.parameters()])
    assert loss == pytest.approx(again, rel=1e-6)
    for found in (whole_gradient, cached):
        assert (found - expected).norm() < 1e-5 * expected.norm()


def test_a_batch_holds_each_query_with_its_positive_first(cross_base, training_file):
    model = load_cross_encoder(cross_base.parent / "model")
    draws = [Draw(0, 0, 0, 0, (2, 3)), Draw(0, 1, 1, 5, (7,)), Draw(0, 2, 2, 10, ())]
    training_set = read_training_file(training_file)
    batch = PairBatches(model, training_set, seed=0)(draws)
    (piece,) = batch["pairs"]
    texts = [
        model.tokenizer.decode(row[mask.bool()], skip_special_tokens=True)
        for row, mask in zip(piece["input_ids"], piece["attention_mask"], strict=True)
    ]
    places = batch["places"].tolist()
    assert [row[2] for row in places] == [places[0][2], -1, -1]
    for draw, row in zip(draws, places, strict=True):
        for passage, place in zip((draw.positive, *draw.negatives), row, strict=False):
            document, query = training_set.passages[passage], training_set.examples[draw.example].query
            expected = " ".join(f"{query} {document.title} {document.text}".split())
            assert texts[place].replace(" ", "") == expected.replace(" ", "")


def test_a_loss_that_is_not_finite_stops_the_training_and_leaves_no_model(base, training_file, tmp_path):
    with pytest.raises(DenseflowError, match="training stopped at step"):
        run(base, training_file, tmp_path, learning_rate=1e30, max_steps=9)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_file_without_negatives_is_refused(base, tmp_path):
    with pytest.raises(DenseflowError, match="no query has a negative"):
        run(base, make_training_file(tmp_path / "train.jsonl", negatives=0), tmp_path)


def test_the_share_of_pairs_that_are_cut_is_said_before_training(base, training_file, tmp_path):
    out = run(base, training_file, tmp_path, contract={"pair_max_length": 8})
    facts = json.loads((out / "preflight.json").read_text())
    assert facts["facts"]["pairs_cut"] == 1.0
    assert any("contract.pair_max_length" in warning for warning in facts["warnings"])
