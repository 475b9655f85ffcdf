"""`modelyard notices` shows what happens as it happens, and ends as people end it."""

import json
import signal
import subprocess
from pathlib import Path

from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.serving.cli.history.notices import notice_line
from tests.serving.installation import Installation
from tests.serving.processes import MODELYARD, environment, gateway_process


def test_notices_are_shown_until_ctrl_c(installation: Installation, tmp_path: Path) -> None:
    """From the id that is asked for, of the topics that are named; Ctrl-C is no fault."""
    book = NoticeBook(installation.database)
    drafts = [NoticeDraft(topic, "test", {"n": n}) for n in range(2) for topic in Topic]
    book.add(drafts)
    here = environment(tmp_path, installation.settings.database_url)
    with gateway_process(here, tmp_path) as gateway:
        there = environment(tmp_path / "elsewhere") | {
            "MODELYARD_GATEWAY_URL": gateway.url,
            "MODELYARD_API_KEY": installation.ada,
        }
        del there["MODELYARD_DATA_DIR"], there["MODELYARD_DATABASE_URL"]
        command = [*MODELYARD, "notices", "--json", "--topic", "runs", "--after", "3"]
        with subprocess.Popen(
            command, env=there, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["kind"] == "connected"
            assert json.loads(process.stdout.readline())["id"] == 8
            book.add([NoticeDraft(Topic.RUNS, "test", {"n": 9})])
            assert json.loads(process.stdout.readline())["data"] == {"n": 9}
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_notice_is_one_line_of_its_facts() -> None:
    """Facts that are not there are left out; what is written in them changes no terminal."""
    notice = {
        "id": 7,
        "topic": "runs",
        "kind": "run.progress",
        "time": "2026-11-29T15:01:02.5Z",
        "data": {"subject": "a/b", "message": "no room\x1b[2J", "done": 0, "unit": None},
    }
    assert (
        notice_line(notice)
        == '15:01:02      7 run.progress subject=a/b message="no room\\u001b[2J"'
    )
