"""An NVIDIA GPU, or a MIG slice of one, measured through NVML."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
import pynvml as nvml

from modelyard.registry.fleet.device_facts import (
    DeviceFacts,
    DeviceProcess,
    DeviceStatus,
    EccCounts,
)
from modelyard.registry.logs import logger
from modelyard.serving.worker.devices.nvml import throttle_reasons, told, watts
from modelyard.serving.worker.devices.xid import XidWatch

_log = logger("modelyard.worker")


def find_gpus() -> list["NvidiaGpu"]:
    """The GPUs that NVML lists, by index; a GPU in MIG mode is replaced by its slices.

    Empty if there is no driver.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        return [gpu for index in range(nvml.nvmlDeviceGetCount()) for gpu in _at(index)]
    finally:
        nvml.nvmlShutdown()


def _at(index: int) -> list["NvidiaGpu"]:
    try:
        card = nvml.nvmlDeviceGetHandleByIndex(index)
        name = f"gpu-{index}"
        uuid = nvml.nvmlDeviceGetUUID(card)
        slices = [NvidiaGpu(u, f"{name}/mig-{n}", uuid) for n, u in _slices(card)]
    except nvml.NVMLError as error:
        _log.warning("gpu_unreadable", index=index, reason=str(error))
        return []
    return slices or [NvidiaGpu(uuid, name, uuid)]


def _slices(card: Any) -> Iterator[tuple[int, str]]:
    """Number and UUID of each MIG slice of a card."""
    mode = told(nvml.nvmlDeviceGetMigMode, card)
    most = told(nvml.nvmlDeviceGetMaxMigDeviceCount, card) if mode and mode[0] else 0
    for number in range(most or 0):
        handle = told(nvml.nvmlDeviceGetMigDeviceHandleByIndex, card, number)
        if handle is not None:
            yield number, nvml.nvmlDeviceGetUUID(handle)


@dataclass(slots=True)
class NvidiaGpu:
    """One card or slice; its id is its UUID, the same in every PCI slot and after every restart.

    `alias` is gpu-<index> or gpu-<index>/mig-<number>; `card_id` is the UUID of the whole card.
    """

    device_id: str
    alias: str
    card_id: str
    is_gpu: bool = True
    _handle: Any = None
    _since: float = field(default_factory=time.monotonic)
    _last: DeviceFacts | None = None
    _xids: XidWatch = field(init=False)

    def __post_init__(self) -> None:
        self._xids = XidWatch(self.card_id)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"CUDA_VISIBLE_DEVICES": self.device_id}

    def facts(self) -> DeviceFacts:
        self._xids.start()
        try:
            self._last = self._measure(self._open())
        except nvml.NVMLError as error:
            self._close()
            return self._failed(f"NVML: {error}")
        return self._last

    def _open(self) -> Any:
        if self._handle is None:
            nvml.nvmlInit()
            self._handle = nvml.nvmlDeviceGetHandleByUUID(self.device_id)
        return self._handle

    def _close(self) -> None:
        # NVML enumerates cards at initialisation: a card that was reset needs a new nvmlInit.
        self._handle = None
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()

    def _failed(self, reason: str) -> DeviceFacts:
        """The card's constant facts with status `error` and this reason; the rest is unknown."""
        known = self._last or DeviceFacts(self.device_id, "NVIDIA GPU", DeviceStatus.ERROR, 0.0)
        return DeviceFacts(
            gpu_id=self.device_id,
            name=known.name,
            status=DeviceStatus.ERROR,
            uptime=self._uptime(),
            reason=reason,
            alias=self.alias,
            compute_capability=known.compute_capability,
            memory_total=known.memory_total,
            xid_events=self._xids.events,
        )

    def _uptime(self) -> float:
        return time.monotonic() - self._since

    def _measure(self, handle: Any) -> DeviceFacts:
        """Measure; a slice has its own memory and processes, its card's temperature and faults."""
        is_slice = self.device_id != self.card_id
        card = nvml.nvmlDeviceGetHandleByUUID(self.card_id) if is_slice else handle
        capability = told(nvml.nvmlDeviceGetCudaComputeCapability, card)
        facts = DeviceFacts(
            gpu_id=self.device_id,
            name=nvml.nvmlDeviceGetName(handle),
            status=DeviceStatus.AVAILABLE,
            uptime=self._uptime(),
            alias=self.alias,
            compute_capability=capability and f"{capability[0]}.{capability[1]}",
            temperature=told(nvml.nvmlDeviceGetTemperature, card, nvml.NVML_TEMPERATURE_GPU),
            throttle_reasons=throttle_reasons(card),
            ecc=_ecc(card),
            xid_events=self._xids.events,
            processes=_processes(handle),
        )
        return _with_load(facts if is_slice else _with_power(facts, card), handle)


def _with_power(facts: DeviceFacts, card: Any) -> DeviceFacts:
    return replace(
        facts,
        power_usage=watts(told(nvml.nvmlDeviceGetPowerUsage, card)),
        power_limit=watts(told(nvml.nvmlDeviceGetEnforcedPowerLimit, card)),
    )


def _with_load(facts: DeviceFacts, handle: Any) -> DeviceFacts:
    memory = told(nvml.nvmlDeviceGetMemoryInfo, handle)
    rates = told(nvml.nvmlDeviceGetUtilizationRates, handle)
    return replace(
        facts,
        memory_total=memory and memory.total,
        memory_used=memory and memory.used,
        memory_free=memory and memory.free,
        utilization=rates and rates.gpu / 100,
    )


def _ecc(card: Any) -> EccCounts | None:
    """Memory errors since the last reset and over the lifetime; None without counters."""
    kinds = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    counters = nvml.NVML_VOLATILE_ECC, nvml.NVML_AGGREGATE_ECC
    counts = [
        told(nvml.nvmlDeviceGetTotalEccErrors, card, kind, counter)
        for counter in counters
        for kind in kinds
    ]
    return EccCounts(*counts) if any(count is not None for count in counts) else None


def _processes(handle: Any) -> tuple[DeviceProcess, ...]:
    running = told(nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    return tuple(DeviceProcess(p.pid, _name_of(p.pid), p.usedGpuMemory) for p in running)


def _name_of(pid: int) -> str | None:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None  # in another container, or gone
