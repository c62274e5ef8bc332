"""Programs that mean harm, each as the body of an app, with what is to be told of it.

They find in `TASK` and `RESULTS` their folders, in `STATE` the server's, in `PORT` its port, in `PID` its process, and
in `OTHER` the cache of another account. What is refused shows as an exception that is not caught: exit code 1.
"""

from __future__ import annotations

from dataclasses import dataclass

SETUP = """
import ctypes, json, os, resource, shutil, signal, socket, stat, subprocess, sys, threading, time
TASK, RESULTS = os.environ["TASK_DIR"], os.environ["TASK_RESULTS_DIR"]
libc = ctypes.CDLL(None, use_errno=True)
def made(name, data=b"x"):
    with open(os.path.join(RESULTS, name), "wb") as file:
        file.write(data)
def refused(status):
    assert status != -1, os.strerror(ctypes.get_errno())
"""
APP = SETUP + (
    "given = json.loads(os.environ['APP_PARAMS'])\nglobals().update(given['names'])\n"
    "exec(compile(given['script'], 'hostile', 'exec'))\n"
)
HARMLESS = """
made("out.txt", open(os.path.join(TASK, "data.bin"), "rb").read() + b"well")
assert os.listdir("/dev/shm") == [] and not os.path.exists("/var/tmp/stray")
assert os.listdir(TASK) == ["data.bin"]
"""

COMPLETED = "completed"
LIMITS = {
    "max_processes": 40,
    "max_open_files": 64,
    "max_file_bytes": 8 << 20,
    "max_disk_bytes": 16 << 20,
    "max_cache_bytes": 12 << 20,
    "max_files": 2000,
    "max_log_bytes": 4 << 20,
}
MEMORY_GIB = 0.0625
TIMEOUT_S = 1.5


@dataclass(frozen=True)
class Hostile:
    """A program, the reason that its task shall have (`completed`: it may do that), and a piece of the message."""

    script: str
    reason: str = "exit_code"
    told: str = ""


PROGRAMS = {
    # what it uses up
    "a fork bomb": Hostile("while True:\n    os.fork()", "too_many_processes", "limit 40"),
    "a bomb of threads": Hostile(
        "while True:\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "too_many_processes",
        "limit 40",
    ),
    "a bomb of zombies": Hostile("while True:\n    os.fork() or os._exit(0)", "too_many_processes", "limit 40"),
    "a memory bomb": Hostile("kept = bytearray(200 << 20)", "out_of_memory", "limit 64 MiB"),
    "memory in many small processes": Hostile(
        "for _ in range(10):\n    if os.fork() == 0:\n        kept = bytearray(12 << 20)\n        time.sleep(60)\n"
        "for _ in range(10):\n    assert os.wait()[1] == 0",
        "out_of_memory",
        "limit 64 MiB",
    ),
    "memory as files": Hostile(
        "for number in range(200):\n    open(f'/dev/shm/{number}', 'wb').write(bytes(1 << 20))", "out_of_memory"
    ),
    "a disk filler": Hostile(
        "for number in range(10_000):\n    made(str(number), bytes(4 << 20))\n    time.sleep(0.02)",
        "disk_limit",
        "16 MiB",
    ),
    "a disk filler whose files have no names": Hostile(
        "kept = []\nfor number in range(50):\n    kept.append(open(os.path.join(RESULTS, 'x'), 'wb', buffering=0))\n"
        "    os.unlink(os.path.join(RESULTS, 'x'))\n    kept[-1].write(bytes(1 << 20))\ntime.sleep(60)",
        "disk_limit",
        "16 MiB",
    ),
    "a disk filler in its input folder": Hostile(
        "for number in range(30):\n    open(os.path.join(TASK, str(number)), 'wb').write(bytes(1 << 20))\n"
        "time.sleep(60)",
        "disk_limit",
        "16 MiB",
    ),
    "a disk filler that is quick": Hostile(
        "for number in range(20):\n    made(str(number), bytes(1 << 20))", "disk_limit", "16 MiB"
    ),
    "an inode bomb": Hostile(
        "for number in range(5000):\n    made(str(number), b'')\ntime.sleep(60)", "disk_limit", "2,000 files"
    ),
    "folders nested without end": Hostile(
        "os.chdir(RESULTS)\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\ntime.sleep(60)",
        "disk_limit",
        "nested 200 deep",
    ),
    "folders nested deep, left as a result": Hostile(
        "os.chdir(RESULTS)\nfor _ in range(150):\n    os.mkdir('d')\n    os.chdir('d')", "bad_result", "deeper than 64"
    ),
    "a file too large": Hostile("made('large', bytes(9 << 20))", "file_too_large", "limit 8 MiB"),
    "a sparse terabyte": Hostile("made('x')\nos.truncate(os.path.join(RESULTS, 'x'), 1 << 40)", "file_too_large"),
    "many sparse files": Hostile(
        "for number in range(5):\n    made(str(number))\n    os.truncate(os.path.join(RESULTS, str(number)), 8 << 20)",
        "disk_limit",
        "too large (limit 16 MiB)",
    ),
    "a log flood": Hostile("while True:\n    print('x' * 100)", "log_limit", "limit 4 MiB"),
    "a line without end": Hostile("while True:\n    os.write(1, b'x' * 60_000)", "log_limit", "limit 4 MiB"),
    "a progress bar without end": Hostile("while True:\n    os.write(1, b'\\r 7 %' * 1000)", "log_limit"),
    "a descriptor hog": Hostile(
        "kept = [os.open('/dev/null', 0) for _ in range(1000)]", "too_many_open_files", "limit 64"
    ),
    "a processor hog that will not end": Hostile(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.fork()\nos.setsid() if os.getpid() != os.getsid(0) else 0\n"
        "while True:\n    pass",
        "timed_out",
        "1.5 s",
    ),
    # what it wants to see
    "the server's database": Hostile("open(os.path.join(STATE, 'fanfold.db'))"),
    "the server's keys": Hostile("open(os.path.join(STATE, 'master-key.json'))"),
    "the server's environment": Hostile("open(f'/proc/{PID}/environ')"),
    "the server's memory": Hostile("open(f'/proc/{PID}/mem')"),
    "the passwords of the machine": Hostile("open('/etc/shadow')"),
    "the stored files of jobs": Hostile("os.listdir(os.path.join(STATE, 'jobs'))"),
    "another account's cache": Hostile("os.listdir(OTHER)"),
    "the environment of everybody": Hostile(
        "for name in os.listdir('/proc'):\n    if name.isdigit():\n        try:\n"
        "            print(open(f'/proc/{name}/environ').read(), open(f'/proc/{name}/cmdline').read())\n"
        "        except PermissionError:\n            print(name)\nmade('out')",
        COMPLETED,
    ),
    # what it wants to change
    "its own block": Hostile("open(__file__, 'a')"),
    "files beside its own": Hostile("open(os.path.join(RESULTS, '..', 'params.json'), 'w')"),
    "its input": Hostile("open(os.path.join(TASK, 'data.bin'), 'r+b')"),
    "the system": Hostile("open('/usr/lib/stray', 'w')"),
    "the clock": Hostile("time.clock_settime(time.CLOCK_REALTIME, 0)"),
    "its own limits": Hostile("resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))"),
    "who dies when memory ends": Hostile("open('/proc/self/oom_score_adj', 'wb', 0).write(b'-1000')"),
    "its control group": Hostile("open('/sys/fs/cgroup/memory/cgroup.procs', 'wb', 0).write(b'0')"),
    "tracing": Hostile("refused(libc.ptrace(16, os.getppid(), 0, 0))"),
    "a namespace of its own": Hostile("refused(libc.unshare(0x10000000))"),
    "a mount": Hostile("refused(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))"),
    "becoming root": Hostile("assert os.getuid()\nos.setuid(0)"),
    "a device": Hostile("os.mknod(os.path.join(RESULTS, 'sda'), 0o600 | stat.S_IFBLK, os.makedev(8, 0))"),
    "the kernel's keys": Hostile("refused(libc.syscall(248, b'user', b'a', b'b', 1, -3))"),
    "the server, over its own port": Hostile("socket.create_connection(('127.0.0.1', PORT), 3)"),
    "the network": Hostile("socket.create_connection(('192.0.2.1', 80), 3)"),
    # whom it wants to kill
    "its parent": Hostile("os.kill(os.getppid(), 9)\nos.kill(os.getpid(), 9)", "killed", "SIGKILL"),
    "everybody": Hostile("os.kill(-1, 9)\nos.kill(os.getpid(), 9)", "killed", "SIGKILL"),
    "a parent that is stopped": Hostile("os.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)", "timed_out"),
    # what it leaves behind
    "a child that goes on": Hostile(
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        while True:\n            print('still here')\n"
        "            time.sleep(0.01)\n    os._exit(0)\nmade('out')",
        COMPLETED,
    ),
    "shared memory and full folders": Hostile(
        "libc.shmget(77, 99, 0o1600)\nos.chdir('/var/tmp')\nos.makedirs('stray/b')\nos.chmod('stray', 0)\nmade('out')",
        COMPLETED,
    ),
    "a link in its result": Hostile("os.symlink('/etc/passwd', os.path.join(RESULTS, 'x'))", "bad_result", "'x'"),
    "a link to a folder in its result": Hostile("os.symlink(STATE, os.path.join(RESULTS, 'x'))", "bad_result", "'x'"),
    "a second name for a file of the system": Hostile("os.link('/etc/passwd', os.path.join(RESULTS, 'x'))"),
    "many names for one file": Hostile(
        "made('0', bytes(1 << 20))\nfor number in range(1, 10):\n"
        "    os.link(os.path.join(RESULTS, '0'), os.path.join(RESULTS, str(number)))",
        COMPLETED,
    ),
    "a socket": Hostile(
        "os.chdir(RESULTS)\nsocket.socket(socket.AF_UNIX).bind('socket')", "bad_result", "neither a file nor a folder"
    ),
    "a pipe with a name": Hostile("os.mkfifo(os.path.join(RESULTS, 'x'))", "bad_result", "neither a file nor a folder"),
    "a name with a line end": Hostile("made('a\\nb')", "bad_result", "control character"),
    "a name that is no text": Hostile("open(os.path.join(os.fsencode(RESULTS), b'\\xff'), 'w')", "bad_result", "UTF-8"),
    "a name with dots": Hostile("made('..')", "exit_code", "Is a directory"),
    "a name that looks like a way up": Hostile("made('..out..')", COMPLETED),
    "a folder without permissions": Hostile(
        "os.mkdir(os.path.join(RESULTS, 'd'))\nmade('d/x')\nos.chmod(os.path.join(RESULTS, 'd'), 0)", COMPLETED
    ),
    "a file with the rights of its owner": Hostile(
        "made('x')\nos.chmod(os.path.join(RESULTS, 'x'), 0o6777)", COMPLETED
    ),
    "nothing": Hostile("os.close(1)\nos.close(2)", COMPLETED),
    "a file that is half written": Hostile("made('x', bytes(1 << 20))\nos.abort()", "killed", "SIGABRT"),
}  # fmt: skip
