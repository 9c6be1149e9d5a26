# SPDX-License-Identifier: Apache-2.0
"""A member stands still, as a stopped process or a paused machine, or dies, while it edits or is about to: what others have
edited and acknowledged meanwhile stays."""
import concurrent.futures

import pytest

import nativecluster as native
from cluster import wait_until
from faults import Faults

FILES = 8  # one alone would often be lucky


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Members a, b and c; trackers soon notice that one stands still."""
    faults = Faults(tmp_path)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    with native.running(tracker_settings="check_active_interval = 3s", settings="disk_writer_threads = 16") as cluster:
        cluster.members = cluster.add(2), cluster.add(3), cluster.add(4)
        for number in (2, 3, 4):
            cluster.wait_copies(number)
        cluster.hold_c = lambda: faults.syncs(str(cluster.folder / "storage4"), hold=True)
        cluster.wait_held = faults.wait_held
        cluster.let_go = faults.clear
        yield cluster
        faults.clear()
        cluster.storages[4].thaw()


def logs_of(group, maker):
    logs = [maker.upload(b"one", appender=True) for _ in range(FILES)]
    for member in group.members:
        native.wait_same(member, dict.fromkeys(logs, b"one"))
    return logs


def edits_at_once(pool, member, logs):
    return [[pool.submit(native.does, member.append, log, b" three"),
             pool.submit(native.does, member.set_meta, log, [("c", "3")], "M")]
            for log in logs]


def append_once(member, log, piece, times=1):
    """Until it has been appended so many @times in all. Who is told EAGAIN looks before it tries again: an edit that is done
    can be told so, too, as when it has taken longer than trackers are sure of a server. What is acknowledged behind it says
    that others have it."""
    wait_until("its turn", lambda: native.does(member.append, log, piece)
               or member.local().download(log).count(piece) >= times)


def edit_elsewhere(member, logs, times=1):
    for log in logs:
        append_once(member, log, b" two", times)
        native.until_done(member.set_meta, log, [("b", "2")], "M")


def test_who_is_first_back_of_a_group_that_lost_power_edits_when_it_knows_what_the_others_have(group):
    a, b, c = group.members
    logs = logs_of(group, a)
    group.storages[2].kill()
    group.wait_status(2, native.OFFLINE)
    edit_elsewhere(b, logs)  # two have it, so it is acknowledged
    native.wait_same(c, dict.fromkeys(logs, b"one two"))
    group.storages[3].kill()
    group.storages[4].kill()
    group.storages[2].start().wait_ready()
    group.wait_status(2, native.ACTIVE)
    for log in logs:
        assert not native.does(a.append, log, b" three")
        assert not native.does(a.set_meta, log, [("c", "3")], "M")
    for number in (3, 4):
        group.storages[number].start().wait_ready()
    for log in logs:
        append_once(a, log, b" three")
        native.until_done(a.set_meta, log, [("c", "3")], "M")
        assert look(a, log) == (b"one two three", [("b", "2"), ("c", "3")])
    for member in group.members:
        native.wait_same(member, dict.fromkeys(logs, b"one two three"))


def look(member, log):
    member = member.local()
    try:
        return member.download(log), member.get_meta(log)
    except native.Refused as refused:
        assert refused.status == native.ENOENT  # no metadata yet
        return member.download(log), []


def what_was_acknowledged_is_there(members, logs, answers):
    answers = [(appended.result(), merged.result()) for appended, merged in answers]
    for log, (appended, merged) in zip(logs, answers):
        def alike(log=log):
            found = [look(m, log) for m in members]
            return found[0] if all(one == found[0] for one in found) else None
        content, meta = wait_until("members to be alike", alike)
        assert b" two" in content and ("b", "2") in meta
        assert b" three" in content or not appended
        assert ("c", "3") in meta or not merged


def test_the_server_of_files_stands_still_before_it_edits(group):
    a, b, c = group.members
    logs = logs_of(group, c)
    with concurrent.futures.ThreadPoolExecutor(2 * FILES) as pool:
        group.storages[4].freeze()
        answers = edits_at_once(pool, c, logs)  # they wait at its socket
        edit_elsewhere(b, logs)
        group.storages[4].thaw()
        what_was_acknowledged_is_there(group.members, logs, answers)
    group.wait_status(4, native.ACTIVE)
    for log in logs:
        native.until_done(c.append, log, b" four")


@pytest.mark.parametrize("maker", ["a", "c"])
def test_a_member_stands_still_while_it_edits(group, maker):
    a, b, c = group.members
    logs = logs_of(group, a if maker == "a" else c)
    with concurrent.futures.ThreadPoolExecutor(2 * FILES) as pool:
        group.hold_c()
        answers = edits_at_once(pool, c, logs)
        group.wait_held()
        group.storages[4].freeze()
        edit_elsewhere(b, logs)
        group.let_go()
        group.storages[4].thaw()
        what_was_acknowledged_is_there(group.members, logs, answers)


def test_a_member_is_killed_while_it_edits(group):
    a, b, c = group.members
    logs = logs_of(group, a)
    with concurrent.futures.ThreadPoolExecutor(2 * FILES) as pool:
        group.hold_c()
        killed = [pool.submit(c.append, log, b" three") for log in logs]
        group.wait_held()
        group.storages[4].kill()
        for edit in killed:
            assert isinstance(edit.exception(), OSError)
    edit_elsewhere(a, logs)  # who gave the turn
    group.let_go()
    group.members = a, b, group.add(4)
    edit_elsewhere(group.members[2], logs, times=2)
    for member in group.members:
        for log in logs:
            def twice(m=member, name=log):
                return m.local().download(name).replace(b" three", b"") == b"one two two"
            wait_until("what both have edited", twice)
