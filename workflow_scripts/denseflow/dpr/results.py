"""A run as DPR's JSON of retrieval results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from denseflow.collection import Document, read_answers, read_queries
from denseflow.dpr.json_list import write_list
from denseflow.evaluate.answers import has_answer
from denseflow.run_file import RunFile


def write_results(
    run: Path,
    queries: Path,
    texts: Callable[[Sequence[str]], Mapping[str, Document]],
    target: Path,
    *,
    top: int,
    match: str,
) -> int:
    """Write a run's queries with their first documents, and return how many queries there are.

    Args:
        run: The run; a query that is not in it has no documents.
        queries: The split's queries.SPLIT.jsonl, with answers where it has any.
        texts: The documents of some ids.
        target: The file to write.
        top: How many documents a query.
        match: How an answer is found in a document, one of :data:`denseflow.evaluate.answers.FORMS`.

    Raises:
        DenseflowError: A file is missing or broken, or the collection lacks a document of the run.
    """
    return write_list(target, _rows(RunFile(run), read_queries(queries), read_answers(queries), texts, top, match))


def _rows(
    run: RunFile,
    queries: Mapping[str, str],
    answers: Mapping[str, list[str]],
    texts: Callable[[Sequence[str]], Mapping[str, Document]],
    top: int,
    match: str,
) -> Iterator[dict[str, Any]]:
    for query_id, text in queries.items():
        ranking = dict(list(run.ranking(query_id).items())[:top])
        documents, wanted = texts(list(ranking)), answers.get(query_id, [])
        yield {
            "id": query_id,
            "question": text,
            "answers": wanted,
            "ctxs": [
                {
                    "id": id_,
                    "title": documents[id_].title,
                    "text": documents[id_].text,
                    # A text, as in DPR's own files.
                    "score": f"{score:.9g}",
                    "has_answer": has_answer(documents[id_].text, wanted, match),
                }
                for id_, score in ranking.items()
            ],
        }
