"""Indexes that the server refuses, and what the declaration says of each: the two are compared in tests."""

from __future__ import annotations

from pymongo import IndexModel

REFUSED: dict[str, tuple[list[IndexModel], str]] = {
    "a mistyped option": ([IndexModel("a", uniqe=True)], "has no option 'uniqe'"),
    "a kind that there is not": ([IndexModel([("a", "foo")])], "there is no kind of index 'foo'"),
    "a mistyped kind": ([IndexModel([("a", "2dspere")])], "there is no kind of index '2dspere'"),
    "no order": ([IndexModel([("a", 0)])], "the order of 'a' cannot be 0"),
    "an order that is true": ([IndexModel([("a", True)])], "the order of 'a' cannot be True"),
    "two hashed fields": ([IndexModel([("a", "hashed"), ("b", "hashed")])], "can hash one field only"),
    "a unique hash": ([IndexModel([("a", "hashed")], unique=True)], "a hashed index cannot be unique"),
    "an empty field": ([IndexModel([("", 1)], name="x")], "'' has an empty part"),
    "an empty part": ([IndexModel("a..b")], "'a..b' has an empty part"),
    "a dollar": ([IndexModel("$a")], "cannot begin with '$'"),
    "a dollar inside": ([IndexModel("a.$b")], "cannot begin with '$'"),
    "an expiry over two fields": (
        [IndexModel([("a", 1), ("b", 1)], expireAfterSeconds=5)],
        "expireAfterSeconds needs an index on one field",
    ),
    "an expiry of _id": ([IndexModel([("_id", -1)], expireAfterSeconds=5)], "documents cannot expire by _id"),
    "an expiry before now": ([IndexModel("a", expireAfterSeconds=-1)], "must be from 0 to"),
    "an expiry after the server's time": ([IndexModel("a", expireAfterSeconds=2**31)], "must be from 0 to"),
    "an expiry in words": ([IndexModel("a", expireAfterSeconds="1h")], "must be from 0 to"),
    "unique in words": ([IndexModel("a", unique="yes")], "unique must be true or false"),
    "a filter that is none": ([IndexModel("a", partialFilterExpression="b")], "must be a dict, found str"),
    "sparse and partial": (
        [IndexModel("a", sparse=True, partialFilterExpression={"b": 1})],
        "cannot be sparse and have a partialFilterExpression",
    ),
    "a projection for nothing": ([IndexModel("a", wildcardProjection={"b": 1})], "is for an index on '$**'"),
    "33 fields": ([IndexModel([(f"f{n}", 1) for n in range(33)])], "has 33 fields, and 32 are the most"),
    "64 beside the one on _id": ([IndexModel(f"f{n}") for n in range(64)], "64 indexes are declared"),
    "a name that means all": ([IndexModel("a", name="*")], "no index can be called '*'"),
    "the server's own name": ([IndexModel("a", name="_id_")], "no index can be called '_id_'"),
    "a name with a NUL": ([IndexModel("a", name="a\0b")], "no index can be called 'a\\x00b'"),
    "two text indexes": (
        [IndexModel([("a", "text")]), IndexModel([("b", "text")])],
        "a collection can have one text index only",
    ),
}
