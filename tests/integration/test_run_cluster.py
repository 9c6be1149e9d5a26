# SPDX-License-Identifier: Apache-2.0
"""packaging/cluster/run-cluster: a whole cluster by one command, from nothing, stopped by one signal."""
import json
import os
import pathlib
import signal
import subprocess

from botocore.exceptions import BotoCoreError, ClientError

from cluster import BUILD, ROOT, Cluster, free_port, sanitizer_env, wait_until


class Running:
    """What boto3() needs to know."""
    region, certificate = "us-east-1", None
    boto3 = Cluster.boto3

    def __init__(self, port, credentials, host="127.0.0.1"):
        keys = dict(line.split("=", 1) for line in credentials.read_text().splitlines())
        self.endpoint = f"http://{host}:{port}"
        self.access_key, self.secret_key = keys["S3GW_ROOT_ACCESS_KEY"], keys["S3GW_ROOT_SECRET_KEY"]


def processes_below(folder):
    """Our servers whose settings lie below @folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(w.startswith(str(folder).encode() + b"/") and w.endswith(b"/conf") for w in words):
            found.append(int(entry.parent.name))
    return found


def in_service(folder):
    done = subprocess.run([BUILD / "s3gw", "admin", "--socket", folder / "gateway/admin.sock", "--json", "status"],
                          capture_output=True, env=sanitizer_env(os.environ), timeout=60, check=True)
    return [s["address"] for s in json.loads(done.stdout)["storages"] if s["in_service"] and not s["down"]]


def start(folder, *options):
    loopback = ["127.0.0.1", "127.0.0.2"] + [f"127.0.{g}.{m}" for g in (1, 2) for m in (1, 2, 3)]
    loopback += [f"127.0.0.{t}" for t in (11, 12, 13)]
    ports = [free_port(loopback) for _ in range(3)]
    env = dict(sanitizer_env(os.environ), BUILD=str(BUILD), S3_PORT=str(ports[0]), TRACKER_PORT=str(ports[1]),
               STORAGE_PORT=str(ports[2]))
    # What was started in the background ignores Ctrl-C, and so do those it starts, unless told otherwise.
    process = subprocess.Popen([ROOT / "packaging/cluster/run-cluster", *options, folder], stdout=subprocess.PIPE, env=env,
                               text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    for line in process.stdout:
        if line.startswith("Kill any storage"):
            return process, ports[0]
    raise AssertionError(f"run-cluster ended with {process.wait()}\n" + "\n".join(
        p.read_text(errors="replace")[-2000:] for p in folder.glob("*/log")))


def test_a_cluster_by_one_command_and_gone_by_one_signal(tmp_path):
    folder = tmp_path / "cluster"
    process, port = start(folder)
    try:
        assert len(processes_below(folder)) == 10
        wait_until("all storages to be in service", lambda: len(in_service(folder)) == 6)
        s3 = Running(port, folder / "root-credentials").boto3(retries={"max_attempts": 10})
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="key", Body=b"x" * 300_000)
        assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"x" * 300_000
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, process.stdout.read()
        assert processes_below(folder) == []
    finally:
        process.kill()
        process.stdout.close()
    wait_until("every server to go with a script that was killed", lambda: processes_below(folder) == [])


def test_of_two_gateways_the_other_takes_over(tmp_path):
    folder = tmp_path / "cluster"
    process, port = start(folder, "--gateways", "2")
    clients = [Running(port, folder / "root-credentials", host).boto3() for host in ("127.0.0.1", "127.0.0.2")]

    def serving(client):
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    try:
        assert len(processes_below(folder)) == 11
        active, standby = clients if serving(clients[0]) else clients[::-1]
        assert not serving(standby)
        wait_until("a bucket", lambda: taken(active.create_bucket, Bucket="bucket"))
        wait_until("an object", lambda: taken(active.put_object, Bucket="bucket", Key="key", Body=b"kept"))
        names = ["gateway", "gateway2"] if active is clients[0] else ["gateway2", "gateway"]
        for name, other in zip(names, (standby, active)):
            victim = next(p for p in processes_below(folder)
                          if f"{folder}/{name}/conf".encode() in pathlib.Path(f"/proc/{p}/cmdline").read_bytes())
            os.kill(victim, signal.SIGKILL)
            wait_until("the other one to take over", lambda c=other: serving(c))
            assert other.get_object(Bucket="bucket", Key="key")["Body"].read() == b"kept"
            ended, command = next(x for x in process.stdout if "ended" in x).strip().split(": ", 1)
            assert ended.startswith(f"{name} ended"), ended
            # As at another terminal, where nobody has told root's keys.
            again = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, env=sanitizer_env(os.environ))
            assert b"ready" in again.stdout.readline()
            again.stdout.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert len(processes_below(folder)) == 2  # which are not the script's
    finally:
        process.kill()
        process.stdout.close()
        for started_again in processes_below(folder):
            os.kill(started_again, signal.SIGKILL)
    wait_until("every server to go with a script that was killed", lambda: processes_below(folder) == [])


def test_a_gateway_that_has_begun_again_goes_with_the_script_too(tmp_path):
    folder = tmp_path / "cluster"
    process, port = start(folder, "--gateways", "2")

    def begun(name):
        return (folder / name / "log").read_text().count("gateway.standby")

    try:
        hosts = {"gateway": "127.0.0.1", "gateway2": "127.0.0.2"}
        clients = {name: Running(port, folder / "root-credentials", host).boto3() for name, host in hosts.items()}

        def serves(name):
            try:
                return bool(clients[name].list_buckets())
            except (BotoCoreError, ClientError):
                return False
        active = wait_until("one that serves", lambda: next((name for name in hosts if serves(name)), None))
        victim = next(p for p in processes_below(folder)
                      if f"{folder}/{active}/conf".encode() in pathlib.Path(f"/proc/{p}/cmdline").read_bytes())
        before = begun(active)
        os.kill(victim, signal.SIGSTOP)
        wait_until("the other one to take over", lambda: serves(next(name for name in hosts if name != active)))
        os.kill(victim, signal.SIGCONT)
        wait_until("it to begin again", lambda: begun(active) > before)
    finally:
        process.kill()
        process.stdout.close()
    wait_until("every server to go with a script that was killed", lambda: processes_below(folder) == [])


def taken(call, **arguments):
    """A cluster that has just come up asks for patience by 503."""
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
        return False
    return True
