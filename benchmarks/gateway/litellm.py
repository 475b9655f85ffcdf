"""LiteLLM's proxy in an environment of its own, run as fairly as it can be.

httptools and OpenTelemetry's API are installed (without them it is slower), its price list is the
one it ships with, telemetry is off, there is no database; with Redis it routes by usage against
limits per minute that are never reached.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.installation import MODELS

PACKAGES = (
    "litellm[proxy]",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "httptools",
    "uvloop",
    "redis",
)
_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """An installed LiteLLM."""

    folder: Path

    @classmethod
    def install(cls, folder: Path) -> "LiteLLM":
        """Make the environment where it is not there yet; takes a minute or two."""
        found = cls(folder)
        if not found.command.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *PACKAGES]
            subprocess.run(pip, check=True)
        return found

    @property
    def command(self) -> Path:
        return self.folder / "bin" / "litellm"

    @property
    def version(self) -> str:
        asks = "import importlib.metadata as m; print(m.version('litellm'))"
        run = subprocess.run(
            [str(self.folder / "bin" / "python"), "-c", asks],
            check=True,
            capture_output=True,
            text=True,
        )
        return run.stdout.strip()

    @property
    def environment(self) -> Mapping[str, str]:
        path = f"{self.folder / 'bin'}:{os.environ.get('PATH', '')}"
        return {
            "PATH": path,
            "PYTHONPATH": "",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }

    def configure(self, file: Path, backend: str, redis: str) -> Path:
        """Its settings; JSON is YAML."""
        limits = {"rpm": _LIMIT, "tpm": _LIMIT} if redis else {}
        settings: dict[str, object] = {
            "model_list": [
                {
                    "model_name": model,
                    "litellm_params": {
                        "model": f"openai/{model}",
                        "api_base": f"{backend}/v1",
                        "api_key": "none",
                        **limits,
                    },
                }
                for model in MODELS
            ],
            "litellm_settings": {"telemetry": False},
            "general_settings": {"master_key": "sk-benchmark"},
        }
        if redis:
            host, _, port = redis.removeprefix("redis://").removesuffix("/0").partition(":")
            settings["router_settings"] = {
                "routing_strategy": "usage-based-routing-v2",
                "redis_host": host,
                "redis_port": int(port),
            }
        file.write_text(json.dumps(settings))
        return file
