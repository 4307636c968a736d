"""Several processes train the model that one trains, are stopped as one, and end as one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import several_processes
import torch
from tiny_training import history, make_collection, run, same, weights

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.train.launch import torchrun_command
from denseflow.train.processes import Processes

CASES = {
    "plain": {"epochs": 4.0},
    "scored, separate, lora, GradCache and accumulation": {
        "epochs": 6.0,
        "accumulation": 2,
        "micro_batch": 2,
        "encoders": "separate",
        "weights": "lora",
        "lora": {"rank": 2, "alpha": 4.0, "dropout": 0.1},
        "evaluate": {"split": "dev", "measure": "nDCG@10", "every_steps": 4, "keep_best": True},
        "keep_models": {"every_steps": 5},
    },
    "cross-encoder": {"epochs": 4.0, "loss": {"name": "lce"}, "negatives_per_query": 2, "micro_batch": 32},
}
"""All take 12 steps, with dropout."""

LAUNCH = """
import json
import sys
from pathlib import Path
import several_processes
from denseflow.errors import DenseflowError
from denseflow.train.launch import launch
from denseflow.train.where import Where

function, arguments, work = sys.argv[1:]
arguments = json.loads(arguments)
for name in ("base", "training_file", "folder"):
    if name in arguments:
        arguments[name] = Path(arguments[name])
try:
    launch(getattr(several_processes, function), arguments, Where(), Path(work), processes=2)
except DenseflowError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    collection = make_collection(tmp_path_factory.mktemp("collection"))
    return {name: case | ({"evaluation": collection} if "evaluate" in case else {}) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def of_two(base, training_file, cases, tmp_path_factory, together):
    """The folder of what two processes trained, each case in one go and killed in between."""
    folder = tmp_path_factory.mktemp("of_two")
    arguments = {"base": base, "training_file": training_file, "folder": folder, "cases": cases}
    together(several_processes.train_each, arguments, folder / "launch")
    return folder


def difference(one, other):
    """The largest difference of weights; key biases have a gradient of rounding errors alone."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if not name.endswith("key.bias"))


def all_weights(out):
    from safetensors.torch import load_file

    files = sorted(out.rglob("*.safetensors"))
    return {f"{file.relative_to(out)}:{name}": part for file in files for name, part in load_file(file).items()}


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_the_model_of_one_and_write_the_same_history_and_manifest(
    name, base, training_file, cases, of_two, tmp_path
):
    one, two = run(base, training_file, tmp_path, **cases[name]), of_two / f"{name}.whole"
    assert difference(all_weights(one), all_weights(two)) < 1e-4
    assert [line.keys() for line in history(one)] == [line.keys() for line in history(two)]
    assert [line.get("loss") for line in history(one)] == pytest.approx(
        [line.get("loss") for line in history(two)], abs=1e-4
    )
    manifests = [read_manifest(out / "manifest.json") for out in (one, two)]
    for manifest in manifests:
        manifest["files"] = sorted(file["path"] if isinstance(file, dict) else file for file in manifest["files"])
        if manifest.get("evaluation"):
            manifest["evaluation"] = sorted(manifest["evaluation"])
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_killed_and_run_again_end_with_the_same_bits(name, of_two):
    assert same(all_weights(of_two / f"{name}.killed"), all_weights(of_two / f"{name}.whole"))
    kept = [
        [{key: value for key, value in line.items() if key != "sequences_per_second"} for line in history(folder)]
        for folder in (of_two / f"{name}.whole", of_two / f"{name}.killed")
    ]
    assert kept[0] == kept[1]


def start(function, arguments, work):
    tests = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tests), str(tests.parent / "workflow_scripts")])
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, function.__name__, json.dumps(arguments, default=str), str(work)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(pattern, folder, process):
    deadline = time.monotonic() + 120
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_told_to_stop_the_processes_keep_a_checkpoint_that_one_process_can_go_on_from(
    base, training_file, of_two, tmp_path
):
    changes = CASES["plain"] | {"checkpoint_steps": 3}
    arguments = {"base": base, "training_file": training_file, "folder": tmp_path, "changes": changes}
    process = start(several_processes.train_slowly, arguments, tmp_path / "work")
    wait_for("work/*/step-[3-9]", tmp_path, process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("training was stopped by SIGTERM after step")
    assert "Run the same command again" in last
    assert "Traceback" not in said
    step = int(last.split("after step ")[1].split()[0])
    assert list(tmp_path.glob(f"work/*/step-{step}"))
    out = run(base, training_file, tmp_path, **CASES["plain"])
    assert difference(weights(out), weights(of_two / "plain.whole")) < 1e-4


@pytest.mark.parametrize(
    ("rank", "how", "expected"),
    [
        (0, "told", "^there is no dev split to score on$"),
        (1, "unexpected", "^process 1 of 2 failed:\nTraceback .*RuntimeError: of all things\n$"),
        (1, "killed", "^process 1 of 2 was ended by SIGKILL; .*run.micro_batch.*it said last:.*the last words"),
    ],
)
def test_where_one_process_fails_all_end_and_its_reason_is_what_is_said(rank, how, expected, tmp_path, together, capfd):
    with pytest.raises(DenseflowError, match=f"(?s){expected}"):
        together(several_processes.fail, {"rank": rank, "how": how}, tmp_path)
    assert "Traceback" not in capfd.readouterr().err


def test_the_processes_end_when_the_launcher_is_killed(tmp_path):
    process = start(several_processes.wait, {"folder": tmp_path}, tmp_path / "work")
    wait_for("pid.0", tmp_path, process)
    wait_for("pid.1", tmp_path, process)
    process.kill()
    process.communicate()
    running = [int(path.read_text()) for path in tmp_path.glob("pid.*")]
    deadline = time.monotonic() + 30
    while any(map(is_alive, running)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_pieces_are_dealt_out_by_their_tokens_each_to_one_process():
    sizes = [900, 10, 20, 300, 300, 300, 10]
    shares = [Processes(rank, 3).share(sizes) for rank in range(3)]
    assert sorted(place for share in shares for place in share) == list(range(7))
    assert [sum(sizes[place] for place in share) for share in shares] == [900, 600, 340]
    assert Processes().share(sizes) == list(range(7))


def test_alone_nothing_is_sent():
    alone = Processes()
    parameter = torch.nn.Parameter(torch.ones(2))
    alone.sum_gradients([parameter])
    assert parameter.grad is None
    assert alone.agree([3, 4]) == [3, 4]


def command(nodes, environment, **changes):
    share = {"processes": 4, "threads": 8, "gpus": 4} | changes
    return torchrun_command(Path("/jobs/launch"), nodes=nodes, environment=environment, **share)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """SLURM's programs, of which one knows job 1234567 and the other what its list of machines stands for."""
    answers = {"squeue": ("--jobs=1234567", "gpu[07-08]"), "scontrol": ("gpu[07-08]", "gpu07\ngpu08")}
    for name, (asked, said) in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncase \"$*\" in *'{asked}'*) printf '{said}\\n';; esac\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


def test_on_one_machine_torchrun_starts_the_processes():
    started = command(1, {})
    assert started[1:4] == ["-m", "denseflow.train.torchrun", "/jobs/launch"]
    assert "--standalone" in started
    assert started[started.index("--nproc-per-node") + 1] == "4"
    assert started[-3:] == ["-m", "denseflow.train.worker", "/jobs/launch"]


@pytest.mark.parametrize("known", [{}, {"SLURM_JOB_NODELIST": "gpu[07-08]"}], ids=["by its number", "by its list"])
def test_on_several_machines_srun_starts_a_torchrun_on_each_which_meet_on_this_one(slurm, known):
    started = command(2, {"SLURM_JOB_ID": "1234567", **known})
    assert started[0] == "srun"
    options = set(started[: started.index(sys.executable)])
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=8", "--gpus-per-node=4"} < options
    assert started[started.index("--nnodes") + 1] == "2"
    assert started[started.index("--rdzv-endpoint") + 1] == f"{socket.gethostname()}:33967"
    assert started[started.index("--rdzv-id") + 1] == "1234567"


def test_on_several_machines_without_gpus_none_is_asked_for(slurm):
    started = command(2, {"SLURM_JOB_ID": "1234567"}, gpus=0, processes=1)
    assert not [option for option in started if "gpu" in option]


@pytest.mark.parametrize(
    "environment",
    [{}, {"SLURM_JOB_ID": "7"}, {"SLURM_JOB_ID": "1234567"}],
    ids=["none", "another job", "too few"],
)
def test_several_machines_that_slurm_has_not_assigned_are_refused(slurm, environment):
    with pytest.raises(DenseflowError, match=r"run.nodes: 3, but Slurm has assigned [02] machines"):
        command(3, environment)
