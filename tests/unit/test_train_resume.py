"""A training that was killed and run again ends with the weights of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gradients import made_up_scores
from tiny_training import history, make_training_file, run, same, weights

from denseflow.files import write_jsonl
from denseflow.negatives.training_file import read_training_file
from denseflow.train.trainer import RetrieverTrainer

OPTIONS = {
    "plain": {"epochs": 4.0},
    "GradCache": {"epochs": 4.0, "micro_batch": 2},
    "accumulation": {"epochs": 6.0, "accumulation": 2},
    "GradCache, accumulation and gradient checkpointing": {
        "epochs": 6.0,
        "micro_batch": 2,
        "accumulation": 2,
        "gradient_checkpointing": True,
    },
    "batches by passage": {"epochs": 6.0, "batch_size": 20, "queries_per_passage": 2},
    "separate encoders with projections": {"epochs": 4.0, "encoders": "separate", "projection": 16},
    "query_only": {"epochs": 4.0, "encoders": "query_only", "micro_batch": 2},
    "first dimensions by mixed negatives, biases alone": {
        "epochs": 4.0,
        "loss": {"name": "mixcse", "temperature": 0.1, "mix": 0.2},
        "matryoshka": {"dimensions": [32, 8]},
        "weights": "bitfit",
    },
    "adapters": {"epochs": 4.0, "weights": "lora", "lora": {"rank": 2, "alpha": 4.0, "dropout": 0.1}},
}
"""All take 12 steps, 3 or 2 an epoch, with dropout 0.1."""

PROCESS = """
import json, sys, time
from pathlib import Path
from denseflow.errors import DenseflowError
from denseflow.train.trainer import RetrieverTrainer
from tiny_training import run

step = RetrieverTrainer.training_step
RetrieverTrainer.training_step = lambda *args: time.sleep(0.1) or step(*args)
base, training_file, folder, changes = sys.argv[1:]
try:
    run(Path(base), Path(training_file), Path(folder), **json.loads(changes))
except DenseflowError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def uninterrupted(base, training_file, tmp_path_factory):
    """The results of each set of options, without any interruption or checkpoint."""
    made = {}

    def results(name):
        if name not in made:
            made[name] = run(base, training_file, tmp_path_factory.mktemp("whole"), **OPTIONS[name])
        return made[name]

    return results


class Killed(BaseException):
    """Ends a training where it stands."""


def run_until(step, monkeypatch, *args, **changes):
    """Train, and end in the midst of the batch after so many batches."""
    count = 0
    training_step = RetrieverTrainer.training_step

    def counting(self, *rest):
        nonlocal count
        count += 1
        if count > step:
            raise Killed
        return training_step(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(RetrieverTrainer, "training_step", counting)
        with pytest.raises(Killed):
            run(*args, **changes)


@pytest.mark.parametrize(("name", "every"), list(zip(OPTIONS, (4, 1, 1, 4, 3, 4, 4, 4, 4), strict=True)))
def test_an_interrupted_training_ends_with_the_same_weights(
    name, every, base, training_file, uninterrupted, tmp_path, monkeypatch
):
    changes = OPTIONS[name] | {"checkpoint_steps": every}
    for batches in (5, 0, 4):  # in the midst of an epoch, before the first step, at the end of an epoch
        run_until(batches, monkeypatch, base, training_file, tmp_path, **changes)
    out = run(base, training_file, tmp_path, **changes)
    assert same(weights(out), weights(uninterrupted(name)))
    assert [line["step"] for line in history(out)] == list(range(1, 13))


def test_the_history_of_a_resumed_training_is_that_of_an_uninterrupted_one(
    base, training_file, uninterrupted, tmp_path, monkeypatch
):
    run_until(5, monkeypatch, base, training_file, tmp_path, checkpoint_steps=2, **OPTIONS["plain"])
    lines = history(run(base, training_file, tmp_path, **OPTIONS["plain"]))
    expected = history(uninterrupted("plain"))
    for line in (*lines, *expected):
        del line["sequences_per_second"]
    assert lines == expected


def test_a_checkpoint_of_another_recipe_seed_or_file_is_not_resumed(
    base, training_file, uninterrupted, tmp_path, monkeypatch
):
    run_until(9, monkeypatch, base, training_file, tmp_path, checkpoint_steps=1, seed=1, **OPTIONS["plain"])
    run_until(8, monkeypatch, base, training_file, tmp_path, checkpoint_steps=1, epochs=4.0, learning_rate=1e-2)
    other = make_training_file(tmp_path / "other.jsonl", negatives=4)
    run_until(7, monkeypatch, base, other, tmp_path, checkpoint_steps=1, **OPTIONS["plain"])
    out = run(base, training_file, tmp_path, **OPTIONS["plain"])
    assert same(weights(out), weights(uninterrupted("plain")))


def test_a_checkpoint_of_another_teacher_is_not_resumed_and_one_of_the_same_is(
    base, training_file, tmp_path, monkeypatch
):
    loss = {"name": "kl", "temperature": 0.1, "teacher_temperature": 1.0, "infonce_weight": 0.5}
    scores = made_up_scores(read_training_file(training_file))
    teachers = []
    for number, factor in enumerate((1, 3)):
        rows = [
            {"query_id": query, "scores": {docid: factor * score for docid, score in own.items()}}
            for query, own in scores.items()
        ]
        write_jsonl(tmp_path / f"{number}.jsonl", rows)
        teachers.append({"epochs": 4.0, "loss": loss, "teacher_scores": tmp_path / f"{number}.jsonl"})
    expected = run(base, training_file, tmp_path / "whole", **teachers[0])
    run_until(9, monkeypatch, base, training_file, tmp_path, checkpoint_steps=4, **teachers[1])
    run_until(7, monkeypatch, base, training_file, tmp_path, checkpoint_steps=4, **teachers[0])
    steps = []
    step = RetrieverTrainer.training_step
    monkeypatch.setattr(RetrieverTrainer, "training_step", lambda *rest: steps.append(1) or step(*rest))
    assert same(weights(run(base, training_file, tmp_path, **teachers[0])), weights(expected))
    assert len(steps) == 12 - 4


def test_a_checkpoint_is_due_after_the_time_set_and_never_at_the_end(base, training_file, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(
        RetrieverTrainer, "_write_checkpoint", lambda self, folder: saved.append(self.state.global_step)
    )
    run(base, training_file, tmp_path, max_steps=5, checkpoint_minutes=0)
    assert saved == [1, 2, 3, 4]
    run(base, training_file, tmp_path, max_steps=5, checkpoint_minutes=1)
    assert saved == [1, 2, 3, 4]


def start(base, training_file, folder, changes):
    tests = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tests), str(tests.parent / "workflow_scripts")])
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, base, training_file, folder, json.dumps(changes)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_in_the_midst(process, folder, number):
    """Send a signal once the third step's checkpoint is there; returns the exit code and what was said."""
    deadline = time.monotonic() + 120
    while not list(folder.glob("work/*/step-[3-9]")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert not (folder / "out" / "manifest.json").exists()
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "GradCache, accumulation and gradient checkpointing"])
def test_after_kill_9_a_rerun_ends_with_the_same_weights(name, base, training_file, uninterrupted, tmp_path):
    changes = OPTIONS[name] | {"checkpoint_steps": 1}
    code, _ = stop_in_the_midst(start(base, training_file, tmp_path, changes), tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert same(weights(run(base, training_file, tmp_path, **changes)), weights(uninterrupted(name)))


@pytest.mark.slow
def test_told_to_stop_it_finishes_the_step_keeps_a_checkpoint_and_says_so(base, training_file, uninterrupted, tmp_path):
    changes = OPTIONS["plain"] | {"checkpoint_steps": 3}
    code, said = stop_in_the_midst(start(base, training_file, tmp_path, changes), tmp_path, signal.SIGTERM)
    assert code == 1
    assert "stopped by SIGTERM after step" in said
    assert "Run the same command again" in said
    stopped_after = int(said.split("after step ")[1].split()[0])
    assert list(tmp_path.glob(f"work/*/step-{stopped_after}"))
    assert same(weights(run(base, training_file, tmp_path, **changes)), weights(uninterrupted("plain")))
