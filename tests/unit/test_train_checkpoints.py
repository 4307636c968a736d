"""Checkpoints are whole or not there."""

import logging
import os
import signal

import pytest

from denseflow.train.checkpoints import Checkpoints
from denseflow.train.definition import definition, digests
from denseflow.train.interruption import stop_on_signal

DEFINITION = {"seed": 0, "recipe": {"learning_rate": 1e-5}}


def save(checkpoints, *steps):
    for step in steps:
        checkpoints.save(step, lambda folder, step=step: (folder / "weights").write_text(f"weights of step {step}"))


def test_the_newest_is_the_one_of_the_highest_number_1000_after_500(tmp_path):
    checkpoints = Checkpoints(tmp_path, DEFINITION)
    assert checkpoints.newest() is None
    save(checkpoints, 500, 1000)
    assert (checkpoints.newest() / "weights").read_text() == "weights of step 1000"


def test_the_two_newest_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path, DEFINITION)
    save(checkpoints, 8, 9, 10, 11)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step-10", "step-11"]


def test_one_that_fails_half_way_is_never_resumed_and_does_no_harm(tmp_path):
    checkpoints = Checkpoints(tmp_path, DEFINITION)
    save(checkpoints, 1)

    def fail(folder):
        (folder / "weights").write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        checkpoints.save(2, fail)
    assert checkpoints.newest().name == "step-1"
    save(checkpoints, 3)
    assert [path.name for path in sorted(checkpoints.folder.iterdir())] == ["step-1", "step-3"]


@pytest.mark.parametrize("damage", ["altered", "file missing", "manifest missing", "manifest truncated"])
def test_a_damaged_one_is_passed_over_for_the_one_before(damage, tmp_path, caplog):
    checkpoints = Checkpoints(tmp_path, DEFINITION)
    save(checkpoints, 1, 2)
    newest = checkpoints.newest()
    if damage == "altered":
        (newest / "weights").write_text("weights of step 3")
    elif damage == "file missing":
        (newest / "weights").unlink()
    elif damage == "manifest missing":
        (newest / "manifest.json").unlink()
    else:
        (newest / "manifest.json").write_text('{"files": ')
    with caplog.at_level(logging.WARNING, logger="denseflow"):
        assert checkpoints.newest().name == "step-1"
    assert "is not whole and is passed over" in caplog.text


def test_those_of_another_definition_are_not_seen(tmp_path):
    save(Checkpoints(tmp_path, DEFINITION), 5)
    for other in ({**DEFINITION, "seed": 1}, {**DEFINITION, "recipe": {"learning_rate": 2e-5}}):
        assert Checkpoints(tmp_path, other).newest() is None
    reordered = {"recipe": DEFINITION["recipe"], "seed": 0}
    assert Checkpoints(tmp_path, reordered).newest() is not None


def test_one_that_was_moved_from_another_definition_is_passed_over(tmp_path):
    ours, theirs = Checkpoints(tmp_path, DEFINITION), Checkpoints(tmp_path, {"seed": 1})
    save(theirs, 5)
    theirs.folder.rename(ours.folder)
    assert ours.newest() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_a_second_sigterm_nothing_and_a_second_sigint_acts_as_before(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    with stop_on_signal() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal == number.name
        os.kill(os.getpid(), signal.SIGTERM)  # Slurm sends one for the job and one for its step
        assert stop.signal == number.name
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    assert {each: signal.getsignal(each) for each in before} == before


def test_whatever_a_training_depends_on_defines_it(tmp_path):
    (tmp_path / "file").write_text("one")
    plain = {"recipe": {"epochs": 1}, "contract": {"normalize": True}, "seed": 0, "precision": "fp32", "device": "cpu"}
    plain |= {"inputs": digests(base=tmp_path / "file", evaluation=None), "code": "a"}
    (tmp_path / "file").write_text("two")
    others = {"recipe": {"epochs": 2}, "contract": {"normalize": False}, "seed": 1, "precision": "bf16"}
    others |= {"device": "cuda:1", "inputs": digests(base=tmp_path / "file"), "code": "b"}
    assert others.keys() == plain.keys()
    keys = [Checkpoints(tmp_path, definition(**{**plain, name: value})).key for name, value in others.items()]
    keys += [Checkpoints(tmp_path, definition(**plain)).key for _ in range(2)]
    assert len(set(keys)) == len(others) + 1
    assert definition(**{**plain, "device": "cuda:0"}) == definition(**{**plain, "device": "cuda:1"})
