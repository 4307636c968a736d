"""What the README tells a user to type works, and its tables are those that came out."""

import json
import re
import runpy
import shutil
import subprocess

import pytest
from project_copy import PROJECT, Workflow

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def block_after(heading: str) -> str:
    found = re.search(rf"## {re.escape(heading)}\n.*?```sh\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no commands under {heading!r}"
    return found.group(1)


@pytest.fixture
def project(tmp_path) -> Workflow:
    """A copy of the project, and a collection of three documents in BEIR's layout."""
    workflow = Workflow(tmp_path / "project")
    shutil.rmtree(workflow.folder / "config")
    shutil.copytree(PROJECT / "config", workflow.folder / "config")
    data = tmp_path / "data"
    (data / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "title": "", "text": f"a study of {n} fruit"} for n in range(3)]
    queries = [{"_id": f"q{n}", "text": f"{n} fruit"} for n in range(2)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for number, split in enumerate(("train", "test")):
        (data / f"qrels/{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\nq{number}\td{number}\t1\n")
    return workflow


def test_the_five_lines_for_one_s_own_data_give_a_plan_with_all_stages(project):
    *lines, last = block_after("Your own data").strip().split("\n")
    script = "\n".join(lines).replace("/my/folder", str(project.folder.parent / "data"))
    subprocess.run(["bash", "-euc", script], cwd=project.folder, check=True)
    planned = project.planned(*last.split()[last.split().index("--config") :])
    assert planned["train"] == 1
    assert planned["report"] == 1


UPDATE = runpy.run_path(str(PROJECT / "docs" / "update.py"))
TABLES = [
    (page, name)
    for page in UPDATE["PAGES"]
    for name in re.findall(r"<!-- table: (\S+) -->", page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "name"), TABLES, ids=[f"{page.name}-{name}" for page, name in TABLES])
def test_a_table_in_a_page_is_the_one_kept_in_docs_results(page, name):
    text = page.read_text(encoding="utf-8")
    kept = (PROJECT / "docs" / "results" / f"{name}.md").read_text(encoding="utf-8")
    assert UPDATE["with_table"](text, name, kept) == text, "run `python docs/update.py`"


@pytest.mark.parametrize("path", sorted((PROJECT / "docs" / "results").glob("*.md")), ids=lambda path: path.stem)
def test_each_kept_table_is_shown_or_linked_in_a_page(path):
    pages = [page.read_text(encoding="utf-8") for page in UPDATE["PAGES"]]
    assert any(f"<!-- table: {path.stem} -->" in page or f"results/{path.name}" in page for page in pages)


def test_every_file_that_the_readme_links_to_is_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (PROJECT / target).exists(), target
