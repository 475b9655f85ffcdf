"""The devices of this machine: its GPUs, or its processor if it has no GPU."""

from modelyard.registry.errors import ErrorKind
from modelyard.serving.errors import ServingError
from modelyard.serving.worker.devices.cpu import Cpu
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.nvidia import find_gpus


class UnknownDevice(ServingError):
    """The named device does not exist on this machine."""

    code = "unknown_device"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


def discover() -> list[Device]:
    """The devices that `modelyard up` starts workers for."""
    return [*find_gpus()] or [Cpu()]


def open_device(name: str, *, node: str = "") -> Device:
    """The device with id `gpu-<index>` or `gpu-<index>/mig-<number>`; empty means the first."""
    gpus = find_gpus()
    named: dict[str, Device] = {"cpu-0": Cpu(f"{node}-cpu-0" if node else "cpu-0")}
    named |= {gpu.device_id: gpu for gpu in gpus} | {gpu.alias: gpu for gpu in gpus}
    wanted = name or (gpus[0].alias if gpus else "cpu-0")
    if wanted not in named:
        raise UnknownDevice(
            f"This machine has no device '{wanted}'.", fix=f"It has: {', '.join(sorted(named))}."
        )
    return named[wanted]
