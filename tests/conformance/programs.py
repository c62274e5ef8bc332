"""Programs that show what a program may notice of how it was started: each must see and leave the same either way.

A program's folder has `sibling.py` and a package `parcel` beside it. `RESULTS` in a text is its results folder.
"""

SIBLING = "import json\nVALUE = 41\n"
PARCEL = {"__init__.py": "", "inner.py": "from . import other\nVALUE = other.VALUE + 1\n", "other.py": "VALUE = 1\n"}

PROGRAMS = {
    "nothing": "",
    "exit 3": "import sys\nsys.exit(3)",
    "exit with a text": "import sys\nprint('out')\nsys.exit('a text')",
    "exit with None": "import sys\nsys.exit(None)",
    "exit 256": "raise SystemExit(256)",
    "exit -1": "raise SystemExit(-1)",
    "exit True": "raise SystemExit(True)",
    "exit of a list": "raise SystemExit([1, 2])",
    "an exception": "def inner():\n    raise ValueError('bad')\n\ninner()",
    "a chain of exceptions": "try:\n    1 / 0\nexcept ZeroDivisionError as err:\n    raise KeyError('x') from err",
    "an exception group": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
    "an excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, a[2].tb_lineno)\n1 / 0",
    "an excepthook that fails": "import sys\ndef hook(*a):\n    raise OSError('hook')\nsys.excepthook = hook\n1 / 0",
    "a keyboard interrupt": "raise KeyboardInterrupt",
    "a syntax error": "def (:\n",
    "a syntax error in a sibling": "open('bad.py', 'w').write('def (')\nimport sys\nsys.path[:0] = ['.']\nimport bad",
    "a missing module": "import no_such_module",
    "atexit": "import atexit\natexit.register(print, 'first')\natexit.register(print, 'second')\nprint('main')",
    "atexit after an error": "import atexit\natexit.register(print, 'after')\n1 / 0",
    "an error in atexit": "import atexit\ndef bad():\n    raise ValueError('late')\natexit.register(bad)",
    "a thread to wait for": (
        "import threading, time\ndef work():\n    time.sleep(0.05)\n    print('worked')\n"
        "threading.Thread(target=work).start()\nprint('main ends')"
    ),
    "a daemon thread": (
        "import threading, time\ndef work():\n    while True:\n        time.sleep(0.001)\n"
        "threading.Thread(target=work, daemon=True).start()\nprint('main ends')"
    ),
    "an error in a thread": (
        "import threading\ndef work():\n    raise ValueError('thread')\n"
        "thread = threading.Thread(target=work, name='mine')\nthread.start()\nthread.join()"
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as pool:\n"
        "    print(list(pool.map(abs, [-1, -2, -3])))"
    ),
    "a subprocess": "import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'print(7)']))",
    "a failing subprocess": "import subprocess\nsubprocess.run(['false'], check=True)",
    "a signal to itself": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL to itself": "import os, signal\nprint('last')\nos.kill(os.getpid(), signal.SIGKILL)",
    "a signal handler": (
        "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *a: print('caught', a[0]))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)"
    ),
    "the signals as they are": "import signal\nprint([str(signal.getsignal(n))[:20] for n in range(1, 32)])",
    "a blocked signal mask": "import signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    "multiprocessing by fork": (
        "import multiprocessing\ndef square(n):\n    return n * n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n        print(pool.map(square, range(5)))"
    ),
    "multiprocessing by spawn": (
        "import multiprocessing\ndef square(n):\n    return n * n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(square, range(5)))"
    ),
    "a process and a queue": (
        "import multiprocessing\ndef work(queue):\n    queue.put(5)\nif __name__ == '__main__':\n"
        "    queue = multiprocessing.Queue()\n    child = multiprocessing.Process(target=work, args=(queue,))\n"
        "    child.start()\n    print(queue.get(), child.name)\n    child.join()"
    ),
    "what main is": (
        "import sys\nprint(__name__, __file__, __package__, __spec__, __doc__, type(__loader__).__name__)\n"
        "print(sorted(globals()))\nprint(sys.modules['__main__'].__dict__ is globals(), type(__builtins__).__name__)"
    ),
    "a sibling": "import sibling\nprint(sibling.VALUE, sibling.__file__)",
    "a package with relative imports": "from parcel.inner import VALUE\nprint(VALUE)",
    "a relative import from main": "from . import sibling",
    "stdin": "import sys\nprint(repr(sys.stdin.read()))",
    "large prints": "print('x' * 3_000_000)\nimport sys\nprint('y' * 1_000_000, file=sys.stderr)",
    "the environment": "import os\nprint(sorted(os.environ.items()))\nos.environ['NEW'] = '1'\nos.system('echo $NEW')",
    "the working directory": "import os\nprint(os.getcwd(), os.listdir())",
    "os._exit": "import os, atexit\natexit.register(print, 'never')\nos._exit(5)",
    "an abort": "import os\nos.abort()",
    "a daemon child": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n"
        "    os._exit(0)\nprint('parent ends')"
    ),
    "open descriptors": "import os\nprint(sorted(int(name) for name in os.listdir('/proc/self/fd'))[:3])",
    "no descriptor is inherited": (
        "import os, sys\nopen_ = []\nfor number in range(3, 64):\n    try:\n        os.fstat(number)\n"
        "    except OSError:\n        continue\n    open_.append(number)\nprint(open_)"
    ),
    "argv": "import sys\nprint(sys.argv, sys.orig_argv[-1], sys.executable)",
    "the path": "import sys\nprint(sys.path)",
    "flags": "import sys\nprint(sys.flags, sys.dont_write_bytecode, sys.warnoptions)",
    "logging": (
        "import logging\nprint(logging.root.handlers, logging.root.level)\nlogging.basicConfig(level='INFO')\n"
        "logging.info('said')\nlogging.warning('warned')"
    ),
    "warnings": "import warnings\nprint(warnings.filters)\nwarnings.warn('careful')",
    "the recursion limit": "import sys\nprint(sys.getrecursionlimit())",
    "too deep a recursion": "def deep():\n    deep()\ntry:\n    deep()\nexcept RecursionError as err:\n    print(err)",
    "the locale": "import locale, sys\nprint(locale.getlocale(), sys.getfilesystemencoding(), sys.stdout.encoding)",
    "unbuffered output": "import os, sys\nsys.stdout.write('a')\nos.write(1, b'b')\nprint('c', end='')",
    "streams": "import sys\nprint(sys.stdout.write_through, sys.stderr.errors, sys.stdin.mode)",
    "a closed stdout": "import sys\nsys.stdout.close()",
    "a file that is never closed": "kept = open('RESULTS/kept.txt', 'w')\nkept.write('whole')",
    "a file in a cycle": (
        "import os\nclass Node:\n    pass\nnode = Node()\nnode.me = node\n"
        "node.file = open(os.path.join('RESULTS', 'cycle.txt'), 'w')\nnode.file.write('whole')\ndel node"
    ),
    "a last wish": "class Last:\n    def __del__(self):\n        print('gone')\nlast = Last()\nprint('main ends')",
    "pickle of main": "import pickle\nclass A:\n    pass\nprint(type(pickle.loads(pickle.dumps(A()))))",
    "dataclasses and typing": (
        "from __future__ import annotations\nimport dataclasses, typing\n@dataclasses.dataclass\nclass A:\n    x: int\n"
        "print(A(1), typing.get_type_hints(A))"
    ),
    "asyncio": "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    print('ran')\nasyncio.run(main())",
    "a source to inspect": "import inspect\ndef here():\n    return 1\nprint(inspect.getsource(here))",
    "the user": "import os\nprint(os.getuid() == os.geteuid(), os.getpid() == os.getpgrp() == os.getsid(0))",
    "the umask": "import os\nprint(os.umask(0))",
    "resource limits": "import resource\nprint([resource.getrlimit(n) for n in range(16)])",
    "stray files in shared folders": (
        "import os\nprint(os.path.exists('/dev/shm/stray'))\nopen('/dev/shm/stray', 'w').write('left')"
    ),
    "results with folders": "import os\nos.makedirs('RESULTS/a/b')\nopen('RESULTS/a/b/c.txt', 'w').write('deep')",
}

DIFFERENT = {
    "random numbers": "import random\nprint(random.random())",
    "uuids": "import uuid\nprint(uuid.uuid4())",
    "temporary names": "import tempfile\nprint(tempfile.mkdtemp())",
    "process ids and times": "import os, time\nprint(os.getpid(), time.time_ns())",
}
"""Programs whose runs must differ from each other, also when they are forks of one process."""
