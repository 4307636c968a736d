"""The machine that a step runs on, told beside the step's log: no manifest has it, and nothing runs again for it."""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

ENDING = ".machine.json"
"""Of the file beside a log."""

_NVIDIA = Path("/proc/driver/nvidia/gpus")


def write_machine(log: Path) -> None:
    """Say beside a step's log what machine the step runs on."""
    file = log.with_name(log.name.removesuffix(".log") + ENDING)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(machine(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """Processor, memory, GPUs, system and Python; what cannot be found out is left out."""
    facts = {
        "processor": _processor(),
        "hardware threads": str(os.cpu_count() or ""),
        "memory": _memory(),
        "GPUs": _gpus(),
        "system": platform.platform(),
        "Python": platform.python_version(),
    }
    return {name: value for name, value in facts.items() if value}


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.0f} GiB"
    except (ValueError, OSError):
        return ""


def _gpus() -> str:
    """The driver's own words, which take no time; nvidia-smi's where the driver says nothing."""
    try:
        files = sorted(_NVIDIA.glob("*/information"))
        models = [re.search(r"^Model:\s*(.+)$", file.read_text(), re.MULTILINE) for file in files]
    except OSError:
        models = []
    names = [found.group(1).strip() for found in models if found]
    return "; ".join(names) or _gpus_by_command()


def _gpus_by_command() -> str:
    if shutil.which("nvidia-smi") is None:
        return "none"
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return "none that can be used"
    return "; ".join(line.strip() for line in found.splitlines())
