"""The pins of pip and of conda are the same, and each stage's environment holds what its scripts import."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.workflow.fingerprint import fingerprint, pins, reached_modules
from denseflow.workflow.graph import Graph

PROJECT = Path(__file__).resolve().parents[2]
STAGES = ("dataset", "bm25", "negatives", "train", "encode", "search", "evaluate", "report")
GPU_STAGES = tuple(path.stem for path in sorted((PROJECT / "envs/gpu").glob("*.yaml")))
RULE = re.compile(
    r'conda:\s+(?:"\.\./envs/(\w+)\.yaml"|graph\.environment\("(\w+)"\))'
    r'.*?script:\s+"\.\./workflow_scripts/(\w+)\.py"',
    re.DOTALL,
)


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
    found = [one for file in sorted((PROJECT / "rules").glob("*.smk")) for one in RULE.findall(file.read_text())]
    return [(always or variant, script) for always, variant, script in found]


def builds(file: str) -> list[str]:
    """What pip is told in an environment file beside the pins."""
    dependencies = yaml.safe_load((PROJECT / "envs" / file).read_text())["dependencies"]
    return [line for line in dependencies[-1]["pip"] if line.startswith("-")]


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


@pytest.mark.parametrize("stage", GPU_STAGES)
def test_a_gpu_environment_has_the_versions_of_the_plain_one_in_other_builds(stage):
    plain = {pin.replace("faiss-cpu", "faiss-gpu") for pin in pins(PROJECT / f"envs/{stage}.yaml")}
    both = set(pins(PROJECT / f"envs/gpu/{stage}.yaml"))
    if stage == "train":  # searches on the CPU while it trains
        both = {pin.replace("faiss-cpu", "faiss-gpu") for pin in both}
    assert {pin for pin in both if not pin.startswith("nvidia-")} == plain


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_needs_torch_or_faiss_on_a_gpu_has_a_gpu_environment_and_its_rules_take_it(stage):
    direct = [file for file in (PROJECT / "rules").glob("*.smk") if f'"../envs/{stage}.yaml"' in file.read_text()]
    assert not (direct and stage in GPU_STAGES)
    computes = any(pin.startswith(("torch==", "faiss-")) for pin in pins(PROJECT / f"envs/{stage}.yaml"))
    assert computes == (stage in GPU_STAGES)


@pytest.mark.parametrize("stage", ["train", "encode"])
def test_torch_is_taken_without_cuda_but_in_a_gpu_environment(stage):
    assert builds(f"{stage}.yaml") == ["--extra-index-url https://download.pytorch.org/whl/cpu"]
    assert builds(f"gpu/{stage}.yaml") == ["--extra-index-url https://download.pytorch.org/whl/cu126"]


def test_pip_takes_the_same_builds_for_a_gpu():
    lines = (PROJECT / "requirements-gpu.txt").read_text().splitlines()
    pip_options = [line for line in lines if line.startswith("-")]
    pinned = {line.split("#")[0].strip() for line in lines if line and line[0] not in "#-"}
    assert pip_options == builds("gpu/train.yaml")
    lock = {f"{name}=={version}".replace("faiss-cpu", "faiss-gpu") for name, version in locked().items()}
    assert pinned == {pin for pin in lock if pin.startswith(("torch==", "faiss-gpu=="))}


def test_which_builds_are_taken_changes_no_fingerprint():
    script, environment = PROJECT / "workflow_scripts/search.py", PROJECT / "envs/search.yaml"
    configuration = {"experiments": ["quickstart"]}
    registries = [Registry({**configuration, "environments": one}, PROJECT / "config") for one in ("cpu", "gpu")]
    graphs = [Graph(registry, PROJECT) for registry in registries]
    assert [graph.environment("search") for graph in graphs] == ["../envs/search.yaml", "../envs/gpu/search.yaml"]
    assert {graph.environment("report") for graph in graphs} == {"../envs/report.yaml"}
    assert {graph.code("search", "search") for graph in graphs} == {fingerprint(script, environment)}


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
