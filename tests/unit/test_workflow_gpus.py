"""The limit on GPUs: what was given, or what the machine has; told to jobs elsewhere."""

import pytest

from denseflow.workflow.gpus import LIMIT, gpu_limit


@pytest.mark.parametrize(("given", "local"), [(0, True), (0, False), (3, True), (3, False)])
def test_what_was_given_holds_and_reaches_a_job_on_another_machine(given, local):
    environment = {}
    assert gpu_limit(given, main=True, local=local, environment=environment) == given
    assert gpu_limit(None, main=False, local=True, environment=environment) == given


@pytest.mark.parametrize(("devices", "expected"), [(0, 1), (1, 1), (4, 4)])
def test_without_it_this_machine_starts_as_many_jobs_as_it_has_gpus(devices, expected, tmp_path):
    (tmp_path / "dev").mkdir()
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(devices))):
        (tmp_path / "dev" / name).touch()
    assert gpu_limit(None, main=True, local=True, environment={}, root=tmp_path) == expected


def test_a_cluster_has_no_limit_and_one_of_an_earlier_run_is_forgotten():
    environment = {LIMIT: "2"}
    assert gpu_limit(None, main=True, local=False, environment=environment) is None
    assert environment == {}
    assert gpu_limit(None, main=False, local=True, environment=environment) is None
