# SPDX-License-Identifier: Apache-2.0
"""version_ledger - a writer of versions that knows what it may find.

Each has a bucket of its own, so what a key's versions are, and in which order, is known after each answer. An
operation without an answer leaves two possible histories; the next look decides. One kind of bucket is switched between
enabled and suspended on the way; the other has object lock, and its writer also tries what must be refused.
"""
import datetime
import random
import threading
import time
import xml.etree.ElementTree as ElementTree

from botocore.exceptions import ClientError
from ledger import PART, ServerGone, abort_uploads, explain, judge, payload
from rawhttp import Cut, Raw

NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
NULL = "null"
NEW = "?"  # the id of a version whose creation was not answered
VERSIONS_MAX = 12  # of a key; beyond, versions are deleted


def list_versions(cluster, bucket, key, page=7):
    """(version id, is it a marker, is it the latest), newest first: ListObjectVersions, in its order."""
    out, marker = [], []
    while True:
        try:
            answer = Raw(cluster).request("GET", f"/{bucket}",
                                          query=[("versions", ""), ("prefix", key), ("max-keys", str(page))] + marker)
        except (Cut, OSError) as e:
            raise ServerGone(repr(e)) from e
        if answer is None or not answer.complete or answer.status >= 500:
            raise ServerGone(repr(answer))
        assert answer.status == 200, answer
        root = ElementTree.fromstring(answer.body)
        for e in root:
            if e.tag in (NS + "Version", NS + "DeleteMarker"):
                out.append((e.findtext(NS + "VersionId"), e.tag == NS + "DeleteMarker",
                            e.findtext(NS + "IsLatest") == "true"))
        if root.findtext(NS + "IsTruncated") != "true":
            return out
        marker = [("key-marker", root.findtext(NS + "NextKeyMarker")),
                  ("version-id-marker", root.findtext(NS + "NextVersionIdMarker"))]


def verify_current(s3, bucket, keys, current):
    """The listing is the set of what plain GETs find: @current, key to who wrote it."""
    listed = {o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    assert listed == set(current), f"{bucket}: listed {listed}, current {current}"
    for key in keys:
        try:
            found = explain(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as e:
            if e.response["Error"]["Code"] != "NoSuchKey":
                judge(e, f"{bucket}/{key}")
                raise  # another gateway has taken over
            found = None
        assert found == current.get(key), f"{bucket}/{key}: {found}"


class Entry:
    """One version or delete marker (who is None)."""

    def __init__(self, vid, who, locked=None):
        self.vid, self.who, self.locked = vid, who, locked  # locked: None, "hold", "retention"

    def __repr__(self):
        return f"{self.vid}:{self.who or 'marker'}{' ' + self.locked if self.locked else ''}"


def with_new(history, entry):
    """@history (oldest first) after @entry came: a null version takes the place of the null version there was."""
    return [e for e in history if entry.vid != NULL or e.vid != NULL] + [entry]


class VersionWriter(threading.Thread):
    def __init__(self, name, cluster, connect, seed, lock, rebuilds=False):
        super().__init__(name=name, daemon=True)
        self.cluster, self.connect, self.lock, self.rebuilds = cluster, connect, lock, rebuilds
        self.bucket = f"ledger-{name}"
        self.random = random.Random(seed)
        # possible ones, each oldest first; more keys where many are left alone
        self.histories = {f"k{i:02}": [[]] for i in range(20 if rebuilds else 5)}
        self.states = ["Enabled"] if lock else [None]  # possible versioning states of the bucket
        self.late = set()  # keys, or the bucket, of which an operation may still come about
        self.source = set()  # the key that the operation reads, as it is when it comes about
        self.number = 0
        self.done = {"put": 0, "delete": 0, "copy": 0, "multipart": 0, "delete version": 0, "switch": 0, "refused": 0,
                     "failed": 0}
        self.stop_now = threading.Event()
        self.error = None

    def fresh(self):
        """Threads run once: another one that takes over the ledger."""
        w = VersionWriter(self.name, self.cluster, self.connect, self.random.random(), self.lock, self.rebuilds)
        w.histories, w.states, w.number, w.done = self.histories, self.states, self.number, self.done
        return w

    def create_bucket(self):
        self.connect().create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=self.lock)

    def run(self):
        try:
            while not self.stop_now.is_set():
                self.step()
        except Exception as e:  # noqa: BLE001 - reported by the test's thread
            self.error = e

    # --- one operation ------------------------------------------------------------------------

    def step(self):
        key = self.random.choice(list(self.histories))
        if self.late & {key, self.bucket}:
            self.stop_now.wait(0.001)
            return
        try:
            if len(self.states) != 1:
                self.settle_state()
            if len(self.histories[key]) != 1:
                self.settle(key)
            self.operate(key, self.histories[key][0])
        except AssertionError:
            raise
        except Exception as e:  # noqa: BLE001 - any error leaves both histories possible
            if judge(e, f"{self.bucket}/{key}") or self.rebuilds:
                self.late |= {self.bucket if len(self.states) != 1 else key} | self.source
            self.done["failed"] += 1
            self.last_failure = e
            self.cluster.failed()
            time.sleep(0.01)  # a server that is down refuses at once: do not spin

    def operate(self, key, history):
        self.number += 1
        self.source = set()
        crowded = len(history) >= VERSIONS_MAX
        kinds = {"put": 0 if crowded else 50, "delete": 0 if crowded else 12, "copy": 0 if crowded else 15,
                 "multipart": 0 if crowded else 1, "delete version": 60 if crowded else 15,
                 "switch": 0 if self.lock or self.late else 6}  # what is late would come about under the other state
        what = self.random.choices(list(kinds), list(kinds.values()))[0]
        s3 = self.connect()
        if what == "delete version":
            self.delete_version(s3, key, history)
        elif what == "switch":
            self.switch(s3)
        else:
            self.create(s3, key, history, what)

    def create(self, s3, key, history, what):
        who, locked, call = getattr(self, "plan_" + what)(s3, key)
        if call is None:
            return
        plain = self.states[0] != "Enabled"
        if what == "delete" and self.states[0] is None:
            after = [e for e in history if e.vid != NULL]
            self.histories[key] = [history, after]
            call()
        else:
            entry = Entry(NULL if plain else NEW, who, locked)
            after = with_new(history, entry)
            self.histories[key] = [history, after]
            answer = call()
            got = answer.get("VersionId", NULL)
            assert (got == NULL) == plain, f"{self.bucket}/{key}: {what} made version {got} while {self.states}"
            entry.vid = got
        self.histories[key] = [after]
        self.done[what] += 1

    def plan_put(self, s3, key):
        who = (f"{self.bucket}/{key}", self.number, self.random.choice([60, 200, 1000, 4096, 20_000, 300_000]))
        extra = {}
        locked = self.random.choices([None, "hold", "retention"], [8, 1, 1])[0] if self.lock else None
        if locked == "hold":
            extra["ObjectLockLegalHoldStatus"] = "ON"
        elif locked == "retention":
            tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
            extra.update(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=tomorrow)
        return who, locked, lambda: s3.put_object(Bucket=self.bucket, Key=key, Body=payload(*who), **extra)

    def plan_delete(self, s3, key):
        return None, None, lambda: s3.delete_object(Bucket=self.bucket, Key=key)

    def plan_copy(self, s3, key):
        sources = [(k, e) for k, h in self.histories.items() if len(h) == 1 and k != key for e in h[0] if e.who]
        if not sources:
            return None, None, None
        source, e = self.random.choice(sources)
        if e.vid == NULL:  # another content by then
            self.source = {source}
        return e.who, None, lambda: s3.copy_object(
            Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source, "VersionId": e.vid})

    def plan_multipart(self, s3, key):
        who = (f"{self.bucket}/{key}", self.number, PART + 1000)
        body = payload(*who)
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        parts = [{"PartNumber": i, "ETag": s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=i,
                                                          Body=piece)["ETag"]}
                 for i, piece in enumerate((body[:PART], body[PART:]), 1)]
        return who, None, lambda: s3.complete_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    def delete_version(self, s3, key, history):
        if not history:
            return
        victim = self.random.choice(history)
        if victim.locked:
            try:
                s3.delete_object(Bucket=self.bucket, Key=key, VersionId=victim.vid)
            except ClientError as e:
                if e.response["Error"]["Code"] != "AccessDenied":
                    raise
                self.done["refused"] += 1
                return
            raise AssertionError(f"{self.bucket}/{key}: a locked version was deleted: {victim}")
        after = [e for e in history if e is not victim]
        self.histories[key] = [history, after]
        s3.delete_object(Bucket=self.bucket, Key=key, VersionId=victim.vid)
        self.histories[key] = [after]
        self.done["delete version"] += 1

    def switch(self, s3):
        to = "Suspended" if self.states[0] == "Enabled" else "Enabled"
        self.states = [self.states[0], to]
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": to})
        self.states = [to]
        self.done["switch"] += 1

    # --- what is there ------------------------------------------------------------------------

    def settle_state(self, firm=True):
        found = self.connect().get_bucket_versioning(Bucket=self.bucket).get("Status")
        assert found in self.states, f"{self.bucket}: versioning is {found}, possible were {self.states}"
        if firm:
            self.states = [found]

    def content(self, key, vid):
        try:
            return explain(self.connect().get_object(Bucket=self.bucket, Key=key, VersionId=vid)["Body"].read())
        except ClientError as e:
            code = e.response["Error"]["Code"]
            assert code not in ("NoSuchVersion", "NoSuchKey", "MethodNotAllowed"), \
                f"{self.bucket}/{key} version {vid} is listed, but: {code}"
            raise

    def settle(self, key, firm=True):
        """Which of the possible histories has come about; every version of it is read."""
        found = list_versions(self.cluster, self.bucket, key)
        assert [i for i, (_, _, latest) in enumerate(found) if latest] == ([0] if found else []), \
            f"{self.bucket}/{key}: IsLatest is not at the newest only: {found}"
        whose = [None if marker else self.content(key, vid) for vid, marker, _ in found]
        for history in self.histories[key]:
            newest_first = history[::-1]
            if len(found) == len(history) and all(
                    e.vid in (vid, NEW) and e.who == who
                    for e, (vid, _, _), who in zip(newest_first, found, whose)):
                if firm:
                    for e, (vid, _, _) in zip(newest_first, found):
                        e.vid = vid
                    self.histories[key] = [history]
                return whose[0] if whose else None
        raise AssertionError(f"{self.bucket}/{key}: versions (newest first) {found} of {whose}; possible were "
                             f"(oldest first) {self.histories[key]}")

    def verify(self, firm=True):
        """All versions, in their order, with their bytes; the listing is the set of what plain GETs find."""
        self.settle_state(firm)
        found = {key: self.settle(key, firm) for key in self.histories}
        verify_current(self.connect(), self.bucket, self.histories, {key: who for key, who in found.items() if who})
        if firm:
            self.late.clear()

    def delete_everything(self):
        s3 = self.connect()
        for key, histories in self.histories.items():
            for e in histories[0]:
                one = {"Bucket": self.bucket, "Key": key, "VersionId": e.vid}
                if e.locked == "hold":
                    s3.put_object_legal_hold(**one, LegalHold={"Status": "OFF"})
                s3.delete_object(**one, **({"BypassGovernanceRetention": True} if e.locked else {}))
            self.histories[key] = [[]]
        abort_uploads(s3, self.bucket)
