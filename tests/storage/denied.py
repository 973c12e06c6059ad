"""A process whose system calls are filtered as the service unit does it: `python -m tests.storage.denied STORE`.

It may not change a priority. It commits, makes two checkpoints beside the commits, stops, and says so.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

import trio

from kmsd.storage import Store, UnitOfWork
from tests.storage.samples import record

SETPRIORITY = {"x86_64": 141, "aarch64": 140}
"""The number of the system call, by machine."""
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_EPERM, _ALLOW = 0x00050001, 0x7FFF0000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def deny(call: int) -> None:
    """From now on the system call fails with EPERM (seccomp(2)), and nothing lifts that."""
    steps = ((_LOAD, 0, 0, 0), (_JUMP_IF_EQUAL, 0, 1, call), (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW))
    packed = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    program = _Program(len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


async def main(path: str) -> None:
    with Store.open(path) as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await store.commit(UnitOfWork([record() for _ in range(500)]))
            pages = [await store._checkpointer.checkpoint_beside() for _ in range(2)]
            print("pages in the log:", *pages)
            nursery.cancel_scope.cancel()
    print("stopped")


if __name__ == "__main__":
    deny(SETPRIORITY[platform.machine()])
    trio.run(main, sys.argv[1])
