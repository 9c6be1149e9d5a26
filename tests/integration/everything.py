# SPDX-License-Identifier: Apache-2.0
"""everything - a store with everything in it, made by random operations from a seed, and a snapshot of all that
clients and the administrator can see of it. Two snapshots are equal when the two stores are."""
import datetime
import hashlib
import json
import random
import threading

from botocore.exceptions import BotoCoreError, ClientError

KINDS = ("plain", "versioned", "suspended", "locked")
KEYS = ("a", "a/b", "deep/er/key", "key with blank", "umläut", "z" * 200)
PART = 5 * 1024 * 1024
LIFECYCLE = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "never/"}, "Expiration": {"Days": 400}}]}
CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.org"]}]}


def tag_set(rng):
    return [{"Key": f"t{i}", "Value": str(rng.randrange(1000))} for i in range(rng.randrange(1, 4))]


def far(rng):
    return datetime.datetime(2099, rng.randrange(1, 13), 1, tzinfo=datetime.timezone.utc)


class Everything:
    """Random operations; each is whole, so several threads may run them, on the same keys."""

    def __init__(self, cluster, seed):
        self.cluster, self.seed = cluster, seed
        self.uploads = []  # (bucket, key, id)
        self.lock = threading.Lock()
        self.acknowledged = 0

    def bucket(self, kind):
        return f"{kind}-bucket"

    def prepare(self):
        s3 = self.cluster.boto3()
        for kind in KINDS:
            lock = {"ObjectLockEnabledForBucket": True} if kind == "locked" else {}
            s3.create_bucket(Bucket=self.bucket(kind), **lock)
            if kind in ("versioned", "suspended"):
                s3.put_bucket_versioning(Bucket=self.bucket(kind), VersioningConfiguration={"Status": "Enabled"})
        for name in ("ann", "bob"):
            self.cluster.admin("user", "create", name, "--display-name", name.title(), "--email", f"{name}@example.org")
        self.users(s3)

    def users(self, s3):
        admin = self.cluster.admin
        key = admin("key", "create", "ann")["key"]
        spare = admin("key", "create", "bob")["key"]["access_key"]
        admin("key", "delete", spare)
        admin("user", "create", "gone", "--display-name", "Gone", "--email", "gone@example.org")
        admin("user", "delete", "gone")
        admin("user", "disable", "bob")
        policy = self.cluster.folder / "policy.json"
        policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::anns*"}]}))
        admin("policy", "put", "ann", "read", str(policy))
        self.ann = (key["access_key"], key["secret_key"])
        self.cluster.boto3(*self.ann).create_bucket(Bucket="anns")

    # --- operations -------------------------------------------------------------------------

    def run(self, n, salt=0):
        """@n operations; what the server refuses is refused. Ends early when it is gone."""
        rng, s3 = random.Random(f"{self.seed}-{salt}"), self.cluster.boto3()
        for _ in range(n):
            operation = rng.choice(OPERATIONS)
            kind, key = rng.choice(KINDS), rng.choice(KEYS)
            try:
                operation(self, s3, rng, self.bucket(kind), key)
                self.acknowledged += 1
            except ClientError as e:
                assert e.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (operation.__name__, e)
            except BotoCoreError:
                return

    def run_threads(self, n, threads=4):
        running = [threading.Thread(target=self.run, args=(n, i)) for i in range(threads)]
        for t in running:
            t.start()
        return running

    def options(self, rng, bucket):
        o = {}
        if rng.random() < 0.4:
            o["Metadata"] = {"number": str(rng.randrange(1000))}
            o["CacheControl"] = "max-age=7"
        if rng.random() < 0.3:
            o["Tagging"] = "x=" + str(rng.randrange(100))
        if rng.random() < 0.2:
            o["ACL"] = rng.choice(["public-read", "authenticated-read", "private"])
        if bucket.startswith("locked") and rng.random() < 0.3:
            o.update(ObjectLockMode=rng.choice(["GOVERNANCE", "COMPLIANCE"]), ObjectLockRetainUntilDate=far(rng))
        return o

    def put(self, s3, rng, bucket, key):
        size = rng.choice([0, 1, 100, 5000, 300_000, 1_500_000])
        s3.put_object(Bucket=bucket, Key=key, Body=rng.getrandbits(8).to_bytes(1, "big") * size,
                      **self.options(rng, bucket))

    def put_if_absent(self, s3, rng, bucket, key):
        client = self.cluster.boto3()
        client.meta.events.register("before-call.s3.PutObject",
                                    lambda params, **_: params["headers"].update({"If-None-Match": "*"}))
        client.put_object(Bucket=bucket, Key=key, Body=rng.choice([b"", b"only if absent"]))

    def delete(self, s3, rng, bucket, key):
        s3.delete_object(Bucket=bucket, Key=key)

    def delete_many(self, s3, rng, bucket, key):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in rng.sample(KEYS, 2)]})

    def some_version(self, s3, rng, bucket, key, markers=False):
        page = s3.list_object_versions(Bucket=bucket, Prefix=key)
        ids = [v["VersionId"] for v in page.get("Versions", []) + (page.get("DeleteMarkers", []) if markers else [])
               if v["Key"] == key]
        return rng.choice(ids) if ids else None

    def delete_version(self, s3, rng, bucket, key):
        version = self.some_version(s3, rng, bucket, key, markers=True)
        if version:
            bypass = {"BypassGovernanceRetention": True} if rng.random() < 0.5 else {}
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version, **bypass)

    def amend(self, s3, rng, bucket, key):
        version = self.some_version(s3, rng, bucket, key)
        named = {"Bucket": bucket, "Key": key}
        if version and rng.random() < 0.7:
            named["VersionId"] = version
        what = rng.randrange(5 if bucket.startswith("locked") else 3)
        if what == 0:
            s3.put_object_tagging(**named, Tagging={"TagSet": tag_set(rng)})
        elif what == 1:
            s3.delete_object_tagging(**named)
        elif what == 2:
            s3.put_object_acl(**named, ACL=rng.choice(["public-read", "private", "bucket-owner-read"]))
        elif what == 3:
            s3.put_object_legal_hold(**named, LegalHold={"Status": rng.choice(["ON", "OFF"])})
        else:
            s3.put_object_retention(**named, Retention={"Mode": rng.choice(["GOVERNANCE", "COMPLIANCE"]),
                                                        "RetainUntilDate": far(rng)})

    def copy(self, s3, rng, bucket, key):
        source = {"Bucket": self.bucket(rng.choice(KINDS)), "Key": rng.choice(KEYS)}
        version = self.some_version(s3, rng, source["Bucket"], source["Key"])
        if version and rng.random() < 0.5:
            source["VersionId"] = version
        extra = {"MetadataDirective": "REPLACE", "Metadata": {"copied": "yes"}} if rng.random() < 0.5 else {}
        s3.copy_object(Bucket=bucket, Key=key, CopySource=source, **extra)

    def begin_upload(self, s3, rng, bucket, key):
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType="x/y", **self.options(rng, bucket))
        for number in rng.sample(range(1, 20), rng.randrange(1, 3)):
            s3.upload_part(Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=number,
                           Body=b"%d" % number * rng.choice([1, 1000, 200_000]))
        if rng.random() < 0.4:
            s3.upload_part_copy(Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=30,
                                CopySource={"Bucket": self.bucket(rng.choice(KINDS)), "Key": rng.choice(KEYS)})
        with self.lock:
            self.uploads.append((bucket, key, upload["UploadId"]))

    def end_upload(self, s3, rng, bucket, key):
        with self.lock:
            if len(self.uploads) < 4:  # some stay open
                return
            bucket, key, upload = self.uploads.pop(rng.randrange(len(self.uploads)))
        if rng.random() < 0.3:
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        else:
            self.complete(s3, bucket, key, upload)

    @staticmethod
    def complete(s3, bucket, key, upload):
        """Its first part: only the last may be small."""
        parts = s3.list_parts(Bucket=bucket, Key=key, UploadId=upload)["Parts"]
        return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in parts[:1]]})

    def big_upload(self, s3, rng, bucket, key):
        if rng.random() < 0.8:
            return
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        parts = [s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=n, Body=bytes([n]) * size)
                 for n, size in ((1, PART), (2, 100))]
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": i + 1, "ETag": p["ETag"]} for i, p in enumerate(parts)]})

    def configure(self, s3, rng, bucket, key):
        what = rng.randrange(6)
        if what == 0:
            s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
        elif what == 1:
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=LIFECYCLE)
        elif what == 2:
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set(rng)})
        elif what == 3:
            s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                 "Resource": f"arn:aws:s3:::{bucket}/public-{rng.randrange(100)}/*"}]}))
        elif what == 4:
            s3.delete_bucket_policy(Bucket=bucket)
        elif bucket.startswith("suspended"):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={
                "Status": rng.choice(["Suspended", "Enabled"])})

    def come_and_go(self, s3, rng, bucket, key):
        name = f"short-lived-{rng.randrange(3)}"
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key=key, Body=b"in it")
        if rng.random() < 0.7:
            for k in s3.list_objects_v2(Bucket=name).get("Contents", []):
                s3.delete_object(Bucket=name, Key=k["Key"])
            s3.delete_bucket(Bucket=name)


OPERATIONS = ([Everything.put] * 8 + [Everything.delete] * 2 + [Everything.delete_version] * 3 +
              [Everything.amend] * 6 + [Everything.copy] * 4 + [Everything.begin_upload] * 2 +
              [Everything.end_upload] * 2 + [Everything.put_if_absent, Everything.delete_many, Everything.big_upload,
                                             Everything.configure, Everything.come_and_go])


# --- the snapshot ---------------------------------------------------------------------------


def answer_of(call, **kw):
    """The answer without what differs each time; or the error's code."""
    try:
        answer = call(**kw)
    except ClientError as e:
        return {"error": e.response["Error"]["Code"]}
    answer.pop("ResponseMetadata")
    if "Body" in answer:
        answer["Body"] = hashlib.sha256(answer["Body"].read()).hexdigest()
    return answer


BUCKET_CALLS = ("get_bucket_versioning", "get_bucket_acl", "get_bucket_cors", "get_bucket_lifecycle_configuration",
                "get_bucket_tagging", "get_bucket_policy", "get_object_lock_configuration",
                "get_bucket_ownership_controls", "get_public_access_block")
OBJECT_CALLS = ("head_object", "get_object", "get_object_tagging", "get_object_acl", "get_object_retention",
                "get_object_legal_hold")


def pages(call, marks, **kw):
    """All pages of a listing, @marks: names of the answer's next markers to the request's."""
    while True:
        page = answer_of(call, **kw)
        yield page
        if not page.get("IsTruncated"):
            return
        kw.update({to: page[frm] for frm, to in marks.items() if frm in page})


def bucket_snapshot(s3, name):
    got = {call: answer_of(getattr(s3, call), Bucket=name) for call in BUCKET_CALLS}
    got["versions"], got["uploads"] = [], []
    marks = {"NextKeyMarker": "KeyMarker", "NextVersionIdMarker": "VersionIdMarker"}
    for page in pages(s3.list_object_versions, marks, Bucket=name):
        for what in ("Versions", "DeleteMarkers"):
            for entry in page.get(what, []):
                named = {"Bucket": name, "Key": entry["Key"], "VersionId": entry["VersionId"]}
                calls = OBJECT_CALLS if what == "Versions" else ()
                got["versions"].append((what, entry, {c: answer_of(getattr(s3, c), **named) for c in calls}))
    marks = {"NextKeyMarker": "KeyMarker", "NextUploadIdMarker": "UploadIdMarker"}
    for page in pages(s3.list_multipart_uploads, marks, Bucket=name):
        for u in page.get("Uploads", []):
            parts = answer_of(s3.list_parts, Bucket=name, Key=u["Key"], UploadId=u["UploadId"])
            got["uploads"].append((u, parts))
    return got


def snapshot(cluster):
    s3 = cluster.boto3()
    users = cluster.admin("user", "list")["users"]
    got = {"users": [u for u in users if not u["root"]], "buckets": answer_of(s3.list_buckets)}
    for u in got["users"]:
        u["keys"] = cluster.admin("key", "list", u["id"])["keys"]
        u["policies"] = cluster.admin("policy", "list", u["id"])
    for b in got["buckets"]["Buckets"]:
        got[b["Name"]] = bucket_snapshot(s3, b["Name"])
    return got


def differences(a, b, path=""):
    """Where two snapshots differ, for humans."""
    if type(a) is not type(b):
        return [f"{path}: {a!r} != {b!r}"]
    if isinstance(a, dict):
        return [d for k in sorted(set(a) | set(b)) for d in differences(a.get(k), b.get(k), f"{path}/{k}")]
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return [f"{path}: {len(a)} != {len(b)} entries: {a!r} != {b!r}"]
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{path}[{i}]")]
    return [] if a == b else [f"{path}: {a!r} != {b!r}"]
