# SPDX-License-Identifier: Apache-2.0
"""A slave that is deleted and uploaded again under its name: what was uploaded last stays, on all members."""
import random

import pytest

import nativecluster as native
from cluster import wait_until


@pytest.fixture
def group():
    with native.running() as cluster:
        yield cluster


def hear_all(members):
    """
    All have heard of what any of them has in its log, and of what they say again when they hear it: a file of each has
    come to all, and then another one.
    """
    for _ in range(3):
        marks = {member.upload(b"so far"): b"so far" for member in members}
        for member in members:
            native.wait_same(member, marks)


def check(members, slaves):
    hear_all(members)
    for member in members:
        for name, data in slaves.items():
            assert member.local().download(name) == data, f"{name} at {member.address}"


def delete(member, name):
    """As soon as @member has it."""
    def done():
        try:
            member.local().delete(name)
            return True
        except native.Refused as refused:
            assert refused.status == native.ENOENT
            return False
    wait_until(f"{name} to be there, for its deletion", done)


def upload(member, master, prefix, data):
    """As soon as @member knows that there is none."""
    names = []

    def done():
        try:
            names.append(member.upload_slave(master, prefix, data))
            return True
        except native.Refused as refused:
            assert refused.status == native.EEXIST
            return False
    wait_until(f"{master}{prefix} to be gone", done)
    return names[0]


def test_deleted_and_uploaded_again_at_once(group):
    members = [group.add(number) for number in (2, 3, 4)]
    rnd, slaves = random.Random(1), {}
    master = members[0].upload(b"m" * 100_000)
    for member in members:
        native.wait_same(member, {master: b"m" * 100_000})
    for i in range(120):
        prefix, data = f"_{i % 6}", rnd.randbytes(rnd.choice([0, 10, 5000]))
        at = rnd.choice(members)
        if i >= 6:
            delete(at, name_of(slaves, prefix))
        if rnd.random() < 0.5:
            at = rnd.choice(members)
        slaves[upload(at, master, prefix, data)] = data
    check(members, slaves)


def name_of(slaves, prefix):
    return next(name for name in slaves if name.endswith(f"{prefix}.bin"))


def test_who_hears_of_the_deletion_late_does_not_take_the_new_one(group):
    a, b, c = members = [group.add(number) for number in (2, 3, 4)]
    master = a.upload(b"m" * 100_000)
    slave = a.upload_slave(master, "_s", b"old")
    for member in members:
        native.wait_same(member, {slave: b"old"})
    group.storages[4].freeze()
    a.delete(slave)
    assert a.upload_slave(master, "_s", b"new one") == slave
    native.wait_same(b, {slave: b"new one"})
    group.storages[4].thaw()
    check(members, {slave: b"new one"})
    c.delete(slave)
    for member in members:
        native.wait_same(member, {slave: None})


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_members_restart_between_deletion_and_upload(group, end):
    members = {number: group.add(number) for number in (2, 3, 4)}
    master = members[2].upload(b"m" * 100_000)
    slave = members[2].upload_slave(master, "_s", b"0")
    data = b"0"
    for i in range(3):
        at, other, late = 2 + i % 3, 2 + (i + 1) % 3, 2 + (i + 2) % 3
        for member in members.values():
            native.wait_same(member, {slave: data})
        group.storages[late].freeze()
        delete(members[at], slave)
        getattr(group.storages[other], end)()
        members[other] = group.add(other)
        data = b"again %d" % i
        assert upload(members[other], master, "_s", data) == slave
        group.storages[late].thaw()
        check(members.values(), {slave: data})
