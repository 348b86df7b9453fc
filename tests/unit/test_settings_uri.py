from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wayra_db.settings.uri import database_in_uri, database_name_problem, redact_uri

SECRET = "S3CRET"

unhurried = settings(deadline=None)  # on a busy machine time says nothing


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://localhost", "mongodb://localhost"),
        ("mongodb://localhost:27017/wayra?replicaSet=rs0", "mongodb://localhost:27017/wayra?replicaSet=rs0"),
        ("mongodb://ada:S3CRET@db.example:27017/wayra", "mongodb://ada:***@db.example:27017/wayra"),
        ("mongodb+srv://ada:S3CRET@cluster.example/?w=majority", "mongodb+srv://ada:***@cluster.example/?w=majority"),
        ("mongodb://ada@a:1,b:2/", "mongodb://ada@a:1,b:2/"),
        ("mongodb://[::1]:27017,[fe80::1]/x", "mongodb://[::1]:27017,[fe80::1]/x"),
        (
            "mongodb://%2Ftmp%2Fmongod.sock/?directConnection=true",
            "mongodb://%2Ftmp%2Fmongod.sock/?directConnection=true",
        ),
        (
            "mongodb://h/?tlsCertificateKeyFilePassword=S3CRET&tls=true",
            "mongodb://h/?tlsCertificateKeyFilePassword=***&tls=true",
        ),
        ("mongodb://h/?TLSCERTIFICATEKEYFILEPASSWORD=S3CRET", "mongodb://h/?TLSCERTIFICATEKEYFILEPASSWORD=***"),
        ("mongodb://h/?a=1;proxyPassword=S3CRET;b=2", "mongodb://h/?a=1;proxyPassword=***;b=2"),
        ("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:S3CRET", "mongodb://h/?authMechanismProperties=***"),
        ("mongodb://h/?proxyPass%77ord=S3CRET", "mongodb://h/?proxyPass%77ord=***"),
        # What is not written as it must be loses more.
        ("mongodb://ada:S3/CRET@h/x", "mongodb://***@h/x"),
        ("mongodb://ada:S3@CRET@h/x", "mongodb://ada:***@h/x"),
        ("mongodb://ada:S3?CRET@h/x", "mongodb://***"),
        ("mongodb://h/?proxyPassword=@S3CRET", "mongodb://***"),
        ("mongodb://ada:S3://CRET@h/x", "mongodb://***@h/x"),
        ("mongodb://ada:S3CRET://", "mongodb://ada:***"),
        ("mongodb://h/mongodb://ada:S3CRET", "mongodb://h/***"),
        ("see mongodb://ada:S3CRET", "see mongodb:***"),
        ("mongodb://ada:S3CRET", "mongodb://ada:***"),
        ("mongodb://ada:S3CRET/x", "mongodb://ada:***"),
        ("mongodb://a:1,ada:S3CRET", "mongodb://a:1,ada:***"),
        ("mongodb://h/?S3CRET", "mongodb://h/?***"),
        ("ada:S3CRET@h", "***@h"),
        ("S3CRET@h", "***@h"),
        ("mongodb:/ada:S3CRET@h", "***@h"),
        ("mongodb:ada:S3CRET", "mongodb:***"),
        ("localhost:27017", "localhost:27017"),
        ("", ""),
    ],
)
def test_redact_uri(uri: str, shown: str) -> None:
    """A well-formed URI loses its secrets only; a malformed one loses too much rather than too little."""
    assert redact_uri(uri) == shown
    assert SECRET not in shown


@unhurried
@given(before=st.text(), after=st.text(), prefix=st.sampled_from(["mongodb://", "mongodb+srv://", "mongodb:/", ""]))
@example(before="@", after="@x/?y=z@", prefix="mongodb://")
@example(before="://", after="://", prefix="mongodb://")
def test_no_password_comes_through(before: str, after: str, prefix: str) -> None:
    """Whatever stands around it, unescaped or not, a password before the host's @ is never shown."""
    assert SECRET not in redact_uri(f"{prefix}ada:{before}{SECRET}{after}@db.example:27017/wayra?w=1")


@unhurried
@given(after=st.text(), prefix=st.sampled_from(["mongodb://", "mongodb+srv://", ""]))
def test_no_password_comes_through_where_the_host_is_forgotten(after: str, prefix: str) -> None:
    """`user:password` with nothing after it looks like `host:port`, and is still not shown."""
    assert SECRET not in redact_uri(f"{prefix}ada:{SECRET}{after}")


@unhurried
@given(
    name=st.sampled_from(["tlsCertificateKeyFilePassword", "proxyPassword", "authMechanismProperties"]),
    value=st.text().map(lambda text: text.replace("&", "").replace(";", "")),
)
def test_no_secret_option_comes_through(name: str, value: str) -> None:
    """The whole value of a secret option is hidden."""
    assert SECRET not in redact_uri(f"mongodb://h/x?w=1&{name}={value}{SECRET}&tls=true")


@unhurried
@given(st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    """Never raises, and what is redacted stays as it is."""
    once = redact_uri(text)
    assert redact_uri(once) == once


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://h", None),
        ("mongodb://h/", None),
        ("mongodb://h/?w=1", None),
        ("mongodb://h/wayra", "wayra"),
        ("mongodb://u:p@a:1,b:2/wayra?w=1", "wayra"),
        ("mongodb://h/wayra?appName=x@y", "wayra"),
        ("mongodb://%2Ftmp%2Fx.sock/wayra", "wayra"),
        ("mongodb://h/wa%79ra", "wayra"),
        ("mongodb://u:p/a?ss@h/wayra", None),
        ("h/wayra", None),
    ],
)
def test_database_in_uri(uri: str, name: str | None) -> None:
    """The path names the database, unless what looks like a path may be a piece of the password."""
    assert database_in_uri(uri) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("wayra", None),
        ("Wayra-test_2", None),
        ("é" * 31, None),
        ("", "empty"),
        ("a b", "' '"),
        ("a.b", r"'\.'"),
        ("a/b$", r"'\$' '/'"),
        ("a\0", "x00"),
        ("x" * 63, None),
        ("x" * 64, "63 bytes"),
        ("é" * 32, "63 bytes"),
        ("admin", "MongoDB's own"),
        ("Local", "MongoDB's own"),
        ("config", "MongoDB's own"),
    ],
)
def test_database_name_problem(name: str, problem: str | None) -> None:
    """The server's rules for names, and its own databases are left alone."""
    found = database_name_problem(name)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        with pytest.raises(ValueError, match=problem):
            raise ValueError(found)
