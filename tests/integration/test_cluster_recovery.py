# SPDX-License-Identifier: Apache-2.0
"""Servers that join, return, or lose something while writes go on: complete when shown to readers, identical at the end."""
import hashlib
import os
import random
import shutil
import threading
import time

import pytest

import nativecluster as native
from cluster import wait_until


@pytest.fixture(params=[(False, 1), (True, 2)], ids=["plain", "trunk-two-paths"])
def group(request):
    trunk, paths = request.param
    with native.running(trunk=trunk, paths=paths) as cluster:
        yield cluster


class Writers:
    """Threads that upload, append, describe and delete until stopped; what was acknowledged is in files."""

    def __init__(self, storages, count=3):
        self.files, self.meta = {}, {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._work, args=(storages[i % len(storages)], i)) for i in range(count)]
        self.errors = []
        for t in self.threads:
            t.start()

    def _work(self, storage, seed):
        rnd = random.Random(seed)
        mine = []
        while not self.stopping.is_set():
            try:
                data = rnd.randbytes(rnd.choice([10, 3000, 70_000]))
                appender = rnd.random() < 0.2
                name = storage.upload(data, appender=appender)
                if appender:
                    storage.append(name, b"more")
                    data += b"more"
                if rnd.random() < 0.3:
                    storage.set_meta(name, [("n", str(len(data)))])
                gone = mine.pop(rnd.randrange(len(mine))) if len(mine) > 5 and rnd.random() < 0.3 else None
                with self.lock:
                    self.files[name] = data
                    self.files.pop(gone, None)
                if gone:
                    storage.delete(gone)
                    with self.lock:
                        self.files[gone] = None
                mine.append(name)
            except (OSError, ConnectionError):
                return  # killed: what it was at is open
            except native.Refused as refused:
                if refused.status != native.EAGAIN:  # a copy that did not come in time may be asked for again
                    self.errors.append(refused)
                    return
            time.sleep(0.002)

    def so_far(self):
        with self.lock:
            return dict(self.files)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()
        assert self.errors == []
        return self.files


def exact(storage, files):
    """No waiting: the member itself must have all of it now."""
    storage = storage.local()
    for name, data in files.items():
        if data is None:
            assert not storage.has(name), name
        else:
            assert storage.download(name) == data, name


def plain_files(cluster, number):
    """Everything below the store paths that is a file with an id, or its metadata: path to MD5."""
    out = {}
    for path in range(cluster.paths):
        data = cluster.folder / f"storage{number}" / f"path{path}" / "data"
        for file in data.glob("??/??/*"):
            if len(file.name) >= 34:
                out[f"{path}/{file.relative_to(data)}"] = hashlib.md5(file.read_bytes()).hexdigest()
    return out


def identical(cluster, numbers, files):
    """All members hold the same: by id, and file by file on the disks."""
    for number in numbers:
        native.wait_same(native.Storage((f"127.0.0.{number}", cluster.storages[number].port)), files)
    try:
        wait_until("the disks to be alike", lambda: len({tuple(sorted(plain_files(cluster, n).items())) for n in numbers}) == 1)
    except AssertionError as late:
        found = [set(plain_files(cluster, n).items()) for n in numbers]
        raise AssertionError(f"{late}: {[sorted(one - set.intersection(*found)) for one in found]}") from None


def written(writers, count):
    before = len(writers.so_far())
    wait_until("some writes", lambda: len(writers.so_far()) >= before + count or writers.errors)


def test_two_servers_join_while_writes_go_on(group):
    a = group.add(2)
    writers = Writers([a])
    written(writers, 60)
    for number in (3, 4):
        group.prepare(number).start().wait_ready()
        before = writers.so_far()
        group.wait_status(number, native.ACTIVE)
        # Deletions of these may have come since; files may not be missing.
        member = native.Storage((f"127.0.0.{number}", group.port)).local()
        now = writers.so_far()
        for name, data in before.items():
            if data is not None and now.get(name) is not None:
                try:
                    assert member.download(name) == data, name
                except native.Refused:
                    assert writers.so_far().get(name) is None, f"{name} is missing at a member that is shown to readers"
        written(writers, 20)
    identical(group, [2, 3, 4], writers.stop())


def test_a_wiped_server_and_a_replaced_disk_refill_while_writes_go_on(group):
    a, _, c = group.add(2), group.add(3), group.add(4)
    writers = Writers([a, c])
    written(writers, 60)
    group.storages[3].kill()
    if group.paths > 1:
        group.lose_path(3, 1)
    else:
        shutil.rmtree(group.folder / "storage3" / "data")
        group.lose_path(3, 0)
    written(writers, 40)
    before = writers.so_far()
    member = group.add(3).local()
    for name, data in before.items():
        if data is not None and writers.so_far().get(name) is not None:
            try:
                assert member.download(name) == data, name
            except native.Refused:
                assert writers.so_far().get(name) is None, name
    identical(group, [2, 3, 4], writers.stop())


def test_a_member_that_was_away_for_long_and_whose_peers_swept_meanwhile(group):
    a, b = group.add(2), group.add(3)
    files = {}
    for i in range(60):
        data = os.urandom(random.choice([100, 40_000, 60_000]))
        files[a.upload(data)] = data
    native.wait_same(b, files)
    group.storages[3].kill()
    group.wait_status(3, native.OFFLINE)
    for round_number in range(4):  # all of it goes, new ones come, packs fill and empty
        for name in [n for n, d in files.items() if d is not None]:
            a.delete(name)
            files[name] = None
        for i in range(60):
            data = os.urandom(random.choice([100, 40_000, 60_000]))
            files[a.upload(data)] = data
    group.storages[2].stop()
    a = group.add(2)
    b = group.add(3)
    exact(a, files)
    identical(group, [2, 3], files)


@pytest.mark.parametrize("who", [2, 3])
def test_lost_marks_and_checkpoints_cost_time_only(group, who):
    members = {2: group.add(2), 3: group.add(3)}
    writers = Writers(list(members.values()))
    written(writers, 50)
    files = writers.stop()
    group.storages[who].kill()
    for path in range(group.paths):
        data = group.folder / f"storage{who}" / f"path{path}" / "data"
        for mark in (data / ".mirrors").glob("*"):
            mark.unlink()
        (data / ".log_checkpoint").unlink(missing_ok=True)
    other = members[5 - who]
    data = os.urandom(5000)
    files[other.upload(data)] = data
    group.add(who)
    identical(group, [2, 3], files)


def test_torn_tails_on_both_sides(group):
    a, b = group.add(2), group.add(3)
    files = {}
    rnd = random.Random(11)
    for round_number in range(4):
        writers = Writers([a, b])
        written(writers, 25)
        for number in (2, 3):
            group.storages[number].kill()
        writers.stopping.set()
        for t in writers.threads:
            t.join()
        files.update(writers.files)
        for number in (2, 3):  # what a power failure may leave of a commit nobody was told about
            for path in range(group.paths):
                data = group.folder / f"storage{number}" / f"path{path}" / "data"
                for pack in data.glob("??/??/0*"):
                    tear(pack, rnd)
        a, b = group.add(2), group.add(3)
    identical(group, [2, 3], files)


def tear(pack, rnd):
    """Half a record behind the last one: a header that looks right, and zeros."""
    data = pack.read_bytes()
    used = len(data.rstrip(b"\0"))
    end = (used + 63) // 64 * 64
    if used <= 4096 or end + 64 > len(data):
        return
    with open(pack, "r+b") as f:
        f.seek(end)
        f.write(b"sREC\x01L\x01" + rnd.randbytes(rnd.randrange(1, 57)))
