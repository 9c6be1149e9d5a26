# SPDX-License-Identifier: Apache-2.0
"""Several dfs_trackerd: election, what they teach each other, what survives kill -9. Storages are played
by the test, with native/fdfs_ref.py."""
import errno
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "native"))

import fdfs_ref as ref  # noqa: E402
import nativecluster as native  # noqa: E402
from cluster import BUILD, PATIENCE_S, free_port, sanitizer_env, wait_until, wrapper  # noqa: E402

BINARY = BUILD / "dfs_trackerd"
NOBODY = "nobody"


class Tracker:
    """One process, in a folder and on a port that it keeps over restarts."""

    def __init__(self, root, number, lines):
        self.dir = root / f"tracker{number}"
        self.dir.mkdir()
        self.lines, self.port, self.process = lines, free_port(["127.0.0.1"]), None

    def start(self, trackers=()):
        conf = self.dir / "tracker.conf"
        conf.write_text("".join([f"base_path = {self.dir}\nport = {self.port}\nelection_timeout = 2s\n"]
                                + [f"tracker_server = {t}\n" for t in trackers] + self.lines))
        self.log = open(self.dir / "log", "a")
        self.process = subprocess.Popen(wrapper() + [BINARY, conf], stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, env=sanitizer_env(os.environ))
        line = self.process.stdout.readline()
        assert line == f"ready port={self.port}\n", (self.dir / "log").read_text()

    def stop(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return status

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, request):
        return ref.Client(self.host, None, PATIENCE_S).ask_tracker(request)

    def leader(self):
        try:
            return self.ask(ref.req_get_leader())
        except (ref.StatusError, OSError):
            return NOBODY

    def states(self, group="group1"):
        try:
            return {s["id"]: s["state"] for s in self.ask(ref.req_list_storages(group))}
        except ref.StatusError:
            return {}


class Storage:
    """As much of a storage as a tracker sees."""

    def __init__(self, ip, trackers):
        self.ip, self.trackers, self.conns, self.init = ip, trackers, {}, 1

    def join(self, tracker):
        """Join, agree on a source, beat, report disks."""
        now = int(time.time())
        conn = ref.Connection("127.0.0.1", tracker.port, source_ip=self.ip)
        request = ref.req_join("group1", 23000, [t.host for t in self.trackers], paths=1, subdirs=256,
                               join_time=now, up_time=now, tracker_ip="127.0.0.1", init=self.init,
                               state=-1 if self.init else ref.State.ACTIVE)

        def joined():
            try:
                return conn.call(request)
            except ref.StatusError:  # EAGAIN while the tracker asks its peers
                return None

        answer = wait_until("a join", joined)
        self.conns[tracker] = conn
        if self.init and answer["state"] == ref.State.INIT:
            source = conn.call(ref.req_need_sync_source())
            if source is None:
                conn.call(ref.req_notify_sync_source("", 0))
                self.init = 0
        elif not self.init:
            try:
                conn.call(ref.req_notify_sync_source("", 0))
            except ref.StatusError:
                pass
        self.beat(tracker)
        conn.call(ref.req_disk_report([(100000, 90000)]))
        return answer

    def beat(self, tracker):
        return self.conns[tracker].call(ref.req_beat())

    def leave(self):
        for conn in self.conns.values():
            conn.close()
        self.conns.clear()


def make(count, learned=False, lines=()):
    root = pathlib.Path(tempfile.mkdtemp(prefix="trackers."))
    trackers = [Tracker(root, i, list(lines)) for i in range(count)]
    for t in trackers:
        t.start([] if learned else [x.host for x in trackers])
    return root, trackers


@pytest.fixture(params=["configured", "learned"])
def three(request):
    root, trackers = make(3, learned=request.param == "learned")
    trackers[0].learned = request.param == "learned"
    yield trackers
    for t in trackers:
        if t.process:
            assert t.stop() == 0, (t.dir / "log").read_text()
    shutil.rmtree(root)


@pytest.fixture
def one():
    root, (tracker,) = make(1)
    yield tracker
    if tracker.process:
        assert tracker.stop() == 0
    shutil.rmtree(root)


def agreed_leader(trackers):
    def agreed():
        names = {t.leader() for t in trackers}
        return names.pop() if len(names) == 1 and NOBODY not in names else None

    host = wait_until("a leader all agree on", agreed)
    return next((t for t in trackers if t.host == host), None)


def test_three_elect_one_and_another_when_it_dies(three):
    storage = Storage("127.0.0.11", three)
    for t in three:
        storage.join(t)

    def led():
        """Whichever is asked, the cluster is led, by the same one all the while: on a busy machine that may change."""
        first = agreed_leader(three)
        for t in three:
            said = subprocess.run([BINARY.with_name("dfs"), "--tracker", t.host, "monitor"], capture_output=True, text=True,
                                  timeout=60).stdout
            if ("leader, up" in said) != (t is first) or (f"led by {first.host}" in said) != (t is not first):
                return None
        noticed = [t for t in three if storage.beat(t)["flags"] & 1]
        return first if noticed in ([first], []) and agreed_leader(three) is first else None

    first = wait_until("the cluster to be led", led)
    first.stop(signal.SIGKILL)
    rest = [t for t in three if t is not first]
    second = wait_until("another leader", lambda: (x := agreed_leader(rest)) is not first and x)
    # Its first notice names the new leader and the members.
    assert wait_until("a notice", lambda: storage.beat(second)["flags"] & 5) == 5
    # Two of three left: kill one more and nobody leads, but everything else goes on.
    last = next(t for t in rest if t is not second)
    second.stop(signal.SIGKILL)
    wait_until("leadership to end", lambda: last.leader() == NOBODY)
    storage.beat(last)
    assert last.ask(ref.req_query_store())["servers"] == [("127.0.0.11", 23000)]
    storage.leave()


def test_one_that_lost_its_disk_learns_everything_again(three):
    storage, gone = Storage("127.0.0.11", three), Storage("127.0.0.12", three)
    for t in three:
        storage.join(t)
    for t in three:
        gone.join(t)
    gone.leave()
    loser, others = three[0], three[1:]
    wait_until("the other storage to be missed",
               lambda: all(t.states().get("127.0.0.12") != ref.State.ACTIVE for t in three))
    loser.stop(signal.SIGKILL)
    shutil.rmtree(loser.dir / "data")
    for t in others:
        try:
            t.ask(ref.req_delete_storage("group1", "127.0.0.12"))
        except ref.StatusError as refused:
            assert refused.status == errno.EALREADY  # it has heard it from the other one
    loser.start([] if loser.learned else [t.host for t in three])
    storage.join(loser)
    wait_until("what happened meanwhile", lambda: loser.states() == {
        "127.0.0.11": ref.State.ACTIVE, "127.0.0.12": ref.State.DELETED})
    agreed_leader(three)
    storage.leave()


def test_a_storage_with_files_is_never_taken_for_a_new_one(three):
    """A new storage that first meets the tracker without memory still gets a source."""
    old = Storage("127.0.0.11", three)
    for t in three:
        old.join(t)
    three[0].stop(signal.SIGKILL)
    shutil.rmtree(three[0].dir / "data")
    three[0].start([] if three[0].learned else [t.host for t in three])
    new = Storage("127.0.0.12", three)
    now = int(time.time())
    conn = ref.Connection("127.0.0.1", three[0].port, source_ip=new.ip)

    def source():
        try:
            conn.call(ref.req_join("group1", 23000, [t.host for t in three], paths=1, subdirs=256, join_time=now,
                                   up_time=now, tracker_ip="127.0.0.1"))
            return conn.call(ref.req_need_sync_source()) or NOBODY
        except ref.StatusError as error:  # EAGAIN, or ENOENT until the old one is back here
            if three[0].states():
                old.join(three[0])
            assert error
            return None

    assert wait_until("a source", source)["source_id"] == "127.0.0.11"
    conn.close()
    old.leave()


def test_what_was_acknowledged_survives_kill_9(one):
    storages = [Storage(f"127.0.0.{i}", [one]) for i in range(11, 16)]
    for s in storages:
        s.join(one)
    for s in storages[1:]:  # copied: the source says so
        for state in (ref.State.SYNCING, ref.State.OFFLINE):
            storages[0].conns[one].call(ref.req_report_status("group1", (state, 23000, s.ip, s.ip)))
    for s in storages[3:]:
        s.leave()
    for s in storages[3:]:
        wait_until("it to be missed", lambda s=s: one.states()[s.ip] == ref.State.OFFLINE)
        one.ask(ref.req_delete_storage("group1", s.ip))
    one.stop(signal.SIGKILL)
    one.start([one.host])
    states = one.states()
    assert [states[s.ip] for s in storages] == [ref.State.OFFLINE] * 3 + [ref.State.DELETED] * 2
    assert "127.0.0.14 4" in one.ask(ref.req_change_log("group1", "127.0.0.11"))
    storages[0].leave()
    storages[0].init = 0
    assert storages[0].join(one)["state"] == ref.State.ONLINE
    assert one.ask(ref.req_query_store())["servers"] == [("127.0.0.11", 23000)]
    storages[0].leave()


def test_one_folder_is_used_by_one_tracker(one):
    done = subprocess.run([BINARY, one.dir / "tracker.conf"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "another tracker is running on it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("line, word", [
    ("bind_addr = 0.0.0.0", "allow_hosts"),
    ("port = 99999", "port"),
    ("store_lookup = 1", "store_group"),
    ("tracker_server = 192.0.2.1:22122", "tracker_server"),
    ("allow_hosts = 10.0.0.0/99", "allow_hosts"),
    ("use_storage_id = true\nstorage_ids_filename = /nowhere/at/all", "storage_ids_filename = /nowhere/at/all: No"),
    ("use_storage_id = true\nstorage_ids_filename = not-there", "/not-there: No such file"),
    ("disabled = true", "disabled"),
])
def test_a_mistake_in_the_settings_is_one_line_that_names_it(tmp_path, line, word):
    conf = tmp_path / "tracker.conf"
    conf.write_text(f"base_path = {tmp_path}\nport = 0\n{line}\n")
    done = subprocess.run([BINARY, conf], capture_output=True, text=True, timeout=60)
    assert done.returncode == (1 if word == "tracker_server" else 2)  # that one is known when it listens
    assert word in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_server_hosts_keeps_clients_from_commands_of_servers():
    root, (tracker,) = make(1, lines=["bind_addr = 0.0.0.0\nallow_hosts = 127.0.0.0/8\nserver_hosts = 127.0.0.1\n"])
    try:
        # Loopback is always a server: a second address of this machine that is none would need privileges,
        # so this proves the setting is taken; the rule itself is proved by the unit tests.
        assert tracker.ask(ref.req_list_groups()) == []
        with pytest.raises(ref.StatusError):
            tracker.ask(ref.req_delete_storage("group1", "10.0.0.1"))
    finally:
        tracker.stop()
        shutil.rmtree(root)


def test_after_sighup_peers_are_found_as_before(monkeypatch):
    """Settings that stay are still those of the start: what was freed would be written over at once here."""
    monkeypatch.setenv("MALLOC_PERTURB_", "90")
    root, (a, b) = make(2)
    try:
        conf = a.dir / "tracker.conf"
        conf.write_text(conf.read_text() + "reserved_storage_space = 20%\n")
        a.process.send_signal(signal.SIGHUP)
        wait_until("the new setting", lambda: a.ask(ref.req_parameters())["reserved_storage_space"] == "20.00%")
        b.stop(signal.SIGKILL)
        b.start([a.host, b.host])
        storage = Storage("127.0.0.11", [a, b])
        storage.join(b)
        wait_until("what the other one knows", lambda: storage.ip in a.states())
        storage.leave()
    finally:
        for t in (a, b):
            if t.process:
                t.stop()
        shutil.rmtree(root)


def test_sighup_takes_new_settings_and_refuses_bad_ones(one):
    conf = one.dir / "tracker.conf"
    text = conf.read_text()

    def parameter():
        return one.ask(ref.req_parameters())["reserved_storage_space"]

    assert parameter() == "1024MB"
    conf.write_text(text + "reserved_storage_space = 20%\n")
    one.process.send_signal(signal.SIGHUP)
    wait_until("the new setting", lambda: parameter() == "20.00%")
    conf.write_text(text + "reserved_storage_space = nonsense\n")
    one.process.send_signal(signal.SIGHUP)
    wait_until("the complaint", lambda: "tracker.reload_failed" in (one.dir / "log").read_text())
    assert parameter() == "20.00%"
    conf.write_text(text)


def test_storages_look_often_whether_their_tracker_is_back():
    """Nobody else can tell clients of them meanwhile, so it is a second at most, also after long."""
    with native.running() as group, socket.socket() as instead:
        group.add(2)
        group.tracker_program.kill()
        instead.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        instead.bind(group.tracker)
        instead.listen()
        instead.settimeout(PATIENCE_S)
        began, joins = time.monotonic(), 0
        while joins < 10:
            with instead.accept()[0] as came:
                came.settimeout(PATIENCE_S)
                joins += came.recv(10)[8:9] == bytes([75])  # a session begins with it; others ask what is drained
        assert time.monotonic() - began < 25  # it was 34 and more with pauses of up to 10 s
