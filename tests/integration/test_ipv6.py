# SPDX-License-Identifier: Apache-2.0
"""A whole cluster on IPv6: trackers, storages and the gateway on ::1, told apart by their ports."""
import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile

import pytest
from authority import Authority
from cluster import BUILD, Cluster, free_port, sanitizer_env, wait_until, wrapper
from nativecluster import ACTIVE, EACCES, OFFLINE, Connection, Program, Refused, Storage, call, field
from s3cluster import Gateway, Member

WIDE = 517  # bytes of a storage's record with addresses of 46 bytes (protocol 4.4)


class V6Cluster:
    """Two trackers and a group of two storages, numbered 100001 and 100002, on ::1."""

    region = "us-east-1"
    certificate = None
    boto3 = Cluster.boto3

    def __init__(self, tls=None):
        """@tls: value of cluster_tls; all have certificates then."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dfs6-"))
        self.authority = Authority(self.folder) if tls else None
        self.tls = tls
        self.secret = self.folder / "secret"
        self.secret.write_text(secrets.token_hex(32) + "\n")
        self.secret.chmod(0o600)
        self.access_key, self.secret_key = "root" + secrets.token_hex(8), secrets.token_urlsafe(30)
        ports = [free_port(["::1"]) for _ in range(4)]
        self.tracker_addresses = [("::1", port) for port in ports[:2]]
        lines = "".join(f"tracker_server = [::1]:{port}\n" for port in ports[:2])
        # Spelled in other ways than servers write it: an address is more than its text.
        ids = "".join(f"{100000 + n} group1 [0:0:0::0001]:{ports[n + 1]}\n" for n in (1, 2))
        self.trackers = [self.program("dfs_trackerd", f"tracker{port}", f"""bind_addr = ::1
port = {port}
reserved_storage_space = 1MB
use_storage_id = true
id_type_in_filename = id
check_active_interval = 30s
election_timeout = 400ms
cluster_secret_file = {self.secret}
{lines}""") for port in ports[:2]]
        for tracker in self.trackers:
            (tracker.folder / "storage_ids.conf").write_text(ids)
        self.storages = {n: self.program("dfs_storaged", f"storage{n}", f"""bind_addr = ::1
port = {ports[n + 1]}
group_name = group1
allow_hosts = 2001:db8::/32
allow_hosts = ::1/128
heart_beat_interval = 200ms
sync_wait_msec = 20ms
cluster_secret_file = {self.secret}
{lines}""") for n in (1, 2)}
        gateway = self.program("s3gw", "gateway", f"""listen = [::1]:{free_port(["::1"])}
cluster_secret_file = {self.secret}
storage_hold_down = 300ms
storage_timeout = 5s
{lines}""")
        text = gateway.conf.read_text().replace("base_path", "index_path")
        gateway.conf.write_text(text + f"admin_socket = {gateway.folder}/admin.sock\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3GW_ROOT"))}
        env.update(S3GW_ROOT_ACCESS_KEY=self.access_key, S3GW_ROOT_SECRET_KEY=self.secret_key)
        self.gateway = Gateway(gateway.conf, gateway.folder, sanitizer_env(env))
        self.programs = [*self.trackers, *self.storages.values(), self.gateway]

    def program(self, name, folder, text):
        place = self.folder / folder
        place.mkdir()
        tls = self.authority.conf_lines(folder, self.tls if name != "s3gw" else None) if self.authority else ""
        (place / "conf").write_text(f"base_path = {place}\n{text}\n{tls}")
        return Program(name, place / "conf", place)

    @property
    def endpoint(self):
        return f"http://[::1]:{self.gateway.port}"

    def start(self):
        for some in (self.trackers, self.storages.values(), [self.gateway]):
            for program in some:
                program.start()
            for program in some:
                program.wait_ready()
            if some is not self.trackers and self.gateway not in some:
                self.wait_status(ACTIVE, 1, 2)
                for storage in self.storages.values():
                    wait_until("it to have heard of the other one", lambda s=storage: self.others_of(s) == 1)
        return self

    def others_of(self, storage):
        """Members that it knows of: before, it takes no writes."""
        with Connection(("::1", storage.port)) as c:
            if self.authority:
                c.socket = self.authority.context("tester").wrap_socket(c.socket)
            return c.call(193)[2]

    def records(self, tracker=0):
        """Id to record of 92, as that tracker has it."""
        try:
            body = call(self.tracker_addresses[tracker], 92, field("group1", 16))
        except (Refused, OSError):
            return {}
        assert len(body) % WIDE == 0
        records = [body[at:at + WIDE] for at in range(0, len(body), WIDE)]
        return {r[2:18].rstrip(b"\0").decode(): r for r in records}

    def wait_status(self, status, *numbers):
        """At both trackers."""
        def seen():
            both = [self.records(0), self.records(1)]
            return all(records.get(str(100000 + n), b"?")[0] == status for records in both for n in numbers)
        wait_until(f"{numbers} to be {status}", seen)

    def storage(self, n):
        return Storage(("::1", self.storages[n].port))

    def member(self, n):
        return Member(("::1", self.storages[n].port), "group1", self.secret.read_text().strip().encode())

    def dfs(self, *words, secret=False):
        trackers = [w for _, port in self.tracker_addresses for w in ("--tracker", f"[::1]:{port}")]
        return subprocess.run([*wrapper(), str(BUILD / "dfs"), *trackers,
                               *(["--secret", str(self.secret)] if secret else []), *words],
                              capture_output=True, timeout=60, env=sanitizer_env(os.environ))

    def remove(self):
        for program in self.programs:
            program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self):
        return "\n".join(f"--- {p.folder.name}\n{p.log()}" for p in self.programs)


@contextlib.contextmanager
def running(**options):
    c = V6Cluster(**options)
    try:
        yield c.start()
        for program in reversed(c.programs):
            program.stop()
    except Exception:
        print(c.tail())
        raise
    finally:
        c.remove()


@pytest.fixture(scope="module")
def v6():
    with running() as c:
        yield c


def test_trackers_answer_with_wide_addresses(v6):
    records = v6.records()
    assert sorted(records) == ["100001", "100002"]
    for n in (1, 2):
        assert records[str(100000 + n)][18:64].rstrip(b"\0") == b"::1"
    for address in v6.tracker_addresses:
        one = call(address, 101)
        assert len(one) == 70 and one[16:61].rstrip(b"\0") == b"::1"
        assert int.from_bytes(one[61:69], "big") in (v6.storages[1].port, v6.storages[2].port)
        assert "response_ip_addr_size=46" in call(address, 75).decode()
        lines = call(address, 69, b"\0\0\0\0\0")[8:].decode().splitlines()
        assert lines == [f"{100000 + n} group1 [::1]:{v6.storages[n].port}" for n in (1, 2)]


def test_native_clients_and_replication(v6):
    a, b = v6.storage(1), v6.storage(2)
    for size in (3, 70_000, 400_000):
        data = os.urandom(size)
        name = a.upload(data)
        assert a.download(name) == data
        wait_until("the file to be on the other one", lambda name=name: v6.member(2).has(name))
        assert b.download(name) == data
        size_said, _, _, source = a.info(name)
        assert (size_said, source) == (size, "::1")
        decoded = json.loads(v6.dfs("--json", "decode", f"group1/{name}").stdout)
        assert str(decoded["source"]) == "100001", decoded
        b.delete(name)
        wait_until("it to be gone", lambda name=name: not v6.member(1).has(name))


def test_the_probe_of_client_commands_finds_nothing_wrong(v6):
    probe = pathlib.Path(__file__).parent / "native/fdfs_ref.py"
    for _, port in v6.tracker_addresses:  # one leads, one follows
        done = subprocess.run([sys.executable, str(probe), "--tracker", f"[::1]:{port}", "--group", "group1", "probe"],
                              capture_output=True, text=True, timeout=300)
        lines = done.stdout.splitlines()
        assert sum(line.startswith("PASS") for line in lines) > 150, done
        # The cluster has a secret, which the probe does not know.
        wrong = [line for line in lines if line.startswith("FAIL") and "status EACCES" not in line]
        assert wrong == []


def test_the_dfs_tool(v6):
    data = os.urandom(200_000)
    path = v6.folder / "file.bin"
    path.write_bytes(data)
    done = v6.dfs("upload", str(path))
    assert done.returncode == 0, done.stderr
    file_id = done.stdout.decode().strip()
    done = v6.dfs("download", file_id, "-")
    assert (done.returncode, done.stdout) == (0, data)
    assert v6.dfs("test").returncode == 0
    wait_until("a leader", lambda: re.search(r"\[::1\]:\d+", v6.dfs("leader").stdout.decode()))
    shown = v6.dfs("monitor").stdout.decode()
    assert all(f"[::1]:{v6.storages[n].port}" in shown for n in (1, 2)), shown
    assert v6.dfs("info", file_id).returncode == 0


def test_s3_and_failover(v6):
    s3 = v6.boto3()
    s3.create_bucket(Bucket="bucket")
    data = {f"k{size}": os.urandom(size) for size in (0, 10, 300_000, 3_000_000)}

    def put(key, body):
        try:
            s3.put_object(Bucket="bucket", Key=key, Body=body)
            return True
        except s3.exceptions.ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
            return False

    def same(key, body):
        try:
            return s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body
        except s3.exceptions.ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
            return False
    for key, body in data.items():
        assert put(key, body) and same(key, body)
    for n in (1, 2):
        v6.storages[n].kill()
        for key, body in data.items():
            wait_until(f"{key} from the other one", lambda key=key, body=body: same(key, body))
        wait_until("writes to go on", lambda n=n: put(f"without{n}", b"x" * 5000))
        name = v6.storage(3 - n).upload(b"native meanwhile")
        v6.storages[n].start().wait_ready()
        v6.wait_status(ACTIVE, 1, 2)
        wait_until("it to catch up", lambda n=n, name=name: v6.member(n).has(name))
    # And a tracker: the other one leads on.
    v6.trackers[0].kill()
    assert put("one-tracker", b"y") and same("one-tracker", b"y")
    v6.trackers[0].start().wait_ready()
    v6.wait_status(ACTIVE, 1, 2)


def run_to_its_end(program):
    program.start()
    try:
        return program.process.wait(60), program.log()
    finally:
        program.kill()
        program.process.stdout.close()


def test_names_of_files_have_no_room_for_an_address(v6):
    """Without numbers in names IPv6 is refused (semantics 2.9), by both, before a file is stored."""
    tracker = v6.program("dfs_trackerd", "refused", "bind_addr = ::1\nport = 0\nuse_storage_id = true")
    (tracker.folder / "storage_ids.conf").write_text("1 group1 [::1]:23000\n")
    status, log = run_to_its_end(tracker)
    assert status == 2 and "id_type_in_filename = ip: must be id" in log
    plain = v6.program("dfs_trackerd", "no-ids", "bind_addr = ::1\nport = 0")
    plain.start().wait_ready()
    try:
        storage = v6.program("dfs_storaged", "no-id", f"bind_addr = ::1\nport = 0\ntracker_server = [::1]:{plain.port}")
        status, log = run_to_its_end(storage)
        assert status == 1 and "storage.address_does_not_fit_names ip=::1" in log
    finally:
        plain.stop()


def test_who_may_connect_is_asked_in_ipv6_too(v6):
    program = v6.storages[2]
    program.stop()
    text = program.conf.read_text()
    program.conf.write_text(text.replace("allow_hosts = ::1/128", ""))
    started = program.whole_log().count("storage.started")
    program.start()
    wait_until("it to be refused by nobody but itself", lambda: program.whole_log().count("storage.started") > started)

    def closed():
        try:
            with Connection(("::1", v6.storages[2].port)) as c:
                c.call(111)
            return False
        except ConnectionRefusedError:
            return None
        except (ConnectionError, OSError):
            return True
    wait_until("connections from ::1 to be closed", closed)
    program.kill()
    program.conf.write_text(text)
    program.start().wait_ready()
    v6.wait_status(ACTIVE, 2)


def test_members_speak_tls_there_too():
    with running(tls="required") as c:
        s3, data = c.boto3(), os.urandom(300_000)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=data)
        assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == data
        name = c.storage(1).upload(data)  # FastDFS clients: plain
        wait_until("the file to be on the other one", lambda: c.storage(2).has(name))
        assert c.storage(2).download(name) == data
        with Connection(c.storage(1).address) as plain, pytest.raises(Refused) as e:
            plain.prove(c.secret.read_text().strip().encode())
        assert e.value.status == EACCES, "on a plain connection nothing is proved"
        assert c.dfs("monitor", secret=True).returncode == 1  # without a certificate
        conf = c.folder / "admin.conf"
        conf.write_text(f"cluster_secret_file = {c.secret}\n{c.authority.conf_lines('admin')}")
        shown = wait_until("all to be well", lambda: (done := c.dfs("--config", str(conf), "monitor")).returncode == 0 and done)
        assert b"2 of 2 in service" in shown.stdout, shown
        c.storages[2].kill()
        c.wait_status(OFFLINE, 2)
        s3.put_object(Bucket="bucket", Key="meanwhile", Body=data)
        c.storages[2].start().wait_ready()
        c.wait_status(ACTIVE, 2)

        def caught_up():
            lines = c.dfs("--config", str(conf), "--json", "monitor").stdout.splitlines()
            members = [m for m in map(json.loads, lines) if "behind_known" in m]
            return len(members) == 2 and all(m["behind_known"] and m["behind_changes"] == 0 for m in members)
        wait_until("both to have everything", caught_up, 60)
        c.storages[1].kill()
        c.wait_status(OFFLINE, 1)
        assert s3.get_object(Bucket="bucket", Key="meanwhile")["Body"].read() == data
        c.storages[1].start().wait_ready()
