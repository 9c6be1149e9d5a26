# SPDX-License-Identifier: Apache-2.0
"""A disk of one member takes no writes, or is slow: it is left out of choice, and comes back by itself."""
import errno
import json
import os
import re
import subprocess
import time

import nativecluster as native
import pytest
from cluster import BUILD, sanitizer_env, wait_until
from faults import Faults
from nativecluster import Refused
from s3cluster import S3Cluster

SLOW_S = 1.2  # a little more than slow_disk


class Sick:
    """Members 2 and 3 of a group; disks of 3 fail when they are told to."""

    def __init__(self, tmp_path, monkeypatch, **options):
        self.faults = Faults(tmp_path)
        for name, value in self.faults.env().items():
            monkeypatch.setenv(name, value)
        self.cluster = native.NativeCluster(**options)
        self.a, self.b = self.cluster.add(2), self.cluster.add(3)
        self.cluster.wait_copies(2, 2)
        self.cluster.wait_copies(3, 2)
        self.stored = {}

    def fail(self, path, **how):
        self.faults.syncs(str(self.cluster.folder / f"storage3/path{path}"), **(how or {"error": errno.EIO}))

    def monitor(self):
        """What `dfs monitor` says of member 3, and its exit status."""
        done = subprocess.run([str(BUILD / "dfs"), "--tracker", "%s:%d" % self.cluster.tracker, "--json", "monitor"],
                              capture_output=True, text=True, env=sanitizer_env(os.environ))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return next(x for x in lines if x.get("storage") == "127.0.0.3"), done.returncode

    def said(self):
        """Member 3 knows that its disk has failed, and has told the tracker."""
        line, status = self.monitor()
        return line["paths_without_writes"] == 1 and status == 3

    def slow(self):
        """How many of member 3's disks are slow, as it says."""
        return self.monitor()[0]["slow_paths"]

    def named(self):
        """Where the tracker sends a new file: server and path."""
        answer = native.call(self.cluster.tracker, 101)
        return answer[16:31].rstrip(b"\0").decode(), answer[39]

    def put(self, where, size=3000, **options):
        data = os.urandom(size)
        name = where.upload(data, **options)
        self.stored[name] = data
        return name

    def alike(self):
        for member in (self.a, self.b):
            native.wait_same(member, self.stored)

    def end(self):
        self.faults.clear()
        self.cluster.remove()


@pytest.fixture
def sick(tmp_path, monkeypatch):
    made = []

    def make(**options):
        made.append(Sick(tmp_path, monkeypatch, **options))
        return made[-1]
    yield make
    for s in made:
        s.end()


def refused(call, *args, **options):
    with pytest.raises(Refused) as e:
        call(*args, **options)
    return e.value.status


@pytest.mark.parametrize("trunk", [False, True], ids=["plain", "trunk"])
@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS], ids=["EIO", "EROFS"])
def test_a_group_of_two_goes_on(sick, trunk, error):
    s = sick(trunk=trunk, settings="copy_timeout = 600s\n")
    kept = s.put(s.b)
    s.fail(0, error=error)
    assert refused(s.b.upload, b"x" * 3000) in (error, errno.EIO)
    for _ in range(5):  # nobody waits for a copy that does not come
        s.put(s.a)
        s.put(s.a, 300_000)
    wait_until("it to be known", s.said)
    wait_until("the tracker to name the other one", lambda: {s.named()[0] for _ in range(6)} == {"127.0.0.2"})
    appender = s.put(s.a, appender=True)
    s.a.append(appender, b"more")
    s.stored[appender] += b"more"
    assert s.b.local().download(kept) == s.stored[kept]  # reads go on there
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)
    s.alike()
    wait_until("it to take files", lambda: s.monitor()[1] == 0)
    if not trunk:
        wait_until("the tracker to name it again", lambda: s.named()[0] == "127.0.0.3")
    s.cluster.wait_copies(2, 2)
    for member in (s.a, s.b):
        s.put(member)
    s.alike()
    log = s.cluster.storages[3].whole_log()
    assert log.count("store.path_takes_no_writes") == 1 and log.count("store.path_takes_writes_again") == 1


def test_a_disk_that_hangs_holds_writes_up_for_a_while(sick):
    """The copies of the first ones wait until the disk has been tried, which takes ten seconds."""
    s = sick(settings="copy_timeout = 600s\n")
    s.fail(0, hold=True)
    start = time.monotonic()
    s.put(s.a)
    assert time.monotonic() - start > 5  # it has been waited for
    wait_until("it to be known", s.said)
    wait_until("the tracker to name the other one", lambda: {s.named()[0] for _ in range(6)} == {"127.0.0.2"})
    for _ in range(5):
        s.put(s.a, 300_000)
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)
    s.alike()
    s.cluster.wait_copies(2, 2)


def test_one_disk_of_two(sick):
    s = sick(paths=2, settings="copy_timeout = 600s\n")
    kept = s.put(s.b, path=1)
    s.fail(1)
    for path in (0, 1):  # the first on the failing one finds out; a client's wish does not count then
        try:
            s.put(s.b, path=path)
        except Refused as e:
            assert e.status == errno.EIO
    wait_until("it to be known", s.said)
    for path in (0, 1, 255):
        for size in (3000, 300_000):
            assert s.put(s.b, size, path=path).startswith("M00/")
            s.put(s.a, size, path=path)
    wait_until("the tracker to have heard", lambda: all(s.named() != ("127.0.0.3", 1) for _ in range(8)))
    assert refused(s.b.delete, kept) == errno.EIO
    assert s.a.download(kept) == s.stored[kept]
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)
    s.alike()
    wait_until("it to take files there", lambda: s.named() == ("127.0.0.3", 1))
    assert s.put(s.b, path=1).startswith("M01/")


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOTDIR, errno.ENOSPC], ids=["EACCES", "ENOTDIR", "ENOSPC"])
def test_a_directory_that_refuses(sick, error):
    """What the disk takes: of a wrong owner after a restore, say. With its neighbours, since the next file may go to the
    next one; a log may have one of those, too, and meet it first."""
    s = sick(settings="copy_timeout = 600s\n")
    high = s.put(s.a).split("/")[1]
    s.faults.entries(str(s.cluster.folder / f"storage3/path0/data/{high}/"), error)
    kept = s.put(s.a)
    for _ in range(5):  # nobody waits for a copy that does not come
        s.put(s.a)
    wait_until("it to be known", s.said)
    wait_until("the tracker to name the other one", lambda: {s.named()[0] for _ in range(6)} == {"127.0.0.2"})
    s.a.delete(kept)
    del s.stored[kept]
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)
    s.alike()
    wait_until("it to take files", lambda: s.monitor()[1] == 0)
    wait_until("the tracker to name it again", lambda: s.named()[0] == "127.0.0.3")
    s.cluster.wait_copies(2, 2)
    s.put(s.b)
    s.alike()
    log = s.cluster.storages[3].whole_log()
    assert re.search(f"store.path_takes_no_writes path=0 directory=data/{high}/[0-9A-F][0-9A-F] err=", log)
    assert log.count("store.path_takes_no_writes") == 1 and log.count("store.path_takes_writes_again") == 1


def test_a_directory_of_copied_logs_that_refuses(sick):
    s = sick(trunk=True, settings="copy_timeout = 600s\n")
    s.put(s.a)
    paths = [s.cluster.folder / f"storage{n}/path0/data" for n in (2, 3)]
    high, low = next(paths[0].glob("??/??/000001")).parts[-3:-1]
    assert (paths[1] / high / low / "000001").exists()
    s.faults.entries(f"{paths[1]}/{high}/{low}/", errno.EACCES)
    for _ in range(5):
        s.put(s.a)
    wait_until("it to be known", s.said)
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)
    s.alike()
    log = s.cluster.storages[3].whole_log()
    assert re.search(f"store.path_takes_no_writes path=0 directory=data/{high}/{low} err=EACCES", log)
    assert log.count("store.path_takes_no_writes") == 1


@pytest.mark.parametrize("fresh", [False, True], ids=["another_mark", "the_first_mark"])
@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOSPC], ids=["EACCES", "ENOSPC"])
def test_the_directory_of_marks_refuses(sick, error, fresh):
    """It cannot say how far it has the other's log: what it takes is no copy until it can."""
    s = sick(settings="copy_timeout = 600s\n")
    if not fresh:
        s.put(s.a)
        s.alike()
    s.faults.entries(f"{s.cluster.folder}/storage3/path0/data/.mirrors", error)
    for _ in range(5):  # nobody waits for a copy that does not come
        s.put(s.a)
    wait_until("it to be known", s.said)
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)
    s.alike()
    s.cluster.wait_copies(2, 2)
    s.put(s.a)
    s.alike()
    log = s.cluster.storages[3].whole_log()
    assert f"store.path_takes_no_writes path=0 directory=data/.mirrors err={errno.errorcode[error]}" in log
    assert log.count("store.path_takes_no_writes") == 1 and log.count("store.path_takes_writes_again") == 1


def test_a_slow_disk(sick):
    """The tracker sends new files to the others. Copies are waited for all the same."""
    s = sick(settings="copy_timeout = 600s\n")
    kept = s.put(s.b)
    s.fail(0, delay=SLOW_S)
    s.put(s.b)
    wait_until("it to be known", s.slow)
    wait_until("the tracker to name the other one", lambda: {s.named()[0] for _ in range(6)} == {"127.0.0.2"})
    for where in (s.a, s.b):  # who names it is not refused
        name = s.put(where)
        assert s.b.local().download(name) == s.a.local().download(name) == s.stored[name]
    assert s.b.download(kept) == s.stored[kept]
    wait_until("everything to be copied", lambda: s.monitor()[1] == 0)  # slow is healthy
    s.faults.clear()
    wait_until("it to be quick again", lambda: not s.slow())
    wait_until("the tracker to name it again", lambda: s.named()[0] == "127.0.0.3")
    s.alike()
    said = re.findall(r"store\.path_(slow|quick_again)", s.cluster.storages[3].whole_log())
    assert said[:2] == ["slow", "quick_again"]
    assert all(one != next_one for one, next_one in zip(said, said[1:])), said  # once each time: a busy disk may be slow again


def test_one_slow_disk_of_two(sick):
    s = sick(paths=2, settings="copy_timeout = 600s\n")
    s.fail(1, delay=SLOW_S)
    s.put(s.b, path=1)
    wait_until("it to be known", s.slow)
    for path in (0, 1, 255):  # a client's wish does not count then
        for size in (3000, 300_000):
            assert s.put(s.b, size, path=path).startswith("M00/")
    # Nor elsewhere, for ten seconds after a write there has waited for its copy.
    wait_until("the other to place files where copies come soon", lambda: s.put(s.a, path=1).startswith("M00/"))
    wait_until("the tracker to have heard", lambda: {s.named()[1] for _ in range(8)} == {0})
    assert {s.named()[0] for _ in range(8)} == {"127.0.0.2", "127.0.0.3"}
    s.faults.clear()
    wait_until("it to be quick again", lambda: not s.slow())
    wait_until("it to take files there", lambda: s.named() == ("127.0.0.3", 1))
    assert s.put(s.b, path=1).startswith("M01/")
    s.alike()


def test_when_all_disks_are_slow_nobody_is_refused(sick):
    s = sick(settings="copy_timeout = 600s\nslow_disk = 300ms\n")
    s.faults.syncs(str(s.cluster.folder / "storage"), delay=0.4)
    s.put(s.a)
    s.put(s.b)
    for storage in s.cluster.storages.values():
        wait_until("it to be known", lambda p=storage: "store.path_slow" in p.whole_log())
    wait_until("the tracker to name both", lambda: {s.named()[0] for _ in range(6)} == {"127.0.0.2", "127.0.0.3"})
    s.put(s.a)
    s.put(s.b)
    s.faults.clear()
    s.alike()


def test_a_number_stays_strict(sick):
    s = sick(settings="min_copies = 2\ncopy_timeout = 600s\n")
    s.fail(0)
    start = time.monotonic()
    assert refused(s.a.upload, b"x" * 3000) == native.EAGAIN
    assert refused(s.a.upload, b"x" * 3000) == native.EAGAIN
    assert time.monotonic() - start < 60  # and not after ten minutes
    s.faults.clear()
    wait_until("it to be well", lambda: s.monitor()[0]["paths_without_writes"] == 0)

    def taken():
        try:
            return s.put(s.a)
        except Refused as e:
            assert e.status == native.EAGAIN
            return None
    wait_until("writes to be taken", taken)
    s.alike()


@pytest.fixture
def small():
    """Two members, the second on a file system of 24 MiB. Mounting needs root, as in CI; see tests/README.md."""
    cluster = native.NativeCluster(settings="copy_timeout = 2s\n")
    disk = cluster.folder / "storage3" / "path0"
    try:
        first = cluster.add(2)
        cluster.prepare(3)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
        assert done.returncode == 0, f"the disk-full tests need root to mount a tmpfs: {done.stderr.decode()}"
        second = cluster.add(3)
        cluster.wait_copies(2, 2)
        yield first, second, disk
    finally:
        for program in cluster.programs:
            program.kill()
        subprocess.run(["umount", "-l", str(disk)], check=False)
        cluster.remove()


def room(disk):
    space = os.statvfs(disk)
    return space.f_bavail * space.f_frsize


def test_a_member_with_a_full_disk_hears_of_what_makes_room(small):
    """What did not fit was taken back by its writer, and stands before the deletions in the log."""
    first, second, disk = small
    stored = {}
    refusals = 0
    while refusals < 3:  # by a full disk, that is
        data = os.urandom(300_000)
        try:
            stored[first.upload(data)] = data
        except Refused as e:
            assert e.status == native.EAGAIN
            refusals += room(disk) < 2_000_000

    def passes(call, *args):
        try:
            return call(*args) or True
        except Refused as e:
            assert e.status in (native.EAGAIN, native.ENOENT)
            return e.status == native.ENOENT  # the one that was not acknowledged has been done
    for name in list(stored)[::2]:
        wait_until("a deletion to pass", lambda name=name: passes(first.delete, name))
        stored[name] = None
    name = wait_until("an upload to pass", lambda: passes(first.upload, b"x" * 300_000))
    stored[name] = b"x" * 300_000
    for member in (first, second):
        native.wait_same(member, stored)


def test_s3_goes_on_too(tmp_path, monkeypatch):
    faults = Faults(tmp_path)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    cluster = S3Cluster(members=2)
    try:
        cluster.start()
        s3 = cluster.boto3()
        s3.create_bucket(Bucket="bucket")
        faults.syncs(str(cluster.storages[1, 1].folder), error=errno.EIO)
        stored = {}
        for i in range(20):
            for size in (1000, 400_000, 6_000_000 if i % 10 == 0 else 5000):
                data = os.urandom(size)
                s3.put_object(Bucket="bucket", Key=f"k{i}-{size}", Body=data)
                stored[f"k{i}-{size}"] = data
        assert faults.failed() > 0
        for key, data in stored.items():
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == data
        faults.clear()
        wait_until("it to be well", lambda: "store.path_takes_writes_again" in cluster.storages[1, 1].whole_log())
        for key, data in stored.items():
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == data
    finally:
        faults.clear()
        cluster.remove()
