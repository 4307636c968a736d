"""A conda channel in a folder, with a `python` that is the one that runs the tests, so that its packages are found.

The packages are real ones (archive, index.json, paths.json, repodata.json, a prefix that is replaced when they are
installed), which a real solver and installer take.
"""

import hashlib
import io
import json
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

PLACEHOLDER = "/opt/a-long-placeholder-that-the-installer-replaces-by-the-prefix-of-the-environment"
PYTHON = f"""#!/bin/sh
for argument; do case $argument in *.py) echo "$argument" >> {PLACEHOLDER}/ran.txt; esac; done
exec {sys.executable} "$@"
"""
PIP = f'#!/bin/sh\nexec {PLACEHOLDER}/bin/python -m pip "$@"\n'


@dataclass
class Package:
    """A package; its files are executable texts in which the placeholder is replaced."""

    name: str
    version: str
    depends: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-0.tar.bz2"


PACKAGES = [
    Package("libffi", "3.4.6", files={"lib/libffi.txt": "libffi\n"}),
    *(Package("python", version, ("libffi >=3.4",), {"bin/python": PYTHON}) for version in ("3.11.9", "3.12.1")),
    *(Package("pip", version, ("python",), {"bin/pip": PIP}) for version in ("25.3", "26.0", "26.1")),
]


def make_channel(folder: Path, packages: list[Package] = PACKAGES) -> str:
    """Write the channel ``conda-forge`` below ``folder``, and return the alias that leads to it."""
    platform = folder / "conda-forge" / "linux-64"
    platform.mkdir(parents=True)
    index = {package.file_name: _write(package, platform) for package in packages}
    for subdir, content in (("linux-64", index), ("noarch", {})):
        (folder / "conda-forge" / subdir).mkdir(exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": content, "packages.conda": {}, "repodata_version": 1}
        (folder / "conda-forge" / subdir / "repodata.json").write_text(json.dumps(repodata))
    return folder.as_uri()


def _write(package: Package, folder: Path) -> dict:
    """Write a package's archive; return its entry in the channel's index."""
    about = {
        **{"name": package.name, "version": package.version, "build": "0", "build_number": 0, "license": "MIT"},
        **{"depends": list(package.depends), "subdir": "linux-64", "arch": "x86_64", "platform": "linux"},
        "timestamp": 1_700_000_000_000,
    }
    paths = [
        {
            **{"_path": path, "path_type": "hardlink", "file_mode": "text", "prefix_placeholder": PLACEHOLDER},
            **{"sha256": hashlib.sha256(text.encode()).hexdigest(), "size_in_bytes": len(text.encode())},
        }
        for path, text in package.files.items()
    ]
    contents = {
        "info/index.json": json.dumps(about),
        "info/paths.json": json.dumps({"paths_version": 1, "paths": paths}),
        "info/files": "\n".join(package.files) + "\n",
        "info/about.json": "{}",
        **package.files,
    }
    archive = folder / package.file_name
    with tarfile.open(archive, "w:bz2") as tar:
        for path, text in contents.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode, member.mtime = len(text.encode()), 0o755, 1_700_000_000
            tar.addfile(member, io.BytesIO(text.encode()))
    packed = archive.read_bytes()
    digests = {name: hashlib.new(name, packed).hexdigest() for name in ("md5", "sha256")}
    return {**about, **digests, "size": len(packed)}
