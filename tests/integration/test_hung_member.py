# SPDX-License-Identifier: Apache-2.0
"""A member that accepts connections and never answers: who asks the others about a file that is not here waits for it
seldom and shortly, and holds up nobody else."""
import os
import pathlib
import socket
import threading
import time

import pytest

import nativecluster as native
from cluster import wait_until
from faults import Faults
from s3cluster import S3Cluster

SOON_S = 1     # of what waits for nobody
LONG_S = 9     # of what waits for one question, which ends after two: one that did not took ten


def in_service(storage):
    """How many others are, as it has been told (193)."""
    answer = native.call(storage.address, 193)
    count = answer[2]
    return sum(answer[3 + (len(answer) - 3) // count * i + 16] == native.ACTIVE for i in range(count))


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Members a, b and c with one disk thread each; c takes nothing of what the others have."""
    faults = Faults(tmp_path)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    with native.running(settings="disk_reader_threads = 1\ndisk_writer_threads = 1") as cluster:
        c = cluster.add(4)
        cluster.members = cluster.add(2), cluster.add(3), c
        for number in (2, 3):
            cluster.wait_copies(number)
        wait_until("c to hear that both are in service", lambda: in_service(c) == 2)
        cluster.own = c.upload(b"at c")
        cluster.hold_c = lambda: faults.syncs(str(cluster.folder / "storage4"), hold=True)
        yield cluster
        faults.clear()
        thaw(cluster)


def hang(group, number):
    """So that nobody is told that it is away."""
    group.tracker_program.freeze()
    group.storages[number].freeze()


def thaw(group):
    for program in (group.tracker_program, *group.storages.values()):
        if program.running():
            program.thaw()


def timed(ask, *args):
    began = time.monotonic()
    try:
        answer = ask(*args)
    except native.Refused as refused:
        answer = refused.status
    return answer, time.monotonic() - began


def soon(ask, *args):
    """
    The answer, when it has come without waiting for the one that hangs: who has been silent is not asked for some seconds,
    so that of two in a row the second comes soon, unless the machine was busy that moment.
    """
    def answered():
        answer, seconds = timed(ask, *args)
        return seconds < SOON_S and [answer]
    return wait_until("an answer that waits for nobody", answered)[0]


def together(*asks):
    """[(answer, seconds)], asked at once."""
    results = [None] * len(asks)

    def run(i):
        results[i] = timed(asks[i])
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(asks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("hung", [2, 3])
def test_a_file_is_found_at_another_member_while_one_hangs(group, hung):
    a, b, c = group.members
    group.hold_c()
    data = os.urandom(100_000)
    name = (b if hung == 2 else a).upload(data)
    slave = (b if hung == 2 else a).upload_slave(group.own, "-s", data[:5000])
    hang(group, hung)
    found, seconds = timed(c.download, name)
    assert found == data and seconds < LONG_S
    assert soon(c.download, name, 10, 20) == data[10:30]
    assert soon(c.download, slave) == data[:5000]
    assert timed(c.info, name)[0][0] == len(data)


def test_what_only_the_hung_one_can_have_is_not_called_missing(group):
    a, b, c = group.members
    group.hold_c()
    name = b.upload(b"of b")
    b.delete(gone := b.upload(b"gone"))
    theirs = a.upload(b"of a")
    a.delete(theirs)
    hang(group, 3)
    group.storages[2].freeze()  # it may have it as well
    for ask in (c.download, c.info, c.get_meta, c.delete):
        answer, seconds = timed(ask, name)
        assert answer == native.EAGAIN and seconds < LONG_S
    group.storages[2].thaw()
    wait_until("a to be asked again", lambda: timed(c.download, name)[0] == b"of b")
    assert timed(c.download, gone)[0] == native.EAGAIN   # nobody else knows what b has
    assert timed(c.download, theirs)[0] == native.ENOENT  # who took it says so


def unanswered(storage):
    """How many connections the kernel has taken for a server that does not take them."""
    here = "%08X:%04X" % (int.from_bytes(socket.inet_aton(storage.address[0]), "little"), storage.address[1])
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1] == here and row[3] == "0A")


def test_nobody_waits_behind_a_question_to_a_hung_member(group):
    a, b, c = group.members
    group.hold_c()
    name, log = b.upload(b"of b"), b.upload(b"log", appender=True)
    gone = [member.upload(b"gone") for member in (a, b)]
    a.delete(gone[0])
    b.delete(gone[1])

    def others_go_on():
        """Unless the machine was busy that moment, which it is not always."""
        hang(group, 3)
        group.storages[2].freeze()
        before = unanswered(a), unanswered(b)

        def meanwhile(ask, *args):
            wait_until("both to be asked by both", lambda: unanswered(a) >= before[0] + 2 and unanswered(b) >= before[1] + 2)
            return timed(ask, *args)

        asked, ((read, reading), _), ((size, looking), _), appended = together(
            lambda: c.download(name), lambda: meanwhile(c.download, group.own),
            lambda: meanwhile(c.info, group.own), lambda: c.append(log, bytes(100)))
        assert asked[0] == native.EAGAIN and appended[0] == native.EAGAIN
        assert read == b"at c" and size[0] == 4
        if reading < SOON_S and looking < SOON_S:
            return True
        thaw(group)
        for file in gone:  # only who made it can say so
            wait_until("both to be asked again", lambda f=file: timed(c.download, f)[0] == native.ENOENT)
        return False
    wait_until("others to go on", others_go_on)


def test_an_edit_does_not_wait_for_it_twice(group):
    a, b, c = group.members
    log = a.upload(b"one", appender=True)
    native.wait_same(c, {log: b"one"})
    hang(group, 3)
    one, first = timed(c.truncate, log, 2)
    assert one == native.EAGAIN and first < LONG_S  # it may be editing
    assert soon(c.truncate, log, 1) == native.EAGAIN
    thaw(group)
    wait_until("it to be asked again", lambda: timed(c.truncate, log, 1)[0] != native.EAGAIN)
    native.wait_same(a, {log: b"o"})


def test_a_tracker_that_hangs_does_not_hold_up_the_start_of_a_storage():
    c = S3Cluster(trackers=2, members=1, storage_settings="connect_timeout = 500ms\nnetwork_timeout = 1h")
    try:
        c.start_servers()
        c.storages[1, 1].stop()
        c.trackers[0].freeze()
        c.storages[1, 1].start().wait_ready()
    finally:
        c.remove()
