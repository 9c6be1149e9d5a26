# SPDX-License-Identifier: Apache-2.0
"""nativecluster - FastDFS's protocol in a few lines, and a cluster of our tracker and storages on 127.0.0.x.

Enough of a client to check servers byte by byte; third-party clients are in clients/. Waits are for
events: a line on standard output, an answer, a status at the tracker.
"""
import contextlib
import hmac
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from cluster import BUILD, PATIENCE_S, free_port, sanitizer_env, stands_still, wait_until, wrapper

OK, EPERM, ENOENT, EAGAIN, EACCES, EEXIST, EINVAL = 0, 1, 2, 11, 13, 17, 22
INIT, WAIT_SYNC, SYNCING, DELETED, OFFLINE, ONLINE, ACTIVE = 0, 1, 2, 4, 5, 6, 7
START_S = 180  # recovery of a store on disks that many others use: 45 s were seen of one path


class Refused(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}: {os.strerror(status)}")
        self.status = status


def field(text, width):
    data = text.encode() if isinstance(text, str) else text
    assert len(data) <= width
    return data.ljust(width, b"\0")


class Connection:
    """One connection; call() returns the body, or raises Refused."""

    def __init__(self, address, timeout=PATIENCE_S, source=None):
        self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def prove(self, secret):
        """Prove the cluster secret (dfscore/net/secret.h); raises Refused, or AssertionError when the server lies."""
        mine = os.urandom(32)
        theirs = self.call(178, mine)

        def proof(side):
            return hmac.digest(secret, f"dfs-auth-1 {side}".encode() + mine + theirs, "sha256")
        assert self.call(179, proof("client")) == proof("server")
        return self

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise ConnectionError(f"closed after {len(data)} of {count} bytes")
            data += piece
        return bytes(data)

    def call(self, cmd, body=b"", status=0):
        self.socket.sendall(struct.pack(">qBB", len(body), cmd, status) + body)
        length, answer, status = struct.unpack(">qBB", self.receive(10))
        assert answer == 100, answer
        if status:
            assert length == 0, "an error with a body"
            raise Refused(status)
        return self.receive(length)


def call(address, cmd, body=b"", status=0, source=None):
    with Connection(address, source=source) as c:
        return c.call(cmd, body, status)


class Storage:
    """Native commands of one storage, by address."""

    def __init__(self, address, group="group1", source=None):
        self.address, self.group, self.source = address, group, source

    def local(self):
        """The same server asked by a member, to whom it answers for itself and does not pass on."""
        member = "127.0.0.2" if self.address[0] != "127.0.0.2" else "127.0.0.3"
        return Storage(self.address, self.group, member)

    def _call(self, cmd, body, status=0):
        return call(self.address, cmd, body, status, self.source)

    def _name(self, body):
        assert body[:16] == field(self.group, 16)
        return body[16:].decode()

    def upload(self, data, ext="bin", path=255, appender=False):
        body = struct.pack(">BQ6s", path, len(data), field(ext, 6)) + data
        return self._name(self._call(23 if appender else 11, body))

    def upload_slave(self, master, prefix, data, ext="bin"):
        head = struct.pack(">QQ16s6s", len(master), len(data), field(prefix, 16), field(ext, 6))
        return self._name(self._call(21, head + master.encode() + data))

    def link(self, target, ext="bin"):
        head = struct.pack(">QQQ16s16s6s", 0, len(target), 0, field(self.group, 16), b"", field(ext, 6))
        return self._name(self._call(20, head + target.encode()))

    def download(self, name, offset=0, count=0):
        return self._call(14, struct.pack(">qq", offset, count) + field(self.group, 16) + name.encode())

    def delete(self, name):
        return self._call(12, field(self.group, 16) + name.encode())

    def append(self, name, data):
        return self._call(24, struct.pack(">QQ", len(name), len(data)) + name.encode() + data)

    def modify(self, name, offset, data):
        return self._call(34, struct.pack(">QQQ", len(name), offset, len(data)) + name.encode() + data)

    def truncate(self, name, size):
        return self._call(36, struct.pack(">QQ", len(name), size) + name.encode())

    def regenerate(self, name):
        return self._name(self._call(38, name.encode()))

    def info(self, name, flags=0):
        """(size, created, crc32, source address)"""
        body = self._call(22, field(self.group, 16) + name.encode(), flags)
        size, created, crc = struct.unpack(">qqq", body[:24])
        return size, created, crc & 0xffffffff, body[24:].rstrip(b"\0").decode()

    def set_meta(self, name, pairs, flag="O"):
        text = b"\x01".join(k.encode() + b"\x02" + v.encode() for k, v in pairs)
        return self._call(13, struct.pack(">QQB16s", len(name), len(text), ord(flag), field(self.group, 16))
                    + name.encode() + text)

    def get_meta(self, name):
        text = self._call(15, field(self.group, 16) + name.encode())
        return [tuple(r.decode().split("\x02", 1)) for r in text.split(b"\x01")] if text else []

    def has(self, name):
        """As a client that is told EAGAIN: until all who may have it have been heard, nobody can know."""
        def known():
            try:
                self.info(name, 3)
                return [True]
            except Refused as refused:
                assert refused.status in (ENOENT, EAGAIN)
                return [False] if refused.status == ENOENT else None
        return wait_until(f"an answer about {name}", known)[0]


def does(change, *args):
    """EAGAIN: it is to be tried again."""
    try:
        change(*args)
        return True
    except Refused as refused:
        assert refused.status == EAGAIN
        return False


def until_done(change, *args):
    """As a client that is told EAGAIN."""
    wait_until("its turn", lambda: does(change, *args))


class Program:
    """One of our servers: start, the ready line, stop, kill."""

    def __init__(self, name, conf, folder):
        self.name, self.conf, self.folder = name, conf, folder
        self.process, self.port = None, 0
        self.env = {}  # beside ours

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(wrapper() + [str(BUILD / self.name), str(self.conf)], stdout=subprocess.PIPE,
                                            stderr=log, env=sanitizer_env({**os.environ, **self.env}))
        return self

    def wait_ready(self):
        seen = select.select([self.process.stdout], [], [], START_S)[0]
        line = self.process.stdout.readline().decode() if seen else "(nothing)"
        match = re.fullmatch(r"ready port=(\d+)\n", line)
        assert match, f"{self.name}: {line!r}\n{self.log()}"
        self.port = int(match.group(1))
        return self

    def whole_log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self):
        return self.whole_log()[-4000:]

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        assert status == 0, f"{self.name} ended with status {status}\n{self.log()}"

    def freeze(self):
        """SIGSTOP, and until no thread of it runs any more: it could still answer."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until("all threads to stand still", lambda: stands_still(self.process.pid))

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class NativeCluster:
    """A tracker on 127.0.0.1, storages of group1 on 127.0.0.2, 127.0.0.3 ..."""

    def __init__(self, trunk=False, paths=1, settings="", secret=False, addresses="IPv4", slots="64KB",
                 tracker_settings="", heartbeat="200ms"):
        """@settings, @tracker_settings: further lines of every storage's configuration, of the tracker's. @secret: with a
        cluster secret. @heartbeat: heart_beat_interval of every storage. @addresses: IPv6 makes those in answers 45 bytes
        wide. @slots: with @trunk, the largest packed file."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dfs-it-"))
        self.secret_file = self.folder / "secret"
        self.secret_file.write_text(os.urandom(32).hex() + "\n")
        self.secret_file.chmod(0o600)
        self.trust = f"cluster_secret_file = {self.secret_file}" if secret else ""
        self.paths, self.settings, self.heartbeat = paths, settings, heartbeat
        self.programs = []
        self.tracker = ("127.0.0.1", free_port(["127.0.0.1"]))
        self.tracker_program = self._program("dfs_trackerd", "tracker", f"""
            bind_addr = 127.0.0.1
            port = {self.tracker[1]}
            reserved_storage_space = 1MB
            response_ip_addr_size = {addresses}
            slot_max_size = {slots}
            trunk_file_size = 4MB
            use_trunk_file = {"true" if trunk else "false"}
            {self.trust}
            {tracker_settings}
        """).start().wait_ready()
        self.storages = {}
        self.port = free_port([f"127.0.0.{n}" for n in range(2, 10)])

    def _program(self, name, folder, text):
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        conf = place / "conf"
        lines = [f"base_path = {place}"] + [line.strip() for line in text.strip().splitlines()]
        conf.write_text("\n".join(lines) + "\n")
        program = Program(name, conf, place)
        self.programs.append(program)
        return program

    def prepare(self, number):
        """The storage on 127.0.0.<number>, not started."""
        ip = f"127.0.0.{number}"
        if number not in self.storages:
            place = self.folder / f"storage{number}"
            place.mkdir()
            paths = "".join(f"store_path{i} = {place}/path{i}\n" for i in range(self.paths))
            for i in range(self.paths):
                (place / f"path{i}").mkdir()
            self.storages[number] = self._program("dfs_storaged", f"storage{number}", f"""
                group_name = group1
                bind_addr = {ip}
                port = {self.port}
                tracker_server = 127.0.0.1:{self.tracker[1]}
                store_path_count = {self.paths}
                {paths}
                heart_beat_interval = {self.heartbeat}
                sync_wait_msec = 20ms
                {self.trust}
                {self.settings}
            """)
        return self.storages[number]

    def add(self, number, wait=True):
        """Start the storage on 127.0.0.<number>; its Storage."""
        program = self.prepare(number).start().wait_ready()
        storage = Storage((f"127.0.0.{number}", program.port))
        if wait:
            self.wait_status(number, ACTIVE)
        return storage

    def status(self, number):
        """Status of a storage as the tracker lists it (protocol 5.6), or None."""
        body = call(self.tracker, 92, field("group1", 16))
        for at in range(0, len(body), 487):
            record = body[at:at + 487]
            if record[18:34].rstrip(b"\0").decode() == f"127.0.0.{number}":
                return record[0]
        return None

    def wait_status(self, number, status):
        def seen():
            try:
                return self.status(number) == status
            except (Refused, OSError):
                return False
        wait_until(f"storage {number} to be {status}", seen, START_S)

    def wait_copies(self, number, count=2):
        """Until the storage on 127.0.0.<number> waits with each write until @count have it: it hears of a member some
        time after that one has become ACTIVE, and takes nothing, or waits for fewer, before."""
        address = (f"127.0.0.{number}", self.storages[number].port)

        def waits():
            _, needed, others = call(address, 193)[:3]
            return needed == count and others >= count - 1  # who has heard of nobody needs two, and takes nothing
        wait_until(f"writes at {number} to wait for {count} copies", waits)

    def lose_path(self, number, path):
        """The disk of a store path is replaced by an empty one; the storage must not run."""
        place = self.folder / f"storage{number}" / f"path{path}"
        shutil.rmtree(place)
        place.mkdir()

    def remove(self):
        for program in self.programs:
            program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self, lines=40):
        return "\n".join(f"--- {p.folder.name}\n{p.log()}" for p in self.programs)


@contextlib.contextmanager
def running(**options):
    """A cluster that ends with the block. Storages that still run must stop when they are asked to."""
    cluster = NativeCluster(**options)
    try:
        yield cluster
        for program in cluster.storages.values():
            if program.running():
                program.stop()
    finally:
        cluster.remove()


def leader_port(tracker):
    """Of the tracker that leads, as this one says; None while there is none."""
    try:
        return int(call(tracker, 95).split(b":")[1])
    except Refused:
        return None


def wait_same(storage, files, seconds=PATIENCE_S):
    """
    Until @storage itself holds exactly what @files says: name to bytes, or None for deleted, which a file
    that is still to come looks like.
    """
    storage = storage.local()
    for name, data in files.items():
        def same(name=name, data=data):
            try:
                return storage.download(name) == data
            except Refused as refused:
                assert refused.status == ENOENT
                return data is None
        wait_until(f"{name} at {storage.address}", same, seconds)
