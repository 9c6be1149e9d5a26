# SPDX-License-Identifier: Apache-2.0
"""min_copies: what was acknowledged is on another member too, though the writer dies that moment."""
import contextlib
import os
import random
import threading
import time

import pytest

import nativecluster as native
from cluster import wait_until
from s3cluster import S3Cluster

LONG_S = 25  # of copy_timeout, where nobody may wait for it: less than our own patience


def wait_members(group, number, count):
    """Until the storage @number holds writes back for @count - 1 others, and they take them."""
    group.wait_copies(number, count)
    writer = native.Storage((f"127.0.0.{number}", group.storages[number].port))
    wait_until("a write", lambda: upload(writer, b"probe"))


def upload(storage, data, **kind):
    """None: its copy took longer than copy_timeout, as it may on a busy machine; clients try again."""
    try:
        return storage.upload(data, **kind)
    except native.Refused as refused:
        assert refused.status == native.EAGAIN
        return None


def check_kind(a, b, rnd, trunk):
    """One change of each kind at @a, looked for at @b itself the moment it was acknowledged."""
    for size in (10, 5000, 70_000, 400_000):
        data = rnd.randbytes(size)
        name = a.upload(data)
        assert b.download(name) == data
    a.set_meta(name, [("k", "v" * size_of(rnd))])
    assert b.get_meta(name) == a.get_meta(name)
    log = a.upload(b"0123456789", appender=True)
    a.append(log, b"abc")
    assert b.download(log) == b"0123456789abc"
    a.modify(log, 2, b"XY")
    assert b.download(log) == b"01XY456789abc"
    a.truncate(log, 4)
    assert b.download(log) == b"01XY"
    renamed = a.regenerate(log)
    assert b.download(renamed) == b"01XY" and not b.has(log)
    slave = a.upload_slave(name, "_small", b"slave", "png")
    assert b.download(slave) == b"slave"
    a.delete(slave)
    assert not b.has(slave)
    a.delete(name)
    assert not b.has(name)


def size_of(rnd):
    return rnd.choice([1, 100, 200])


@pytest.mark.parametrize("paths", [1, 2])
@pytest.mark.parametrize("trunk", [False, True], ids=["plain", "trunk"])
def test_every_kind_of_change_is_on_the_other_member_when_it_is_acknowledged(trunk, paths):
    with native.running(trunk=trunk, paths=paths) as group:
        a, b = group.add(2), group.add(3)
        wait_members(group, 2, 2)
        wait_members(group, 3, 2)
        for seed in range(4):
            check_kind(a, b.local(), random.Random(seed), trunk)
            check_kind(b, a.local(), random.Random(seed), trunk)


def write_until_it_dies(storage, seed, acknowledged):
    rnd = random.Random(seed)
    mine = {}
    with contextlib.suppress(OSError):
        while True:
            kind = rnd.random()
            if kind < 0.7 or not mine:
                data = rnd.randbytes(rnd.choice([1, 300, 5000, 70_000]))
                mine[storage.upload(data)] = data
            elif kind < 0.85:
                name = rnd.choice(list(mine))
                data = mine.pop(name)
                acknowledged.pop(name, None)  # open until it is answered
                storage.delete(name)
                acknowledged[name] = None
                continue
            else:
                data = rnd.randbytes(100)
                log = storage.upload(data, appender=True)
                storage.append(log, b"more")
                mine[log] = data + b"more"
            acknowledged.update(mine)


@pytest.mark.parametrize("trunk", [False, True], ids=["plain", "trunk"])
def test_the_writer_is_killed_under_load_and_nothing_acknowledged_is_missing(trunk):
    with native.running(trunk=trunk) as group:
        a, b = group.add(2), group.add(3)
        everything = {}
        for round_number in range(4):
            wait_members(group, 2, 2)
            acknowledged = [{} for _ in range(4)]
            threads = [threading.Thread(target=write_until_it_dies, args=(a, round_number * 10 + i, found))
                       for i, found in enumerate(acknowledged)]
            for t in threads:
                t.start()
            wait_until("some writes", lambda: all(len(found) > 5 for found in acknowledged))
            group.storages[2].kill()
            for t in threads:
                t.join()
            local = b.local()
            for found in acknowledged:
                for name, data in found.items():
                    if data is None:
                        assert not local.has(name)
                    else:
                        assert local.download(name) == data
                everything.update(found)
            a = group.add(2)
        native.wait_same(a, everything)


def timed(fn, *args):
    start = time.monotonic()
    try:
        return fn(*args), time.monotonic() - start
    except native.Refused as refused:
        return refused, time.monotonic() - start


def test_a_member_that_dies_stops_nothing_for_long():
    with native.running(settings=f"copy_timeout = {LONG_S}s") as group:
        a, _ = group.add(2), group.add(3)
        wait_members(group, 2, 2)
        group.storages[3].kill()
        for _ in range(6):  # none waits for its time to pass
            name, took = timed(a.upload, b"alone")
            assert a.download(name) == b"alone"
            assert took < LONG_S / 2
        b = group.add(3)
        wait_members(group, 2, 2)
        assert b.local().download(name) == b"alone"


@contextlib.contextmanager
def three_trackers(**options):
    """And a group of two, which know of each other."""
    c = S3Cluster(trackers=3, members=2, **options)
    try:
        c.start_servers()
        c.wait_copies()
        yield c, native.Storage(("127.0.1.1", c.storages[1, 1].port))
    finally:
        c.remove()


def test_a_killed_member_is_found_out_when_its_pull_ends():
    """Not by a leader's word, as there is none just then, nor by a write that has waited a second: the quickest of some
    rounds counts."""
    with three_trackers(storage_settings=f"copy_timeout = {LONG_S}s") as (c, a):
        for _ in range(10):
            port = wait_until("a leader", lambda: native.leader_port(c.tracker_addresses[0]))
            leader = next(t for t in c.trackers if t.port == port)
            leader.kill()
            c.storages[1, 2].kill()
            name, took = timed(a.upload, b"alone")
            assert a.download(name) == b"alone"
            print(f"held up for {took:.3f} s")
            if took < 0.9:
                return
            leader.start().wait_ready()
            c.storages[1, 2].start().wait_ready()
            c.wait_copies()
        raise AssertionError("every write was held up for a second")


def test_who_is_in_service_is_heard_soon_whatever_the_heartbeat():
    """FastDFS's configurations have 30 s. Until a leader has named the others, and again when they are back, writes wait."""
    with native.running(heartbeat="1h") as group:
        a, _ = group.add(2), group.add(3)
        for number in (2, 3):
            wait_members(group, number, 2)
        group.storages[3].kill()
        name = a.upload(b"alone")
        b = group.add(3)
        wait_members(group, 2, 2)
        assert b.local().download(name) == b"alone"


def test_trackers_that_have_just_started_call_nobody_away():
    """Who has not come back yet may be in service: nothing is acknowledged as if it were not, before it had the time."""
    silent_s = 6
    with three_trackers(check_active_interval=f"{silent_s}s", tracker_settings="election_timeout = 1s",
                        storage_settings="copy_timeout = 500ms") as (c, a):
        for tracker in c.trackers:
            tracker.kill()
        c.storages[1, 2].freeze()
        started = time.monotonic()
        for tracker in c.trackers:
            tracker.start()
        name = wait_until("a write", lambda: upload(a, b"alone"))
        assert time.monotonic() - started > silent_s
        assert a.download(name) == b"alone"
        c.storages[1, 2].thaw()


def test_a_member_that_hangs_makes_writes_wait_and_then_refuses_them():
    with native.running(settings="copy_timeout = 1500ms") as group:
        a, b = group.add(2), group.add(3)
        wait_members(group, 2, 2)
        log = wait_until("an appender", lambda: upload(a, b"appender", appender=True))
        group.storages[3].freeze()
        for size in (5, 70_000):
            refused, took = timed(a.upload, os.urandom(size))
            assert refused.status == native.EAGAIN
            assert took > 1
        refused, _ = timed(a.append, log, b"+")
        assert refused.status == native.EAGAIN
        refused, _ = timed(a.regenerate, log)
        assert refused.status == native.EAGAIN
        assert a.local().has(log), "the client knows the old name only"
        group.storages[3].thaw()
        wait_members(group, 2, 2)
        wait_until("it to be cut", lambda: not isinstance(timed(a.truncate, log, 3)[0], native.Refused))
        native.wait_same(b, {log: b"app"})  # one that was refused may have cut it


def test_an_upload_that_got_no_copies_leaves_nothing_behind():
    with native.running(settings="copy_timeout = 500ms") as group:
        a, _ = group.add(2), group.add(3)
        wait_members(group, 2, 2)
        group.storages[3].freeze()
        before = files_of(group, 2)
        for size in (5000, 200_000):
            assert timed(a.upload, os.urandom(size))[0].status == native.EAGAIN
        assert files_of(group, 2) == before
        group.storages[3].thaw()
        wait_members(group, 2, 2)
        wait_until("the other member to forget it too", lambda: files_of(group, 3) == files_of(group, 2))


def files_of(group, number):
    data = group.folder / f"storage{number}" / "path0" / "data"
    return sorted(p.name for p in data.glob("??/??/*") if len(p.name) > 20)


def test_a_number_is_strict():
    with native.running(settings=f"min_copies = 2\ncopy_timeout = {LONG_S}s") as group:
        a = group.add(2)
        refused, took = timed(a.upload, b"alone")
        assert refused.status == native.EAGAIN and took < LONG_S / 2
        b = group.add(3)
        wait_until("two in service", lambda: not isinstance(timed(a.upload, b"two")[0], native.Refused))
        name = a.upload(b"two")
        assert b.local().download(name) == b"two"
        group.storages[3].kill()
        group.wait_status(3, native.OFFLINE)
        wait_until("the writer to know", lambda: timed(a.upload, b"x")[1] < LONG_S / 2)
        assert timed(a.delete, name)[0].status == native.EAGAIN
        assert a.download(name) == b"two", "reads go on"
        b = group.add(3)
        wait_until("two in service", lambda: not isinstance(timed(a.upload, b"two")[0], native.Refused))
        a.delete(name)
        assert not b.local().has(name)


def test_a_strict_write_that_waits_is_refused_the_moment_the_other_member_is_gone():
    with native.running(settings="min_copies = 2\ncopy_timeout = 3600s") as group:
        a, _ = group.add(2), group.add(3)
        wait_members(group, 2, 2)
        group.storages[3].freeze()
        before = files_of(group, 2)
        outcomes = []
        writers = [threading.Thread(target=lambda size=size: outcomes.append(timed(a.upload, os.urandom(size))[0]))
                   for size in (5000, 200_000)]
        for writer in writers:
            writer.start()
        wait_until("both to wait for their copies", lambda: len(files_of(group, 2)) == len(before) + 2)
        assert not outcomes
        group.storages[3].kill()
        for writer in writers:
            writer.join()
        assert [refused.status for refused in outcomes] == [native.EAGAIN] * 2
        assert files_of(group, 2) == before, "nobody knows their names"
        b = group.add(3)
        name = wait_until("two in service", lambda: upload(a, b"two"))
        assert b.local().download(name) == b"two"
