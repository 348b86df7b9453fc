"""What the connected deployment is and can do, decided from three replies of the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Topology = Literal["standalone", "replica set", "sharded cluster"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A deployment's topology, versions and abilities. Read once per connection."""

    topology: Topology
    server_version: tuple[int, ...]
    feature_compatibility_version: str | None
    replica_set: str | None
    members: tuple[str, ...]
    writable_primary: bool

    @property
    def version(self) -> str:
        """The server's version as `major.minor.patch`."""
        return ".".join(map(str, self.server_version))

    @property
    def transactions(self) -> bool:
        """Multi-document transactions: replica sets since 4.0, sharded clusters since 4.2 (manual, Transactions)."""
        return (self.topology == "replica set" and self.server_version >= (4, 0)) or (
            self.sharded and self.server_version >= (4, 2)
        )

    @property
    def snapshot_reads(self) -> bool:
        """Read concern `snapshot` outside transactions: since 5.0, not on a standalone (manual, Read Concern)."""
        return self.topology != "standalone" and self.server_version >= (5, 0)

    @property
    def unique_conversion(self) -> bool:
        """Making a live index unique by `collMod`: since 6.0, once the feature compatibility version says so too."""
        fcv = tuple(int(part) for part in (self.feature_compatibility_version or self.version).split(".")[:2])
        return self.server_version >= (6, 0) and fcv >= (6, 0)

    @property
    def sharded(self) -> bool:
        """Whether the client talks to a mongos."""
        return self.topology == "sharded cluster"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "topology": self.topology,
            "version": self.version,
            "featureCompatibilityVersion": self.feature_compatibility_version,
            "replicaSet": self.replica_set,
            "members": list(self.members),
            "writablePrimary": self.writable_primary,
            "transactions": self.transactions,
            "snapshotReads": self.snapshot_reads,
            "sharded": self.sharded,
        }


def decide(hello: Mapping[str, Any], build_info: Mapping[str, Any], fcv: str | None) -> Capabilities:
    """Capabilities from the replies of `hello` and `buildInfo`, and the feature compatibility version where known."""
    topology: Topology = "standalone"
    if hello.get("msg") == "isdbgrid":
        topology = "sharded cluster"
    elif "setName" in hello or hello.get("isreplicaset"):
        topology = "replica set"
    return Capabilities(
        topology=topology,
        server_version=tuple(build_info.get("versionArray", [0, 0, 0])[:3]),
        feature_compatibility_version=fcv,
        replica_set=hello.get("setName"),
        members=tuple(hello.get("hosts", [])) + tuple(hello.get("passives", [])) + tuple(hello.get("arbiters", [])),
        writable_primary=bool(hello.get("isWritablePrimary") or hello.get("ismaster")),
    )
