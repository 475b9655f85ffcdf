"""How Modelyard is put on machines: images, orchestration, monitoring, and the demo."""
