"""A hundred experiments, some 1,600 jobs, to plan and never to run; and their results, pretended."""

import csv
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from project_copy import EXPERIMENT, FILES, Workflow

from denseflow.files import sha256, write_json
from denseflow.report.exports import as_tsv, table_frame
from denseflow.report.rows import Row

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn")
MINED = 5
SEEDS = 2

# Touching says to Snakemake that results are there and with which params; it waits a tenth of a second for each job.
_TOUCH = """
from snakemake.cli import main
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0
main(["--cores", "1", "--touch", "--quiet", "all"])
"""


def write_experiments(workflow: Workflow, count: int = 100) -> None:
    """Let ``workflow`` consist of ``count`` experiments, each with a model of its own, two seeds and two splits.

    They share a pretrained model, four collections and five ways to mine, which no one will look into.
    """
    weights = workflow.folder / "tiny" / "weights"
    weights.parent.mkdir(exist_ok=True)
    weights.write_text("none")
    for place, package in enumerate(PACKAGES):
        source = {"type": "package_docs", "packages": {package: version(package)}}
        workflow.write(f"datasets/docs{place}", {"source": source})
    for place in range(MINED):
        sources = [{"type": "bm25", "count": place + 1, "last_rank": 50}, {"type": "random", "count": 1}]
        workflow.write(f"negatives/mined{place}", {"sources": sources})
    trained = FILES["models/tuned"]["trained"]
    for number in range(count):
        dataset = f"docs{number % len(PACKAGES)}"
        data = {"dataset": dataset, "negatives": f"mined{number % MINED}"}
        recipe = {"batch_size": 8, "max_steps": 4, "learning_rate": (number + 1) * 1.0e-5}
        workflow.write(f"models/tuned{number}", {"trained": {**trained, "data": data, "recipe": recipe}})
        systems = {**EXPERIMENT["systems"], "after": {"model": f"tuned{number}"}}
        splits = [{"dataset": dataset, "split": split} for split in ("test", "train")]
        changed = {"evaluate_on": splits, "systems": systems, "seeds": list(range(SEEDS))}
        workflow.write(f"experiments/experiment{number}", {**EXPERIMENT, **changed})
    workflow.write("config", {"experiments": [f"experiment{number}" for number in range(count)]})


def pretend_finished(workflow: Workflow) -> None:
    """Lay down small files in the place of all results, and let Snakemake believe that it made them."""
    rules = {workflow.folder / row["output_file"]: row["rule"] for row in _outputs(workflow)}
    table = as_tsv(table_frame(_rows()))
    for file in rules:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("pretended")
        if file.name == "table.tsv":
            file.write_text(table)
    manifests: dict[Path, dict] = {file: {} for file in rules if file.name.endswith("manifest.json")}
    for file, rule in rules.items():
        manifest = next((place for place in _places(file) if rules.get(place) == rule), None)
        if manifest is not None and file not in manifests:
            name = str(file.relative_to(manifest.parent))
            manifests[manifest][name] = {"sha256": sha256(file), "bytes": file.stat().st_size}
    for manifest, files in manifests.items():
        write_json(manifest, {"files": files})
    subprocess.run(
        [sys.executable, "-c", _TOUCH], cwd=workflow.folder, env=workflow.environment(), capture_output=True, check=True
    )
    for manifest in manifests:  # it is the last of its files, as where a stage wrote it
        os.utime(manifest)


def _outputs(workflow: Workflow) -> list[dict[str, str]]:
    table = workflow.run("--summary").stdout
    return list(csv.DictReader(table[table.index("output_file\t") :].splitlines(), delimiter="\t"))


def _places(file: Path) -> list[Path]:
    """Where the manifest may be that lists a file."""
    return [file.with_suffix(".manifest.json"), *(folder / "manifest.json" for folder in file.parents[:2])]


def _rows() -> list[Row]:
    compared = {"difference": 0.01, "diff_low": 0.0, "diff_high": 0.02, "p": 0.04, "p_holm": 0.04, "verdict": "better"}
    return [
        Row("docs", split, "all", system, measure, 0.5, 0.4, 0.6, 0.01, SEEDS, queries=100, **more)
        for split in ("test", "train")
        for system, more in (("bm25", compared), ("before", {"verdict": "before"}), ("after", compared))
        for measure in EXPERIMENT["measures"]
    ]
