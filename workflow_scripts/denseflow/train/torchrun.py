"""torchrun, which leaves in a file how its processes ended, not in a screenful.

python -m denseflow.train.torchrun FOLDER TORCHRUN'S OPTIONS
"""

import logging
import socket
import sys
from pathlib import Path

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from denseflow.files import write_json

EXITS = "exits.*.json"


def main(folder: Path, options: list[str]) -> int:
    """Run torchrun; where processes fail, write ``folder``/exits.HOST.json: their exit codes by rank."""
    logging.disable(logging.ERROR)  # its own words on what a worker has said better
    try:
        run.main(options)
    except ChildFailedError as error:
        codes = {str(rank): failure.exitcode for rank, failure in error.failures.items()}
        write_json(folder / EXITS.replace("*", socket.gethostname()), codes)
        return 1
    except SignalException:  # the processes have been told to stop as well, and say so
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
