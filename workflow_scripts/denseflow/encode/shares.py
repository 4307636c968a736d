"""The shares of several jobs in an encoding: which shards each makes, and the wait for all of them."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from denseflow.encode.corpus_shards import CorpusShards
from denseflow.errors import DenseflowError

LOG = logging.getLogger("denseflow")

PAUSES = (1.0, 4.0, 15.0, 40.0)
"""Seconds between looks for what other machines have written: NFS may show it up to a minute later."""


def share_of(count: int, share: int, shares: int) -> range:
    """The places of the shards that are one job's share of ``count``: a contiguous range."""
    return range(count * share // shares, count * (share + 1) // shares)


def await_shares(shards: CorpusShards, markers: Sequence[Path]) -> None:
    """Wait until all shards are seen that other jobs have made, a minute at most.

    Args:
        shards: The shards of the corpus.
        markers: What each job wrote when its share was finished, in the order of the shares.

    Raises:
        DenseflowError: Some shards are missing or altered. The markers of their shares are deleted, so that the next
            run of the workflow makes these shares again.
    """
    missing = shards.missing(range(shards.count))
    for pause in PAUSES:
        if not missing:
            return
        LOG.info("%d of %d shards left that other jobs have made; waiting for them", len(missing), shards.count)
        time.sleep(pause)
        missing = shards.missing(missing)
    if not missing:
        return
    for share, marker in enumerate(markers):
        if not set(missing).isdisjoint(share_of(shards.count, share, len(markers))):
            marker.unlink(missing_ok=True)
    raise DenseflowError(
        f"{shards.path(missing[0])}: missing or altered ({len(missing)} of {shards.count} shards are), though the jobs "
        "that share the encoding (run.encode_jobs) had finished. It was not made here, without a GPU: run the workflow "
        f"again, which gives these shards to such jobs again (their marks in {markers[0].parent} are deleted). Where "
        "that does not help, another machine's files are not seen here: set run.encode_jobs to 1"
    )
