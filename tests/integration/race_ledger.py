# SPDX-License-Identifier: Apache-2.0
"""race_ledger - writers that race for the same keys while versioning is switched and lifecycle rules run.

Nobody can say beforehand what a key will hold; these must be true whatever the order was:

- a locked version is there, with its bytes, until its hold is taken off;
- where no rule reaches, an acknowledged version is there until somebody asks for its deletion;
- versions are listed in commit order: what was answered before another one was asked for lies below it;
- the listings are the set of what GETs find, and IsLatest is at the newest version of a key, at it alone.
"""
import itertools
import random
import threading
import time

from botocore.exceptions import ClientError

from cluster import a_whole_pass
from ledger import explain, payload
from version_ledger import NULL, list_versions, verify_current

RULED, FREE = "go/", "stay/"  # keys that the rules reach, and that they do not
RULES = [
    {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": RULED}, "Expiration": {"Days": 1},
     "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}},
    {"ID": "markers", "Status": "Enabled", "Filter": {"Prefix": RULED}, "Expiration": {"ExpiredObjectDeleteMarker": True}}]
CROWD = 60  # versions of a key; beyond, more are deleted than written


class Change:
    """One put or delete of a key: when it was asked, when answered (None: not), and the version it made."""

    def __init__(self, key, who, locked):
        self.key, self.who, self.locked = key, who, locked
        self.asked, self.answered, self.vid = time.monotonic(), None, None
        self.unwanted = False  # somebody has asked for its deletion

    def __repr__(self):
        answered = f"{self.answered:.3f}" if self.answered else "never"
        return f"{self.key} {self.vid} {self.who or 'marker'} asked {self.asked:.3f} answered {answered}"


class Race(threading.Thread):
    """Some racers in one bucket; a thread that ends when they do. @lock: with object lock; else versioning is switched."""

    def __init__(self, name, cluster, connect, seed, lock, racers=4):
        super().__init__(name=name, daemon=True)
        self.cluster, self.connect, self.lock, self.racers = cluster, connect, lock, racers
        self.bucket = f"race-{name}"
        self.random = random.Random(seed)
        self.keys = [f"{prefix}k{i}" for prefix in (RULED, FREE) for i in range(2)]
        self.numbers = itertools.count(1)
        self.changes = []  # list.append() is atomic
        self.done = dict.fromkeys(("raced put", "raced delete", "raced delete version", "raced switch", "raced refusal",
                                   "raced rules", "failed"), 0)
        self.count_lock = threading.Lock()
        self.stop_now = threading.Event()
        self.error = None

    def fresh(self):
        """Threads run once: another one that takes over the ledger."""
        r = Race(self.name, self.cluster, self.connect, self.random.random(), self.lock, self.racers)
        r.numbers, r.changes, r.done = self.numbers, self.changes, self.done
        return r

    def create_bucket(self):
        s3 = self.connect()
        s3.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=self.lock)
        if not self.lock:
            s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def run(self):
        threads = [threading.Thread(target=self._racer, args=(self.random.random(),), daemon=True)
                   for _ in range(self.racers)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def _racer(self, seed):
        rng = random.Random(seed)
        try:
            while not self.stop_now.is_set() and not self.error:
                self.step(rng)
        except Exception as e:  # noqa: BLE001 - reported by the test's thread
            self.error = e

    def count(self, what):
        with self.count_lock:
            self.done[what] += 1

    # --- one operation ------------------------------------------------------------------------

    def step(self, rng):
        kinds = {"put": 50, "delete": 15, "delete_version": 35, "switch": 0 if self.lock else 4, "rules": 2}
        what = rng.choices(list(kinds), list(kinds.values()))[0]
        try:
            getattr(self, what)(self.connect(), rng, rng.choice(self.keys))
        except AssertionError:
            raise
        except Exception as e:  # noqa: BLE001 - no answer: it may have been done or not
            self.count("failed")
            self.last_failure = e
            self.cluster.failed()
            time.sleep(0.01)  # a server that is down refuses at once: do not spin

    def made(self, change, answer):
        change.answered, change.vid = time.monotonic(), answer.get("VersionId", NULL)

    def put(self, s3, rng, key):
        if sum(c.key == key and not c.unwanted for c in self.changes) > CROWD and rng.random() < 0.8:
            return
        locked = self.lock and rng.random() < 0.1
        change = Change(key, (f"{self.bucket}/{key}", next(self.numbers), rng.choice([60, 1000, 20_000, 300_000])), locked)
        self.changes.append(change)
        hold = {"ObjectLockLegalHoldStatus": "ON"} if locked else {}
        self.made(change, s3.put_object(Bucket=self.bucket, Key=key, Body=payload(*change.who), **hold))
        self.count("raced put")

    def delete(self, s3, rng, key):
        change = Change(key, None, False)
        self.changes.append(change)
        self.made(change, s3.delete_object(Bucket=self.bucket, Key=key))
        self.count("raced delete")

    def delete_version(self, s3, rng, key):
        known = [c for c in self.changes if c.key == key and c.vid]
        if not known:
            return
        victim = rng.choice(known)
        for c in known:  # a null version may be another one by now
            c.unwanted = c.unwanted or (c.vid == victim.vid and not c.locked)
        try:
            s3.delete_object(Bucket=self.bucket, Key=key, VersionId=victim.vid)
        except ClientError as e:
            if not (victim.locked and e.response["Error"]["Code"] == "AccessDenied"):
                raise
            self.count("raced refusal")
            return
        assert not victim.locked, f"{self.bucket}: a locked version was deleted: {victim}"
        self.count("raced delete version")

    def switch(self, s3, rng, key):
        to = rng.choice(["Enabled", "Suspended"])
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": to})
        self.count("raced switch")

    def rules(self, s3, rng, key):
        if rng.random() < 0.3:
            s3.delete_bucket_lifecycle(Bucket=self.bucket)
        else:
            s3.put_bucket_lifecycle_configuration(Bucket=self.bucket, LifecycleConfiguration={"Rules": RULES})
        self.count("raced rules")

    # --- what is there ------------------------------------------------------------------------

    def there(self, s3):
        """{key: what of its versions is known, newest first}; each is read."""
        who = {c.who: c for c in self.changes if c.who}
        # a null marker has no name of its own: a rule, or a deletion without an answer, may have made it anew
        markers = {(c.key, c.vid): c for c in self.changes if not c.who and c.vid not in (None, NULL)}
        found = {}
        for key in self.keys:
            listed = list_versions(self.cluster, self.bucket, key)
            assert [i for i, (_, _, latest) in enumerate(listed) if latest] == ([0] if listed else []), \
                f"{self.bucket}/{key}: IsLatest is not at the newest only: {listed}"
            assert len({vid for vid, _, _ in listed}) == len(listed), f"{self.bucket}/{key}: a version twice: {listed}"
            found[key] = [(vid, markers.get((key, vid)) if marker else who[self.content(s3, key, vid)], marker)
                          for vid, marker, _ in listed]
            for vid, change, _ in found[key]:
                if change and change.vid is None:
                    change.vid = vid  # it was not answered, but done
                assert not change or change.vid == vid, f"{self.bucket}/{key}: version {vid} is {change}"
        return found

    def content(self, s3, key, vid):
        body = s3.get_object(Bucket=self.bucket, Key=key, VersionId=vid)["Body"].read()
        found = explain(body)
        assert found[0] == f"{self.bucket}/{key}", f"{self.bucket}/{key}: version {vid} is of {found}"
        return found

    def verify(self):
        """With the writers stopped, and no rule running any more."""
        s3 = self.connect()
        s3.delete_bucket_lifecycle(Bucket=self.bucket)
        a_whole_pass(self.cluster)
        there = self.there(s3)
        for key, versions in there.items():
            self.verify_order(key, [change for _, change, _ in versions if change])
            self.verify_kept(key, {vid for vid, _, _ in versions})
        verify_current(s3, self.bucket, self.keys,
                       {key: versions[0][1].who for key, versions in there.items() if versions and not versions[0][2]})

    def verify_order(self, key, changes):
        for newer, older in itertools.combinations(changes, 2):
            assert not newer.answered or newer.answered >= older.asked, \
                f"{self.bucket}/{key}: {newer} lies above {older}"

    def verify_kept(self, key, vids):
        for c in self.changes:
            if c.key == key and c.vid not in (None, NULL) and c.vid not in vids:
                assert not c.locked, f"{self.bucket}: a locked version has gone: {c}"
                assert c.unwanted or key.startswith(RULED), f"{self.bucket}: a version has gone: {c}"

    def delete_everything(self):
        s3 = self.connect()
        for key, versions in self.there(s3).items():
            for vid, change, _ in versions:
                one = {"Bucket": self.bucket, "Key": key, "VersionId": vid}
                if change and change.locked:
                    s3.put_object_legal_hold(**one, LegalHold={"Status": "OFF"})
                s3.delete_object(**one)
        self.changes.clear()
