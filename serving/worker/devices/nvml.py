"""Asking NVML: what a card does not tell is None, and what names its numbers have."""

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
"""Answers that say nothing is wrong, only that this card or driver does not tell."""

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
"""Why clocks are low; idleness, which NVML counts in, is no reason to worry."""


def told(ask: Callable[..., Any], *arguments: Any) -> Any:
    """What NVML answers, None where the card does not tell; other NVMLErrors pass."""
    try:
        return ask(*arguments)
    except nvml.NVMLError as error:
        if getattr(error, "value", None) in _SILENT:
            return None
        raise


def throttle_reasons(handle: Any) -> tuple[str, ...] | None:
    """By name, none where the clocks are free; None where the card does not tell."""
    mask = told(nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    return None if mask is None else tuple(n for bit, n in _THROTTLES.items() if mask & bit)


def watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
