"""Serving's commands, hung on the frame."""

from modelyard.registry.console import Commands
from modelyard.serving.cli import config, dispatcher, doctor, gateway, start, worker
from modelyard.serving.cli.catalog import models, promotion, unloading
from modelyard.serving.cli.chat import chat
from modelyard.serving.cli.fleet import gpus, status
from modelyard.serving.cli.history import logs, notices, runs, usage
from modelyard.serving.cli.identity import keys, quota, users
from modelyard.serving.cli.requests import batches, callbacks
from modelyard.serving.cli.requests import commands as requests
from modelyard.serving.cli.up import command


def register(commands: Commands) -> None:
    for room in (
        start,
        command,
        gateway,
        dispatcher,
        worker,
        gpus,
        models,
        promotion,
        unloading,
        users,
        quota,
        keys,
        chat,
        status,
        runs,
        notices,
        requests,
        batches,
        callbacks,
        usage,
        logs,
        doctor,
        config,
    ):
        room.attach(commands)
