# SPDX-License-Identifier: Apache-2.0
"""dfs admin rebalance: files of FastDFS clients leave a drained group, and their old ids go on working."""
import concurrent.futures
import errno
import json
import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

import cluster
import nativecluster as native
from cluster import BUILD, sanitizer_env, wait_until, wrapper
from faults import Faults
from nativecluster import ACTIVE, ENOENT, Refused, Storage, call, field
from s3cluster import Member, S3Cluster

EREMOTE, EOPNOTSUPP = 66, 95


class Groups(native.NativeCluster):
    """group1 on 127.0.0.2 and 127.0.0.3, group2 on 127.0.0.6 and 127.0.0.7. What is at most 64 KiB goes to packs."""

    def __init__(self, **options):
        super().__init__(trunk=True, secret=True, **options)
        self.secret = self.secret_file.read_text().strip().encode()
        self.group = {n: "group1" if n < 6 else "group2" for n in range(2, 10)}

    def prepare(self, number):
        program = super().prepare(number)
        text = program.conf.read_text()
        program.conf.write_text(text.replace("group_name = group1", f"group_name = {self.group[number]}"))
        return program

    def status(self, number):
        body = call(self.tracker, 92, field(self.group[number], 16))
        for at in range(0, len(body), 487):
            record = body[at:at + 487]
            if record[18:34].rstrip(b"\0").decode() == f"127.0.0.{number}":
                return record[0]
        return None

    def at(self, number):
        return Storage((f"127.0.0.{number}", self.storages[number].port), self.group[number])

    def start(self, *numbers):
        for n in numbers:
            self.prepare(n).start()
        for n in numbers:
            self.storages[n].wait_ready()
        for n in numbers:
            self.wait_status(n, ACTIVE)
        return [self.at(n) for n in numbers]

    def command(self, *words):
        return [*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{self.tracker[1]}", "--secret",
                str(self.secret_file), *words]

    def dfs(self, *words):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=300,
                              env=sanitizer_env(os.environ))

    def rebalance(self, *words):
        done = self.dfs("admin", "rebalance", "group1", *words)
        assert done.returncode == 0, done.stdout + done.stderr + self.tail()
        assert "done: nothing is left to be moved" in done.stdout
        return done

    def wait_empty(self, *numbers):
        """Until no content is left on the disks of these: "done" means that all of it is elsewhere and known to be."""
        for number in numbers:
            wait_until(f"the content at {number} to be gone", lambda n=number: self.content_left(n) == 0)

    def data(self, number, path=0):
        return self.folder / f"storage{number}" / f"path{path}" / "data"

    def content_left(self, number, path=0, meta=False):
        """Bytes of plain files, with @meta of metadata too, that are still on a path of a storage."""
        total = 0
        for path in self.data(number, path).glob("??/??/*"):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue  # this moment
            if stat.S_ISREG(status.st_mode) and not path.name.isdigit() and (meta or not path.name.endswith("-m")):
                total += status.st_size
        return total


@pytest.fixture
def groups():
    c = Groups()
    try:
        yield c
        for program in c.storages.values():
            if program.running():
                program.stop()
    finally:
        c.remove()


def fill(storage, rnd, path=255):
    """Files of all kinds, on @path when it is one: name to (content, metadata)."""
    files = {}
    for size in (0, 7, 5000, 60_000, 70_000, 1_500_000):
        data = rnd.randbytes(size)
        name = storage.upload(data, ext="jpg", path=path)
        pairs = [("size", str(size)), ("who", "me")] if size % 2 == 0 else []
        if pairs:
            storage.set_meta(name, pairs)
        files[name] = (data, pairs)
    master = next(iter(files))
    slave = storage.upload_slave(master, "_small", b"a slave", "png")
    storage.set_meta(slave, [("of", "master")])
    files[slave] = (b"a slave", [("of", "master")])
    log = storage.upload(b"first ", ext="log", appender=True, path=path)
    storage.append(log, b"second")
    files[log] = (b"first second", [])
    plain = [n for n, (d, _) in files.items() if len(d) == 70_000][0]
    link = storage.link(plain)
    storage.set_meta(link, [("link", "yes")])
    files[link] = (files[plain][0], [("link", "yes")])
    packed = [n for n, (d, _) in files.items() if len(d) == 5000][0]
    files[storage.link(packed)] = (files[packed][0], [])
    return files, {"log": log, "slave": slave, "link": link, "plain": plain, "packed": packed}


def meta_of(storage, name):
    try:
        return storage.get_meta(name)
    except Refused as refused:
        if refused.status != ENOENT:
            raise
        return []


def check(storage, files):
    for name, (data, pairs) in files.items():
        if data is None:
            assert not storage.has(name), name
            continue
        assert storage.download(name) == data, name
        size, created, crc, _ = storage.info(name)
        assert (size, crc) == (len(data), zlib.crc32(data)) and created > 1_600_000_000
        assert meta_of(storage, name) == pairs, name
        if len(data) > 100:
            assert storage.download(name, 50, 20) == data[50:70]
            assert storage.download(name, len(data) - 7) == data[-7:]


def is_missing(storage, name):
    """EAGAIN: as long as it has not heard of all others, it cannot know."""
    try:
        storage.info(name, 3)
        return False
    except Refused as refused:
        assert refused.status in (ENOENT, native.EAGAIN)
        return refused.status == ENOENT


def test_files_of_all_kinds_move_and_old_ids_do_all_they_did(groups):
    a, b = groups.start(2, 3)
    groups.start(6, 7)
    rnd = random.Random(5)
    files, by = fill(a, rnd)
    more, _ = fill(b, rnd)
    files.update(more)
    early = groups.dfs("admin", "rebalance", "group1")
    assert early.returncode == 3 and "first, dfs admin drain group1" in early.stderr
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    wait_until("what the other member took to be there, too", lambda: groups.content_left(2) > 3_000_000)
    groups.rebalance()
    for storage in (a, b):
        check(storage, files)
    groups.wait_empty(2, 3)
    shown = groups.dfs("--json", "monitor", "group1")
    members = [r for r in map(json.loads, shown.stdout.splitlines()) if "moved" in r]
    assert sum(m["moved"] for m in members) == len(files) - 2 and all(m["move_round_left"] == 0 for m in members)
    assert "moving files elsewhere" in groups.dfs("monitor", "group1").stdout
    again = groups.rebalance("group2")  # there is nothing to do
    assert f"{len(files) - 2} files" in again.stdout

    # what the old ids could do, they can, through each member
    log = by["log"]
    a.append(log, b" third")
    big = rnd.randbytes(300_000)
    b.append(log, big)
    a.modify(log, 0, b"FIRST")
    assert a.download(log) == b.download(log) == b"FIRST second third" + big
    b.truncate(log, 5)
    assert a.download(log) == b"FIRST" and b.info(log)[0] == 5
    a.set_meta(log, [("x", "1")])
    b.set_meta(log, [("y", "2")], "M")
    assert sorted(a.get_meta(log)) == [("x", "1"), ("y", "2")]
    with pytest.raises(Refused) as refused:
        a.append(by["plain"], b"no appender")
    assert refused.value.status == native.EINVAL
    with pytest.raises(Refused) as refused:
        a.append(by["packed"], b"no appender")
    assert refused.value.status == ENOENT
    with pytest.raises(Refused) as refused:
        a.link(by["plain"])
    assert refused.value.status == EOPNOTSUPP
    slave = a.upload_slave(by["plain"], "_late", b"late", "png")
    assert slave.startswith(by["plain"].rsplit(".", 1)[0]) and b.download(slave) == b"late"
    with pytest.raises(Refused) as refused:
        a.upload_slave(by["plain"], "_late", b"again", "png")
    assert refused.value.status == native.EEXIST
    large = a.upload_slave(by["plain"], "_large", big, "png")  # one that is streamed
    assert b.download(large) == big
    group = a._call(38, log.encode())
    assert group[:16].rstrip(b"\0") == b"group2"
    assert groups.at(6).download(group[16:].decode()) == b"FIRST"
    assert not a.has(log)
    wait_until("the other member to hear of it", lambda: not b.has(log))

    # deletions
    gone = [by["packed"], by["plain"], by["slave"]]
    for i, name in enumerate(gone):
        (a, b)[i % 2].delete(name)
    for name in gone:
        for storage in (a, b):
            wait_until("the other member to hear of it", lambda s=storage, n=name: not s.has(n))
        with pytest.raises(Refused) as refused:
            a.delete(name)
        assert refused.value.status == ENOENT
    groups.rebalance()
    for number in (2, 3, 6, 7):
        groups.storages[number].kill()
    groups.start(2, 3, 6, 7)
    for name in gone + [log, by["link"]]:
        for storage in (a, b):
            wait_until(f"{name} to be called missing", lambda s=storage, n=name: is_missing(s, n))
    for name in gone + [log, by["link"]]:
        files.pop(name, None)
    for storage in (a, b):
        check(storage, {**files, slave: (b"late", []), large: (big, [])})


def test_nothing_is_done_while_there_is_nowhere_to_go(groups):
    (a,) = groups.start(2)
    groups.start(6)
    groups.group[8] = "group3"
    groups.start(8)
    files, _ = fill(a, random.Random(6))
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    assert groups.dfs("admin", "drain", "group3").returncode == 0
    for words, code, said in (["group1/M0x"], 2, "as in group1/M01"), \
            (["group1/M00"], 3, "first, dfs admin drain group1 M00"), (["group1", "group9"], 1, "group9"), \
            (["group1", "group3"], 3, "group3 takes no new files"), (["group1", "group1"], 2, "are to leave"), \
            (["group1/M00", "group1"], 2, "group1 is what the files are to leave"):
        refused = groups.dfs("admin", "rebalance", *words)
        assert refused.returncode == code and said in refused.stderr, (words, refused)
    groups.storages[6].kill()
    groups.wait_status(6, native.OFFLINE)
    with subprocess.Popen(groups.command("admin", "rebalance", "group1"), stdout=subprocess.PIPE,
                          env=sanitizer_env(os.environ), text=True) as waiting:
        for line in waiting.stdout:
            assert "done" not in line, line
            if "to be tried again: No route to host" in line:
                break
        check(a, files)
        groups.start(6)
        out = waiting.stdout.read()
        assert waiting.wait() == 0 and "done: nothing is left" in out, out
    check(a, files)
    groups.wait_empty(2)


def takes_new_files(groups):
    """Does any group, as the tracker says?"""
    try:
        return call(groups.tracker, 101) != b""
    except Refused as refused:
        assert refused.status in (errno.ENOSPC, ENOENT)  # full, or none whose disks take writes
        return False


def test_nothing_is_lost_and_nothing_counted_twice_while_the_target_takes_nothing(tmp_path):
    """It is full at first, as the tracker says, and fails in the middle. The job says why, and goes on by itself."""
    faults = Faults(tmp_path)
    c = Groups(settings="rebalance_rate = 400KB\n")
    conf = c.tracker_program.conf
    roomy = conf.read_text()
    patience = threading.Timer(2 * cluster.PATIENCE_S, subprocess.Popen.kill)

    def reserve(text):
        conf.write_text(text)
        c.tracker_program.process.send_signal(signal.SIGHUP)
    try:
        c.prepare(6).env = faults.env()
        a, b = c.start(2, 3)
        c.start(6)
        rnd = random.Random(14)
        files = {**fill(a, rnd)[0], **fill(b, rnd)[0]}
        assert c.dfs("admin", "drain", "group1").returncode == 0
        total = len(files) - 2  # links to plain files stay
        disk = os.statvfs(c.folder)
        reserve(roomy.replace("= 1MB", f"= {2 * disk.f_bavail * disk.f_frsize >> 20}MB"))
        wait_until("the target to count as full", lambda: not takes_new_files(c))
        with subprocess.Popen(c.command("--json", "admin", "rebalance", "group1"), stdout=subprocess.PIPE,
                              env=sanitizer_env(os.environ), text=True) as mover:
            told = []
            patience.args = [mover]
            patience.start()

            def tell(what):
                for line in mover.stdout:
                    told.append(json.loads(line))
                    if what(told[-1]):
                        return
                pytest.fail(f"it never said so: {told}\n{c.tail()}")
            tell(lambda now: "error" in now)
            tell(lambda now: "to_go" in now and now["left"] >= total)  # each has been tried
            check(a, files)
            check(b, files)
            reserve(roomy)
            tell(lambda now: now["moved"] > 0)
            faults.syncs(f"{c.folder}/storage6/path0", error=errno.EIO)
            wait_until("the tracker to hear that it takes no writes", lambda: not takes_new_files(c))
            check(b, files)  # reads go on, of what has moved, too
            faults.clear()
            tell(lambda now: now["done"])
            assert mover.wait() == 0
            patience.cancel()
        assert told[0]["moved"] == 0 and told[-1]["moved"] == total
        assert any(now.get("error") == os.strerror(errno.ENOSPC) for now in told) and "error" not in told[-1]
        for now in told:
            assert "to_go" not in now or now["left"] <= now["to_go"] <= total - now["moved"], told
        check(a, files)
        check(b, files)
        c.wait_empty(2, 3)
        assert "storage.file_not_moved" in c.storages[2].whole_log()
    finally:
        patience.cancel()
        faults.clear()
        c.remove()


@pytest.mark.parametrize("size", [5000, 70_000], ids=["packed", "plain"])
def test_a_copy_that_is_bad_where_it_is_to_leave_from_is_mended_first(groups, size):
    """By the other member's: what arrives elsewhere would not be what its name says, each time it is tried."""
    a, b = groups.start(2, 3)
    groups.start(6)
    data = random.Random(size).randbytes(size)
    name = a.upload(data)
    itself = Member(b.address, "group1", groups.secret)
    wait_until("the other one to have it, not to pass it on", lambda: itself.has(name))
    where = next(p for p in (groups.folder / "storage2" / "path0").rglob("*") if p.is_file() and data in p.read_bytes())
    with open(where, "r+b") as file:
        file.seek(where.read_bytes().index(data) + size // 2)
        file.write(b"something else")
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    groups.rebalance()
    assert a.download(name) == b.download(name) == data
    groups.wait_empty(2, 3)


def test_who_does_not_know_its_group_moves_nothing():
    """Started while trackers have no leader, a server would take itself for the only one, and all files for its own."""
    c = S3Cluster(trackers=3, groups=2, members=2)
    patience = threading.Timer(2 * cluster.PATIENCE_S, subprocess.Popen.kill)
    try:
        c.start_servers()
        mine, other = (c.member(1, m) for m in (1, 2))
        files = {mine.upload(data): data for data in (os.urandom(70_000) for _ in range(3))}
        address = f"127.0.0.1:{c.tracker_addresses[0][1]}"
        command = [*wrapper(), str(BUILD / "dfs"), "--tracker", address, "--secret", str(c.secret), "--json", "admin"]
        subprocess.run([*command, "drain", "group1"], check=True, timeout=120, env=sanitizer_env(os.environ))
        for tracker in c.trackers:
            tracker.kill()
        c.trackers[0].start().wait_ready()  # it has never heard of a leader
        c.wait_active(*c.storages)
        c.storages[1, 1].kill()
        c.storages[1, 1].start().wait_ready()
        c.wait_active(*c.storages)
        with subprocess.Popen([*command, "rebalance", "group1"], stdout=subprocess.PIPE, text=True,
                              env=sanitizer_env(os.environ)) as mover:
            patience.args = [mover]
            patience.start()
            for line in mover.stdout:
                now = json.loads(line)
                assert now["moved"] == 0 and not now["done"], now
                if now.get("error") == os.strerror(errno.EAGAIN):
                    break
            for tracker in c.trackers[1:]:
                tracker.start().wait_ready()
            last = [json.loads(line) for line in mover.stdout][-1]
            assert mover.wait() == 0 and last["done"] and last["moved"] == len(files), last
        for name, data in files.items():
            assert mine.download(name) == data
            native.until_done(other.download, name)
    except BaseException:
        print(c.tail())
        raise
    finally:
        patience.cancel()
        c.remove()


def test_a_change_that_the_other_group_does_not_answer_is_to_be_tried_again():
    c = Groups(settings="network_timeout = 1s\nconnect_timeout = 1s\n")
    try:
        (a,) = c.start(2)
        c.start(6)
        gone, log = a.upload(os.urandom(1000)), a.upload(b"one", appender=True)
        assert c.dfs("admin", "drain", "group1").returncode == 0
        c.rebalance()
        c.storages[6].freeze()
        for change in (lambda: a.append(log, b" two"), lambda: a.delete(gone), lambda: a.set_meta(log, [("k", "v")]),
                       lambda: a.modify(log, 0, b"O"), lambda: a.truncate(log, 1), lambda: a.regenerate(log)):
            with pytest.raises(Refused) as refused:
                change()
            assert refused.value.status == native.EAGAIN
        c.storages[6].thaw()

        def deleted():
            try:
                a.delete(gone)
            except Refused as again:
                assert again.status in (ENOENT, native.EAGAIN)  # the first one may have been done
                return again.status == ENOENT
            return True
        wait_until("the deletion to be done", deleted)
        wait_until("it to be called missing", lambda: is_missing(a, gone))
    finally:
        c.remove()


def test_a_server_moves_no_faster_than_it_is_told_to():
    c = Groups(settings="rebalance_rate = 1MB\n")
    try:
        (a,) = c.start(2)
        c.start(6)
        rnd = random.Random(8)
        files = {a.upload(data): (data, []) for data in (rnd.randbytes(1 << 20) for _ in range(4))}
        assert c.dfs("admin", "drain", "group1").returncode == 0
        begin = time.monotonic()
        c.rebalance()
        assert time.monotonic() - begin > 3  # there is a rest after each of them
        check(a, files)
        slow = c.storages[2].conf
        c.storages[2].stop()
        slow.write_text(slow.read_text().replace("rebalance_rate = 1MB", "rebalance_rate = 1KB"))
        assert c.dfs("admin", "undrain", "group1").returncode == 0
        c.storages[2].start().wait_ready()
        c.wait_status(2, ACTIVE)
        for _ in range(2):
            c.at(2).upload(rnd.randbytes(1 << 20))
        assert c.dfs("admin", "drain", "group1").returncode == 0
        with subprocess.Popen(c.command("admin", "rebalance", "group1"), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=sanitizer_env(os.environ)) as resting:
            wait_until("the first to be gone", lambda: c.content_left(2) < 2 << 20)
            assert resting.poll() is None
            for program in c.storages.values():  # who rests for a quarter of an hour is stopped all the same
                program.stop()
            resting.kill()
    finally:
        c.remove()


def test_who_reads_a_packed_file_that_moves_is_never_sent_other_bytes():
    groups = Groups(slots="1MB")
    try:
        (a,) = groups.start(2)
        groups.start(6)
        data = random.Random(7).randbytes((1 << 20) - 100)
        name = a.upload(data)
        assert len(name) == 60  # as packed files' names are
        head = struct.pack(">qq", 0, 0) + field("group1", 16) + name.encode()
        request = struct.pack(">qBB", len(head), 14, 0) + head
        whole = struct.pack(">qBB", len(data), 100, 0) + data
        with socket.create_connection(a.address, cluster.PATIENCE_S) as slow:
            times = 16  # far more than fits between the two, so one is being sent when the file moves
            slow.sendall(request * times)
            got = bytearray(slow.recv(1000))
            assert groups.dfs("admin", "drain", "group1").returncode == 0
            groups.rebalance()
            try:
                while len(got) < times * len(whole) and (piece := slow.recv(1 << 20)):
                    got += piece
            except ConnectionError:
                pass
        assert len(got) >= 1000
        for at in range(0, len(got) - len(whole) + 1, len(whole)):  # the last one may be cut
            assert got[at:at + len(whole)] == whole, at
        assert a.download(name) == data
    finally:
        groups.remove()


def test_a_group_on_the_way_can_be_left_too(groups):
    (a,) = groups.start(2)
    groups.start(6)
    groups.group[8] = "group3"
    files, by = fill(a, random.Random(8))
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    groups.rebalance("group2")
    groups.start(8)
    assert groups.dfs("admin", "drain", "group2").returncode == 0
    done = groups.dfs("admin", "rebalance", "group2", "group3")
    assert done.returncode == 0 and "done: nothing is left" in done.stdout, done.stdout + done.stderr
    groups.wait_empty(2, 6)
    assert groups.content_left(8) > 0
    check(a, files)
    a.append(by["log"], b" third")
    a.set_meta(by["log"], [("x", "1")])
    assert a.download(by["log"]) == b"first second third" and a.get_meta(by["log"]) == [("x", "1")]
    for name in (by["plain"], by["packed"], by["slave"]):
        a.delete(name)
        assert not a.has(name)
        with pytest.raises(Refused) as refused:
            a.delete(name)
        assert refused.value.status == ENOENT


def test_who_is_asked_again_on_the_way_has_a_thread_for_that():
    """A file that came back leads from its first group through the other one into the first, which has one thread."""
    groups = Groups(settings="disk_reader_threads = 1\ndisk_writer_threads = 1")
    try:
        (a,) = groups.start(2)
        groups.start(6)
        data = random.Random(12).randbytes(70_000)
        name, log = a.upload(data), a.upload(b"one ", appender=True)
        assert groups.dfs("admin", "drain", "group1").returncode == 0
        groups.rebalance("group2")
        assert groups.dfs("admin", "undrain", "group1").returncode == 0
        assert groups.dfs("admin", "drain", "group2").returncode == 0
        done = groups.dfs("admin", "rebalance", "group2", "group1")
        assert done.returncode == 0 and "done: nothing is left" in done.stdout, done.stdout + done.stderr
        groups.wait_empty(6)
        assert a.download(name) == data and a.info(name)[0] == len(data)
        a.append(log, b"two")
        a.set_meta(log, [("x", "1")])
        assert a.download(log) == b"one two" and a.get_meta(log) == [("x", "1")]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:  # more than there are threads: some are to come again
            said = list(pool.map(lambda _: answer(a.download, name), range(32)))
        assert set(said) <= {native.OK, errno.EAGAIN} and native.OK in said
        for file_id in (name, log):
            a.delete(file_id)
            assert not a.has(file_id)
    finally:
        groups.remove()


def connections_to(port):
    """Established ones, of whomever."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(f":{port:04X}") and line[3] == "01" for line in lines)


def test_a_group_that_hangs_holds_up_what_has_moved_alone():
    """More changes wait for it than a server has threads for that. Others need its threads to ask the other members."""
    groups = Groups(settings="network_timeout = 60s")
    try:
        a, b = groups.start(2, 3)
        (c,) = groups.start(6)
        moved = [a.upload(b"one ", appender=True) for _ in range(12)]
        assert groups.dfs("admin", "drain", "group1").returncode == 0
        groups.rebalance("group2")
        groups.wait_empty(2, 3)
        assert groups.dfs("admin", "undrain", "group1").returncode == 0
        here = a.upload(b"one ", appender=True)
        native.wait_same(b, {here: b"one "})
        before = connections_to(c.address[1])
        with concurrent.futures.ThreadPoolExecutor(len(moved)) as pool:
            groups.storages[6].freeze()
            try:
                waiting = [pool.submit(answer, b.append, log, b"two") for log in moved]
                wait_until("them to wait", lambda: connections_to(c.address[1]) >= before + 3)
                native.until_done(b.append, here, b"two")  # b asks a for the turn
                assert not any(one.done() for one in waiting)
            finally:
                groups.storages[6].thaw()
            assert {one.result() for one in waiting} <= {native.OK, errno.EAGAIN}
        native.wait_same(a, {here: b"one two"})
    finally:
        groups.remove()


def answer(call, *args):
    """The status that it is answered with."""
    try:
        call(*args)
        return native.OK
    except Refused as refused:
        return refused.status


def test_a_moved_file_that_its_holder_alone_has_is_not_missing_while_that_is_away(tmp_path):
    """Neither the trackers nor the other member, which has not got it yet, can know."""
    groups = Groups(settings="min_copies = 1\n")
    faults = Faults(tmp_path)
    try:
        (a,) = groups.start(2)
        groups.prepare(7).env = faults.env()
        groups.start(6, 7)
        name = a.upload(b"content" * 20_000)
        log = a.upload(b"begin", appender=True)
        wait_until("a drain", lambda: groups.dfs("admin", "drain", "group2", "127.0.0.7").returncode == 0)
        faults.syncs("storage7/path0", hold=True)
        assert groups.dfs("admin", "drain", "group1").returncode == 0
        groups.rebalance()
        groups.storages[6].kill()
        groups.wait_status(6, native.OFFLINE)
        group2 = Member(groups.at(7).address, "group2", groups.secret)
        moved = [os.readlink(path)[len("@group2/"):] for path in (groups.folder / "storage2" / "path0" / "data").glob("??/??/*")
                 if path.is_symlink()]
        assert len(moved) == 2 and not any(group2.has(m) for m in moved)
        for deed in (a.download, name), (a.info, name), (a.append, log, b"more"), (a.delete, name), (a.truncate, log, 0):
            assert answer(*deed) not in (native.OK, ENOENT), deed
        faults.clear()
        groups.storages[6].start().wait_ready()
        groups.wait_status(6, ACTIVE)
        wait_until("an append", lambda: answer(a.append, log, b", end") == native.OK)
        wait_until("both to be found", lambda: {answer(a.download, name), answer(a.download, log)} == {native.OK})
        assert a.download(name) == b"content" * 20_000 and a.download(log) == b"begin, end"
    finally:
        faults.clear()
        groups.remove()


def test_a_deletion_that_is_done_elsewhere_and_not_here_may_be_asked_for_again(tmp_path):
    groups, faults = Groups(), Faults(tmp_path)
    try:
        groups.prepare(2).env = faults.env()
        (a,) = groups.start(2)
        groups.start(6)
        name = a.upload(b"content" * 20_000)
        assert groups.dfs("admin", "drain", "group1").returncode == 0
        groups.rebalance()
        faults.syncs("storage2/path0", error=errno.EIO)
        assert answer(a.delete, name) == native.EAGAIN
        faults.clear()
        wait_until("it to be gone", lambda: answer(a.delete, name) in (native.OK, ENOENT) and is_missing(a, name))
    finally:
        faults.clear()
        groups.remove()


class Clients:
    """Threads that read, edit, describe and delete files, each its own, and know what they must find."""

    def __init__(self, groups, storages, files, rnd):
        self.groups, self.storages, self.seed = groups, storages, rnd.random()
        self.files = dict(files)  # read by all, changed by nobody
        self.logs, self.described, self.doomed, self.deleted = {}, {}, [], []
        self.stop, self.failed, self.counts = threading.Event(), [], {}
        self.threads = []

    def fill(self, path=255):
        """Some of each, on @path when it is one, and all of it gone about from now on."""
        rnd = random.Random(f"{self.seed}-fill")

        def upload(data, **options):
            return rnd.choice(self.storages).upload(data, path=path, **options)
        pieces = [rnd.randbytes(rnd.choice((100, 4000, 30_000, 80_000, 300_000))) for _ in range(120)]
        self.files = {upload(data): data for data in pieces}
        self.doomed = [upload(rnd.randbytes(rnd.choice((900, 70_000)))) for _ in range(60)]
        self.logs = {upload(b"begin ", appender=True): [b"begin "] for _ in range(6)}
        self.described = {name: 0 for name in rnd.sample(list(self.files), 20)}
        self.begin(self.read, self.read, self.append, self.describe, self.delete)

    def begin(self, *works):
        for i, work in enumerate(works):
            rnd = random.Random(f"{self.seed}-{i}")
            thread = threading.Thread(target=self._run, args=(work, rnd))
            self.threads.append(thread)
            thread.start()

    def _run(self, work, rnd):
        try:
            while not self.stop.is_set():
                work(rnd)
                self.counts[work.__name__] = self.counts.get(work.__name__, 0) + 1
        except BaseException as error:  # noqa: B902 - said by end()
            self.failed.append((work.__name__, repr(error)))

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive()
        assert not self.failed, f"{self.failed}\n{self.groups.tail()}"

    def read(self, rnd):
        """Never "not found", never other bytes, through any member that runs."""
        name = rnd.choice(list(self.files))
        try:
            assert rnd.choice(self.storages).download(name) == self.files[name], name
        except Refused as refused:
            assert refused.status != ENOENT, name
        except OSError:
            pass

    def append(self, rnd):
        name = rnd.choice(list(self.logs))
        piece = f"{len(self.logs[name])}:{'x' * rnd.choice((1, 50, 3000))} ".encode()
        place_for(self.groups, 103, name).append(name, piece)
        self.logs[name].append(piece)
        assert rnd.choice(self.storages).download(name)[:6] == b"begin "

    def describe(self, rnd):
        name = rnd.choice(list(self.described))
        place_for(self.groups, 103, name).set_meta(name, [("n", str(self.described[name] + 1))])
        self.described[name] += 1

    def delete(self, rnd):
        if self.doomed:
            name = self.doomed.pop()
            place_for(self.groups, 103, name).delete(name)
            self.deleted.append(name)
        self.stop.wait(0.05)

    def go_on_while_files_move(self, what, copies):
        """The command is killed in the middle, again and again; at last nothing is left but the logs, @copies of each."""
        def left():
            return sum(self.groups.content_left(n) for n in (2, 3))
        command = self.groups.command("admin", "rebalance", what)
        for _ in range(3):
            with subprocess.Popen(command, stdout=subprocess.PIPE, env=sanitizer_env(os.environ)) as mover:
                assert mover.stdout.readline()
                mover.kill()
        assert left() > 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=sanitizer_env(os.environ)) as mover:
            wait_until("all that nobody edits to have moved", lambda: self.failed or left()
                       <= copies * sum(len(b"".join(v)) for v in self.logs.values()) + 1000)
            counts = dict(self.counts)
            wait_until("all to go on", lambda: self.failed or all(
                self.counts.get(w, 0) > counts.get(w, 0) + 3 for w in ("read", "append", "describe")))
            mover.kill()
        self.end()

    def check(self):
        """What everything must be now, at each."""
        for storage in self.storages:
            for name, data in self.files.items():
                assert storage.download(name) == data
            for name, pieces in self.logs.items():
                assert storage.download(name) == b"".join(pieces)
            for name, n in self.described.items():
                assert meta_of(storage, name) == ([("n", str(n))] if n else [])
            for name in self.deleted:
                assert not storage.has(name)


def place_for(groups, cmd, name):
    """Where the tracker sends a client: 102 to read, 103 to change."""
    body = call(groups.tracker, cmd, field("group1", 16) + name.encode())
    return Storage((body[16:31].rstrip(b"\0").decode(), struct.unpack(">q", body[31:39])[0]))


def test_clients_go_on_while_files_move_and_the_mover_is_killed(groups):
    a, b = groups.start(2, 3)
    groups.start(6, 7)
    clients = Clients(groups, [a, b], {}, random.Random(11))
    clients.fill()
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    clients.go_on_while_files_move("group1", copies=1)
    groups.rebalance()
    clients.check()
    groups.wait_empty(2, 3)


def upload_some(groups, storages, rnd, path=255):
    """Name to (content, metadata)."""
    sizes = [rnd.choice((100, 4000, 80_000, 300_000)) for _ in range(150)]
    files = {rnd.choice(storages).upload(data, path=path): (data, []) for data in map(rnd.randbytes, sizes)}
    for name in rnd.sample(list(files), 40):
        files[name] = (files[name][0], [("k", name[-8:])])
        place_for(groups, 103, name).set_meta(name, files[name][1])
    return files


def kill_while_files_move(groups, what, victims):
    """One after the other, each when some have moved since the last."""
    def left():
        return sum(groups.content_left(n) for n in (2, 3))
    with subprocess.Popen(groups.command("admin", "rebalance", what), stdout=subprocess.PIPE,
                          env=sanitizer_env(os.environ), text=True) as mover:
        for victim in victims:
            before = left()
            wait_until("some to move", lambda n=before: n == 0 or left() < n)
            groups.storages[victim].kill()
            groups.start(victim)
        out = mover.stdout.read()
        assert mover.wait() == 0 and "done: nothing is left" in out, out


def test_storages_are_killed_while_files_move(groups):
    a, b = groups.start(2, 3)
    groups.start(6, 7)
    rnd = random.Random(12)
    files = upload_some(groups, (a, b), rnd)
    clients = Clients(groups, [a, b], {name: data for name, (data, _) in files.items()}, rnd)
    clients.begin(clients.read, clients.read)
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    kill_while_files_move(groups, "group1", (2, 6, 3, 7))
    clients.end()
    for storage in (a, b):
        check(storage, files)
    groups.wait_empty(2, 3)


def moved_at(groups, number, name):
    """Does that server know by itself that the file has moved?"""
    storage = groups.at(number)
    with native.Connection(storage.address) as c:
        c.prove(groups.secret)
        try:
            c.call(22, field("group1", 16) + name.encode(), 0x43)
        except Refused as refused:
            return refused.status == EREMOTE
        return False


def test_files_of_a_removed_server_move_and_a_new_one_gets_the_old_names(groups):
    a, b = groups.start(2, 3)
    groups.start(6)
    rnd = random.Random(13)
    files, by = fill(a, rnd)
    own = Member(b.address, "group1", groups.secret)  # it answers for itself and does not pass on
    for name, (_, pairs) in files.items():
        wait_until("the other member to have it", lambda n=name, p=pairs: own.has(n) and meta_of(own, n) == p)
    groups.storages[2].kill()
    wait_until("it to be OFFLINE", lambda: groups.status(2) == native.OFFLINE)
    assert groups.dfs("admin", "drain", "group1").returncode == 0
    waiting = subprocess.Popen(groups.command("admin", "rebalance", "group1"), stdout=subprocess.PIPE,
                               env=sanitizer_env(os.environ), text=True)
    line = waiting.stdout.readline()
    assert "waiting for 1 server to be in service" in line, line
    assert groups.content_left(3) > 1_000_000
    assert groups.dfs("--force", "admin", "remove", "group1", "127.0.0.2").returncode == 0
    out = waiting.stdout.read()
    assert waiting.wait() == 0 and "done: nothing is left" in out, out
    waiting.stdout.close()
    groups.wait_empty(3)
    check(b, files)
    (c,) = groups.start(4)
    for name in files:
        wait_until("the new member to know", lambda n=name: moved_at(groups, 4, n))
    assert groups.content_left(4) == 0
    groups.storages[3].kill()
    check(c, files)
    wait_until("it to be OFFLINE", lambda: groups.status(3) == native.OFFLINE)
    c.delete(by["packed"])
    assert not is_missing(c, by["packed"])  # who is away may have it, for all that anybody knows
    assert groups.dfs("--force", "admin", "remove", "group1", "127.0.0.3").returncode == 0
    wait_until("it to be called missing", lambda: is_missing(c, by["packed"]))
    place = place_for(groups, 103, by["log"])
    assert place.address == c.address  # the tracker sends clients of the old group there
    place.append(by["log"], b" more")
    assert c.download(by["log"]) == b"first second more"
    place = groups.folder / "storage4"
    groups.storages[4].stop()
    shutil.rmtree(place / "path0" / "data" / ".mirrors")  # what it has, it has without its peers
    groups.start(4)
    assert c.download(by["log"]) == b"first second more"


def test_keys_of_adopted_files_go_on_when_the_files_have_moved():
    c = S3Cluster(groups=2, members=2)
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="old")
        rnd = random.Random(14)
        files = {}
        for i, size in enumerate((0, 900, 60_000, 2_500_000)):
            storage = c.member(1, 1 + i % 2)
            data = rnd.randbytes(size)
            files[storage.upload(data)] = data
        assert c.admin("adopt", "group1", "--bucket", "old")["adopt"]["adopted"] == len(files)

        def dfs(*words):
            return subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker",
                                   f"127.0.0.1:{c.tracker_addresses[0][1]}", "--secret", str(c.secret), *words],
                                  capture_output=True, text=True, timeout=120, env=sanitizer_env(os.environ))
        s3.put_object(Bucket="old", Key="a gateway's", Body=b"stays here")
        assert dfs("admin", "drain", "group1").returncode == 0
        done = dfs("admin", "rebalance", "group1", "group2")
        assert done.returncode == 0 and f"{len(files)} files" in done.stdout, done.stdout + done.stderr
        for key, data in files.items():
            assert s3.get_object(Bucket="old", Key=key)["Body"].read() == data
            assert s3.head_object(Bucket="old", Key=key)["ContentLength"] == len(data)
            if data:
                part = s3.get_object(Bucket="old", Key=key, Range="bytes=10-99")["Body"].read()
                assert part == data[10:100]
        assert s3.get_object(Bucket="old", Key="a gateway's")["Body"].read() == b"stays here"
        # found again, in another bucket: by the names that the old group still knows
        s3.create_bucket(Bucket="again")
        again = c.admin("adopt", "group1", "--bucket", "again", "--prefix", "p/")["adopt"]
        assert again["adopted"] + again["taken"] + again["known"] >= len(files), again
        gone = next(name for name, data in files.items() if len(data) == 900)
        c.member(1, 1).delete(gone)
        wait_until("the key to go with its file", lambda: not readable(s3, "old", gone))
        c.stop()
    finally:
        c.remove()


def readable(s3, bucket, key):
    try:
        s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return True
    except s3.exceptions.NoSuchKey:
        return False
