"""Unpacking zip and tar archives that may be hostile or broken."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from denseflow.errors import DenseflowError

BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError),
    *(FileExistsError, NotADirectoryError),
)
"""What is raised when an archive is truncated, its bytes are wrong, or a name is both a file's and a folder's."""


class Member(NamedTuple):
    """A file in an archive: its name, its size in bytes, whether it is an ordinary one, and how to read it."""

    name: str
    size: int
    ordinary: bool
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the ordinary files of a zip or tar archive (gzip, bzip2 or xz) into ``folder``.

    All members are looked at before the first one is written.

    Raises:
        DenseflowError: A member points outside the folder, is a link or a device, or comes twice; the archive is
            truncated, broken, encrypted or larger than the free space; or it is no archive at all.
    """
    try:
        with _members(archive) as members:
            _check(archive, members, folder)
            for member in members:
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, target.open("xb") as copy:
                    shutil.copyfileobj(source, copy)
                if target.stat().st_size != member.size:
                    raise EOFError(f"{member.name} has {target.stat().st_size} of {member.size} bytes")
    except BROKEN as error:
        raise DenseflowError(
            f"{archive}: truncated or broken archive ({type(error).__name__}: {error}); download or make it again"
        ) from None


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            infos = [info for info in file.infolist() if not info.is_dir() or _outside(info.orig_filename)]
            yield [_zip_member(archive, file, info) for info in infos]
        return
    try:
        tar = tarfile.open(archive)  # noqa: SIM115 (closed below; only the opening is guarded)
    except tarfile.ReadError:
        raise DenseflowError(
            f"{archive}: no whole zip or tar archive; it is truncated, or of another kind. Expected .zip, "
            ".tar, .tar.gz, .tar.bz2 or .tar.xz"
        ) from None
    with tar:
        _check_end(tar)
        entries = [entry for entry in tar.getmembers() if not entry.isdir() or _outside(entry.name)]
        yield [Member(entry.name, entry.size, entry.isreg(), partial(_tar_file, tar, entry)) for entry in entries]


def _check_end(tar: tarfile.TarFile) -> None:
    """Read what follows the last member: tarfile takes an archive without its end, and stops before gzip's checksum."""
    file = tar.fileobj
    assert file is not None  # it was opened for reading
    members = tar.getmembers()
    end = members[-1].offset_data + (members[-1].size if members[-1].isreg() else 0) if members else 0
    file.seek(end + -end % tarfile.BLOCKSIZE)
    if file.read(tarfile.BLOCKSIZE) != b"\0" * tarfile.BLOCKSIZE:
        raise EOFError("the block that marks its end is missing")
    while file.read(1 << 20):
        pass


def _tar_file(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info)
    assert file is not None  # which extractfile gives for other than ordinary files only
    return file


def _zip_member(archive: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    if info.flag_bits & 1:
        raise DenseflowError(f"{archive}: member {info.filename!r} is encrypted; give an archive without a password")
    mode = info.external_attr >> 16
    ordinary = stat.S_IFMT(mode) in (0, stat.S_IFREG)
    # orig_filename: zipfile cuts the name at a NUL byte and turns the system's separators round.
    return Member(info.orig_filename, info.file_size, ordinary, partial(file.open, info))


def _outside(name: str) -> bool:
    """Whether a member's name could lead out of the folder, on any system."""
    return (
        not name
        or "\0" in name
        or PurePosixPath(name).is_absolute()
        or bool(PureWindowsPath(name).drive or PureWindowsPath(name).root)
        or ".." in PureWindowsPath(name).parts
    )


def _check(archive: Path, members: list[Member], folder: Path) -> None:
    seen: set[PurePosixPath] = set()
    for member in members:
        if _outside(member.name):
            raise DenseflowError(
                f"{archive}: member {member.name!r} points outside the archive's folder; nothing was unpacked. "
                "Do not use this archive"
            )
        if not member.ordinary:
            raise DenseflowError(
                f"{archive}: member {member.name!r} is a link or a device; expected ordinary files only. Nothing was "
                "unpacked; make the archive again from the files themselves"
            )
        if PurePosixPath(member.name) in seen:
            raise DenseflowError(f"{archive}: member {member.name!r} comes twice; nothing was unpacked")
        seen.add(PurePosixPath(member.name))
    size, free = sum(member.size for member in members), shutil.disk_usage(folder).free
    if size > free:
        raise DenseflowError(f"{archive}: unpacked it has {size} bytes, but {folder} has only {free} bytes free")
