"""Environments are built by uv once, whole, of wheels only; nobody can write to them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fanfold.effects import Effects, held
from fanfold.errors import BadInput, MissingPart, Unavailable
from fanfold.runner import environments
from fanfold.runner.environments import UvEnvironments
from tests.wheels import make_wheel

pytestmark = pytest.mark.needs(module="uv")


def never() -> bool:
    return False


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n"}, requires="naming>=1")
    make_wheel(folder, "naming", "1.2", {"naming.py": "NAME = 'ann'\n"})
    return folder


@pytest.fixture
def built(tmp_path: Path, wheels: Path) -> Iterator[UvEnvironments]:
    root = tmp_path / "environments"
    yield UvEnvironments(root, sys.executable, Effects(), index="none", links=[str(wheels)])
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o700)


def said_by(python: str, program: str) -> str:
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_a_program_finds_what_its_block_requires_and_nothing_of_the_server(built: UvEnvironments) -> None:
    environment = built.build(["greeting"], never)
    assert said_by(environment.python, "import greeting, naming; print(greeting.WORD, naming.NAME)") == "hello ann"
    absent = "import importlib.util as u; print(u.find_spec('fanfold'), u.find_spec('typer'))"
    assert said_by(environment.python, absent) == "None None"
    assert built.find(["greeting"]) == environment


def test_folders_may_be_named_from_where_the_server_is(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    near = UvEnvironments(Path("near"), sys.executable, Effects(), index="none", links=["wheels"])
    assert near.build(["naming"], never).python.startswith(f"{tmp_path}/near/")


def test_a_second_wish_for_the_same_takes_what_is_there(built: UvEnvironments, wheels: Path) -> None:
    first = built.build(["greeting", "naming"], never)
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert built.build(["naming", "greeting"], never) == first


def test_what_a_list_means_is_settled_by_its_first_build(built: UvEnvironments, wheels: Path, tmp_path: Path) -> None:
    first = built.build(["naming>=1"], never)
    make_wheel(wheels, "naming", "1.3", {"naming.py": "NAME = 'bob'\n"})
    assert built.build(["naming>=1"], never) == first
    Effects().remove_tree(tmp_path / "environments" / first.lock)
    assert built.find(["naming>=1"]) is None
    assert built.build(["naming>=1"], never) == first
    assert built.build(["naming>1.2"], never).lock != first.lock


def test_wishes_that_come_to_the_same_share_one_environment(built: UvEnvironments) -> None:
    assert built.build(["greeting"], never) == built.build(["greeting==1.0", "naming==1.2"], never)


def test_concurrent_wishes_build_once(built: UvEnvironments, tmp_path: Path) -> None:
    started = []

    class Counting(Effects):
        def about_to(self, kind: str, what: str) -> None:
            if kind == "spawn":
                started.append(what)

    builders = [
        UvEnvironments(
            tmp_path / "environments", sys.executable, Counting(), index="none", links=[str(tmp_path / "wheels")]
        )
        for _ in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda builder: builder.build(["greeting"], never), builders))
    assert len(set(found)) == 1
    assert len(started) == 4  # lock, make, install, compile


def test_nobody_may_write_to_an_environment(built: UvEnvironments) -> None:
    root = Path(built.build(["greeting"], never).python).parents[1]
    entries = [path for path in (root, *root.rglob("*")) if not path.is_symlink()]
    assert len(entries) > 10
    assert [path for path in entries if path.stat().st_mode & 0o222] == []


def test_modules_are_compiled_beforehand(built: UvEnvironments) -> None:
    root = Path(built.build(["greeting"], never).python).parents[1]
    assert list(root.rglob("greeting.cpython-*.pyc"))


def test_nothing_of_a_package_runs_while_it_is_installed(built: UvEnvironments, wheels: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    evil = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"
    make_wheel(wheels, "evil", "1.0", {"evil.pth": evil, "evil.py": evil, "sitecustomize.py": evil})
    environment = built.build(["evil"], never)
    assert not mark.exists()
    assert said_by(environment.python, "print('started')") == "started"
    assert mark.exists()


def test_what_would_have_to_be_built_is_refused_and_its_code_not_run(built: UvEnvironments, wheels: Path) -> None:
    import io
    import tarfile

    with tarfile.open(wheels / "sourced-1.0.tar.gz", "w:gz") as tar:
        data = f"open({str(wheels / 'it-ran')!r}, 'w')".encode()
        entry = tarfile.TarInfo("sourced-1.0/setup.py")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    with pytest.raises(BadInput, match="sourced"):
        built.build(["sourced"], never)
    assert not (wheels / "it-ran").exists()


def test_what_is_not_there_is_told_in_the_words_of_uv_and_leaves_nothing(built: UvEnvironments, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"uv cannot install what is required: .*nowhere-to-be-found"):
        built.build(["nowhere-to-be-found>=3"], never)
    assert not list((tmp_path / "environments").glob(".*.part"))
    assert built.find(["nowhere-to-be-found>=3"]) is None


def test_an_index_that_does_not_answer_is_no_fault_of_the_block_and_its_credentials_stay_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    index = "http://ann:s3cret-value@127.0.0.1:9/simple"
    silent = UvEnvironments(tmp_path / "environments", sys.executable, Effects(), index=index)
    with pytest.raises(Unavailable) as caught:
        silent.build(["greeting"], never)
    assert "s3cret-value" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


def test_a_build_that_is_not_wanted_any_more_ends_with_all_its_processes(built: UvEnvironments) -> None:
    spawned = []

    class Slow(Effects):
        def spawn(self, argv, *rest, **more):  # type: ignore[no-untyped-def]
            spawned.append(super().spawn(["/bin/sleep", "60"], *rest, **more))
            return spawned[-1]

    built._effects = Slow()
    with pytest.raises(Unavailable, match="stopped"):
        built.build(["greeting"], lambda: bool(spawned))
    assert spawned[0].returncode == -signal.SIGKILL


def test_a_build_that_takes_too_long_is_ended(tmp_path: Path, wheels: Path) -> None:
    class Slow(Effects):
        def spawn(self, argv, *rest, **more):  # type: ignore[no-untyped-def]
            return super().spawn(["/bin/sleep", "60"], *rest, **more)

    slow = UvEnvironments(tmp_path / "e", sys.executable, Slow(), index="none", links=[str(wheels)], timeout_s=0.0)
    with pytest.raises(BadInput, match="took too long"):
        slow.build(["greeting"], never)


def test_a_builder_that_was_killed_leaves_nothing_that_hinders_the_next(
    built: UvEnvironments, tmp_path: Path, wheels: Path
) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from fanfold.effects import Effects\n"
        "from fanfold.runner.environments import UvEnvironments\n"
        "class Dying(Effects):\n"
        "    count = 0\n"
        "    def about_to(self, kind, what):\n"
        "        Dying.count += 1\n"
        "        if Dying.count == int(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"env = UvEnvironments(Path({str(tmp_path / 'environments')!r}), sys.executable, Dying(), index='none',\n"
        f"    links=[{str(wheels)!r}])\n"
        "env.build(['greeting'], lambda: False)\n"
    )
    deaths = 0
    for step in range(1, 30):
        died = subprocess.run([sys.executable, "-P", "-c", program, str(step)], check=False, capture_output=True)
        if died.returncode == 0:
            break
        assert died.returncode == -signal.SIGKILL, died.stderr
        deaths += 1
        found = built.find(["greeting"])
        assert found is None or said_by(found.python, "import greeting; print(greeting.WORD)") == "hello"
    assert deaths > 8
    environment = built.build(["greeting"], never)
    assert said_by(environment.python, "import greeting; print(greeting.WORD)") == "hello"
    assert not list((tmp_path / "environments").glob(".*.part"))


def test_who_waits_for_another_builder_stops_when_told(built: UvEnvironments) -> None:
    holding, done = threading.Event(), threading.Event()
    wish = built._wish(["greeting"])
    (built._root / "locks").mkdir(parents=True)

    def hold() -> None:
        with held(built._root / "locks" / f"{wish}.held", never):
            holding.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(20)
    try:
        with pytest.raises(Unavailable, match="nobody waits any more"):
            built.build(["greeting"], lambda: True)
    finally:
        done.set()
        thread.join()


def test_without_uv_the_mend_is_named(built: UvEnvironments, monkeypatch: pytest.MonkeyPatch) -> None:
    assert built.problem() == ""
    monkeypatch.setattr(environments, "uv_command", lambda: "")
    assert "pip install uv" in built.problem()
    with pytest.raises(MissingPart, match="pip install uv"):
        built.build(["greeting"], never)


def test_one_that_nobody_asked_for_in_a_while_is_removed_and_one_that_was_asked_for_is_not(
    built: UvEnvironments,
) -> None:
    environment = built.build(["naming"], never)
    folder = Path(environment.python).parents[1]
    before = datetime.now(UTC) - timedelta(days=1)
    assert not built.old(before)
    os.utime(folder, (0, 0))
    assert built.old(before) == {environment.lock: folder}
    built.build(["naming"], never)
    assert not built.remove(environment.lock, before)
    os.utime(folder, (0, 0))
    assert built.remove(environment.lock, before)
    assert built.find(["naming"]) is None
    assert built.build(["naming"], never) == environment


def test_what_was_fetched_is_removed_when_nothing_was_built_in_a_while(built: UvEnvironments) -> None:
    environment = built.build(["naming"], never)
    cache = built._root / "cache"
    assert any(cache.iterdir())
    before = datetime.now(UTC) - timedelta(days=1)
    assert not built.remove("cache", before)
    os.utime(cache, (0, 0))
    built.build(["greeting"], never)
    assert built.old(before) == {}
    os.utime(cache, (0, 0))
    assert built.old(before) == {"cache": cache}
    assert built.remove("cache", before)
    assert not cache.exists()
    assert built.find(["naming"]) == environment
    assert Path(environment.python).exists()
    assert built.build(["greeting", "naming"], never).python
