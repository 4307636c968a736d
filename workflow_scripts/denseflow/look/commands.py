"""The commands search and serve."""

import argparse
import json
from functools import partial

from denseflow.errors import DenseflowError
from denseflow.look.documents import scan
from denseflow.look.looking import Looking
from denseflow.look.place import Place, open_experiment
from denseflow.look.view import as_json


def search(options: argparse.Namespace) -> int:
    """Print what the systems find for one query.

    Raises:
        DenseflowError: An option is wrong, or something was not made yet.
    """
    if (options.query is None) == (options.query_id is None):
        raise DenseflowError('give either a query, such as "vitamin D and cancer", or --query-id with one\'s id')
    place = _place(options)
    corpus = place.dataset.with_name("corpus.jsonl")
    looking = Looking(place, partial(scan, corpus), threads=options.threads)
    view = looking.look(looking.query(options.query, options.query_id), options.top)
    if options.json:
        print(json.dumps(as_json(view), ensure_ascii=False, indent=2))
        return 0
    from denseflow.look.terminal import print_view

    print_view(view)
    return 0


def serve(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C.

    Raises:
        DenseflowError: An option is wrong, something was not made yet, or the port is taken.
    """
    from denseflow.look.server import Server

    server = Server(_place(options), options.port, options.threads)
    print(f"{server.address} (of this machine alone; Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def _place(options: argparse.Namespace) -> Place:
    return Place(
        open_experiment(options.experiment, options.results),
        options.experiment,
        dataset=options.dataset,
        split=options.split,
        systems=options.systems,
        seed=options.seed,
    )
