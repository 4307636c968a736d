"""The pins of pip and of conda are the same, and each stage's environment holds what its scripts import."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from denseflow.workflow.fingerprint import pins, reached_modules

PROJECT = Path(__file__).resolve().parents[2]
STAGES = ("dataset", "bm25", "negatives", "train", "encode", "search", "evaluate", "report")
RULE = re.compile(r'conda:\s+"\.\./envs/(\w+)\.yaml".*?script:\s+"\.\./workflow_scripts/(\w+)\.py"', re.DOTALL)


def requirements(*files: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for file in files for line in (PROJECT / file).read_text().splitlines()]
    return dict(line.split("==") for line in lines if line)


def locked() -> dict[str, str]:
    return requirements("requirements.lock", "requirements-pyserini.txt")


def imported(script: Path) -> set[str]:
    """The third-party distributions that a script and the modules it reaches import."""
    names: set[str] = set()
    for path in [script, *reached_modules(script).values()]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    names -= {*sys.stdlib_module_names, "denseflow"}
    distributions = packages_distributions()
    return {distributions[name][0].lower().replace("_", "-") for name in names}


def rules() -> list[tuple[str, str]]:
    return [pair for file in sorted((PROJECT / "rules").glob("*.smk")) for pair in RULE.findall(file.read_text())]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_rule_file_its_package_folder_and_its_environment(stage):
    assert (PROJECT / f"rules/{stage}.smk").is_file()
    assert (PROJECT / f"workflow_scripts/denseflow/{stage}").is_dir()
    assert (PROJECT / f"envs/{stage}.yaml").is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_an_environment_has_the_versions_of_the_pip_lock(stage):
    pinned = dict(pin.split("==") for pin in pins(PROJECT / f"envs/{stage}.yaml"))
    assert pinned
    lock = {**locked(), "python": "3.11", "pip": pinned["pip"]}
    assert pinned == {name: lock[name] for name in pinned}


@pytest.mark.parametrize(("stage", "script"), rules())
def test_an_environment_holds_what_its_script_imports(stage, script):
    pinned = {pin.split("==")[0] for pin in pins(PROJECT / f"envs/{stage}.yaml")}
    assert imported(PROJECT / f"workflow_scripts/{script}.py") <= pinned


def test_every_script_belongs_to_a_rule():
    scripts = {path.stem for path in (PROJECT / "workflow_scripts").glob("*.py")}
    assert scripts == {script for _, script in rules()}


def test_the_lock_holds_the_requirements_at_their_versions():
    for wanted, lock in (("requirements.in", "requirements.lock"), ("requirements-dev.in", "requirements-dev.lock")):
        assert requirements(wanted).items() <= requirements(lock).items()


@pytest.mark.parametrize("file", ["requirements.in", "requirements-dev.in"])
def test_every_requirement_says_why_it_is_there(file):
    lines = (PROJECT / file).read_text().splitlines()
    assert all("#" in line for line in lines if line)
