# SPDX-License-Identifier: Apache-2.0
"""Single files of another owner in directories that are the server's, as after a restore: they hold up no replication,
and are replaced where that is possible."""
import os
import time

import pytest

import nativecluster as native
from cluster import wait_until

NOBODY = 65534
RIGHTS = "-dac_override,-dac_read_search,-fowner"  # what root may do with others' files
PREFIX = ["setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def group(monkeypatch, request):
    """Its servers have no more rights than any user. @request: settings of the storages."""
    monkeypatch.setattr(native, "wrapper", lambda: PREFIX)
    with native.running(settings=getattr(request, "param", "")) as cluster:
        cluster.members = cluster.add(2), cluster.add(3)
        cluster.wait_copies(2)
        yield cluster


def path_of(group, number, name):
    return group.folder / f"storage{number}" / "path0" / "data" / name.split("/", 1)[1]


def give_away(path, mode):
    os.chown(path, NOBODY, NOBODY)
    os.chmod(path, mode)


def meta(storage, name):
    return storage.local().get_meta(name)


@pytest.mark.parametrize("mode", [0o600, 0o644], ids=["unreadable", "readable"])
def test_a_member_takes_the_changes_of_files_that_are_not_its_own(group, mode):
    a, b = group.members
    log, cut, normal, gone, marked = [a.upload(b"one", appender=True) for _ in range(5)]
    for name in (log, cut, normal, gone, marked):
        a.set_meta(name, [("k", "1")])
        native.wait_same(b, {name: b"one"})
        wait_until("the metadata", lambda n=name: meta(b, n) == [("k", "1")])
        give_away(path_of(group, 3, name), mode)
        give_away(path_of(group, 3, name + "-m"), mode)
    a.append(log, b" two")
    a.modify(log, 0, b"ONE")
    a.truncate(cut, 1)
    new = a.regenerate(normal)
    a.delete(gone)
    a.set_meta(marked, [("k", "2")])
    behind = a.upload(b"behind all that")
    native.wait_same(b, {log: b"ONE two", cut: b"o", normal: None, new: b"one", gone: None, behind: b"behind all that"})
    wait_until("the metadata", lambda: meta(b, marked) == [("k", "2")])
    assert meta(b, new) == [("k", "1")] or mode == 0o600
    for name in (log, cut):
        assert path_of(group, 3, name).stat().st_uid == 0
    assert "storage.entry_refused" not in group.storages[3].whole_log()


@pytest.mark.parametrize("group", ["copy_timeout = 5s"], indirect=True)
def test_a_file_that_cannot_be_replaced_is_named_once(group):
    a, b = group.members
    log = a.upload(b"one", appender=True)
    native.wait_same(b, {log: b"one"})
    folder = path_of(group, 3, log).parent
    give_away(path_of(group, 3, log), 0o644)
    give_away(folder, 0o1777)  # nobody else's entries are removed there
    began = time.monotonic()
    with pytest.raises(native.Refused) as refused:
        a.append(log, b" two")  # there is no copy of it
    assert refused.value.status == native.EAGAIN and time.monotonic() - began < 30  # as if it got on, it would be 150
    told = f"error storage.entry_refused name={log}"
    wait_until("it to be named", lambda: told in group.storages[3].whole_log())
    os.chown(folder, 0, 0)
    wait_until("the edit", lambda: b.local().download(log) == b"one two")
    assert group.storages[3].whole_log().count(told) == 1
    a.append(log, b" three")
    native.wait_same(b, {log: b"one two three"})
