"""Which device a job gets, and that two jobs never share one; with made-up facts, so that no GPU is needed."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from denseflow import device, leases
from denseflow.device import Facts, choose_device, find_facts, lease_gpus, make_deterministic, set_threads
from denseflow.errors import DenseflowError
from denseflow.leases import RUN, lease

GPU = Facts(hardware=["/dev/nvidia0"], devices=["uuid-a", "uuid-b"], torch_cuda="12.8")
PACKAGE = Path(device.__file__).parents[1]


def hold_lease(folder: Path) -> subprocess.Popen[str]:
    """A process that leases uuid-a and holds it until it is killed."""
    code = (
        "from pathlib import Path; from denseflow.leases import lease; import sys, time;"
        "print(lease(['uuid-a'], Path(sys.argv[1])), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "[0]\n"
    return process


def test_without_a_grant_the_cpu_is_used_even_where_there_is_a_gpu():
    assert choose_device(0, facts=GPU, environment={}) == "cpu"


def test_a_granted_gpu_is_used_and_becomes_the_only_one_seen(tmp_path):
    environment: dict[str, str] = {}
    assert choose_device(1, facts=GPU, environment=environment, leases=tmp_path) == "cuda"
    assert environment == {"CUDA_VISIBLE_DEVICES": "0"}


def test_the_only_gpu_seen_is_one_of_those_that_the_scheduler_assigned(tmp_path):
    environment = {"CUDA_VISIBLE_DEVICES": "3,5"}
    lease(["uuid-a"], tmp_path)
    assert choose_device(1, facts=GPU, environment=environment, leases=tmp_path) == "cuda"
    assert environment == {"CUDA_VISIBLE_DEVICES": "5"}


def test_a_grant_on_a_machine_without_a_gpu_is_said_loudly_once_and_uses_the_cpu(caplog):
    with caplog.at_level(logging.WARNING, logger="denseflow"):
        assert choose_device(1, facts=Facts(reason="no driver"), environment={}) == "cpu"
    assert [record.message.split(":")[0] for record in caplog.records] == ["NO GPU"]


def test_of_the_jobs_of_one_run_only_the_first_is_loud_about_it(caplog, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with caplog.at_level(logging.INFO, logger="denseflow"):
        for run in ("1", "1", "2"):
            choose_device(1, facts=Facts(), environment={RUN: run})
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


def test_the_notes_of_runs_of_long_ago_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for run in ("1", "2"):
        choose_device(1, facts=Facts(), environment={RUN: run})
    (first,) = tmp_path.glob("*/1-no-gpu")
    os.utime(first, (0, 0))
    choose_device(1, facts=Facts(), environment={RUN: "3"})
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["2-no-gpu", "3-no-gpu"]


def test_where_no_note_can_be_made_it_is_said_each_time(caplog, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    for _ in range(2):
        choose_device(1, facts=Facts(), environment={RUN: "1"})
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


@pytest.mark.parametrize(
    "facts",
    [
        Facts(hardware=["/dev/nvidia0"], torch_cuda=None, reason="Torch not compiled with CUDA enabled"),
        Facts(assigned={"SLURM_JOB_GPUS": "1"}, torch_cuda=None, reason="Torch not compiled with CUDA enabled"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_an_error_that_says_why(facts):
    with pytest.raises(DenseflowError, match="is a build without CUDA; it says: Torch not compiled") as caught:
        choose_device(1, facts=facts, environment={})
    assert (*facts.hardware, "SLURM_JOB_GPUS=1")[0] in str(caught.value)
    assert "--resources gpu=0" in str(caught.value)


def test_a_torch_for_another_cuda_than_the_drivers_is_named_with_its_version():
    facts = Facts(hardware=["/dev/nvidia0"], torch_cuda="13.0", reason="The NVIDIA driver on your system is too old")
    with pytest.raises(DenseflowError, match=r"is built for CUDA 13\.0; it says: The NVIDIA driver .* too old"):
        choose_device(1, facts=facts, environment={})


def test_a_gpu_is_found_by_the_drivers_files(tmp_path):
    assert find_facts({}, tmp_path).hardware == []
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    assert [Path(path).name for path in find_facts({}, tmp_path).hardware] == ["nvidia0", "0000:01:00.0"]


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_a_variable_that_names_no_gpu_is_no_assignment(tmp_path, value):
    assert find_facts({"CUDA_VISIBLE_DEVICES": value}, tmp_path).assigned == {}


@pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS"])
def test_a_variable_that_names_a_gpu_is_an_assignment(tmp_path, name):
    assert find_facts({name: "0"}, tmp_path).assigned == {name: "0"}


def test_an_empty_variable_that_hides_the_gpus_is_named_in_the_reason(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("needs a machine where torch has no CUDA device")
    assert "CUDA_VISIBLE_DEVICES='' hides every GPU" in find_facts({"CUDA_VISIBLE_DEVICES": ""}, tmp_path).reason


def test_two_leases_never_share_a_device(tmp_path):
    assert [lease(["uuid-a", "uuid-b"], tmp_path), lease(["uuid-a", "uuid-b"], tmp_path)] == [[0], [1]]


def test_jobs_with_different_temporary_folders_meet_in_one_folder_of_leases(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SHARED", (tmp_path / "missing", tmp_path))
    folders = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
        folders.add(leases.shared_folder())
        environment: dict[str, str] = {}
        lease_gpus(1, facts=GPU, environment=environment)
        assert environment["CUDA_VISIBLE_DEVICES"] == ("0" if name == "one" else "1")
    assert folders == {tmp_path / "denseflow-gpus"}


def test_where_no_folder_is_shared_leases_are_in_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SHARED", (tmp_path / "missing",))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert leases.shared_folder() == tmp_path / "denseflow-gpus"


def test_a_lease_waits_for_a_device_in_use_until_its_process_is_killed(tmp_path):
    holder = hold_lease(tmp_path)
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 2:
            holder.send_signal(signal.SIGKILL)
            holder.wait()

    assert lease(["uuid-a"], tmp_path, wait=wait) == [0]
    assert waits == 2


def test_several_granted_gpus_are_leased_together_and_are_the_only_ones_seen(tmp_path):
    facts = Facts(devices=["uuid-a", "uuid-b", "uuid-c"])
    lease(["uuid-b"], tmp_path)
    environment = {"CUDA_VISIBLE_DEVICES": "4,5,6"}
    assert lease_gpus(2, facts=facts, environment=environment, leases=tmp_path) == 2
    assert environment == {"CUDA_VISIBLE_DEVICES": "4,6"}


def test_more_granted_gpus_than_there_are_means_all_of_them_and_a_warning(tmp_path, caplog):
    assert lease_gpus(3, facts=GPU, environment={}, leases=tmp_path) == 2
    assert "3 GPUs were granted, and 2 can be used" in caplog.text


def test_while_too_few_gpus_are_free_none_is_held(tmp_path):
    holder = hold_lease(tmp_path)

    def wait(seconds: float) -> None:
        handle = leases._try_lock(tmp_path / "uuid-b.lock")
        assert handle is not None  # free for a job that needs one only
        os.close(handle)
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    assert lease(["uuid-a", "uuid-b"], tmp_path, 2, wait=wait) == [0, 1]


def test_the_number_of_threads_is_the_one_given(monkeypatch):
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    before = torch.get_num_threads()
    try:
        set_threads(before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        set_threads(before)


def test_determinism_is_asked_of_torch_and_of_cublas(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        make_deterministic()
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
