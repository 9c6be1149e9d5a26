# SPDX-License-Identifier: Apache-2.0
"""Copies that rot, shrink or vanish at one storage: readers get the right bytes from another one, and the copy is
replaced."""
import base64
import contextlib
import errno
import json
import os
import subprocess

import botocore.exceptions
import pytest

import nativecluster as native
from cluster import BUILD, sanitizer_env, wait_until
from faults import Faults
from nativecluster import NativeCluster, Refused
from s3cluster import running

SMALL, LARGE = 40_000, 700_000  # in a pack; a file of its own, read in one piece


@pytest.fixture(scope="module", params=["remote", "beside"])
def cluster(request):
    """Three storages; in the second case the gateway shares its machine with the first."""
    local = [(1, 1)] if request.param == "beside" else ()
    with running(local=local, settings="reclaim_grace = 100ms\n") as c:
        c.local = local
        yield c


class Copy:
    """An object's bytes on the disk of the storage that made it."""

    def __init__(self, cluster, size):
        self.cluster, self.data = cluster, os.urandom(size)
        wait_until("readers to be given the one that makes it", self.made)
        self.others = [m for m in (1, 2, 3) if m != self.member]
        place = cluster.folder / f"g1m{self.member}" / "data"
        self.file = place.joinpath(*self.id.split("/")[2:])
        self.packed = not self.file.exists()
        if self.packed:
            self.file = next(f for f in self.file.parent.iterdir() if f.name.isdigit() and self.data in f.read_bytes())
        self.at = self.file.read_bytes().index(self.data)
        for m in self.others:
            wait_until("every member to have it", lambda m=m: self.at_member(m) == self.data)

    def made(self):
        """A gateway that shares its machine with a member reads from that one, and writes to it, unless that was slow."""
        self.key = os.urandom(8).hex()
        head = self.cluster.boto3().put_object(Bucket="bucket", Key=self.key, Body=self.data)
        self.id = head["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"]
        name = self.id.rsplit("/", 1)[1]
        self.member = base64.urlsafe_b64decode(name[:27] + "=")[3]
        return not self.cluster.local or self.member == 1

    def at_member(self, member):
        try:
            return self.cluster.member(1, member).download(self.id.split("/", 1)[1])
        except (Refused, OSError):
            return None

    def overwrite(self, at, data):
        with open(self.file, "r+b") as f:
            f.seek(self.at + at)
            f.write(data)

    def get(self):
        """As clients do: an answer that breaks off is asked for again."""
        for _ in range(3):
            with contextlib.suppress(botocore.exceptions.HTTPClientError, botocore.exceptions.IncompleteReadError):
                return self.cluster.boto3().get_object(Bucket="bucket", Key=self.key)["Body"].read()
        raise AssertionError("no complete answer")

    def is_right(self):
        with open(self.file, "rb") if self.file.exists() else open(os.devnull, "rb") as f:
            f.seek(self.at)
            return f.read(len(self.data)) == self.data

    def log(self):
        return (self.cluster.folder / f"g1m{self.member}" / "log").read_text()

    def lines(self):
        return [line for line in self.log().splitlines() if self.id.split("/", 1)[1] in line]

    def read_and_look(self):
        """Any member may be the one that answers: read until it is this one."""
        assert self.get() == self.data
        return self.is_right()

    def check_repaired(self, was):
        assert not self.is_right()
        wait_until("the copy to be replaced", self.read_and_look)
        assert self.get() == self.data
        wait_until("it to be said", lambda: " storage.copy_repaired " in "".join(self.lines()))
        assert sum(" storage.copy_damaged " in line for line in self.lines()) == (was == "damaged"), self.lines()
        assert sum(" storage.copy_repaired " in line and f"was={was}" in line for line in self.lines()) == 1, self.lines()
        assert self.at_member(self.member) == self.data


@pytest.mark.parametrize("where", [0, 20_000, -1], ids=["first", "middle", "last"])
def test_a_byte_that_rotted(cluster, where):
    copy = Copy(cluster, SMALL)
    assert copy.packed
    at = where % SMALL
    copy.overwrite(at, bytes([copy.data[at] ^ 1]))
    copy.check_repaired("damaged")


@pytest.mark.parametrize("cluster", ["remote"], indirect=True)
@pytest.mark.parametrize("where", [0, 500_000, -1], ids=["first", "middle", "last"])
def test_a_byte_that_rotted_in_a_large_file(cluster, where):
    """Its checksum is known at its end: the answer breaks off, and the next is right."""
    copy = Copy(cluster, LARGE)
    assert not copy.packed
    at = where % LARGE
    copy.overwrite(at, bytes([copy.data[at] ^ 1]))
    copy.check_repaired("damaged")


def test_a_file_that_was_cut(cluster):
    copy = Copy(cluster, LARGE)
    os.truncate(copy.file, 1000)
    copy.check_repaired("damaged")


def test_a_file_that_grew(cluster):
    copy = Copy(cluster, LARGE)
    with open(copy.file, "r+b") as f:
        f.write(b"x" * 1000)
        f.seek(0, 2)
        f.write(b"more")
    copy.check_repaired("damaged")
    assert copy.file.stat().st_size == LARGE


def test_a_file_that_is_gone(cluster):
    copy = Copy(cluster, LARGE)
    copy.file.unlink()
    copy.check_repaired("missing")
    assert copy.file.stat().st_mode & 0o7777 == 0o444


def test_a_record_that_was_wiped(cluster):
    copy = Copy(cluster, SMALL)
    copy.overwrite(-88, bytes(64 + 24 + SMALL))
    copy.check_repaired("missing")


@pytest.mark.parametrize("cluster", ["remote"], indirect=True)
def test_a_slot_whose_header_rotted(cluster):
    """A gateway beside the storage has the pack open and needs no slot."""
    copy = Copy(cluster, SMALL)
    copy.overwrite(-20, b"\xff\xff")
    assert copy.at_member(copy.member) is None
    for _ in range(3):
        assert copy.get() == copy.data
    wait_until("the slot to be found again", lambda: copy.at_member(copy.member) == copy.data)


def test_a_range_of_a_large_file_that_was_cut(cluster):
    copy = Copy(cluster, 3_000_000)
    os.truncate(copy.file, 2_000_000)

    def replaced():
        got = cluster.boto3().get_object(Bucket="bucket", Key=copy.key, Range="bytes=1990000-2999999")["Body"].read()
        assert got == copy.data[1_990_000:]
        return copy.is_right()
    wait_until("the copy to be replaced", replaced)


@pytest.mark.parametrize("cluster", ["remote"], indirect=True)
def test_a_disk_that_cannot_read_a_file(cluster, monkeypatch):
    faults = Faults(cluster.folder)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    for member in (1, 2, 3):
        cluster.storages[1, member].stop()
        cluster.storages[1, member].start().wait_ready()
    cluster.wait_active((1, 1), (1, 2), (1, 3))
    copy = Copy(cluster, LARGE)
    inode = copy.file.stat().st_ino
    faults.reads(str(copy.file), errno.EIO)

    def replaced():  # a gateway may be shy of a member for a while after its restart: it is asked until it has met the fault
        assert copy.get() == copy.data
        return copy.file.stat().st_ino != inode
    wait_until("the file to be replaced by another", replaced)
    faults.clear()
    assert faults.failed() > 0 and " storage.copy_damaged " in copy.log()
    wait_until("it to be read there again", lambda: copy.at_member(copy.member) == copy.data)


def test_what_is_lost_can_be_deleted_and_does_not_come_back(cluster):
    """The storage that made it knows nothing of it when the deletion comes; the others do."""
    copies = [Copy(cluster, LARGE) for _ in range(4)]
    for copy in copies:
        copy.file.unlink()
    for copy in copies[:2]:
        copy.get()  # reported as missing, and not yet restored
    for copy in copies:
        cluster.boto3().delete_object(Bucket="bucket", Key=copy.key)
    wait_until("nobody to have them",
               lambda: all(copy.at_member(m) is None for copy in copies for m in (1, 2, 3)))


@contextlib.contextmanager
def native_group(**options):
    group = NativeCluster(**options)
    try:
        yield group
    except BaseException:
        print(group.tail())
        raise
    finally:
        group.remove()


def tried(storage, name):
    """None: refused, as long as it does not know who else is in service."""
    try:
        return storage.download(name)
    except Refused as refused:
        assert refused.status in (errno.EBADMSG, errno.EAGAIN)
        return None


def test_native_readers_get_the_right_bytes_too():
    with native_group() as group:
        a, b = group.add(2), group.add(3)
        data = os.urandom(50_000)
        name = a.upload(data)
        wait_until("the copy", lambda: b.local().has(name))
        file = group.folder.joinpath("storage2/path0/data", *name.split("/")[1:])
        broken = bytearray(data)
        broken[777] ^= 4
        file.write_bytes(broken)
        wait_until("a member to be asked that has it right", lambda: tried(a, name) is not None)
        assert a.download(name) == data
        wait_until("the copy to be replaced", lambda: file.read_bytes() == data)
        os.truncate(file, 10)
        assert a.download(name, 100, 1000) == data[100:1100]
        wait_until("the copy to be replaced", lambda: file.read_bytes() == data)
        assert file.stat().st_mode & 0o777 == 0o644
        a.delete(name)
        wait_until("it to be gone", lambda: not b.local().has(name))


# --- the scrub: nobody reads ------------------------------------------------------------------------------------


class Files:
    """Native files of storage 2 on its disk and its peers'."""

    def __init__(self, group):
        self.group = group

    def path(self, member, name):
        return self.group.folder.joinpath(f"storage{member}/path0/data", *name.split("/")[1:])

    def flip(self, member, name, data):
        """One bit of the content, wherever it is, as it rots: no time tells. Returns the file and the place."""
        file = self.path(member, name)
        if not file.exists():
            file = next(f for f in file.parent.iterdir() if f.name.isdigit() and data in f.read_bytes())
        at = file.read_bytes().index(data) + len(data) // 2
        times = file.stat()
        with open(file, "r+b") as f:
            f.seek(at)
            f.write(bytes([data[len(data) // 2] ^ 8]))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        return file, at

    def state(self, member):
        """The line of `dfs monitor` about a member, and whether everything is healthy."""
        done = subprocess.run([str(BUILD / "dfs"), "--tracker", "%s:%d" % self.group.tracker, "--json", "monitor"],
                              capture_output=True, text=True, env=sanitizer_env(os.environ))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return next(x for x in lines if x.get("storage") == f"127.0.0.{member}"), done.returncode

    def log(self, member):
        return (self.group.folder / f"storage{member}" / "log").read_text()


@pytest.mark.parametrize("trunk", [False, True], ids=["plain", "trunk"])
def test_the_scrub_finds_and_repairs_what_nobody_reads(trunk):
    with native_group(trunk=trunk, settings="scrub_interval = 1s\nscrub_rate = 1GB\n") as group:
        a, b = group.add(2), group.add(3)
        files = Files(group)
        data = {a.upload(d): d for d in [os.urandom(n) for n in (10, 5000, 60_000, 1_500_000)]}
        for name in data:
            wait_until("the copy", lambda name=name: b.local().has(name))
        hurt = [(2 + i % 2, *files.flip(2 + i % 2, name, d), d) for i, (name, d) in enumerate(data.items())]
        for member, file, at, d in hurt:
            right = d[len(d) // 2]

            def repaired(file=file, at=at, right=right):
                with open(file, "rb") as f:
                    f.seek(at)
                    return f.read(1) == bytes([right])
            wait_until(f"{file} to be repaired", repaired)
        for member in (2, 3):
            wait_until("the scrub to be told of", lambda m=member: files.state(m)[0]["repaired"] == 2)
            # the round that found them may still go on; it is the first with so much to look at
            wait_until("a whole round", lambda m=member: files.state(m)[0]["scrub_last_bytes"] > 1_500_000)
            state = files.state(member)[0]
            assert state["damaged"] == 0 and state["repaired"] == 2 and state["scrub_rounds"] > 0
            assert files.log(member).count(" storage.copy_damaged ") == 2
        for name, d in data.items():
            assert a.local().download(name) == d and b.local().download(name) == d


@pytest.mark.parametrize("trunk", [False, True], ids=["plain", "trunk"])
def test_the_scrub_knows_slaves_by_their_records(trunk):
    with native_group(trunk=trunk, settings="scrub_interval = 1s\nscrub_rate = 1GB\n") as group:
        a, b = group.add(2), group.add(3)
        files = Files(group)
        master = a.upload(b"master" * 100)
        data = {a.upload_slave(master, f"_{n}", d): d for n, d in enumerate(
            os.urandom(n) for n in (10, 5000, 60_000, 1_500_000))}
        data[a.upload_slave(a.upload(b"grows", appender=True), "_of", b"an appender")] = b"an appender"
        again = next(iter(data))  # this one is deleted and made again: two records are about its name
        a.delete(again)
        data[again] = os.urandom(10)
        assert a.upload_slave(master, "_0", data[again]) == again
        for name, d in data.items():
            native.wait_same(b, {name: d})
        times = {name: files.path(3, name).stat().st_mtime_ns for name in data}
        for program in group.storages.values():
            program.stop()
        for name, d in data.items():
            files.flip(3, name, d)
        cut = next(name for name, d in data.items() if len(d) == 60_000)
        os.truncate(files.path(2, cut), 100)
        os.utime(files.path(2, cut), ns=(times[cut], times[cut]))
        a, b = group.add(2, wait=False), group.add(3)
        for name, d in data.items():
            if name != cut:
                wait_until("it to be repaired", lambda name=name, d=d: files.path(3, name).read_bytes() == d)
        # Both copies are wrong: nobody is given either, and they are not taken for each other's remedy.
        wait_until("the damage to be known", lambda: all(files.state(m)[0]["damaged"] == 1 for m in (2, 3)))
        for member in (a, b):
            with pytest.raises(Refused) as refused:
                member.local().download(cut)
            assert refused.value.status == errno.EBADMSG
        files.path(2, cut).write_bytes(data[cut])  # somebody has found the right bytes
        os.utime(files.path(2, cut), ns=(times[cut], times[cut]))
        for member in (2, 3):
            wait_until("nothing to be damaged", lambda m=member: files.state(m)[0]["damaged"] == 0, 120)
        for name, d in data.items():
            assert a.local().download(name) == d and b.local().download(name) == d
            assert files.path(3, name).stat().st_mtime_ns == times[name]


def test_a_group_of_one_says_what_is_damaged_and_gives_it_to_nobody():
    with native_group(settings="scrub_interval = 1s\nscrub_rate = 1GB\n") as group:
        a = group.add(2)
        files = Files(group)
        good, bad = os.urandom(300_000), os.urandom(300_000)
        names = [a.upload(good), a.upload(bad)]
        assert a.download(names[1], 100, 100) == bad[100:200]
        file, at = files.flip(2, names[1], bad)
        wait_until("the damage to be known", lambda: files.state(2)[0]["damaged"] == 1)
        assert files.state(2)[1] == 3, "not healthy"
        wait_until("it to be said", lambda: "storage.copy_not_repaired" in files.log(2))
        lines = [line for line in files.log(2).splitlines() if names[1] in line]
        assert [line.split()[1:3] for line in lines] == [["error", "storage.copy_damaged"],
                                                         ["error", "storage.copy_not_repaired"]]
        for count in (0, 100):
            with pytest.raises(Refused) as refused:
                a.download(names[1], 0, count)
            assert refused.value.status == errno.EBADMSG
        assert a.download(names[0]) == good
        with open(file, "r+b") as f:  # somebody has found the right bytes
            f.seek(at)
            f.write(bad[len(bad) // 2:][:1])
        wait_until("it to be taken back", lambda: files.state(2)[0]["damaged"] == 0, 120)
        assert a.download(names[1]) == bad


def test_a_round_of_the_scrub_goes_on_after_a_restart():
    with native_group(settings="scrub_interval = 1h\nscrub_rate = 1MB\n") as group:
        a = group.add(2)
        for _ in range(8):
            a.upload(os.urandom(400_000))
        state = group.folder / "storage2" / "data" / ".scrub"

        def read():
            return dict(line.split("=") for line in state.read_text().splitlines())
        wait_until("the first round to end", lambda: state.exists() and read()["rounds"] == "1")
        program = group.storages[2]
        program.stop()
        text = state.read_text().replace(f"started={read()['started']}", "started=1")
        state.write_text(text)
        conf = program.conf.read_text()
        program.conf.write_text(conf.replace("scrub_rate = 1MB", "scrub_rate = 100KB"))  # half a minute for it
        program.start().wait_ready()
        files = Files(group)
        wait_until("some of the second", lambda: files.state(2)[0]["scrub_bytes"] > 500_000)
        program.stop()
        program.conf.write_text(conf)
        before = read()
        assert before["rounds"] == "1" and int(before["began"]) > 1 and int(before["position"]) > 0
        program.start().wait_ready()
        wait_until("it to go on", lambda: files.state(2)[0]["scrub_bytes"] > int(before["bytes"])
                   or files.state(2)[0]["scrub_rounds"] == 2)
        wait_until("the second round to end", lambda: files.state(2)[0]["scrub_rounds"] == 2)
        assert 3_200_000 <= files.state(2)[0]["scrub_last_bytes"] < 3_200_000 + 1_300_000
