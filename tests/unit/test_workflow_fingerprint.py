"""A rule's fingerprint follows what its script reaches, and what is pinned, and nothing else."""

from pathlib import Path

import pytest

from denseflow.workflow import fingerprint as module
from denseflow.workflow.fingerprint import fingerprint, pins, reached_modules

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((PROJECT / "workflow_scripts").glob("*.py"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A script that reaches one module through another, one that nothing reaches, and an environment."""
    package = tmp_path / "denseflow"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text('"""Package."""\n')
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "near.py").write_text("def f():\n    from denseflow import far\n    return far.g()\n")
    (package / "far.py").write_text('def g():\n    """Say it."""\n    return 1  # one\n')
    (package / "other.py").write_text("x = 1\n")
    for folder in ("inner", "unused"):
        (package / folder / "templates").mkdir(parents=True)
        (package / folder / "templates" / "page.html").write_text("<p>\n")
    (tmp_path / "script.py").write_text("from denseflow.inner.near import f\nf()\n")
    (tmp_path / "env.yaml").write_text("dependencies: [python=3.11, {pip: [torch==2.13.0]}]\n")
    return tmp_path


def of(project: Path) -> str:
    for cached in (fingerprint, pins, module._module, module._templates):
        cached.cache_clear()
    return fingerprint(project / "script.py", project / "env.yaml")


def test_modules_reached_through_others_and_inside_functions_are_found(project):
    assert set(reached_modules(project / "script.py")) == {
        "denseflow", "denseflow.inner", "denseflow.inner.near", "denseflow.far",
    }  # fmt: skip


def test_what_only_says_how_and_where_a_step_ran_is_no_part_of_it(project):
    for name in ("stage_log", "machine"):
        (project / "denseflow" / f"{name}.py").write_text("from denseflow import other\n")
    (project / "script.py").write_text("from denseflow.inner.near import f\nfrom denseflow import stage_log\nf()\n")
    before = of(project)
    (project / "denseflow" / "stage_log.py").write_text("from denseflow import machine\n")
    assert of(project) == before


def test_modules_that_a_rule_does_not_use_are_left_out_with_what_only_they_reach(project):
    (project / "script.py").write_text("from denseflow import other\nfrom denseflow.inner.near import f\nf()\n")
    assert set(reached_modules(project / "script.py", ("denseflow.inner.near",))) == {
        "denseflow", "denseflow.other",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("denseflow/far.py", "return 1", "return 2"),
        ("denseflow/inner/near.py", "far.g()", "far.g() + 1"),
        ("denseflow/inner/__init__.py", "", "x = 1\n"),
        ("denseflow/inner/templates/page.html", "<p>", "<b>"),
        ("script.py", "f()\n", "f(); f()\n"),
        ("env.yaml", "2.13.0", "2.13.1"),
    ],
)
def test_an_edited_module_script_or_pin_changes_the_fingerprint(project, file, old, new):
    before = of(project)
    path = project / file
    path.write_text(path.read_text().replace(old, new) if old else new)
    assert of(project) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("denseflow/far.py", "# one", "# the number one"),
        ("denseflow/far.py", "Say it.", "Say the number."),
        ("denseflow/far.py", "return 1", "return  1"),
        ("denseflow/other.py", "x = 1", "x = 2"),
        ("denseflow/unused/templates/page.html", "<p>", "<b>"),
        ("env.yaml", "torch==", "torch=="),
    ],
)
def test_a_comment_a_docstring_a_space_or_an_unreached_module_does_not(project, file, old, new):
    before = of(project)
    path = project / file
    path.write_text(path.read_text().replace(old, new))
    assert of(project) == before


def test_a_pin_counts_the_same_from_conda_and_from_pip(project):
    pinned = pins(project / "env.yaml")
    pins.cache_clear()
    (project / "env.yaml").write_text("dependencies: [python=3.11, torch=2.13.0]\n")
    assert pins(project / "env.yaml") == pinned


def test_the_index_a_pin_file_and_a_pin_told_twice_do_not_count(project):
    pinned = pins(project / "env.yaml")
    pins.cache_clear()
    (project / "env.yaml").write_text(
        "dependencies: [python=3.11, {pip: [--extra-index-url https://example.org/cpu, torch==2.13.0]}]\n"
    )
    (project / "env.post-deploy.sh").write_text("pip install torch==2.13.0\n")
    (project / "env.linux-64.pin.txt").write_text("@EXPLICIT\nhttps://example.org/linux-64/python-3.11.9-0.conda\n")
    assert pins(project / "env.yaml") == pinned


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_no_stage_reaches_the_configuration_or_the_workflow(script):
    reached = reached_modules(script)
    assert not [name for name in reached if name.startswith(("denseflow.config", "denseflow.workflow"))]
    assert not [name for name, path in reached.items() if "import snakemake" in path.read_text(encoding="utf-8")]


def test_evaluating_and_reporting_reach_no_training_code():
    for script in ("evaluate", "report", "search"):
        reached = reached_modules(PROJECT / "workflow_scripts" / f"{script}.py")
        assert not [name for name in reached if name.startswith(("denseflow.train", "denseflow.encode"))]
