"""Nothing that was read from a file, a name or a network is run as code: read off the syntax of all our code."""

import ast
import json
import textwrap

import pytest

from dfe_lib.paths import NOTEBOOKS, PACKAGE, REPOSITORY

MODULES = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pickletools"),
    *("tarfile", "zipfile"),  # names inside an archive are a way out of a folder
    *("xml", "lxml"),  # whose entities are bombs and files
    *("imp", "pty", "telnetlib", "ftplib"),
}  # fmt: skip
CALLS = {
    *("eval", "exec", "compile", "__import__", "execfile"),
    *("os.system", "os.popen", "os.startfile", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *(f"os.{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load", "yaml.unsafe_load_all"),
    *("yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "tempfile.mktemp"),
    *("torch.load", "torch.save", "torch.hub.load", "pandas.read_pickle", "pd.read_pickle"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler"),
    *("shutil.unpack_archive", "ssl._create_unverified_context"),
}  # fmt: skip
METHODS = {"extractall", "to_pickle", "read_pickle", "run_code", "load_module"}
STARTS = {
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
}
ALLOWED = {  # (file, what): why
    (
        "dfe_lib/data/adapters/pickles.py",
        "import pickletools",
    ): "splits a pickle into opcodes, runs none of them",
    (
        "dfe_lib/data/adapters/arrays.py",
        "import zipfile",
    ): "reads what an .npz says of its members, writes none",
    ("dfe_lib/bench/hostile/craft.py", "import zipfile"): "makes the .npz files that must be refused",
    ("dfe_lib/explorer/opening.py", "os.execv"): "becomes this Python's own JupyterLab",
}


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def findings(code):
    """What a piece of code does that could run input: (line, what)."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.split(".")[0] in MODULES:
                    found.append((node.lineno, f"import {name}"))
            if isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{a.name}" for a in node.names}
                found += [(node.lineno, f"from … import {n}") for n in full & (CALLS | STARTS)]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        keys = {k.arg: k.value for k in node.keywords}
        constant = {k: v.value for k, v in keys.items() if isinstance(v, ast.Constant)}
        if name in CALLS:
            found.append((node.lineno, name))
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            found.append((node.lineno, f".{node.func.attr}"))
        if "shell" in keys:
            found.append((node.lineno, f"{name} with shell"))
        if name in STARTS:
            command = node.args[0] if node.args else keys.get("args")
            if isinstance(command, ast.JoinedStr | ast.BinOp | ast.Constant) and not (
                isinstance(command, ast.BinOp) and isinstance(command.left, ast.List)
            ):
                found.append((node.lineno, f"{name} with a text"))
        if name.split(".")[-1] == "import_module" and not (
            node.args and isinstance(node.args[0], ast.Constant)
        ):
            found.append((node.lineno, "import_module of a name that is not written there"))
        if "allow_pickle" in keys and constant.get("allow_pickle") is not False:
            found.append((node.lineno, f"{name} with allow_pickle"))
        if (
            "verify" in keys
            and constant.get("verify") is False
            and name.split(".")[-1] in ("get", "head", "request")
        ):
            found.append((node.lineno, f"{name} without verification"))
        if "trust_remote_code" in keys and constant.get("trust_remote_code") is not False:
            found.append((node.lineno, f"{name} with trust_remote_code"))
    return found


def sources():
    """(name, code) of the library, the notebooks' cells and what tests share."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted((REPOSITORY / "tests").glob("*.py")):
        if not path.name.startswith("test_"):
            yield path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for n, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if cell["cell_type"] == "code":
                yield f"notebooks/{path.name}[{n}]", "".join(cell["source"])


def test_no_code_comes_from_data():
    found = [
        f"{name}:{line}: {what}"
        for name, code in sources()
        for line, what in findings(code)
        if (name, what) not in ALLOWED
    ]
    assert found == []


def test_what_is_allowed_is_still_there():
    code = dict(sources())
    assert all(what in {w for _, w in findings(code[name])} for name, what in ALLOWED)


@pytest.mark.parametrize(
    "code",
    """
    import pickle
    import joblib as j
    from pickle import loads
    from subprocess import run
    from os import system
    pickle.loads(data)
    eval("1")
    exec(code)
    compile(text, "x", "exec")
    os.system(name)
    importlib.import_module(name)
    subprocess.run(f"ls {name}")
    subprocess.run("ls " + name)
    subprocess.Popen(["ls"], shell=True)
    subprocess.Popen(args="ls")
    torch.load(path)
    torch.load(path, weights_only=True)
    np.load(path, allow_pickle=True)
    np.load(path, allow_pickle=flag)
    yaml.load(text, Loader=yaml.SafeLoader)
    yaml.unsafe_load(text)
    pd.read_pickle(path)
    frame.to_pickle(path)
    archive.extractall(folder)
    requests.get(url, verify=False)
    AutoModel.from_pretrained(folder, trust_remote_code=True)
    """.strip().split("\n"),
)
def test_the_search_finds(code):
    assert findings(textwrap.dedent(code).strip())


@pytest.mark.parametrize(
    "code",
    [
        "re.compile('a')",
        "import_module('faiss')",
        "model.eval()",
        "np.load(p, allow_pickle=False)",
        "subprocess.run(['ls', name])",
    ],
)
def test_the_search_leaves_alone(code):
    assert findings(code) == []
