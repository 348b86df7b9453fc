"""The rules, each in a file of its own; they are numbered by what they protect.

MG0: the files as such. MG1: a server with much data. MG2: collections, indexes and validators. MG3: a run that is
broken off and repeated. MG4: code that leaves the runner's hands. MG5: what a file says of itself. MG9: suppressions.
"""

from __future__ import annotations

from wayra_db.migrations.lint.rules import (
    blocks_transaction,
    clock_or_random,
    ddl_with_data,
    drop_collection,
    drop_index,
    duplicate_version,
    empty_down,
    latest_file,
    missing_down,
    non_idempotent,
    not_awaited,
    outside_batches,
    own_client,
    rename_known_field,
    stricter_validator,
    suppression_unknown,
    suppression_unused,
    suppression_without_reason,
    swallowed_exception,
    sync_calls_async,
    thread,
    unbatched_update,
    unbounded_find,
    unchecked_unique_index,
    unknown_flag,
    unreadable_file,
)

RULES = (
    unreadable_file.RULE,
    duplicate_version.RULE,
    latest_file.RULE,
    unbatched_update.RULE,
    unbounded_find.RULE,
    outside_batches.RULE,
    ddl_with_data.RULE,
    drop_index.RULE,
    drop_collection.RULE,
    unchecked_unique_index.RULE,
    rename_known_field.RULE,
    stricter_validator.RULE,
    non_idempotent.RULE,
    clock_or_random.RULE,
    swallowed_exception.RULE,
    blocks_transaction.RULE,
    own_client.RULE,
    thread.RULE,
    not_awaited.RULE,
    sync_calls_async.RULE,
    missing_down.RULE,
    empty_down.RULE,
    unknown_flag.RULE,
    suppression_without_reason.RULE,
    suppression_unknown.RULE,
    suppression_unused.RULE,
)
FOLDER_RULES = {module.RULE: module.check_folder for module in (duplicate_version, latest_file)}
COMMENT_RULES = {
    module.RULE: module.check_comment
    for module in (suppression_without_reason, suppression_unknown, suppression_unused)
}
