"""The tiny experiment with `--sdm conda`: the project's own environments, from a channel in a folder.

The channel's `python` is the one that runs the tests, and pip is kept from every index; so a pin that differs from
what is installed here, and an environment that no solver takes, fails.
"""

import json
from collections.abc import Iterator
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
    return {
        **lay_out(folder / "installation"),
        "CONDA_CHANNEL_ALIAS": alias,
        "PIP_NO_INDEX": "1",
        "SNAKEMAKE_CONDA_PREFIX": str(folder / "environments"),  # made once for all tests
    }


@pytest.fixture
def with_conda(workflow: Workflow, variables: dict[str, str]) -> Iterator[Workflow]:
    workflow.variables = variables
    yield workflow
    workflow.variables = {}


@pytest.fixture
def environments(variables: dict[str, str]) -> Path:
    """Where Snakemake makes the environments."""
    return Path(variables["SNAKEMAKE_CONDA_PREFIX"])


def test_conda_on_or_off_and_which_builds_it_installs_rerun_nothing(with_conda):
    assert with_conda.planned(*CONDA) == {}
    assert with_conda.planned(*CONDA, "--config", "environments=gpu") == {}
    told = with_conda.make(*CONDA, "--dry-run", "--forcerun", "encode_queries", "--config", "environments=gpu")
    assert "envs/gpu/encode.yaml will be created" in told
    assert "envs/gpu/search.yaml will be created" in told
    assert "envs/evaluate.yaml will be created" in told


def test_every_environment_is_made_and_jobs_run_inside_them(with_conda, environments):
    with_conda.edit("config/experiments/tiny.yaml", "R@100", "R@50")
    before = with_conda.planned()
    assert {"evaluate", "report", "model_card"} <= before.keys()
    told = with_conda.make(*CONDA)
    assert "Activating conda environment" in told
    ran = [path.read_text().splitlines() for path in environments.glob("*/ran.txt")]
    scripts = [{Path(line).name.partition(".")[2].removesuffix(".py") for line in lines} for lines in ran]
    assert set().union(*scripts) == before.keys()
    assert not any({"evaluate", "report"} <= together for together in scripts)
    assert with_conda.planned() == {}
    assert with_conda.planned(*CONDA) == {}

    made = [path.parent for path in environments.glob("*/conda-meta")]
    assert len(made) == len(list((PROJECT / "envs").glob("*.yaml")))
    for folder in made:
        packages = [json.loads(path.read_text()) for path in (folder / "conda-meta").glob("*.json")]
        found = {package["name"]: package["version"] for package in packages}
        assert found == {"libffi": "3.4.6", "python": "3.11.9", "pip": "26.0"}


def test_a_pin_file_is_taken_and_the_pip_packages_are_installed_all_the_same(with_conda):
    environment = with_conda.folder / "envs/report.yaml"
    pin(environment, with_conda.variables["CONDA_CHANNEL_ALIAS"])
    assert with_conda.planned(*CONDA) == {}
    told = with_conda.make(*CONDA, "--conda-create-envs-only")
    assert f"{pin_file(environment).name}." in told
    assert "Using pinnings from" in told
    assert "Trying regular environment definition file" not in told
    assert "Running post-deploy script" in told

    script = environment.with_suffix(".post-deploy.sh")
    script.write_text(script.read_text().replace("jinja2==", "jinja2==0."))
    failed = with_conda.run(*CONDA, "--conda-create-envs-only")
    assert failed.returncode != 0
    assert "jinja2==0." in failed.stdout + failed.stderr
