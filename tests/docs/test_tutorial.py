from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-project.md"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(text: str) -> list[tuple[str, str]]:
    """The page's steps in order: a command with the output that it shows, or a file with its content."""
    found: list[tuple[str, str]] = []
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            first, _, content = block.partition("\n")
            found.append((first, content))
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((f"$ {command}", output))
    return found


def pattern(expected: str) -> str:
    """What is shown, as a pattern: a line of three dots stands for any lines, dots within a line for anything in it."""
    lines = []
    for line in expected.splitlines(keepends=True):
        if line == "...\n":
            lines.append(r"(?:.*\n)*")
        else:
            lines.append(r"[^\n]*".join(re.escape(part) for part in re.split(r"[ ]*\.\.\.[ ]*", line)))
    return "".join(lines)


def test_the_tutorial_does_what_it_shows(tmp_path: Path) -> None:
    """Each command of the page, run in turn on a machine that knows nothing of MongoDB, prints what stands below it."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "WAYRA_LOG_FORMAT": "text",
    }
    folder, ran = tmp_path, 0
    try:
        for what, shown in steps(PAGE.read_text(encoding="utf-8")):
            if what.startswith("# "):
                (folder / what.removeprefix("# ")).write_text(shown, encoding="utf-8")
                continue
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
                timeout=60,
            )
            assert re.fullmatch(pattern(shown), ended.stdout), f"$ {command}\n{ended.stdout}\n--- expected\n{shown}"
            assert ended.returncode == 0, command
            ran += 1
    finally:
        subprocess.run(["wayra-db", "server", "stop"], cwd=folder, env=environment, check=False, capture_output=True)
    assert ran >= 15
