"""What the workflow costs beside the work: jobs against calls of the same functions in one process; and plans.

    python benchmarks/overhead.py [--rounds 3] [--experiments 100] [--json overhead.json]

The tiny experiment of the tests runs as a workflow, one job at a time, and then as one process that runs the same
scripts with the same arguments in the same order; both make the same files, which is checked. Then a hundred
experiments are planned, of which nothing is there (dry run) or all (no-op run), pretended for the purpose.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "workflow_scripts"), str(PROJECT / "tests")]

SCRIPTS = Path(".snakemake/scripts")
PREAMBLE_END = "######## snakemake preamble end #########\n"


def main() -> None:
    """Measure, or be the one process that runs all scripts of a finished workflow anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--experiments", type=int, default=100, help="to plan; 0: none")
    parser.add_argument("--json", type=Path, help="a file for all that was measured")
    parser.add_argument("--one-process", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_process is not None:
        _run_scripts(options.one_process)
        return
    measured: dict[str, Any] = {}
    if options.rounds:
        measured["tiny"] = _compare(options.rounds)
    if options.experiments:
        measured["plans"] = _plan(options.experiments, max(options.rounds, 1))
    if options.json is not None:
        options.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


def _compare(rounds: int) -> dict[str, Any]:
    """The tiny experiment, both ways in turn; the first workflow, which finds cold files, does not count."""
    from project_copy import Workflow
    from tiny import make_tiny_model

    with tempfile.TemporaryDirectory() as temporary:
        workflow = Workflow(Path(temporary) / "project")
        make_tiny_model(workflow.folder / "tiny")
        whole = [*workflow.command("--cores", "1", "--skip-script-cleanup")]
        alone = [sys.executable, str(Path(__file__).resolve()), "--one-process", str(workflow.folder)]
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "workflow": lambda: _from_nothing(workflow, whole),
            "one_process": lambda: _timed(workflow, alone),
        }
        ways["workflow"]()
        made = _made(workflow.folder)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for number in range(rounds):
            for name in sorted(ways, reverse=number % 2 == 0):
                found[name].append(ways[name]())
                if _made(workflow.folder) != made:
                    sys.exit(f"{name} did not make the same files")
        jobs = len(list((workflow.folder / SCRIPTS).iterdir()))
        imports = _imports(workflow, rounds)
    pairs = list(zip(found["workflow"], found["one_process"], strict=True))
    summary = {"jobs": jobs, "runs": found, "imports": imports}
    for unit in ("wall", "cpu"):
        ratios = [whole[unit] / alone[unit] for whole, alone in pairs]
        per_job = [(whole[unit] - alone[unit]) / jobs for whole, alone in pairs]
        summary[unit] = {"ratio": statistics.median(ratios), "overhead_per_job": statistics.median(per_job)}
        print(
            f"{unit:4} workflow / one process {statistics.median(ratios):.2f}, from {min(ratios):.2f} to "
            f"{max(ratios):.2f}; {statistics.median(per_job):.2f} s a job, of {jobs} jobs"
        )
    for script, seconds in imports.items():
        print(f"     {script:18} {seconds:5.2f} s of CPU to import what it needs")
    return summary


def _from_nothing(workflow: Any, command: list[str]) -> dict[str, float]:
    for folder in ("results", ".snakemake"):
        shutil.rmtree(workflow.folder / folder, ignore_errors=True)
    return _timed(workflow, command)


def _run_scripts(folder: Path) -> None:
    """Run the scripts that Snakemake kept, with the arguments that it wrote into them, in their order."""
    os.chdir(folder)
    shutil.rmtree("results")
    for script in sorted(SCRIPTS.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        preamble, _, rest = script.read_text(encoding="utf-8").partition(PREAMBLE_END)
        names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
        exec(compile(preamble, str(script), "exec"), names)
        for file in (*names["snakemake"].output, *names["snakemake"].log):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        exec(compile(rest, str(script), "exec"), names)


def _made(folder: Path) -> dict[str, str]:
    """The manifests of all results, but for those of Lucene's indexes, in which each segment has a random name."""
    manifests = (folder / "results").rglob("*manifest.json")
    return {str(path): path.read_text() for path in manifests if not path.parent.name.startswith("index-")}


def _imports(workflow: Any, rounds: int) -> dict[str, float]:
    """The seconds of CPU that a new process takes to start and to import what each script names."""
    found = {}
    for script in sorted((workflow.folder / "workflow_scripts").glob("*.py")):
        statements = script.read_text().partition("\nwith stage_log(")[0]
        runs = [
            _timed(workflow, [sys.executable, "-c", f"import sys; sys.path[:0] = ['workflow_scripts']\n{statements}"])
            for _ in range(rounds)
        ]
        found[script.stem] = statistics.median(run["cpu"] for run in runs)
    return found


def _plan(count: int, rounds: int) -> dict[str, Any]:
    """A dry run where nothing is there, and a no-op run where all is."""
    from hundred_experiments import pretend_finished, write_experiments
    from project_copy import Workflow

    with tempfile.TemporaryDirectory() as temporary:
        workflow = Workflow(Path(temporary) / "project")
        write_experiments(workflow, count)
        jobs = sum(workflow.planned().values())
        runs = {"dry_run": [_timed(workflow, workflow.command("--dry-run")) for _ in range(rounds)]}
        pretend_finished(workflow)
        if workflow.planned():
            sys.exit("something is left to do where all was pretended to be done")
        runs["no_op"] = [_timed(workflow, workflow.command()) for _ in range(rounds)]
    for name, found in runs.items():
        wall, cpu = (statistics.median(run[unit] for run in found) for unit in ("wall", "cpu"))
        print(f"{name:7} of {count} experiments, {jobs} jobs: {wall:.1f} s, {cpu:.1f} s of CPU")
    return {"experiments": count, "jobs": jobs, "runs": runs}


def _timed(workflow: Any, command: list[str]) -> dict[str, float]:
    """The seconds that a command takes in the project's folder, and those of CPU of it and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=workflow.folder, env=workflow.environment(), capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
    return {"wall": wall, "cpu": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime}


if __name__ == "__main__":
    main()
