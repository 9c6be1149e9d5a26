# SPDX-License-Identifier: Apache-2.0
"""With a cluster secret, what is between servers is for those who prove it; what clients may do is a setting."""
import os
import subprocess

import pytest

import nativecluster as native
from cluster import BUILD, sanitizer_env, wait_until, wrapper


@pytest.fixture
def open_cluster():
    made = []

    def make(**options):
        made.append(native.NativeCluster(**options))
        return made[-1]
    yield make
    for cluster in made:
        try:
            for program in cluster.storages.values():
                if program.running():
                    program.stop()
        finally:
            cluster.remove()


def secret_of(cluster):
    return cluster.secret_file.read_text().strip().encode()


def status_of(connection, cmd, body=b""):
    try:
        connection.call(cmd, body)
        return native.OK
    except native.Refused as refused:
        return refused.status


SERVER_COMMANDS_OF_A_STORAGE = {
    9: b"100001", 16: b"\0" * 45, 17: b"\0" * 21, 18: b"\0" * 45, 19: b"\0" * 45, 25: b"\0" * 49, 26: b"\0" * 17,
    27: b"\0" * 21, 28: b"\0" * 32, 29: b"\0" * 32, 30: b"\0", 33: b"", 35: b"\0" * 49, 37: b"\0" * 45, 40: b"\0" * 45,
    180: b"\0" * 12, 190: b"\0", 191: b"\0" * 45, 192: b"\0" * 21, 196: b"\0\0", 205: b"\0" * 34,
}
SERVER_COMMANDS_OF_A_TRACKER = {
    58: b"\0" * 24, 59: b"\x05", 61: b"", 62: b"", 63: b"\0" * 9, 65: b"\0" * 12, 66: b"x", 67: b"x", 68: b"",
    72: b"", 76: b"\0" * 83, 77: b"", 78: b"\0" * 108, 79: b"", 81: b"\0" * 145, 83: b"", 84: b"\0" * 16, 85: b"\0" * 67,
    86: b"\0" * 32, 87: b"", 88: b"\0" * 24, 89: b"\0" * 20, 93: b"\0" * 17, 94: b"\0" * 16, 108: b"\0" * 16,
    200: b"\0", 201: b"",
}


def test_strangers_are_refused_wherever_they_call_from(open_cluster):
    cluster = open_cluster(secret=True)
    a, _ = cluster.add(2), cluster.add(3)
    for source in ("127.0.0.1", "127.0.0.3"):  # the address of a member is worth nothing any more
        for cmd, body in SERVER_COMMANDS_OF_A_STORAGE.items():
            with native.Connection(a.address, source=source) as c:
                assert status_of(c, cmd, body) == native.EACCES, cmd
        for cmd, body in SERVER_COMMANDS_OF_A_TRACKER.items():
            with native.Connection(cluster.tracker, source=source) as c:
                assert status_of(c, cmd, body) == native.EACCES, cmd


def test_who_proves_the_secret_may(open_cluster):
    cluster = open_cluster(secret=True)
    a = cluster.add(2)
    with native.Connection(a.address).prove(secret_of(cluster)) as c:
        assert len(c.call(190, b"\0")) > 2
        assert status_of(c, 111) == native.OK, "and it is an ordinary connection besides"
    with native.Connection(cluster.tracker).prove(secret_of(cluster)) as c:
        assert len(c.call(201)) > 0
    for wrong in (b"x" * 32, secret_of(cluster)[:-1]):
        for address in (a.address, cluster.tracker):
            with native.Connection(address) as c, pytest.raises((native.Refused, ConnectionError)):
                c.prove(wrong)


def test_replication_works_as_without(open_cluster):
    cluster = open_cluster(secret=True)
    a, b = cluster.add(2), cluster.add(3)
    cluster.wait_copies(3)  # it knows whom to ask
    files = {}
    for size in (5, 70_000, 400_000):
        data = os.urandom(size)
        files[a.upload(data)] = data
    for name, data in files.items():
        assert b.download(name) == data  # fetched from the other one when it is not here yet
    gone = a.upload(b"gone")
    b.delete(gone)
    for storage in (a, b):
        wait_until("all to be everywhere", lambda s=storage: all(s.has(n) for n in files) and not s.has(gone))


def test_a_storage_with_another_secret_does_not_get_in(open_cluster):
    cluster = open_cluster(secret=True)
    cluster.add(2)
    other = cluster.folder / "other"
    other.write_text("another secret, long enough\n")
    other.chmod(0o600)
    cluster.trust = f"cluster_secret_file = {other}"
    program = cluster.prepare(3).start()
    wait_until("it to be refused", lambda: "storage.no_tracker err=EACCES" in program.log())
    assert cluster.status(3) is None
    cluster.storages.pop(3).kill()


def test_administrators_need_it_too(open_cluster):
    cluster = open_cluster(secret=True)
    cluster.add(2), cluster.add(3)
    cluster.storages[3].kill()
    cluster.wait_status(3, native.OFFLINE)

    def dfs(*words):
        return subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{cluster.tracker[1]}", *words],
                              capture_output=True, text=True, timeout=60, env=sanitizer_env(os.environ))
    refused = dfs("delete-storage", "group1", "127.0.0.3")
    assert refused.returncode == 1 and "EACCES" in refused.stderr
    assert dfs("list-groups").returncode == 0, "asking is free"
    cluster.secret_file.chmod(0o644)
    exposed = dfs("--secret", str(cluster.secret_file), "delete-storage", "group1", "127.0.0.3")
    assert exposed.returncode == 1 and "chmod 600" in exposed.stderr
    cluster.secret_file.chmod(0o600)
    assert dfs("--secret", str(cluster.secret_file), "delete-storage", "group1", "127.0.0.3").returncode == 0
    assert cluster.status(3) == native.DELETED


def refusals(storage, name):
    """Which of the client commands are refused with EACCES."""
    tries = {"upload": lambda: storage.upload(b"x"), "download": lambda: storage.download(name),
             "info": lambda: storage.info(name), "delete": lambda: storage.delete(name),
             "get_meta": lambda: storage.get_meta(name), "set_meta": lambda: storage.set_meta(name, [("a", "b")]),
             "append": lambda: storage.append(name, b"x"), "truncate": lambda: storage.truncate(name, 0)}
    out = set()
    for what, fn in tries.items():
        try:
            fn()
        except native.Refused as refused:
            if refused.status == native.EACCES:
                out.add(what)
    return out


WRITES = {"upload", "delete", "set_meta", "append", "truncate"}
READS = {"download", "info", "get_meta"}


@pytest.mark.parametrize("settings, stranger", [
    ("native_clients = read-only", WRITES),
    ("native_clients = off", WRITES | READS),
    ("native_hosts = 127.0.0.77", WRITES | READS),
])
def test_native_clients_can_be_confined(open_cluster, settings, stranger):
    cluster = open_cluster(secret=True)
    a, _ = cluster.add(2), cluster.add(3)
    log = a.upload(b"0123", appender=True)
    for number in (2, 3):
        cluster.storages[number].stop()
        conf = cluster.storages[number].conf
        conf.write_text(conf.read_text() + settings + "\n")
    a, b = cluster.add(2), cluster.add(3)
    assert refusals(a, log) == stranger
    body = bytes(16) + native.field("group1", 16) + log.encode()
    for storage in (a, b):  # the other members go on as before
        with native.Connection(storage.address).prove(secret_of(cluster)) as c:
            wait_until("it to be there", lambda c=c: status_of(c, 14, body) == native.OK)
            assert c.call(14, body) == b"0123"
    if "hosts" in settings:
        assert refusals(native.Storage(a.address, source="127.0.0.77"), log) == set()
