"""The names of files in paths and addresses."""

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit


def last_part(place: str) -> str:
    """The name of the file at a path or an address, whose query, such as ``?download=1``, is left out."""
    return PurePosixPath(unquote(urlsplit(place).path) if "://" in place else place).name
