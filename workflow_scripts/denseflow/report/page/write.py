"""The page of an experiment, put together from the report, the runs, the trainings' logs and the steps' manifests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from denseflow.files import read_lines, write_text
from denseflow.manifest import NAME, read_manifest
from denseflow.negatives.audit_text import source_name
from denseflow.report import words
from denseflow.report.commit import commit
from denseflow.report.page import charts, forms
from denseflow.report.page.costs import Cost, find_costs
from denseflow.report.page.data import find_collections
from denseflow.report.page.queries import query_data
from denseflow.report.page.render import render
from denseflow.report.page.steps import STAGES, Step, direct_links, layers, read_steps
from denseflow.report.page.training import find_trainings, read_curves, read_kept
from denseflow.report.page.usage import FORMULA
from denseflow.report.rows import ALL, Row, over, read_rows

PAGE = "report.html"
_AUDIT = "audit.json"
_HEADLINES = 6


@dataclass(frozen=True)
class Sources:
    """What a page is made from.

    Attributes:
        report: The report's manifest, beside report.json and table.tsv; that of the table of similarity, beside
            similarity.tsv, where nothing was searched.
        systems: The runs, as the report stage takes them.
        datasets: Each dataset's manifest.
        manifests: Of all steps that led to the report, its own included.
        configuration: The files of config/ that the experiment reaches.
        results: The folder of all results.
        base: The folder of the Snakefile.
        description: The experiment's.
        checkpoints: Tables of the scores of models that trainings kept along the way.
    """

    report: Path
    systems: Sequence[Mapping[str, Any]]
    datasets: Mapping[str, Path]
    manifests: Sequence[Path]
    configuration: Sequence[Path]
    results: Path
    base: Path
    description: str = ""
    checkpoints: Sequence[Path] = ()


def write_page(sources: Sources, file: Path) -> None:
    """Write the page. It shows times and memory, so that it differs each time and no manifest lists it.

    Raises:
        DenseflowError: A file that the report's manifest lists is missing or altered, or a run or text is missing.
    """
    report, rows = _report(sources.report)
    similarity = _similarity(sources.report.parent)
    steps = read_steps([*sources.manifests, sources.report], sources.results)
    costs = find_costs(steps, sources.systems)
    drawn = _Charts()
    content = {
        "title": sources.report.parent.name,
        "description": sources.description,
        "made": datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "rows": rows,
        "before": report["options"]["before"],
        "main_measure": rows[0].measure if rows else "",
        **_sentences(rows or similarity, report["options"]["after"]),
        "notes": report["notes"],
        "places": words.by_place(rows),
        "means": _means(rows, drawn),
        "scale": forms.Differences(rows),
        "similarity": similarity,
        "collections": find_collections(sources.report.parent),
        "trainings": find_trainings(steps),
        "curves": [(name, drawn.add(charts.curve_chart(of))) for name, of in read_curves(steps).items()],
        "kept": read_kept(sources.checkpoints),
        "costs": costs,
        "cost_charts": _cost_charts(costs, rows, drawn),
        "cost_measure": {(row.dataset, row.split, row.system, row.measure): row for row in over(rows, ALL)},
        "indexes": _searches(sources.report.with_name("indexes.tsv")),
        "audits": _audits(steps, drawn),
        "steps": steps,
        "layers": layers(steps),
        "links": direct_links(steps),
        "step_words": [_step_words(step) for step in steps],
        "stages": STAGES,
        "formula": FORMULA,
        "provenance": _provenance(sources, steps),
        "configuration": [(path.as_posix(), path.read_text(encoding="utf-8")) for path in sources.configuration],
        "queries": query_data(report, sources.systems, sources.datasets),
        "changes": charts.changes_chart(),
        "words": words,
        "forms": forms,
    }
    write_text(file, render("report.html", charts=drawn.specs, **content))


def _report(manifest: Path) -> tuple[dict[str, Any], list[Row]]:
    """What report.json holds, and the rows of the table; both empty where nothing was searched."""
    facts = read_manifest(manifest)
    if manifest.name != NAME:
        return {
            "options": {"before": facts["options"]["before"], "after": [], "compare": []},
            "notes": [],
            "places": [],
        }, []
    report = json.loads(manifest.with_name("report.json").read_text(encoding="utf-8"))
    return report, list(read_rows(manifest.with_name("table.tsv")))


def _sentences(rows: Sequence[Row], after: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """What the comparisons say: those of the trained systems first, as far as they are few."""
    compared = [row for row in over(rows, ALL) if row.compared]
    said = list(zip(compared, words.sentences(rows), strict=True))
    first = [sentence for row, sentence in said if row.system in after][:_HEADLINES]
    return {"headlines": first, "sentences": [sentence for _, sentence in said if sentence not in first]}


class _Charts:
    """The page's charts, by the id of their place in it."""

    def __init__(self) -> None:
        self.specs: dict[str, charts.Spec] = {}

    def add(self, spec: charts.Spec) -> str:
        """Take in a chart and return its id."""
        name = f"chart{len(self.specs)}"
        self.specs[name] = spec
        return name


def _means(rows: Sequence[Row], drawn: _Charts) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """The charts of each dataset's split: measure and id."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for dataset, split, _ in words.by_place(rows):
        if (dataset, split) not in found:
            of_split = [row for row in rows if (row.dataset, row.split) == (dataset, split)]
            measures, _ = words.grid(of_split)
            found[dataset, split] = [(name, drawn.add(charts.means_chart(of_split, name))) for name in measures]
    return found


def _cost_charts(costs: Sequence[Cost], rows: Sequence[Row], drawn: _Charts) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for dataset, split, _ in words.by_place(over(rows, ALL)):
        of_split = [row for row in over(rows, ALL) if (row.dataset, row.split) == (dataset, split)]
        of_place = [cost for cost in costs if (cost.dataset, cost.split) == (dataset, split)]
        made = [charts.cost_chart(of_place, of_split, of_split[0].measure, what) for what in charts.COSTS]
        found[dataset, split] = [drawn.add(spec) for spec in made if spec is not None]
    return {place: of for place, of in found.items() if of}


def _similarity(folder: Path) -> list[Row]:
    file = folder / "similarity.tsv"
    return list(read_rows(file)) if file.is_file() else []


def _searches(file: Path) -> list[dict[str, str]]:
    """The lines of indexes.tsv by column; none where the experiment has no such file."""
    if not file.is_file():
        return []
    header, *lines = (line.split("\t") for _, line in read_lines(file))
    return [dict(zip(header, line, strict=True)) for line in lines]


def _audits(steps: Sequence[Step], drawn: _Charts) -> list[dict[str, Any]]:
    """What mining found, for each training file."""
    found = []
    for step in steps:
        if step.stage == "negatives" and _AUDIT in step.facts.get("files", {}):
            audit = json.loads(step.manifest.with_name(_AUDIT).read_text(encoding="utf-8"))
            sources = [
                {
                    **source,
                    "name": source_name(place, source["source"]),
                    "chart": drawn.add(charts.ranks_chart(source["histogram"])) if "histogram" in source else None,
                }
                for place, source in enumerate(audit["sources"])
            ]
            found.append({"name": step.name, **audit, "sources": sources})
    return found


def _step_words(step: Step) -> str:
    """A line on a step for the graph."""
    took = [] if step.usage is None else [forms.duration(step.usage.seconds), forms.size(1e6 * step.usage.memory_mb)]
    said = [f"{key} {step.facts[key]}" for key in ("seed", "device", "precision") if step.facts.get(key) is not None]
    return ", ".join([f"{step.stage} {step.name}: {step.state}", *took, *said])


def _machines(steps: Sequence[Step]) -> list[tuple[dict[str, str], list[int]]]:
    """The different machines, with the numbers of the steps that ran on each; the one that most ran on first."""
    found: list[tuple[dict[str, str], list[int]]] = []
    for step in steps:
        for facts in step.machines:
            of = next((numbers for known, numbers in found if known == facts), None)
            if of is None:
                found.append((facts, [step.number]))
            else:
                of.append(step.number)
    return sorted(found, key=lambda one: -len(one[1]))


def _provenance(sources: Sources, steps: Sequence[Step]) -> dict[str, Any]:
    versions: dict[str, set[str]] = {}
    for step in steps:
        for package, version in step.facts.get("versions", {}).items():
            versions.setdefault(package, set()).add(version)
    seeds = {step.name: step.facts["seed"] for step in steps if step.facts.get("seed") is not None}
    return {
        "commit": commit(sources.base),
        "machines": _machines(steps),
        "versions": {package: ", ".join(sorted(found)) for package, found in sorted(versions.items())},
        "seeds": seeds,
        "files": [
            ((step.manifest.parent / name).as_posix(), file["bytes"], file["sha256"])
            for step in steps
            for name, file in step.facts.get("files", {}).items()
        ],
    }
