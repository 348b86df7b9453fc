from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.test_tutorial import pattern, steps

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "recover-from-a-backup.md"


def test_the_runbook_does_what_it_shows(tmp_path: Path) -> None:
    """Each command of the page, run in turn on a machine that knows nothing of MongoDB, prints what stands below it."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "WAYRA_LOG_FORMAT": "text",
    }
    folder, ran = tmp_path, 0
    try:
        for what, shown in steps(PAGE.read_text(encoding="utf-8")):
            command = what.removeprefix("$ ")
            if command.startswith("cd "):
                folder = folder / command.removeprefix("cd ")
                continue
            ended = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=120,
            )
            assert re.fullmatch(pattern(shown), ended.stdout), f"$ {command}\n{ended.stdout}\n--- expected\n{shown}"
            assert ended.returncode == 0, command
            ran += 1
    finally:
        subprocess.run(["wayra-db", "server", "stop"], cwd=folder, env=environment, check=False, capture_output=True)
    assert ran >= 12
