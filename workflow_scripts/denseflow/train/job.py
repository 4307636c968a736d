"""What the launcher of several processes and these processes tell each other, in a folder that all can read."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from denseflow.files import write_json
from denseflow.train.processes import ALONE
from denseflow.train.where import Where

JOB, LOCK, STOP = "job.json", "launcher.lock", "stop"
_PATH = "$path"


@dataclass(frozen=True)
class Job:
    """A training for several processes.

    Attributes:
        function: What each of them calls, as ``module:name``, with ``arguments`` and ``where``.
        arguments: Plain values and paths.
        where: Where and with how much, a process.
        device: ``cpu`` or ``cuda``.
        host: The launcher's machine.
        log: The file that the first process's log goes to.
    """

    function: str
    arguments: dict[str, Any]
    where: Where
    device: str
    host: str
    log: str | None

    def write(self, folder: Path) -> None:
        """Put the job into ``folder``."""
        job = asdict(replace(self, where=replace(self.where, processes=ALONE)))
        del job["where"]["processes"]
        write_json(folder / JOB, _plain(job))

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """The job in ``folder``."""
        job = _with_paths(json.loads((folder / JOB).read_text(encoding="utf-8")))
        return cls(**{**job, "where": Where(**job["where"])})


def error_file(folder: Path, rank: int) -> Path:
    """Where a process leaves its error: kind (told, unexpected, lost), time, text."""
    return folder / f"error.{rank}.json"


def output_file(folder: Path, rank: int) -> Path:
    """Where the output of a process goes that is not the first."""
    return folder / f"process.{rank}.log"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return {_PATH: str(value)}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _with_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return Path(value[_PATH]) if _PATH in value else {key: _with_paths(part) for key, part in value.items()}
    return value
