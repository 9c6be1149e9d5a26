# SPDX-License-Identifier: Apache-2.0
"""arena - the cluster that is tortured, and what can be done to it (beside tests/integration/s3cluster.py)."""
import contextlib
import hashlib
import http.client
import json
import os
import subprocess

from cluster import BUILD, sanitizer_env, wait_until, wrapper
from faults import Faults
from s3cluster import S3Cluster

GROUPS, MEMBERS, PATHS, TRACKERS = 2, 3, 2, 3
LEASE_S = 2
STORAGE = """
    min_copies = {min_copies}
    copy_timeout = 5s
    connect_timeout = 2s
"""
GATEWAY = """default_group = group{default_group}
lifecycle_seconds_per_day = 1
reclaim_grace = {reclaim_grace}
reclaim_rescan = 2s
"""
TAKEOVER_S = 180  # a lease that runs out, and a rebuild, on a machine too busy for leases of two seconds for minutes


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def links_can_be_cut():
    """Rules are asked before the table of local addresses."""
    ip("link", "set", "lo", "up")
    ip("rule", "add", "pref", "200", "lookup", "local")
    ip("rule", "del", "pref", "0")


class Arena(S3Cluster):
    """Each server has a clock and disks of its own (faults.py). Several gateways have a lease, and each thread asks one of
    them until that one fails it."""

    def __init__(self, gateways, min_copies, reclaim_grace, default_group, check_active_interval):
        lease = f"gateway_lease = {LEASE_S}s\n" if gateways > 1 else ""
        super().__init__(trackers=TRACKERS, groups=GROUPS, members=MEMBERS, paths=PATHS, gateways=gateways,
                         settings=GATEWAY.format(reclaim_grace=reclaim_grace, default_group=default_group) + lease,
                         storage_settings=STORAGE.format(min_copies=min_copies),
                         check_active_interval=check_active_interval)
        self.default_group = f"group{default_group}"  # whose objects cannot all be moved away
        self.faults = {}
        for program in [*self.trackers, *self.storages.values()]:
            self.faults[program] = Faults(program.folder)
            program.env = self.faults[program].env()
        self.cuts = set()

    def start_gateway(self):
        for gateway in self.gateways:
            gateway.start().wait_ready()
        self.ask(self.wait_serving())

    # --- faults -------------------------------------------------------------------------------

    def address(self, program):
        return next((f"127.0.{g}.{m}" for (g, m), p in self.storages.items() if p is program), "127.0.0.1")

    def cut(self, one, other):
        """No packet from @one to @other; existing connections stay, silent."""
        if (one, other) not in self.cuts:
            self.cuts.add((one, other))
            ip("rule", "add", "pref", "100", "from", one, "to", other, "blackhole")

    def mend(self):
        for one, other in self.cuts:
            ip("rule", "del", "pref", "100", "from", one, "to", other, "blackhole")
        self.cuts.clear()

    def heal(self):
        """Nothing is wrong any more; what servers have to catch up with, they have not yet."""
        self.mend()
        for fault in self.faults.values():
            fault.clear()
            fault.clock(0)
        for program in self.programs:
            if program.running():
                program.thaw()
            else:
                program.start().wait_ready()

    # --- gateways -----------------------------------------------------------------------------

    def serves(self, gateway):
        c = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=1)
        try:
            c.request("GET", "/health/ready")
            return c.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            c.close()

    def wait_serving(self, *which, seconds=TAKEOVER_S):
        """Until one of these gateways, of all if none are named, serves: that one."""
        return wait_until("a gateway to serve", lambda: next((g for g in which or self.gateways if self.serves(g)), None),
                          seconds)

    # --- what is there ------------------------------------------------------------------------

    def command(self, *words):
        trackers = [w for host, port in self.tracker_addresses for w in ("--tracker", f"{host}:{port}")]
        return [*wrapper(), str(BUILD / "dfs"), *trackers, "--secret", str(self.secret), *words]

    def dfs(self, *words, seconds=60):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=seconds, env=sanitizer_env(os.environ))

    def whole(self):
        """All in service, and all have everything."""
        done = self.dfs("--json", "monitor")
        groups = [r for r in map(json.loads, done.stdout.splitlines()) if "in_service" in r]
        return done.returncode == 0 and len(groups) == GROUPS and all(
            r["in_service"] == MEMBERS and r["under_replicated"] == 0 for r in groups)

    def disks(self, group, member):
        """Every file with a name of FastDFS below the store paths: its place to its sum, or to where it is now."""
        found = {}
        for path in range(PATHS):
            data = self.storages[group, member].folder / f"path{path}" / "data"
            for file in data.glob("??/??/*"):
                if len(file.name) >= 34:
                    with contextlib.suppress(FileNotFoundError):  # reclaimed just now
                        found[f"{path}/{file.relative_to(data)}"] = os.readlink(file) if file.is_symlink() else \
                            hashlib.md5(file.read_bytes()).hexdigest()
        return found

    def differences(self, group):
        found = [set(self.disks(group, m).items()) for m in range(1, MEMBERS + 1)]
        return [sorted(one - set.intersection(*found)) for one in found]
