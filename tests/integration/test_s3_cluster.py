# SPDX-License-Identifier: Apache-2.0
"""S3 through storages of other machines: groups of three over TCP, any of them down."""
import secrets
import threading
import time

import pytest
from cluster import PATIENCE_S, wait_until
from ledger import Load
from nativecluster import OFFLINE, Refused
from rawhttp import Raw, read_response
from s3cluster import running

pytestmark = pytest.mark.long

SILENT_S = 5  # so long a storage may be silent before it is left
SIZES = [0, 1, 4096, 262_144, 262_145, 3_000_000]


def bytes_of(n, salt=0):
    return bytes((i * 7 + salt + (i >> 8)) & 0xff for i in range(n))


@pytest.fixture(scope="module")
def two_groups():
    """Three trackers, two groups of three."""
    with running(trackers=3, groups=2, members=3,
                 settings=f"storage_timeout = {SILENT_S}s\nread_hedge = 100ms\nreclaim_grace = 100ms\n") as c:
        yield c


@pytest.fixture
def s3(two_groups):
    return two_groups.boto3()


def put_until_it_works(s3, key, body, seconds=PATIENCE_S):
    """Seconds until a PUT is acknowledged. A refusal must be one that clients retry."""
    begin = time.monotonic()
    while True:
        try:
            s3.put_object(Bucket="bucket", Key=key, Body=body)
            return time.monotonic() - begin
        except s3.exceptions.ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
            assert time.monotonic() < begin + seconds, e


def get(s3, key):
    return s3.get_object(Bucket="bucket", Key=key)["Body"].read()


def get_until_it_works(s3, key, seconds=PATIENCE_S):
    """As clients do: 503 before the first byte is tried again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return get(s3, key)
        except s3.exceptions.ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
            assert time.monotonic() < end, e


class SteadyReader(threading.Thread):
    """Reads the same objects all the time: none may fail, whatever happens to single servers."""

    def __init__(self, cluster, contents):
        super().__init__(daemon=True)
        self.s3, self.contents, self.error = cluster.boto3(), contents, None
        self.longest, self.reads, self.stop_now = 0.0, 0, threading.Event()

    def run(self):
        try:
            while not self.stop_now.is_set():
                for key, body in self.contents.items():
                    begin = time.monotonic()
                    assert get(self.s3, key) == body
                    self.longest = max(self.longest, time.monotonic() - begin)
                    self.reads += 1
        except BaseException as e:  # noqa: BLE001 - raised by the test's thread
            self.error = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.stop_now.set()
        self.join()
        if kind is None:
            if self.error:
                raise self.error
            assert self.reads > 0
            print(f"{self.reads} reads, the longest took {self.longest:.3f} s")


def servers(cluster, which):
    """(group, member) of the storages for which the gateway's status says @which."""
    listed = cluster.admin("status")["storages"]
    return {tuple(int(n) for n in s["id"].split(".")[2:]) for s in listed if s[which]}


def test_the_gateway_says_which_servers_it_knows(two_groups):
    assert servers(two_groups, "in_service") == set(two_groups.storages)
    assert servers(two_groups, "down") == set()


def test_objects_of_all_sizes_go_there_and_come_back(two_groups, s3):
    for n in SIZES:
        s3.put_object(Bucket="bucket", Key=f"size{n}", Body=bytes_of(n))
    for n in SIZES:
        assert get(s3, f"size{n}") == bytes_of(n)
    part = s3.get_object(Bucket="bucket", Key="size3000000", Range="bytes=1000000-2500000")["Body"].read()
    assert part == bytes_of(3_000_000)[1_000_000:2_500_001]


def test_every_member_has_what_s3_stored_and_loses_what_s3_deleted(two_groups, s3):
    names = []
    for n in (5000, 400_000):
        head = s3.put_object(Bucket="bucket", Key=f"native{n}", Body=bytes_of(n))
        file_id = head["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"]
        group, name = file_id.split("/", 1)
        names.append((group, name, n))
    members = [(g, m) for g, m in two_groups.storages if f"group{g}" == names[0][0]]

    def content(g, m, name):
        try:
            return two_groups.member(g, m).download(name)
        except Refused:
            return None

    for g, m in members:
        for _, name, n in names:
            wait_until(f"{name} at member {m}", lambda: content(g, m, name) == bytes_of(n))  # noqa: B023
    for _, _, n in names:
        s3.delete_object(Bucket="bucket", Key=f"native{n}")
    two_groups.admin("reclaim")
    for g, m in members:
        for _, name, n in names:
            wait_until(f"{name} to be gone from member {m}", lambda: content(g, m, name) is None)  # noqa: B023


def test_a_killed_storage_stops_neither_writes_nor_reads(two_groups, s3):
    contents = {f"steady{n}": bytes_of(n, 3) for n in (3000, 700_000)}
    for key, body in contents.items():
        s3.put_object(Bucket="bucket", Key=key, Body=body)
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    load = Load(two_groups, seed, writers=2)
    load.start()
    killed = set()
    with SteadyReader(two_groups, contents):
        for victim in [(1, 1), (1, 2), (2, 3)]:
            killed.add(victim)
            storage = two_groups.storages[victim]
            storage.kill()
            small = put_until_it_works(s3, "after", b"kill")
            large = put_until_it_works(s3, "after-large", bytes_of(1_000_000))
            assert get(s3, "after") == b"kill"
            assert servers(two_groups, "down") <= killed  # who has just come back is asked a hold-down later
            print(f"{victim}: next PUT of 4 bytes after {small:.3f} s, of 1 MB after {large:.3f} s more")
            storage.start().wait_ready()
            two_groups.wait_active(victim)
            load.check()
    load.stop()
    load.verify()
    assert load.totals()["put"] > 10, load.totals()


def test_a_storage_that_hangs_delays_one_call_not_every_one(two_groups, s3):
    s3.put_object(Bucket="bucket", Key="before", Body=bytes_of(500_000))
    victim = two_groups.storages[1, 2]
    victim.freeze()
    try:
        took = [put_until_it_works(s3, f"hang{i}", b"x") for i in range(20)]
        begin = time.monotonic()
        for _ in range(20):
            assert get(s3, "before") == bytes_of(500_000)
        reads = time.monotonic() - begin
        print(f"writes {sum(took):.3f} s, the longest {max(took):.3f}; reads {reads:.3f} s")
        assert sorted(took)[len(took) // 2] < SILENT_S, took  # of twenty calls that each waited so long none would be quicker
    finally:
        victim.thaw()
    two_groups.wait_active((1, 2))


def test_trackers_may_all_be_away(two_groups, s3):
    s3.put_object(Bucket="bucket", Key="known", Body=bytes_of(300_000))
    for tracker in two_groups.trackers:
        tracker.kill()
    for i in range(5):
        put_until_it_works(s3, f"without{i}", bytes_of(1000, i))
        put_until_it_works(s3, f"without-large{i}", bytes_of(300_000, i))
        assert get(s3, f"without{i}") == bytes_of(1000, i)
        assert get(s3, "known") == bytes_of(300_000)
    for tracker in two_groups.trackers:
        tracker.start()
    for tracker in two_groups.trackers:
        tracker.wait_ready()
    two_groups.wait_active(*two_groups.storages)
    for i in range(5):
        assert get(s3, f"without-large{i}") == bytes_of(300_000, i)


def test_a_gateway_starts_without_trackers_and_knows_the_cluster(two_groups, s3):
    s3.put_object(Bucket="bucket", Key="before", Body=bytes_of(300_000))
    for tracker in two_groups.trackers:
        tracker.kill()
    two_groups.gateway.stop()
    two_groups.gateway.start().wait_ready()
    assert "dfs.view_as_kept groups=2 servers=6" in (two_groups.folder / "gateway" / "log").read_text()
    assert len(two_groups.admin("status")["storages"]) == 6
    assert get(s3, "before") == bytes_of(300_000)
    for n in (1000, 300_000):
        s3.put_object(Bucket="bucket", Key=f"blind{n}", Body=bytes_of(n))
        assert get(s3, f"blind{n}") == bytes_of(n)
    s3.delete_object(Bucket="bucket", Key="before")
    two_groups.storages[1, 1].kill()
    for n in (1000, 300_000):
        assert get(s3, f"blind{n}") == bytes_of(n)
    for tracker in two_groups.trackers:
        tracker.start()
    for tracker in two_groups.trackers:
        tracker.wait_ready()
    two_groups.storages[1, 1].start().wait_ready()
    two_groups.wait_active(*two_groups.storages)
    put_until_it_works(s3, "after", bytes_of(1000))


def test_a_gateway_that_starts_before_storages_take_writes_waits_for_them():
    """After a power failure all start at once, and what a gateway has to put right in the logs is a write."""
    with running(trackers=1, groups=1, members=2) as c:
        c.boto3().put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        c.stop()
        for storage in c.storages.values():  # without their tracker they do not know of each other
            storage.start()
        c.gateway.start()
        wait_until("it to wait", lambda: "gateway.waits_for_storages" in c.gateway.whole_log() or not c.gateway.running())
        c.trackers[0].start()
        for program in (*c.trackers, *c.storages.values(), c.gateway):
            program.wait_ready()
        put_until_it_works(c.boto3(), "key", b"x")


def test_a_tracker_that_has_just_returned_is_no_hindrance():
    """Nobody is in service, and no disk is known, before the servers have joined again: here it does not let them."""
    with running(groups=2, members=2) as c:
        s3, tracker, conf = c.boto3(), c.trackers[0], c.trackers[0].conf.read_text()
        s3.put_object(Bucket="bucket", Key="before", Body=b"before")
        tracker.kill()
        wait_until("the gateway to miss it", lambda: "dfs.no_tracker" in c.gateway.log())
        tracker.conf.write_text(conf + "allow_hosts = 127.0.0.1\n")
        tracker.start().wait_ready()
        wait_until("the gateway to ask it", lambda: "dfs.tracker_answers" in c.gateway.log())
        assert set(c.states(1).values()) == set(c.states(2).values()) == {OFFLINE}
        end = time.monotonic() + 5  # it looks once a second, and does not believe the first answers
        while time.monotonic() < end:
            for size in (1000, 300_000):
                s3.put_object(Bucket="bucket", Key="meanwhile", Body=bytes_of(size))
                assert get(s3, "meanwhile") == bytes_of(size)
        assert get(s3, "before") == b"before"
        tracker.stop()
        tracker.conf.write_text(conf)
        tracker.start().wait_ready()
        c.wait_active(*c.storages)


def test_a_server_that_hears_of_nobody_is_not_alone():
    """One tracker of three cannot lead, and only a leader says who is in the group to servers that start anew. They take
    nothing that no other one has, whom they hear of by what that tracker lists."""
    with running(trackers=3, groups=1, members=2) as c:
        s3 = c.boto3()
        s3.put_object(Bucket="bucket", Key="before", Body=b"before")
        for tracker in c.trackers:
            tracker.kill()
        for storage in c.storages.values():
            storage.kill()
        c.trackers[0].start().wait_ready()
        for storage in c.storages.values():
            storage.start().wait_ready()
        c.wait_active(*c.storages)
        assert get_until_it_works(s3, "before") == b"before"
        for size in (1000, 300_000):
            try:
                s3.put_object(Bucket="bucket", Key=f"meanwhile{size}", Body=bytes_of(size))
            except s3.exceptions.ClientError as e:
                assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
                continue
            head = s3.head_object(Bucket="bucket", Key=f"meanwhile{size}")
            name = head["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"].split("/", 1)[1]
            for m in (1, 2):
                assert c.member(1, m).info(name, 3)  # itself, at once
        c.trackers[1].start().wait_ready()
        put_until_it_works(s3, "after", bytes_of(1000))
        c.gateway.stop()
        for m in (1, 2):
            c.storages[1, m].kill()
            c.gateway.start("--rebuild-index").wait_ready()
            assert get(s3, "after") == bytes_of(1000)
            c.gateway.stop()
            c.storages[1, m].start().wait_ready()
            c.wait_active(*c.storages)


def test_a_whole_group_may_be_away(two_groups, s3):
    for m in (1, 2, 3):
        two_groups.storages[1, m].kill()
    put_until_it_works(s3, "elsewhere", bytes_of(2000))
    put_until_it_works(s3, "elsewhere-large", bytes_of(300_000))
    for key in ("size4096", "size3000000"):
        with pytest.raises(s3.exceptions.ClientError) as e:
            get(s3, key)
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    head = s3.head_object(Bucket="bucket", Key="elsewhere")
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"].startswith("group2/")
    for m in (1, 2, 3):
        two_groups.storages[1, m].start()
    for m in (1, 2, 3):
        two_groups.storages[1, m].wait_ready()
    two_groups.wait_active((1, 1), (1, 2), (1, 3))
    assert get(s3, "elsewhere-large") == bytes_of(300_000)
    assert get_until_it_works(s3, "size3000000") == bytes_of(3_000_000)


def test_the_index_can_be_rebuilt_while_a_server_is_away(two_groups, s3):
    for i in range(20):
        s3.put_object(Bucket="bucket", Key=f"rebuild{i}", Body=bytes_of(1000 + i * 20_000, i))
    s3.delete_object(Bucket="bucket", Key="rebuild0")
    two_groups.gateway.stop()
    two_groups.storages[1, 1].kill()
    two_groups.gateway.start("--rebuild-index").wait_ready()
    for i in range(1, 20):
        assert get(s3, f"rebuild{i}") == bytes_of(1000 + i * 20_000, i)
    with pytest.raises(s3.exceptions.NoSuchKey):
        get(s3, "rebuild0")
    assert get(s3, "size3000000") == bytes_of(3_000_000)
    two_groups.storages[1, 1].start().wait_ready()
    two_groups.wait_active((1, 1))


def test_a_gateway_with_the_wrong_secret_is_refused(two_groups, s3):
    two_groups.gateway.stop()
    right = two_groups.secret.read_text()
    two_groups.secret.write_text(secrets.token_hex(32))
    try:
        two_groups.gateway.start().wait_ready()
        with pytest.raises(s3.exceptions.ClientError) as e:
            s3.put_object(Bucket="bucket", Key="refused", Body=b"x")
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        two_groups.gateway.stop()
    finally:
        two_groups.secret.write_text(right)
    two_groups.gateway.start().wait_ready()
    assert get(s3, "size262145") == bytes_of(262_145)


@pytest.fixture(scope="module")
def beside():
    """The gateway shares its machine with one member of the group."""
    with running(groups=1, members=2, local=[(1, 1)], settings=f"storage_timeout = {SILENT_S}s\n") as c:
        yield c


def test_a_storage_beside_the_gateway_is_used_first_and_not_needed(beside):
    s3 = beside.boto3()
    listed = beside.admin("status")["storages"]
    assert sorted(s["id"] for s in listed if s["in_service"]) == ["127.0.1.1", "127.0.1.2"]
    assert [s["address"].startswith("/") for s in listed if s["id"] == "127.0.1.1" and s["in_service"]] == [True]
    for n in SIZES:
        s3.put_object(Bucket="bucket", Key=f"size{n}", Body=bytes_of(n))

    def wait_copied(key, member):
        """Until the member itself has it."""
        head = s3.head_object(Bucket="bucket", Key=key)
        name = head["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"].split("/", 1)[1]

        def has():
            try:
                return len(beside.member(1, member).download(name)) == head["ContentLength"]
            except (Refused, OSError):
                return False
        wait_until(f"{key} at member {member}", has)

    wait_copied(f"size{SIZES[-1]}", 2)
    beside.storages[1, 1].kill()
    for n in SIZES:
        assert get(s3, f"size{n}") == bytes_of(n)
    put_until_it_works(s3, "without-small", bytes_of(3000))
    put_until_it_works(s3, "without-large", bytes_of(600_000))
    beside.storages[1, 1].start().wait_ready()
    beside.wait_active((1, 1))
    assert get(s3, "without-small") == bytes_of(3000)
    assert get(s3, "without-large") == bytes_of(600_000)
    put_until_it_works(s3, "again", b"x")
    wait_copied("without-large", 1)  # one that returns is ACTIVE at once and catches up
    beside.storages[1, 2].kill()
    assert get(s3, "without-large") == bytes_of(600_000)
    beside.storages[1, 2].start().wait_ready()
    beside.wait_active((1, 2))


def test_what_nobody_can_take_may_be_tried_again():
    """The only storage dies in mid-upload: 503 with Retry-After, and SDKs go on by themselves when it is back."""
    with running(groups=1, members=1, settings=f"storage_timeout = {SILENT_S}s\n") as c:
        storage, body = c.storages[1, 1], secrets.token_bytes(4_000_000)
        whole = Raw(c).build("PUT", "/bucket/k", body=body)
        with c.socket() as sock:
            sock.sendall(whole[:-1_000_000])
            storage.kill()
            sock.sendall(whole[-1_000_000:])
            answer = read_response(sock)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1"), answer
        assert answer.code in ("ServiceUnavailable", "SlowDown")
        back = threading.Timer(1, storage.start)
        back.start()
        c.boto3(retries={"mode": "standard", "max_attempts": 20}).put_object(Bucket="bucket", Key="k", Body=body)
        back.join()
        storage.wait_ready()
        assert get(c.boto3(), "k") == body
