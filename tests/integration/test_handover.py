# SPDX-License-Identifier: Apache-2.0
"""Writes go to another server within the request: clients that do not retry see nothing of a server's death."""
import threading

import pytest
from cluster import PATIENCE_S, descriptors, files_below, wait_until
from rawhttp import Raw, read_response
from s3cluster import running

ROUNDS = 4
SIZES = [3000, 400_000]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A group of two."""
    with running(groups=1, members=2, settings=f"key_ring = {tmp_path_factory.mktemp('keys')}/ring\n") as c:
        yield c


def in_service(cluster):
    """Members that the gateway takes for in service."""
    return {int(s["id"].rpartition(".")[2]) for s in cluster.admin("status")["storages"] if s["in_service"]}


def bring_back(cluster, number):
    """Known to the gateway, and to the other one, which waits for its copy from now on."""
    cluster.storages[number].start().wait_ready()
    cluster.wait_active(number)
    wait_until("the gateway to know both", lambda: in_service(cluster) == {1, 2})
    cluster.wait_copies()


def content(n, salt):
    return bytes((i * 7 + salt + (i >> 8)) & 0xff for i in range(n))


def put_all(cluster, bodies):
    """Statuses of these objects, written side by side by clients that do not retry."""
    statuses = {}

    def put(key):
        statuses[key] = Raw(cluster).request("PUT", f"/bucket/{key}", body=bodies[key]).status

    writers = [threading.Thread(target=put, args=(key,)) for key in bodies]
    for w in writers:
        w.start()
    for w in writers:
        w.join(2 * PATIENCE_S)
    return statuses


def test_the_other_of_two_dies_just_after_the_first_came_back(pair):
    s3 = pair.boto3()
    for round_number in range(ROUNDS):
        returning, dying = (1, 2) if round_number % 2 == 0 else (2, 1)
        pair.storages[1, returning].kill()
        wait_until("the gateway to know that it is away", lambda: in_service(pair) == {dying})  # noqa: B023
        pair.storages[1, returning].start().wait_ready()
        pair.wait_active((1, returning))
        pair.storages[1, dying].kill()
        bodies = {f"r{round_number}-{n}-{i}": content(n, i) for n in SIZES for i in range(8)}
        statuses = put_all(pair, bodies)
        assert set(statuses.values()) == {200}, statuses
        for key, body in bodies.items():
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body
        bring_back(pair, (1, dying))


def unnamed_files(storage):
    """Files without a name that the storage has open."""
    return descriptors(storage.process.pid, r".*/#\d+ \(deleted\)$")


@pytest.mark.parametrize("headers", [{}, {"x-amz-server-side-encryption": "AES256"}], ids=["plain", "encrypted"])
def test_a_storage_dies_while_a_file_of_some_pieces_is_being_written(pair, headers):
    body = content(1_500_000, 5)
    whole = Raw(pair).build("PUT", "/bucket/middle", headers=headers, body=body)
    with pair.socket() as sock:
        sock.sendall(whole[:-700_000])
        wait_until("a storage to write", lambda: any(unnamed_files(s) for s in pair.storages.values()))
        number, victim = next((n, s) for n, s in pair.storages.items() if unnamed_files(s))
        victim.kill()
        sock.sendall(whole[-700_000:])
        answer = read_response(sock)
    assert answer.status == 200, answer
    assert pair.boto3().get_object(Bucket="bucket", Key="middle")["Body"].read() == body
    bring_back(pair, number)


def test_a_storage_dies_before_it_has_said_that_a_file_is_stored(pair):
    """It waits for the copy, which the other one cannot take; then that one has to take the file itself."""
    body = content(900_000, 9)
    whole = Raw(pair).build("PUT", "/bucket/unsaid", body=body)
    with pair.socket() as sock:
        sock.sendall(whole[:-300_000])
        wait_until("a storage to write", lambda: any(unnamed_files(s) for s in pair.storages.values()))
        number, victim = next((n, s) for n, s in pair.storages.items() if unnamed_files(s))
        other = next(s for s in pair.storages.values() if s is not victim)
        other.freeze()
        sock.sendall(whole[-300_000:])
        wait_until("it to have its name", lambda: len(body) in files_below(victim.folder / "data").values())
        victim.kill()
        other.thaw()
        answer = read_response(sock)
    assert answer.status == 200, answer
    assert pair.boto3().get_object(Bucket="bucket", Key="unsaid")["Body"].read() == body
    bring_back(pair, number)
