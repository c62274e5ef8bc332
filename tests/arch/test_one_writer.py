"""Only step() decides about a state, only the store writes it; only effects.py changes the world."""

import ast
import re
from collections.abc import Iterator

from tests.arch.source import Module, dotted, modules

# The rooms that may give a state a value: the two tables of moves, the values they start from, and the store.
STATE_DECIDERS = ("jobs/lifecycle.py", "jobs/task_lifecycle.py", "jobs/models.py")
STATE_WRITERS = ("stores/",)
# The store of jobs, with what tasks take from each other in a file of its own. Its verbs are those of the two
# lifecycles, one that only makes due, and one that makes a result nobody else's: nothing else in it opens a transaction
# that writes.
JOB_STORE = "stores/sql.py"
JOB_STORES = (JOB_STORE, "stores/reuse.py")
WRITING_VERBS = {"insert_job", "advance", "claim", "tell", "finish", "reuse", "forget", "renew", "hasten"}
WRITES = "writing"
# Its tables, which the other stores may read; `queries` and `prepared` build statements for it, `books` writes what
# attempts cost.
JOB_TABLES = {"jobs", "tasks", "attempts", "events"}
JOB_STATEMENTS = (*JOB_STORES, "stores/queries.py", "stores/prepared.py", "stores/history.py", "stores/books.py")
WRITING_STATEMENTS = {"sa.insert", "sa.update", "sa.delete"}
STATE_CALLS = {"replace", "values", "Job", "Task", "Attempt"}
STATE_SQL = re.compile(r"\bupdate\b.*\bset\b.*\bstate\b|\binsert\b.*\b(jobs|tasks)\b", re.IGNORECASE | re.DOTALL)

EFFECTS = "effects.py"
EFFECT_CALLS = {
    "os.fsync",
    "os.fdatasync",
    "os.rename",
    "os.renames",
    "os.replace",
    "os.link",
    "os.fork",
    "os.posix_spawn",
    "os.posix_spawnp",
    "os.system",
    "shutil.move",
    "subprocess.Popen",
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
}
# Outside effects.py, each with its reason. A new row is a decision, not a way out.
EFFECT_EXCEPTIONS: dict[str, str] = {
    "builtin/video.py": "a program under the contract, which knows no other room; it starts ffmpeg in its sandbox",
    "client/credentials.py": "the client knows nothing of the server's rooms; it writes its own small file",
    "client/downloads.py": "the client knows nothing of the server's rooms; a download appears whole",
    "client/mapping.py": "the client knows nothing of the server's rooms; without one it runs `fanfold run`",
    "platforms/bubblewrap.py": "tries whether there can be a sandbox, and asks an interpreter where it lives",
    "platforms/runtime.py": "asks a container runtime what it has, and has it remove what was left",
    "runner/zygote.py": "starts programs inside of sandboxes, where nothing of Fanfold is",
    "runner/starting.py": "a part of the zygote",
}


def free_to_set_states(module: Module) -> bool:
    return module.path in STATE_DECIDERS or module.path.startswith(STATE_WRITERS)


def called_name(call: ast.Call) -> str:
    """`replace` for `dataclasses.replace(...)`, `values` for `update(table).where(...).values(...)`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)


def states_given_a_value(module: Module) -> Iterator[ast.AST]:
    """Calls that build or change a record with `state=`, and assignments to an attribute `state`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            called = name in STATE_CALLS or (
                isinstance(node.func, ast.Attribute) and node.func.attr in {"values", "_replace"}
            )
            if called and any(keyword.arg == "state" for keyword in node.keywords):
                yield node
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assigned = [target for target in targets if isinstance(target, ast.Attribute) and target.attr == "state"]
            yield from assigned


def test_only_step_decides_about_a_state_and_only_the_store_writes_it() -> None:
    found = [
        f"{module.at(node)}: gives a state a value; make an event and let step() decide"
        for module in modules()
        if not free_to_set_states(module)
        for node in states_given_a_value(module)
    ]
    assert not found, "\n".join(found)


def test_the_store_writes_in_the_verbs_of_the_lifecycles_only() -> None:
    writers = {
        function.name
        for module in modules()
        if module.path in JOB_STORES
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and called_name(node) == WRITES
    }
    assert writers == WRITING_VERBS


def test_no_other_store_writes_to_the_tables_of_jobs() -> None:
    found = [
        f"{module.at(node)}: {dotted(node.func)} belongs into {JOB_STORE}"
        for module in modules()
        if module.path.startswith(STATE_WRITERS) and module.path not in JOB_STATEMENTS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in WRITING_STATEMENTS
        if node.args and dotted(node.args[0]).rpartition(".")[2] in JOB_TABLES
    ]
    assert not found, "\n".join(found)


def test_sql_that_writes_a_state_stands_in_the_stores_only() -> None:
    found = [
        f"{module.at(node)}: SQL that writes states"
        for module in modules()
        if not module.path.startswith(STATE_WRITERS)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATE_SQL.search(node.value)
        if not is_docstring(module, node)
    ]
    assert not found, "\n".join(found)


def is_docstring(module: Module, constant: ast.Constant) -> bool:
    return any(isinstance(node, ast.Expr) and node.value is constant for node in ast.walk(module.tree))


def test_the_world_is_changed_through_effects_only() -> None:
    found = [
        f"{module.at(node)}: {dotted(node.func)}; ask effects.py"
        for module in modules()
        if module.path != EFFECTS and module.path not in EFFECT_EXCEPTIONS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in EFFECT_CALLS
    ]
    assert not found, "\n".join(found)


def test_every_exception_to_the_effects_rule_is_still_needed() -> None:
    users = {
        module.path
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in EFFECT_CALLS
    }
    assert set(EFFECT_EXCEPTIONS) <= users
