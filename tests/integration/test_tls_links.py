# SPDX-License-Identifier: Apache-2.0
"""A cluster whose members speak TLS to each other: certificates instead of, or beside, the secret."""
import os
import re
import signal
import subprocess

import pytest
from authority import Authority
from cluster import BUILD, sanitizer_env, wait_until, wrapper
from nativecluster import EACCES, OFFLINE, Connection, Refused, Storage, call
from s3cluster import S3Cluster
from test_trust import SERVER_COMMANDS_OF_A_STORAGE, SERVER_COMMANDS_OF_A_TRACKER

SETTINGS = "storage_timeout = 5s\n"


@pytest.fixture
def open_cluster():
    made = []

    def make(**options):
        made.append(S3Cluster(trackers=1, groups=1, members=2, settings=SETTINGS, **options))
        return made[-1]
    yield make
    for c in made:
        try:
            c.stop()
        except Exception:
            print(c.tail())
            raise
        finally:
            c.remove()


def storage_of(c, number):
    return Storage((f"127.0.1.{number}", c.storages[1, number].port))


class TlsMember(Storage):
    """A storage asked by a member: it answers for itself and does not pass on."""

    def __init__(self, c, number):
        super().__init__(storage_of(c, number).address)
        self.context = c.authority.context("tester")

    def _call(self, cmd, body, status=0):
        with Connection(self.address) as connection:
            connection.socket = self.context.wrap_socket(connection.socket)
            return connection.call(cmd, body, status)


def put_and_get(c, key, data):
    s3 = c.boto3()
    s3.put_object(Bucket="bucket", Key=key, Body=data)
    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == data


def reads(s3, key, data):
    """Not for a moment, when the only one that can answer has just come back: clients are to try again."""
    try:
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == data
        return True
    except s3.exceptions.ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
        return False


def refused(connection, cmd, body):
    with pytest.raises(Refused) as e:
        connection.call(cmd, body)
    return e.value.status


def test_everything_by_tls_without_a_secret(open_cluster):
    c = open_cluster(tls="required", trust=False).start()
    s3 = c.boto3()
    s3.create_bucket(Bucket="bucket")
    for size in (0, 5, 70_000, 3_000_000):
        put_and_get(c, f"k{size}", os.urandom(size))
    tracker = c.tracker_addresses[0]
    # FastDFS clients: plain TCP, all they could do before.
    a, b = storage_of(c, 1), storage_of(c, 2)
    data = os.urandom(300_000)
    name = a.upload(data)
    assert a.download(name) == data
    wait_until("the file to be on the other", lambda: b.has(name))
    assert b.download(name) == data
    # What is between servers: nothing of it on a plain connection.
    for address, commands in ((a.address, SERVER_COMMANDS_OF_A_STORAGE), (tracker, SERVER_COMMANDS_OF_A_TRACKER)):
        for cmd, body in commands.items():
            with Connection(address) as plain:
                assert refused(plain, cmd, body) == EACCES, cmd
    assert call(tracker, 91), "asking is free"

    # One of them is killed: writes and reads go on, and it catches up by TLS when it returns.
    c.storages[1, 1].kill()
    wait_until("the tracker to notice", lambda: c.states(1).get(1) == OFFLINE)
    put_and_get(c, "meanwhile", data)
    name = b.upload(data)
    c.storages[1, 1].start().wait_ready()
    c.wait_active((1, 1))
    wait_until("it to have what came meanwhile", lambda: TlsMember(c, 1).has(name))
    c.storages[1, 2].kill()
    wait_until("the other to be known as away", lambda: c.states(1).get(2) == OFFLINE)

    wait_until("what was written meanwhile to be readable from the one that was away", lambda: reads(s3, "meanwhile", data))
    c.storages[1, 2].start().wait_ready()
    c.wait_active((1, 2))


def dfs(c, conf, *words):
    return subprocess.run([*wrapper(), str(BUILD / "dfs"), "--config", str(conf), *words], capture_output=True,
                          text=True, timeout=60, env=sanitizer_env(os.environ))


def client_conf(c, name, lines):
    conf = c.folder / f"{name}.conf"
    conf.write_text(f"tracker_server = 127.0.0.1:{c.tracker_addresses[0][1]}\n{lines}")
    return conf


def test_with_a_secret_both_are_asked_for(open_cluster):
    c = open_cluster(tls="required").start()
    c.boto3().create_bucket(Bucket="bucket")
    put_and_get(c, "k", b"x" * 100_000)
    with Connection(storage_of(c, 1).address) as plain, pytest.raises(Refused) as e:
        plain.prove(c.secret.read_text().strip().encode())
    assert e.value.status == EACCES, "on a plain connection nothing is proved"
    tls = c.authority.conf_lines("admin")
    secret = f"cluster_secret_file = {c.secret}\n"
    c.storages[1, 2].kill()
    wait_until("the tracker to notice", lambda: c.states(1).get(2) == OFFLINE)
    for lines in ("", tls, secret):
        done = dfs(c, client_conf(c, "half", lines), "delete-storage", "group1", "127.0.1.2")
        assert done.returncode == 1 and "EACCES" in done.stderr, (lines, done)
    assert dfs(c, client_conf(c, "both", tls + secret), "delete-storage", "group1", "127.0.1.2").returncode == 0


def test_a_foreign_authority_is_refused_and_said_in_one_line(open_cluster):
    c = open_cluster(tls="required", trust=False).start()
    foreign = Authority(c.folder, "foreign")
    done = dfs(c, client_conf(c, "foreign", foreign.conf_lines("stranger")), "list-groups")
    assert done.returncode == 1
    assert re.search(r"dfs: 127\.0\.0\.1:\d+: TLS: their certificate: not signed by our cluster_tls_ca \(/CN=", done.stderr)
    wait_until("the tracker to say it, too", lambda: re.search(
        r"warn cluster\.tls_failed peer=127\.0\.0\.1 .*they refuse our certificate: .*unknown ca", c.trackers[0].log()))
    # One that takes us, whom we do not: our authority beside its own certificate.
    cert, key = foreign.member("stranger")
    mixed = f"cluster_tls_cert = {cert}\ncluster_tls_key = {key}\ncluster_tls_ca = {c.authority.certificate}\n"
    done = dfs(c, client_conf(c, "mixed", mixed), "list-groups")
    assert done.returncode == 1 and f"cluster_tls_cert = {cert}: not signed by our cluster_tls_ca" in done.stderr
    # A server of another cluster does not get in, and says why.
    program = c.storages[1, 2]
    program.stop()
    text = program.conf.read_text()
    program.conf.write_text(re.sub(r"(?m)^cluster_tls.*\n", "", text) + foreign.conf_lines("storage"))
    program.start()
    wait_until("it to say so", lambda: "cluster.tls_failed" in program.log())
    assert "not signed by our cluster_tls_ca" in program.log()
    program.kill()
    program.conf.write_text(text)
    program.start().wait_ready()
    c.wait_active((1, 2))


@pytest.mark.parametrize("mode", ["accept", "on"])
def test_a_cluster_changes_over_one_by_one(open_cluster, mode):
    c = open_cluster(tls=mode).start()
    c.boto3().create_bucket(Bucket="bucket")
    data = os.urandom(100_000)
    put_and_get(c, "k", data)
    with Connection(storage_of(c, 1).address).prove(c.secret.read_text().strip().encode()) as plain:
        assert len(plain.call(190, b"\0")) > 2
    if mode == "on":
        for program in (c.storages[1, 2], c.storages[1, 1], c.trackers[0]):  # the others are at "on" meanwhile
            program.stop()
            program.conf.write_text(program.conf.read_text().replace("cluster_tls = on", "cluster_tls = required"))
            program.start().wait_ready()
        c.wait_active((1, 1), (1, 2))
        put_and_get(c, "k2", data)


def test_certificates_are_renewed_without_a_restart(open_cluster):
    c = open_cluster(tls="required", trust=False).start()
    c.boto3().create_bucket(Bucket="bucket")

    def shown():
        with Connection(storage_of(c, 1).address) as connection:
            connection.socket = c.authority.context("tester").wrap_socket(connection.socket)
            return connection.socket.getpeercert()["serialNumber"]

    def hang_up(program, event):
        before = program.whole_log().count(event)
        program.process.send_signal(signal.SIGHUP)
        wait_until(f"{event} of {program.folder.name}", lambda: program.whole_log().count(event) > before)

    put_and_get(c, "before", b"x" * 100_000)
    first = shown()
    for program in (c.trackers[0], c.storages[1, 1], c.storages[1, 2], c.gateway):
        c.authority.member(program.folder.name, anew=True)
        hang_up(program, " info tls.certificate_read certificate_days=")
        put_and_get(c, f"after-{program.folder.name}", b"y" * 100_000)
    second = shown()
    assert second != first
    cert, key = c.authority.member("g1m1")
    good = key.read_bytes()
    for bad in (b"no key", c.authority.member("other")[1].read_bytes()):
        key.write_bytes(bad)
        hang_up(c.storages[1, 1], " error tls.certificate_kept ")
        assert f"cluster_tls_key = {key}: " in c.storages[1, 1].whole_log()
        assert shown() == second
        put_and_get(c, "kept", b"z" * 100_000)
    key.write_bytes(good)
    hang_up(c.storages[1, 1], " info tls.certificate_read certificate_days=")


def test_a_running_cluster_changes_over_from_none_to_required(open_cluster):
    """As conf/storage.conf says: all with accept, then all with on, then all with required; the gateway gets its
    certificate when every server has one."""
    c = open_cluster().start()
    c.boto3().create_bucket(Bucket="bucket")
    authority, data = Authority(c.folder), {}

    def put(key):
        put_and_get(c, key, data.setdefault(key, os.urandom(50_000)))

    def restart(program, mode):
        program.stop()
        text = re.sub(r"(?m)^cluster_tls.*\n", "", program.conf.read_text())
        program.conf.write_text(f"{text}\n{authority.conf_lines(program.folder.name, mode)}")
        program.start().wait_ready()

    put("none")
    for mode in ("accept", "on", "required"):
        restart(c.trackers[0], mode)
        c.wait_active(*c.storages)
        put(f"{mode}-tracker")
        for at in c.storages:
            restart(c.storages[at], mode)
            c.wait_active(*c.storages)
            put(f"{mode}-{at[1]}")
        if mode == "accept":
            restart(c.gateway, None)
            put("gateway")
    s3 = c.boto3()
    for at in c.storages:  # each alone has everything
        c.storages[at].stop()
        wait_until("the tracker to notice", lambda number=at[1]: c.states(1).get(number) == OFFLINE)
        for key, body in data.items():
            wait_until(f"{key} to be readable from the other one", lambda k=key, b=body: reads(s3, k, b))
        c.storages[at].start().wait_ready()
        c.wait_active(*c.storages)
    for address, commands in ((storage_of(c, 1).address, SERVER_COMMANDS_OF_A_STORAGE),
                              (c.tracker_addresses[0], SERVER_COMMANDS_OF_A_TRACKER)):
        cmd, body = next(iter(commands.items()))
        with Connection(address) as plain:
            assert refused(plain, cmd, body) == EACCES
