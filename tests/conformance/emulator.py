"""An emulator for as long as it is asked: started on a free port of 127.0.0.1, and stopped."""

import os
import socket
import subprocess
import time
from contextlib import contextmanager

START = {
    "moto": lambda program, port: [program, "-H", "127.0.0.1", "-p", port],
    "ministack": lambda program, port: [program],
}
PATIENCE = 60


@contextmanager
def running(kind, program):
    """The endpoint of a fresh emulator of this kind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Without the first, moto runs no task of a service; the others are ministack's.
    settings = {"MOTO_ECS_SERVICE_RUNNING": "2", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    process = subprocess.Popen(
        START[kind](program, str(port)),
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(process, port, program)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def await_port(process, port, program):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{program} ended with {process.returncode} before it answered")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{program} does not answer on port {port} after {PATIENCE} seconds")
