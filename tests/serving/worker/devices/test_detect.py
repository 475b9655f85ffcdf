"""The processor is always there, and several machines' processors can be told apart."""

from modelyard.serving.worker.devices.detect import open_device


def test_a_nodes_name_is_part_of_its_processors_id() -> None:
    """Two machines without a GPU do not fight for one row."""
    assert open_device("cpu-0").device_id == "cpu-0"
    assert open_device("cpu-0", node="rack-7").device_id == "rack-7-cpu-0"
