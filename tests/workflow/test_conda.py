"""The tiny experiment with `--sdm conda`: the project's own environments, from a channel in a folder.

The channel's `python` is the one that runs the tests, and pip is kept from every index; so a pin that differs from
what is installed here, and an environment that no solver takes, fails.
"""

import json
import shutil
from pathlib import Path

import pytest
from conda_channel import make_channel
from project_copy import PROJECT, Workflow
from stand_in_conda import lay_out

from denseflow.workflow.conda_pins import pin, pin_file

CONDA = ("--sdm", "conda")


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How to find a conda whose channels are in a folder, and a pip without an index."""
    folder = tmp_path_factory.mktemp("conda")
    alias = make_channel(folder / "channels")
    return {**lay_out(folder / "installation"), "CONDA_CHANNEL_ALIAS": alias, "PIP_NO_INDEX": "1"}


@pytest.fixture
def with_conda(workflow: Workflow, variables: dict[str, str]) -> Workflow:
    workflow.variables = variables
    return workflow


def ran_in(folder: Path) -> dict[str, list[str]]:
    """Which scripts ran with the `python` of an environment, by the folder of the environment."""
    return {
        found.parent.name: [Path(line).name.partition(".")[2] for line in found.read_text().splitlines()]
        for found in folder.glob(".snakemake/conda/*/ran.txt")
    }


def test_conda_on_or_off_and_which_builds_it_installs_rerun_nothing(with_conda):
    assert with_conda.planned(*CONDA) == {}
    assert with_conda.planned(*CONDA, "--config", "environments=gpu") == {}
    told = with_conda.make(*CONDA, "--dry-run", "--forcerun", "encode_queries", "--config", "environments=gpu")
    assert "envs/gpu/encode.yaml will be created" in told
    assert "envs/gpu/search.yaml will be created" in told
    assert "envs/evaluate.yaml will be created" in told


def test_jobs_run_in_activated_environments_and_without_them_nothing_runs_again(with_conda):
    with_conda.edit("config/experiments/tiny.yaml", "R@100", "R@50")
    before = with_conda.planned()
    assert set(before) == {"evaluate", "report", "model_card"}
    told = with_conda.make(*CONDA)
    assert told.count("Activating conda environment") == sum(before.values())
    ran = ran_in(with_conda.folder)
    assert sorted(name for names in ran.values() for name in names) == ["evaluate.py", "model_card.py", "report.py"]
    assert len(ran) == 2
    assert with_conda.planned() == {}
    assert with_conda.planned(*CONDA) == {}


def test_all_environments_are_made_with_the_versions_of_the_lock(with_conda):
    with_conda.make(*CONDA, "--conda-create-envs-only")
    made = [path for path in (with_conda.folder / ".snakemake/conda").glob("*/conda-meta") if path.is_dir()]
    assert len(made) == len(list((PROJECT / "envs").glob("*.yaml")))
    for folder in made:
        versions = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        assert {one["name"]: one["version"] for one in versions if one["name"] != "libffi"} == {
            "python": "3.11.9",
            "pip": "26.0",
        }


def test_a_pin_file_is_taken_and_the_pip_packages_are_installed_all_the_same(with_conda):
    environment = with_conda.folder / "envs/report.yaml"
    pin(environment, with_conda.variables["CONDA_CHANNEL_ALIAS"])
    assert with_conda.planned(*CONDA) == {}
    with_conda.edit("config/experiments/tiny.yaml", "gains: 3", "gains: 2")
    told = with_conda.make(*CONDA)
    assert f"Using pinnings from {pin_file(environment)}" in told
    assert "Trying regular environment definition file" not in told
    assert "Running post-deploy script" in told

    shutil.rmtree(with_conda.folder / ".snakemake/conda")
    script = environment.with_suffix(".post-deploy.sh")
    script.write_text(script.read_text().replace("jinja2==", "jinja2==0."))
    failed = with_conda.run(*CONDA, "--conda-create-envs-only")
    assert failed.returncode != 0
    assert "jinja2==0." in failed.stdout + failed.stderr
