"""Tries what a hardened service must not be able to do, and reports the result of each act.

    probe.py seed    leaves a key where a process without a session keyring of its own finds it
    probe.py         prints {"ACT": true, ...}: true for what was let through
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
KEY = (b"user", b"loopdesk-probe")
SESSION_KEYRING = -3
USER_SESSION_KEYRING = -5


def calls(*arguments):
    """The result of a system call, given by its x86-64 number; 0 for success."""
    ctypes.set_errno(0)
    long = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return 0 if libc.syscall(*long) >= 0 else ctypes.get_errno()


def works(act):
    try:
        act()
        return True
    except (OSError, ValueError):
        return False


def scratch():
    file = tempfile.NamedTemporaryFile(dir=os.environ["HOME"])
    return file, file.name


def core():
    return works(lambda: resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096)))


def family():
    # An EPERM for AF_PACKET comes from the kernel itself, so the filter has let it through.
    def is_let_through(number):
        try:
            socket.socket(number, socket.SOCK_RAW).close()
        except OSError as error:
            return error.errno not in (errno.EAFNOSUPPORT, errno.ESOCKTNOSUPPORT)
        return True

    return any(is_let_through(number) for number in (17, 38, 40))


def foreign():
    # A 32-bit program that calls exit(0), for a 64-bit machine.
    code = bytes.fromhex("b80100000031dbcd80")
    base = 0x8048000
    head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    load = struct.pack("<IIIIIIII", 1, 0, base, base, 84 + len(code), 84 + len(code), 5, 4096)
    path = os.path.join(os.environ["HOME"], f"probe-{os.getpid()}")
    with open(path, "wb") as file:
        file.write(head + load + code)
    os.chmod(path, 0o700)
    try:
        return subprocess.run([path]).returncode == 0
    finally:
        os.unlink(path)


def namespace():
    # In a child: everything after it would run as another user.
    child = os.fork()
    if child == 0:
        os._exit(0 if calls(272, 0x10000000) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def owner():
    file, name = scratch()
    with file:
        return works(lambda: os.chown(name, os.getuid(), os.getgid()))


def privileges():
    # A copy of `id` that belongs to root and is set-user-ID.
    said = subprocess.run(["/run/probe-id", "-u"], capture_output=True, text=True)
    return said.stdout.strip() == "0"


def realtime():
    # No policy has this number. Only a filter refuses it before the kernel has looked.
    return calls(144, 0, 99, ctypes.byref(ctypes.c_int(1))) == errno.EINVAL


def set_user_id():
    file, name = scratch()
    with file:
        return works(lambda: os.chmod(name, 0o4700))


def umask():
    file = os.path.join(os.environ["HOME"], f"probe-{os.getpid()}")
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o666))
    mode = os.stat(file).st_mode
    os.unlink(file)
    return mode & 0o077 != 0


ACTS = {
    "core": core,
    "family": family,
    "foreign": foreign,
    "keyring": lambda: calls(250, 10, SESSION_KEYRING, *KEY, 0) == 0,
    "namespace": namespace,
    "owner": owner,
    "personality": lambda: calls(135, 0x0040000) == 0,
    "privileges": privileges,
    "ptrace": lambda: calls(101, 0, 0, 0, 0) == 0,
    "realtime": realtime,
    "set-user-id": set_user_id,
    "umask": umask,
    "write-execute": lambda: works(
        lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    ),
}

if sys.argv[1:] == ["seed"]:
    sys.exit(calls(248, *KEY, b"x", 1, USER_SESSION_KEYRING))
print(json.dumps({name: act() for name, act in ACTS.items()}))
