"""The weights of two systems in a fusion, chosen on a dev split."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from denseflow.collection import read_qrels
from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate
from denseflow.files import sha256, write_json
from denseflow.manifest import read_manifest, write_manifest
from denseflow.run_file import Run, read_run, strictly_decreasing
from denseflow.search.fusion import Method, checked_run, fuse_rankings

LOG = logging.getLogger("denseflow")


def choose_weights(
    manifests: Sequence[Path],
    dataset_manifest: Path,
    folder: Path,
    *,
    split: str,
    name: str,
    method: Method,
    k: int,
    depth: int,
    measure: str,
    steps: int,
) -> dict[str, Any]:
    """Choose the weight of the first of two runs, the second has the rest: write NAME.json, and its manifest last.

    Args:
        manifests: Of two runs on the split.
        dataset_manifest: Of the collection.
        folder: Where the two files go.
        split: The split to choose on, never the one that is reported.
        name: The file's name without its ending.
        method: As for :func:`fuse`.
        k: As for :func:`fuse`.
        depth: As for :func:`fuse`.
        measure: The measure whose mean shall be highest; of equal means the weight nearest to one half is taken.
        steps: The weights tried are 0, 1/steps, ..., 1.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, or no query of the split has a judgement.
    """
    read_manifest(dataset_manifest)
    judgements = dataset_manifest.parent / f"qrels.{split}.tsv"
    qrels = read_qrels(judgements)
    runs = [read_run(checked_run(manifest)) for manifest in manifests]
    tried = {}
    for step in range(steps + 1):
        weights = (step / steps, 1 - step / steps)
        fused: Run = {}
        for query in qrels:
            rankings = [run.get(query, {}) for run in runs]
            documents, scores = fuse_rankings(rankings, method=method, k=k, weights=weights, depth=depth)
            fused[query] = dict(zip(documents, strictly_decreasing(scores).tolist(), strict=True))
        values = [score.value for score in evaluate(qrels, fused, [measure])]
        if not values:
            raise DenseflowError(f"{judgements}: no judgements, so that no weight can be chosen; tune on another split")
        tried[weights[0]] = sum(values) / len(values)
    best = max(tried, key=lambda weight: (tried[weight], -abs(weight - 0.5)))
    LOG.info("weight of the first system on %s: %.3g (%s %.4f)", split, best, measure, tried[best])
    write_json(
        folder / f"{name}.json",
        {
            "weights": [best, 1 - best],
            "measure": measure,
            "split": split,
            "tried": [list(row) for row in tried.items()],
        },
    )
    return write_manifest(
        folder,
        "search",
        [f"{name}.json"],
        packages=["pytrec-eval-terrier", "numpy"],
        name=f"{name}.manifest.json",
        options={"method": method, "k": k, "depth": depth, "measure": measure, "steps": steps, "split": split},
        inputs={"runs": [sha256(manifest) for manifest in manifests], "dataset": sha256(dataset_manifest)},
    )
