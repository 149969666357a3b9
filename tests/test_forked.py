"""Forked children against real processes: what one can see of them is the same."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests import forked

SCRIPTS = {
    "what a script sees": """
        import __main__, os, signal, sys, threading
        print(__name__, __file__, __spec__, __doc__, __builtins__, __main__.__dict__ is globals(), sorted(globals()))
        print(__loader__.name, __loader__.path)
        print(sys.argv, sys.orig_argv, sys.path, sys.flags, os.getcwd(), dict(sorted(os.environ.items())))
        print([(s, signal.getsignal(s)) for s in signal.valid_signals()], signal.pthread_sigmask(0, []))
        print([os.path.exists(f"/proc/self/fd/{i}") for i in range(50)], os.getsid(0), os.getpgid(0), os.umask(0o22))
        print(threading.current_thread().name, len(os.listdir("/proc/self/task")), sys.getrecursionlimit())
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            print(stream.encoding, stream.errors, stream.line_buffering, stream.name, stream.mode, stream.newlines)
        print(sys.stdin.seekable(), sys.stdout.seekable())
    """,
    "its end": "print('done')",
    "no line end": "import sys; sys.stdout.write('a'); sys.stderr.write('b')",
    "exit code": "import sys; sys.exit(3)",
    "exit with a text": "import sys; print('out'); sys.exit('error: no such file')",
    "exit without a code": "raise SystemExit",
    "usage": "import argparse; argparse.ArgumentParser().parse_args(['--wrong'])",
    "exception": """
        def fail(depth):
            if depth:
                return fail(depth - 1)
            try:
                return {}["key"]
            except KeyError as error:
                raise ValueError("ours") from error
        fail(2)
    """,
    "syntax error": "print('no')\nif True print",
    "hook for exceptions": "import sys; sys.excepthook = lambda *all: print('mine', all[1]); 1 / 0",
    "killed": "import os; print('lost'); os.kill(os.getpid(), 9)",
    "aborted": "import os; os.abort()",
    "terminated": "import os, time; os.kill(os.getpid(), 15); time.sleep(60)",
    "keyboard": "import os, time; os.kill(os.getpid(), 2); time.sleep(60)",
    "exit codes that are no numbers": "import sys; sys.exit(('a', 1))",
    "large exit code": "import sys; sys.exit(259)",
    "negative exit code": "import sys; sys.exit(-1)",
    "system exit in a thread": "import sys, threading; threading.Thread(target=sys.exit, args=(3,)).start()",
    "an error at the end": "import atexit; atexit.register(int, 'x'); print('before')",
    "keyboard that is caught": """
        import os, sys, time
        try:
            os.kill(os.getpid(), 2)
            time.sleep(60)
        except KeyboardInterrupt:
            sys.exit(130)
    """,
    "standard input": "import sys; print(sys.stdin.readline(), sys.stdin.buffer.read())",
    "input by name": "print(input(), open(0).read())",
    "what runs at the end": """
        import atexit, threading, time
        atexit.register(print, "second")
        atexit.register(print, "first")
        threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
        raise RuntimeError("and a traceback")
    """,
    "output into a pipe that is closed": "import os; os.close(1); print('nowhere')",
    "output that was closed": "import sys; print('a'); sys.stdout.close(); sys.exit(4)",
    "process of its own": """
        import multiprocessing, sys
        def double(number):
            print(2 * number, sys.argv, flush=True)
            sys.exit(5)
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=double, args=(2,))
            process.start()
            process.join()
            print(process.exitcode)
    """,
    "child": "import subprocess; print(subprocess.run(['sh', '-c', 'echo $KEY; kill $$']))",
}
INPUT = "first line\nthe rest"


def default_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where tests run in the background


def both(words: list[str], folder: Path, **options: Any) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of a real process and of a forked child."""
    command = [sys.executable, *words]
    environment = {"PATH": "/bin:/usr/bin", "KEY": "value", **forked.at_import(forked.server()[1])}
    options |= {"input": INPUT, "capture_output": True, "cwd": folder, "env": environment, "timeout": 60}
    real = subprocess.run(command, text=True, preexec_fn=default_signals, **options)
    ours = forked.run(command, **options)
    return [(result.returncode, result.stdout, result.stderr) for result in (real, ours)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script(name: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPTS[name]))
    real, ours = both(["script.py", "a b", "--option=1"], tmp_path)
    assert ours == real


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("what a script sees", "__main__"),
        ("exception", "__main__"),
        ("exception", "tool"),
        ("process of its own", "tool"),
    ],
)
def test_a_module(name: str, file: str, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("print('imported')")
    (package / f"{file}.py").write_text(textwrap.dedent(SCRIPTS[name]).replace("__spec__", "__spec__.name"))
    real, ours = both(["-m", "package" if file == "__main__" else f"package.{file}", "a b"], tmp_path)
    assert ours == real


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    real, ours = both(["-m", "gone"], tmp_path)
    assert ours == real
    assert real[0] == 1


def test_a_session_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())")
    real, ours = both(["script.py"], tmp_path, start_new_session=True)
    assert ours == real == (0, "True\n", "")


def test_no_child_sees_what_another_did(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, tempfile\n"
        "print('SEEN' in os.environ, 'SET' in os.environ, hasattr(tempfile, 'mine'), len(sys.path))\n"
        "os.environ['SET'] = tempfile.mine = '1'; sys.path.append('x')"
    )
    first = forked.run([sys.executable, str(script)], env={**os.environ, "SEEN": "1"}, capture_output=True)
    again = [forked.run([sys.executable, str(script)], capture_output=True) for _ in range(2)]
    count = int(first.stdout.split()[-1])
    assert first.stdout == f"True False False {count}\n"
    assert [result.stdout for result in again] == [f"False False False {count}\n"] * 2


def test_random_numbers_are_each_child_s_own(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import numpy, random, torch; print(numpy.random.rand(), random.random(), torch.rand(1).item())")
    drawn = [forked.run([sys.executable, str(script)], capture_output=True).stdout.split() for _ in range(2)]
    assert len({*drawn[0], *drawn[1]}) == 6


@pytest.mark.parametrize("name", ["HF_HOME", "HOME", "OMP_NUM_THREADS"])
def test_an_environment_that_the_server_had_not(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: read at import, so start a process of its own$"):
        forked.run([sys.executable, "-m", "this"], env={**os.environ, "OMP_NUM_THREADS": "1", name: "x"})


@pytest.mark.parametrize("words", [["-c", "print()"], ["-I", "script.py"]])
def test_what_is_no_script(words: list[str]) -> None:
    with pytest.raises(ValueError, match="no Python script or module"):
        forked.run([sys.executable, *words])
    with pytest.raises(ValueError, match="preexec_fn: start a process of its own"):
        forked.run([sys.executable, "-m", "this"], preexec_fn=default_signals)


WAIT = """
import signal, sys, time
if sys.argv[1:]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
print("ready", flush=True)
time.sleep(60)
"""


def waiting(folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(WAIT)
    process = forked.Popen(
        [sys.executable, "script.py", *words], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert process.poll() is None
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1])
def test_signals(number: signal.Signals, tmp_path: Path) -> None:
    process = waiting(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, process.poll(), process.wait()) == (-number, -number, -number)
    assert said.splitlines()[-1:] == (["KeyboardInterrupt"] if number == signal.SIGINT else [])
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_signal_that_is_handled(tmp_path: Path) -> None:
    process = waiting(tmp_path, "handled")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.terminate()
    assert process.communicate(timeout=60)[1] == "told to end\n"
    assert process.returncode == 1


def test_time_that_is_up(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time; time.sleep(600)")
    reader, writer = os.pipe()
    with open(reader, "rb") as ours, open(writer, "wb") as theirs:
        with pytest.raises(subprocess.TimeoutExpired):
            forked.run([sys.executable, "script.py"], cwd=tmp_path, stdout=theirs, timeout=0.1)
        theirs.close()
        assert select.select([ours], [], [], 60)[0], "nobody holds the other end any more"
        assert ours.read() == b""


def test_a_check_that_fails() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        forked.run([sys.executable, "-m", "json.tool"], input="[", capture_output=True, check=True)
