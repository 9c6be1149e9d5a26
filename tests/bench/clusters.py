# SPDX-License-Identifier: Apache-2.0
"""clusters - what bench.py's section `cluster` measures, on trackers, storages and a gateway of their own, on 127.0.x.y.

lag       Load of native uploads at one member. Beside it single files are uploaded there and looked for at the other
          member itself: from the acknowledgement to the end of the first look that finds it. Bytes and changes that the
          other lacks are what the first says (SYNC_STATE, as in `dfs monitor`), sampled: content of plain files is counted.
join      From the start of an empty member's process to ACTIVE, beside one stream of rsync and of cp of the same
          directory, each with the sync of the file system that follows, alternating; then some files are looked for.
fail-over kill -9 of one storage while one client writes and one reads through the gateway, request after request: to
          the end of the first request that began after the kill and succeeded; and the longest request of that time.
"""
import collections
import concurrent.futures
import contextlib
import os
import random
import shutil
import statistics
import struct
import subprocess
import threading
import time

import servers
from servers import MIB

KIB = 1024
# Packed as a gateway packs: below 256 KiB. Of the sizes measured here 4 KiB is a packed file and 1 MiB a plain one.
PACKS = "use_trunk_file = true\nslot_max_size = 256KB\n"
LOOK_S, SAMPLE_S, PROBE_S = 0.0005, 0.05, 0.01


def harness():
    """The integration tests' clusters; cluster.py reads S3GW_BUILD when imported."""
    import cluster
    import nativecluster
    import s3cluster
    return cluster, nativecluster, s3cluster


@contextlib.contextmanager
def group(members, running, **how):
    """A group of @members, the first @running of them in service."""
    c = harness()[2].S3Cluster(members=members, tracker_settings=PACKS, **how)
    try:
        for tracker in c.trackers:
            tracker.start().wait_ready()
        for number in range(1, running + 1):
            c.storages[1, number].start().wait_ready()
        c.wait_active(*((1, number) for number in range(1, running + 1)))
        yield c
    except Exception:
        print(c.tail())
        raise
    finally:
        c.remove()


def connect(member):
    """A connection to a member as from another one: it answers for itself."""
    return harness()[1].Connection(member.address).prove(member.secret)


def endpoint(c, number):
    return f"127.0.1.{number}:{c.storages[1, number].port}"


def note(bench, work, durability, figure, beside="", **numbers):
    bench.cluster_figures.append(dict(work=work, durability=durability, figure=figure, beside=beside, **numbers))


def show(figures):
    print(f"\n{'cluster':38} {'durability':14} {'figure':58} beside")
    for f in figures:
        print(f"{f['work']:38.38} {f['durability']:14} {f['figure']:58} {f['beside']}".rstrip())


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p50_p99(values, text):
    return ", ".join(f"{name} {text(v)}" for name, v in (("p50", percentile(values, 0.5)),
                                                        ("p99", percentile(values, 0.99)), ("max", max(values))))


def milliseconds(seconds):
    return f"{seconds * 1e3:.1f} ms"


def amount(count):
    return f"{count / MIB:.1f} MiB" if count >= MIB else f"{count / KIB:.0f} KiB"


# --- lag ----------------------------------------------------------------------------------------


def lacks(connection):
    """(changes, bytes) of the answering member's that the one other member lacks; None: it knows of none in service."""
    body = connection.call(193)
    changes, bytes_, _, heard_ms = struct.unpack(">qqqq", body[21:53]) if body[2] else (0, 0, 0, -1)
    return (changes, bytes_) if heard_ms >= 0 and body[19] == harness()[1].ACTIVE else None


class Probes:
    """Files uploaded at one member and looked for at the other, in the order of their upload, which is the log's."""

    def __init__(self, first, other, size):
        self.first, self.other = first, other
        self.upload = struct.pack(">BQ6s", 0, size, b"bin") + os.urandom(size)
        self.waited_for = collections.deque()  # (when acknowledged, question)
        self.seen = []                         # (when acknowledged, seconds to be readable at the other)

    def put(self):
        answer = self.first.call(11, self.upload)
        self.waited_for.append((time.monotonic(), struct.pack(">qq", 0, 0) + answer))

    def look(self):
        """Is the oldest one there?"""
        acknowledged, question = self.waited_for[0]
        try:
            assert self.upload.endswith(self.other.call(14, question))
        except harness()[1].Refused as refused:
            assert refused.status == harness()[1].ENOENT
            return False
        self.seen.append((acknowledged, time.monotonic() - acknowledged))
        self.waited_for.popleft()
        return True


def probe(c, size, until):
    """Probes until @until is set, the last of them seen."""
    with connect(c.member(1, 1)) as first, connect(c.member(1, 2)) as other:
        probes, due = Probes(first, other, size), 0
        while not until.is_set() or probes.waited_for:
            if time.monotonic() >= due and not until.is_set():
                due = time.monotonic() + PROBE_S
                probes.put()
            if not probes.waited_for or not probes.look():
                time.sleep(LOOK_S)
        return probes.seen


def sample(c, until):
    seen = []
    with connect(c.member(1, 1)) as first:
        while not until.is_set():
            seen.append((time.monotonic(), *(lacks(first) or (0, 0))))
            time.sleep(SAMPLE_S)
    return seen


def lag(bench, size, connections, copies):
    name = "1 MiB uploads" if size == MIB else f"{size // KIB} KiB uploads"
    until = threading.Event()
    durability = f"sync, {copies} cop{'y' if copies == 1 else 'ies'}"
    with group(2, 2, storage_settings=f"min_copies = {copies}") as c, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        with connect(c.member(1, 1)) as first:
            harness()[0].wait_until("the members to know each other", lambda: lacks(first))
        pids = [c.storages[1, number].process.pid for number in (1, 2)]
        words = ["--endpoint", endpoint(c, 1), "--size", size, "--keys", 65536, "--connections", connections]
        others = [pool.submit(probe, c, size, until), pool.submit(sample, c, until)]
        begun, cpu = time.monotonic() + bench.warmup, servers.cpu_s(pids[1])
        try:
            run = bench.run(f"{name}, {durability}", "native-put", *words, "--pid", pids[0], "--pid", pids[1],
                            server="group")
        finally:
            until.set()
        cpu = servers.cpu_s(pids[1]) - cpu
        times, states = ([s for s in other.result() if s[0] >= begun] for other in others)
    seconds, changes, bytes_ = [s[1] for s in times], [s[1] for s in states], [s[2] for s in states]
    follower_us = cpu * 1e6 / (run["ops_s"] * (bench.seconds + bench.warmup))
    beside = f"{run['ops_s']:.0f}/s, {run['bytes_s'] / 1e6:.0f} MB/s; follower {follower_us:.0f} us CPU a file"
    numbers = {"ops_s": run["ops_s"], "follower_cpu_us": follower_us}
    note(bench, f"lag, {name}: time", durability, p50_p99(seconds, milliseconds), beside, seconds=seconds, **numbers)
    note(bench, f"lag, {name}: bytes", durability, p50_p99(bytes_, amount), f"{len(bytes_)} samples", bytes=bytes_)
    note(bench, f"lag, {name}: files", durability, p50_p99(changes, str), changes=changes)


# --- joins ----------------------------------------------------------------------------------------


def timed(fn):
    begun = time.monotonic()
    fn()
    return time.monotonic() - begun


def copy_by(bench, source, *words):
    """Seconds of one stream that copies @source, and of the sync behind it."""
    target = bench.folder / "copy"
    seconds = timed(lambda: (subprocess.run([*words, f"{source}/", f"{target}/"], check=True), os.sync()))
    shutil.rmtree(target)
    return seconds


def join(bench, c, number, cpu):
    """Seconds from the start of member @number to ACTIVE; CPU seconds of source and joiner go to @cpu."""
    source = c.storages[1, 1].process.pid
    before, begun = servers.cpu_s(source), time.monotonic()
    joiner = c.storages[1, number].start().wait_ready()
    c.wait_active((1, number))
    seconds = time.monotonic() - begun
    cpu.append((servers.cpu_s(source) - before, servers.cpu_s(joiner.process.pid)))
    return seconds


def leave(bench, c, number):
    """The member has never been there: its process, its data, its place in the group."""
    cluster = harness()[0]
    c.storages[1, number].kill()
    shutil.rmtree(c.storages[1, number].folder / "data")
    command = [str(cluster.BUILD / "dfs"), "--tracker", "{}:{}".format(*c.tracker_addresses[0]), "--secret", str(c.secret),
               "delete-storage", "group1", f"127.0.1.{number}"]
    cluster.wait_until("the trackers to let a member go", lambda: subprocess.run(
        command, capture_output=True, check=False).returncode == 0)


def check_files(member, names, size):
    with connect(member) as other:
        for name in random.sample(names, min(len(names), 500)):
            body = struct.pack(">qq", 0, 0) + b"group1".ljust(16, b"\0") + name.encode()
            assert len(other.call(14, body)) == size, name


def join_beside_copies(bench, what, size, count, connections):
    ids, joins, rsyncs, copies, cpu = bench.folder / "ids", [], [], [], []
    with group(1 + bench.rounds, 1) as c:
        if count:
            bench.load("native-put", "--endpoint", endpoint(c, 1), "--size", size, "--keys", count, "--count", count,
                       "--connections", connections, "--id-file", ids)
        names = ids.read_text().split() if count else []
        assert len(names) == count
        os.sync()
        source = c.storages[1, 1].folder / "data"
        for number in range(2, 2 + bench.rounds):
            rsyncs.append(copy_by(bench, source, "rsync", "-a") if shutil.which("rsync") else None)
            joins.append(join(bench, c, number, cpu))
            check_files(c.member(1, number), names, size)
            copies.append(copy_by(bench, source, "cp", "-a"))
            leave(bench, c, number)
    seconds = statistics.median(joins)
    from_cpu, to_cpu = (statistics.median(each) for each in zip(*cpu))
    numbers = {"joins": joins, "rsyncs": rsyncs, "copies": copies, "cpu": cpu}
    if not count:
        note(bench, f"join, {what}", "sync", f"{seconds:.2f} s", "what is left of a join without files", **numbers)
        return
    beside = "; ".join(f"{name} {statistics.median(each):.2f} s, {statistics.median(each) / seconds:.2f}x"
                       for name, each in (("rsync -a", rsyncs), ("cp -a", copies)) if each[0] is not None)
    figure = f"{seconds:.2f} s, {count * size / seconds / 1e6:.0f} MB/s, {count / seconds:.0f} files/s"
    note(bench, f"join, {what}", "sync", figure, beside, **numbers)
    note(bench, f"join, {what}: CPU", "sync", f"joiner {to_cpu:.2f} s, source {from_cpu:.2f} s",
         f"{to_cpu * 1e6 / count:.1f} and {from_cpu * 1e6 / count:.1f} us a file", **numbers)


# --- fail-over --------------------------------------------------------------------------------------


class Client:
    """Requests one after the other, until it is closed; when each began and ended, and whether it succeeded."""

    def __init__(self, request):
        self.request, self.seen, self.closed = request, [], False
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self):
        while not self.closed:
            begun = time.monotonic()
            try:
                self.request()
                well = True
            except Exception:  # refused, cut, too late: what a killed server leads to, counted
                well = False
            self.seen.append((begun, time.monotonic(), well))

    def close(self):
        self.closed = True
        self.thread.join()

    def first_since(self, when):
        return next((end for begun, end, well in list(self.seen) if well and begun >= when), None)

    def about(self, when):
        """(to the first success, longest request, failures) since @when."""
        since = [s for s in self.seen if s[1] >= when]
        return (self.first_since(when) - when, max(end - max(begun, when) for begun, end, _ in since),
                sum(not well for _, _, well in since))


def calm(c, copies):
    """Until all members are in service and writes wait for their copies again."""
    cluster, native, _ = harness()
    c.wait_active(*c.storages)
    for member in (c.member(*which) for which in c.storages):
        cluster.wait_until("writes to wait for copies", lambda: native.call(member.address, 193)[1] == copies)


def kill_one(bench, c, s3, number, watched_s):
    cluster = harness()[0]
    body, keys = os.urandom(4 * KIB), [f"k{i}" for i in range(64)]
    for key in keys:
        s3.put_object(Bucket="bucket", Key=key, Body=body)
    clients = [Client(lambda: s3.put_object(Bucket="bucket", Key=random.choice(keys), Body=body)),
               Client(lambda: s3.get_object(Bucket="bucket", Key=random.choice(keys))["Body"].read())]
    try:
        for client in clients:
            cluster.wait_until("load", lambda: sum(s[2] for s in client.seen) >= 50)
        killed = time.monotonic()
        c.storages[1, number].kill()
        for client in clients:
            cluster.wait_until("a success", lambda: client.first_since(killed))
        time.sleep(watched_s)
    finally:
        for client in clients:
            client.close()
    return [client.about(killed) for client in clients]


def fail_over(bench, members):
    kills = []
    with group(members, members, trackers=3) as c:
        c.start_gateway()
        s3 = c.boto3()
        s3.create_bucket(Bucket="bucket")
        for i in range(members * bench.rounds):
            number = 1 + i % members
            calm(c, 2)
            kills.append(kill_one(bench, c, s3, number, 2))
            c.storages[1, number].start().wait_ready()
    for what, seen in zip(("write", "read"), zip(*kills)):
        firsts, longest, failures = zip(*seen)
        note(bench, f"kill -9 of one of {members}: {what}", "sync, 2 copies",
             f"first after {statistics.median(firsts):.3f} s, at most {max(firsts):.3f} s",
             f"longest {max(longest):.3f} s, {sum(failures)} failed in {len(kills)} kills",
             firsts=firsts, longest=longest, failures=failures)


# --- all ---------------------------------------------------------------------------------------------


def measure(bench):
    small, large = (20000, 128) if bench.args.quick else (100000, 1024)
    for copies in 1, 2:
        lag(bench, 4 * KIB, 16, copies)
        lag(bench, MIB, 4, copies)
    join_beside_copies(bench, "no files", 0, 0, 1)
    join_beside_copies(bench, f"{small:,} of 4 KiB", 4 * KIB, small, 64)
    join_beside_copies(bench, f"{large:,} of 1 MiB", MIB, large, 4)
    for members in 2, 3:
        fail_over(bench, members)
