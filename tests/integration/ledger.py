# SPDX-License-Identifier: Apache-2.0
"""ledger - load that knows what it may find: writers, readers, and the account of what was acknowledged.

Every key belongs to one writer, so after each answer its content is known. An operation without an answer
(the server was killed) leaves two possible contents, the old and the new; the next look decides. It decides less where
an index may be made anew of the storages on the way (@rebuilds): what a storage has of the operation then becomes the
content, unless a later one has been acknowledged. And where the client lost patience the key is left alone until all is
quiet. A refusal (4xx) is wrong: what writers ask for is there. Payloads describe themselves: any byte of any answer can
be traced to the operation that wrote it, so a mixture, a truncation or a stranger's content is seen whatever the timing.
"""
import collections
import hashlib
import itertools
import random
import threading
import time

from botocore.exceptions import ClientError, HTTPClientError

from cluster import PATIENCE_S, wait_until

MISSING = None
PART = 5 << 20
GROWN_MAX = 8  # pieces of an object that grows


def payload(key, number, size):
    """Content of operation @number on @key: a first line that says what follows, then bytes from it."""
    head = f"{key}|{number}|{size}|".encode()
    seed = hashlib.sha256(head).digest()
    return (head + random.Random(seed).randbytes(max(0, size - len(head))))[:max(size, len(head))]


def content(who):
    """The bytes of what one operation wrote, or of what several put behind one another."""
    return payload(*who) if isinstance(who[0], str) else b"".join(payload(*piece) for piece in who)


def explain(body):
    """The (key, number, size) that wrote @body, or as many as put it together; raises AssertionError unless every byte is in
    its place."""
    pieces, at = [], 0
    while at < len(body) or not pieces:
        parts = body[at:at + 200].split(b"|", 3)
        assert len(parts) == 4, f"not a payload of ours: {body[at:at + 80]!r} ({len(body)} bytes, at {at})"
        pieces.append((parts[0].decode(), int(parts[1]), int(parts[2])))
        key, number, size = pieces[-1]
        want = payload(key, number, size)
        found = body[at:at + len(want)]
        if found != want:
            bad = next((i for i, (a, b) in enumerate(zip(found, want)) if a != b), len(found))
            raise AssertionError(f"content of {key} operation {number} is damaged: {len(found)} bytes of {len(want)}, "
                                 f"first difference at {bad}")
        at += len(want)
    return pieces[0] if len(pieces) == 1 else tuple(pieces)


def append_object(s3, offset, **put):
    """PutObject with a WriteOffsetBytes, which Debian's boto3 does not know."""
    def at_offset(params, **_):
        params["headers"]["x-amz-write-offset-bytes"] = str(offset)
    s3.meta.events.register("before-call.s3.PutObject", at_offset)
    try:
        return s3.put_object(**put)
    finally:
        s3.meta.events.unregister("before-call.s3.PutObject", at_offset)


def code_of(e):
    """S3's error code, of an exception that is a refusal."""
    return (getattr(e, "response", None) or {}).get("Error", {}).get("Code")


def judge(e, what):
    """After an exception of a client: can the operation still come about? Raises AssertionError when it was refused, but not
    for the moment, as an append is to an object that is just being moved."""
    if isinstance(e, ClientError) and code_of(e) != "OperationAborted":
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, f"{what}: {e}"
    return isinstance(e, HTTPClientError) and "imeout" in type(e).__name__


class Writer(threading.Thread):
    """Owns some keys; does random operations on them until stopped; keeps their ledger."""

    def __init__(self, name, cluster, bucket, connect, seed, keys=12, large=True, multipart=True, rebuilds=False):
        super().__init__(name=name, daemon=True)
        self.cluster, self.bucket, self.connect, self.large, self.multipart = cluster, bucket, connect, large, multipart
        self.random, self.rebuilds = random.Random(seed), rebuilds
        # possible contents: what was seen last, and what later operations without an answer have written, in their order
        self.states = {f"{name}/k{i:02}": [MISSING] for i in range(keys)}
        self.unseen = set()  # keys with such operations since the last look
        self.late = set()  # keys of which an operation may still come about
        self.source = set()  # what the operation reads, as it is when it comes about
        self.open = None  # an upload with its first part: (id, key, content, part)
        self.number = 0
        self.done = {"put": 0, "delete": 0, "copy": 0, "append": 0, "part": 0, "multipart": 0, "failed": 0}
        self.stop_now = threading.Event()
        self.error = None

    def fresh(self):
        """Threads run once: another one that takes over the ledger."""
        w = Writer(self.name, self.cluster, self.bucket, self.connect, self.random.random(), large=self.large,
                   multipart=self.multipart, rebuilds=self.rebuilds)
        w.states, w.open, w.number, w.done = self.states, self.open, self.number, self.done
        return w

    def run(self):
        try:
            while not self.stop_now.is_set():
                self.step()
        except Exception as e:  # noqa: BLE001 - reported by the test's thread
            self.error = e

    def size(self):
        choice = self.random.random()
        if choice < 0.7 or not self.large:
            return self.random.choice([60, 200, 1000, 4096, 20_000, 100_000])
        return self.random.choice([262_144, 262_145, 500_000, 2_000_000])

    def step(self):
        key = self.random.choice(list(self.states))
        if key in self.late:
            self.stop_now.wait(0.001)
            return
        if key in self.unseen:
            self.settle(key)
            return
        what = self.random.choices(["put", "delete", "copy", "append", "multipart"],
                                   [62, 12, 15, 8, 6 if self.multipart else 0])[0]
        self.number += 1
        self.changing, self.source = key, set()
        try:
            getattr(self, what)(self.connect(), key, self.states[key][0])
        except AssertionError:
            raise
        except Exception as e:  # noqa: BLE001 - any error leaves both contents possible
            if self.has_come_about(e):
                self.unseen.add(self.changing)
            elif judge(e, f"{what} {self.changing}"):
                self.late |= {self.changing} | self.source
            self.done["failed"] += 1
            self.last_failure = e
            self.cluster.failed()
            time.sleep(0.01)  # a server that is down refuses at once: do not spin

    def change(self, key, after, what, call):
        self.states[key], self.changing = [*self.states[key], after], key
        self.unseen.add(key)
        call()
        self.states[key] = [after]
        self.unseen.discard(key)
        self.done[what] += 1

    def has_come_about(self, e):
        """An append is refused, as there is something else by now, which may be."""
        return code_of(e) == "InvalidWriteOffset" and len(self.states[self.changing]) > 2

    def seen(self, key, found, firm):
        """Whether nothing that came before can still come about: @firm."""
        possible = self.states[key]
        assert found in possible, f"{key}: found {found}, acknowledged or possible: {possible}"
        self.states[key] = [found] if firm else possible[possible.index(found):]
        self.unseen.discard(key)

    def put(self, s3, key, _):
        after = (key, self.number, self.size())
        self.change(key, after, "put", lambda: s3.put_object(Bucket=self.bucket, Key=key, Body=payload(*after)))

    def delete(self, s3, key, _):
        self.change(key, MISSING, "delete", lambda: s3.delete_object(Bucket=self.bucket, Key=key))

    def copy(self, s3, key, _):
        source = self.random.choice(list(self.states))
        if len(self.states[source]) != 1 or self.states[source][0] is MISSING or source == key:
            return
        self.source = {source}
        self.change(key, self.states[source][0], "copy", lambda: s3.copy_object(
            Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source}))

    def append(self, s3, key, before):
        more = (key, self.number, self.random.choice([60, 4096, 300_000]))
        pieces = () if before is MISSING else (before,) if isinstance(before[0], str) else before
        if len(pieces) == GROWN_MAX:
            return
        after = (*pieces, more) if pieces else more
        self.change(key, after, "append", lambda: append_object(
            s3, sum(len(payload(*p)) for p in pieces), Bucket=self.bucket, Key=key, Body=payload(*more)))

    def multipart(self, s3, key, _):
        """Begun at one time with one part, completed at another with a second one: what was acknowledged is kept."""
        if not self.open:
            after = (key, self.number, PART + 1000)
            upload = s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
            self.open = upload, key, after, self.part(s3, key, upload, 1, payload(*after)[:PART])
            return
        upload, key, after, first = self.open
        if key in self.unseen | self.late:
            return
        self.open = None
        parts = [first, self.part(s3, key, upload, 2, payload(*after)[PART:])]
        self.change(key, after, "multipart", lambda: s3.complete_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}))

    def part(self, s3, key, upload, number, data):
        etag = s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=data)["ETag"]
        self.done["part"] += 1
        return {"PartNumber": number, "ETag": etag}

    def settle(self, key):
        """Look which of the possible contents a key has; silently give up while the server is down."""
        try:
            found = read(self.connect(), self.bucket, key)
        except ServerGone:
            self.cluster.failed()
            time.sleep(0.01)
            return
        self.seen(key, found, not self.rebuilds)

    def verify(self, firm=True):
        """Every key holds what was acknowledged (or either, where nothing was)."""
        s3 = self.connect()
        for key in self.states:
            self.seen(key, read(s3, self.bucket, key), firm)
        if firm:
            self.late.clear()


class ServerGone(Exception):
    """No answer, or a 5xx: nothing can be said about the content."""


def read(s3, bucket, key):
    """Whose content a key has: (key, number, size) or MISSING."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except Exception as e:  # noqa: BLE001
        if code_of(e) == "NoSuchKey":
            return MISSING
        judge(e, f"reading {key}")
        raise ServerGone(str(e)) from e
    return explain(body)


def abort_uploads(s3, bucket):
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for u in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=u["Key"], UploadId=u["UploadId"])


class Load:
    """Several writers and readers against one cluster; killed servers are no error, wrong content is.

    @patience: how long clients wait, each thread of one of these. @rebuilds: an index is made anew on the way.
    @versions: as many writers of versions beside them, every other one with object lock (version_ledger.py).
    @races: as many buckets where several race for each key, every other one with object lock (race_ledger.py).
    """

    def __init__(self, cluster, seed, writers=4, readers=1, versions=0, races=0, patience=(PATIENCE_S,), rebuilds=False,
                 **kw):
        self.cluster, self.seed, self.patience = cluster, seed, itertools.cycle(patience)
        self.bucket = "ledger"
        cluster.boto3().create_bucket(Bucket=self.bucket)
        self.local = threading.local()
        self.writers = [Writer(f"w{i}", cluster, self.bucket, self.client, f"{seed}/{i}", rebuilds=rebuilds, **kw)
                        for i in range(writers)]
        from race_ledger import Race  # they build on this file
        from version_ledger import VersionWriter
        self.versions = [VersionWriter(f"v{i}", cluster, self.client, f"{seed}/v{i}", lock=i % 2 == 1, rebuilds=rebuilds)
                         for i in range(versions)]
        self.races = [Race(f"r{i}", cluster, self.client, f"{seed}/r{i}", lock=i % 2 == 0) for i in range(races)]
        for w in self.versions + self.races:
            w.create_bucket()
        self.nreaders, self.reader_threads, self.reader_errors = readers, [], []
        self.paused = threading.Event()

    def client(self):
        """One client a thread and port: a server may come back under another one, or there are several."""
        mine = self.local.__dict__
        if not mine:
            mine.update(patience=next(self.patience), clients={})
        port = self.cluster.port
        if port not in mine["clients"]:
            mine["clients"][port] = self.cluster.boto3(connect_timeout=PATIENCE_S, read_timeout=mine["patience"])
        return mine["clients"][port]

    def start(self):
        self.stopping = threading.Event()
        for w in self.writers + self.versions + self.races:
            w.start()
        for i in range(self.nreaders):
            t = threading.Thread(target=self._read, args=(i,), daemon=True)
            self.reader_threads.append(t)
            t.start()

    def _read(self, i):
        rng = random.Random(f"{self.seed}/reader{i}")
        keys = [k for w in self.writers for k in w.states]
        while not self.stopping.is_set():
            try:
                read(self.client(), self.bucket, rng.choice(keys))
            except ServerGone:
                self.cluster.failed()
                time.sleep(0.01)
            except AssertionError as e:
                self.reader_errors.append(e)
                return

    def check(self):
        """Raise what a writer or reader has found wrong so far."""
        for w in self.writers + self.versions + self.races:
            if w.error:
                raise w.error
        if self.reader_errors:
            raise self.reader_errors[0]

    def reach(self, operations, seconds=120):
        """Until so many are done."""
        wait_until(f"{operations} operations", lambda: self.check() or sum(self.totals().values()) >= operations, seconds)

    def stop(self):
        self.stopping.set()
        for w in self.writers + self.versions + self.races:
            w.stop_now.set()
        for t in self.writers + self.versions + self.races + self.reader_threads:
            t.join(120)
            assert not t.is_alive(), f"{t.name} hangs"
        self.check()

    def restart_writers(self):
        self.writers = [w.fresh() for w in self.writers]
        self.versions = [w.fresh() for w in self.versions]
        self.races = [w.fresh() for w in self.races]
        self.reader_threads = []
        self.start()

    def verify(self, firm=True):
        """Not @firm: an index has yet to be made anew of what there is."""
        for w in self.writers + self.versions:
            w.verify(firm)
        for r in self.races:
            r.verify()
        listed = set()
        for page in self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            listed |= {(o["Key"], o["Size"]) for o in page.get("Contents", [])}
        known = {(k, len(content(s[0]))) for w in self.writers for k, s in w.states.items() if s[0] is not MISSING}
        assert listed == known, f"listing differs from content: {sorted(listed ^ known)[:10]}"

    def delete_everything(self):
        s3 = self.client()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for o in page.get("Contents", []):
                s3.delete_object(Bucket=self.bucket, Key=o["Key"])
        abort_uploads(s3, self.bucket)
        for w in self.writers:
            w.states, w.open = {key: [MISSING] for key in w.states}, None
        for w in self.versions + self.races:
            w.delete_everything()

    def totals(self):
        sums = collections.Counter()
        for w in self.writers + self.versions + self.races:
            sums.update(w.done)
        return dict(sums)


def plain_files(cluster):
    """Stored files that have a file of their own: not packs (six digits), not temporary ones (a dot)."""
    return [p.name for p in (cluster.data / "storage" / "data").glob("??/??/*")
            if not p.name.startswith(".") and not (len(p.name) == 6 and p.name.isdigit())]


def kill_and_recover(cluster, load, rng):
    """One fault: kill -9 one program, or all, at a random moment; wait until everything serves again."""
    time.sleep(rng.uniform(0.05, 0.8))  # the moment is the experiment, not a wait for something
    victim = rng.choice(["all", "all", "dfs_storaged", "dfs_storaged", "dfs_trackerd"])
    if victim == "all":
        cluster.kill_all()
        cluster.start()
    else:
        pid = cluster.kill_child(victim)
        cluster.wait_child(victim, pid)
    load.check()
    return victim
