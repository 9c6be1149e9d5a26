# SPDX-License-Identifier: Apache-2.0
"""servers - what bench.py measures: s3gw standalone, and nginx beside it; and what machine it runs on."""
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

MIB = 1 << 20


def congestion_control():
    """One for both sides; bbr over loopback would measure bbr."""
    available = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    return "cubic" if "cubic" in available else available[0]


def start_s3gw(folder, congestion, **how):
    from cluster import Cluster  # reads S3GW_BUILD when imported
    conf = folder / "bench.conf"
    conf.write_text(f"tcp_congestion = {congestion}\n")
    return Cluster(folder=folder, args=["--config", str(conf)], **how).start()


def storage_port(cluster):
    ports = dict(line.split(" = ") for line in (cluster.data / "ports").read_text().splitlines())
    return int(ports["storage"])


def tree(root):
    """A process and all its descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                pass  # it ended meanwhile
    pids = [root]
    for pid in pids:
        pids += [child for child, parent in parents.items() if parent == pid]
    return pids


def rss(root):
    """Resident bytes of a process and its descendants."""
    pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in tree(root))
    return pages * os.sysconf("SC_PAGESIZE")


def cpu_s(pid):
    """User and system seconds of a process, all its threads, so far."""
    times = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


NGINX_CONF = """
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files; }}
}}
"""


class Nginx:
    """Plain files by sendfile. It inherits its listening socket from us, as it would from an older nginx:
    nginx has no setting for congestion control, and accepted connections take the listener's."""

    def __init__(self, folder, congestion):
        self.folder, self.files = folder, folder / "files"
        self.files.mkdir(parents=True)
        os.chmod(folder, 0o755)  # workers run as another user when we are root
        listener = socket.socket()
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        self.port = listener.getsockname()[1]
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=folder, port=self.port))
        env = dict(os.environ, NGINX=f"{listener.fileno()};")
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        self.process = subprocess.Popen([program, "-p", str(folder), "-c", str(conf)], env=env,
                                        pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        listener.close()
        end = time.monotonic() + 10
        while len(tree(self.process.pid)) < 3:
            assert self.process.poll() is None and time.monotonic() < end, "nginx did not start"
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def file_system(folder):
    best = ("", "?")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        point, kind = line.split()[1:3]
        if str(folder).startswith(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def describe_machine(folder):
    cpu = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE") // MIB
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--tags"], text=True,
                            capture_output=True, check=False).stdout.strip() or "unknown"
    return {"machine": f"{cpu}, {os.cpu_count()} cores, {memory} MiB", "kernel": platform.release(),
            "file_system": file_system(folder), "commit": commit,
            "load_before": f"{os.getloadavg()[0]:.2f}"}
