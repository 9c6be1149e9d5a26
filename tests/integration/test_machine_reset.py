# SPDX-License-Identifier: Apache-2.0
"""A machine that loses its power and is back soon: no connection to it has ended for the others, who wait at it.

In a network namespace of its own, whose loopback loses one address meanwhile. This file runs itself in it.
"""
import operator
import os
import pathlib
import sys

import nativecluster as native
from cluster import wait_until
from netns import ip, play, program, stopped_after

TRACKER, CLIENT, STAYS, RESET = (f"10.77.0.{n}" for n in (1, 99, 11, 12))
PORT = 23000


def scenario(folder):
    ip("link", "set", "lo", "up")
    # What the kernel has to say for a process that was killed must not reach the others afterwards.
    pathlib.Path("/proc/sys/net/ipv4/tcp_orphan_retries").write_text("1")
    for address in (TRACKER, CLIENT, STAYS, RESET):
        ip("addr", "add", address + "/32", "dev", "lo")
    secret = folder / "secret"
    secret.write_text(os.urandom(32).hex())
    secret.chmod(0o600)
    tracker = program(folder, "dfs_trackerd", "tracker", f"""bind_addr = {TRACKER}
port = 22122
reserved_storage_space = 1MB
cluster_secret_file = {secret}
""")
    servers = {address: program(folder, "dfs_storaged", address, f"""bind_addr = {address}
port = {PORT}
tracker_server = {TRACKER}:22122
cluster_secret_file = {secret}
network_timeout = 1h
copy_timeout = 1s
""") for address in (STAYS, RESET)}
    everybody = [tracker, *servers.values()]

    def has_taken(address):
        """A write, with its second copy."""
        try:
            return native.Storage((address, PORT), source=CLIENT).upload(b"x" * 1000)
        except native.Refused as refused:
            assert refused.status == native.EAGAIN
            return None

    def actives():
        body = native.call((TRACKER, 22122), 92, native.field("group1", 16), source=CLIENT)
        return sum(body[at] == native.ACTIVE for at in range(0, len(body), 487))
    with stopped_after(everybody):
        tracker.start().wait_ready()
        for server in servers.values():
            server.start()
        for server in servers.values():
            server.wait_ready()
        for address in servers:
            wait_until(f"a write at {address}", lambda address=address: has_taken(address))
        servers[RESET].freeze()  # so that what the other one asked has arrived: sent again, it would tell
        wait_until("a write to lack its copy", lambda: not has_taken(STAYS))
        ip("addr", "del", RESET + "/32", "dev", "lo")
        servers[RESET].kill()
        wait_until("what the kernel still had to say to be over", lambda: not sockets_of(RESET))
        ip("addr", "add", RESET + "/32", "dev", "lo")
        servers[RESET].start().wait_ready()
        for address in servers:
            wait_until(f"a write at {address}, after the reset", lambda address=address: has_taken(address))
        # A tracker's machine: the others do not go on beating into the void, or it would know nobody for long.
        before = lost(servers)
        ip("addr", "del", TRACKER + "/32", "dev", "lo")
        tracker.kill()
        wait_until("both to notice", lambda: all(map(operator.gt, lost(servers), before)))
        ip("addr", "add", TRACKER + "/32", "dev", "lo")
        tracker.start().wait_ready()
        wait_until("it to know both", lambda: actives() == 2)


def lost(servers):
    return [server.whole_log().count("storage.tracker_lost") for server in servers.values()]


def sockets_of(address):
    """Local ends of connections at @address."""
    mine = "".join(f"{int(n):02X}" for n in reversed(address.split(".")))
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row for row in rows if row[1].startswith(mine + ":") and row[3] != "06"]  # TIME_WAIT says nothing


def test_others_notice_that_a_machine_was_reset():
    play(__file__)


if __name__ == "__main__":
    scenario(pathlib.Path(sys.argv[1]))
