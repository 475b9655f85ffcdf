"""Serving's commands, hung on the frame."""

from registry.console import Commands
from serving.cli import (
    chat,
    config,
    doctor,
    gateway,
    gpus,
    keys,
    models,
    quota,
    status,
    up,
    users,
    worker,
)


def register(commands: Commands) -> None:
    for room in (
        up,
        gateway,
        worker,
        gpus,
        models,
        users,
        quota,
        keys,
        chat,
        status,
        doctor,
        config,
    ):
        room.attach(commands)
