# SPDX-License-Identifier: Apache-2.0
"""Event notifications: the configuration, what arrives at a webhook, and that a target's absence loses nothing."""
import datetime
import http.server
import json
import threading
import urllib.parse

import pytest
from cluster import free_port, running, wait_until
from test_logging import raw
from test_objects import error

QUEUE = "arn:aws:sqs:us-east-1:000000000000:one"
TOPIC = "arn:aws:sns:us-east-1:000000000000:two"
GONE = "arn:aws:sqs:us-east-1:000000000000:gone"


class Hook:
    """An HTTP server that keeps what is posted; it can be told to refuse, and be away."""

    def __init__(self):
        self.bodies, self.status, self.server = [], 200, None
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/json"
                status = hook.status  # it may change meanwhile
                if status == 200:
                    hook.bodies.append((self.path, json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass
        self.handler, self.port = Handler, free_port(["127.0.0.1"])  # it comes back on it
        self.start()

    def start(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def events(self, bucket, path=None):
        return [r for p, b in list(self.bodies) for r in b.get("Records", [])
                if r["s3"]["bucket"]["name"] == bucket and path in (None, p)]


@pytest.fixture(scope="module")
def hook():
    h = Hook()
    yield h
    h.stop()


@pytest.fixture(scope="module")
def cluster(hook):
    with running(f"notification_target = {QUEUE}=http://127.0.0.1:{hook.port}/one?a=b\n"
                 f"notification_target = {TOPIC} = http://127.0.0.1:{hook.port}/two\n"
                 f"notification_target = {GONE}=http://127.0.0.1:1/\n"
                 "lifecycle_seconds_per_day = 1\n") as c:
        yield c


def configure(s3, bucket, *queues, **more):
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "QueueConfigurations": list(queues), **more})


def rule(*events, target=QUEUE, name="r", **filters):
    r = {"Id": name, "QueueArn": target, "Events": list(events)}
    if filters:
        r["Filter"] = {"Key": {"FilterRules": [{"Name": k, "Value": v} for k, v in filters.items()]}}
    return r


def names(hook, bucket):
    return [e["eventName"] for e in hook.events(bucket)]


def test_the_configuration(s3, bucket, hook):
    assert not {k for k in s3.get_bucket_notification_configuration(Bucket=bucket) if k.endswith("Configurations")}
    queue = rule("s3:ObjectCreated:*", "s3:ObjectRemoved:Delete", Prefix="in/", Suffix=".jpg")
    topic = {"Id": "t", "TopicArn": TOPIC, "Events": ["s3:ObjectTagging:*"]}
    function = {"Id": "f", "LambdaFunctionArn": TOPIC, "Events": ["s3:ObjectCreated:Put"],
                "Filter": {"Key": {"FilterRules": [{"Name": "Suffix", "Value": ".png"}]}}}
    configure(s3, bucket, queue, TopicConfigurations=[topic], LambdaFunctionConfigurations=[function])
    got = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert got["QueueConfigurations"] == [queue] and got["TopicConfigurations"] == [topic]
    assert got["LambdaFunctionConfigurations"] == [function]
    tests = [(p, b) for p, b in hook.bodies if b.get("Event") == "s3:TestEvent" and b["Bucket"] == bucket]
    assert sorted(p for p, _ in tests) == ["/one?a=b", "/two"]  # one for each target
    configure(s3, bucket)
    assert not {k for k in s3.get_bucket_notification_configuration(Bucket=bucket) if k.endswith("Configurations")}


def test_what_is_refused(cluster, s3, bucket):
    bad = ("InvalidArgument", 400)
    for rules in ([rule("s3:ObjectCreated:Telepathy")], [rule("s3:ObjectCreated:*", target="arn:aws:sqs:::unknown")],
                  [rule("s3:ObjectCreated:*", target=GONE)],  # nobody there to take the test event
                  [rule("s3:ObjectCreated:*"), rule("s3:ObjectCreated:Put", name="s")],  # overlap
                  [rule("s3:ObjectCreated:*", Prefix="a"), rule("s3:ObjectCreated:Put", name="s", Prefix="ab")],
                  [rule("s3:ObjectCreated:Put"), rule("s3:ObjectRemoved:*")],  # the same id
                  [rule("s3:ObjectCreated:*", Infix="x")]):
        assert error(lambda rules=rules: configure(s3, bucket, *rules)) == bad, rules
    configure(s3, bucket, rule("s3:ObjectCreated:*", Prefix="a", Suffix=".x"), rule("s3:ObjectCreated:*", name="s", Prefix="a", Suffix=".y"))
    for body in ("<QueueConfiguration><Queue>q</Queue></QueueConfiguration>", "<Other/>",
                 "<QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration>",
                 f"<QueueConfiguration><Queue>{QUEUE}</Queue><Event>s3:ObjectCreated:*</Event><Filter/></QueueConfiguration>"):
        assert raw(cluster, "PUT", f"/{bucket}", [("notification", "")],
                   f"<NotificationConfiguration>{body}</NotificationConfiguration>".encode()) == (400, "MalformedXML"), body
    assert raw(cluster, "PUT", f"/{bucket}", [("notification", "")],
               b"<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>") == (501, "NotImplemented")
    # known to be away, asked not to look
    assert raw(cluster, "PUT", f"/{bucket}", [("notification", "")],
               f"<NotificationConfiguration><QueueConfiguration><Queue>{GONE}</Queue><Event>s3:ObjectRemoved:*</Event>"
               "</QueueConfiguration></NotificationConfiguration>".encode(),
               {"x-amz-skip-destination-validation": "true"})[0] == 200


def test_every_change_of_an_object_is_told(cluster, s3, bucket, hook):
    configure(s3, bucket, rule("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"))
    put = s3.put_object(Bucket=bucket, Key="a b/ü+.txt", Body=b"12345")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/a b/ü+.txt")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    s3.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="copy")
    s3.put_object_acl(Bucket=bucket, Key="copy", ACL="public-read")
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.delete_object(Bucket=bucket, Key="never-there")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "m"}]})
    want = ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload", "ObjectTagging:Put",
            "ObjectTagging:Delete", "ObjectAcl:Put", "ObjectRemoved:Delete", "ObjectRemoved:Delete"]
    wait_until("events", lambda: names(hook, bucket) == want)
    events = hook.events(bucket, "/one?a=b")
    first = events[0]
    assert first["eventVersion"] == "2.1" and events[3]["eventVersion"] == "2.3"
    assert (first["eventSource"], first["awsRegion"]) == ("aws:s3", "us-east-1")
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(first["eventTime"].replace("Z", "+00:00"))
    assert age < datetime.timedelta(minutes=5)
    assert first["userIdentity"]["principalId"] == "root" and first["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert first["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    body = first["s3"]
    assert body["s3SchemaVersion"] == "1.0" and body["configurationId"] == "r"
    assert body["bucket"] == {"name": bucket, "ownerIdentity": {"principalId": "root"}, "arn": f"arn:aws:s3:::{bucket}"}
    assert body["object"]["key"] == "a+b/%C3%BC%2B.txt" and urllib.parse.unquote_plus(body["object"]["key"]) == "a b/ü+.txt"
    assert body["object"]["size"] == 5 and f'"{body["object"]["eTag"]}"' == put["ETag"] and "versionId" not in body["object"]
    sequencers = [e["s3"]["object"]["sequencer"] for e in events]
    assert sequencers == sorted(sequencers) and len(set(sequencers)) == len(sequencers)
    assert {e["s3"]["object"]["key"] for e in events[-2:]} == {"copy", "m"}


def test_appending_and_renaming(cluster, s3, bucket, hook):
    configure(s3, bucket, rule("s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    for offset in (0, 3):
        assert raw(cluster, "PUT", f"/{bucket}/log", (), b"abc", {"x-amz-write-offset-bytes": str(offset)})[0] == 200
    assert raw(cluster, "PUT", f"/{bucket}/old", [("renameObject", "")], b"", {"x-amz-rename-source": "log"})[0] == 200
    wait_until("events", lambda: len(hook.events(bucket)) == 4)
    assert [(e["eventName"], e["s3"]["object"]["key"], e["s3"]["object"].get("size")) for e in hook.events(bucket)] == [
        ("ObjectCreated:Put", "log", 3), ("ObjectCreated:Put", "log", 6), ("ObjectCreated:Copy", "old", 6),
        ("ObjectRemoved:Delete", "log", None)]


def test_retention_is_told(s3, hook):
    bucket, here = "retention-is-told", {"Bucket": "retention-is-told", "Key": "k"}
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    configure(s3, bucket, rule("s3:ObjectRetention:Put", "s3:ObjectAnnotation:*"))
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"][0]["Events"] == [
        "s3:ObjectAnnotation:*", "s3:ObjectRetention:Put"]
    version = s3.put_object(**here, Body=b"abc")["VersionId"]
    s3.put_object_legal_hold(**here, LegalHold={"Status": "OFF"})  # AWS has no event for it
    for days in (2, 3, 1):  # the last shortens, and is refused
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        call = {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}
        if days > 1:
            s3.put_object_retention(**here, **call)
        else:
            assert error(s3.put_object_retention, **here, **call) == ("AccessDenied", 403)
    wait_until("both", lambda: len(hook.events(bucket)) >= 2)
    assert [(e["eventName"], e["eventVersion"], e["s3"]["object"]["versionId"], e["s3"]["object"]["size"])
            for e in hook.events(bucket)] == [("ObjectRetention:Put", "2.3", version, 3)] * 2


def test_versions_and_filters(s3, bucket, hook):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    configure(s3, bucket, rule("s3:ObjectCreated:*", "s3:ObjectRemoved:*", Prefix="in/", Suffix=".jpg"))
    version = s3.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="in/a.png", Body=b"1")
    s3.put_object(Bucket=bucket, Key="out/a.jpg", Body=b"1")
    marker = s3.delete_object(Bucket=bucket, Key="in/a.jpg")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="in/a.jpg", VersionId=version)
    wait_until("events", lambda: len(hook.events(bucket)) >= 3)
    assert [(e["eventName"], e["s3"]["object"]["versionId"]) for e in hook.events(bucket)] == [
        ("ObjectCreated:Put", version), ("ObjectRemoved:DeleteMarkerCreated", marker), ("ObjectRemoved:Delete", version)]
    assert {e["s3"]["object"]["key"] for e in hook.events(bucket)} == {"in/a.jpg"}


def test_the_lifecycle_tells_too(s3, bucket, hook):
    configure(s3, bucket, rule("s3:LifecycleExpiration:*", "s3:LifecycleTransition"))
    s3.put_object(Bucket=bucket, Key="gone", Body=b"1")
    s3.put_object(Bucket=bucket, Key="moved", Body=b"1")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [
        {"ID": "e", "Status": "Enabled", "Filter": {"Prefix": "gone"}, "Expiration": {"Days": 1}},
        {"ID": "t", "Status": "Enabled", "Filter": {"And": {"Prefix": "moved", "ObjectSizeGreaterThan": 0}},
         "Transitions": [{"Days": 0, "StorageClass": "GLACIER_IR"}]}]})
    wait_until("both", lambda: sorted(names(hook, bucket)) == ["LifecycleExpiration:Delete", "LifecycleTransition"])
    moved = next(e for e in hook.events(bucket) if e["eventName"] == "LifecycleTransition")
    assert moved["lifecycleEventData"] == {"transitionEventData": {"destinationStorageClass": "GLACIER_IR"}}
    assert moved["userIdentity"]["principalId"] == "s3.amazonaws.com" and moved["s3"]["object"]["key"] == "moved"


def test_a_target_that_is_away_gets_all_of_it_later(cluster, s3, bucket, hook):
    configure(s3, bucket, rule("s3:ObjectCreated:*"))
    failures = cluster.admin("status")["notifications"]["failures"]
    hook.status = 503
    try:
        for i in range(5):
            s3.put_object(Bucket=bucket, Key=f"k{i}", Body=b"1")
        wait_until("a failure", lambda: cluster.admin("status")["notifications"]["failures"] > failures)
        assert cluster.admin("status")["notifications"]["pending"] >= 5 and not hook.events(bucket)
        hook.stop()  # nobody listens
        cluster.kill_all()
        cluster.start()
    finally:
        hook.status = 200
        if hook.server.socket.fileno() == -1:
            hook.start()
    wait_until("all five", lambda: {e["s3"]["object"]["key"] for e in hook.events(bucket)} >= {f"k{i}" for i in range(5)})
    order = [e["s3"]["object"]["key"] for e in hook.events(bucket)]
    assert sorted(set(order)) == [f"k{i}" for i in range(5)]
    wait_until("the outbox to be empty", lambda: cluster.admin("status")["notifications"]["pending"] == 0)
