from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.backups.transfer.dates import parse_date, python_layout
from wayra_db.backups.transfer.table import CellError, Column, cell_of, columns_of, document_of, guess, typed_column

OID = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("5", 5),
        ("-12", -12),
        ("007", "007"),
        ("+5", "+5"),
        ("-0", "-0"),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("1.5", 1.5),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ("true", True),
        ("True", "True"),
        ("2026-01-05T09:30:00.000Z", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("2026-13-05T09:30:00.000Z", "2026-13-05T09:30:00.000Z"),
        ("2026-01-05", "2026-01-05"),
        (f"ObjectId({OID})", ObjectId(OID)),
        (OID, OID),
        ('["a",1]', ["a", 1]),
        ('["a", 1]', '["a", 1]'),
        ("[not json", "[not json"),
        ("{}", {}),
        ("text", "text"),
    ],
)
def test_a_guess_is_made_only_where_nothing_is_lost(cell: str, value: object) -> None:
    """What would be written differently stays the text that it is."""
    if cell == "NaN":
        assert guess(cell) != guess(cell)
        return
    found = guess(cell)
    assert found == value
    assert type(found) is type(value)


@given(st.text(min_size=1))
def test_every_guess_is_written_as_it_was_read(cell: str) -> None:
    """The rule itself, for any text."""
    found = guess(cell)
    if not isinstance(found, datetime):  # the driver's own dates come back as milliseconds
        assert cell_of(found) == cell


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("a.int32()", "5", 5),
        ("a.int64()", "5", Int64(5)),
        ("a.double()", "5", 5.0),
        ("a.decimal()", "5.00", Decimal128("5.00")),
        ("a.string()", "007", "007"),
        ("a.boolean()", "TRUE", True),
        ("a.boolean()", "0", False),
        ("a.auto()", "5", 5),
        ("a.objectId()", OID, ObjectId(OID)),
        ("a.objectId()", f"ObjectId({OID})", ObjectId(OID)),
        ("a.binary(hex)", "00ff", b"\x00\xff"),
        ("a.binary(base64)", "AP8=", b"\x00\xff"),
        ("a.binary(base32)", "AD7Q====", b"\x00\xff"),
        ("a.json()", '{"$numberLong": "5"}', Int64(5)),
        ("a.json()", "null", None),
        ("a.date()", "2026-01-05T09:30:00+02:00", datetime(2026, 1, 5, 7, 30, tzinfo=UTC)),
        ("a.date(2006-01-02 15:04:05)", "2026-01-05 09:30:00", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("a.date_go(Jan 2, 2006 at 3:04PM)", "Jan 5, 2026 at 9:30PM", datetime(2026, 1, 5, 21, 30, tzinfo=UTC)),
        ("a.date_ms(yyyy-MM-dd HH:mm:ss)", "2026-01-05 09:30:00", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("a.date_oracle(DD-MON-YYYY HH24:MI)", "05-JAN-2026 09:30", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
    ],
)
def test_types_of_columns(header: str, cell: str, value: object) -> None:
    """mongoimport's, and two more."""
    found = document_of([typed_column(header)], [cell])["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("a.int32()", "3000000000"),
        ("a.int32()", "1.5"),
        ("a.int64()", "9223372036854775808"),
        ("a.double()", "many"),
        ("a.decimal()", "many"),
        ("a.boolean()", "yes"),
        ("a.objectId()", "12"),
        ("a.binary(hex)", "0g"),
        ("a.json()", "{"),
        ("a.date()", "yesterday"),
        ("a.date(2006-01-02)", "05.01.2026"),
    ],
)
def test_cells_that_do_not_hold_their_type(header: str, cell: str) -> None:
    """The column and its type are named, the value is not."""
    with pytest.raises(CellError, match=r"^column 'a' holds no \w+") as caught:
        document_of([typed_column(header)], [cell])
    assert cell not in str(caught.value).replace("column 'a'", "") or cell == "{"


@pytest.mark.parametrize(
    ("header", "typed", "reason"),
    [
        (["a", ""], False, "column 2 of the header has no name"),
        (["a", "b", "a"], False, "names 'a' twice"),
        (["a..b"], False, "column 1"),
        (["a"], True, "'a' names no type"),
        (["a.number()"], True, "unknown type"),
        (["a.binary(base65)"], True, "binary"),
    ],
)
def test_headers_that_are_refused(header: list[str], typed: bool, reason: str) -> None:
    """Before any row is read."""
    with pytest.raises(ValueError, match=reason):
        columns_of(header, typed=typed)


def test_types_given_besides() -> None:
    """By path, and for all others; one for a column that is not there is a mistake."""
    types = [Column("zip", "string"), Column("*", "int32")]
    assert columns_of(["zip", "age"], typed=False, types=types) == [Column("zip", "string"), Column("age", "int32")]
    with pytest.raises(ValueError, match="no column 'zip'"):
        columns_of(["age"], typed=False, types=types)


def test_paths_make_documents_and_empty_cells_nothing() -> None:
    """`profile.name` lies in `profile`; a value and a field inside it cannot both be there."""
    columns = columns_of(["a", "p.x", "p.y", "p"], typed=False)
    assert document_of(columns, ["1", "2", "", ""]) == {"a": 1, "p": {"x": 2}}
    assert document_of(columns, ["", "", "", "v"]) == {"p": "v"}
    for cells in (["", "2", "", "v"],):
        with pytest.raises(CellError, match="'p' has a value, and so have columns inside it"):
            document_of(columns, cells)
    with pytest.raises(CellError, match="lies inside 'p'"):
        document_of(columns_of(["p", "p.x"], typed=False), ["1", "2"])


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_the_three_ways_to_describe_a_date_agree(moment: datetime) -> None:
    """The same moment by each."""
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    text = moment.strftime("%Y/%m/%d %H:%M:%S")
    layouts: dict[str, Any] = {
        "date": "2006/01/02 15:04:05",
        "date_ms": "yyyy/MM/dd HH:mm:ss",
        "date_oracle": "YYYY/MM/DD HH24:MI:SS",
    }
    assert {parse_date(text, python_layout(kind, layout)) for kind, layout in layouts.items()} == {moment}
