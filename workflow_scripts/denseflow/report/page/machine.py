"""The machine that a page is made on."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path


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
    if shutil.which("nvidia-smi") is None:
        return "none"
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return "none that can be used"
    return "; ".join(line.strip() for line in found.splitlines())
