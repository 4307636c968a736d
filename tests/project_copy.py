"""A copy of the project with a tiny experiment: numpy's documentation, a tiny random BERT, four training steps."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]
EXPERIMENT = {
    "evaluate_on": [{"dataset": "docs", "split": "test"}],
    "systems": {"bm25": {"bm25": {}}, "before": {"model": "tiny"}, "after": {"model": "tuned"}},
    "measures": ["nDCG@10", "R@100"],
    "depth": 100,
    "report": {"bootstrap_resamples": 200, "permutations": 200, "gains": 3},
}
FILES = {
    "config": {"experiments": ["tiny"]},
    "datasets/docs": {"source": {"type": "package_docs", "packages": {"numpy": version("numpy")}}},
    "negatives/mined": {"sources": [{"type": "bm25", "count": 2, "last_rank": 50}, {"type": "random", "count": 1}]},
    "models/tiny": {"pretrained": {"path": "tiny"}, "contract": {"query_max_length": 16, "passage_max_length": 32}},
    "models/tuned": {
        "trained": {
            "base": "tiny",
            "data": {"dataset": "docs", "negatives": "mined"},
            "recipe": {
                **{"batch_size": 8, "max_steps": 4, "learning_rate": 1.0e-4, "weight_decay": 0.01},
                "keep_models": {"every_steps": 3},
            },
        }
    },
    "experiments/tiny": EXPERIMENT,
}


def lay_out_own_configuration(folder: Path) -> None:
    """The project's own configuration in place of what ``folder`` has, and empty files and folders where it looks."""
    shutil.rmtree(folder / "config", ignore_errors=True)
    shutil.copytree(PROJECT / "config", folder / "config")
    for file in (folder / "config").rglob("*.yaml"):
        for place in _paths(yaml.safe_load(file.read_text(encoding="utf-8"))):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)


def _paths(value: object) -> Iterator[str]:
    """The values of `path` in a file of the configuration, but for those that could be downloaded."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        if isinstance(value.get("path"), str) and "url" not in value:
            yield value["path"]
        for part in value.values():
            yield from _paths(part)


class Workflow:
    """A copy of the project in a folder of its own, and Snakemake over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}
        for part in ("rules", "workflow_scripts", "envs", "profiles"):
            shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("Snakefile", "requirements.lock"):
            shutil.copy(PROJECT / file, folder)
        for name, value in FILES.items():
            self.write(name, value)

    def write(self, name: str, value: dict) -> None:
        path = self.folder / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200", **self.variables}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=900,
        )

    def make(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    def planned(self, *arguments: str) -> dict[str, int]:
        """The rules that a dry run would run, with how often, but for `all`."""
        text = self.make("--dry-run", *arguments)
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", text + "\n\n", re.DOTALL)
        if table is None:
            assert "Nothing to be done" in text, text
            return {}
        counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)", table.group(1), re.MULTILINE)}
        return {name: count for name, count in counts.items() if name not in ("all", "total")}
