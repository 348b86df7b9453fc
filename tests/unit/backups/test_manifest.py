from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.backups import manifest as module
from wayra_db.backups.manifest import (
    CollectionEntry,
    Consistency,
    FileEntry,
    LeftOut,
    Manifest,
    ManifestError,
    OplogEntry,
    Source,
    digest,
    from_json,
    to_json,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.integers(0, (1 << 63) - 1)
HASH = st.text("0123456789abcdef", min_size=64, max_size=64)
PATH = st.lists(st.text("abcÄ%_-. ", min_size=1).filter(lambda part: part not in (".", "..")), min_size=1, max_size=3)
PATHS = PATH.map("/".join)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 40), 1 << 40) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MANIFESTS = st.builds(
    Manifest,
    id=st.text("0123456789abcdef", min_size=32, max_size=32),
    name=TEXT,
    created_at=MOMENTS,
    finished_at=MOMENTS,
    tool_version=TEXT,
    source=st.builds(Source, TEXT, TEXT, TEXT, TEXT, st.none() | TEXT, TEXT),
    consistency=st.builds(
        Consistency, st.sampled_from(["snapshot", "oplog", "none"]), st.none() | st.tuples(NUMBER, NUMBER), TEXT
    ),
    codec=st.sampled_from(["zstd", "gzip", "none"]),
    reason=st.sampled_from(["manual", "safety", "migration"]),
    level=st.none() | st.integers(0, 22),
    recipients=st.lists(TEXT, max_size=2).map(tuple),
    redacted=st.booleans(),
    redactions=st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, max_size=2), max_size=2),
    applied=st.lists(NUMBER, max_size=4).map(tuple),
    collections=st.lists(
        st.builds(
            CollectionEntry,
            name=TEXT,
            kind=st.sampled_from(["collection", "timeseries", "view"]),
            options=st.dictionaries(TEXT, JSON, max_size=2),
            indexes=st.lists(st.dictionaries(TEXT, JSON, max_size=2), max_size=2),
            metadata=PATHS,
            uuid=st.none() | TEXT,
            documents=NUMBER,
            bytes=NUMBER,
            sha256=HASH,
            data=st.none() | PATHS,
            frames=st.none() | PATHS,
        ),
        max_size=2,
    ).map(tuple),
    oplog=st.none()
    | st.builds(OplogEntry, PATHS, PATHS, NUMBER, NUMBER, HASH, st.tuples(NUMBER, NUMBER), st.tuples(NUMBER, NUMBER)),
    files=st.dictionaries(PATHS, st.builds(FileEntry, NUMBER, HASH), max_size=3),
    left_out=st.lists(st.builds(LeftOut, TEXT, TEXT), max_size=2).map(tuple),
)


@given(MANIFESTS)
def test_what_is_written_is_read(manifest: Manifest) -> None:
    """The same manifest, the same text again, and the digest that stands in it."""
    text = to_json(manifest)
    read = from_json(text.encode())
    assert read == manifest
    assert to_json(read) == text
    assert json.loads(text)["digest"] == digest(manifest)


def example() -> dict[str, Any]:
    """A manifest as a document, without its digest."""
    return Manifest(
        id="0" * 32,
        name="nightly",
        created_at=datetime(2026, 11, 25, tzinfo=UTC),
        finished_at=datetime(2026, 11, 25, tzinfo=UTC),
        tool_version="1",
        source=Source("wayra", "development"),
        consistency=Consistency("snapshot", (1, 2)),
        codec="zstd",
        recipients=("age1",),
        redactions={"users": {"email": "email"}},
        applied=(1,),
        collections=(
            CollectionEntry("users", "collection", {}, [{"name": "_id_"}], "w/u.json", data="w/u", frames="f/u"),
        ),
        oplog=OplogEntry("o", "f/o", 1, 10, "0" * 64, (1, 2), (1, 3)),
        files={"w/u": FileEntry(1, "0" * 64)},
        left_out=(LeftOut("trips", "not asked for"),),
    ).to_dict()


def signed(document: dict[str, Any]) -> bytes:
    """As a file whose digest fits, as of somebody who wants to deceive."""
    whole = {**document, "digest": module._digest(document)}
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value in a document stands."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in inner for place in places(item, (*path, key))]


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The example with another value in one place."""
    document = example()
    target: Any = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return document


WRONG: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 1 << 70),
    *("", "x\ud800", "../../etc/passwd", "/etc/passwd"),
    *([], ["x"], {}, {"x": 1}),
)


@pytest.mark.parametrize("path", places(example()), ids=lambda path: ".".join(map(str, path)))
def test_any_value_anywhere_is_read_or_refused(path: tuple[Any, ...]) -> None:
    """Never another error; what is read can be counted, written again, and leads nowhere outside."""
    for value in WRONG:
        try:
            read = from_json(signed(changed(path, value)))
        except ManifestError:
            continue
        assert (read.documents, read.size) >= (0, 0)
        to_json(read)
        named = [*read.files, *(part for one in read.collections for part in (one.data, one.metadata, one.frames))]
        assert not any(part and (part.startswith("/") or ".." in part.split("/")) for part in named)


@pytest.mark.parametrize("path", places(example()), ids=lambda path: ".".join(map(str, path)))
def test_a_field_that_is_missing_is_refused(path: tuple[Any, ...]) -> None:
    """Each field that the format asks for; an item of a list or of files may be absent."""
    document = example()
    target: Any = document
    for key in path[:-1]:
        target = target[key]
    del target[path[-1]]
    try:
        from_json(signed(document))
    except ManifestError:
        return
    free = ("redactions", "files", "leftOut", "applied", "indexes", "recipients", "collections", "format", "newest")
    assert set(path) & {*free, ("tool", "name")} or path in (("tool", "name"), ("encryption", "format"))


@pytest.mark.parametrize(
    "path",
    ["..", "../x", "a/../../x", "/x", "", ".", "a/./../x", "a\\..\\x", "a\0b", "a\nb", "a/.."],
)
def test_paths_that_lead_out_are_refused(path: str) -> None:
    """Whatever they are written like."""
    document = example()
    document["files"] = {path: {"size": 1, "sha256": "0" * 64}}
    with pytest.raises(ManifestError):
        from_json(signed(document))


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fall(content: bytes) -> None:
    """Only a ManifestError."""
    with pytest.raises(ManifestError):
        from_json(content)


@pytest.mark.parametrize("depth", [50_000])
def test_json_that_is_nested_too_deep_is_refused(depth: int) -> None:
    """It is no way to end the program."""
    with pytest.raises(ManifestError):
        from_json(b'{"format": 1, "x": ' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize(
    ("old", "new"), [(b"\n ", b"\n\t"), (b": ", b":  "), (b"\n", b"\r\n"), (b"nightl", b"night\\u006c")]
)
def test_another_form_of_the_same_content_is_refused(old: bytes, new: bytes) -> None:
    """A file that anybody has touched is not the file that was written."""
    content = signed(example())
    assert from_json(content).name == "nightly"
    with pytest.raises(ManifestError, match="changed after it was written"):
        from_json(content.replace(old, new, 1))


def test_a_later_format_is_refused_by_its_number() -> None:
    """With what this version reads."""
    with pytest.raises(ManifestError, match="its format is 2, and this version reads 1"):
        from_json(signed({**example(), "format": 2}))
