"""TensorBoard and Weights & Biases get the lines of the log, where they are asked for."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from tiny_training import history, run, same, weights

from denseflow.errors import DenseflowError
from denseflow.train import trackers

PROJECT = Path(__file__).resolve().parents[2]


def scalars(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {event.step: pytest.approx(event.value) for event in events.Scalars(name)}


def test_tensorboard_gets_the_curves_and_a_new_training_takes_the_place_of_an_old_one(base, training_file, tmp_path):
    folder = tmp_path / "tensorboard" / "m.seed0"
    run(base, training_file, tmp_path / "old", max_steps=4, tensorboard=folder)
    out = run(base, training_file, tmp_path / "new", max_steps=2, tensorboard=folder)
    assert scalars(folder, "train/loss") == {line["step"]: line["loss"] for line in history(out)}
    assert same(weights(out), weights(run(base, training_file, tmp_path / "without", max_steps=2)))


def test_a_resumed_training_goes_on_in_its_files(base, training_file, tmp_path, monkeypatch):
    from denseflow.train.resumable import ResumableTrainer

    folder = tmp_path / "tensorboard"
    step = ResumableTrainer.training_step
    with monkeypatch.context() as patch:
        patch.setattr(
            ResumableTrainer,
            "training_step",
            lambda self, *args: step(self, *args) if self.state.global_step < 3 else 1 / 0,
        )
        with pytest.raises(ZeroDivisionError):
            run(base, training_file, tmp_path, max_steps=4, checkpoint_steps=2, tensorboard=folder)
    out = run(base, training_file, tmp_path, max_steps=4, tensorboard=folder)
    assert scalars(folder, "train/loss") == {line["step"]: line["loss"] for line in history(out)}


@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_a_missing_package_is_an_error_before_anything_is_read(package, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(DenseflowError, match=f"run.{package}: true, but the package '{package}' .*`pip install"):
        run(tmp_path / "no base", tmp_path / "no file", tmp_path, **{package: tmp_path / "logs"})


def test_the_version_to_install_is_the_one_that_is_tested():
    for file in ("requirements-dev.in", "docs/training.md"):
        assert trackers.TENSORBOARD in (PROJECT / file).read_text()


def test_wandb_gets_the_lines_under_the_name_of_the_training(base, training_file, tmp_path, monkeypatch):
    calls, lines = [], []
    wandb = ModuleType("wandb")
    wandb.__spec__ = importlib.util.spec_from_loader("wandb", None)
    wandb.run = None

    def init(**options):
        calls.append(options)
        wandb.run = SimpleNamespace(_label=lambda **_: None, summary={})

    wandb.init, wandb.config, wandb.log = init, SimpleNamespace(update=lambda *_, **__: None), lines.append
    config_util = ModuleType("wandb.sdk.lib.config_util")
    config_util.ConfigError = RuntimeError
    for name, module in {
        "wandb": wandb, "wandb.sdk": ModuleType("wandb.sdk"), "wandb.sdk.lib": ModuleType("wandb.sdk.lib"),
        "wandb.sdk.lib.config_util": config_util,
    }.items():  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    for variable in ("WANDB_PROJECT", "WANDB_DIR"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    out = run(base, training_file, tmp_path, max_steps=2, wandb=tmp_path / "wandb" / "m.seed0")
    assert calls == [{"project": "denseflow", "name": "m.seed0"}]
    assert [line["train/loss"] for line in lines if "train/loss" in line] == [line["loss"] for line in history(out)]
