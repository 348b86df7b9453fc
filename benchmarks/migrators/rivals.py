"""Other people's tools, in pinned versions, installed for one run of the benchmark and in their default settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from migrators import Absent, Migrator, Place

MIGRATE_MONGO = ("migrate-mongo@14.0.7", "mongodb@7.9.0")
MONGOMIG = "mongomig==0.4.2"
MONGRATOR = "mongrator==0.4.3"
MONGRATOR_NEEDS = (3, 13)


def migrate_mongo(place: Place) -> Migrator:
    """migrate-mongo on Node.js; its lock is off, as it is by default."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise Absent("there is no npm on this machine")
    _run([npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", ".", *MIGRATE_MONGO], place.folder)
    (place.folder / "migrate-mongo-config.js").write_text(
        f"""module.exports = {{
  mongodb: {{ url: "{place.uri}", databaseName: "{place.database}", options: {{}} }},
  migrationsDir: "migrations", changelogCollectionName: "changelog", lockCollectionName: "changelog_lock",
  lockTtl: 0, migrationFileExtension: ".js", useFileHash: false, moduleSystem: "commonjs",
}};
"""
    )
    for number in _numbers(place, "migrations"):
        (place.folder / "migrations" / f"{20260000000000 + number}-add_item_{number}.js").write_text(
            f"""module.exports = {{
  async up(db, client) {{ await db.collection("items").insertOne({{ _id: {number} }}); }},
  async down(db, client) {{ await db.collection("items").deleteOne({{ _id: {number} }}); }}
}};
"""
        )
    tool = [node, str(place.folder / "node_modules/migrate-mongo/bin/migrate-mongo.js")]
    return Migrator(
        name=MIGRATE_MONGO[0].replace("@", " "),
        folder=place.folder,
        commands={
            "up": [*tool, "up"],
            "status": [*tool, "status"],
            "no-op up": [*tool, "up"],
            "rollback": [*tool, "down", "--block"],
        },
    )


def mongomig(place: Place) -> Migrator:
    """mongomig, by the Python that runs wayra-db."""
    tool = str(_environment(place, sys.executable, MONGOMIG) / "mongomig")
    _run([tool, "init", "."], place.folder)
    parent = "None"
    for number in _numbers(place, "migrations/versions"):
        revision = f"{number:012d}"
        (place.folder / "migrations/versions" / f"{revision}_add_item_{number}.py").write_text(
            f'''"""add item {number}"""

revision = "{revision}"
down_revision = {parent}
branch_labels = None
depends_on = None
reversible = True
mongomig_format = 1


def upgrade(ctx):
    ctx.collection("items").insert_one({{"_id": {number}}})


def downgrade(ctx):
    ctx.collection("items").delete_one({{"_id": {number}}})
'''
        )
        parent = f'"{revision}"'
    return Migrator(
        name=MONGOMIG.replace("==", " "),
        folder=place.folder,
        commands={
            "up": [tool, "upgrade", "--yes"],
            "status": [tool, "current"],
            "no-op up": [tool, "upgrade", "--yes"],
            "rollback": [tool, "downgrade", "base", "--yes"],
        },
        environment={"MONGODB_URI": place.uri, "MONGODB_DATABASE": place.database},
    )


def mongrator(place: Place) -> Migrator:
    """mongrator as it is by default, without transactions; it needs a newer Python than wayra-db does."""
    return _mongrator(place, [])


def mongrator_transactional(place: Place) -> Migrator:
    """mongrator with the flag that puts each migration, not its record, into a transaction."""
    return _mongrator(place, ["--transactional"])


def _mongrator(place: Place, flags: list[str]) -> Migrator:
    tool = str(_environment(place, _python(MONGRATOR_NEEDS), MONGRATOR) / "mongrator")
    (place.folder / "mongrator.toml").write_text(
        f'[mongrator]\nuri = "{place.uri}"\ndatabase = "{place.database}"\n'
        'migrations_dir = "migrations"\ncollection = "mongrator_migrations"\n'
    )
    for number in _numbers(place, "migrations"):
        (place.folder / "migrations" / f"20260101_{number:06d}_add_item_{number}.py").write_text(
            f'''"""Migration: add item {number}"""


def up(db):
    db.items.insert_one({{"_id": {number}}})


def down(db):
    db.items.delete_one({{"_id": {number}}})
'''
        )
    return Migrator(
        name=" ".join([MONGRATOR.replace("==", " "), *flags]),
        folder=place.folder,
        commands={
            "up": [tool, "up", *flags],
            "status": [tool, "status"],
            "no-op up": [tool, "up", *flags],
            "rollback": [tool, "down", "--steps", str(place.count), *flags],
        },
        succeeds_with=(0, 4),  # 4: nothing to apply
    )


def _numbers(place: Place, folder: str) -> range:
    (place.folder / folder).mkdir(parents=True, exist_ok=True)
    return range(1, place.count + 1)


def _environment(place: Place, python: str, requirement: str) -> Path:
    """The `bin` of a new virtual environment with the tool and the driver that wayra-db uses here."""
    folder = place.folder / "venv"
    _run([python, "-m", "venv", str(folder)], place.folder)
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    _run([*pip, requirement, f"pymongo=={version('pymongo')}"], place.folder)
    return folder / "bin"


def _python(oldest: tuple[int, int]) -> str:
    named = [shutil.which(f"python3.{minor}") for minor in range(oldest[1], oldest[1] + 3)]
    built = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    for python in [sys.executable, *filter(None, named), *map(str, built)]:
        asked = subprocess.run(
            [python, "-c", f"import sys; sys.exit(sys.version_info < {oldest})"], capture_output=True
        )
        if asked.returncode == 0:
            return python
    raise Absent(f"it needs Python {oldest[0]}.{oldest[1]}, and there is none on this machine")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Absent(f"`{' '.join(command[:4])} ...` failed: {said[-1] if said else done.returncode}")
