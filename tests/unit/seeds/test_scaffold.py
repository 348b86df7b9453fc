from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import assert_tidy
from wayra_db.errors import ConfigError
from wayra_db.seeds.data import read_documents
from wayra_db.seeds.loader import load_seeds
from wayra_db.seeds.scaffold import Kind, create_seed


@pytest.mark.parametrize("kind", ["python", "async", "json", "jsonl", "csv"])
def test_what_is_written_is_a_seed(tmp_path: Path, kind: Kind) -> None:
    """Whatever its name holds; a formatter would not change it, and its document can be read."""
    paths = create_seed(tmp_path / "seeds", 'Sample "users" \\ of Łódź', kind=kind)
    (seed,) = load_seeds(tmp_path / "seeds")
    assert seed.name == "0001_sample_users_of_odz"
    assert seed.description == "Sample 'users'  of Łódź"
    assert seed.path == paths[0]
    assert seed.is_async is (kind == "async")
    if seed.data is None:
        assert_tidy(paths[0].read_text(encoding="utf-8"))
    else:
        assert [dict(one.document) for one in read_documents(paths[0])] == [{"email": "ada@example.com", "name": "Ada"}]


def test_numbers_go_on(tmp_path: Path) -> None:
    """From the highest, whatever seeds have no number."""
    for name in ("first", "second"):
        create_seed(tmp_path, name)
    (tmp_path / "0007_more.py").write_text('environments = ["test"]\ndef seed(db): ...\n')
    (tmp_path / "plain.py").write_text('environments = ["test"]\ndef seed(db): ...\n')
    assert [path.name for path in create_seed(tmp_path, "third", kind="csv")] == ["0008_third.csv", "0008_third.toml"]
    with pytest.raises(ConfigError, match="gives no file name"):
        create_seed(tmp_path, "!?")
