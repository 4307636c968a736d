"""Why several processes that trained together have ended."""

import json
import signal
from pathlib import Path
from typing import Any

from denseflow.train import torchrun
from denseflow.train.job import error_file, output_file

LAST_LINES = 20


def why(folder: Path, count: int) -> str:
    """Why the processes of a job ended, in the words of the first of them that had a reason of its own.

    Args:
        folder: Of the job.
        count: How many processes there were.
    """
    words = {rank: _read(path) for rank in range(count) if (path := error_file(folder, rank)).is_file()}
    own = {rank: word for rank, word in words.items() if word["kind"] != "lost"}
    if own:
        rank = min(own, key=lambda rank: own[rank]["time"])
        text = own[rank]["text"]
        return text if own[rank]["kind"] == "told" else f"process {rank} of {count} failed:\n{text}"
    codes = {int(rank): code for path in folder.glob(torchrun.EXITS) for rank, code in _read(path).items()}
    silent = {rank: code for rank, code in codes.items() if rank not in words}
    if not silent:
        said = "".join(f"; process {rank}: {word['text']}" for rank, word in words.items())
        return f"the {count} processes of the training lost each other; run the same command again to go on{said}"
    rank = min(silent, key=lambda rank: (silent[rank] >= 0, rank))  # one that was killed before one that followed
    return f"process {rank} of {count} {_how(silent[rank])}{_last_words(output_file(folder, rank))}"


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = "; the system does that where memory runs out: set run.micro_batch, or run.mem_mb to more"
    return f"was ended by {name}{hint if name == 'SIGKILL' else ''}"


def _last_words(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:] if path.is_file() else []
    return "".join(["; it said last:", *(f"\n{line}" for line in lines)]) if lines else ""


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
