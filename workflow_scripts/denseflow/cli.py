"""The command denseflow: what one does with results that are there. What makes them is Snakemake."""

import argparse
import sys
from collections.abc import Sequence

from denseflow.errors import DenseflowError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 1 after an error that the user is meant to read."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except DenseflowError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _search(options: argparse.Namespace) -> int:
    from denseflow.look.commands import search

    return search(options)


def _serve(options: argparse.Namespace) -> int:
    from denseflow.look.commands import serve

    return serve(options)


def _compare(options: argparse.Namespace) -> int:
    from denseflow.compare.command import compare

    return compare(options)


def _dpr_training(options: argparse.Namespace) -> int:
    from denseflow.dpr.commands import training

    return training(options)


def _dpr_results(options: argparse.Namespace) -> int:
    from denseflow.dpr.commands import results

    return results(options)


COMMANDS = {
    "search": _search,
    "serve": _serve,
    "compare": _compare,
    "dpr-training": _dpr_training,
    "dpr-results": _dpr_results,
}


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    command = argparse.ArgumentParser(prog="denseflow", description=__doc__, allow_abbrev=False)
    commands = command.add_subparsers(dest="command", required=True, metavar="COMMAND")

    search = commands.add_parser("search", help="one query: the passages of before and after, side by side")
    _experiment(search)
    search.add_argument("query", nargs="?", help="any text; one of the split's queries comes with its judgements")
    search.add_argument("--query-id", metavar="ID", help="a query of the split, instead of a text")
    search.add_argument("--top", type=_positive, default=10, help="passages of each system (10)")
    search.add_argument("--json", action="store_true", help="print JSON, with whole texts")

    serve = commands.add_parser("serve", help="the same as a page in the browser of this machine")
    _experiment(serve)
    serve.add_argument("--port", type=int, default=8000, help="on 127.0.0.1 (8000; 0 takes a free one)")

    compare = commands.add_parser("compare", help="two folders of results: what differs, and whether it is noise")
    compare.add_argument("a", metavar="RESULTS_A", help="a folder of results, such as results")
    compare.add_argument("b", metavar="RESULTS_B", help="the other one")
    compare.add_argument("--experiment", metavar="NAME", help="one experiment; without it all that both have")
    compare.add_argument("--confidence", type=float, default=0.95, help="of the verdict (0.95)")
    compare.add_argument("--json", action="store_true", help="print JSON")

    training = commands.add_parser("dpr-training", help="a training file as the JSON that DPR trains from")
    training.add_argument("training", metavar="TRAINING_FILE", help="results/negatives/DATASET.SPLIT/NAME/train.jsonl")
    training.add_argument("target", metavar="FILE", help="the file to write")
    training.add_argument("--queries", metavar="FILE", help="the queries.SPLIT.jsonl with the answers")

    results = commands.add_parser("dpr-results", help="a system's run as DPR's JSON of retrieval results")
    _split(results)
    results.add_argument("system", metavar="SYSTEM", help="one of the experiment's systems")
    results.add_argument("target", metavar="FILE", help="the file to write")
    results.add_argument("--top", type=_positive, default=100, help="passages a question (100)")
    results.add_argument(
        "--match", choices=("dpr", "korquad", "regex"), default="dpr", help="how an answer is found in a text (dpr)"
    )
    return command


def _experiment(parser: argparse.ArgumentParser) -> None:
    _split(parser)
    parser.add_argument("--systems", nargs="+", metavar="NAME", default=(), help="at most four (before and after)")
    parser.add_argument("--threads", type=_positive, default=2, help="of models and search (2)")


def _split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a file of config/experiments")
    parser.add_argument("--dataset", help="one of the experiment's (the first)")
    parser.add_argument("--split", help="one of the experiment's splits (the first of the dataset)")
    parser.add_argument("--seed", type=int, help="of the trained models (the first of the experiment)")
    parser.add_argument("--results", metavar="FOLDER", help="where they are, if not where config.yaml says")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected a whole number from 1 on")
    return number


if __name__ == "__main__":
    sys.exit(main())
