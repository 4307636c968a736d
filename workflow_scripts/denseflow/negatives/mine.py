"""Mining hard negatives: from a data set and its runs to a training file and an audit."""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from denseflow.collection import Qrels, read_qrels, read_queries
from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_json, write_jsonl
from denseflow.manifest import read_manifest, write_manifest
from denseflow.negatives.audit import QueryAudit
from denseflow.negatives.audit_text import audit_text, source_name
from denseflow.negatives.candidates import EMPTY, Exclusion
from denseflow.negatives.draw import query_random, random_order
from denseflow.negatives.open_sources import open_sources
from denseflow.negatives.passage_queries import passage_rows
from denseflow.negatives.passages import Passages
from denseflow.negatives.sources import Source
from denseflow.negatives.suspects import WholeAudit
from denseflow.negatives.training_file import training_row
from denseflow.progress import counted

LOG = logging.getLogger("denseflow")

RELEVANT_FROM = 1
"""A document judged at this level or above is never a negative, whatever level makes a positive."""


def mine(
    dataset_manifest: Path,
    split: str,
    options: dict[str, Any],
    runs: dict[str, Path],
    folder: Path,
    vectors: dict[str, tuple[Path, Path]] | None = None,
) -> dict[str, Any]:
    """Write train.jsonl, audit.json and, last, manifest.json into ``folder``, and the audit in short into the log.

    A query's negatives come source by source, in the order drawn. None of them is known to be relevant to it
    (level >= 1), has the text of a passage that is, is empty, or comes twice, itself or its text. What is drawn for a
    query depends on the seed and the query's id alone. Queries are in the order of their file, positives by falling
    level.

    Args:
        dataset_manifest: The manifest of the data set.
        split: The split whose queries are trained on; of no meaning where passages are the queries.
        options: ``sources`` (each ``{"type": "random", "count"}``, ``{"type": "given", "count", "kind", "first"}`` or
            ``{"type": "bm25" or "dense", "count", "first_rank", "last_rank", ...}``, the latter two with ``margin`` and
            ``share`` or without), ``seed``,
            ``min_level`` (the lowest level of a positive), ``max_positives`` and ``max_queries`` (both a number or
            None), and ``queries`` if these are ``passages`` (see :mod:`denseflow.negatives.passage_queries`).
        runs: By the place in ``sources`` (from "0"), the run ``NAME.trec`` of each source that has one, with
            its ``NAME.manifest.json`` beside it.
        folder: Where the files go.
        vectors: By the place in ``sources``, the manifests of the vectors of queries and passages that the positives
            of a dense source are scored with.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is not what its manifest says; a judgement names an unknown query; a run names an
            unknown document or is less deep than ``last_rank``; run and vectors do not belong together; or no query of
            the split has a positive.
    """
    read_manifest(dataset_manifest)
    data = dataset_manifest.parent
    inputs = {"dataset": sha256(dataset_manifest)}
    audit = QueryAudit()
    sources: list[Source] = []
    whole: WholeAudit | None = None
    if options.get("queries") == "passages":
        rows = passage_rows(data / "corpus.jsonl", options["seed"], options.get("max_queries"), audit)
        nothing = f"{data / 'corpus.jsonl'}: all passages are empty; check the dataset"
    else:
        queries, qrels = _queries_and_qrels(data, split)
        audit.in_split = len(queries)
        passages = Passages(data / "corpus.jsonl")
        sources = open_sources(options, passages, (data, split), runs, vectors or {}, inputs)
        names = [source_name(place, source.audit.options) for place, source in enumerate(sources)]
        whole = WholeAudit(passages, names)
        rows = _rows(queries, qrels, passages, sources, options, audit, whole)
        nothing = (
            f"{data / f'qrels.{split}.tsv'}: none of the {len(queries)} queries has a positive (a document of level "
            f"{options['min_level']} or above that the collection has); lower 'min_level' or take another split"
        )
    write_jsonl(folder / "train.jsonl", _at_least_one(rows, nothing))
    summary = {
        **audit.summary(),
        "sources": [source.audit.summary() for source in sources],
        **(whole.summary() if whole else {}),
        "seed": options["seed"],
    }
    write_json(folder / "audit.json", summary)
    LOG.info("%s", audit_text(summary))
    warnings = [warning for source in sources for warning in source.audit.warnings()]
    for warning in warnings:
        LOG.warning("%s", warning)
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
        warnings=warnings,
    )


def _queries_and_qrels(data: Path, split: str) -> tuple[dict[str, str], Qrels]:
    queries = read_queries(data / f"queries.{split}.jsonl")
    qrels = read_qrels(data / f"qrels.{split}.tsv")
    for query_id in qrels:
        if query_id not in queries:
            raise DenseflowError(
                f"{data / f'qrels.{split}.tsv'}: query {query_id!r} is not in queries.{split}.jsonl; add its text, or "
                "take its judgements out"
            )
    return queries, qrels


def _rows(
    queries: dict[str, str],
    qrels: Qrels,
    passages: Passages,
    sources: list[Source],
    options: dict[str, Any],
    audit: QueryAudit,
    whole: WholeAudit,
) -> Iterator[dict[str, Any]]:
    for query_id, query in counted(queries.items(), "queries mined", len(queries)):
        if audit.written == options.get("max_queries"):
            audit.skipped["behind max_queries"] += 1
            continue
        if not query.strip():
            audit.skipped["empty text"] += 1
            continue
        judged = qrels.get(query_id, {})
        possible = _possible_positives(judged, passages, options["min_level"], audit)
        if not possible:
            audit.skipped["no positive"] += 1
            continue
        relevant = [id_ for id_, level in judged.items() if level >= RELEVANT_FROM]
        exclusion = Exclusion(passages, relevant)
        found = [source.find(query_id, possible, exclusion) for source in sources]
        positives = sorted(_at_most(possible, options, query_id), key=lambda id_: -judged[id_])
        chosen = set(positives)
        others = [id_ for id_ in relevant if id_ not in chosen and id_ in passages]
        whole.add(query_id, query, [*positives, *others], found)
        audit.written += 1
        audit.positives.append(len(positives))
        audit.other_relevant += len(others)
        yield training_row(
            query_id,
            query,
            [passages.document(id_) for id_ in positives],
            [passages.document(id_) for one in found for id_ in one.drawn],
            others,
        )


def _at_least_one(rows: Iterator[dict[str, Any]], message: str) -> Iterator[dict[str, Any]]:
    first = next(rows, None)
    if first is None:
        raise DenseflowError(message)
    yield first
    yield from rows


def _possible_positives(judged: dict[str, int], passages: Passages, min_level: int, audit: QueryAudit) -> list[str]:
    """The ids of the documents that are relevant enough, in the order of the judgements."""
    positives = []
    for id_, level in judged.items():
        if level < min_level:
            continue
        if id_ not in passages:
            audit.positives_dropped["not in the collection"] += 1
        elif not passages.text_key(id_):
            audit.positives_dropped[EMPTY] += 1
        else:
            positives.append(id_)
    return positives


def _at_most(positives: list[str], options: dict[str, Any], query_id: str) -> list[str]:
    """``max_positives`` of them, drawn at random, in their order."""
    most = options.get("max_positives")
    if most is None or len(positives) <= most:
        return positives
    order = random_order(len(positives), query_random(options["seed"], "positives", query_id))
    return [positives[place] for place in sorted(islice(order, most))]
