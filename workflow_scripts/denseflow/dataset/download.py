"""A download that is whole and the right one, or is not there."""

import hashlib
import math
import time
from pathlib import Path

import requests
import urllib3

from denseflow.dataset.collection_source import QUICKSTART
from denseflow.errors import DenseflowError
from denseflow.files import atomic_path
from denseflow.progress import counted

TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for the next bytes."""


CHUNK = 1 << 20
"""Bytes that are written at once, and counted as one."""


def download(url: str, sha256: str, path: Path, *, attempts: int = 3, pause: float = 1.0) -> None:
    """Fetch ``url`` to ``path``, and check it.

    Args:
        url: An http or https address.
        sha256: What the file's SHA-256 must be, in hexadecimal.
        path: Where it goes, whole or not at all.
        attempts: How often to try when the connection fails, breaks off, or the server says that it has trouble.
        pause: Seconds to wait before the second attempt; twice as long before each further one.

    Raises:
        DenseflowError: It cannot be reached, is truncated, or is another file. The message says what was tried and how
            to go on without the network.
    """
    if not url.startswith(("http://", "https://")):
        raise DenseflowError(f"url {url!r}: expected an address that starts with http:// or https://")
    failures = []
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            with atomic_path(path) as temporary:
                _check(url, _fetch(url, temporary), sha256)
            return
        except requests.RequestException as error:
            failures.append(_reason(error))
            status = error.response.status_code if error.response is not None else None
            if status is not None and status < 500 and status != 429:
                break
    raise DenseflowError(
        f"{url}: cannot be downloaded. Tried {len(failures)} times: {'; then '.join(dict.fromkeys(failures))}. "
        f"Download it elsewhere (sha256 {sha256}), put it on this machine, and give `path: THE/FILE` instead of `url` "
        f"and `sha256` in the data set's file. {QUICKSTART}"
    )


def _fetch(url: str, path: Path) -> str:
    """Write the response's bytes as they are sent, and return their SHA-256."""
    # Without "identity" a server may send a .gz file as gzip-encoded text, and other bytes would be stored.
    with requests.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as response:
        response.raise_for_status()
        digest, length = hashlib.sha256(), 0
        expected = response.headers.get("Content-Length")
        chunks = None if expected is None else math.ceil(int(expected) / CHUNK)
        with path.open("wb") as file:
            try:
                for chunk in counted(response.raw.stream(CHUNK, decode_content=False), "MiB downloaded", chunks):
                    file.write(chunk)
                    digest.update(chunk)
                    length += len(chunk)
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(f"broke off after {length} bytes ({error})") from None
    if expected is not None and int(expected) != length:
        raise requests.ConnectionError(f"broke off after {length} of {expected} bytes")
    return digest.hexdigest()


def _check(url: str, found: str, expected: str) -> None:
    if found != expected.lower():
        raise DenseflowError(
            f"{url}: sha256 {found}, expected {expected}; the file was changed at its source, or `sha256` in the data "
            "set's file is wrong. Nothing was kept. Make sure which file is meant before changing the sum"
        )


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    return f"{type(error).__name__}: {error}"
