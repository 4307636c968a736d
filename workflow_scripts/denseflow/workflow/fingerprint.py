"""The fingerprint of a rule's code: its script, the modules it reaches by import and the templates beside them, and its
environment's pins.
"""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

PACKAGE = "denseflow"
TEMPLATES = "templates"
"""The folder of what a package's modules read beside Python: templates, styles, scripts of pages."""

WITHOUT_EFFECT = ("denseflow.stage_log", "denseflow.machine")
"""Modules that say how and where a step ran, and change nothing that it makes."""


@cache
def fingerprint(script: Path, environment: Path, unused: tuple[str, ...] = ()) -> str:
    """A digest that changes when what a rule runs changes, and not when a comment, a docstring or a date does.

    Args:
        script: A file of workflow_scripts/; the package ``denseflow`` stands beside it.
        environment: The stage's conda environment file; its pins count whether conda or pip installed them.
        unused: Modules that the rule will not use, by their names; they and what only they reach are left out.

    Returns:
        The first 16 hexadecimal digits of a SHA-256.
    """
    modules = reached_modules(script, (*unused, *WITHOUT_EFFECT))
    sources = {name: _module(path).code for name, path in modules.items()}
    for folder in {path.parent for path in modules.values()}:
        sources.update((f"{folder.name}/{file}", text) for file, text in _templates(folder / TEMPLATES).items())
    parts = [_module(script).code, *(f"{name}\n{code}" for name, code in sorted(sources.items())), *pins(environment)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def reached_modules(script: Path, unused: tuple[str, ...] = ()) -> dict[str, Path]:
    """The package's modules that a script imports, directly or through others but ``unused``, with their files."""
    root = script.parent
    found: dict[str, Path] = {}
    waiting = list(_module(script).imports)
    while waiting:
        name = waiting.pop()
        path = _module_file(root, name)
        if path is None or name in found or name in unused:
            continue
        found[name] = path
        waiting.extend(_module(path).imports)
        waiting.append(name.rpartition(".")[0])
    return found


@cache
def pins(environment: Path) -> tuple[str, ...]:
    """The pinned packages of a conda environment file and its post-deploy script, sorted, in pip's spelling.

    From which index or build they come (pip's options, a pin file beside it) does not count.
    """
    found: set[str] = set()
    for entry in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]:
        for requirement in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, version = requirement.replace("==", "=").partition("=")
            if not name.startswith("-"):
                found.add(f"{name.strip().lower().replace('_', '-')}=={version.strip()}")
    script = environment.with_suffix(".post-deploy.sh")
    if script.is_file():
        found.update(re.findall(r"[\w-]+==[\w.]+", script.read_text(encoding="utf-8")))
    return tuple(sorted(found))


class _Module(NamedTuple):
    """What counts of a file of Python.

    Attributes:
        imports: The package's modules that it names in import statements, those inside functions too.
        code: Its code without comments, docstrings and layout.
    """

    imports: frozenset[str]
    code: str


@cache
def _module(path: Path) -> _Module:
    """A file, parsed once for all rules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    imports = frozenset(name for name in names if name.split(".")[0] == PACKAGE)
    return _Module(imports, ast.unparse(_WithoutTexts().visit(tree)))


@cache
def _templates(folder: Path) -> dict[str, str]:
    """The texts of a folder, by name; none where there is no such folder."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.*")) if path.is_file()}


@cache
def _module_file(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if name and path.is_file():
            return path
    return None


class _WithoutTexts(ast.NodeTransformer):
    """Takes out statements that are only a text: docstrings of modules, classes, functions and constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.body:
            node.body = [ast.Pass()]
        return node
