"""No file can execute code: the sources call nothing that unpickles, evaluates or executes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[3]
# The contract kit checks that components survive pickling, on objects it made itself; it reads no file.
SOURCES = sorted(f for package in PACKAGES.glob("ecg-*/src") for f in package.rglob("*.py") if f.parent.name != "testing")

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}
NAMES = {"eval", "exec", "compile", "__import__"}
CALLS = {
    "torch.load", "torch.jit.load", "joblib.load", "pandas.read_pickle", "pd.read_pickle", "os.system", "os.popen",
    "runpy.run_path", "runpy.run_module", "torch.hub.load",
    *(f"yaml.{word}" for word in ("load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all")),
    *(f"yaml.{word}" for word in ("Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader")),
}  # fmt: skip


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _offences(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{a.name}" for a in node.names}
            found += [str(node.module)] if (node.module or "").split(".")[0] in MODULES else sorted(names & CALLS)
        elif isinstance(node, ast.Attribute) and _dotted(node).startswith("yaml.") and _dotted(node) in CALLS:
            found.append(_dotted(node))  # a loader is handed on without being called
        elif isinstance(node, ast.Call):
            name = _dotted(node.func)
            found += [name] if name in NAMES | CALLS else []
            for word in node.keywords:
                value = word.value.value if isinstance(word.value, ast.Constant) else None
                if (word.arg == "allow_pickle" and value is not False) or (word.arg == "shell" and value is not False):
                    found.append(f"{name}({word.arg}=…)")
    return found


# Foreign checkpoints are pickles. One file opens them, by torch's restricted reader; its tests bring files that would run code.
ALLOWED = {"ecg-ssl/src/ecg_ssl/weights/checkpoint_file.py": ["pickle", "torch.load"]}


def test_no_source_file_unpickles_evaluates_or_executes() -> None:
    assert len(SOURCES) > 80
    offences = {str(f.relative_to(PACKAGES)): _offences(f.read_text(encoding="utf-8")) for f in SOURCES}
    assert {file: found for file, found in offences.items() if found} == ALLOWED
    for file in ALLOWED:
        assert "weights_only=True" in (PACKAGES / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "yaml.load(f)", "class L(yaml.Loader): ...", "eval('1')",
        "from yaml import unsafe_load", "exec('1')", "torch.load(f)",
        "from torch import load", "np.load(f, allow_pickle=True)", "joblib.load(f)", "subprocess.run(x, shell=True)",
    ],
)  # fmt: skip
def test_the_walk_notices(source: str) -> None:
    assert _offences(source)


def test_the_walk_lets_evaluation_mode_pass() -> None:
    assert not _offences("module.eval(); np.load(f, allow_pickle=False); re.compile('x')")
