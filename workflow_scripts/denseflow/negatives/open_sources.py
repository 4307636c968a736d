"""From the options of a negatives file and its runs to the sources that are drawn from."""

from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import read_manifest
from denseflow.negatives.answer_filter import AnswerFilter
from denseflow.negatives.given import GivenSource
from denseflow.negatives.passages import Passages
from denseflow.negatives.sources import RandomSource, RunSource, Source
from denseflow.negatives.vector_scores import open_scores


def open_sources(
    options: dict[str, Any],
    passages: Passages,
    dataset: tuple[Path, str],
    runs: dict[str, Path],
    vectors: dict[str, tuple[Path, Path]],
    inputs: dict[str, str],
) -> list[Source]:
    """The sources of a negatives file, in its order.

    Args:
        options: See :func:`denseflow.negatives.mine.mine`, as for ``runs`` and ``vectors``.
        passages: The collection.
        dataset: Its folder, and the split.
        runs: The run of each source that has one.
        vectors: The vectors of each source that is a model.
        inputs: Gets the SHA-256 of what the sources read.

    Raises:
        DenseflowError: A file is not what its manifest says, a run is not deep enough, or run and vectors do not
            belong together.
    """
    sources: list[Source] = []
    queries = dataset[0] / f"queries.{dataset[1]}.jsonl"
    for number, source in enumerate(options["sources"]):
        place, purpose = str(number), f"source {number}"
        if source["type"] == "random":
            sources.append(RandomSource(source, passages, seed=options["seed"], purpose=purpose))
            continue
        if source["type"] == "given":
            file = dataset[0] / f"negatives.{dataset[1]}.jsonl"
            sources.append(GivenSource(source, passages, file, seed=options["seed"], purpose=purpose))
            continue
        run = runs[place]
        run_manifest = run.with_suffix(".manifest.json")
        facts = read_manifest(run_manifest)
        inputs[f"run {place}"] = sha256(run_manifest)
        scores, match = None, source.get("without_answer")
        if place in vectors:
            scores = open_scores(*vectors[place])
            encoded = {"queries": sha256(vectors[place][0]), "corpus": sha256(vectors[place][1])}
            if facts["inputs"] != encoded:
                raise DenseflowError(
                    f"{run_manifest}: the run was made with other vectors than {vectors[place][1].parent} has; run the "
                    "workflow to search again"
                )
        sources.append(
            RunSource(
                source,
                passages,
                run,
                depth=facts.get("options", {}).get("depth"),
                seed=options["seed"],
                purpose=purpose,
                scores=scores,
                answers=None if match is None else AnswerFilter(queries, passages, match),
            )
        )
    return sources
