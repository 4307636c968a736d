"""Mining hard negatives: from a data set and its runs to a training file and an audit."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from denseflow.collection import Qrels, read_corpus, read_qrels, read_queries
from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_json, write_jsonl
from denseflow.manifest import read_manifest, write_manifest
from denseflow.negatives.audit import QueryAudit
from denseflow.negatives.candidates import EMPTY, Exclusion, Passages
from denseflow.negatives.draw import query_random, random_order
from denseflow.negatives.sources import RandomSource, RunSource, Source
from denseflow.negatives.training_file import training_row

RELEVANT_FROM = 1
"""A document judged at this level or above is never a negative, whatever level makes a positive."""


def mine(
    dataset_manifest: Path, split: str, options: dict[str, Any], runs: dict[str, Path], folder: Path
) -> dict[str, Any]:
    """Write train.jsonl, audit.json and, last, manifest.json into ``folder``.

    A query's negatives come source by source, in the order drawn. None of them is known to be relevant to it
    (level >= 1), has the text of a passage that is, is empty, or comes twice. What is drawn for a query depends on the
    seed and the query's id alone. Queries are in the order of their file, positives by falling level.

    Args:
        dataset_manifest: The manifest of the data set.
        split: The split whose queries are trained on.
        options: ``sources`` (each ``{"type": "random", "count"}`` or ``{"type": "bm25", "count", "first_rank",
            "last_rank", ...}``), ``seed``, ``min_level`` (the lowest level of a positive), ``max_positives`` and
            ``max_queries`` (both a number or None).
        runs: By the place in ``sources`` (from "0"), the run ``NAME.trec`` of each source that is not random, with
            its ``NAME.manifest.json`` beside it.
        folder: Where the files go.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is not what its manifest says; a judgement names an unknown query; a run names an
            unknown document or is less deep than ``last_rank``; or no query of the split has a positive.
    """
    read_manifest(dataset_manifest)
    data = dataset_manifest.parent
    queries = read_queries(data / f"queries.{split}.jsonl")
    qrels = read_qrels(data / f"qrels.{split}.tsv")
    for query_id in qrels:
        if query_id not in queries:
            raise DenseflowError(
                f"{data / f'qrels.{split}.tsv'}: query {query_id!r} is not in queries.{split}.jsonl; add its text, or "
                "take its judgements out"
            )
    passages = Passages(read_corpus(data / "corpus.jsonl"))
    inputs = {"dataset": sha256(dataset_manifest)}
    sources: list[Source] = []
    for place, source in enumerate(options["sources"]):
        purpose = f"source {place}"
        if source["type"] == "random":
            sources.append(RandomSource(source, passages, seed=options["seed"], purpose=purpose))
            continue
        run = runs[str(place)]
        run_manifest = run.with_suffix(".manifest.json")
        depth = read_manifest(run_manifest).get("options", {}).get("depth")
        inputs[f"run {place}"] = sha256(run_manifest)
        sources.append(RunSource(source, passages, run, depth=depth, seed=options["seed"], purpose=purpose))
    audit = QueryAudit(in_split=len(queries))
    rows = _rows(queries, qrels, passages, sources, options, audit)
    nothing = (
        f"{data / f'qrels.{split}.tsv'}: none of the {len(queries)} queries has a positive (a document of level "
        f"{options['min_level']} or above that the collection has); lower 'min_level' or take another split"
    )
    write_jsonl(folder / "train.jsonl", _at_least_one(rows, nothing))
    summaries = [source.audit.summary() for source in sources]
    write_json(folder / "audit.json", {**audit.summary(), "sources": summaries, "seed": options["seed"]})
    return write_manifest(
        folder,
        "negatives",
        ["train.jsonl", "audit.json"],
        options={key: value for key, value in options.items() if key != "description"},
        split=split,
        inputs=inputs,
        counts={
            "queries": audit.written,
            "positives": sum(audit.positives),
            "negatives": sum(source.audit.found for source in sources),
        },
        warnings=[warning for source in sources for warning in source.audit.warnings()],
    )


def _rows(
    queries: dict[str, str],
    qrels: Qrels,
    passages: Passages,
    sources: list[Source],
    options: dict[str, Any],
    audit: QueryAudit,
) -> Iterator[dict[str, Any]]:
    for query_id, query in queries.items():
        if audit.written == options.get("max_queries"):
            audit.skipped["behind max_queries"] += 1
            continue
        if not query.strip():
            audit.skipped["empty text"] += 1
            continue
        relevant = [id_ for id_, level in qrels.get(query_id, {}).items() if level >= RELEVANT_FROM]
        positives = _positives(query_id, qrels.get(query_id, {}), passages, options, audit)
        if not positives:
            audit.skipped["no positive"] += 1
            continue
        exclusion = Exclusion(passages, relevant)
        negatives = [id_ for source in sources for id_ in source.find(query_id, exclusion)]
        chosen = set(positives)
        others = [id_ for id_ in relevant if id_ not in chosen and id_ in passages.by_id]
        audit.written += 1
        audit.positives.append(len(positives))
        audit.other_relevant += len(others)
        yield training_row(
            query_id,
            query,
            [passages.by_id[id_] for id_ in positives],
            [passages.by_id[id_] for id_ in negatives],
            others,
        )


def _at_least_one(rows: Iterator[dict[str, Any]], message: str) -> Iterator[dict[str, Any]]:
    first = next(rows, None)
    if first is None:
        raise DenseflowError(message)
    yield first
    yield from rows


def _positives(
    query_id: str, judged: dict[str, int], passages: Passages, options: dict[str, Any], audit: QueryAudit
) -> list[str]:
    """The ids of a query's positives by falling level, in the order of the judgements where levels are equal."""
    positives = []
    for id_, level in judged.items():
        if level < options["min_level"]:
            continue
        if id_ not in passages.by_id:
            audit.positives_dropped["not in the collection"] += 1
        elif not passages.text_key(id_):
            audit.positives_dropped[EMPTY] += 1
        else:
            positives.append(id_)
    most = options.get("max_positives")
    if most is not None and len(positives) > most:
        order = random_order(len(positives), query_random(options["seed"], "positives", query_id))
        kept = sorted(islice(order, most))
        positives = [positives[place] for place in kept]
    return sorted(positives, key=lambda id_: -judged[id_])
