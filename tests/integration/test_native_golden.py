# SPDX-License-Identifier: Apache-2.0
"""The native protocol as seen by native/fdfs_ref.py (our codec and black-box probe, written from the
specification), and by peers that lie about lengths, say half of something, or vanish."""
import pathlib
import socket
import struct
import subprocess
import sys

import pytest

import nativecluster as native
from cluster import wait_until
from s3cluster import S3Cluster

PROBE = pathlib.Path(__file__).with_name("native") / "fdfs_ref.py"
sys.path.insert(0, str(PROBE.parent))

import fdfs_ref as ref  # noqa: E402

MINIMUM = 150  # checks of a plain run; fewer means that the probe stopped early


@pytest.fixture
def ports(cluster):
    status = cluster.admin("status")
    return {"tracker": status["tracker"]["port"], "storage": status["storage"]["port"]}


def probe(port, *options, group="group1"):
    """(passed, failed lines) of one run."""
    done = subprocess.run([sys.executable, str(PROBE), "--tracker", f"127.0.0.1:{port}", "--group", group, "probe",
                           *options], capture_output=True, text=True, timeout=600)
    lines = done.stdout.splitlines()
    assert not done.stderr, done.stderr
    return sum(line.startswith("PASS") for line in lines), [line for line in lines if line.startswith("FAIL")]


def call(sock, command, body=b"", flag=0):
    sock.sendall(struct.pack(">QBB", len(body), command, flag) + body)
    return answer(sock)


def answer(sock):
    head = read(sock, 10)
    length, command, status = struct.unpack(">QBB", head)
    assert command == 100
    return status, read(sock, length)


def read(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, "connection closed"
        data += piece
    return data


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def alive(port):
    with connect(port) as sock:
        return call(sock, 111) == (0, b"")


def test_the_probe_of_client_commands_finds_nothing_wrong(ports):
    passed, failed = probe(ports["tracker"])
    assert failed == []
    assert passed >= MINIMUM


def known(port):
    """Groups and servers with their states, as a tracker has them."""
    client = ref.Client(f"127.0.0.1:{port}")
    names = [g["group"] for g in client.ask_tracker(ref.req_list_groups())]
    return {name: [(s["id"], s["state"]) for s in client.ask_tracker(ref.req_list_storages(name))] for name in names}


def trunk_server_knows(port, group):
    """The trunk server that this leader names has heard so: it gives a slot away, and takes it back."""
    client = ref.Client(f"127.0.0.1:{port}")
    try:
        name = client.ask_tracker(ref.req_set_trunk_server(group))
        chief = next(s for s in client.ask_tracker(ref.req_list_storages(group)) if s["id"] == name)
        with client.connect((chief["ip"], chief["port"])) as conn:
            conn.call(ref.req_trunk_free(group, conn.call(ref.req_trunk_alloc(group, 100, 0))))
    except ref.StatusError:
        return False
    return True


IDS = "".join(f"{100000 * g + m} group{g} 127.0.{g}.{m}:PORT{g}\n" for g in (1, 2) for m in (1, 2))


@pytest.mark.parametrize("settings, ids", [
    ("", ""),
    ("use_trunk_file = true\nslot_max_size = 64KB\ntrunk_file_size = 4MB", ""),
    ("response_ip_addr_size = IPv6", ""),
    ("fetch_all_form = old", ""),
    ("use_storage_id = true\nid_type_in_filename = id", IDS),
    ("use_storage_id = true\nid_type_in_filename = ip\nresponse_ip_addr_size = IPv6", IDS),
], ids=["plain", "trunk", "wide", "old-105", "ids", "ids-ip-wide"])
def test_the_probe_of_all_commands_on_two_trackers_and_two_groups(settings, ids):
    cluster = S3Cluster(trackers=2, groups=2, members=2, trust=False, tracker_settings=settings, storage_ids=ids)
    try:
        cluster.start_servers()
        runs = [(address[1], group) for address in cluster.tracker_addresses for group in ("group1", "group2")]
        for run, (port, group) in enumerate(runs):
            leader = wait_until("a leader", lambda: native.leader_port(cluster.tracker_addresses[0]))
            # A storage that joins leaves a record: once; and those with numbers cannot, if they are not listed.
            options = ["--intrusive"] if run == 0 and not ids else []
            if "trunk" not in settings:
                options.append("--server-commands")
            elif port == leader:  # the probe asks the same tracker for the trunk server
                options.append("--server-commands")
                wait_until("the trunk server to know", lambda: trunk_server_knows(port, group))
            passed, failed = probe(port, *options, group=group)
            assert failed == []
            assert passed >= MINIMUM
            # What the probe has left behind at one tracker would come to the other in the middle of the next run.
            wait_until("both to know the same", lambda: len({str(known(p)) for _, p in cluster.tracker_addresses}) == 1)
        cluster.stop()
    finally:
        cluster.remove()


def test_strangers_get_no_answer_to_what_only_servers_may_ask(ports):
    """Commands between storages are refused with EACCES (semantics 19, weakness 4); nothing else fails,
    save what cannot succeed once they are refused."""
    passed, failed = probe(ports["tracker"], "--server-commands")
    assert passed >= MINIMUM
    consequences = ("22 mtime of the copy", "14 updated", "14 patched", "14 truncated", "26 fetch binlog",
                    "40 rename: status 0")
    unexpected = [line for line in failed if "status EACCES" not in line and
                  not line.removeprefix("FAIL  ").startswith(consequences)]
    assert unexpected == []
    assert any("16 create" in line for line in failed)


@pytest.mark.parametrize("server", ["tracker", "storage"])
@pytest.mark.parametrize("head", [
    struct.pack(">qBB", -1, 14, 0),
    struct.pack(">QBB", 1 << 63, 14, 0),
    struct.pack(">QBB", (1 << 63) - 1, 14, 0),
    struct.pack(">QBB", 0xFFFFFFFF00000010, 101, 0),
    struct.pack(">QBB", (1 << 32) + 20, 101, 0),
], ids=["minus-one", "sign-bit", "largest", "32-bit-truncation", "over-4-GiB"])
def test_a_lying_length_costs_its_own_connection_only(ports, server, head):
    with connect(ports[server]) as sock:
        sock.sendall(head + b"x" * 100)
        sock.shutdown(socket.SHUT_WR)
        reply = b""
        while piece := sock.recv(4096):
            reply += piece
        assert reply == b"" or reply[9] != 0  # closed, or refused; never taken
    assert alive(ports[server])


@pytest.mark.parametrize("server", ["tracker", "storage"])
def test_peers_that_vanish_anywhere_in_a_request(ports, server):
    command = {"tracker": 102, "storage": 11}[server]
    body = b"\xff" + struct.pack(">Q", 5000) + b"txt\0\0\0" + b"c" * 5000
    message = struct.pack(">QBB", len(body), command, 0) + body
    for cut in [1, 5, 9, 10, 11, 24, 25, 26, 1000, len(message) - 1]:
        with connect(ports[server]) as sock:
            sock.sendall(message[:cut])
    assert alive(ports[server])


def test_an_upload_that_was_cut_leaves_no_file(ports, cluster):
    def stored():
        return sum(1 for p in pathlib.Path(cluster.data).rglob("*.cutext") if p.is_file())
    body = b"\xff" + struct.pack(">Q", 400_000) + b"cutext" + b"c" * 300_000
    with connect(ports["storage"]) as sock:
        sock.sendall(struct.pack(">QBB", 15 + 400_000, 11, 0) + body)
    with connect(ports["storage"]) as sock:  # one that does complete, behind it
        status, reply = call(sock, 11, b"\xff" + struct.pack(">Q", 400_000) + b"cutext" + b"d" * 400_000)
        assert status == 0
        assert reply.endswith(b".cutext")
    wait_until("only the whole one to be there", lambda: stored() == 1)


def test_idle_and_half_open_connections_do_not_slow_others(ports):
    idle = [connect(ports["storage"]) for _ in range(100)]
    half = [connect(ports["tracker"]) for _ in range(100)]
    for sock in half:
        sock.sendall(b"\0\0\0")
    try:
        for _ in range(20):
            assert alive(ports["tracker"])
            assert alive(ports["storage"])
    finally:
        for sock in idle + half:
            sock.close()
