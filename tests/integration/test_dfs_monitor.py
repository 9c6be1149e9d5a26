# SPDX-License-Identifier: Apache-2.0
"""The dfs command as operators use it: monitor, statistics, trials, removal; words, columns, exit codes."""
import json
import os
import subprocess

import pytest

import nativecluster as native
from cluster import BUILD, sanitizer_env, wait_until, wrapper

HEALTHY, FAILED, MISUSED, UNHEALTHY = 0, 1, 2, 3


@pytest.fixture
def group(request):
    """@request: settings of the storages."""
    with native.running(trunk=True, settings=getattr(request, "param", "")) as cluster:
        yield cluster


def dfs(group, *words):
    return subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{group.tracker[1]}", *words],
                          capture_output=True, text=True, timeout=60, env=sanitizer_env(os.environ))


def records(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def storages(group):
    return {r["storage"]: r for r in records(dfs(group, "--json", "monitor")) if "storage" in r}


def summary_of(group):
    (one,) = [r for r in records(dfs(group, "--json", "monitor")) if "in_service" in r]
    return one


def healthy(group):
    return dfs(group, "monitor").returncode == HEALTHY


def test_a_healthy_group_at_a_glance(group):
    a, _ = group.add(2), group.add(3)
    group.wait_copies(2)
    a.upload(b"x" * 1000)
    wait_until("monitor to be content", lambda: healthy(group))
    done = dfs(group, "monitor")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("TRACKER 127.0.0.1:") and "leader" in line for line in lines)
    assert any(line.startswith("GROUP group1  2 of 2 in service  copies 2") for line in lines)
    assert sum(" ACTIVE " in line for line in lines) == 2
    wait_until("both to have everything", lambda: summary_of(group)["under_replicated"] == 0)
    assert records(dfs(group, "--json", "monitor"))[-1] == {"healthy": True}
    summary = summary_of(group)
    assert (summary["in_service"], summary["copies_needed"]) == (2, 2)
    assert dfs(group, "monitor", "group1").returncode == HEALTHY
    assert dfs(group, "monitor", "nowhere").returncode == FAILED


@pytest.mark.parametrize("group", ["copy_timeout = 500ms"], indirect=True)
def test_what_a_member_lacks_is_counted(group):
    a, _ = group.add(2), group.add(3)
    group.wait_copies(2)
    group.storages[3].freeze()
    sizes = [100, 5000, 30_000, 200_000]
    for size in sizes:
        with pytest.raises(native.Refused):  # and its upload is taken back: another change
            a.upload(os.urandom(size))
    answer = native.call(a.address, 193)
    assert answer[:3] == bytes([0, 2, 1])
    name, status, more = answer[3:19].rstrip(b"\0"), answer[19], answer[20]
    changes, size = (int.from_bytes(answer[at:at + 8], "big") for at in (21, 29))
    assert (name, status, more) == (b"127.0.0.3", native.ACTIVE, 0)
    assert changes >= len(sizes) and size > 0  # the deletions at least
    group.storages[3].thaw()
    wait_until("it to have everything", lambda: storages(group)["127.0.0.3"]["behind_changes"] == 0)


def test_a_dead_member_makes_it_unhealthy_and_removal_asks_first(group):
    a, _, _ = group.add(2), group.add(3), group.add(4)
    wait_until("monitor to be content", lambda: healthy(group))
    done = dfs(group, "admin", "remove", "group1", "127.0.0.4")
    assert done.returncode == FAILED and "stop it first" in done.stderr
    group.storages[4].kill()
    group.wait_status(4, native.OFFLINE)
    done = dfs(group, "monitor")
    assert done.returncode == UNHEALTHY and "OFFLINE" in done.stdout
    a.upload(b"without it")
    assert summary_of(group)["under_replicated"] >= 1
    done = dfs(group, "admin", "remove", "group1", "127.0.0.4")
    assert done.returncode == UNHEALTHY and "--force" in done.stderr
    assert group.status(4) == native.OFFLINE
    assert dfs(group, "--force", "admin", "remove", "group1", "127.0.0.4").returncode == HEALTHY
    assert group.status(4) == native.DELETED
    wait_until("monitor to be content without it", lambda: healthy(group))
    done = dfs(group, "admin", "remove", "group1", "127.0.0.2")
    assert done.returncode == UNHEALTHY and "min_copies asks for 2" in done.stderr
    assert dfs(group, "admin", "remove", "group1", "127.0.0.9").returncode == FAILED
    assert dfs(group, "admin", "explode").returncode == MISUSED


@pytest.mark.parametrize("secret", [False, True])
def test_a_member_that_hangs_does_not_hold_up_the_look_at_it(secret, tmp_path):
    with native.running(secret=secret) as group:
        group.add(2), group.add(3)
        conf = tmp_path / "client.conf"
        conf.write_text(f"tracker_server = 127.0.0.1:{group.tracker[1]}\nconnect_timeout = 2s\nnetwork_timeout = 1h\n" +
                        (f"cluster_secret_file = {group.secret_file}\n" if secret else ""))
        wait_until("monitor to be content", lambda: dfs(group, "--config", conf, "monitor").returncode == HEALTHY)
        group.storages[3].freeze()
        done = dfs(group, "--config", conf, "monitor")
        group.storages[3].thaw()
        assert done.returncode == UNHEALTHY
        assert sum("unknown" in line for line in done.stdout.splitlines()) == 1


def test_watch_shows_it_again_and_again(group):
    group.add(2)
    command = [*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{group.tracker[1]}", "--watch=1", "monitor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=sanitizer_env(os.environ)) as process:
        seen = 0
        while seen < 3:
            line = process.stdout.readline()
            assert line, "it ended by itself"
            seen += line.startswith("GROUP group1")
        process.kill()


def test_trials_and_statistics(group):
    group.add(2), group.add(3)
    wait_until("monitor to be content", lambda: healthy(group))
    for trial in ("test", "appender-test"):
        done = dfs(group, trial)
        assert (done.returncode, done.stderr) == (HEALTHY, "")
        assert all(line.endswith(" ok") for line in done.stdout.splitlines())
        assert all(r["ok"] for r in records(dfs(group, "--json", trial)))
    (tracker,) = records(dfs(group, "--json", "tracker-stats"))
    assert tracker["leader"] and tracker["active"]
    assert {r["storage"] for r in records(dfs(group, "--json", "storage-stats"))} == {"127.0.0.2", "127.0.0.3"}
    (volume,) = records(dfs(group, "--json", "volume-stats"))
    assert volume["group"] == "group1" and volume["total_mb"] > 0

    def counted():
        return sum(r["upload_ok"] for r in records(dfs(group, "--json", "counters", "group1"))) >= 4
    wait_until("the counters to arrive with a heartbeat", counted)
    (one,) = records(dfs(group, "--json", "counters", "group1", "127.0.0.3"))
    assert one["storage"] == "127.0.0.3" and one["append_total"] >= one["append_ok"] >= 0
    assert dfs(group, "counters", "group1", "127.0.0.9").returncode == FAILED


def test_a_cluster_that_is_not_there(group):
    done = subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", "127.0.0.1:1", "monitor"],
                          capture_output=True, text=True, timeout=60, env=sanitizer_env(os.environ))
    assert done.returncode == FAILED and "DOWN" in done.stdout
