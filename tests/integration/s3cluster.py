# SPDX-License-Identifier: Apache-2.0
"""s3cluster - a gateway in front of real storages over TCP: trackers, groups of several members, on 127.0.0.x.

Trackers listen on 127.0.0.1 (ports of their own), member m of group g on 127.0.g.m, the gateways on 127.0.0.1.
"""
import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile
import threading

from authority import Authority
from cluster import BUILD, PATIENCE_S, Cluster, free_port, sanitizer_env, wait_until, wrapper
from nativecluster import ACTIVE, START_S, Connection, Program, Refused, Storage, call, field


class Gateway(Program):
    """`s3gw serve` as a Program."""

    def __init__(self, conf, folder, env):
        super().__init__("s3gw", conf, folder)
        self.env = env

    def start(self, *options):
        command = [str(BUILD / "s3gw"), "serve", "--config", str(self.conf), *options]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(wrapper() + command, stdout=subprocess.PIPE, stderr=log, env=self.env)
        return self


class CommandFailed(AssertionError):
    """Of `s3gw admin`: the gateway refuses, or is none that serves."""


class Member(Storage):
    """A storage asked by one who has proved the secret: it answers for itself and does not pass on."""

    def __init__(self, address, group, secret):
        super().__init__(address, group)
        self.secret = secret

    def _call(self, cmd, body, status=0):
        with Connection(self.address).prove(self.secret) as c:
            return c.call(cmd, body, status)


class S3Cluster:
    """The methods that ledger.py and others use of Cluster are here too: boto3(), http(), admin() ..."""

    region = "us-east-1"
    tls = False
    certificate = None
    boto3 = Cluster.boto3
    http = Cluster.http
    socket = Cluster.socket
    endpoint = Cluster.endpoint

    def __init__(self, trackers=1, groups=1, members=3, local=(), settings="", trust=True, tracker_settings="",
                 storage_settings="", storage_ids="", tls=None, paths=1, gateways=1, check_active_interval="30s"):
        """@local: (group, member) pairs whose Unix-domain socket the gateway is given. Without @trust servers have no
        secret and take everybody on 127.x for one of them, and no gateway of another machine is served.
        @paths: store paths of each storage. @tls: value of cluster_tls; all have certificates then, of self.authority.
        @gateways: with the same settings and INDEX.key; more than one need a gateway_lease in @settings.
        @storage_ids: a storage_ids.conf, PORT<g> standing for the port of group g's storages; servers are named by it."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="s3c-"))
        self.access_key, self.secret_key = "root" + secrets.token_hex(8), secrets.token_urlsafe(30)
        self.secret = self.folder / "secret"
        self.secret.write_text(secrets.token_hex(32) + "\n")
        self.secret.chmod(0o600)
        self.trust = trust
        trust_line = f"cluster_secret_file = {self.secret}" if trust else ""
        self.authority = Authority(self.folder) if tls else None
        self.tls_mode = tls
        self.programs = []
        ports = [free_port(["127.0.0.1"]) for _ in range(trackers)]
        self.tracker_addresses = [("127.0.0.1", port) for port in ports]
        lines = "".join(f"tracker_server = 127.0.0.1:{port}\n" for port in ports)
        self.trackers = [self._program("dfs_trackerd", f"tracker{port}", f"""bind_addr = 127.0.0.1
            port = {port}
            reserved_storage_space = 1MB
            {trust_line}
            {tracker_settings}
            check_active_interval = {check_active_interval}
            """ + (lines if trackers > 1 else "")) for port in ports]
        self.storages = {}
        for group in range(1, groups + 1):
            hosts = [f"127.0.{group}.{m}" for m in range(1, members + 1)]
            port = free_port(hosts)
            for m, host in enumerate(hosts, 1):
                program = self.storages[group, m] = self._program("dfs_storaged", f"g{group}m{m}", f"""group_name = group{group}
                    bind_addr = {host}
                    port = {port}
                    {trust_line or "peer_hosts = 127.0.0.0/8"}
                    heart_beat_interval = 200ms
                    sync_wait_msec = 20ms
                    network_timeout = 10s
                    {storage_settings}
                    """ + lines)
                if paths > 1:
                    places = [program.folder / f"path{i}" for i in range(paths)]
                    for place in places:
                        place.mkdir()
                    program.conf.write_text(program.conf.read_text() + f"store_path_count = {paths}\n" +
                                            "".join(f"store_path{i} = {p}\n" for i, p in enumerate(places)))
        sockets = "".join(f"storage = group{g}={self.folder}/g{g}m{m}/data/storage.sock\n" for g, m in local)
        if storage_ids:
            for (group, _), program in self.storages.items():
                port = re.search(r"(?m)^port = (\d+)$", program.conf.read_text()).group(1)
                storage_ids = storage_ids.replace(f"PORT{group}", port)
            for tracker in self.trackers:
                (tracker.folder / "storage_ids.conf").write_text(storage_ids)
        self.settings = settings
        self.gateway_lines = lines + sockets
        self.gateway_trust = self.authority.conf_lines("gateway") if tls else ""
        if trust or not tls:
            self.gateway_trust += f"cluster_secret_file = {self.secret}"
        self.gateways = [self._gateway(f"gateway{i + 1 if i else ''}") for i in range(gateways)]
        self.gateway = self.gateways[0]
        self.asked = threading.local()  # .gateway: whom a thread asks
        if gateways > 1:
            key = secrets.token_hex(32) + "\n"
            for gateway in self.gateways:
                path = gateway.folder / "index.key"
                path.write_text(key)
                path.chmod(0o600)

    def _program(self, name, folder, text):
        place = self.folder / folder
        place.mkdir()
        conf = place / "conf"
        tls = self.authority.conf_lines(folder, self.tls_mode) if self.authority else ""
        conf.write_text(f"base_path = {place}\n" + "\n".join(line.strip() for line in text.splitlines()) + "\n" + tls)
        program = Program(name, conf, place)
        self.programs.append(program)
        return program

    def _gateway(self, name):
        place = self.folder / name
        place.mkdir()
        conf = place / "conf"
        conf.write_text(f"""listen = 127.0.0.1:{free_port(["127.0.0.1"])}
index_path = {place}/index
admin_socket = {place}/admin.sock
{self.gateway_trust}
storage_hold_down = 300ms
{self.gateway_lines}{self.settings}
""")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3GW_ROOT"))}
        env.update(S3GW_ROOT_ACCESS_KEY=self.access_key, S3GW_ROOT_SECRET_KEY=self.secret_key)
        gateway = Gateway(conf, place, sanitizer_env(env))
        self.programs.append(gateway)
        return gateway

    # --- life -------------------------------------------------------------------------------

    def start(self):
        self.start_servers()
        self.start_gateway()
        return self

    def start_servers(self):
        for tracker in self.trackers:
            tracker.start()
        for tracker in self.trackers:
            tracker.wait_ready()
        for storage in self.storages.values():
            storage.start()
        for storage in self.storages.values():
            storage.wait_ready()
        self.wait_active(*self.storages)
        self.wait_copies()

    def start_gateway(self):
        self.gateway.start().wait_ready()

    def ask(self, gateway):
        """This thread talks to @gateway from now on."""
        self.asked.gateway = gateway

    @property
    def port(self):
        return getattr(self.asked, "gateway", self.gateway).port

    def failed(self):
        """This thread had no answer, or a 5xx: it tries another gateway, if there is one."""
        at = self.gateways.index(getattr(self.asked, "gateway", self.gateway))
        self.ask(self.gateways[(at + 1) % len(self.gateways)])

    def states(self, group):
        """Status of the members of a group by number, as the first tracker that runs has it."""
        return next((self.states_at(t, group) for t in self.trackers if t.running()), {})

    def states_at(self, tracker, group):
        try:
            body = call(self.tracker_addresses[self.trackers.index(tracker)], 92, field(f"group{group}", 16))
        except (Refused, OSError):
            return {}
        each = 517 if len(body) % 487 else 487  # protocol 4.4: addresses of 46 or 16 bytes
        records = [body[at:at + each] for at in range(0, len(body), each)]
        return {int(r[18:18 + each - 471].rstrip(b"\0").split(b".")[3]): r[0] for r in records}

    def member(self, group, number):
        """Native commands, answered by that member itself."""
        return Member((f"127.0.{group}.{number}", self.storages[group, number].port), f"group{group}",
                      self.secret.read_text().strip().encode())

    def wait_active(self, *which):
        """At every tracker that runs: a test may ask any, and so may the gateway."""
        wait_until(f"{which} to be ACTIVE", lambda: all(self.states_at(t, g).get(m) == ACTIVE
                                                        for t in self.trackers if t.running() for g, m in which), START_S)

    def wait_copies(self):
        """Until every member waits for a second copy of what it is told to write, where there is somebody to have it: it
        hears of the others some time after they have become ACTIVE, and takes nothing before."""
        for g, m in self.storages:
            if (g, 3 - min(m, 2)) in self.storages:
                wait_until(f"member {m} of group {g} to wait for copies", lambda g=g, m=m: self.copies_needed(g, m) >= 2)

    def copies_needed(self, group, number):
        with Connection((f"127.0.{group}.{number}", self.storages[group, number].port)) as c:
            if self.authority:
                c.socket = self.authority.context("tester").wrap_socket(c.socket)
            if self.trust:
                c.prove(self.secret.read_text().strip().encode())
            _, needed, others = c.call(193)[:3]
            return needed if others else 1  # before it has heard of any it needs two, and takes nothing

    def stop(self):
        """Everything that runs, in order; each must end well."""
        for program in [*self.gateways, *self.storages.values(), *self.trackers]:
            if program.running():
                program.stop()

    def remove(self):
        for program in self.programs:
            program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self, lines=60):
        return "\n".join(f"--- {p.folder.name}\n{p.log()}" for p in self.programs)

    def admin(self, *words):
        folder = getattr(self.asked, "gateway", self.gateway).folder
        done = subprocess.run([str(BUILD / "s3gw"), "admin", "--socket", str(folder / "admin.sock"), "--json", *words],
                              capture_output=True, text=True, timeout=PATIENCE_S, env=sanitizer_env(os.environ))
        if done.returncode != 0:
            raise CommandFailed(done.stderr)
        return json.loads(done.stdout)


@contextlib.contextmanager
def running(buckets=("bucket",), kind=S3Cluster, **options):
    """A cluster, @kind(**options), with these buckets, for as long as a fixture lasts; its logs when that ends badly."""
    c = kind(**options)
    try:
        c.start()
        for bucket in buckets:
            c.boto3().create_bucket(Bucket=bucket)
        yield c
        c.stop()
    except Exception:
        print(c.tail())
        raise
    finally:
        c.remove()
