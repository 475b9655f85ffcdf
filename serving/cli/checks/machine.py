"""This machine: Python, GPU, memory, disk, the data folder and the gateway's port."""

import os
import platform
import shutil
import socket
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

from modelyard.registry.running import running_file
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store.capacity import size_text
from modelyard.serving.cli.checks.finding import Finding, fail, ok, warn
from modelyard.serving.settings import GatewaySettings
from modelyard.serving.worker.devices.machine import memory

LEAST_PYTHON = (3, 11)
LITTLE_MEMORY = 2_000_000_000
LITTLE_DISK = 10_000_000_000
LEAST_DISK = 1_000_000_000


def python() -> Finding:
    version = platform.python_version()
    if sys.version_info < LEAST_PYTHON:
        return fail("Python", version, "Modelyard needs Python 3.11 or newer.")
    return ok("Python", version)


def gpus() -> Finding:
    from modelyard.serving.worker.devices.nvidia import find_gpus

    found = [gpu.facts() for gpu in find_gpus()]
    if not found:
        return ok("GPU", "none that NVML knows: models run on the processor")
    broken = [f"{gpu.name}: {gpu.reason}" for gpu in found if gpu.status == "error"]
    if broken:
        return fail("GPU", "; ".join(broken), "See `nvidia-smi` and the kernel's log.")
    return ok("GPU", ", ".join(f"{gpu.name}, {size_text(gpu.memory_total or 0)}" for gpu in found))


def free_memory() -> Finding:
    now = memory()
    found = f"{size_text(now.free)} free of {size_text(now.total)}"
    if now.free < LITTLE_MEMORY:
        return warn("Memory", found, "Only small models will fit: end what else runs here.")
    return ok("Memory", found)


def disk(settings: RegistrySettings) -> Finding:
    folder = _nearest(settings.store)
    free = shutil.disk_usage(folder).free
    if settings.store.exists() and (problem := _problem_of_writing(settings.store)):
        return fail("Disk", f"{settings.store}: {problem}", "Give this user the store's folder.")
    found = f"{size_text(free)} free at {folder}"
    fix = "Free some, or point MODELYARD_STORE_DIR at a larger volume."
    if free < LEAST_DISK:
        return fail("Disk", found, fix)
    return warn("Disk", found, fix) if free < LITTLE_DISK else ok("Disk", found)


def data_folder(settings: RegistrySettings) -> Finding:
    folder = settings.data_dir
    if not folder.exists():
        return _parent_of_data(folder)
    readable = [f for f in (folder / "secret.key", running_file(folder)) if _is_shared(f)]
    if readable:
        files = " ".join(str(f) for f in readable)
        return fail("Data folder", f"others can read {files}", f"chmod 600 {files}")
    return _written(folder)


def _written(folder: Path) -> Finding:
    if problem := _problem_of_writing(folder):
        return fail("Data folder", f"{folder}: {problem}", "Give this user the folder.")
    return ok("Data folder", f"{folder} can be written")


def _problem_of_writing(folder: Path) -> str:
    """Write a file there and remove it; why that failed, or nothing."""
    try:
        with NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _parent_of_data(folder: Path) -> Finding:
    parent = _nearest(folder)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return ok("Data folder", f"{folder} will be made")
    fix = "Point MODELYARD_DATA_DIR at a folder of this user."
    return fail("Data folder", f"{folder} cannot be made in {parent}", fix)


def _is_shared(file: Path) -> bool:
    return file.exists() and bool(file.stat().st_mode & 0o077)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first of its parents that exists."""
    return next(p for p in (folder, *folder.parents) if p.exists())


def gateway_port(settings: GatewaySettings) -> Finding:
    if settings.port == 0:
        return ok("Port", "any free one is taken")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return _taken(settings, error)
    return ok("Port", f"{settings.port} is free on {settings.host}")


def _taken(settings: GatewaySettings, error: OSError) -> Finding:
    import httpx2

    url = f"http://{settings.host}:{settings.port}/health/live"
    try:
        is_ours = httpx2.get(url, timeout=2, trust_env=False).json() == {"status": "live"}
    except (httpx2.HTTPError, ValueError):
        is_ours = False
    if is_ours:
        return ok("Port", f"a gateway answers on {settings.port}")
    found = f"{settings.port} on {settings.host}: {error.strerror or error}"
    return fail("Port", found, "End what holds it, or set MODELYARD_PORT to another one.")
