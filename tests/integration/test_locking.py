from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from wayra_db import audit, locking
from wayra_db.errors import CancelledError, DatabaseOperationError, LockHeldError, LockLostError
from wayra_db.events import LockWaiting
from wayra_db.locking import Lease
from wayra_db.mongo.client import Deployment
from wayra_db.stopping import Stop
from wayra_db.testing import RecordingObserver, ServerUnderTest, TemporaryServer


@pytest.fixture
def deployment(wayra_database: Database[dict[str, Any]]) -> Deployment:
    """An empty database on a replica set."""
    return Deployment(wayra_database.client, wayra_database.name)


@pytest.fixture
def standalone(wayra_standalone: TemporaryServer) -> Iterator[Deployment]:
    """An empty database on a standalone server."""
    with wayra_standalone.client() as client:
        client.drop_database("locking")
        yield Deployment(client, "locking")


def acquire(deployment: Deployment, *, lease: float = 5.0, timeout: float = 0.0, **more: Any) -> Lease:
    """The lock, with short times."""
    return locking.acquire(deployment, "test", lease_seconds=lease, timeout_seconds=timeout, **more)


def test_one_holder_at_a_time_and_the_epoch_rises(deployment: Deployment) -> None:
    """A second runner is told who holds the lock; after the release it gets a higher epoch."""
    with acquire(deployment) as first:
        with pytest.raises(LockHeldError) as caught:
            acquire(deployment)
        assert f"pid {os.getpid()}" in caught.value.owner
        assert caught.value.expires_at is not None
    with acquire(deployment) as second:
        assert second.epoch == first.epoch + 1
    state = locking.read_state(deployment)
    assert state is not None
    assert state.holder is None


def test_the_lock_works_on_a_standalone_server(standalone: Deployment) -> None:
    """Without transactions there is a lock and a log all the same."""
    with acquire(standalone) as lease:
        assert lease.session is None
        lease.write({"event": "one"})
        with pytest.raises(LockHeldError):
            acquire(standalone)
    assert [entry["event"] for entry in standalone.metadata[audit.COLLECTION].find()] == ["lock acquired", "one"]


def test_looking_at_the_lock_writes_nothing(deployment: Deployment) -> None:
    """`read_state` on an empty database leaves it empty."""
    assert locking.read_state(deployment) is None
    assert deployment.database.list_collection_names() == []


def test_a_waiting_runner_says_for_whom_and_goes_on(deployment: Deployment) -> None:
    """The waiting runner reports the holder once and continues when the lock is freed."""
    first = acquire(deployment)
    observer = RecordingObserver()
    threading.Timer(0.6, first.release).start()
    with acquire(deployment, timeout=30, observer=observer) as second:
        assert second.epoch == 2
    assert len(observer.of(LockWaiting)) == 1
    assert f"pid {os.getpid()}" in observer.of(LockWaiting)[0].owner


def test_waiting_ends_when_asked_to_stop(deployment: Deployment) -> None:
    """A stop request ends the wait, and the waiting runner has changed nothing."""
    stop = Stop()
    threading.Timer(0.3, stop.request, ["SIGTERM"]).start()
    with acquire(deployment) as held:
        with pytest.raises(CancelledError):
            acquire(deployment, timeout=60, stop=stop)
        held.check()


def test_the_heartbeat_keeps_a_short_lease_alive(deployment: Deployment) -> None:
    """Work that takes several leases keeps the lock."""
    with acquire(deployment, lease=0.6) as lease:
        time.sleep(2)
        lease.check()
        with pytest.raises(LockHeldError):
            acquire(deployment)


def kill_holder(deployment: Deployment, uri: str, code: str = "", lease: float = 60.0) -> int:
    """Start a process that takes the lock, runs `code` and is killed; returns its pid."""
    script = (
        "import sys, time\n"
        "from pymongo import MongoClient\n"
        "from wayra_db import locking\n"
        "from wayra_db.mongo.client import Deployment\n"
        f"deployment = Deployment(MongoClient({uri!r}), {deployment.database_name!r})\n"
        f"lease = locking.acquire(deployment, 'held', lease_seconds={lease}, timeout_seconds=5)\n"
        f"{code}\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return process.pid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells process tables apart")
def test_a_dead_process_of_this_machine_frees_its_lock_at_once(
    deployment: Deployment, wayra_server: ServerUnderTest
) -> None:
    """A lease of a minute does not keep a runner out when its holder is dead here."""
    kill_holder(deployment, wayra_server.uri)
    with acquire(deployment, timeout=0) as lease:
        assert lease.epoch == 2


def test_a_dead_process_elsewhere_frees_its_lock_when_the_lease_ends(
    deployment: Deployment, wayra_server: ServerUnderTest
) -> None:
    """By the server's clock: the holder's machine is another, so its pid says nothing."""
    kill_holder(deployment, wayra_server.uri, lease=1.5)
    lock = deployment.metadata[locking.COLLECTION]
    lock.update_one({"_id": locking.KEY}, {"$set": {"holder.machine": "another"}})
    with acquire(deployment, timeout=30) as lease:
        assert lease.epoch == 2


def test_the_transaction_of_a_dead_holder_is_ended_at_once(
    deployment: Deployment, wayra_server: ServerUnderTest
) -> None:
    """The successor kills the orphan transaction that would block its writes for a minute."""
    deployment.database.things.insert_one({"_id": 1, "n": 0})
    kill_holder(
        deployment,
        wayra_server.uri,
        "lease.session.start_transaction()\n"
        "deployment.database.things.update_one({'_id': 1}, {'$inc': {'n': 1}}, session=lease.session)",
    )
    with acquire(deployment, timeout=0):
        # Without the successor's killSessions this write waits for the orphan until the server gives it up.
        reply = deployment.database.command(
            {"update": "things", "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 10}}}], "maxTimeMS": 5000}
        )
        assert reply["nModified"] == 1
    thing = deployment.database.things.find_one()
    assert thing is not None
    assert thing["n"] == 10


def test_a_lock_taken_by_force_fences_out_its_holder(deployment: Deployment) -> None:
    """Nobody is waited for; the former holder can record nothing more and its transaction is gone."""
    first = acquire(deployment, lease=60)
    assert first.session is not None
    first.session.start_transaction()
    deployment.database.things.insert_one({"_id": 1}, session=first.session)
    with acquire(deployment, force=True) as second:
        second.write({"event": "by force"})
        with pytest.raises(OperationFailure):
            first.session.commit_transaction()
        with pytest.raises(LockLostError):
            first.write({"event": "too late"})
    assert deployment.database.things.count_documents({}) == 0
    first.release()


def take_over(deployment: Deployment) -> Lease:
    """Make the present lease look ended, and take the lock as the next runner."""
    deployment.metadata[locking.COLLECTION].update_one({"_id": locking.KEY}, [{"$set": {"expiresAt": "$$NOW"}}])
    return acquire(deployment, timeout=10)


@pytest.mark.parametrize("kind", ["deployment", "standalone"])
def test_who_lost_the_lock_cannot_record(kind: str, request: pytest.FixtureRequest) -> None:
    """A holder that does not know yet that it lost the lock is fenced out by the log itself."""
    deployment: Deployment = request.getfixturevalue(kind)
    stale = acquire(deployment, lease=60)
    # The stale holder hears nothing: neither its heartbeat nor its clock tells it.
    with take_over(deployment) as second:
        assert second.epoch == stale.epoch + 1
        with pytest.raises(LockLostError):
            stale.write({"event": "from the past"}, {"insert": "things", "documents": [{"_id": 1}]})
        second.write({"event": "from the present"})
    assert deployment.database.things.count_documents({}) == 0
    events = [entry["event"] for entry in deployment.metadata[audit.COLLECTION].find()]
    assert events == ["lock acquired", "lock acquired", "from the present"]
    stale.release()
    state = locking.read_state(deployment)
    assert state is not None
    assert state.epoch == 2


def check_until(lease: Lease, seconds: float) -> None:
    """Pass safe points for some time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lease.check()
        time.sleep(0.05)


def test_losing_the_lease_stops_the_next_check(deployment: Deployment) -> None:
    """The heartbeat notices the takeover, and the next safe point raises."""
    stale = acquire(deployment, lease=0.6)
    with take_over(deployment), pytest.raises(LockLostError):
        check_until(stale, 20)
    stale.release()


def test_the_log_is_a_chain(deployment: Deployment) -> None:
    """Entries are numbered without gaps and each holds the hash of the one before."""
    for _ in range(3):
        with acquire(deployment) as lease:
            lease.write({"event": "work", "detail": {"n": 1, "list": ["a", None, 2.5]}})
    entries = list(deployment.metadata[audit.COLLECTION].find(sort=[("_id", 1)]))
    assert [entry["_id"] for entry in entries] == list(range(1, 7))
    previous = ""
    for entry in entries:
        assert entry["previous"] == previous
        assert audit.digest(entry) == entry["digest"]
        previous = entry["digest"]
    assert audit.first_broken(audit.read_entries(deployment)) is None
    newest = list(audit.read_entries(deployment, audit.Selection(event="work"), newest=2))
    assert [entry["_id"] for entry in newest] == [4, 6]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda log: log.update_one({"_id": 3}, {"$set": {"what": "something else"}}), 3),
        (lambda log: log.update_one({"_id": 3}, {"$set": {"epoch": 7}}), 3),
        (lambda log: log.update_one({"_id": 3}, {"$unset": {"digest": 1}}), 3),
        (lambda log: log.delete_one({"_id": 4}), 4),
        (lambda log: log.delete_one({"_id": 1}), 1),
        (lambda log: log.insert_one({"_id": 7, "event": "forged"}), 7),
    ],
)
def test_tampering_with_the_log_is_found(
    deployment: Deployment, tamper: Callable[[Collection[dict[str, Any]]], object], found: int
) -> None:
    """A changed, removed or added entry is named by its number."""
    for _ in range(3):
        with acquire(deployment) as lease:
            lease.write({"event": "work"})
    tamper(deployment.metadata[audit.COLLECTION])
    assert audit.first_broken(audit.read_entries(deployment)) == found


def test_effect_and_log_commit_together(deployment: Deployment) -> None:
    """A metadata write that the server refuses leaves no log entry either."""
    with acquire(deployment) as lease:
        with pytest.raises(DatabaseOperationError, match="Unknown modifier"):
            lease.write({"event": "doomed"}, {"update": "things", "updates": [{"q": {}, "u": {"$bad": 1}}]})
        lease.write({"event": "fine"})
    events = [entry["event"] for entry in deployment.metadata[audit.COLLECTION].find()]
    assert events == ["lock acquired", "fine"]


def test_twenty_at_once_get_in_one_after_another(deployment: Deployment) -> None:
    """Threads that all want the lock are never inside together."""
    inside, most, done = 0, 0, 0
    guard = threading.Lock()
    errors: list[Exception] = []

    def work() -> None:
        nonlocal inside, most, done
        try:
            with acquire(deployment, timeout=60):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.01)
                with guard:
                    inside -= 1
                    done += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (most, done) == (1, 20)


def test_who_took_the_lock_away_by_force_is_told(deployment: Deployment) -> None:
    """The former holder hears who it was and when, and not that it was too slow."""
    with acquire(deployment) as stale:
        with locking.acquire(deployment, locking.RELEASE, lease_seconds=5, timeout_seconds=0, force=True):
            pass
        with pytest.raises(LockLostError, match=r"taken away by force: .+ on .+ released it at 20.+ UTC"):
            stale.write({"event": "too late"})


def test_who_simply_came_later_is_not_said_to_have_used_force(deployment: Deployment) -> None:
    """A lease that ended by itself, and then somebody released the lock of the next holder by force."""
    with acquire(deployment) as stale:
        for what in ("migrate up", locking.RELEASE):
            locking.acquire(deployment, what, lease_seconds=5, timeout_seconds=0, force=True).release()
        with pytest.raises(LockLostError, match="paused or cut off for longer than its lease"):
            stale.write({"event": "too late"})
