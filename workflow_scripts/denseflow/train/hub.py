"""Models from the Hugging Face hub: only the files that are needed, of a commit that is recorded and kept."""

from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.revisions import recorded, remember
from denseflow.train.model_files import adapter_files, wanted_files

# HTTPError is of whichever HTTP library huggingface_hub uses: no connection, a timeout.
_UNREACHABLE = (HfHubHTTPError, HTTPError, HFValidationError, OSError)


def download(
    hub: str, revision: str | None, revisions: Path, *, trust_remote_code: bool, adapter: bool = False
) -> tuple[Path, str]:
    """Fetch a model, and return its folder in the hub's cache and the commit.

    The commit, and the sha256 of each file, are recorded in ``revisions`` at the first use; later uses take that
    commit, without asking the hub where its files are still in the cache.

    Args:
        hub: The repository, such as ``org/name``.
        revision: A branch, tag or commit; None: the default branch.
        revisions: A JSON file of what was recorded, made where it is missing.
        trust_remote_code: Whether to fetch code.
        adapter: Fetch peft's adapter of the repository instead of a model.

    Raises:
        DenseflowError: The hub cannot be reached or has no such model, or a file is not what was recorded.
    """
    key = (hub if revision is None else f"{hub}@{revision}") + (" (adapter)" if adapter else "")
    known = recorded(revisions, key)
    if known is not None and (known["code"] or not trust_remote_code):
        cached = _from_cache(hub, known)
        if cached is not None:
            return cached, known["commit"]
    asked = known["commit"] if known is not None else revision
    try:
        info = HfApi().model_info(hub, revision=asked, files_metadata=True)
        siblings = {sibling.rfilename: sibling for sibling in info.siblings or []}
        names = adapter_files(siblings) if adapter else wanted_files(siblings, trust_remote_code=trust_remote_code)
        folder = Path(snapshot_download(hub, revision=info.sha, allow_patterns=names))
    except _UNREACHABLE as error:
        raise DenseflowError(_explain(hub, asked, error)) from error
    commit = str(info.sha)
    files = {name: sha256(folder / name) for name in names}
    promised = {name: lfs.sha256 for name in names if (lfs := siblings[name].lfs) is not None}
    if known is not None:
        promised |= {name: digest for name, digest in known["files"].items() if name in files}
    for name, digest in promised.items():
        if files[name] != digest:
            raise DenseflowError(
                f"{folder / name}: sha256 {files[name]} differs from {digest}, which the hub or the record in "
                f"{revisions} promises for {hub} at {commit}; the download is truncated or altered. Delete "
                f"{folder.parents[1]} and run again"
            )
    remember(revisions, key, {"commit": commit, "files": files, "code": trust_remote_code})
    return folder, commit


def _from_cache(hub: str, recorded: dict[str, Any]) -> Path | None:
    """The folder of a recorded commit, where each of its files is in the cache unaltered."""
    commit, files = recorded["commit"], recorded["files"]
    try:
        folder = Path(snapshot_download(hub, revision=commit, allow_patterns=list(files), local_files_only=True))
    except (OSError, ValueError):
        return None
    whole = all((folder / name).is_file() and sha256(folder / name) == digest for name, digest in files.items())
    return folder if whole else None


def _explain(hub: str, revision: str | None, error: Exception) -> str:
    said = (str(error).strip() or repr(error)).splitlines()[0]
    return (
        f"model {hub!r} cannot be fetched from the Hugging Face hub: {HfApi().endpoint}/{hub} was tried at revision "
        f"{revision or 'of its default branch'} ({type(error).__name__}: {said}). Check the name and the connection "
        "(a private or gated model wants HF_TOKEN); or fetch its files elsewhere, put them into a folder and name that "
        "with `path:` in place of `hub:` in the model's file. The experiment `quickstart` needs no download"
    )
