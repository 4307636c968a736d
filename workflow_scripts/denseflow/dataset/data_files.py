"""The files of a collection, brought to this machine and checked."""

import gzip
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denseflow.addresses import last_part
from denseflow.dataset.download import download
from denseflow.errors import DenseflowError
from denseflow.files import atomic_path, sha256, sha256_text


def at_hand(file: Mapping[str, Any], work: Path) -> Path:
    """A file's place on this machine, unpacked where it is gzipped and downloaded where it is not there.

    Args:
        file: ``path``, ``url`` and ``sha256`` as :class:`denseflow.config.data_file.DataFile` has them.
        work: A folder for what is downloaded or unpacked.

    Raises:
        DenseflowError: It is nowhere, cannot be unpacked, or is another file than the one that ``sha256`` says.
    """
    found = _found(file, work)
    plain = _unpacked(found, work) if found.suffix == ".gz" else found
    expected = file.get("sha256")
    if expected is not None and expected not in (sha256(plain), sha256(found)):
        raise DenseflowError(
            f"{found}: sha256 {sha256(plain)}, expected {expected}; another version of the file, or a broken one. Make "
            "sure which file is meant before changing `sha256` in the data set's file"
        )
    return plain


def _found(file: Mapping[str, Any], work: Path) -> Path:
    path = file.get("path")
    if path is not None and Path(path).is_file():
        return Path(path)
    if file.get("url") is None:
        raise DenseflowError(
            f"{Path(file['path']).absolute()}: no such file; correct `path` in the data set's file, or add `url` and "
            "`sha256` to have it downloaded"
        )
    # By its sum: two files of a collection may have one name.
    target = work / "downloads" / file["sha256"] / last_part(file["url"])
    download(file["url"], file["sha256"], target)
    return target


def _unpacked(packed: Path, work: Path) -> Path:
    # By its whole path: two files in two folders may have one name.
    target = work / "unpacked" / sha256_text(str(packed.absolute()))[:16] / packed.stem
    try:
        with gzip.open(packed, "rb") as source, atomic_path(target) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(source, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DenseflowError(f"{packed}: truncated or broken gzip file ({error}); download it again") from None
    return target
