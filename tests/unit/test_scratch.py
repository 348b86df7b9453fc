from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.indexes.advice.prove import SCRATCH
from wayra_db.migrations.rehearsal.scratch import KIND
from wayra_db.scratch import Kind

NAMES = st.text(alphabet=st.characters(blacklist_characters='/\\. "$*<>:|?\0', max_codepoint=0x2FFF), min_size=1)


@given(NAMES, st.sampled_from([KIND, SCRATCH]))
def test_names_of_scratch_databases(database: str, kind: Kind) -> None:
    """Always one that MongoDB takes, with room for those beside it, and known again."""
    name = kind.new_name(database)
    assert name.startswith(kind.stem(database))
    assert re.search(rf"{kind.separator}[0-9a-f]{{8}}$", name)
    assert kind.owner(database) is None or kind.separator in database
    for suffix in ("", *kind.suffixes):
        assert len((name + suffix).encode()) <= 63
        assert kind.owner(name + suffix) == name


@pytest.mark.parametrize(
    "name", ["shop", "shop_wayra_rehearsal_", "shop_wayra_rehearsal_0123abcd_other", "shop_wayra_advice_0123abcd", ""]
)
def test_what_is_no_scratch_database_of_a_kind(name: str) -> None:
    """It would be dropped."""
    assert KIND.owner(name) is None
