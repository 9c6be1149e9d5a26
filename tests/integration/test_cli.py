# SPDX-License-Identifier: Apache-2.0
"""The command line other tools rely on: standalone, serve, admin; exit codes, messages, files."""
import json
import os
import re
import socket
import stat
import subprocess

import pytest
from botocore.exceptions import ClientError
from cluster import BUILD, Cluster, sanitizer_env, wait_until, wrapper


def s3gw(*words, env=None):
    base = {k: v for k, v in os.environ.items() if not k.startswith("S3GW_ROOT")}
    return subprocess.run([*wrapper(), str(BUILD / "s3gw"), *map(str, words)], capture_output=True, text=True,
                          timeout=60, env=sanitizer_env({**base, **(env or {})}))


@pytest.mark.parametrize("words", [["--help"], ["standalone", "--help"], ["serve", "--help"], ["admin", "--help"],
                                   ["--version"], ["print-config"]])
def test_help_and_version_go_to_standard_output(words):
    done = s3gw(*words)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


@pytest.mark.parametrize("words, says", [
    ([], "usage: s3gw"),
    (["nonsense"], "unknown command 'nonsense'"),
    (["standalone"], "--data DIR is needed"),
    (["standalone", "--data", "/tmp/x", "--listen", "nowhere:"], "listen = nowhere:"),
    (["standalone", "--data", "/tmp/x", "--durability", "maybe"], "--durability maybe"),
    (["standalone", "--data", "/tmp/x", "--tracker-port", "99999"], "--tracker-port 99999"),
    (["standalone", "--data", "/tmp/x", "--tls-cert", "/tmp/x"], "tls_cert and tls_key"),
    (["standalone", "--data", "/tmp/x", "--bogus"], "--bogus"),
    (["standalone", "--data", "/tmp/x", "extra"], "extra"),
    (["serve"], "--config FILE is needed"),
    (["admin", "status"], "--data DIR"),
    (["admin", "--data", "/tmp/x"], "a command is needed"),
    (["admin", "--data", "/tmp/x", "user"], "unknown command 'user'"),
    (["admin", "--data", "/tmp/x", "bucket", "made"], "unknown command 'bucket made'"),
    (["admin", "--data", "/tmp/x", "user", "create"], "wrong number of words: user create <id>"),
    (["admin", "--data", "/tmp/x", "reclaim", "--dry-run"], "--dry-run is no option of 'reclaim'"),
    (["admin", "--data", "/tmp/x", "user", "show", "ann", "--email", "x"], "--email is no option of 'user show'"),
    (["print-config", "extra"], "what is 'extra'?"),
    (["--version", "extra"], "what is 'extra'?"),
])
def test_wrong_use_is_one_clear_line_and_status_2(words, says):
    done = s3gw(*words)
    assert done.returncode == 2 and says in done.stderr, done
    assert len(done.stderr.strip().splitlines()) == 1 or not words


def test_a_configuration_mistake_names_file_line_key_and_values(tmp_path):
    conf = tmp_path / "s3gw.conf"
    conf.write_text("region = eu\nworkers = many\n")
    done = s3gw("serve", "--config", conf)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"{conf}:2" in done.stderr and "workers = many" in done.stderr and "1 to 1024" in done.stderr
    conf.write_text("no_such_key = 1\n")
    assert f"{conf}:1" in s3gw("serve", "--config", conf).stderr


@pytest.mark.parametrize("program", ["dfs_trackerd", "dfs_storaged", "dfs"])
@pytest.mark.parametrize("words, says", [([], "is (needed|missing)"), (["--bogus"], "--bogus"),
                                         (["one", "two"], "two|one"), (["--config"], "--config")])
def test_wrong_use_of_the_others_is_one_line_too(program, words, says):
    done = subprocess.run([*wrapper(), str(BUILD / program), *words], capture_output=True, text=True, timeout=60,
                          env=sanitizer_env(dict(os.environ)))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith(f"{program}: ") and re.search(says, line), done


@pytest.mark.parametrize("words, says", [
    (["delete", "--dry-run", "group1/M00/00/00/x"], "--dry-run is no option of delete"),
    (["--offset", "5", "upload", "/etc/hostname"], "--offset is no option of upload"),
    (["--json", "--appender", "monitor"], "--appender is no option of monitor"),
    (["decode", "group1/M00/00/00/x"], "group1/M00/00/00/x: not a file id"),
])
def test_dfs_passes_over_no_option_and_no_id(words, says):
    done = subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", "127.0.0.1:1", *words], capture_output=True, text=True,
                          timeout=60, env=sanitizer_env(dict(os.environ)))
    assert (done.returncode, done.stderr) == (2, f"dfs: {says} (dfs --help shows how)\n")


@pytest.mark.parametrize("program", ["dfs_trackerd", "dfs_storaged"])
def test_servers_name_themselves_file_line_and_key_with_status_2(tmp_path, program):
    conf = tmp_path / "d.conf"
    for text, says in (("port = many\n", f"{conf}:1: port = many"), ("\x01\x02", f"{conf}:1: not a line of text"),
                       ("= 1\n", f"{conf}:1: = 1: must be key = value"), ("port = 1\n", f"{conf}: base_path is missing"),
                       ("allow_hosts =\n", f"{conf}:1: allow_hosts = : must not be empty"),
                       (f"base_path = {tmp_path}\ntracker_server = 127.0.0.1:1\nbind_addr = 0.0.0.0\n",
                        f"{conf}: bind_addr = 0.0.0.0: beyond loopback")):
        conf.write_text(text)
        done = subprocess.run([*wrapper(), str(BUILD / program), str(conf)], capture_output=True, text=True, timeout=60,
                              env=sanitizer_env(dict(os.environ)))
        assert done.returncode == 2 and done.stderr.startswith(f"{program}: {says}"), done


@pytest.mark.parametrize("address, why", [("127.0.0.1:{taken}", "in use"), ("no.such.host.invalid:0", "requested address"),
                                          ("192.0.2.1:0", "requested address")])
def test_an_address_that_cannot_be_had_is_said_before_anything_starts(tmp_path, address, why):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = address.format(taken=other.getsockname()[1])
        done = s3gw("standalone", "--data", tmp_path / "d", "--listen", address)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"s3gw standalone: listen = {address}: ") and why in line


def test_a_storage_says_that_its_port_is_taken_without_a_tracker(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: no tracker answers there
        port = taken.getsockname()[1]
        conf = tmp_path / "storage.conf"
        conf.write_text(f"bind_addr = 127.0.0.1\nport = {port}\nbase_path = {tmp_path}/d\nstore_path0 = {tmp_path}/d\n"
                        f"tracker_server = 127.0.0.1:{nobody.getsockname()[1]}\n")
        done = subprocess.run([*wrapper(), str(BUILD / "dfs_storaged"), str(conf)], capture_output=True, text=True, timeout=60,
                              env=sanitizer_env(dict(os.environ)))
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1 port {port}: " in done.stderr, done
    assert "in use" in done.stderr or "EADDRINUSE" in done.stderr, done


def test_a_key_that_is_not_the_certificates_is_said_before_anything_starts(tmp_path):
    for name in "ab":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=x", "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"], check=True,
                       capture_output=True)
    done = s3gw("standalone", "--data", tmp_path / "d", "--listen", "127.0.0.1:0", "--tls-cert", tmp_path / "a.pem",
                "--tls-key", tmp_path / "b.key")
    assert done.returncode == 2
    assert done.stderr == f"s3gw standalone: tls_key = {tmp_path}/b.key: not the key of tls_cert\n"


@pytest.mark.parametrize("program, words", [("dfs_trackerd", ["CONF"]), ("dfs_storaged", ["CONF"]),
                                            ("s3gw", ["serve", "--config", "CONF"])])
def test_a_server_without_standard_files_opens_none_of_its_own_in_their_place(tmp_path, program, words):
    """Where a parent has closed 2, the next file or connection had that number, and the log was written into it."""
    conf = tmp_path / "conf"
    conf.write_text(f"index_path = {tmp_path}/index\nadmin_socket = {tmp_path}/admin\nlisten = 127.0.0.1:0\n"
                    f"storage = group1={tmp_path}/none\n" if program == "s3gw" else
                    f"base_path = {tmp_path}\nport = 0\n" + ("tracker_server = 127.0.0.1:1\n" if "storaged" in program else ""))
    command = [*wrapper(), str(BUILD / program), *(str(conf) if w == "CONF" else w for w in words)]
    closed = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], env=sanitizer_env(dict(os.environ)))

    def lock_is_open():
        held = subprocess.run(["ls", "-l", f"/proc/{closed.pid}/fd"], capture_output=True, text=True).stdout.lower()
        return f"{tmp_path}/".lower() in held and "lock" in held

    try:
        wait_until("a file of its own is open", lock_is_open)
        assert [os.readlink(f"/proc/{closed.pid}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3
    finally:
        closed.kill()
        closed.wait()


def test_names_of_addresses_are_looked_up(tmp_path):
    c = Cluster(folder=tmp_path, args=["--listen", "localhost:0"])
    try:
        c.start()
        assert c.boto3().list_buckets()["Buckets"] == []
    finally:
        c.stop()


def test_half_a_root_key_is_refused(tmp_path):
    done = s3gw("standalone", "--data", tmp_path / "d", env={"S3GW_ROOT_ACCESS_KEY": "only"})
    assert done.returncode == 1 and "S3GW_ROOT_SECRET_KEY" in done.stderr


def test_nobody_on_the_admin_socket_is_status_3(tmp_path):
    done = s3gw("admin", "--data", tmp_path, "status")
    assert done.returncode == 3 and "no server is running" in done.stderr


def test_a_second_instance_says_who_has_the_folder(cluster):
    done = s3gw("standalone", "--data", cluster.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert f"in use by another s3gw (process {cluster.process.pid})" in done.stderr or wrapper()
    assert cluster.boto3().list_buckets()["Buckets"] is not None


class GeneratedKeys(Cluster):
    """No keys in the environment: the server makes its own."""

    def environment(self):
        env = super().environment()
        del env["S3GW_ROOT_ACCESS_KEY"], env["S3GW_ROOT_SECRET_KEY"]
        return env


def test_keys_are_generated_once_shown_once_and_kept():
    c = GeneratedKeys()
    try:
        c.start()
        first = c.out_path.read_text()
        access, secret = (re.search(rf"{name} key +(\S+)", first).group(1) for name in ("access", "secret"))
        kept = (c.data / "root-credentials")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and secret in kept.read_text()
        c.boto3(access, secret).create_bucket(Bucket="first")
        c.out_path.write_text("")
        c.restart()
        second = c.out_path.read_text()
        assert access in second and secret not in second and "root-credentials" in second
        assert [b["Name"] for b in c.boto3(access, secret).list_buckets()["Buckets"]] == ["first"]
        c.stop()
    finally:
        c.remove()


def test_what_is_printed_at_start(cluster):
    out = cluster.out_path.read_text()
    for text in (cluster.endpoint, cluster.region, cluster.access_key, "sync: what is acknowledged is on disk",
                 "aws --endpoint-url"):
        assert text in out
    assert cluster.secret_key not in out and cluster.secret_key not in cluster.log_path.read_text()


def test_relaxed_durability_is_said_everywhere():
    c = Cluster(args=["--durability", "relaxed"])
    try:
        c.start()
        assert "relaxed:" in c.out_path.read_text()
        assert c.admin("status")["durability"] == "relaxed"
        c.stop()
    finally:
        c.remove()


def test_ports_stay_the_same_across_restarts(fresh_cluster):
    before = fresh_cluster.admin("status")
    fresh_cluster.restart()
    after = fresh_cluster.admin("status")
    assert [before[k]["port"] for k in ("tracker", "storage")] == [after[k]["port"] for k in ("tracker", "storage")]


def test_the_data_folder_is_private(cluster):
    assert stat.S_IMODE(cluster.data.stat().st_mode) == 0o700
    for name in ("admin.sock", "storage.sock"):
        s = (cluster.data / name).stat()
        assert stat.S_ISSOCK(s.st_mode) and stat.S_IMODE(s.st_mode) == 0o600, name


def test_health_needs_no_credentials(cluster):
    for path in ("/health/live", "/health/ready"):
        http = cluster.http()
        http.request("GET", path)
        assert http.getresponse().status == 200, path


def test_dead_children_come_back(fresh_cluster):
    for name in ("dfs_trackerd", "dfs_storaged"):
        pid = fresh_cluster.kill_child(name)
        fresh_cluster.wait_child(name, pid)
    assert fresh_cluster.admin("status")["storage"]["restarts"] == 1
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="after")
    s3.put_object(Bucket="after", Key="k", Body=b"x")


# --- users ------------------------------------------------------------------------------------------


def test_a_user_from_creation_to_deletion(cluster):
    made = cluster.admin("user", "create", "ann", "--display-name", "Ann A.", "--email", "ann@example.org")
    key = made["user"]["keys"][0]
    ann = cluster.boto3(key["access_key"], key["secret_key"])
    ann.create_bucket(Bucket="anns-bucket")
    ann.put_object(Bucket="anns-bucket", Key="k", Body=b"x")
    owner = ann.list_objects_v2(Bucket="anns-bucket", FetchOwner=True)["Contents"][0]["Owner"]
    assert owner["ID"] == "ann"
    assert cluster.admin("user", "show", "ann")["user"]["email"] == "ann@example.org"
    assert "ann" in [u["id"] for u in cluster.admin("user", "list")["users"]]
    assert cluster.admin("bucket", "show", "anns-bucket")["bucket"]["owner"] == "ann"

    second = cluster.admin("key", "create", "ann", "--access-key", "ANNSECOND", "--secret-key", "second-secret")["key"]
    again = cluster.boto3(second["access_key"], second["secret_key"])
    assert again.get_object(Bucket="anns-bucket", Key="k")["Body"].read() == b"x"
    assert len(cluster.admin("key", "list", "ann")["keys"]) == 2
    cluster.admin("key", "delete", "ann", "ANNSECOND")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        again.list_buckets()

    cluster.admin("user", "disable", "ann")
    with pytest.raises(ClientError):
        ann.list_buckets()
    cluster.admin("user", "enable", "ann")
    assert cluster.admin("user", "delete", "ann", check=False)["code"] == "not_empty"
    ann.delete_object(Bucket="anns-bucket", Key="k")
    ann.delete_bucket(Bucket="anns-bucket")
    cluster.admin("user", "delete", "ann")
    with pytest.raises(ClientError):
        ann.list_buckets()


def test_duplicates_are_named(cluster):
    cluster.admin("user", "create", "dup", "--email", "dup@example.org", "--access-key", "DUPKEY", "--secret-key",
                  "dup-secret-1")
    for words, says in ((["dup"], "'dup'"), (["dup2", "--email", "dup@example.org"], "dup@example.org"),
                        (["dup3", "--access-key", "DUPKEY", "--secret-key", "another-secret"], "DUPKEY")):
        answer = cluster.admin("user", "create", *words, check=False)
        assert answer["code"] == "exists" and says in answer["error"] and answer["exit_status"] == 1, answer
    assert cluster.admin("user", "show", "dup3", check=False)["code"] == "missing"
    assert cluster.admin("key", "create", "nobody", check=False)["code"] == "missing"


@pytest.mark.parametrize("name", ["a b", " ", "a\tb", "a\x7fb", "a\u00a0b"])
def test_a_new_user_has_no_blanks_and_control_characters(cluster, name):
    answer = cluster.admin("user", "create", name, check=False)
    assert answer["code"] == "usage" and "control character" in answer["error"] and answer["exit_status"] == 2, answer
    assert name not in [u["id"] for u in cluster.admin("user", "list")["users"]]


def test_root_is_protected(cluster):
    for words in (["user", "delete", "root"], ["user", "disable", "root"], ["key", "create", "root"],
                  ["key", "delete", cluster.access_key]):
        assert cluster.admin(*words, check=False)["code"] == "refused", words


def test_users_see_only_their_own(cluster):
    keys = {}
    for name in ("eva", "bob"):
        keys[name] = cluster.admin("user", "create", name)["user"]["keys"][0]
    eva, bob = (cluster.boto3(k["access_key"], k["secret_key"]) for k in (keys["eva"], keys["bob"]))
    eva.create_bucket(Bucket="evas")
    eva.put_object(Bucket="evas", Key="k", Body=b"secret")
    assert bob.list_buckets()["Buckets"] == []
    for call in (lambda: bob.get_object(Bucket="evas", Key="k"), lambda: bob.list_objects_v2(Bucket="evas"),
                 lambda: bob.put_object(Bucket="evas", Key="x", Body=b""), lambda: bob.delete_bucket(Bucket="evas")):
        with pytest.raises(ClientError, match="AccessDenied|403"):
            call()
    assert cluster.boto3().get_object(Bucket="evas", Key="k")["Body"].read() == b"secret"  # root may
    with pytest.raises(ClientError, match="BucketAlreadyExists"):
        bob.create_bucket(Bucket="evas")


def test_users_survive_a_restart(fresh_cluster):
    key = fresh_cluster.admin("user", "create", "kept")["user"]["keys"][0]
    fresh_cluster.restart()
    assert fresh_cluster.boto3(key["access_key"], key["secret_key"]).list_buckets()["Buckets"] == []


def test_human_output_is_lines(cluster):
    done = subprocess.run([str(BUILD / "s3gw"), "admin", "--data", str(cluster.data), "user", "list"],
                          capture_output=True, text=True, env=sanitizer_env(os.environ), timeout=60)
    assert done.returncode == 0 and any(line.startswith("root\t") for line in done.stdout.splitlines())
    done = subprocess.run([str(BUILD / "s3gw"), "admin", "--data", str(cluster.data), "status"],
                          capture_output=True, text=True, env=sanitizer_env(os.environ), timeout=60)
    assert "durability       sync" in done.stdout


def test_the_admin_socket_refuses_nonsense(cluster):
    import socket
    for line, says in ((b"not json\n", "unknown verb"), (b"[]\n", "unknown verb"), (b'{"verb":"nope"}\n', "unknown verb"),
                       (b'{"verb":"user show","id":7}\n', "id is missing"),
                       (b'{"verb":"user create","id":"a\\u0000b"}\n', "")):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(cluster.data / "admin.sock"))
            sock.sendall(line)
            answer = json.loads(sock.recv(65536))
            assert answer["ok"] is False and says in answer["error"], (line, answer)
    with socket.socket(socket.AF_UNIX) as sock:  # longer than any request
        sock.connect(str(cluster.data / "admin.sock"))
        try:
            sock.sendall(b"x" * 200_000)
            assert sock.recv(10) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert cluster.admin("status")["ok"]
