"""Child processes that die with their parent, also when the parent is killed with SIGKILL.

`start` runs a command through this very file: a few lines of Python in the child ask the kernel for SIGKILL
at the parent's death (`PR_SET_PDEATHSIG`, Linux), and then become the command. Two traps of that call:

- It is about the *thread* that started the child, not the process. So one thread, which lives as long as this
  process, starts them all.
- A parent that died before the call is never noticed. So the child looks who its parent is after the call.

Nothing of ours runs between fork and exec, which would be unsafe in a process with threads. Where the
kernel has no such call (macOS), children outlive a SIGKILL, and whoever starts next has to recognise them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_keeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tether")


def start(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command that gets SIGKILL when this process ends; its pid is that of the command itself.

    It has a session of its own, so that Ctrl-C reaches only the process that knows the order of stopping.
    `output` takes what it writes; without it, it writes where this process does.
    """
    arguments = [sys.executable, "-IS", __file__, str(os.getpid()), *(os.fspath(part) for part in command)]
    future = _keeper.submit(
        subprocess.Popen,
        arguments,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
    )
    return future.result()


def _become(parent_pid: int, command: list[str]) -> None:
    """In the child: tie this process to its parent, then turn into the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit("tether: the parent is gone already")
    os.execvp(command[0], command)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
