# SPDX-License-Identifier: Apache-2.0
"""Groups: what one member took, all have; joins, returns, lost disks."""
import concurrent.futures
import os
import random
import shutil
import time

import pytest

import nativecluster as native
from cluster import wait_until
from faults import Faults
from s3cluster import S3Cluster, running

SIZES = [0, 1, 300, 5000, 65_512, 70_000, 400_000]


@pytest.fixture(params=[False, True], ids=["plain", "trunk"])
def group(request):
    with native.running(trunk=request.param) as cluster:
        yield cluster


def fill(storage, files, count, seed=1):
    rnd = random.Random(seed)
    for _ in range(count):
        data = rnd.randbytes(rnd.choice(SIZES))
        files[storage.upload(data)] = data


def test_every_kind_of_change_reaches_the_other_member(group):
    a, b = group.add(2), group.add(3)
    group.wait_copies(3)  # or it could not say of a file that is still to come whether there is one
    files = {}
    fill(a, files, 15)
    fill(b, files, 15, seed=2)
    appender = a.upload(b"0123456789", appender=True)
    a.append(appender, b"abcdef")
    a.modify(appender, 3, b"XYZ")
    a.truncate(appender, 12)
    files[appender] = b"012XYZ6789ab"
    name = next(iter(files))
    slave = a.upload_slave(name, "_150x150", b"small", "png")
    files[slave] = b"small"
    gone = a.upload(b"x" * 5000)
    b.delete(gone)  # not where it was made, and perhaps not there yet
    files[gone] = None
    other = a.upload(b"y", appender=True)
    renamed = a.regenerate(other)
    files[other], files[renamed] = None, b"y"
    a.set_meta(name, [("width", "1024"), ("bgcolor", "red")])
    native.wait_same(a, files)
    native.wait_same(b, files)
    wait_until("metadata", lambda: meta_of(b, name) == [("bgcolor", "red"), ("width", "1024")])
    native.until_done(b.set_meta, name, [], "O")
    wait_until("metadata to go", lambda: meta_of(a, name) is None)
    for member in (a, b):
        assert member.info(slave)[0] == 5


def meta_of(storage, name):
    try:
        return storage.get_meta(name)
    except native.Refused as refused:
        assert refused.status == native.ENOENT
        return None


def test_an_edit_at_the_other_member_comes_back(group):
    a, b = group.add(2), group.add(3)
    group.wait_copies(3)
    name = a.upload(b"0123456789", appender=True)
    native.wait_same(b, {name: b"0123456789"})
    native.until_done(b.append, name, b"more")
    native.until_done(b.modify, name, 0, b"AB")
    native.until_done(b.truncate, name, 11)
    native.wait_same(a, {name: b"AB23456789m"})
    native.wait_same(b, {name: b"AB23456789m"})


def test_a_new_member_is_active_only_when_it_has_everything(group):
    a = group.add(2)
    files = {}
    fill(a, files, 60)
    meta = a.upload(b"with metadata")
    a.set_meta(meta, [("k", "v")])
    deleted = a.upload(b"gone before")
    a.delete(deleted)
    b = group.add(3)  # returns once the tracker says ACTIVE: from here on no waiting is allowed
    b = b.local()
    for name, data in files.items():
        assert b.download(name) == data
    assert b.get_meta(meta) == [("k", "v")]
    assert not b.has(deleted)


def test_a_member_that_was_away_catches_up(group):
    a, b = group.add(2), group.add(3)
    files = {}
    fill(a, files, 10)
    native.wait_same(b, files)
    group.storages[3].kill()
    for name in list(files)[:3]:
        a.delete(name)
        files[name] = None
    fill(a, files, 10, seed=3)
    b = group.add(3)
    native.wait_same(b, files)


def test_a_member_with_an_empty_disk_gets_its_own_files_back(group):
    a, b, c = group.add(2), group.add(3), group.add(4)
    files = {}
    for seed, member in enumerate((a, b, c)):
        fill(member, files, 12, seed)
    for member in (a, b, c):
        native.wait_same(member, files)
    group.storages[3].kill()
    group.lose_path(3, 0)
    b = group.add(3)
    for name, data in files.items():
        assert b.local().download(name) == data
    # What it wrote before is readable at a member that joins after that.
    shutil.rmtree(group.folder / "storage4" / "data", ignore_errors=True)
    fill(b, files, 5, seed=9)
    native.wait_same(a, files)
    native.wait_same(c, files)


def test_the_source_dies_for_good_and_its_files_stay(group):
    a, b = group.add(2), group.add(3)
    files = {}
    fill(a, files, 20)
    native.wait_same(b, files)
    group.storages[2].kill()
    shutil.rmtree(group.folder / "storage2")
    c = group.add(4)
    for name, data in files.items():
        assert c.local().download(name) == data, "a member that joined after the writer's death has its files"


def test_members_are_alike_after_random_work(group):
    members = {2: group.add(2), 3: group.add(3), 4: group.add(4)}
    files, rnd = {}, random.Random(7)
    for step in range(120):
        number = rnd.choice(list(members))
        storage = members[number]
        live = [n for n, d in files.items() if d is not None]
        if rnd.random() < 0.6 or not live:
            data = rnd.randbytes(rnd.choice(SIZES))
            files[storage.upload(data)] = data
        else:
            name = rnd.choice(live)
            native.wait_same(storage, {name: files[name]})
            storage.delete(name)
            files[name] = None
        if step % 40 == 20:
            group.storages[number].kill()
            members[number] = group.add(number)
    for storage in members.values():
        native.wait_same(storage, files)


def test_members_that_start_at_the_same_moment_all_become_active():
    for _ in range(4):
        cluster = native.NativeCluster()
        try:
            a = cluster.add(2)
            data = os.urandom(100_000)
            name = a.upload(data)
            for number in (3, 4, 5):
                cluster.prepare(number).start()
            for number in (3, 4, 5):
                cluster.storages[number].wait_ready()
                cluster.wait_status(number, native.ACTIVE)
                member = native.Storage((f"127.0.0.{number}", cluster.port)).local()
                assert member.download(name) == data
        finally:
            cluster.remove()


def test_two_paths_one_replaced():
    cluster = native.NativeCluster(paths=2)
    try:
        a, b = cluster.add(2), cluster.add(3)
        files = {}
        for i in range(20):
            data = os.urandom(1000 + i)
            files[a.upload(data, path=i % 2)] = data
        native.wait_same(b, files)
        cluster.storages[3].stop()
        cluster.lose_path(3, 1)
        b = cluster.add(3)
        for name, data in files.items():
            assert b.local().download(name) == data
    finally:
        cluster.remove()


def test_a_file_that_is_not_here_yet_is_fetched_from_who_has_it(group):
    a, b = group.add(2), group.add(3)
    group.wait_copies(3)  # b knows whom to ask
    # A client asks b the moment a has answered: replication may not have got there.
    for size in (10, 5000, 300_000):
        for _ in range(10):
            data = os.urandom(size)
            name = a.upload(data)
            assert b.download(name) == data
            assert b.download(name, 2, 5) == data[2:7]
            assert b.info(name)[0] == size
    missing = a.upload(b"gone")
    native.wait_same(b, {missing: b"gone"})  # or b not having it could mean that it is still to come
    a.delete(missing)
    native.wait_same(b, {missing: None})
    assert not b.has(missing)


class Late:
    """Members a and b, and c, which can be made to lag."""

    def __init__(self, group, faults):
        self.faults, self.place = faults, group.folder / "storage4"
        c = group.add(4)
        self.members = group.add(2), group.add(3), c
        for number in (2, 3):
            group.wait_copies(number)

    def stop_syncs(self):
        """It takes nothing of what the others have."""
        self.faults.syncs(str(self.place), hold=True)

    def lag(self):
        """It hears of nothing behind a file with this content: it waits with its sync, as it has no name yet."""
        self.faults.syncs(str(self.place / "path0/data/#"), hold=True)
        return bytes(300_000)

    def catch_up(self):
        self.faults.clear()


@pytest.fixture
def late(group, tmp_path, monkeypatch):
    faults = Faults(tmp_path)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    yield Late(group, faults)
    faults.clear()


def test_a_slave_is_fetched_from_who_has_it_by_the_server_that_took_its_master(late):
    a, b, c = late.members
    master = c.upload(b"master")
    native.wait_same(b, {master: b"master"})
    late.stop_syncs()
    data = os.urandom(3000)
    slave = b.upload_slave(master, "-small", data)
    b.set_meta(slave, [("width", "100")])
    assert c.download(slave) == data
    assert c.info(slave)[0] == len(data)
    assert c.get_meta(slave) == [("width", "100")]
    late.catch_up()
    native.wait_same(c, {slave: data})
    c.delete(slave)
    for member in (a, b, c):
        native.wait_same(member, {slave: None})
    assert not c.has(slave)


def test_what_a_server_lacks_that_others_have_is_changed_later(late):
    a, b, c = late.members
    late.stop_syncs()
    log, master = a.upload(b"one", appender=True), b.upload(b"master")
    for change in (lambda: c.append(log, b" two"), lambda: c.append(log, bytes(300_000)), lambda: c.modify(log, 0, b"ONE"),
                   lambda: c.truncate(log, 1), lambda: c.regenerate(log), lambda: c.upload_slave(master, "-s", b"slave"),
                   lambda: c.upload_slave(master, "-s", bytes(300_000))):
        assert not native.does(change)
    late.catch_up()
    native.wait_same(c, {log: b"one", master: b"master"})
    c.append(log, b" two")
    slave = c.upload_slave(master, "-s", b"slave")
    for member in (a, b, c):
        native.wait_same(member, {log: b"one two", slave: b"slave"})
    a.delete(log)
    for member in (b, c):  # as long as b has it, it is c that lacks it
        native.wait_same(member, {log: None})
    with pytest.raises(native.Refused) as refused:
        c.append(log, b" three")
    assert refused.value.status == native.ENOENT


def test_a_file_that_only_a_server_that_is_away_can_have_is_not_called_missing(group):
    a, b = group.add(2), group.add(3)
    group.storages[3].stop()
    group.wait_status(3, native.OFFLINE)
    wait_until("a to go on alone", lambda: native.call(a.address, 193)[1] == 1)
    alone = a.upload(b"alone")
    group.storages[2].kill()
    b = group.add(3)
    for ask in (b.download, b.info, b.get_meta, b.delete):
        assert not native.does(ask, alone)
    mine = b.upload(b"mine")
    b.delete(mine)
    assert not b.has(mine)  # nobody else has taken it
    group.add(2)
    native.wait_same(b, {alone: b"alone"})


def test_a_file_that_only_a_server_that_lacks_another_disk_can_have_is_not_called_missing():
    with native.running(paths=2) as group:
        a, b = group.add(2), group.add(3)
        group.storages[3].stop()
        group.wait_status(3, native.OFFLINE)
        wait_until("a to go on alone", lambda: native.call(a.address, 193)[1] == 1)
        alone = a.upload(b"alone", path=0)
        group.storages[2].kill()
        b = group.add(3)
        mine = b.upload(b"mine")
        b.delete(mine)
        group.storages[3].freeze()  # a needs what it has, and does not get it
        group.lose_path(2, 1)
        group.add(2, wait=False)
        group.wait_status(2, native.WAIT_SYNC)
        group.storages[2].freeze()
        group.storages[3].kill()
        b = group.add(3)
        told = []  # who is in the group: before, it would not say of its own files either that they are missing
        native.until_done(lambda: told.append(b.has(mine)))
        assert told == [False]
        for ask in (b.download, b.info, b.get_meta, b.delete):
            assert not native.does(ask, alone)
        group.storages[2].thaw()
        native.wait_same(b, {alone: b"alone"})


def test_who_has_not_been_told_of_its_group_does_not_say_that_a_file_is_missing():
    """Only the leader of the trackers tells; others, too, lead readers to a storage that starts while there is none."""
    c = S3Cluster(trackers=3, members=2)
    try:
        c.start_servers()
        c.storages[1, 1].kill()
        a, b = (native.Storage((f"127.0.1.{m}", c.storages[1, m].port)) for m in (1, 2))
        names = []
        native.until_done(lambda: names.append(b.upload(b"content" * 1000)))  # the trackers have noticed who is away
        (name,) = names
        for tracker in c.trackers[1:]:
            tracker.kill()
        last = c.trackers[0]
        wait_until("there to be no leader", lambda: "leader=none" in last.whole_log())
        c.storages[1, 1].start().wait_ready()
        wait_until("it to be led to", lambda: c.states_at(last, 1).get(1) == native.ACTIVE)
        for ask in a.download, a.info:
            with pytest.raises(native.Refused) as refused:
                ask(name)
            assert refused.value.status == native.EAGAIN
        for tracker in c.trackers[1:]:
            tracker.start().wait_ready()
        native.until_done(a.info, name)
        assert a.download(name) == b"content" * 1000
    finally:
        c.remove()


def test_a_storage_that_starts_while_trackers_have_no_leader_does_what_it_can_know():
    """It shows what it has, takes files, and neither edits nor calls anything missing; gateways go on."""
    with running(trackers=3, members=2) as c:
        s3 = c.boto3()
        s3.put_object(Bucket="bucket", Key="old", Body=b"old" * 5000)
        a, b = (native.Storage((f"127.0.1.{m}", c.storages[1, m].port)) for m in (1, 2))
        name, log, gone = a.upload(b"content" * 1000), a.upload(b"one", appender=True), a.upload(b"gone" * 1000)
        a.delete(gone)
        native.until_done(b.append, log, b" and")  # a leader has told it of the group
        for tracker in c.trackers:
            tracker.kill()
        last = c.trackers[0].start().wait_ready()  # it has never heard of a leader
        c.wait_active((1, 1), (1, 2))
        c.storages[1, 1].kill()
        c.storages[1, 1].start().wait_ready()
        wait_until("it to be led to", lambda: c.states_at(last, 1).get(1) == native.ACTIVE)
        for member in (a, b):
            assert member.download(name) == b"content" * 1000 and member.download(log) == b"one and"
        native.until_done(a.upload, b"taken")
        assert not native.does(a.info, gone, 3)
        assert not native.does(a.append, log, b" never") and not native.does(a.set_meta, name, [("k", "v")])
        native.until_done(b.append, log, b" two")

        def goes_on(key):
            assert s3.get_object(Bucket="bucket", Key="old")["Body"].read() == b"old" * 5000
            s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == key.encode()
            with pytest.raises(s3.exceptions.NoSuchKey):
                s3.get_object(Bucket="bucket", Key="none")
        goes_on("new")
        c.gateway.kill()
        c.start_gateway()
        s3 = c.boto3()
        goes_on("newer")
        for tracker in c.trackers[1:]:
            tracker.start().wait_ready()
        native.until_done(a.append, log, b" three")
        native.until_done(a.set_meta, name, [("k", "v")])
        assert not a.has(gone)
        for member in (a, b):
            native.wait_same(member, {log: b"one and two three", name: b"content" * 1000})
        goes_on("newest")


def test_an_edit_is_made_of_the_latest_content_only(late):
    a, b, c = late.members
    log = a.upload(b"one", appender=True)
    native.wait_same(c, {log: b"one"})
    a.upload(late.lag())
    a.append(log, b" two")
    for change in (lambda: c.append(log, b" three"), lambda: c.append(log, bytes(300_000)),
                   lambda: c.modify(log, 0, b"ONE"), lambda: c.truncate(log, 1), lambda: c.regenerate(log)):
        assert not native.does(change)
    late.catch_up()
    native.wait_same(c, {log: b"one two"})
    native.until_done(c.append, log, b" three")  # a moment after the bytes c hears that a is done
    for member in (a, b, c):
        native.wait_same(member, {log: b"one two three"})


def test_edits_at_all_members_at_once_stay(group):
    members = [group.add(2), group.add(3), group.add(4)]
    log = members[0].upload(b"", appender=True)
    for member in members:
        native.wait_same(member, {log: b""})
    words = {i: [b"%d-%04d;" % (i, n) for n in range(40)] for i in range(len(members))}

    def edit(i):
        for n, word in enumerate(words[i]):
            native.until_done(members[i].append, log, word)
            if n % 4 == 0:
                native.until_done(members[i].set_meta, log, [(f"m{i}-{n}", str(n))], "M")

    with concurrent.futures.ThreadPoolExecutor(len(members)) as pool:
        for done in [pool.submit(edit, i) for i in range(len(members))]:
            done.result(120)
    total = sum(len(word) for mine in words.values() for word in mine)
    wait_until("the last words to come", lambda: len(members[0].download(log)) >= total)  # two of three have them
    content = members[0].download(log)
    there = [word + b";" for word in content.split(b";")[:-1]]
    assert sorted(there) == sorted(sum(words.values(), []))
    for i, mine in words.items():
        assert [word for word in there if word in mine] == mine
    pairs = sorted((f"m{i}-{n}", str(n)) for i in words for n in range(0, 40, 4))
    for member in members:
        native.wait_same(member, {log: content})
        wait_until("all to have all", lambda m=member: sorted(m.local().get_meta(log)) == pairs)


def test_the_server_of_a_file_that_returns_edits_what_others_have_changed_meanwhile(late, group):
    a, b, c = late.members
    log = c.upload(b"one", appender=True)
    for member in (a, b):
        native.wait_same(member, {log: b"one"})
    group.storages[4].kill()
    group.wait_status(4, native.OFFLINE)
    wait_until("writes to go on without it", lambda: native.does(b.upload, late.lag()))
    native.until_done(b.append, log, b" two")  # as soon as b has heard who is away: it would have to be asked
    c = group.add(4)
    assert not native.does(c.append, log, b" three")
    late.catch_up()
    wait_until("it to hear of it", lambda: native.does(c.append, log, b" three"))
    for member in (a, b, c):
        native.wait_same(member, {log: b"one two three"})


def test_metadata_are_merged_with_the_latest_only(late):
    a, b, c = late.members
    name = a.upload(b"described")
    a.set_meta(name, [("x", "1")])
    wait_until("c to have them", lambda: meta_of(c.local(), name) == [("x", "1")])
    a.upload(late.lag())
    a.set_meta(name, [("y", "2")], "M")
    assert not native.does(c.set_meta, name, [("z", "3")], "M")
    late.catch_up()
    wait_until("it to hear of them", lambda: native.does(c.set_meta, name, [("z", "3")], "M"))
    for member in (a, b, c):
        wait_until("all to have all", lambda m=member: m.local().get_meta(name) == [("x", "1"), ("y", "2"), ("z", "3")])


def test_who_leaves_is_not_lost():
    """The tracker warns of a member that vanished, not of one that was stopped."""
    cluster = native.NativeCluster()
    try:
        cluster.add(2)
        lines = (cluster.tracker_program.folder / "log").read_text
        cluster.storages[2].stop()
        wait_until("the leave to be seen", lambda: " info tracker.storage_left group=group1 id=127.0.0.2" in lines())
        assert "tracker.storage_lost" not in lines()
        cluster.add(2)
        cluster.storages[2].kill()
        wait_until("the loss to be seen", lambda: " warn tracker.storage_lost group=group1 id=127.0.0.2" in lines())
        assert lines().count("tracker.storage_left") == 1
    finally:
        cluster.remove()
