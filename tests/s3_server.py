"""An S3 server for tests: moto's, in the test's own process on a port of its own; or a real one.

WAYRA_TEST_S3_ENDPOINT_URL names a real one, such as MinIO, with its keys in the usual AWS variables; each test then
works in a bucket of its own there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL at which an S3 answers."""
    real = os.environ.get("WAYRA_TEST_S3_ENDPOINT_URL")
    if real:
        yield real
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """An empty bucket's name, and boto3's client to look into it; emptied afterwards."""
    import boto3

    if "WAYRA_TEST_S3_ENDPOINT_URL" not in os.environ:
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("s3", endpoint_url=s3_endpoint)
    name = f"wayra-test-{secrets.token_hex(8)}"
    client.create_bucket(Bucket=name)
    yield name, client
    for found in client.list_objects_v2(Bucket=name).get("Contents", ()):
        client.delete_object(Bucket=name, Key=found["Key"])
    for begun in client.list_multipart_uploads(Bucket=name).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=name, Key=begun["Key"], UploadId=begun["UploadId"])
    client.delete_bucket(Bucket=name)
    client.close()
