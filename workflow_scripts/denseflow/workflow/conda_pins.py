"""Pins each conda environment to builds: ``envs/STAGE.linux-64.pin.txt``, which Snakemake takes by itself.

Run in workflow_scripts/, where the channels of the environment files can be reached (py-rattler is the solver):

    python -m denseflow.workflow.conda_pins
    python -m denseflow.workflow.conda_pins --channel-alias https://mirror.example.org/conda

conda installs no pip packages from such a file, so that the pip section of the environment goes into its post-deploy
script too, which Snakemake runs either way.
"""

import argparse
import asyncio
import re
from pathlib import Path
from typing import Final

import yaml

from denseflow.errors import DenseflowError
from denseflow.files import write_text

ENVIRONMENTS = Path(__file__).resolve().parents[3] / "envs"
PLATFORM: Final = "linux-64"
ALIAS = "https://conda.anaconda.org"

# What the builds may rely on is what Snakemake's users have at least, not what the machine that makes the pins has.
SYSTEM = {"__unix": "0", "__linux": "4.18", "__glibc": "2.28"}

MADE = "# Made by `make pins`: with a pin file, conda leaves out the environment's pip section.\n"


def pin_file(environment: Path) -> Path:
    """The file that pins an environment, where Snakemake looks for it."""
    return environment.with_suffix(f".{PLATFORM}.pin.txt")


def pin(environment: Path, alias: str = ALIAS) -> Path:
    """Solve an environment, and write its pin file and its post-deploy script.

    Args:
        environment: A conda environment file; ``nodefaults`` among its channels is no channel.
        alias: Where channels that are given by name are, as conda's setting ``channel_alias``.

    Returns:
        The pin file.

    Raises:
        DenseflowError: The channel cannot be reached, or does not have what the file asks for; nothing is written.
    """
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    channels = [name for name in content["channels"] if name != "nodefaults"]
    specs = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    urls = asyncio.run(_solve(environment, channels, specs, alias))
    head = f"# Made by `make pins` from {environment.name}.\n# platform: {PLATFORM}\n@EXPLICIT\n"
    write_text(pin_file(environment), head + "".join(f"{url}\n" for url in urls))
    _write_post_deploy(environment, content["dependencies"][-1]["pip"])
    return pin_file(environment)


def disagreements(environment: Path) -> list[str]:
    """What a pin file and its post-deploy script have that the environment file does not say; none is right."""
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    pinned = dict(re.findall(r"/([^/\s]+)-([^-/\s]+)-[^-/\s]+\.(?:conda|tar\.bz2)#", pin_file(environment).read_text()))
    wrong = []
    for entry in content["dependencies"]:
        if isinstance(entry, str):
            name, _, wanted = entry.partition("=")
            found = pinned.get(name, "missing")
            if found != wanted and not found.startswith(f"{wanted}."):
                wrong.append(f"{name}: {found} instead of {wanted}")
        else:
            script = environment.with_suffix(".post-deploy.sh")
            lines = script.read_text(encoding="utf-8").splitlines() if script.is_file() else []
            if _pip_install(entry["pip"]) not in lines:
                wrong.append(f"{script.name}: does not install the pip section")
    return wrong


async def _solve(environment: Path, channels: list[str], specs: list[str], alias: str) -> list[str]:
    """The URLs of the packages that an environment takes, each with its MD5, what a package needs before it."""
    from rattler import (
        BuildString,
        Channel,
        ChannelConfig,
        GenericVirtualPackage,
        PackageName,
        PackageRecord,
        Version,
        solve,
    )
    from rattler.exceptions import FetchRepoDataError, GatewayError, SolverError

    config = ChannelConfig(channel_alias=f"{alias.rstrip('/')}/")
    try:
        records = await solve(
            [Channel(name, config) for name in channels],
            specs,
            platforms=[PLATFORM, "noarch"],
            virtual_packages=[
                GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
                for name, version in SYSTEM.items()
            ],
        )
    except (FetchRepoDataError, GatewayError, SolverError) as error:
        raise DenseflowError(
            f"{environment}: cannot be pinned from {', '.join(channels)} at {alias}: {error}. Where the channel is "
            "mirrored, say so with --channel-alias URL"
        ) from None
    by_name = {record.name.normalized: record for record in records}
    ordered = [by_name[record.name.normalized] for record in PackageRecord.sort_topologically([*records])]
    return [f"{record.url}#{record.md5.hex()}" for record in ordered if record.md5 is not None]


def _write_post_deploy(environment: Path, packages: list[str]) -> None:
    """Put the pip section of an environment before what its post-deploy script does of its own."""
    script = environment.with_suffix(".post-deploy.sh")
    own = script.read_text(encoding="utf-8") if script.is_file() else ""
    if own.startswith(MADE):
        own = "".join(own.splitlines(keepends=True)[3:])
    write_text(script, f"{MADE}set -e\n{_pip_install(packages)}\n{own}")


def _pip_install(packages: list[str]) -> str:
    return f"pip install {' '.join(packages)}"


def main() -> None:
    """Pin all environments of envs/ and envs/gpu/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channel-alias", default=ALIAS, help="where channels given by name are")
    arguments = parser.parse_args()
    for environment in sorted(ENVIRONMENTS.glob("**/*.yaml")):
        try:
            print(pin(environment, arguments.channel_alias))
        except DenseflowError as error:
            raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
