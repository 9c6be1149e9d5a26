# SPDX-License-Identifier: Apache-2.0
"""Native commands of one storage, trunk files on and off, beyond what the unit tests can see."""
import os
import socket
import struct
import zlib

import pytest

import nativecluster as native
from cluster import descriptors, wait_until


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "trunk"])
def storage(request):
    cluster = native.NativeCluster(trunk=request.param)
    try:
        storage = cluster.add(2)
        storage.cluster, storage.trunk = cluster, request.param
        yield storage
        cluster.storages[2].stop()
        cluster.tracker_program.stop()
    finally:
        cluster.remove()


@pytest.mark.parametrize("size", [0, 1, 4096, 65512, 65513, 65536, 70000, 1 << 20, 5_000_001])
def test_what_goes_up_comes_down(storage, size):
    data = os.urandom(size)
    name = storage.upload(data)
    assert storage.download(name) == data
    assert storage.info(name)[0] == size
    assert storage.info(name)[2] == zlib.crc32(data)
    packed = storage.trunk and size + 24 <= 65536
    assert len(name) == (60 if packed else 44)
    storage.delete(name)
    assert not storage.has(name)


def test_ranges(storage):
    data = os.urandom(300_000)
    name = storage.upload(data)
    for offset, count in [(0, 1), (299_999, 1), (100, 0), (5, 200_000), (250_000, 999_999)]:
        assert storage.download(name, offset, count) == (data[offset:offset + count] if count else data[offset:])
    for offset in (300_000, 1 << 40, -1):
        with pytest.raises(native.Refused) as refused:
            storage.download(name, offset)
        assert refused.value.status == native.EINVAL


def held_for_clients(storage):
    """Sockets and files without a name that the storage has open; it opens packs when it likes."""
    return descriptors(storage.cluster.storages[2].process.pid, r"socket:|.*/#\d+ \(deleted\)$")


@pytest.mark.parametrize("size", [1000, 60_000, 3_000_000])
def test_a_client_that_vanishes_leaves_nothing(storage, size):
    place = storage.cluster.folder / "storage2"

    def files():
        """Packs, also the one that is made ahead (.tmp-...), and checkpoints come and go by themselves."""
        return sum(not name.isdigit() and not name.startswith(".")
                   for folder, _, names in os.walk(place) if "/path0/data" in folder for name in names)

    before, handles = files(), held_for_clients(storage)
    for cut in (1, 10, 25, size // 2, size - 1):
        with socket.create_connection(storage.address) as s:
            s.sendall((struct.pack(">qBB", 15 + size, 11, 0) + struct.pack(">BQ6s", 255, size, b"bin")
                       + b"x" * size)[:cut + 25])
    wait_until("connections and temporary files to be gone",
               lambda: files() <= before and held_for_clients(storage) <= handles)


def test_concurrent_appends_do_not_mix(storage):
    import threading
    name = storage.upload(b"", appender=True)
    pieces = [bytes([65 + i]) * (50_000 + 20_000 * i) for i in range(6)]
    threads = [threading.Thread(target=storage.append, args=(name, p)) for p in pieces]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    data = storage.download(name)
    assert len(data) == sum(map(len, pieces))
    assert sorted(p[:1] for p in pieces) == sorted({data[i:i + 1] for i in range(len(data))})
    changes = sum(data[i] != data[i - 1] for i in range(1, len(data)))
    assert changes == len(pieces) - 1


def test_a_slow_appender_does_not_hold_up_others(storage):
    name = storage.upload(b"start", appender=True)
    with socket.create_connection(storage.address) as slow:
        slow.sendall(struct.pack(">qBB", 16 + 44 + 1000, 24, 0) + struct.pack(">QQ", 44, 1000) + name.encode()
                     + b"s" * 10)
        storage.append(name, b"quick")
        assert storage.download(name) == b"startquick"


def test_pipelined_requests_are_answered_in_order(storage):
    name = storage.upload(b"0123456789")
    body = native.field("group1", 16) + name.encode()
    with native.Connection(storage.address) as c:
        ask = struct.pack(">qBB", 16 + len(body), 14, 0)
        c.socket.sendall(b"".join(ask + struct.pack(">qq", i, 1) + body for i in range(10)))
        for i in range(10):
            assert c.receive(10) == struct.pack(">qBB", 1, 100, 0)
            assert c.receive(1) == b"0123456789"[i:i + 1]


def test_server_commands_are_refused_from_strangers(storage):
    name = storage.upload(b"precious")
    group = native.field("group1", 16)
    requests = {
        9: native.field("127.0.0.9", 16),
        17: struct.pack(">i", 1) + group + name.encode(),
        16: struct.pack(">QQi", len(name), 1, 1) + group + name.encode() + b"x",
        18: struct.pack(">QQi", len(name), 1, 1) + group + name.encode() + b"x",
        26: group + b"\0",
        190: b"\0",
        191: b"\0" * 61,
    }
    for cmd, body in requests.items():
        with pytest.raises(native.Refused) as refused:
            native.call(storage.address, cmd, body)
        assert refused.value.status == native.EACCES, cmd
    assert storage.download(name) == b"precious"


def test_lying_lengths_are_answered_and_nothing_is_kept(storage):
    for cmd, body in [(11, struct.pack(">BQ6s", 255, 5, b"bin") + b"abc"),
                      (24, struct.pack(">QQ", 44, 1 << 62) + b"M" * 44),
                      (13, struct.pack(">QQB16s", 1 << 62, 1 << 62, ord("O"), b"group1") + b"a"),
                      (20, struct.pack(">QQQ", 1 << 63, 1, 1) + b"\0" * 38 + b"a"),
                      (21, struct.pack(">QQ16s6s", 1 << 62, 1, b"_s", b"x") + b"a")]:
        with pytest.raises(native.Refused) as refused:
            native.call(storage.address, cmd, body)
        assert refused.value.status == native.EINVAL, cmd


def test_files_survive_kill_9(storage):
    files = {storage.upload(data): data for data in (os.urandom(n) for n in (100, 5000, 66_000, 2_000_000))}
    appender = storage.upload(b"one", appender=True)
    storage.append(appender, b"two")
    meta = next(iter(files))
    storage.set_meta(meta, [("b", "2"), ("a", "1")])
    program = storage.cluster.storages[2]
    program.kill()
    again = storage.cluster.add(2)
    storage.address = again.address
    for name, data in files.items():
        assert again.download(name) == data
    assert again.download(appender) == b"onetwo"
    assert again.get_meta(meta) == [("a", "1"), ("b", "2")]


def test_it_serves_while_the_tracker_is_away(storage):
    name = storage.upload(b"before")
    storage.cluster.tracker_program.kill()
    assert storage.download(name) == b"before"
    other = storage.upload(b"during")
    assert storage.download(other) == b"during"
    storage.cluster.tracker_program.start().wait_ready()
    storage.cluster.wait_status(2, native.ACTIVE)
