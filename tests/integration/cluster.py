# SPDX-License-Identifier: Apache-2.0
"""cluster - starts `s3gw standalone` from a build folder on free ports in a temporary folder.

Everything a test does to servers goes through here: start, stop, kill one program, wait for it to come
back, read logs and status. Waits are for events (a line, an answer), never for time alone.
"""
import contextlib
import fcntl
import functools
import http.client
import json
import os
import pathlib
import platform
import queue
import random
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("S3GW_BUILD", "build")
START_S = 60  # sanitizer builds on a busy machine
PATIENCE_S = 60  # ceiling of waits that good runs never reach, however busy the machine is


def sanitizer_env(env):
    """The environment of a server of this build kind."""
    env = dict(env)
    if "tsan" in BUILD.name:
        # A long history, else the stack of an old write, which a suppression knows by its library, is lost.
        env["TSAN_OPTIONS"] = f"suppressions={ROOT}/tests/lib/tsan.supp halt_on_error=1 exitcode=66 history_size=7"
    if "asan" in BUILD.name:
        env["ASAN_OPTIONS"] = "detect_leaks=1 exitcode=66 handle_abort=1"
        env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return env


def wrapper():
    """The thread sanitizer cannot place its shadow under every address layout."""
    return ["setarch", platform.machine(), "-R"] if "tsan" in BUILD.name else []


def wait_until(what, condition, seconds=PATIENCE_S):
    """Poll a condition that has no event of its own; its truth is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)


CLAIMS = open(pathlib.Path(tempfile.gettempdir()) / f"s3gw-tests-ports-{os.getuid()}", "ab")  # byte N locked: port N is taken
MINE = set()


def free_port(hosts):
    """A port that nobody uses on any of these addresses (the members of a group share one: semantics 4.2), nor will: tests
    beside leave it alone while its server is down, and it lies below those that the kernel gives to connections."""
    for _ in range(1000):
        port = random.randrange(10240, 32768)
        try:
            fcntl.lockf(CLAIMS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)  # until this process ends, however it does
            for host in hosts:
                with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((host, port))
        except OSError:
            continue
        if port not in MINE:
            MINE.add(port)
            return port
    raise AssertionError("no free port")


def files_below(folder):
    """Size by path, of all files below @folder: those that go this moment, as deleted ones do in the background, count as gone."""
    sizes = {}
    for root, _, names in os.walk(folder):
        for path in (os.path.join(root, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                sizes[path] = os.path.getsize(path)
    return sizes


def plain_files_below(folder):
    """The same of stored files that are files of their own: packs and temporary files, one of a pack's size among them, come
    and go by themselves."""
    return {path: n for path, n in files_below(folder).items()
            if not os.path.basename(path).isdigit() and not os.path.basename(path).startswith(".")}


def make_certificate(folder):
    """A self-signed certificate for 127.0.0.1 and localhost: (certificate, key) paths."""
    cert, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,DNS:*.s3.localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    return cert, key


def a_whole_pass(cluster):
    """Waits until a pass of lifecycle rules that began after this call has ended; its tally."""
    before = cluster.admin("lifecycle")["lifecycle"]
    begun = before["pass"]["begun"] if before["running"] else before.get("last_pass", {}).get("begun", "")
    cluster.admin("lifecycle", "run")
    return wait_until("a pass", lambda: (p := cluster.admin("lifecycle")["lifecycle"].get("last_pass"))
                      and p["begun"] > begun and p)["done"]


class Cluster:
    """One standalone server: gateway, tracker, storage."""

    def __init__(self, *, tls=False, args=(), folder=None, env=None, program=None, keys=None,
                 region="us-east-1"):
        self.owns_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="s3gw-it-"))
        self.data = self.folder / "data"
        self.tls = tls
        self.args = list(args)
        self.extra_env = env or {}
        self.region = region
        self.access_key, self.secret_key = keys or ("root" + secrets.token_hex(8), secrets.token_urlsafe(30))
        self.certificate = None
        if tls:
            self.certificate, self.key_file = make_certificate(self.folder)
        self.log_path = self.folder / "log"
        self.out_path = self.folder / "out"
        self.process = None
        self.port = free_port(["127.0.0.1"])  # its own over restarts
        self.program = program or BUILD / "s3gw"

    # --- life -------------------------------------------------------------------------------

    def command(self):
        ports = [f"127.0.0.1:{self.port}"]
        cmd = wrapper() + [str(self.program), "standalone", "--data", str(self.data), "--listen", ports[0]]
        if not (self.data / "ports").exists():
            cmd += ["--tracker-port", str(free_port(["127.0.0.1"])), "--storage-port", str(free_port(["127.0.0.1"]))]
        if self.tls:
            cmd += ["--tls-cert", str(self.certificate), "--tls-key", str(self.key_file)]
        return cmd + ["--domain", "s3.localhost", "--website-domain", "web.localhost", "--region", self.region] + self.args

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3GW_ROOT"))}
        env["S3GW_ROOT_ACCESS_KEY"] = self.access_key
        env["S3GW_ROOT_SECRET_KEY"] = self.secret_key
        env.update(self.extra_env)
        return sanitizer_env(env)

    def start(self, wait=True):
        assert self.process is None or self.process.poll() is not None, "already running"
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, cwd=self.folder,
                                        env=self.environment())
        log.close()
        self.lines = queue.Queue()
        threading.Thread(target=self._read_output, args=(self.process, self.lines), daemon=True).start()
        if wait:
            self.wait_ready()
        return self

    def _read_output(self, process, lines):
        with open(self.out_path, "ab") as out:
            for line in process.stdout:
                out.write(line)
                out.flush()
                lines.put(line.decode(errors="replace").rstrip("\n"))
        lines.put(None)

    def wait_ready(self, seconds=START_S):
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not ready after {seconds} s\n{self.tail()}") from None
            assert line is not None, f"s3gw ended before it was ready\n{self.tail()}"
            match = re.fullmatch(r"ready port=(\d+)", line)
            if match:
                self.port = int(match.group(1))
                return

    def stop(self, seconds=60):
        """SIGTERM; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"s3gw did not stop in {seconds} s\n{self.tail()}") from None
        self.process = None
        self.check_log()
        return status

    def check_log(self):
        """A failed assertion or a sanitizer's finding in any of our programs is a failure of its own."""
        bad = re.compile(r"assertion failed|(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
        found = [line for line in self.log_path.read_text(errors="replace").splitlines() if bad.search(line)]
        assert not found, "\n".join(found[:20]) + "\n" + self.tail(150)

    def kill_all(self):
        """kill -9 of the supervisor; its servers must go with it, also one that it is just about to start."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until("the supervisor to stand still", lambda: stands_still(self.process.pid))
        children = [pid for pid, _, parent in processes() if parent == self.process.pid]
        self.process.kill()
        self.process.wait()
        self.process = None
        for pid in children:
            wait_until(f"process {pid} to die with its supervisor", lambda pid=pid: not alive(pid))

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- looking inside ---------------------------------------------------------------------

    def pid_of(self, name):
        """Process number of one of our children by program name, or None."""
        if self.process is None:
            return None
        return next((pid for pid, comm, parent in processes() if parent == self.process.pid and name.startswith(comm)), None)

    def kill_child(self, name, sig=signal.SIGKILL):
        pid = self.pid_of(name)
        assert pid, f"{name} is not running"
        os.kill(pid, sig)
        return pid

    def wait_child(self, name, other_than):
        """Wait until @name runs again as another process and is ready."""
        kind = {"dfs_trackerd": "tracker", "dfs_storaged": "storage"}[name]
        wait_until(f"{name} to be ready again", lambda: (
            (s := self.admin("status"))[kind]["state"] == "ready" and s[kind]["pid"] != other_than), START_S)

    def tail(self, lines=80):
        parts = []
        for path in (self.out_path, self.log_path):
            if path.exists():
                parts.append(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:]))
        return "\n".join(parts)

    def admin(self, *words, check=True):
        """`s3gw admin --json WORDS...`: the answer as an object."""
        done = subprocess.run([str(BUILD / "s3gw"), "admin", "--data", str(self.data), "--json", *words],
                              capture_output=True, text=True, env=sanitizer_env(os.environ), timeout=PATIENCE_S)
        answer = json.loads(done.stdout) if done.stdout.strip() else {"ok": False, "error": done.stderr}
        if check:
            assert answer.get("ok"), f"s3gw admin {words}: {answer}\n{self.tail()}"
        answer["exit_status"] = done.returncode
        return answer

    def memory_kib(self):
        """Resident memory of all our processes together."""
        total = 0
        for pid in [self.process.pid, self.pid_of("dfs_trackerd"), self.pid_of("dfs_storaged")]:
            if pid:
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
                total += int(re.search(r"VmRSS:\s+(\d+)", text).group(1))
        return total

    def cpu_s(self):
        """Seconds of processor time that the gateway has used: what a thing costs, however busy the machine is."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = text[text.rindex(")") + 2:].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    # --- reaching it ------------------------------------------------------------------------

    def failed(self):
        """A client had no answer: there is no other gateway to be asked (s3cluster.py)."""

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def _trust(self):
        return ssl.create_default_context(cafile=str(self.certificate))

    def http(self, timeout=PATIENCE_S):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self._trust())
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def socket(self, timeout=PATIENCE_S):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        return self._trust().wrap_socket(sock, server_hostname="localhost") if self.tls else sock

    def client_env(self, home=None):
        """Environment for command line clients: keys, region, no configuration of the caller's."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3GW_"))}
        env.update(AWS_ACCESS_KEY_ID=self.access_key, AWS_SECRET_ACCESS_KEY=self.secret_key,
                   AWS_DEFAULT_REGION=self.region, AWS_EC2_METADATA_DISABLED="true", HOME=str(home or self.folder),
                   AWS_PAGER="")
        if self.certificate:
            env["AWS_CA_BUNDLE"] = str(self.certificate)
            env["SSL_CERT_FILE"] = str(self.certificate)
        return env

    def boto3(self, access_key=None, secret_key=None, **config):
        from botocore.config import Config
        settings = dict(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, connect_timeout=PATIENCE_S,
                        read_timeout=PATIENCE_S, max_pool_connections=64)
        settings.update(config)
        with ONE_CLIENT:
            return session().client(
                "s3", endpoint_url=self.endpoint, region_name=self.region, config=Config(**settings),
                aws_access_key_id=access_key or self.access_key, aws_secret_access_key=secret_key or self.secret_key,
                verify=str(self.certificate) if self.certificate else None)


@contextlib.contextmanager
def running(settings="", **how):
    """A Cluster(**how) with the text of its s3gw.conf, running, for as long as a fixture lasts."""
    c = Cluster(**how)
    try:
        if settings:
            conf = c.folder / "s3gw.conf"
            conf.write_text(settings)
            c.args += ["--config", str(conf)]
        c.start()
        yield c
        status = c.stop()
        assert status == 0, f"s3gw ended with status {status}\n{c.tail()}"
    finally:
        c.remove()


ONE_CLIENT = threading.Lock()  # is made at a time: sessions are not for several threads


@functools.cache
def session():
    """boto3's, with the description of S3 that it has read: a tenth of a second of a core for each client without it."""
    import boto3
    return boto3.session.Session()


def processes():
    """(process, the first letters of its program's name, its parent) of all that are not dead."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        comm, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if rest[0] not in "ZX":
            yield int(text.split(" ", 1)[0]), comm, int(rest[1])


def descriptors(pid, pattern):
    """How many descriptors of a process lead to what @pattern matches: "socket:[1]", "/folder/#1 (deleted)" ..."""
    found = 0
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found += bool(re.match(pattern, os.readlink(fd)))
    return found


def stands_still(pid):
    """After SIGSTOP: no thread of it runs any more."""
    try:
        tasks = [(task / "stat").read_text() for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return False  # one ended just now
    return all(task.rpartition(")")[2].split()[0] in "TZX" for task in tasks)


def alive(pid):
    """Is it a living process (a zombie that waits for init is not)?"""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rindex(")") + 2] not in "ZX"
