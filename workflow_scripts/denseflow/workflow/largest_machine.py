"""What the largest machine of a SLURM cluster has: a job that asks for more would wait for ever or be refused."""

import re
import subprocess
from collections.abc import Callable, Iterable

TIME = re.compile(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)")


def largest_machine(ask: Callable[[], str] | None = None) -> dict[str, int]:
    """The most that a job can have, by Snakemake's names: `_cores`, `mem_mb`, and `runtime` in minutes.

    Args:
        ask: Gives a line ``CPUS|MB|TIME`` for each kind of machine; None: SLURM's sinfo.

    Returns:
        Only what is limited; nothing where there is no SLURM.
    """
    lines = [line.split("|") for line in (ask or _sinfo)().splitlines()]
    limits = {
        "_cores": _most(int(cpus.rstrip("+")) for cpus, _, _ in lines),
        "mem_mb": _most(int(memory.rstrip("+")) for _, memory, _ in lines),
        "runtime": _most(_minutes(time) for _, _, time in lines),
    }
    return {name: most for name, most in limits.items() if most is not None}


def _most(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else max((value for value in known if value is not None), default=None)


def _minutes(time: str) -> int | None:
    """Minutes of SLURM's [days-][[hours:]minutes:]seconds; at least 1; None for no limit."""
    found = TIME.fullmatch(time)
    if found is None:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in found.groups())
    return max(1, 24 * 60 * days + 60 * hours + minutes)


def _sinfo() -> str:
    """SLURM's answer; without --exact it tells the smallest of machines that differ."""
    try:
        done = subprocess.run(
            ["sinfo", "--noheader", "--exact", "--format=%c|%m|%l"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
