"""What makes a kernel thread data (laws 1 and 2), asserted over the routines' source: they reach the world only through what they await.

Each rule is tried on a snippet that breaks it, so a rule that has gone deaf is noticed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.kernel.context import Context
from actors.kernel.inject import INJECTIONS
from actors.kernel.requests import Request
from actors.kernel.step import OPERATIONS, ROUTINES, SCRIPTED

ROOT = Path(__file__).resolve().parents[3]
KERNEL = sorted((ROOT / "actors" / "kernel").glob("*.py"))
MAY_IMPORT = ("__future__", "typing", "collections.abc", "msgspec", "protocol", "actors.kernel")
REGISTRIES = {"OPERATIONS": OPERATIONS, "SCRIPTED": SCRIPTED, "ROUTINES": ROUTINES, "INJECTIONS": INJECTIONS}
CONSTANT_CALLS = {"frozenset"}
BANNED_CALLS = {"id", "hash", "open", "print", "input", "globals", "locals", "vars", "exec", "eval", "set", "float", "__import__"}
REQUESTS = {
    name
    for name, method in inspect.getmembers(Context, inspect.isfunction)
    if str(method.__annotations__.get("return")) in {sub.__name__ for sub in Request.__subclasses__()}
}
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def faults(text: str) -> list[str]:
    """What breaks a rule in this source, by rule."""
    tree = ast.parse(text)
    rules = (_imports, _scopes, _awaits, _sets_and_floats, _calls, _module_state)
    return [fault for rule in rules for fault in rule(tree)]


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in MAY_IMPORT):
                yield f"import of {name}"


def _scopes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield f"{type(node).__name__.lower()} {', '.join(node.names)}"
        if isinstance(node, NESTED):
            if isinstance(node, ast.Lambda):
                yield "lambda"
            yield from ("closure" for inner in ast.walk(node) if inner is not node and isinstance(inner, NESTED))


def _awaits(tree: ast.Module) -> Iterator[str]:
    known = set(_routines(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFor | ast.AsyncWith):
            yield type(node).__name__
        if isinstance(node, ast.Await) and not _may_await(node.value, known):
            yield f"await {ast.unparse(node.value)}"


def _routines(tree: ast.Module) -> Iterator[str]:
    """Names that may be awaited: this module's coroutines, and what it imports from the kernel."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("actors.kernel"):
            yield from (alias.asname or alias.name for alias in node.names)


def _may_await(value: ast.expr, known: set[str]) -> bool:
    """A request of the context, a routine, or a routine found in a registry."""
    if not isinstance(value, ast.Call):
        return False
    made = value.func
    if isinstance(made, ast.Attribute):
        return isinstance(made.value, ast.Name) and made.value.id == "k" and made.attr in REQUESTS
    if isinstance(made, ast.Subscript):
        return isinstance(made.value, ast.Name) and made.value.id in REGISTRIES
    return isinstance(made, ast.Name) and made.id in known


def _sets_and_floats(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Set | ast.SetComp):
            yield "a set"
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"float {node.value}"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield "true division"


def _calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            yield f"call of {node.func.id}"


def _module_state(tree: ast.Module) -> Iterator[str]:
    """Names of modules and classes are bound once, and to what cannot change; the registries are filled where they are bound."""
    for body in (tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))):
        for node in body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
                if target not in REGISTRIES and target != "__all__" and not _constant(node.value):
                    yield f"module state {target}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del) and ast.unparse(node.value) in REGISTRIES:
            yield f"change of {ast.unparse(node.value)}"


def _constant(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in CONSTANT_CALLS
    return not isinstance(value, ast.List | ast.Dict | ast.ListComp | ast.DictComp | ast.GeneratorExp)


@pytest.mark.parametrize("path", KERNEL, ids=lambda path: path.stem)
def test_a_routine_reaches_the_world_only_through_what_it_awaits(path):
    text = path.read_text(encoding="utf-8")
    found = faults(text)
    if path.stem == "requests":
        # The one yield from which every await ends: the fields of a request are its own state, a dict of creation arguments among them.
        assert text.count("yield self") == 1
    if path.stem == "contracts":
        # Filled by decorators while the routines' modules are imported; no routine reads it (the next test). What a decorator makes of a
        # routine is a closure that awaits it: all it knows of the thread is told by the routine's answers (test_contracts.py).
        wrapper = ("import of functools", "import of types", "closure", "await routine(k, *arguments, **named)")
        found = [
            fault for fault in found if fault not in ("module state CONTRACTS", "module state NO_DEPTHS", "module state Routine", *wrapper)
        ]
    if path.stem == "context":
        # Tables are made once, before any thread runs, from what is constant and the same on every worker.
        found = [fault for fault in found if not fault.startswith("call of")]
    assert found == []


def test_no_routine_reads_the_contracts():
    readers = [path.stem for path in KERNEL if "CONTRACTS" in path.read_text(encoding="utf-8")]
    assert readers == ["contracts"]


def test_no_routine_but_the_contracts_looks_at_the_locks_of_its_thread():
    readers = {
        path.stem
        for path in KERNEL
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("locks", "excused") and path.stem != "context"
    }
    assert readers == {"contracts", "promise"}


BAD = {
    "import time": "import of time",
    "import random": "import of random",
    "from os import path": "import of os",
    "from cluster.plan import Plan": "import of cluster.plan",
    "from actors.homes.maps import VmMap": "import of actors.homes.maps",
    "import actors.processor.cpu": "import of actors.processor.cpu",
    "async def f(k):\n    global seen\n    seen = 1": "global seen",
    "async def f(k):\n    def g():\n        return k\n    return g()": "closure",
    "async def f(k):\n    return sorted((), key=lambda x: x)": "lambda",
    "import anyio\nasync def f(k):\n    await anyio.sleep(1)": "await anyio.sleep(1)",
    "async def f(k, other):\n    await other": "await other",
    "async def f(k, other):\n    await other.acquire('pq')": "await other.acquire('pq')",
    "async def f(k):\n    await k.form('R01')": "await k.form('R01')",
    "async def f(k):\n    async with k:\n        pass": "AsyncWith",
    "async def f(k):\n    for x in {1, 2}:\n        pass": "a set",
    "async def f(k):\n    for x in set(k):\n        pass": "call of set",
    "async def f(k):\n    return id(k)": "call of id",
    "async def f(k):\n    return hash('a')": "call of hash",
    "async def f(k):\n    return 0.5": "float 0.5",
    "async def f(k, n):\n    return n / 2": "true division",
    "SEEN = {}": "module state SEEN",
    "SEEN: list[int] = []": "module state SEEN",
    "class Fault:\n    seen = []": "module state seen",
    "import itertools\nNEXT = itertools.count()": "module state NEXT",
    "async def f(k):\n    ROUTINES['f'] = f": "change of ROUTINES",
}


@pytest.mark.parametrize("text", BAD)
def test_the_rules_speak(text):
    assert BAD[text] in faults(text)


def test_a_routine_that_keeps_the_rules_is_let_through():
    assert faults("from actors.kernel.pmap import pmap_remove\nasync def f(k):\n    await k.acquire('pq')\n    await pmap_remove(k)") == []


def test_every_request_can_be_made_through_the_context():
    made = {str(getattr(Context, name).__annotations__["return"]) for name in REQUESTS}
    assert made == {sub.__name__ for sub in Request.__subclasses__()}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_routine_is_a_coroutine_function_of_the_kernel(registry):
    assert REGISTRIES[registry]
    for name, routine in REGISTRIES[registry].items():
        assert inspect.iscoroutinefunction(routine), name
        assert routine.__module__.startswith("actors.kernel."), name
        assert next(iter(inspect.signature(routine).parameters)) == "k", name


def importers(tree: ast.Module) -> Iterator[str]:
    """Modules of the kernel's rooms that this source imports, or names in a string for a late import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


SCRIPTS_MAY_NAME = ("actors.kernel.inject.INJECTIONS", "actors.kernel.step.SCRIPTED")
"""The registries that say what a script may ask for: its compiler reads their keys and parameters."""


def inside(name: str) -> bool:
    return name.startswith(("actors.kernel", "actors.processor")) and name not in SCRIPTS_MAY_NAME


def test_nobody_outside_the_actors_imports_a_routine_or_a_cpu():
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for room in ("protocol", "cluster", "shootdown")
        for path in sorted((ROOT / room).rglob("*.py"))
        for name in importers(ast.parse(path.read_text(encoding="utf-8")))
        if inside(name)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["from actors.kernel.step import ROUTINES", "from actors import kernel", "import_module('actors.kernel.step')"]
)
def test_the_rule_about_importers_speaks(line):
    assert any(inside(name) for name in importers(ast.parse(line)))
