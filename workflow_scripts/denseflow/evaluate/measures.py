"""The measures of runs, query by query: trec_eval's through pytrec_eval, and the few that it lacks."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ir_measures

from denseflow.collection import Qrels, read_corpus, read_qrels
from denseflow.errors import DenseflowError
from denseflow.evaluate.answers import Answers
from denseflow.evaluate.names import parse_measure
from denseflow.evaluate.own_measures import INTERPOLATED, needs_answers, without_cutoff
from denseflow.evaluate.ranks import interpolated_precision
from denseflow.files import sha256, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.run_file import Run, read_run

LOG = logging.getLogger("denseflow")

SCORES_HEADER = ("dataset", "split", "system", "variant", "measure", "query_id", "value")
MEANS_HEADER = ("dataset", "split", "system", "variant", "measure", "mean", "queries")
AVERAGE = "the mean over all judged queries, as trec_eval -c: a judged query without results counts 0"


class Score(NamedTuple):
    """A measure's value for one query."""

    measure: str
    query_id: str
    value: float


def evaluate(qrels: Qrels, run: Run, measures: Sequence[str], answers: Answers | None = None) -> list[Score]:
    """The measures of a run, for every judged query in the qrels' order.

    As with ``trec_eval -c``, a query that has judgements and no results counts 0, also where none of its judged
    documents is relevant; a query without judgements, or only in the run, is left out. Documents are ranked as
    trec_eval ranks them: by score as a 32-bit float, ties by document id, descending. nDCG has the levels
    themselves as gains; the other measures count a document as relevant from level 1 on, or from ``rel=``. Answer
    looks for answers instead of judgements, and counts the queries that have answers.

    Args:
        qrels: The judgements.
        run: The rankings.
        measures: Names as ir_measures writes them.
        answers: The queries' answers and the passages; needed by the measure Answer alone.

    Raises:
        DenseflowError: A measure is unknown (examples and close matches are given).
    """
    chosen = _unique(measures)
    looked_for = [measure for measure in chosen if needs_answers(measure)]
    values: dict[Any, dict[str, float]] = {}
    if looked_for:
        assert answers is not None
        values |= answers.scores(run, looked_for)
    judged = {query_id: levels for query_id, levels in qrels.items() if levels}
    found = {query_id: ranking for query_id, ranking in run.items() if query_id in judged and ranking}
    for measure in chosen:
        if measure not in values:
            values[measure] = {**dict.fromkeys(judged, 0.0), **_values(judged, found, measure)}
    return [Score(str(measure), query_id, value) for measure in chosen for query_id, value in values[measure].items()]


def find_answers(dataset: Path, split: str, measures: Sequence[str]) -> Answers | None:
    """A split's answers for :func:`evaluate`, where one of the measures looks for them.

    Args:
        dataset: The dataset stage's folder.
        split: Whose queries are scored.
        measures: Names as ir_measures writes them.

    Raises:
        DenseflowError: One does, and no query of the split has answers.
    """
    needing = [measure for measure in _unique(measures) if needs_answers(measure)]
    if not needing:
        return None
    return Answers(dataset / f"queries.{split}.jsonl", lambda: read_corpus(dataset / "corpus.jsonl"))


def evaluate_experiment(systems: Sequence[dict[str, Any]], measures: Sequence[str], folder: Path) -> dict[str, Any]:
    """Score all runs of an experiment; write scores.tsv (a line a query), means.tsv and, last, manifest.json.

    Args:
        systems: One a run: ``name``, ``variant``, ``dataset``, ``split``, ``run`` (a TREC run), ``qrels`` (a
            qrels.SPLIT.tsv); and, where they are to be checked first, ``run_manifest`` and ``dataset_manifest``.
        measures: Names as ir_measures writes them.
        folder: Where the files go.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A measure is unknown, a file is broken, or no query has a judgement.
    """
    places = dict.fromkeys((Path(system["qrels"]).parent, system["split"]) for system in systems)
    answers = {place: find_answers(*place, measures) for place in places}
    scores, means, facts = [], [], []
    for system in systems:
        keys = (system["dataset"], system["split"], system["name"], system["variant"])
        _check_inputs(system)
        qrels, run = read_qrels(Path(system["qrels"])), read_run(Path(system["run"]))
        looked_for = answers[Path(system["qrels"]).parent, system["split"]]
        rows = evaluate(qrels, run, measures, looked_for)
        if not rows:
            raise DenseflowError(f"{system['qrels']}: no judgements, so that nothing can be scored; check the split")
        scores += [(*keys, row.measure, row.query_id, repr(row.value)) for row in rows]
        for measure, values in _by_measure(rows):
            means.append((*keys, measure, f"{math.fsum(values) / len(values):.6f}", str(len(values))))
        facts.append(_facts(system, qrels, run, measures, looked_for))
        LOG.info("scored %s/%s on %s %s", system["name"], system["variant"], system["dataset"], system["split"])
    warnings = [warning for fact in facts for warning in fact.pop("warnings")]
    for warning in warnings:
        LOG.warning("%s", warning)
    write_text(folder / "scores.tsv", _tsv(SCORES_HEADER, scores))
    write_text(folder / "means.tsv", _tsv(MEANS_HEADER, means))
    return write_manifest(
        folder,
        "evaluate",
        ["scores.tsv", "means.tsv"],
        packages=["pytrec-eval-terrier", "ir-measures"],
        options={"measures": [str(measure) for measure in _unique(measures)]},
        average=AVERAGE,
        systems=facts,
        warnings=warnings,
    )


def _unique(names: Sequence[str]) -> list[Any]:
    return list({str(measure): measure for measure in map(parse_measure, names)}.values())


def _values(judged: Qrels, found: Run, measure: Any) -> dict[str, float]:
    """The values of the queries that have judgements and results."""
    if measure.NAME == INTERPOLATED:
        return {query: interpolated_precision(judged[query], ranking, measure) for query, ranking in found.items()}
    if not found:
        return {}
    computed, cutoff = without_cutoff(measure)
    # One measure at a time: ir_measures would report RR and RR@10 under one name of trec_eval's.
    metrics = ir_measures.pytrec_eval.iter_calc([computed], judged, found)
    return {metric.query_id: _cut(float(metric.value), cutoff) for metric in metrics}


def _cut(reciprocal_rank: float, cutoff: int | None) -> float:
    return reciprocal_rank if cutoff is None or reciprocal_rank >= 1 / cutoff else 0.0


def _check_inputs(system: dict[str, Any]) -> None:
    for key in ("run_manifest", "dataset_manifest"):
        if key in system:
            read_manifest(Path(system[key]))


def _by_measure(rows: Iterable[Score]) -> Iterator[tuple[str, list[float]]]:
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row.measure, []).append(row.value)
    yield from values.items()


def _facts(
    system: dict[str, Any], qrels: Qrels, run: Run, measures: Sequence[str], answers: Answers | None
) -> dict[str, Any]:
    name = f"{system['name']}/{system['variant']} on {system['dataset']} {system['split']}"
    counts = {
        "judged_queries": len(qrels),
        "judged_without_results": sum(not run.get(query_id) for query_id in qrels),
        "judged_without_relevant": sum(max(levels.values()) < 1 for levels in qrels.values()),
        "results_not_judged": sum(query_id not in qrels for query_id in run),
    }
    warnings = []
    if counts["judged_without_results"]:
        warnings.append(f"{name}: {counts['judged_without_results']} judged queries have no results and count 0")
    if counts["judged_without_relevant"]:
        warnings.append(
            f"{name}: {counts['judged_without_relevant']} judged queries have no relevant document, count 0"
        )
    if answers is not None:
        counts |= {
            "queries_with_answers": len(answers.by_query),
            "judged_without_answers": sum(query_id not in answers.by_query for query_id in qrels),
        }
        if counts["judged_without_answers"]:
            warnings.append(
                f"{name}: {counts['judged_without_answers']} judged queries have no answers and are left out of Answer"
            )
    longest = max(map(len, run.values()), default=0)
    for measure in _unique(measures):
        if measure.params.get("cutoff", 0) > longest:
            warnings.append(f"{name}: {measure} looks deeper than the run's longest ranking, {longest} documents")
    return {
        **{key: system[key] for key in ("name", "variant", "dataset", "split")},
        **counts,
        "inputs": {"run": sha256(Path(system["run"])), "qrels": sha256(Path(system["qrels"]))},
        "warnings": warnings,
    }


def _tsv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in [header, *rows])
