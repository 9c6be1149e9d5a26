# SPDX-License-Identifier: Apache-2.0
"""What a gateway stored, no FastDFS client can remove or change: small and large, on every member, whatever happens."""
import os
import shutil
import subprocess

import pytest

from cluster import BUILD, sanitizer_env, wait_until, wrapper
from nativecluster import ACTIVE, EINVAL, ENOENT, EPERM, OK, Refused, Storage
from s3cluster import running

SIZES = [1, 5000, 262_144, 262_145, 3_000_000]


def content(n):
    return bytes((i * 11 + (i >> 9)) & 0xff for i in range(n))


@pytest.fixture(scope="module")
def cluster():
    """A group of two."""
    with running(buckets=("plain",), members=2) as c:
        c.boto3().create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        yield c


@pytest.fixture
def s3(cluster):
    return cluster.boto3()


def client(cluster, member):
    """A FastDFS client: it knows no secret."""
    return Storage((f"127.0.1.{member}", cluster.storages[1, member].port))


def put(s3, bucket, key, size, **args):
    """The name of the file that holds the object."""
    answer = s3.put_object(Bucket=bucket, Key=key, Body=content(size), **args)
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"].split("/", 1)[1]


def put_all(s3):
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": "2035-01-01T00:00:00Z"}
    files = {("plain", f"k{n}"): put(s3, "plain", f"k{n}", n) for n in SIZES}
    files.update({("locked", f"k{n}"): put(s3, "locked", f"k{n}", n, **lock) for n in SIZES[1::3]})
    return files


def status(fn, *args):
    try:
        fn(*args)
        return OK
    except Refused as refused:
        return refused.status


def changes(storage, name):
    """What each command that would change the file answers."""
    return {"append": status(storage.append, name, b"x"), "modify": status(storage.modify, name, 0, b"x"),
            "truncate": status(storage.truncate, name, 0), "regenerate": status(storage.regenerate, name),
            "set metadata": status(storage.set_meta, name, [("a", "b")]),
            "merge metadata": status(storage.set_meta, name, [("a", "b")], "M"),
            "delete": status(storage.delete, name)}


def check_refused(cluster, s3, files):
    """By clients, and by members that pass a client's question on."""
    for storage in (client(cluster, 1), client(cluster, 2), cluster.member(1, 1), cluster.member(1, 2)):
        for name in files.values():
            wait_until("the replica to have it", lambda s=storage, n=name: s.has(n))
            assert set(changes(storage, name).values()) == {EPERM}, (storage.address, name, changes(storage, name))
    for (bucket, key), name in files.items():
        want = content(int(key[1:]))
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == want
        for member in (1, 2):
            assert cluster.member(1, member).download(name) == want, "reading is allowed"
            assert cluster.member(1, member).info(name)[0] == len(want)


def restart(cluster, setting=None):
    for program in cluster.storages.values():
        program.stop()
        if setting:
            program.conf.write_text(program.conf.read_text() + f"native_may_remove_s3 = {setting}\n")
    for program in cluster.storages.values():
        program.start()
    for program in cluster.storages.values():
        program.wait_ready()
    cluster.wait_active((1, 1), (1, 2))
    cluster.wait_copies()


def test_every_change_is_refused_on_both_members_and_after_a_restart(cluster, s3):
    files = put_all(s3)
    check_refused(cluster, s3, files)
    for program in cluster.storages.values():
        program.kill()
    for program in cluster.storages.values():
        program.start()
    for program in cluster.storages.values():
        program.wait_ready()
    cluster.wait_active((1, 1), (1, 2))
    cluster.wait_copies()
    wait_until("the gateway to find them", lambda: status_of_get(s3) == 200)
    check_refused(cluster, s3, files)


def status_of_get(s3):
    try:
        return s3.get_object(Bucket="plain", Key="k5000")["ResponseMetadata"]["HTTPStatusCode"]
    except s3.exceptions.ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_member_that_lost_everything_gets_it_back_as_it_was(cluster, s3):
    files = put_all(s3)
    native = {size: client(cluster, 1).upload(content(size)) for size in (1, 70_000)}
    cluster.storages[1, 2].stop()
    shutil.rmtree(cluster.storages[1, 2].folder / "data")
    cluster.storages[1, 2].start().wait_ready()
    wait_until("it to be complete", lambda: cluster.states(1).get(2) == ACTIVE)
    cluster.wait_copies()
    check_refused(cluster, s3, files)
    for name in native.values():
        assert status(cluster.member(1, 2).delete, name) == OK


def test_the_gateway_removes_what_it_stored_everywhere(cluster, s3):
    names = [put(s3, "plain", f"gone{n}", n) for n in (1, 300_000)]
    for n in (1, 300_000):
        s3.delete_object(Bucket="plain", Key=f"gone{n}")
    for name in names:  # from both, before a client asks: one passes on what it does not have
        for member in (1, 2):
            wait_until("it to be gone", lambda m=member, n=name: not cluster.member(1, m).has(n))
    for member in (1, 2):
        for name in names:
            assert status(client(cluster, member).delete, name) == ENOENT


def test_files_of_clients_stay_theirs(cluster):
    a, b = client(cluster, 1), client(cluster, 2)
    for size in (0, 5000, 300_000):
        name = a.upload(content(size))
        assert changes(b, name) == {"append": EINVAL, "modify": EINVAL, "truncate": EINVAL, "regenerate": EINVAL,
                                    "set metadata": OK, "merge metadata": OK, "delete": OK}
        wait_until("it to be gone", lambda n=name: not cluster.member(1, 1).has(n))
    log = a.upload(b"0123", appender=True)
    wait_until("the replica to have it", lambda: cluster.member(1, 2).has(log))
    assert set(changes(b, log).values()) == {OK, ENOENT}, "it has another name after regenerate"


def test_a_link_to_it_can_be_removed_and_is_not_it(cluster, s3):
    for n in (5000, 300_000):
        key = f"linked{n}"
        name = put(s3, "plain", key, n)
        for member in (1, 2):
            wait_until("the replica to have it", lambda m=member, n=name: cluster.member(1, m).has(n))
            storage = client(cluster, member)
            link = storage.link(name)
            assert storage.download(link) == content(n)
            for other in (1, 2):
                wait_until("the link", lambda o=other, n=link: cluster.member(1, o).has(n))
                assert set(changes(cluster.member(1, other), name).values()) == {EPERM}
            assert status(storage.truncate, link, 0) != OK and status(storage.append, link, b"x") != OK
            assert status(storage.delete, link) == OK
        assert s3.get_object(Bucket="plain", Key=key)["Body"].read() == content(n)


def test_the_command_line_says_why(cluster, s3):
    name = put(s3, "plain", "cli", 5000)
    done = subprocess.run([*wrapper(), str(BUILD / "dfs"), "--tracker", f"127.0.0.1:{cluster.trackers[0].port}", "delete",
                           f"group1/{name}"], capture_output=True, text=True, timeout=60, env=sanitizer_env(os.environ))
    assert done.returncode == 1 and "EPERM" in done.stderr, done.stderr


def test_an_operator_may_allow_it(cluster, s3):
    names = [put(s3, "plain", f"allowed{n}", n) for n in (5000, 300_000)]
    restart(cluster, "yes")
    for name in names:
        storage = client(cluster, 2)
        wait_until("the replica to have it", lambda n=name: cluster.member(1, 2).has(n))
        assert status(storage.set_meta, name, [("a", "b")]) == OK
        assert status(storage.delete, name) == OK
        wait_until("it to be gone", lambda n=name: not cluster.member(1, 1).has(n))
    for program in cluster.storages.values():
        text = program.conf.read_text()
        program.conf.write_text(text.replace("native_may_remove_s3 = yes\n", ""))
    restart(cluster)
    name = put(s3, "plain", "after", 5000)
    assert status(client(cluster, 1).delete, name) == EPERM
