"""A Hugging Face hub in miniature, on this machine: the answers that downloads of models and datasets ask for."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FakeHub:
    """One repository with one commit; ``requests`` are the paths that were asked for."""

    def __init__(self, name: str, folder: Path, commit: str = "a" * 40, kind: str = "models") -> None:
        """Serve the files of ``folder`` as the repository ``name``; ``kind`` is models or datasets."""
        self.name, self.folder, self.commit, self.kind = name, folder, commit, kind
        self.requests: list[str] = []
        self.promised: dict[str, str] = {}
        self.url = ""

    def info(self) -> dict:
        """What the hub says of the repository; safetensors are promised by their sha256, as large files are."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        siblings = []
        for path in files:
            name = path.relative_to(self.folder).as_posix()
            sibling: dict = {"rfilename": name, "size": path.stat().st_size, "blobId": "b" * 40}
            if path.suffix == ".safetensors":
                digest = self.promised.get(name, hashlib.sha256(path.read_bytes()).hexdigest())
                sibling["lfs"] = {"sha256": digest, "size": path.stat().st_size, "pointerSize": 100}
            siblings.append(sibling)
        return {"id": self.name, "modelId": self.name, "sha": self.commit, "siblings": siblings}

    def tree(self) -> list[dict]:
        """The same files as the hub lists them in a tree."""
        return [
            {"type": "file", "path": sibling["rfilename"], "oid": sibling["blobId"], "size": sibling["size"]}
            for sibling in self.info()["siblings"]
        ]

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content for a path."""
        path = path.split("?")[0]
        self.requests.append(path)
        if path.startswith(f"/api/{self.kind}/{self.name}"):
            answer = self.tree() if "/tree/" in path else self.info()
            return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
        start = f"/{self.name}/resolve/{self.commit}/"
        if self.kind == "datasets":
            start = f"/datasets{start}"
        file = self.folder / path.removeprefix(start)
        if not path.startswith(start) or not file.is_file():
            return 404, {"X-Error-Code": "EntryNotFound" if path.startswith(start) else "RepoNotFound"}, b""
        content = file.read_bytes()
        return 200, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": self.commit}, content

    @contextmanager
    def running(self) -> Iterator["FakeHub"]:
        """Answer on a free port while the block runs."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, content = hub.answer(self.path)
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
