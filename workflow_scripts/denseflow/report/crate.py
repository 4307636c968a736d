"""An experiment's provenance as a Workflow Run RO-Crate: what was run on what, with what result, for machines.

The crate is the report's folder. It holds the table in its forms, the workflow and the configuration that made it; what
lies elsewhere below the results (collections, models, vectors, runs) is described with its SHA-256. The profile:
https://www.researchobject.org/workflow-run-crate (Leo et al., 2024).
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from denseflow.files import sha256, write_json
from denseflow.manifest import read_manifest
from denseflow.report.commit import commit
from denseflow.report.digests import digests_in
from denseflow.report.step_files import Machines, machine_words

METADATA = "ro-crate-metadata.json"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_LICENCE = "The licences of the collections and models that went in apply to the results; the workflow: Apache-2.0"
_KINDS = {
    ".tsv": "text/tab-separated-values",
    ".csv": "text/csv",
    ".json": "application/json",
    ".tex": "application/x-tex",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
}


def write_crate(
    report: Path, manifests: Iterable[Path], configuration: Iterable[Path], base: Path, *, description: str = ""
) -> None:
    """Write ro-crate-metadata.json into a report's folder, with copies of the workflow and its configuration.

    Times are those at which the manifests were written, so that the same results are described by the same text.

    Args:
        report: The report's manifest.
        manifests: Of all steps that led to it; those that are missing are passed over.
        configuration: The configuration's files, relative to the working directory.
        base: The folder of the Snakefile and of rules/.
        description: The experiment's.
    """
    _Crate(report, description).write([path for path in manifests if path.is_file()], list(configuration), base)


class _Crate:
    """The crate while it is put together."""

    def __init__(self, report: Path, description: str) -> None:
        self._report, self._folder = report, report.parent
        self._crate = ROCrate(version="1.1")
        self._crate.metadata.extra_contexts.append(_TERMS)
        self._by_digest: dict[str, Entity] = {}
        self._machines = Machines(report.parents[2])
        root = self._crate.root_dataset
        root["name"] = f"Denseflow: {self._folder.name}"
        root["description"] = description or f"The experiment {self._folder.name} and its results"
        root["datePublished"] = _time(report)
        root["license"] = self._context("#licence", "CreativeWork", name="Licences", description=_LICENCE)
        root["conformsTo"] = [
            self._context(url, "CreativeWork", name=name, version=url.rsplit("/", 1)[-1])
            for url, name in PROFILES.items()
        ]

    def write(self, manifests: list[Path], configuration: list[Path], base: Path) -> None:
        workflow, configured = self._workflow(base), [self._copy(file, "workflow") for file in configuration]
        of_report = read_manifest(self._report)
        results = [self._file(self._folder / name) for name in (self._report.name, *of_report["files"])]
        read = {path: read_manifest(path, check=False) for path in manifests if path != self._report}
        for path, manifest in read.items():
            self._outside(path, sha256(path))
            for name, file in manifest["files"].items():
                self._outside(path.parent / name, file["sha256"], file["bytes"])
        for path, manifest in read.items():
            digests = [file["sha256"] for file in manifest["files"].values()]
            self._step(path, manifest, [self._by_digest[digest] for digest in (sha256(path), *digests)])
        self._step(self._report, of_report, results)
        sources = [path for path, manifest in read.items() if manifest["stage"] == "dataset" or "source" in manifest]
        run = self._crate.add_action(
            workflow,
            identifier="#run",
            object=[*configured, *(self._by_digest[sha256(path)] for path in sources)],
            result=results,
            properties={
                "name": f"The run of {self._folder.name}",
                "startTime": min(map(_time, [*read, self._report])),
                "endTime": _time(self._report),
                "actionStatus": {"@id": _COMPLETED},
            },
        )
        self._crate.root_dataset.append_to("mentions", run)
        for entity in self._crate.data_entities:
            if entity is not self._crate.root_dataset:
                entity.write(self._folder)
        write_json(self._folder / METADATA, self._crate.metadata.generate())

    def _workflow(self, base: Path) -> Entity:
        workflow = self._crate.add_workflow(
            base / "Snakefile",
            dest_path="workflow/Snakefile",
            main=True,
            lang="snakemake",
            lang_version=_snakemake(),
            properties={"name": "Denseflow", "sha256": sha256(base / "Snakefile"), **_version(base)},
        )
        workflow["hasPart"] = [
            self._crate.add_file(
                file,
                dest_path=f"workflow/rules/{file.name}",
                properties={"name": f"rules/{file.name}", "sha256": sha256(file), "encodingFormat": "text/plain"},
            )
            for file in sorted((base / "rules").glob("*.smk"))
        ]
        return workflow

    def _copy(self, file: Path, folder: str) -> Entity:
        return self._crate.add_file(
            file, dest_path=str(PurePosixPath(folder) / file.as_posix()), properties=_facts(file, file.as_posix())
        )

    def _file(self, file: Path) -> Entity:
        entity = self._crate.add_file(file, dest_path=file.name, properties=_facts(file, file.name))
        self._by_digest[entity["sha256"]] = entity
        return entity

    def _outside(self, file: Path, digest: str, size: int | None = None) -> None:
        """Describe a file outside of the crate; files of the same content are one to those that read them."""
        facts: dict[str, Any] = {"name": file.as_posix(), "sha256": digest}
        if size is not None:
            facts["contentSize"] = str(size)
        entity = self._context(f"#{file.as_posix()}", "CreativeWork", **facts)
        self._by_digest.setdefault(digest, entity)

    def _step(self, path: Path, manifest: dict[str, Any], results: list[Entity]) -> None:
        """What one step read and wrote, with which options."""
        own = {file["sha256"] for file in manifest["files"].values()}
        facts = {key: value for key, value in manifest.items() if key not in ("files", "versions")}
        read = dict.fromkeys(digest for digest in digests_in(facts) if digest in self._by_digest and digest not in own)
        inputs = [self._by_digest[digest] for digest in read]
        name = path.as_posix()
        if manifest.get("options"):
            options = json.dumps(manifest["options"], sort_keys=True, ensure_ascii=False)
            inputs.append(self._context(f"#options/{name}", "PropertyValue", name="options", value=options))
        said = [f"{key} {manifest[key]}" for key in ("seed", "device", "precision") if manifest.get(key) is not None]
        said += [f"on {machine_words(facts)}" for facts in self._machines.of(path)]
        step = self._crate.add_action(
            self._tool(manifest),
            identifier=f"#step/{name}",
            object=inputs,
            result=results,
            properties={
                "name": f"{manifest['stage']}: {path.parent.as_posix()}",
                "endTime": _time(path),
                "actionStatus": {"@id": _COMPLETED},
                **({"description": ", ".join(said)} if said else {}),
            },
        )
        self._crate.root_dataset.append_to("mentions", step)

    def _tool(self, manifest: dict[str, Any]) -> Entity:
        """The stage's code, with the versions of the packages that it names."""
        stage, packages = manifest["stage"], manifest.get("versions", {})
        tool = self._context(f"#stage/{stage}", "SoftwareApplication", name=f"Denseflow's stage {stage}")
        for package, number in packages.items():
            needed = self._context(f"#package/{package}-{number}", "SoftwareApplication", name=package, version=number)
            if needed not in tool.get("softwareRequirements", []):
                tool.append_to("softwareRequirements", needed)
        return tool

    def _context(self, identifier: str, kind: str, **properties: Any) -> Entity:
        """The entity of an identifier, made where there is none yet."""
        known = self._crate.get(identifier)
        return known or self._crate.add(ContextEntity(self._crate, identifier, {"@type": kind, **properties}))


def _facts(file: Path, name: str) -> dict[str, str]:
    return {
        "name": name,
        "sha256": sha256(file),
        "contentSize": str(file.stat().st_size),
        "encodingFormat": _KINDS.get(file.suffix, "text/plain"),
    }


def _time(file: Path) -> str:
    return datetime.fromtimestamp(int(file.stat().st_mtime), tz=UTC).isoformat()


def _snakemake() -> str | None:
    try:
        return version("snakemake")
    except PackageNotFoundError:  # a stage's own environment lacks it
        return None


def _version(base: Path) -> dict[str, str]:
    found = commit(base)
    return {} if found is None else {"version": found}
