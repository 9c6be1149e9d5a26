# SPDX-License-Identifier: Apache-2.0
"""dfs admin rebalance GROUP/M01: files of FastDFS clients leave a drained store path, and their old ids go on working."""
import errno
import http.client
import json
import os
import random
import shutil
import subprocess

import pytest

from cluster import sanitizer_env, wait_until
from faults import Faults
from nativecluster import EAGAIN, EEXIST, EINVAL, ENOENT, OFFLINE, Refused, until_done
from s3cluster import Member, S3Cluster
from test_drain import dfs
from test_native_move import Clients, Groups, answer, check, fill, is_missing, kill_while_files_move, place_for, upload_some

PATH = "group1/M01"


class Paths(Groups):
    """The same with two store paths a server, of which M01 is emptied."""

    def __init__(self, **options):
        super().__init__(paths=2, **options)

    def drain(self):
        done = self.dfs("admin", "drain", "group1", "M01")
        assert done.returncode == 0, done.stderr

    def rebalance(self, *words):
        done = self.dfs("admin", "rebalance", PATH, *words)
        assert done.returncode == 0, done.stdout + done.stderr + self.tail()
        assert "done: nothing is left to be moved" in done.stdout
        return done

    def data(self, number, path=1):
        return super().data(number, path)

    def content_left(self, number):  # metadata leave, too: the links do
        return super().content_left(number, path=1, meta=True)

    def new_disk(self, *numbers):
        """The disks of M01 are taken out, and empty ones put in, one server after the other."""
        for number in numbers:
            self.storages[number].stop()
            shutil.rmtree(self.data(number))
            self.start(number)
        members = [n for n, program in self.storages.items() if n < 6 and program.running()]
        for number in members if len(members) > 1 else ():  # so that each has what the other has answered
            self.wait_copies(number)
        return [self.at(n) for n in numbers]


@pytest.fixture
def paths():
    c = Paths()
    try:
        yield c
        for program in c.storages.values():
            if program.running():
                program.stop()
    finally:
        c.remove()


def test_a_deletion_that_the_old_path_does_not_hear_of_may_be_asked_for_again(tmp_path):
    """It is done on the new path, so that an error from which a client concludes that the file is there would be wrong."""
    paths, faults = Paths(), Faults(tmp_path)
    try:
        paths.prepare(2).env = faults.env()
        (a,) = paths.start(2)
        name = a.upload(b"content" * 20_000, path=1)
        paths.drain()
        paths.rebalance()
        faults.syncs("storage2/path1", error=errno.EIO)
        assert answer(a.delete, name) == EAGAIN
        faults.clear()
        wait_until("it to be gone", lambda: answer(a.delete, name) in (0, ENOENT) and is_missing(a, name))
    finally:
        faults.clear()
        paths.remove()


def test_files_of_all_kinds_leave_a_path_and_old_ids_do_all_they_did(paths):
    a, b = paths.start(2, 3)
    rnd = random.Random(5)
    files, by = fill(a, rnd, path=1)
    more, other = fill(b, rnd, path=1)
    files.update(more)
    assert {name[:3] for name in files} == {"M01"}
    elsewhere = a.upload(b"on the other path", path=0)
    early = paths.dfs("admin", "rebalance", PATH)
    assert early.returncode == 3 and "first, dfs admin drain group1 M01" in early.stderr
    paths.drain()
    wait_until("what the other member took to be there, too", lambda: paths.content_left(2) > 3_000_000)

    def dry_run():
        done = paths.dfs("--json", "--dry-run", "admin", "rebalance", PATH)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])
    wait_until("both servers to take nothing there", lambda: dry_run()["servers_open"] == 0)
    first = dry_run()
    content = sum(len(data) for name, (data, _) in files.items() if name not in (by["link"], other["link"]))
    assert (first["to_go"], first["to_go_bytes"], first["moved"], first["done"]) == (len(files), content, 0, False)
    paths.rebalance()
    for storage in (a, b):
        check(storage, files)
    paths.wait_empty(2, 3)
    assert not links(paths, 2, 1) and len(links(paths, 2, 0)) == 2
    again = paths.rebalance()  # there is nothing to do
    assert f"{PATH}: {len(files)} files" in again.stdout
    last = dry_run()
    assert last["store_path"] == "M01" and last["moved"] == len(files)
    assert last["left"] == last["to_go"] == last["to_go_bytes"] == 0
    assert a.download(elsewhere) == b"on the other path"

    a, b = paths.new_disk(2, 3)
    for storage in (a, b):
        check(storage, files)
    log = by["log"]
    a.append(log, b" third")
    big = rnd.randbytes(300_000)
    until_done(b.append, log, big)
    until_done(a.modify, log, 0, b"FIRST")
    for storage in (a, b):
        wait_until("it to be the same at both", lambda s=storage: s.download(log) == b"FIRST second third" + big)
    until_done(b.truncate, log, 5)
    wait_until("it to be the same at both", lambda: a.download(log) == b"FIRST" and b.info(log)[0] == 5)
    until_done(a.set_meta, log, [("x", "1")])
    until_done(place_for(paths, 103, log).set_meta, log, [("y", "2")], "M")
    wait_until("both to have both", lambda: all(sorted(s.get_meta(log)) == [("x", "1"), ("y", "2")] for s in (a, b)))
    with pytest.raises(Refused) as refused:
        a.append(by["plain"], b"no appender")
    assert refused.value.status == EINVAL
    link = a.link(by["plain"])
    assert a.download(link) == files[by["plain"]][0] and link.startswith("M00/")
    a.delete(by["plain"])  # as ever, a link is nothing without the file
    wait_until("both links to be nothing", lambda: not (a.has(link) or a.has(by["link"]) or b.has(by["link"])))
    files.pop(by["plain"])
    files.pop(by["link"])
    by["plain"] = other["plain"]
    slaves = {}
    for size in (4, 300_000):  # collected, and streamed
        slave = a.upload_slave(by["plain"], f"_l{size}", rnd.randbytes(size), "png")
        assert slave.startswith(by["plain"].rsplit(".", 1)[0])
        slaves[slave] = (a.download(slave), [])
        with pytest.raises(Refused) as refused:
            a.upload_slave(by["plain"], f"_l{size}", b"again", "png")
        assert refused.value.status == EEXIST
    with pytest.raises(Refused) as refused:
        a.upload_slave(next(iter(files)), "_small", b"again", "png")  # its name is known, though it lies elsewhere
    assert refused.value.status == EEXIST
    new = a.regenerate(log)
    assert new.startswith("M00/") and a.download(new) == b"FIRST" and not a.has(log)
    wait_until("the other member to hear of it", lambda: not b.has(log))

    # slaves that came since leave in their turn
    paths.rebalance()
    paths.wait_empty(2, 3)
    a, b = paths.new_disk(2, 3)
    for storage in (a, b):
        check(storage, slaves)

    # deletions
    gone = [by["packed"], other["link"], by["slave"], other["log"]]  # a link alone, what it led to stays
    for i, name in enumerate(gone):
        (a, b)[i % 2].delete(name)
    for name in gone:
        for storage in (a, b):
            wait_until("the other member to hear of it", lambda s=storage, n=name: not s.has(n))
        with pytest.raises(Refused) as refused:
            a.delete(name)
        assert refused.value.status == ENOENT
    reborn = a.upload_slave(next(iter(files)), "_small", b"made anew", "png")
    assert reborn == by["slave"]
    for number in (2, 3):
        paths.storages[number].kill()
    a, b = paths.start(2, 3)
    for name in [*gone, log]:
        files.pop(name)
        for storage in (a, b):
            if name != reborn:
                wait_until(f"{name} to be called missing", lambda s=storage, n=name: is_missing(s, n))
    for storage in (a, b):
        check(storage, {**files, **slaves, reborn: (b"made anew", [])})


def links(paths, number, path):
    """FastDFS's links that lie on a path and lead somewhere."""
    return [p for p in paths.data(number, path).glob("??/??/*") if p.is_symlink() and p.exists()]


def test_a_server_alone_gets_a_new_disk(paths):
    (a,) = paths.start(2)
    files, by = fill(a, random.Random(6), path=1)
    paths.drain()
    paths.rebalance()
    (a,) = paths.new_disk(2)
    check(a, files)  # what the old ids need was not on that disk
    a.append(by["log"], b" third")
    a.delete(by["slave"])
    files[by["log"]] = (b"first second third", [])
    files[by["slave"]] = (b"made anew", [])
    assert a.upload_slave(next(iter(files)), "_small", b"made anew", "png") == by["slave"]
    # the path is used again, and the one that has the files and their old names is emptied into it
    assert paths.dfs("admin", "undrain", "group1", "M01").returncode == 0
    assert paths.dfs("admin", "drain", "group1", "M00").returncode == 0
    done = paths.dfs("admin", "rebalance", "group1/M00")
    assert done.returncode == 0 and "done: nothing is left" in done.stdout, done.stdout + done.stderr
    paths.storages[2].kill()
    shutil.rmtree(paths.data(2, 0))
    (a,) = paths.start(2)
    check(a, files)
    gone = [by[word] for word in ("link", "plain", "packed", "log")]
    for name in gone:
        a.delete(name)
        assert not a.has(name)
        del files[name]
    paths.storages[2].kill()
    (a,) = paths.start(2)
    assert not any(a.has(name) for name in gone)
    check(a, files)


def test_a_file_that_cannot_be_read_is_not_called_gone(paths):
    """Else the disk would be taken out with it."""
    (a,) = paths.start(2)
    data = os.urandom(70_000)
    while True:
        name = a.upload(data, path=1)
        folder = (paths.data(2) / name[4:]).parent
        if not any(p.name.isdigit() for p in folder.iterdir()):  # the log goes on
            break
    paths.drain()
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.symlink_to(folder.name)  # each call fails with ELOOP
    with subprocess.Popen(paths.command("admin", "rebalance", PATH), stdout=subprocess.PIPE,
                          env=sanitizer_env(os.environ), text=True) as mover:
        lines = iter(mover.stdout.readline, "")
        told = next(line for line in lines if "waiting" not in line and ("tried again" in line or "done" in line))
        folder.unlink()
        aside.rename(folder)
        assert "; 1 to be tried again: Too many levels of symbolic links" in told
        last = list(lines)[-1]
        assert mover.wait() == 0 and "1 files" in last and "done: nothing is left" in last
    (a,) = paths.new_disk(2)
    assert a.download(name) == data


def test_files_of_a_log_that_cannot_be_read_are_not_called_none(paths):
    """Its writer has been removed, so nobody has another copy of it."""
    a, b = paths.start(2, 3)
    files = {b.upload(data, path=1): (data, []) for data in map(os.urandom, (5000, 70_000))}
    own = Member(a.address, "group1", paths.secret)  # it answers for itself and does not pass on
    wait_until("the other one to have them", lambda: all(own.has(n) for n in files))
    paths.storages[3].stop()
    paths.storages[2].stop()
    (mark,) = (paths.data(2) / ".mirrors").iterdir()
    right = mark.read_bytes()
    mark.write_bytes(bytes(len(right)))
    (a,) = paths.start(2)
    assert paths.dfs("--force", "admin", "remove", "group1", "127.0.0.3").returncode == 0
    paths.drain()
    with subprocess.Popen(paths.command("admin", "rebalance", PATH), stdout=subprocess.PIPE,
                          env=sanitizer_env(os.environ), text=True) as mover:
        told = next(line for line in iter(mover.stdout.readline, "") if "tried again" in line or "done" in line)
        mover.kill()
    assert "; 1 to be tried again: Bad message" in told
    paths.storages[2].stop()
    mark.write_bytes(right)
    (a,) = paths.start(2)
    paths.rebalance()
    paths.wait_empty(2)
    check(a, files)
    (a,) = paths.new_disk(2)  # nobody is left whom it would have to catch up with
    check(a, files)


def test_a_disk_that_takes_no_writes_fills_no_other(tmp_path, monkeypatch):
    """Nor can anything be noted on it, so each copy of a file would be one more that nobody names."""
    faults = Faults(tmp_path)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    c = Paths()
    try:
        (a,) = c.start(2)
        files = {a.upload(data, path=1): (data, []) for data in map(os.urandom, [70_000] * 5)}

        def copies():
            return sum(not p.is_symlink() and not p.name.isdigit() for p in c.data(2, 0).glob("??/??/*"))
        faults.entries(str(c.data(2).parent), error=errno.EROFS)
        with pytest.raises(Refused):
            a.upload(os.urandom(70_000), path=1)
        wait_until("it to be known", lambda: "store.path_takes_no_writes path=1" in c.storages[2].whole_log())
        c.drain()
        with subprocess.Popen(c.command("admin", "rebalance", PATH), stdout=subprocess.PIPE,
                              env=sanitizer_env(os.environ), text=True) as mover:
            told = next(line for line in iter(mover.stdout.readline, "") if "tried again" in line or "done" in line)
            before = copies()
            faults.clear()
            out = mover.stdout.read()
            assert mover.wait() == 0 and "5 files" in out and "done: nothing is left" in out, out
        assert "; 5 to be tried again: Read-only file system" in told
        assert (before, copies()) == (0, 5)
        check(a, files)
    finally:
        faults.clear()
        c.remove()


def test_clients_go_on_while_files_leave_a_path_and_everything_is_killed(paths):
    a, b = paths.start(2, 3)
    clients = Clients(paths, [a, b], {}, random.Random(11))
    clients.fill(path=1)
    paths.drain()
    clients.go_on_while_files_move(PATH, copies=2)
    paths.rebalance()
    paths.wait_empty(2, 3)
    clients.check()
    clients.storages = paths.new_disk(2, 3)
    clients.check()


def test_storages_are_killed_while_files_leave_a_path(paths):
    a, b = paths.start(2, 3)
    rnd = random.Random(12)
    files = upload_some(paths, (a, b), rnd, path=1)
    clients = Clients(paths, [a, b], {name: data for name, (data, _) in files.items()}, rnd)
    clients.begin(clients.read, clients.read)
    paths.drain()
    kill_while_files_move(paths, PATH, (2, 3, 2, 3))
    clients.end()
    paths.wait_empty(2, 3)
    # who joins gets it all from what is kept on the other path, as no log of the old one is left
    for storage in paths.new_disk(2):
        check(storage, files)
    paths.storages[3].stop()
    wait_until("it to be OFFLINE", lambda: paths.status(3) == OFFLINE)
    assert paths.dfs("--force", "admin", "remove", "group1", "127.0.0.3").returncode == 0
    (c,) = paths.start(4)
    paths.storages[2].kill()
    check(c, files)


def test_files_of_a_path_may_go_to_another_group_and_who_lags_hears_of_it(paths):
    a, b = paths.start(2, 3)
    paths.start(6)
    files, by = fill(a, random.Random(13), path=1)
    for name in (by["link"], by["plain"]):
        a.delete(name)  # a link to another group there is none
        del files[name]
    wait_until("both to be gone there", lambda: not (b.has(by["link"]) or b.has(by["plain"])))
    paths.drain()
    paths.storages[3].kill()
    wait_until("it to be OFFLINE", lambda: paths.status(3) == OFFLINE)
    with subprocess.Popen(paths.command("admin", "rebalance", PATH, "group2"), stdout=subprocess.PIPE,
                          env=sanitizer_env(os.environ), text=True) as mover:
        line = mover.stdout.readline()
        assert "waiting for 1 server to be in service" in line and "to go" not in line, line
        assert paths.content_left(2) > 1_000_000
        paths.start(3)
        out = mover.stdout.read()
        assert mover.wait() == 0 and "done: nothing is left" in out, out
    paths.wait_empty(2, 3)
    a, b = paths.new_disk(2, 3)
    for storage in (a, b):
        check(storage, files)
    until_done(b.append, by["log"], b" third")
    wait_until("it to be the same at both", lambda: a.download(by["log"]) == b"first second third")
    a.delete(by["slave"])
    wait_until("it to be gone", lambda: is_missing(b, by["slave"]))


@pytest.mark.parametrize("members, local", [(2, ()), (1, [(1, 1)])])
def test_keys_and_urls_of_files_go_on_when_their_path_is_emptied(members, local):
    """Of servers on other machines, and of one on the gateway's."""
    c = S3Cluster(members=members, local=local, paths=2, settings="native_url = group1\n")
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="old")
        rnd = random.Random(14)
        files = {}
        for i, size in enumerate((0, 900, 60_000, 2_500_000)):
            data = rnd.randbytes(size)
            files[c.member(1, 1 + i % members).upload(data, path=1)] = data
        assert c.admin("adopt", "group1", "--bucket", "old")["adopt"]["adopted"] == len(files)
        s3.put_object(Bucket="old", Key="a gateway's", Body=b"goes its own way")

        def url(name, method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", c.port, timeout=60)
            connection.request(method, f"/group1/{name}")
            with connection.getresponse() as answer:
                return answer.status, answer.read(), answer.getheader("Content-Length")

        def all_there():
            for name, data in files.items():
                assert s3.get_object(Bucket="old", Key=name)["Body"].read() == data
                if data:
                    part = s3.get_object(Bucket="old", Key=name, Range="bytes=10-99")["Body"].read()
                    assert part == data[10:100]
                assert url(name)[:2] == (200, data) and url(name, "HEAD")[2] == str(len(data))
            assert s3.get_object(Bucket="old", Key="a gateway's")["Body"].read() == b"goes its own way"

        log = c.member(1, 1).upload(b"a log", appender=True, path=1)
        slave = c.member(1, 1).upload_slave(log, "_s", b"a slave")
        assert (url(log)[:2], url(slave)[:2]) == ((200, b"a log"), (200, b"a slave"))
        all_there()
        assert dfs(c, "admin", "drain", "group1", "M01").returncode == 0
        done = dfs(c, "admin", "rebalance", PATH)
        assert done.returncode == 0 and f"{len(files) + 2} files" in done.stdout, done.stdout + done.stderr
        all_there()
        c.member(1, 1).append(log, b" grows")
        assert (url(log)[:2], url(slave)[:2]) == ((200, b"a log grows"), (200, b"a slave"))
        for member in range(1, members + 1):  # new disks, one after the other
            c.storages[1, member].stop()
            shutil.rmtree(c.storages[1, member].folder / "path1" / "data")
            c.storages[1, member].start().wait_ready()
            c.wait_active((1, member))
        wait_until("the gateway to have its servers back", lambda: url(next(iter(files)))[0] == 200)
        all_there()
        assert (url(log)[:2], url(slave)[:2]) == ((200, b"a log grows"), (200, b"a slave"))
        gone = next(name for name, data in files.items() if len(data) == 900)
        c.member(1, members).delete(gone)
        wait_until("its URL to go with it", lambda: url(gone)[0] == 404)
        c.stop()
    finally:
        c.remove()
