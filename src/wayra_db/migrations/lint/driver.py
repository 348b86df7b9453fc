"""The driver's methods as the linter tells them apart; a test compares the lists with PyMongo's own."""

from __future__ import annotations

from wayra_db.atomicity import BLOCKING_COMMANDS, BLOCKING_METHODS

# fmt: off
DATABASE_METHODS = frozenset({
    "aggregate", "command", "create_collection", "cursor_command", "dereference", "drop_collection", "get_collection",
    "list_collection_names", "list_collections", "validate_collection", "watch", "with_options",
})
COLLECTION_METHODS = frozenset({
    "aggregate", "aggregate_raw_batches", "bulk_write", "count_documents", "create_index", "create_indexes",
    "create_search_index", "create_search_indexes", "delete_many", "delete_one", "distinct", "drop", "drop_index",
    "drop_indexes", "drop_search_index", "estimated_document_count", "find", "find_one", "find_one_and_delete",
    "find_one_and_replace", "find_one_and_update", "find_raw_batches", "index_information", "insert_many", "insert_one",
    "list_indexes", "list_search_indexes", "options", "rename", "replace_one", "update_many", "update_one",
    "update_search_index", "watch", "with_options",
})
CLIENT_METHODS = frozenset({
    "append_metadata", "bulk_write", "close", "drop_database", "get_database", "get_default_database",
    "list_database_names", "list_databases", "server_info", "start_session", "watch",
})
# Methods of an asynchronous database or collection that answer at once; all others give a coroutine.
ANSWER_AT_ONCE = frozenset({
    "find", "find_raw_batches", "get_collection", "get_database", "get_default_database", "start_session",
    "with_options",
})
BATCH_METHODS = frozenset({"delete_many", "find", "update_many"})

UPDATES = frozenset({"find_one_and_update", "update_many", "update_one"})
INSERTS = frozenset({"insert_many", "insert_one"})
WRITES = UPDATES | INSERTS | {
    "bulk_write", "delete_many", "delete_one", "find_one_and_delete", "find_one_and_replace", "replace_one",
    "insert", "update", "delete", "findAndModify",
}
# Looks that the server refuses inside a transaction although they change nothing.
BLOCKING_READS = frozenset({
    "count", "estimated_document_count", "explain", "index_information", "list_collection_names", "list_collections",
    "list_indexes", "listCollections", "listIndexes", "validate", "validate_collection", "watch",
})
# Requests of `bulk_write`, and the method that each of them is.
REQUESTS = {
    "DeleteMany": "delete_many", "DeleteOne": "delete_one", "InsertOne": "insert_one", "ReplaceOne": "replace_one",
    "UpdateMany": "update_many", "UpdateOne": "update_one",
}
# fmt: on
DDL = (BLOCKING_METHODS | BLOCKING_COMMANDS) - BLOCKING_READS | {"create_collection"}
