"""NVML queries that return None for what a card does not report, and names for its constants."""

from collections.abc import Callable
from typing import Any

import pynvml as nvml

_SILENT = frozenset(
    {
        nvml.NVML_ERROR_NOT_SUPPORTED,
        nvml.NVML_ERROR_NO_PERMISSION,
        nvml.NVML_ERROR_NOT_FOUND,
        nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    }
)
"""Errors that mean only that this card or driver does not report the value."""

_THROTTLES = {
    nvml.nvmlClocksEventReasonSwPowerCap: "power_cap",
    nvml.nvmlClocksEventReasonHwSlowdown: "hardware_slowdown",
    nvml.nvmlClocksEventReasonSwThermalSlowdown: "thermal",
    nvml.nvmlClocksEventReasonHwThermalSlowdown: "hardware_thermal",
    nvml.nvmlClocksEventReasonHwPowerBrakeSlowdown: "power_brake",
    nvml.nvmlClocksEventReasonSyncBoost: "sync_boost",
    nvml.nvmlClocksEventReasonApplicationsClocksSetting: "clocks_setting",
    nvml.nvmlClocksEventReasonDisplayClockSetting: "display_clocks",
}
"""Reasons for low clocks; idle, which NVML also counts, is left out."""


def told(ask: Callable[..., Any], *arguments: Any) -> Any:
    """NVML's answer, or None if the card does not report it; other NVMLErrors propagate."""
    try:
        return ask(*arguments)
    except nvml.NVMLError as error:
        if getattr(error, "value", None) in _SILENT:
            return None
        raise


def throttle_reasons(handle: Any) -> tuple[str, ...] | None:
    """Active throttle reasons by name, empty if none; None if the card does not report them."""
    mask = told(nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    return None if mask is None else tuple(n for bit, n in _THROTTLES.items() if mask & bit)


def watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
