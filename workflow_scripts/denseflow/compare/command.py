"""The command compare."""

import argparse
import json
from pathlib import Path

from denseflow.compare.comparison import compare_results
from denseflow.compare.folder import Results
from denseflow.errors import DenseflowError


def compare(options: argparse.Namespace) -> int:
    """Print what differs between two folders of results, and whether it is noise.

    Raises:
        DenseflowError: An option is wrong, or there is nothing to compare.
    """
    if not 0 < options.confidence < 1:
        raise DenseflowError(f"--confidence: {options.confidence}, expected a number between 0 and 1, such as 0.95")
    a, b = Results(Path(options.a)), Results(Path(options.b))
    found = compare_results(a, b, options.experiment, options.confidence)
    if options.json:
        print(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
        return 0
    from denseflow.compare.terminal import print_comparisons

    print_comparisons(found)
    return 0
