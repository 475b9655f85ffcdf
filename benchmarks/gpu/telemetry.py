"""Everything that the devices tell, and by name what they do not."""

from benchmarks.gpu.report import GpuReport
from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.serving.worker.devices.detect import discover


def check(report: GpuReport) -> None:
    """Every field of every device; a field without an answer is null, never a number."""
    report.section("Telemetry")
    found = [device.facts() for device in discover()]
    for facts in found:
        told = facts.as_json()
        report.table(("field", facts.gpu_id), [(k, _short(v)) for k, v in told.items()])
        silent = [name for name, value in told.items() if value is None]
        report.note(f"null on {facts.gpu_id}: {', '.join(silent) or 'nothing'}")
        report.check(f"{facts.gpu_id} answers", holds=facts.status is not DeviceStatus.ERROR)
        report.check(f"memory of {facts.gpu_id} adds up", holds=_adds_up(facts))


def _short(value: object) -> str:
    return "null" if value is None else str(value)[:120]


def _adds_up(facts: DeviceFacts) -> bool:
    total = facts.memory_total
    used = facts.memory_used
    free = facts.memory_free
    return total is None or used is None or free is None or used + free <= total
