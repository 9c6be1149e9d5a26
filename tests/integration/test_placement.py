# SPDX-License-Identifier: Apache-2.0
"""Where trackers send clients, in all modes, asked over the wire (rules: semantics 4.4, 4.5; the logic's own tests are in
tests/unit/tracker/cluster/test_select.c)."""
import contextlib
import os
import socket
import struct
import threading

import pytest

import nativecluster as native
from cluster import free_port, wait_until
from s3cluster import S3Cluster

ENOSPC = 28
IDS = "".join(f"{100000 * g + m} group{g} 127.0.{g}.{m}:PORT{g}{mode}\n"
              for g, m, mode in ((1, 1, ""), (1, 2, ""), (2, 1, " rw=write"), (2, 2, " rw=read")))


class Cluster(S3Cluster):
    """Two groups of two, servers 1 and 2; member 2 is preferred for uploads (a lower number)."""

    def __init__(self, **kw):
        super().__init__(groups=2, members=2, **kw)
        for (_, m), program in self.storages.items():
            with open(program.conf, "a") as conf:
                conf.write(f"upload_priority = {20 - m}\n")
        self.plain = self.trackers[0].conf.read_text()

    def set(self, **keys):
        """The tracker with these settings, and everybody known to it."""
        tracker = self.trackers[0]
        if tracker.running():
            tracker.stop()
        lines = [line for line in self.plain.splitlines() if line.split(" = ")[0] not in keys]
        tracker.conf.write_text("\n".join(lines + [f"{k} = {v}" for k, v in keys.items()]) + "\n")
        tracker.start().wait_ready()
        self.wait_active(*self.storages)

    def ask(self, command, body=b""):
        return native.call(self.tracker_addresses[0], command, body)

    def store(self, group=None):
        """(group number, member, path) of the next upload."""
        body = self.ask(104, native.field(group, 16)) if group else self.ask(101)
        _, _, g, m = body[16:31].rstrip(b"\0").decode().split(".")
        assert body[:16].rstrip(b"\0").decode() == f"group{g}"
        return int(g), int(m), body[39]

    def reader(self, group, name, command=102):
        body = self.ask(command, native.field(group, 16) + name.encode())
        return int(body[16:31].rstrip(b"\0").decode().split(".")[3])


@pytest.fixture(scope="module")
def cluster():
    c = Cluster()
    try:
        c.start_servers()
        yield c
        c.stop()
    finally:
        c.remove()


def several(ask, n=8):
    return [ask() for _ in range(n)]


def test_store_lookup(cluster):
    cluster.set(store_lookup=0)
    groups = several(lambda: cluster.store()[0])
    assert groups in ([1, 2] * 4, [2, 1] * 4)
    cluster.set(store_lookup=1, store_group="group2")
    assert set(several(lambda: cluster.store()[0])) == {2}
    cluster.set(store_lookup=2)  # both lie on one disk: whichever has more at the moment, not turn by turn
    assert len(set(several(lambda: cluster.store()[0]))) <= 2
    assert {cluster.store("group1")[0], cluster.store("group2")[0]} == {1, 2}  # 104 is not asked about groups


def test_store_server(cluster):
    def member():
        return cluster.store("group1")[1]
    cluster.set(store_server=0)
    assert several(member) in ([1, 2] * 4, [2, 1] * 4)
    cluster.set(store_server=1)
    assert set(several(member)) == {1}
    cluster.set(store_server=2)  # the lowest upload_priority
    assert set(several(member)) == {2}


def test_download_server(cluster):
    # A file that all members have: whoever's turn it is, or its source.
    cluster.set(download_server=0)
    name = cluster.member(1, 1).upload(b"everywhere")
    wait_until("both to have it", lambda: cluster.member(1, 2).has(name))

    def readers():
        return set(several(lambda: cluster.reader("group1", name)))
    wait_until("both to be given to readers", lambda: readers() == {1, 2})
    cluster.set(download_server=1)
    assert readers() == {1}
    assert cluster.reader("group1", name, 103) == 1  # changes go to the source in any mode


def test_reserved_storage_space(cluster):
    total, = struct.unpack(">q", cluster.ask(90, native.field("group1", 16))[17:25])  # MB
    for reserve, free in [("1", True), ("1MB", True), ("1024K", True), ("0.01%", True), ("900T", False), ("900000G", False),
                          (str(total), False), ("99.99%", False)]:
        cluster.set(reserved_storage_space=reserve)
        if free:
            assert cluster.store()[0] in (1, 2), reserve
            continue
        # Its disks are told at the first beat; until then nobody is writable.
        with pytest.raises(native.Refused) as refused:
            wait_until("a refusal for want of space", lambda: cluster.store() and None)
        assert refused.value.status in (ENOSPC, native.ENOENT), reserve
    cluster.set()


def test_servers_that_only_read_or_only_write():
    cluster = Cluster(tracker_settings="use_storage_id = true\nid_type_in_filename = id", storage_ids=IDS)
    try:
        cluster.start_servers()
        assert set(several(lambda: cluster.store("group1")[1])) == {1, 2}
        assert set(several(lambda: cluster.store("group2")[1])) == {1}  # 2 only reads
        name = cluster.member(2, 1).upload(b"written to one, read from the other")
        assert set(several(lambda: cluster.reader("group2", name))) == {2}  # who asks 1 until it has it itself
        assert native.Storage(("127.0.2.2", cluster.storages[2, 2].port), "group2").download(name).startswith(b"written")
        assert set(several(lambda: cluster.reader("group2", name, 103))) == {1}  # who changes it has to be writable
        cluster.stop()
    finally:
        cluster.remove()


@pytest.mark.parametrize("store_path", [0, 2])
def test_store_path_and_paths_that_are_read_only(store_path):
    cluster = native.NativeCluster(paths=3)
    try:
        conf = cluster.tracker_program.conf
        conf.write_text(conf.read_text() + f"store_path = {store_path}\n")
        cluster.tracker_program.stop()
        cluster.tracker_program.start().wait_ready()
        storage = cluster.add(2)
        old = storage.upload(b"old", path=1)
        assert old.startswith("M01/")

        def paths():
            return {native.call(cluster.tracker, 101)[39] for _ in range(9)}
        if store_path == 0:  # 2 is the one with most space, and all are on one disk here
            assert paths() == {0, 1, 2}
        program = cluster.storages[2]
        program.stop()
        program.conf.write_text(program.conf.read_text() + "store_path1_readonly = true\n")
        program.start().wait_ready()
        cluster.wait_status(2, native.ACTIVE)
        # Whatever a client was told, or says: no new file there; what is there is read, and goes when it is deleted.
        names = [storage.upload(b"new", path=path) for path in (255, 0, 1, 2, 1, 255)]
        assert not [name for name in names if name.startswith("M01/")]
        assert storage.download(old) == b"old"
        storage.delete(old)
        assert not storage.has(old)
        program.stop()
    finally:
        cluster.remove()


class Tap:
    """Between a storage and its tracker: the commands that the storage sends, in their order."""

    def __init__(self, tracker):
        self.tracker, self.commands = tracker, []
        self.server = socket.create_server(("127.0.0.1", free_port(["127.0.0.1"])))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                ours, peer = self.server.accept()
                theirs = socket.create_connection(self.tracker, source_address=(peer[0], 0))  # who it is, is told by that
                threading.Thread(target=self._pass, args=(ours, theirs, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(theirs, ours, False), daemon=True).start()

    def _pass(self, source, target, requests):
        with contextlib.suppress(OSError), source, target, source.makefile("rb") as stream:
            while len(head := stream.read(10)) == 10:
                length, command = struct.unpack(">qBB", head)[:2]
                body = stream.read(length)
                if requests:  # who joins names the tracker that it means
                    self.commands.append(command)
                    body = body.replace(b":%d\n" % self.port, b":%d\n" % self.tracker[1])
                target.sendall(head + body)


def test_who_is_shown_as_active_takes_files():
    """Both the first heartbeat (83) and the first report of its disks (84) make a server ACTIVE; without disks it is given
    no files, so they are told of first."""
    cluster = native.NativeCluster()
    tap = Tap(cluster.tracker)
    try:
        conf = cluster.prepare(2).conf
        conf.write_text(conf.read_text().replace(f"tracker_server = 127.0.0.1:{cluster.tracker[1]}",
                                                 f"tracker_server = 127.0.0.1:{tap.port}"))
        cluster.add(2)
        assert len(native.call(cluster.tracker, 101)) == 40
        wait_until("both commands", lambda: {83, 84} <= set(tap.commands))
        assert tap.commands.index(81) < tap.commands.index(84) < tap.commands.index(83)
        cluster.storages[2].stop()
    finally:
        tap.server.close()
        cluster.remove()


def test_how_much_is_left_is_told_soon_whatever_the_interval():
    """FastDFS's configurations have 300 s, in which a disk may fill up, and another one be emptied."""
    with native.running(settings="stat_report_interval = 1h") as group:
        group.add(2)

        def is_known():
            (told,) = struct.unpack(">q", native.call(group.tracker, 91)[25:33])
            disk = os.statvfs(group.folder)
            return abs(told - (disk.f_bavail * disk.f_frsize >> 20)) < 256
        wait_until("the space to be known", is_known)
        with open(group.folder / "large", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 30)
            wait_until("the space to be known", is_known)
