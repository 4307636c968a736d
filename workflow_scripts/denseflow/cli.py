"""The command denseflow: what one does with results that are there. What makes them is Snakemake."""

import argparse
import sys
from collections.abc import Sequence

from denseflow.errors import DenseflowError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 1 after an error that the user is meant to read."""
    options = parser().parse_args(arguments)
    try:
        return {"search": _search, "serve": _serve, "compare": _compare}[options.command](options)
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
    return command


def _experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a file of config/experiments")
    parser.add_argument("--dataset", help="one of the experiment's (the first)")
    parser.add_argument("--split", help="one of the experiment's splits (the first of the dataset)")
    parser.add_argument("--systems", nargs="+", metavar="NAME", default=(), help="at most four (before and after)")
    parser.add_argument("--seed", type=int, help="of the trained models (the first of the experiment)")
    parser.add_argument("--results", metavar="FOLDER", help="where they are, if not where config.yaml says")
    parser.add_argument("--threads", type=_positive, default=2, help="of models and search (2)")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected a whole number from 1 on")
    return number


if __name__ == "__main__":
    sys.exit(main())
