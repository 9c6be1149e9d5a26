# SPDX-License-Identifier: Apache-2.0
"""native_ledger - FastDFS clients that know what they may find (beside tests/integration/ledger.py, which is of S3).

A file belongs to the writer that made it, so after each answer its content is known; a change without an answer leaves
two possible contents, and is left alone until settle(), when all is quiet. A stale copy of an appender may be read
meanwhile, as with FastDFS; files that do not change may not be missing, nor anything else than what was stored.
"""
import errno
import random
import struct
import threading
import time

from cluster import wait_until
from nativecluster import EAGAIN, ENOENT, Connection, Refused, Storage, field

MISSING = None
PATIENCE_S = 15    # of a client
# with these it may be done nevertheless: the copies did not come in time, the group to which the file has moved did not answer,
# or the disk failed in the middle
UNKNOWN = (EAGAIN, errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTUNREACH)
BACK_OFF_S = 0.01  # a server that is down refuses at once: nobody spins


class Client:
    """What a FastDFS client library does: ask any tracker, then the storage it names."""

    def __init__(self, trackers, rng):
        self.trackers, self.rng = trackers, rng

    def _ask(self, cmd, body=b""):
        for tracker in self.rng.sample(self.trackers, len(self.trackers)):
            try:
                with Connection(tracker, PATIENCE_S) as c:
                    answer = c.call(cmd, body)
            except (OSError, Refused):  # ENOENT: one that has just started knows of nobody in service
                continue
            group, ip, port = struct.unpack(">16s15sq", answer[:39])
            return Patient((ip.rstrip(b"\0").decode(), port), group.rstrip(b"\0").decode())
        raise ConnectionError("no tracker answers")

    def to_store(self):
        return self._ask(101)

    def to_read(self, group, name):
        return self._ask(102, field(group, 16) + name.encode())

    def to_change(self, group, name):
        return self._ask(103, field(group, 16) + name.encode())


class Patient(Storage):
    """A storage that need not answer."""

    def _call(self, cmd, body, status=0):
        with Connection(self.address, PATIENCE_S) as c:
            return c.call(cmd, body, status)


class File:
    def __init__(self, group, name, content, appender=False):
        self.group, self.name, self.appender = group, name, appender
        self.possible = [content]  # one when known
        self.meta = [()]           # likewise

    @property
    def known(self):
        return len(self.possible) == 1 and len(self.meta) == 1


class Log:
    """An appender that all writers append words to, each at any member of its group."""

    def __init__(self, group, name):
        self.group, self.name = group, name
        self.lock = threading.Lock()
        self.words = {}  # word: [begun, acknowledged or None], of one clock

    def check(self, content):
        with self.lock:
            words = dict(self.words)
        for word, (_, acknowledged) in words.items():
            count = content.count(word)
            assert count == 1 or (count == 0 and acknowledged is None), (
                f"{self.group}/{self.name}: {word} is there {count} times, acknowledged: {acknowledged is not None}")
        latest = 0  # beginning of those in front
        for word in sorted((w for w in words if w in content), key=content.index):
            begun, acknowledged = words[word]
            assert acknowledged is None or latest <= acknowledged, f"{self.group}/{self.name}: {word} is behind later ones"
            latest = max(latest, begun)


class Writer(threading.Thread):
    """Uploads, and changes what it uploaded, until stopped."""

    def __init__(self, name, ledger, seed):
        super().__init__(name=name, daemon=True)
        self.ledger, self.random = ledger, random.Random(seed)
        self.client = Client(ledger.trackers, self.random)

    def run(self):
        try:
            while not self.ledger.stopping.is_set():
                self.step()
        except Exception as e:  # noqa: BLE001 - reported by the torture's thread
            self.ledger.found(e)

    def step(self):
        mine = self.ledger.files_of(self.name)
        free = [f for f in mine if f.known and f.possible[0] is not MISSING]
        deeds = {self.upload: 40, self.share: 40}
        if free:
            deeds.update({self.append: 20, self.modify: 12, self.truncate: 5, self.describe: 6, self.merge: 10, self.delete: 10,
                          self.slave: 6})
        deed = self.random.choices(list(deeds), list(deeds.values()))[0]
        try:
            deed(free)
            self.ledger.count(deed.__name__)
        except Refused as refused:
            assert refused.status != ENOENT or self.ledger.lenient, f"{deed.__name__}: {refused}"
            self.ledger.count("refused")
            self.ledger.stopping.wait(BACK_OFF_S)
        except OSError:  # no answer, or the connection ended within it
            self.ledger.count("failed")
            self.ledger.stopping.wait(BACK_OFF_S)

    def data(self):
        return self.random.randbytes(self.random.choice([1, 60, 4000, 70_000, 300_000]))

    def upload(self, _):
        appender, data = self.random.random() < 0.4, self.data()
        at = self.client.to_store()
        name = at.upload(data, appender=appender)
        self.ledger.add(self.name, File(at.group, name, data, appender))

    def share(self, _):
        logs = self.ledger.logs_now()
        if not logs or self.random.random() < 0.02:
            at = self.client.to_store()
            self.ledger.add_log(Log(at.group, at.upload(b"log:", appender=True)))
            return
        log = self.random.choice(logs[-3:])  # few, so that they meet
        member = self.random.choice(self.ledger.members(log.group))
        word = b"%s-%016x;" % (self.name.encode(), self.random.getrandbits(64))
        with log.lock:
            log.words[word] = [time.monotonic(), None]
        Patient(member.address, log.group).append(log.name, word)
        with log.lock:
            log.words[word][1] = time.monotonic()

    def slave(self, free):
        master = self.random.choice(free)
        if master.appender or "-" in master.name:
            return
        data, prefix = self.data(), f"-{self.random.randrange(10**6)}"
        at = self.client.to_change(master.group, master.name)
        self.ledger.add(self.name, File(master.group, at.upload_slave(master.name, prefix, data), data))

    def _change(self, f, after, change):
        at = self.client.to_change(f.group, f.name)
        before = f.possible[0]
        f.possible = [before, after]
        try:
            change(at)
        except Refused as refused:
            if refused.status not in UNKNOWN:
                f.possible = [before]
            raise
        f.possible = [after]

    def _appender(self, free):
        return self.random.choice([f for f in free if f.appender] or [None])

    def append(self, free):
        f, more = self._appender(free), self.random.randbytes(self.random.choice([1, 500, 30_000]))
        if f:
            self._change(f, f.possible[0] + more, lambda at: at.append(f.name, more))

    def modify(self, free):
        f = self._appender(free)
        if f and f.possible[0]:
            old = f.possible[0]
            from_ = self.random.randrange(len(old))
            new = self.random.randbytes(self.random.randint(1, 20_000))[:len(old) - from_]
            self._change(f, old[:from_] + new + old[from_ + len(new):], lambda at: at.modify(f.name, from_, new))

    def truncate(self, free):
        f = self._appender(free)
        if f and f.possible[0]:
            size = self.random.randrange(len(f.possible[0]))
            self._change(f, f.possible[0][:size], lambda at: at.truncate(f.name, size))

    def delete(self, free):
        f = self.random.choice(free)
        self._change(f, MISSING, lambda at: at.delete(f.name))

    def _describe(self, f, pairs, flag):
        after = tuple(sorted({**(dict(f.meta[0]) if flag == "M" else {}), **dict(pairs)}.items()))
        at = self.client.to_change(f.group, f.name)
        f.meta = [*f.meta, after]
        at.set_meta(f.name, pairs, flag)
        f.meta = [after]

    def describe(self, free):
        self._describe(self.random.choice(free), [("n", str(self.random.randrange(10**9)))], "O")

    def merge(self, free):
        pair = f"m{self.random.randrange(20)}", str(self.random.randrange(10**9))
        self._describe(self.random.choice(free), [pair], "M")


class Ledger:
    def __init__(self, cluster, seed, writers=3, readers=2):
        self.cluster, self.seed, self.trackers = cluster, seed, cluster.tracker_addresses
        self.counts, self.rounds = (writers, readers), 0
        self.lock = threading.Lock()
        self.files, self.names, self.done, self.errors = {}, set(), {}, []
        self.logs = []
        self.lenient = False  # whoever has a file may be away, and need not be known to have it
        self.stopping, self.wrong, self.threads = threading.Event(), threading.Event(), []

    def found(self, error):
        self.errors.append(error)
        self.wrong.set()

    def count(self, what):
        with self.lock:
            self.done[what] = self.done.get(what, 0) + 1

    def add(self, owner, file):
        with self.lock:
            assert (file.group, file.name) not in self.names, f"{file.name} was given twice"
            self.names.add((file.group, file.name))
            self.files.setdefault(owner, []).append(file)

    def add_log(self, log):
        with self.lock:
            self.logs.append(log)

    def logs_now(self):
        with self.lock:
            return list(self.logs)

    def members(self, group):
        return [self.cluster.member(g, m) for g, m in sorted(self.cluster.storages) if f"group{g}" == group]

    def files_of(self, owner):
        with self.lock:
            return list(self.files.get(owner, []))

    def all(self):
        with self.lock:
            return [f for files in self.files.values() for f in files]

    def start(self):
        self.stopping.clear()
        self.rounds += 1
        writers, readers = self.counts
        self.threads = [Writer(f"n{i}", self, f"{self.seed}/n{i}/{self.rounds}") for i in range(writers)]
        self.threads += [threading.Thread(target=self._read, args=(f"{self.seed}/nr{i}/{self.rounds}",), daemon=True)
                         for i in range(readers)]
        for t in self.threads:
            t.start()

    def _read(self, seed):
        rng = random.Random(seed)
        client = Client(self.trackers, rng)
        while not self.stopping.is_set():
            still = [f for f in self.all() if not f.appender and f.known and f.possible[0] is not MISSING]
            if not still:
                self.stopping.wait(BACK_OFF_S)
                continue
            f = rng.choice(still)
            want = f.possible[0]
            try:
                try:
                    found = client.to_read(f.group, f.name).download(f.name)
                except Refused as refused:
                    if refused.status != ENOENT or self.lenient:
                        continue
                    found = MISSING
                self.count("read")
                if found != want and f.possible == [want]:
                    self.found(AssertionError(f"{f.group}/{f.name}: {describe(found)}, stored {describe(want)}"))
                    return
            except OSError:  # no answer, or the connection ended within it
                self.stopping.wait(BACK_OFF_S)

    def check(self):
        if self.errors:
            raise self.errors[0]

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(120)
            assert not t.is_alive(), f"{t.name} hangs"
        self.check()

    def settle(self, members):
        """All is quiet: each of @members(group) holds the same, and what was acknowledged (or either, where nothing was)."""
        for log in self.logs_now():
            def same(log=log):
                found = [patient(member.download, log.name) for member in members(log.group)]
                return found[0] if all(one == found[0] for one in found) else None
            log.check(wait_until(f"{log.group}/{log.name} to be alike", lambda: same(), 60))
        for f in self.all():
            def alike(f=f):
                found = [patient(look, m, f) for m in members(f.group)]
                return found[0] if all(one == found[0] for one in found) else None
            content, meta = wait_until(f"{f.group}/{f.name} to be alike", lambda: alike(), 60)
            assert content in f.possible, (f"{f.group}/{f.name}: {describe(content)}; acknowledged or possible: "
                                           f"{[describe(p) for p in f.possible]}")
            assert content is MISSING or meta in f.meta, f"{f.group}/{f.name}: metadata {meta}, possible {f.meta}"
            f.possible, f.meta = [content], [meta if content is not MISSING else ()]


def describe(content):
    return "missing" if content is MISSING else f"{len(content)} bytes ({content[:6].hex()}..)"


def patient(ask, *args):
    """None, at most once in a while: it cannot say now, as a connection of its may have been cut off just before."""
    try:
        return ask(*args)
    except Refused as refused:
        assert refused.status != ENOENT, f"{args}: {refused}"
        return None


def look(member, f):
    """Content and metadata of a file at one member."""
    try:
        content = member.download(f.name)
    except Refused as refused:
        if refused.status != ENOENT:
            raise
        return MISSING, ()
    try:
        return content, tuple(member.get_meta(f.name))
    except Refused as refused:
        if refused.status != ENOENT:
            raise
        return content, ()
