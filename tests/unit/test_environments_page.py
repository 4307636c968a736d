"""What docs/environments.md shows is a configuration that works, with the versions that are pinned."""

import re
from pathlib import Path

import yaml

from denseflow.config.load import check
from denseflow.config.workflow import Workflow
from denseflow.workflow.fingerprint import pins

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs/environments.md").read_text(encoding="utf-8")


def test_the_setting_that_the_page_shows_is_accepted():
    (snippet,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert check(Workflow, yaml.safe_load(snippet), "docs/environments.md").environments == "gpu"


def test_the_page_names_the_versions_that_are_pinned():
    torch, faiss = re.findall(r"\| torch ([\d.]+) \| FAISS ([\d.]+) \|", PAGE)[0]
    assert f"torch=={torch}" in pins(PROJECT / "envs/train.yaml")
    assert {f"faiss-cpu=={faiss}"} <= {*pins(PROJECT / "envs/search.yaml"), *pins(PROJECT / "envs/train.yaml")}


def test_the_page_names_the_stages_that_have_a_gpu_environment():
    named = re.findall(r"`envs/gpu/` has the stages that use a GPU \(([\w, ]+)\)", PAGE)[0].split(", ")
    assert sorted(named) == sorted(path.stem for path in (PROJECT / "envs/gpu").glob("*.yaml"))
