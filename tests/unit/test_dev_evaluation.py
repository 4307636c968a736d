"""Scoring during training: the stages' scores, the best weights, an early stop, and no trace in the training."""

import json
import logging
import math
from pathlib import Path

import pytest
import torch
from tiny_training import history, make_collection, run, same, weights

from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate_experiment
from denseflow.evaluate.retrieval import Retrieval
from denseflow.manifest import read_manifest, write_manifest
from denseflow.search.flat import search
from denseflow.train.dev_evaluation import DevEvaluation, scoring_mode
from denseflow.train.due_steps import due_steps
from denseflow.train.resumable import ResumableTrainer
from denseflow.train.weights_by_step import WeightsByStep

EVALUATE = {"split": "dev", "measure": "nDCG@10", "keep_best": True}
EACH_STEP = {**EVALUATE, "every_steps": 1}
FALLING = [0.5, 0.4, 0.45, 0.45, 0.3, 0.2, 0.1]
"""Scores of a training whose best step is its second."""


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """The manifest of forty passages and ten queries in the split dev."""
    return make_collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture
def scripted(monkeypatch):
    """Gives looks at dev the scores that a test wants, whatever the model."""

    def script(scores):
        left = iter(scores)
        monkeypatch.setattr(DevEvaluation, "score", lambda self: {"nDCG@10": next(left), "R@100": 1.0})

    return script


def stages_scores(out: Path, dataset: Path, folder: Path) -> dict[str, float]:
    """The means that the encode, search and evaluate stages give a trained model."""
    arguments = {"granted_gpus": 0, "threads": 1}
    for encode, options in (
        (encode_corpus, {"shard_size": 9}),
        (encode_queries, {"split": "dev"}),
    ):
        encode(out / "manifest.json", dataset, folder, **arguments, **options)
    ranked = folder / "dev.top100.trec"
    search(folder / "queries.dev.manifest.json", folder / "corpus.manifest.json", ranked, depth=100, threads=1)
    system = {"name": "model", "variant": "seed0", "dataset": "tiny", "split": "dev", "run": str(ranked)}
    system["qrels"] = str(dataset.parent / "qrels.dev.tsv")
    evaluate_experiment([system], ["nDCG@10", "R@100"], folder)
    lines = (folder / "means.tsv").read_text().splitlines()[1:]
    return {line.split("\t")[4]: float(line.split("\t")[5]) for line in lines}


def dev_lines(out):
    return [line for line in history(out) if "dev/nDCG@10" in line]


def test_the_scores_are_those_of_the_encode_search_and_evaluate_stages(base, training_file, collection, tmp_path):
    evaluate = {**EVALUATE, "keep_best": False}
    out = run(base, training_file, tmp_path, max_steps=4, evaluation=collection, evaluate=evaluate)
    last = read_manifest(out / "manifest.json")["evaluation"]["last"]
    expected = stages_scores(out, collection, tmp_path / "stages")
    assert {name: round(last[name], 6) for name in expected} == expected
    assert 0 < expected["nDCG@10"] < 1


def test_passages_whose_side_does_not_learn_are_encoded_once(base, training_file, collection, tmp_path, monkeypatch):
    calls = []
    encode_passages = Retrieval.encode_passages
    monkeypatch.setattr(Retrieval, "encode_passages", lambda *args: calls.append(1) or encode_passages(*args))
    evaluate = {**EACH_STEP, "keep_best": False}
    options = {"max_steps": 3, "evaluation": collection, "evaluate": evaluate, "learning_rate": 1e-2}
    out = run(base, training_file, tmp_path, encoders="query_only", **options)
    assert len(calls) == 1
    last = read_manifest(out / "manifest.json")["evaluation"]["last"]
    expected = stages_scores(out, collection, tmp_path / "stages")
    assert {name: round(last[name], 6) for name in expected} == expected


def test_a_line_of_the_history_is_written_before_the_first_step_where_due_and_after_the_last(
    base, training_file, collection, tmp_path
):
    out = run(
        base, training_file, tmp_path, max_steps=5, evaluation=collection, evaluate={**EVALUATE, "every_steps": 2}
    )
    lines = dev_lines(out)
    assert [line["step"] for line in lines] == [0, 2, 4, 5]
    assert [line["epoch"] for line in lines] == pytest.approx([0, 2 / 3, 4 / 3, 5 / 3])
    assert all({"dev/nDCG@10", "dev/R@100"} < line.keys() for line in lines)
    assert [line["step"] for line in history(out) if "loss" in line] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [10, 20, 30]),
        ({"every_epochs": 0.5}, [5, 10, 15, 20, 25, 30]),
        ({"every_epochs": 1.26}, [13, 25]),
        ({"every_epochs": 0.01}, list(range(1, 31))),
        ({"every_epochs": 9.0}, []),
        ({"every_steps": 7}, [7, 14, 21, 28]),
    ],
)
def test_due_are_the_multiples_in_steps_or_in_epochs_to_the_nearest_step(options, expected):
    assert due_steps(options, steps_per_epoch=10, steps=30) == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_that_is_scored_gives_the_weights_of_one_that_is_not(
    precision, base, training_file, collection, tmp_path
):
    options = {"max_steps": 4, "precision": precision, "micro_batch": 2}
    plain = run(base, training_file, tmp_path / "plain", **options)
    evaluate = {**EVALUATE, "keep_best": False, "every_steps": 1}
    scored = run(base, training_file, tmp_path / "scored", **options, evaluation=collection, evaluate=evaluate)
    assert same(weights(scored), weights(plain))
    losses = [[line["loss"] for line in history(out) if "loss" in line] for out in (plain, scored)]
    assert losses[0] == losses[1]


def test_scoring_is_without_dropout_and_mixed_precision_and_each_part_is_in_its_mode_again(base, collection):
    model = load_encoder(base.parent / "model")
    retrieval = Retrieval(collection, "dev")
    expected = retrieval.score(model, ["AP"], threads=1)
    model.train()
    model[1].eval()

    def under_autocast(*args, **others):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return type(model).forward(model, *args, **others)

    model.forward = under_autocast
    assert retrieval.score(model, ["AP"], threads=1) != expected
    with scoring_mode(model):
        assert retrieval.score(model, ["AP"], threads=1) == expected
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert model.forward is under_autocast


def test_the_best_weights_become_the_model_the_first_of_equals_or_the_last_ones(
    base, training_file, collection, tmp_path, scripted
):
    steps_of_models = {}
    for keep_best in (True, False):
        options = {"schedule": "constant", "evaluation": collection, "evaluate": {**EACH_STEP, "keep_best": keep_best}}
        scripted(FALLING)
        out = run(base, training_file, tmp_path / str(keep_best), max_steps=6, **options)
        facts = read_manifest(out / "manifest.json")["evaluation"]
        assert (facts["best"]["step"], facts["looks"]) == (2, 7)
        steps_of_models[facts["model_of_step"]] = weights(out)
    for step, found in steps_of_models.items():
        plain = run(base, training_file, tmp_path / f"{step} steps", max_steps=step, schedule="constant")
        assert same(found, weights(plain))
    assert list(steps_of_models) == [2, 6]


def test_training_that_never_beat_its_start_is_warned_of_and_gives_the_best_trained_weights(
    base, training_file, collection, tmp_path, scripted, caplog
):
    scripted(FALLING)
    with caplog.at_level(logging.WARNING, logger="denseflow"):
        out = run(base, training_file, tmp_path, max_steps=6, evaluation=collection, evaluate=EACH_STEP)
    assert "DEV: training never beat the model that it started from: nDCG@10 was 0.5000" in caplog.text
    facts = read_manifest(out / "manifest.json")["evaluation"]
    assert (facts["beat_its_start"], facts["start"]["nDCG@10"], facts["best"]["step"]) == (False, 0.5, 2)


def test_after_patience_scores_that_are_no_better_training_stops(
    base, training_file, collection, tmp_path, scripted, caplog
):
    scripted(FALLING)
    with caplog.at_level(logging.INFO, logger="denseflow"):
        out = run(
            base, training_file, tmp_path, max_steps=6, evaluation=collection, checkpoint_steps=1,
            evaluate={**EACH_STEP, "patience": 2},
        )  # fmt: skip
    facts = read_manifest(out / "manifest.json")["evaluation"]
    assert (facts["last"]["step"], facts["best"]["step"], facts["stopped_early"]) == (4, 2, True)
    assert "stops after step 4 of 6; nDCG@10 was no better than 0.4500, after step 2, in 2 scores" in caplog.text
    assert max(line["step"] for line in history(out)) == 4


class Killed(BaseException):
    """Ends a training where it stands."""


def run_until(batches, monkeypatch, *args, **changes):
    """Train, and end in the midst of the batch after so many batches."""
    count = 0
    training_step = ResumableTrainer.training_step

    def counting(self, *rest):
        nonlocal count
        count += 1
        if count > batches:
            raise Killed
        return training_step(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ResumableTrainer, "training_step", counting)
        with pytest.raises(Killed):
            run(*args, **changes)


@pytest.mark.parametrize("patience", [None, 2])
def test_an_interrupted_training_scores_stops_and_ends_as_an_uninterrupted_one(
    patience, base, training_file, collection, tmp_path, monkeypatch
):
    score, bonus = DevEvaluation.score, [0, 1, 2, 5, 4, 3, 2]  # of each step, so that the third one is the best

    def with_bonus(self):
        return {measure: value + bonus[len(self.scores)] for measure, value in score(self).items()}

    monkeypatch.setattr(DevEvaluation, "score", with_bonus)
    evaluate = EACH_STEP if patience is None else {**EACH_STEP, "patience": patience}
    changes = {"epochs": 2.0, "learning_rate": 1e-2, "evaluation": collection, "evaluate": evaluate}
    changes["keep_models"] = {"every_steps": 3}
    expected = run(base, training_file, tmp_path / "whole", **changes)
    facts = read_manifest(expected / "manifest.json")["evaluation"]
    assert (facts["best"]["step"], facts["last"]["step"]) == (3, 6 if patience is None else 5)
    changes |= {"checkpoint_steps": 2}
    for batches in (0, 3, 2):  # before the first step; after the best one; after the checkpoint of step 4
        run_until(batches, monkeypatch, base, training_file, tmp_path / "killed", **changes)
    out = run(base, training_file, tmp_path / "killed", **changes)
    assert same(weights(out), weights(expected))
    assert dev_lines(out) == dev_lines(expected)
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (out, expected)]
    assert manifests[0] == manifests[1]


def test_weights_that_a_checkpoint_counts_on_stay_until_the_checkpoint_goes(
    base, training_file, collection, tmp_path, scripted, monkeypatch
):
    rising = {"max_steps": 6, "evaluation": collection, "checkpoint_steps": 2}
    rising["evaluate"] = EACH_STEP
    scripted([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    run_until(5, monkeypatch, base, training_file, tmp_path, **rising)
    (best,) = tmp_path.glob("work/*/best")
    assert sorted(path.name for path in best.iterdir()) == [
        "step-2.safetensors",
        "step-4.safetensors",
        "step-5.safetensors",
    ]
    scripted([0.2, 0.1])  # after the checkpoint of step 4, whose best is its own
    out = run(base, training_file, tmp_path, **rising)
    assert read_manifest(out / "manifest.json")["evaluation"]["model_of_step"] == 4
    for path in tmp_path.glob("work/*"):
        pytest.fail(f"{path} is left")


def test_best_weights_that_went_missing_are_named_and_not_replaced_by_others(
    base, training_file, collection, tmp_path, monkeypatch
):
    changes = {
        "max_steps": 6,
        "evaluation": collection,
        "checkpoint_steps": 1,
        "evaluate": EACH_STEP,
    }
    run_until(3, monkeypatch, base, training_file, tmp_path, **changes)
    for path in tmp_path.glob("work/*/best/*"):
        path.unlink()
    with pytest.raises(DenseflowError, match=r"best/step-\d\.safetensors: missing, though a checkpoint"):
        run(base, training_file, tmp_path, **changes)


def test_passages_limits_the_search_to_those_judged_and_as_many_others_drawn_with_the_seed(collection, base):
    whole = Retrieval(collection, "dev")
    assert len(whole.passages) == 40
    some = Retrieval(collection, "dev", passages=5, seed=1)
    judged = {document for levels in some.qrels.values() for document in levels}
    ids = [passage.id for passage in some.passages]
    assert judged < set(ids)
    assert len(ids) == len(judged) + 5 == 25
    assert ids == sorted(ids, key=lambda name: int(name[1:]))
    again, other = (Retrieval(collection, "dev", passages=5, seed=seed) for seed in (1, 2))
    assert ids == [passage.id for passage in again.passages]
    assert ids != [passage.id for passage in other.passages]
    model = load_encoder(base.parent / "model")
    assert some.score(model, ["nDCG@10"], threads=1)["nDCG@10"] > whole.score(model, ["nDCG@10"], threads=1)["nDCG@10"]


def test_a_judged_query_without_relevant_passages_in_reach_counts_0_and_one_without_judgements_is_left_out(
    collection, base, tmp_path
):
    for name in ("corpus.jsonl", "queries.dev.jsonl", "qrels.dev.tsv"):
        (tmp_path / name).write_bytes((collection.parent / name).read_bytes())
    with (tmp_path / "queries.dev.jsonl").open("a") as file:
        file.write('{"_id": "unjudged", "text": "milk"}\n')
    with (tmp_path / "qrels.dev.tsv").open("a") as file:
        file.write("gone\td0\t1\n")
    write_manifest(tmp_path, "dataset", ["corpus.jsonl", "queries.dev.jsonl", "qrels.dev.tsv"])
    model = load_encoder(base.parent / "model")
    scores = [
        Retrieval(file, "dev").score(model, ["nDCG@10"], threads=1) for file in (collection, tmp_path / "manifest.json")
    ]
    assert math.isclose(10 / 11 * scores[0]["nDCG@10"], scores[1]["nDCG@10"])


def test_a_split_without_judgements_is_refused(collection, tmp_path):
    for name in ("corpus.jsonl", "queries.dev.jsonl"):
        (tmp_path / name).write_bytes((collection.parent / name).read_bytes())
    (tmp_path / "qrels.dev.tsv").write_text("query-id\tcorpus-id\tscore\n")
    write_manifest(tmp_path, "dataset", ["corpus.jsonl"])
    with pytest.raises(DenseflowError, match=r"no judgement of a query in queries\.dev\.jsonl"):
        Retrieval(tmp_path / "manifest.json", "dev")


def test_weights_are_kept_whole_or_not_at_all(tmp_path, monkeypatch):
    kept = WeightsByStep(tmp_path / "best")
    kept.save(1, torch.nn.Linear(2, 2))

    def fail(model, path):
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.torch.save_model", fail)
    with pytest.raises(OSError, match="no space"):
        kept.save(2, torch.nn.Linear(2, 2))
    assert [path.name for path in kept.folder.iterdir()] == ["step-1.safetensors"]
