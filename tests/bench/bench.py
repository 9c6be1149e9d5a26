#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench - the whole system against its goals (issue 2, section 7), and a cluster's figures (issue 3, section 4).

Starts s3gw standalone and nginx on free ports, and clusters (clusters.py), the data of all in one temporary folder,
drives them with build/bench/load, prints every run and then each goal with its figure, and removes everything. Ratios
to nginx come from runs that alternate; with several rounds the median counts.
"""
import argparse
import json
import os
import pathlib
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import clusters
import servers
from servers import MIB

KIB = 1024


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.load_program = servers.ROOT / args.build / "bench" / "load"
        self.congestion = servers.congestion_control()
        self.seconds = 1.5 if args.quick else 5
        self.warmup = 0.3 if args.quick else 1
        self.rounds = 1 if args.quick else 3
        self.runs, self.goals, self.cluster_figures = [], [], []
        self.keys = "root" + secrets.token_hex(8), secrets.token_urlsafe(30)  # of all servers
        self.s3gw = self.nginx = None

    def start(self):
        self.s3gw = servers.start_s3gw(self.folder / "s3gw", self.congestion, keys=self.keys)
        if shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            self.nginx = servers.Nginx(self.folder / "nginx", self.congestion)

    def stop(self):
        if self.nginx:
            self.nginx.stop()
        if self.s3gw:
            self.s3gw.stop()

    # --- running the load generator ---------------------------------------------------------

    def load(self, work, *options):
        """One run of the load generator; its figures."""
        env = dict(os.environ, AWS_ACCESS_KEY_ID=self.keys[0], AWS_SECRET_ACCESS_KEY=self.keys[1])
        words = [str(self.load_program), work, "--json", "--congestion", self.congestion]
        words += [str(option) for option in options]
        done = subprocess.run(words, env=env, text=True, capture_output=True, check=False)
        if not done.stdout.strip() and work != "files":
            sys.exit(f"bench: {' '.join(words)}\n{done.stderr}")
        figures = json.loads(done.stdout) if done.stdout.strip() else {}
        if figures.get("errors"):
            print(f"bench: {work}: {figures['errors']} errors: {figures['first_error']}", file=sys.stderr)
        return figures

    def run(self, name, work, *options, timed=True, port=None, server="s3gw", keep=True, pid=None):
        """A run against one of the servers, noted under @name."""
        if server == "nginx":
            target = ["--no-sign", "--endpoint", f"127.0.0.1:{self.nginx.port}", "--pid-tree", self.nginx.process.pid]
        elif server == "s3gw":
            target = ["--endpoint", f"127.0.0.1:{port or self.s3gw.port}", "--pid-tree", pid or self.s3gw.process.pid]
        else:
            target = []  # @options say it
        duration = ["--seconds", self.seconds, "--warmup", self.warmup] if timed else []
        figures = self.load(work, *target, *duration, *options)
        figures.update(name=name, server=server)
        if keep:
            self.runs.append(figures)
            print_run(figures)
        return figures

    def beside_nginx(self, name, *options):
        """Alternating runs of GET on both; figures of each, by the median of the ratio's parts."""
        ours, theirs = [], []
        for _ in range(self.rounds):
            ours.append(self.run(name, "get", *options))
            if self.nginx:
                theirs.append(self.run(name, "get", *options, server="nginx"))
        return ours, theirs

    # --- goals ------------------------------------------------------------------------------

    def goal(self, work, goal, figure, reference, ratio, met):
        self.goals.append({"work": work, "goal": goal, "figure": figure, "reference": reference,
                           "ratio": None if ratio is None else round(ratio, 3),
                           "met": None if met is None else bool(met)})

    def idle_memory(self):
        bytes_ = servers.rss(self.s3gw.process.pid)
        self.goal("memory, idle after start", "<= 50 MiB", f"{bytes_ / MIB:.1f} MiB", "50 MiB",
                  bytes_ / (50 * MIB), bytes_ <= 50 * MIB)

    def fill(self):
        self.run("bucket", "bucket", timed=False, keep=False)
        small = ["--size", "4k", "--keys", 4096, "--prefix", "s/"]
        large = ["--size", "64m", "--keys", 4, "--prefix", "l/"]
        self.run("fill", "put", *small, "--count", 4096, "--connections", 64, timed=False, keep=False)
        self.run("fill", "put", *large, "--count", 4, timed=False, keep=False)
        self.run("verify", "get", *small, "--count", 4096, "--connections", 16, "--verify", timed=False, keep=False)
        if self.nginx:
            for what in small, large:
                self.load("files", "--folder", self.nginx.files, *what)

    def get_small(self):
        for connections in 16, 64:
            name = f"GET 4 KiB, {connections} connections"
            ours, theirs = self.beside_nginx(name, "--size", "4k", "--keys", 4096, "--prefix", "s/",
                                             "--random", "--connections", connections)
            self.ratio_goal(name, "CPU <= 2.2x nginx", "us CPU", ours, theirs, "server_cpu_us_op",
                            lambda r: r <= 2.2)

    def get_large(self):
        for name, more in (("GET 64 MiB", ["--connections", 2]),
                           ("GET range 1 MiB of 64 MiB", ["--connections", 8, "--range", "1m"])):
            ours, theirs = self.beside_nginx(name, "--size", "64m", "--keys", 4, "--prefix", "l/", *more)
            self.ratio_goal(name, ">= 70 % of nginx", "MB/s", ours, theirs, "bytes_s", lambda r: r >= 0.7)

    def ratio_goal(self, name, goal, unit, ours, theirs, field, met):
        scale = 1e6 if unit == "MB/s" else 1
        mine = statistics.median(f[field] for f in ours)
        if not theirs:
            self.goal(name, goal, f"{mine / scale:.1f} {unit}", "no nginx", None, None)
            return
        ratio = statistics.median(a[field] / b[field] for a, b in zip(ours, theirs))
        reference = statistics.median(f[field] for f in theirs)
        self.goal(name, goal, f"{mine / scale:.1f} {unit}", f"{reference / scale:.1f} {unit}", ratio, met(ratio))

    def put_small(self):
        options = ["--size", "4k", "--keys", 65536, "--prefix", "p/"]
        f = self.run("PUT 4 KiB, 64 connections", "put", *options, "--connections", 64)
        self.goal(f["name"], "<= 120 us CPU", f"{f['server_cpu_us_op']:.1f} us CPU", "120 us",
                  f["server_cpu_us_op"] / 120, f["server_cpu_us_op"] <= 120)
        self.goal(f["name"], ">= 10,000/s", f"{f['ops_s']:.0f}/s", "10000/s", f["ops_s"] / 1e4, f["ops_s"] >= 1e4)
        pairs = []
        for _ in range(self.rounds): # the disk has phases: bare flushes before each run, and after
            bare = self.load("sync-cost", "--folder", self.folder, "--seconds", 1)
            f = self.run("PUT 4 KiB, 1 connection", "put", *options, "--connections", 1)
            after = self.load("sync-cost", "--folder", self.folder, "--seconds", 1)
            pairs.append((f["ops"]["put"]["p50_us"], (bare["p50_us"] + after["p50_us"]) / 2))
        pairs.sort(key=lambda p: p[0] / p[1])
        ours, bare = pairs[len(pairs) // 2]
        self.goal(f["name"], "p50 <= 2.5x two flushes", f"{ours:.0f} us", f"{bare:.0f} us", ours / bare,
                  ours / bare <= 2.5)

    def bare_write(self, size):
        """Bytes a second into a fresh file on the same file system, as a durable upload must at least."""
        piece = os.urandom(256 * KIB)
        with tempfile.TemporaryFile(dir=self.folder, buffering=0) as file:
            begun = time.monotonic()
            for _ in range(size // len(piece)):
                file.write(piece)
            os.fdatasync(file.fileno())
            return size / (time.monotonic() - begun)

    def put_large(self):
        options = ["--size", "64m", "--keys", 8, "--prefix", "pl/"]
        md5 = self.load("md5-cost", "--seconds", 1)["bytes_s"]
        disk = statistics.median(self.bare_write(64 * MIB) for _ in range(5))
        self.goal("bare write and fdatasync of 64 MiB", "(the disk's limit)", f"{disk / 1e6:.0f} MB/s",
                  f"{md5 / 1e6:.0f} MB/s", disk / md5, None)
        for connections, share in (1, 0.85), (2, 1.0):
            name = f"PUT 64 MiB, {connections} connection{'s' if connections > 1 else ''}"
            speeds = [self.run(name, "put", *options, "--connections", connections)["bytes_s"]
                      for _ in range(self.rounds)]
            best = statistics.median(speeds)
            self.goal(name, f">= {share * 100:.0f} % of MD5", f"{best / 1e6:.0f} MB/s", f"{md5 / 1e6:.0f} MB/s",
                      best / md5, best / md5 >= share)

    def sealed(self):
        """What encryption costs: beside the same work on objects in plain, over HTTP and HTTPS, for a client that
        looks at what it gets. (One that does not is served by sendfile without anybody touching the bytes.)"""
        (self.folder / "tls").mkdir()
        other = servers.start_s3gw(self.folder / "tls", self.congestion, tls=True,
                                   keys=self.keys)
        try:
            for server in self.s3gw, other:
                self.beside_plain(server)
        finally:
            other.stop()

    def beside_plain(self, server):
        protocol = "HTTPS" if server.tls else "HTTP"
        tls = ["--tls"] if server.tls else []
        options = ["--size", "64m", "--keys", 4, "--connections", 2, "--verify", *tls]
        how = {"port": server.port, "pid": server.process.pid}
        kinds = {"plain": None, "SSE-S3": "AES256", "SSE-KMS": "aws:kms"}
        for kind, algorithm in kinds.items():
            bucket = ["--bucket", kind.lower()]
            self.run("bucket", "bucket", *bucket, *tls, timed=False, keep=False, **how)
            if algorithm:
                server.boto3().put_bucket_encryption(Bucket=kind.lower(), ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]})
            self.run("fill", "put", *bucket, *options, "--count", 4, timed=False, keep=False, **how)
        for work in "put", "get":
            runs = {kind: [] for kind in kinds}
            for _ in range(self.rounds):
                for kind in kinds:
                    name = f"{protocol} {work.upper()} 64 MiB {kind}"
                    runs[kind].append(self.run(name, work, *options, "--bucket", kind.lower(), **how))
            for kind in list(kinds)[1:]:
                self.ratio_goal(runs[kind][0]["name"], ">= 60 % of plain", "MB/s", runs[kind], runs["plain"],
                                "bytes_s", lambda r: r >= 0.6)

    def independent_of_size(self):
        one = ["--connections", 1]
        small = self.run("Copy of 4 KiB", "copy", "--size", "4k", "--keys", 1024, "--prefix", "s/", *one)
        large = self.run("Copy of 64 MiB", "copy", "--size", "64m", "--keys", 4, "--prefix", "l/", *one)
        self.flat_goal("CopyObject 4 KiB, 64 MiB", small["ops"]["copy"], large["ops"]["copy"])
        uploads = 4 if self.args.quick else 10
        results = []
        for size, part in ("10m", "5m"), ("160m", "80m"):
            f = self.run(f"multipart {size}, 2 parts", "multipart", "--size", size, "--part-size", part,
                         "--keys", 2, "--prefix", f"m{size}/", "--count", uploads, *one, timed=False)
            results.append(f["ops"]["complete"])
        self.flat_goal("Complete 10 MiB, 160 MiB", *results)

    def flat_goal(self, name, small, large):
        ratio = large["p50_us"] / small["p50_us"]
        self.goal(name, "independent (<= 1.5x)", f"{large['p50_us']:.0f} us", f"{small['p50_us']:.0f} us",
                  ratio, ratio <= 1.5)

    def listing(self):
        rates, filled = [], 0
        small, large = 10000, self.args.keys or (40000 if self.args.quick else 1000000)
        for keys in small, large:
            # The directory of keys grows: only what is missing is written.
            self.run("fill", "put", "--size", "64", "--keys", keys - filled, "--first", filled, "--prefix", "n/",
                     "--count", keys - filled, "--connections", 256, timed=False, keep=False)
            filled = keys
            name = f"LIST 1,000 of {keys:,}"
            f = self.run(name, "list", "--prefix", "n/", "--keys", keys - 1000, "--random", "--connections", 1)
            rates.append(f["ops"]["list"]["keys"] / f["seconds"])
            self.goal(name, ">= 200,000 keys/s", f"{rates[-1]:.0f} keys/s", "200000", rates[-1] / 2e5, rates[-1] >= 2e5)
        self.goal("LIST, flat", ">= 0.8x of 10,000", f"{rates[1]:.0f} keys/s", f"{rates[0]:.0f} keys/s",
                  rates[1] / rates[0], rates[1] / rates[0] >= 0.8)

    def native(self):
        """FastDFS's clients, beside upstream's figures on such a machine, which are without sync (issue 3, section 4)."""
        port, ids = servers.storage_port(self.s3gw), ["--id-file", self.folder / "ids"]
        # size, files, connections; least ops/s, most CPU us, least MB/s: of uploads, of downloads
        for size, keys, connections, up, down in (
                ("4 KiB", 4096, 16, (12400, 95, None), (30000, 40, None)),
                ("64 KiB", 1024, 16, (None, None, None), (None, None, None)),
                ("1 MiB", 128, 4, (None, None, 200), (None, None, 1400)),
                ("64 MiB", 4, 2, (None, None, 200), (None, None, 1400))):
            what = ["--size", size[:-2].replace(" ", ""), "--keys", keys, "--connections", connections, *ids]
            for name, work, upstream in ((f"native upload {size}, synced", "native-put", up),
                                         (f"native download {size}", "native-get", down)):
                self.beside_upstream(self.run(name, work, *what, port=port), *upstream)

    def beside_upstream(self, f, ops_s, cpu_us, mb_s):
        for goal, figure, unit in ((ops_s, f["ops_s"], "/s"), (cpu_us, f["server_cpu_us_op"], " us CPU"),
                                   (mb_s, f["bytes_s"] / 1e6, " MB/s")):
            if goal:
                bound, met = ("<", figure < goal) if goal == cpu_us else (">", figure > goal)
                self.goal(f["name"], f"{bound} {goal}{unit}", f"{figure:.1f}{unit}", f"{goal}{unit}", figure / goal, met)

    def others(self):
        """No goals: for people who compare."""
        small = ["--size", "4k", "--prefix", "s/", "--keys", 4096, "--random"]
        self.run("HEAD, 16 connections", "head", *small, "--connections", 16)
        self.run("mixed 4 KiB, 16 connections", "mixed", *small, "--prefix", "x/", "--connections", 16)
        if self.args.quick:
            return
        for size, connections in ("1k", 64), ("64k", 16), ("1m", 4), ("1g", 1):
            keys = 2 if size == "1g" else 64
            what = ["--size", size, "--keys", keys, "--prefix", f"o{size}/", "--connections", connections]
            self.run(f"PUT {size}, {connections} connections", "put", *what, "--count",
                     1000 if size == "1k" else keys, timed=False)
            self.run(f"GET {size}, {connections} connections", "get", *what)
            if size != "1g":
                self.run(f"DELETE {size}, {connections} connections", "delete", *what, "--count", keys, timed=False)
        self.cold()

    def cold(self):
        drop = pathlib.Path("/proc/sys/vm/drop_caches")
        os.sync()
        try:
            drop.write_text("3\n")
        except OSError:
            print("bench: cold GET left out: only root may empty the page cache")
            return
        self.run("GET 4 KiB cold, 16 connections", "get", "--size", "4k", "--prefix", "s/", "--keys", 4096,
                 "--count", 4096, "--random", "--connections", 16, timed=False)

    def memory(self):
        peak = max((f["peak_rss"] for f in self.runs if f["server"] == "s3gw"), default=0)
        self.goal("memory, under load", "<= 250 MiB", f"{peak / MIB:.1f} MiB", "250 MiB", peak / (250 * MIB),
                  peak <= 250 * MIB)

    def idle_connections(self):
        f = self.run("10,000 idle connections", "idle", "--connections", 10000, "--keys", 4096, "--prefix", "s/",
                     "--seconds", 5, timed=False)
        self.goal(f["name"], "<= 400 MiB", f"{f['rss'] / MIB:.1f} MiB", "400 MiB", f["rss"] / (400 * MIB),
                  f["rss"] <= 400 * MIB and f["connections"] == 10000 and f["errors"] == 0)

    def cluster(self):
        """No goals: replication lag, joins beside rsync and cp, fail-over."""
        clusters.measure(self)

    def all(self):
        sections = [self.get_small, self.get_large, self.put_small, self.put_large, self.sealed, self.independent_of_size,
                    self.native, self.others, self.listing, self.memory, self.idle_connections, self.cluster]
        chosen = [section for section in sections if not self.args.only or self.args.only in section.__name__]
        if chosen != [self.cluster]:
            self.start()
            self.idle_memory()
            self.fill()
        print_run_head()
        for section in chosen:
            section()


# --- printing ---------------------------------------------------------------------------------


def print_run_head():
    print(f"\n{'run':34} {'server':6} {'ops/s':>9} {'MB/s':>8} {'p50 us':>9} {'p99 us':>9} {'p99.9 us':>9} "
          f"{'CPU us/op':>9} {'peak MiB':>9}", flush=True)


def print_run(f):
    op = f["ops"].get("complete") or (max(f["ops"].values(), key=lambda o: o["n"]) if f["ops"] else {})
    print(f"{f['name']:34.34} {f['server']:6} {f['ops_s']:9.0f} {f['bytes_s'] / 1e6:8.1f} {op.get('p50_us', 0):9.0f} "
          f"{op.get('p99_us', 0):9.0f} {op.get('p999_us', 0):9.0f} {f['server_cpu_us_op']:9.1f} "
          f"{f['peak_rss'] / MIB:9.1f}" + (f"  {f['errors']} errors" if f["errors"] else ""), flush=True)


def print_goals(goals):
    print(f"\n{'work':34} {'goal':24} {'figure':>16} {'against':>16} {'ratio':>7}")
    for g in goals:
        ratio = "" if g["ratio"] is None else f"{g['ratio']:7.2f}"
        verdict = {None: "", True: "pass", False: "MISS"}[g["met"]]
        print(f"{g['work']:34.34} {g['goal']:24.24} {g['figure']:>16} {g['reference']:>16} {ratio:>7} {verdict}")
    print(f"\n{sum(g['met'] is True for g in goals)} met, {sum(g['met'] is False for g in goals)} missed")


def read_arguments():
    parser = argparse.ArgumentParser(description="whole-system benchmark of s3gw beside nginx")
    parser.add_argument("--build", default="build", help="folder of the programs (build)")
    parser.add_argument("--quick", action="store_true", help="about a minute: short runs, one round, fewer keys")
    parser.add_argument("--only", metavar="WORD", help="only sections whose name has the word, such as put or list")
    parser.add_argument("--keys", type=int, metavar="N", help="of the large listing (1,000,000; quick 40,000)")
    parser.add_argument("--folder", metavar="DIR", help="make the temporary folder there (TMPDIR)")
    parser.add_argument("--json", metavar="FILE", help="write everything measured there too")
    return parser.parse_args()


def main():
    args = read_arguments()
    os.environ["S3GW_BUILD"] = args.build
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="s3gw-bench-", dir=args.folder))
    os.chmod(folder, 0o755)
    tempfile.tempdir = str(folder)  # of clusters too
    bench = None
    try:
        (folder / "s3gw").mkdir()
        about = servers.describe_machine(folder)
        bench = Bench(args, folder)
        about.update(durability="sync", congestion=bench.congestion, payload="unsigned", framing="HTTP/1.1 keep-alive",
                     nginx="2 workers, sendfile, no access log", seconds=bench.seconds, rounds=bench.rounds)
        print("\n".join(f"{key:12} {value}" for key, value in about.items()))
        if os.getloadavg()[0] > 1:
            print("note         others use this machine: only CPU per operation can be trusted")
        bench.all()
        if bench.cluster_figures:
            clusters.show(bench.cluster_figures)
        if bench.goals:
            print_goals(bench.goals)
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps({"about": about, "runs": bench.runs, "goals": bench.goals,
                                                           "cluster": bench.cluster_figures}))
    finally:
        if bench:
            bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
