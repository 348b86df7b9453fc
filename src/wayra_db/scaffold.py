"""A new project that works at once: `wayra-db new PATH`, then `wayra-db init`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template

from wayra_db.errors import ConfigError
from wayra_db.settings.uri import database_name_problem

# The file in the project, and the template that it is written from.
FILES = {
    "wayra-db.toml": "wayra-db.toml.txt",
    "collections/users.py": "users.py.txt",
    "migrations/0001_add_user_roles.py": "migration.py.txt",
    "scripts/seeds/0001_sample_users.py": "seed.py.txt",
    "compose.yaml": "compose.yaml.txt",
}
FIXED = {"migrations/latest.txt": "0001_add_user_roles.py\n"}
IGNORED = (".wayra/", "backups/")


def create_project(folder: Path) -> tuple[Path, ...]:
    """Write a small project into `folder`, which is made if need be; returns the files written.

    Overwrites nothing: raises ConfigError, having written nothing, when one of the files exists. A `.gitignore` that is
    there keeps what it says, and gets the lines that it lacks.
    """
    name = project_name(folder.resolve().name)
    templates = resources.files("wayra_db").joinpath("templates/project")
    values = {"name": name, "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    texts = {
        target: Template(templates.joinpath(source).read_text(encoding="utf-8")).substitute(values)
        for target, source in FILES.items()
    } | FIXED
    taken = [target for target in texts if (folder / target).exists()]
    if taken:
        raise ConfigError(
            f"{folder} already has {', '.join(taken)}; nothing was written",
            key="path",
            hint="Give the path of a new folder, or work with the project that is there.",
        )
    for target, text in texts.items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    written = [folder / target for target in texts]
    return (*written, folder / ".gitignore") if _ignore(folder / ".gitignore") else tuple(written)


def _ignore(path: Path) -> bool:
    """Have git leave the local state and the backups alone; whether anything had to be written for that."""
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    known = {line.strip().strip("/") for line in before.splitlines()}
    missing = [line for line in IGNORED if line.strip("/") not in known]
    if missing:
        with path.open("a", encoding="utf-8") as file:
            file.write("" if before.endswith("\n") or not before else "\n")
            file.write("\n".join(["# wayra-db: the embedded server's data, and backups.", *missing, ""]))
    return bool(missing)


def project_name(folder_name: str) -> str:
    """A folder's name as a project's and a database's: lower-case letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", folder_name.lower()).strip("_")[:40] or "project"
    return f"{name}_db" if database_name_problem(name) else name
