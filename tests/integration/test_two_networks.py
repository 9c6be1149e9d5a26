# SPDX-License-Identifier: Apache-2.0
"""Servers with two addresses each, inner and outer, in a network namespace of their own.

The namespace's loopback carries both networks: 10.77.0.x (inner) and 198.51.100.x (outer). This file runs itself in it.
"""
import os
import pathlib
import subprocess
import sys

import nativecluster as native
from cluster import BUILD, sanitizer_env, wait_until, wrapper
from netns import ip, play, program, stopped_after

INNER, OUTER = "10.77.0.{}", "198.51.100.{}"
TRACKER, CLIENT, FIRST = 1, 99, 11
PORT = 23000


def both(n):
    return f"{INNER.format(n)},{OUTER.format(n)}"


def scenario(folder):
    ip("link", "set", "lo", "up")
    for n in (TRACKER, CLIENT, FIRST, FIRST + 1):
        for network in (INNER, OUTER):
            ip("addr", "add", network.format(n) + "/32", "dev", "lo")
    secret = folder / "secret"
    secret.write_text(os.urandom(32).hex())
    secret.chmod(0o600)
    tracker = program(folder, "dfs_trackerd", "tracker", f"""bind_addr = {both(TRACKER)}
port = 22122
reserved_storage_space = 1MB
use_storage_id = true
id_type_in_filename = id
cluster_secret_file = {secret}
check_active_interval = 30s
tracker_server = {both(TRACKER)}:22122
""")
    # The second line names the outer address first: it is put in order.
    (tracker.folder / "storage_ids.conf").write_text(
        f"100001 group1 {both(FIRST)}:{PORT}\n"
        f"100002 group1 {OUTER.format(FIRST + 1)},{INNER.format(FIRST + 1)}:{PORT}\n")
    storages = [program(folder, "dfs_storaged", f"storage{n}", f"""bind_addr = {both(n)}
port = {PORT}
tracker_server = {OUTER.format(TRACKER)},{INNER.format(TRACKER)}:22122
cluster_secret_file = {secret}
heart_beat_interval = 200ms
sync_wait_msec = 20ms
connect_timeout = 1s
network_timeout = 2s
""") for n in (FIRST, FIRST + 1)]
    everybody = [tracker, *storages]

    def statuses(network):
        """Address to status, as a client on that network sees it."""
        body = native.call((network.format(TRACKER), 22122), 92, native.field("group1", 16), source=network.format(CLIENT))
        assert len(body) % 487 == 0
        return {body[at + 18:at + 34].rstrip(b"\0").decode(): body[at] for at in range(0, len(body), 487)}

    def active(network):
        return statuses(network) == {network.format(n): native.ACTIVE for n in (FIRST, FIRST + 1)}
    with stopped_after(everybody):
        for p in everybody:
            p.start()
        for p in everybody:
            p.wait_ready()
        for network in (INNER, OUTER):
            wait_until("all to be ACTIVE, with the addresses of the asker's network", lambda n=network: active(n))
            address = (network.format(TRACKER), 22122)
            me = network.format(CLIENT)
            one = native.call(address, 101, source=me)
            assert one[16:31].rstrip(b"\0").decode() in [network.format(n) for n in (FIRST, FIRST + 1)]
            lines = native.call(address, 69, b"\0" * 5, source=me)[8:].decode().splitlines()
            assert lines == [f"{100001 + i} group1 {both(FIRST + i)}:{PORT}" for i in range(2)]
            # Who asks for its own address is told both (60), by either of them.
            mine = native.call(address, 60, native.field("group1", 17) + PORT.to_bytes(4, "big"), source=network.format(FIRST))
            assert mine.decode() == both(FIRST)
            # Store through this network, read through it from both, and by the dfs tool over two addresses.
            a, b = (native.Storage((network.format(n), PORT), source=me) for n in (FIRST, FIRST + 1))
            data = os.urandom(100_000)
            name = a.upload(data)
            wait_until("the other one to have it", lambda b=b, name=name: b.has(name))
            assert b.download(name) == a.download(name) == data
            fetch = native.call(address, 102, native.field("group1", 16) + name.encode(), source=me)
            assert fetch[16:31].rstrip(b"\0").decode() in [network.format(n) for n in (FIRST, FIRST + 1)]

        def dfs(*words):
            return subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", f"{both(TRACKER)}:22122", *words],
                                  capture_output=True, timeout=60, env=sanitizer_env(os.environ))
        assert dfs("test").returncode == 0
        # Members know each other by the inner network; connections between them come from there.
        # Trackers are lost on the inner network: the outer address is the way round.
        ip("addr", "del", INNER.format(TRACKER) + "/32", "dev", "lo")
        tracker.kill()
        text = tracker.conf.read_text()
        tracker.conf.write_text(text.replace(f"bind_addr = {both(TRACKER)}", f"bind_addr = {OUTER.format(TRACKER)}"))
        tracker.start().wait_ready()
        wait_until("the storages to find it by its outer address", lambda: active(OUTER))
        done = dfs("list-groups")
        assert done.returncode == 0, done


def test_each_client_is_told_the_address_of_its_own_network():
    play(__file__)


if __name__ == "__main__":
    scenario(pathlib.Path(sys.argv[1]))
