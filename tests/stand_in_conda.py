"""A `conda` for tests: the calls that Snakemake makes, answered by py-rattler, a real conda solver and installer.

`CONDA_CHANNEL_ALIAS` says where channels given by name are, as it does for conda.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from rattler import Channel, ChannelConfig, Gateway, MatchSpec, RepoDataRecord, VirtualPackage, install, solve

VERSION = "26.7.0"
PLATFORMS = ("linux-64", "noarch")
ACTIVATE = """export CONDA_PREFIX="$1"
export PATH="$1/bin:$PATH"
"""


def lay_out(root: Path) -> dict[str, str]:
    """Make an installation of this conda in a folder; return the variables with which it is used."""
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "activate").write_text(ACTIVATE)
    conda = root / "bin" / "conda"
    conda.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    conda.chmod(0o755)
    return {"STAND_IN_CONDA": str(root), "PATH": f"{root / 'bin'}:{os.environ['PATH']}"}


async def solved(channels: list[str], specs: list[str]) -> list[RepoDataRecord]:
    """The packages that an environment file asks for."""
    config = ChannelConfig(channel_alias=os.environ["CONDA_CHANNEL_ALIAS"] + "/")
    sources = [Channel(name, config) for name in channels]
    return await solve(sources, specs, platforms=PLATFORMS, virtual_packages=VirtualPackage.detect())


async def explicit(urls: list[str]) -> list[RepoDataRecord]:
    """The packages that a pin file lists, each of which must have the MD5 that stands there."""
    records = []
    for url, _, md5 in (line.partition("#") for line in urls):
        channel, _, file_name = url.rsplit("/", 2)
        name = file_name.rsplit("-", 2)[0]
        found = await Gateway().query([Channel(channel)], PLATFORMS, [MatchSpec(name)], recursive=False)
        (record,) = [one for batch in found for one in batch if one.url == url]
        assert record.md5.hex() == md5, f"{url} has another MD5"
        records.append(record)
    return records


def create(root: Path, arguments: list[str], pinned: bool) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    for flag in ("--quiet", "--yes", "--no-default-packages"):
        parser.add_argument(flag, action="store_true")
    told = parser.parse_args(arguments)
    text = told.file.read_text()
    content = {} if pinned else yaml.safe_load(text)
    if pinned:
        records = asyncio.run(explicit([line for line in text.splitlines() if "://" in line]))
    else:
        channels = [channel for channel in content["channels"] if channel != "nodefaults"]
        specs = [entry for entry in content["dependencies"] if isinstance(entry, str)]
        records = asyncio.run(solved(channels, specs))
    asyncio.run(install(records, told.prefix, cache_dir=root / "pkgs", show_progress=False))
    for entry in content.get("dependencies", []):
        if isinstance(entry, dict):
            requirements = told.prefix / "requirements.txt"
            requirements.write_text("\n".join(entry["pip"]) + "\n")
            subprocess.run([told.prefix / "bin/pip", "install", "--quiet", "-r", requirements], check=True)


def main(root: Path, words: list[str]) -> None:
    if words == ["--version"]:
        print("conda", VERSION)
    elif words == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(root), "platform": "linux-64", "conda_version": VERSION}))
    elif words[:1] == ["config"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif words[:2] == ["env", "create"]:
        create(root, words[2:], pinned=False)
    elif words[:1] == ["create"]:
        create(root, words[1:], pinned=True)
    elif words[:1] == ["clean"]:
        pass
    else:
        sys.exit(f"this stand-in for conda does not know {' '.join(words)!r}")


if __name__ == "__main__":
    main(Path(os.environ["STAND_IN_CONDA"]), sys.argv[1:])
