"""The commands dpr-training and dpr-results."""

import argparse
from pathlib import Path

from denseflow.errors import DenseflowError


def training(options: argparse.Namespace) -> int:
    """Write a training file as DPR's JSON.

    Raises:
        DenseflowError: A file is missing or broken, or the queries are others.
    """
    from denseflow.dpr.training import write_training

    queries = None if options.queries is None else Path(options.queries)
    count = write_training(Path(options.training), queries, Path(options.target))
    print(f"{options.target}: {count} questions")
    return 0


def results(options: argparse.Namespace) -> int:
    """Write a system's run as DPR's JSON.

    Raises:
        DenseflowError: An option is wrong, or something was not made yet.
    """
    from denseflow.dpr.results import write_results
    from denseflow.look.documents import Kept
    from denseflow.look.place import Place, open_experiment
    from denseflow.manifest import read_manifest

    graph = open_experiment(options.experiment, options.results)
    place = Place(
        graph,
        options.experiment,
        dataset=options.dataset,
        split=options.split,
        systems=[options.system],
        seed=options.seed,
    )
    run = place.require(place.run(options.system))
    for manifest in (place.require(place.dataset), run.with_suffix(".manifest.json")):
        read_manifest(manifest)
    if options.top > place.config.depth:
        raise DenseflowError(
            f"--top: {options.top}, but the runs of {options.experiment} have {place.config.depth} documents a query"
        )
    count = write_results(
        run,
        place.file("queries", "jsonl"),
        Kept(place.dataset.with_name("corpus.jsonl")).find,
        Path(options.target),
        top=options.top,
        match=options.match,
    )
    print(f"{options.target}: {count} questions of {place.on.dataset}, split {place.on.split}, by {options.system}")
    return 0
