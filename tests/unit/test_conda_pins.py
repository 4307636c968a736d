"""Pin files of conda environments, made from a channel in a folder."""

import shutil
from pathlib import Path

import pytest
from conda_channel import PACKAGES, Package, make_channel

from denseflow.errors import DenseflowError
from denseflow.workflow.conda_pins import ENVIRONMENTS, disagreements, pin, pin_file

ALL = sorted(ENVIRONMENTS.glob("**/*.yaml"))


@pytest.fixture(scope="module")
def alias(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A copy of the environment of bm25, which has a post-deploy script of its own."""
    for file in (ENVIRONMENTS / "bm25.yaml", ENVIRONMENTS / "bm25.post-deploy.sh"):
        shutil.copy(file, tmp_path)
    return tmp_path / "bm25.yaml"


def test_a_pin_file_lists_each_package_by_url_and_md5_what_is_needed_first(environment, alias):
    lines = pin(environment, alias).read_text().splitlines()
    assert lines[2] == "@EXPLICIT"
    assert [line.rpartition("/")[2].partition("#")[0] for line in lines[3:]] == [
        *("libffi-3.4.6-0.tar.bz2", "python-3.11.9-0.tar.bz2", "pip-26.0-0.tar.bz2"),
    ]
    assert all(len(line.partition("#")[2]) == 32 for line in lines[3:])


def test_the_pip_section_goes_before_what_the_post_deploy_script_does_and_only_once(environment, alias):
    script = environment.with_suffix(".post-deploy.sh")
    own = script.read_text()
    for _ in range(2):
        pin(environment, alias)
        made = script.read_text()
        assert made.endswith(own)
        assert made.count("pip install pyjnius==") == 1
        assert made.splitlines()[1] == "set -e"


@pytest.mark.parametrize("file", ALL, ids=lambda path: str(path.relative_to(ENVIRONMENTS)))
def test_a_solver_takes_every_environment_file(file, alias, tmp_path):
    copy = Path(shutil.copy(file, tmp_path))
    pin(copy, alias)
    assert disagreements(copy) == []


def test_the_pin_files_that_are_there_agree_with_their_environments():
    assert {file: disagreements(file) for file in ALL if pin_file(file).is_file() and disagreements(file)} == {}


def test_a_pin_file_that_was_left_behind_is_noticed(environment, alias):
    pin(environment, alias)
    text = environment.read_text()
    environment.write_text(text.replace("python=3.11", "python=3.12").replace("pyjnius==1.9.0", "pyjnius==1.9.1"))
    assert disagreements(environment) == [
        "python: 3.11.9 instead of 3.12",
        "bm25.post-deploy.sh: does not install the pip section",
    ]


def test_a_channel_that_cannot_be_reached_is_an_error_and_writes_nothing(environment, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        DenseflowError, match=r"(?s)bm25\.yaml: cannot be pinned from conda-forge at .*--channel-alias URL"
    ):
        pin(environment, (tmp_path / "nowhere").as_uri())
    assert sorted(tmp_path.iterdir()) == before


def test_a_channel_without_the_version_is_an_error(environment, tmp_path):
    alias = make_channel(tmp_path / "old", [*PACKAGES[:2], Package("pip", "25.0", ("python",))])
    with pytest.raises(DenseflowError, match="pip"):
        pin(environment, alias)
