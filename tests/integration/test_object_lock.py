# SPDX-License-Identifier: Apache-2.0
"""Object lock over the wire: what is refused, with which error, and what stays."""
import base64
import datetime
import hashlib
import json
import secrets

import pytest
from rawhttp import UNSIGNED, Raw

FUTURE, LATER, PAST = "2035-01-01T00:00:00Z", "2036-01-01T00:00:00.123456789Z", "2020-01-01T00:00:00Z"


def md5(body):
    return {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


@pytest.fixture
def locked(cluster):
    """The name of a bucket with lock on."""
    name = "l" + secrets.token_hex(6)
    assert Raw(cluster).request("PUT", f"/{name}", headers={"x-amz-bucket-object-lock-enabled": "true"}).status == 200
    return name


@pytest.fixture
def ask(cluster):
    raw = Raw(cluster)

    def ask(method, path, query="", body="", digest=True, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        parameters = [tuple((p + "=").split("=")[:2]) for p in query.split("&") if p]
        data = body.encode()
        answer = raw.request(method, path, query=parameters, body=data, headers={**(md5(data) if digest else {}), **headers})
        return answer
    return ask


def said(answer):
    return answer.status, answer.code


def retention(mode, until):
    return f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"


BYPASS = {"x-amz-bypass-governance-retention": "true"}


@pytest.mark.parametrize("headers, code", [
    ({"x-amz-object-lock-mode": "GOVERNANCE"}, "InvalidArgument"),
    ({"x-amz-object-lock-retain-until-date": FUTURE}, "InvalidArgument"),
    ({"x-amz-object-lock-mode": "governance", "x-amz-object-lock-retain-until-date": FUTURE}, "InvalidArgument"),
    ({"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": PAST}, "InvalidArgument"),
    ({"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "soon"}, "InvalidArgument"),
    ({"x-amz-object-lock-legal-hold": "on"}, "InvalidArgument")])
def test_writes_with_wrong_lock_headers(ask, locked, headers, code):
    assert said(ask("PUT", f"/{locked}/k", body="x", **headers)) == (400, code)
    assert ask("HEAD", f"/{locked}/k", digest=False).status == 404


def test_a_locked_write_needs_a_digest(cluster, ask, locked):
    lock = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": FUTURE}
    raw = Raw(cluster)
    assert said(raw.request("PUT", f"/{locked}/k", body=b"x", payload=UNSIGNED, headers=lock)) == (400, "InvalidRequest")
    assert raw.request("HEAD", f"/{locked}/k").status == 404
    assert ask("PUT", f"/{locked}/k", body="x", digest=False, **lock).status == 200, "a signed SHA-256 is one"
    assert ask("PUT", f"/{locked}/k", body="x", **lock).status == 200
    crc = {"x-amz-checksum-crc32": "jNwWgw=="}  # of "x"
    assert raw.request("PUT", f"/{locked}/k", body=b"x", payload=UNSIGNED, headers={**lock, **crc}).status == 200
    head = ask("HEAD", f"/{locked}/k", digest=False).headers
    assert (head["x-amz-object-lock-mode"], head["x-amz-object-lock-retain-until-date"]) == (
        "GOVERNANCE", "2035-01-01T00:00:00.000Z")


@pytest.mark.parametrize("body", [
    retention("abc", FUTURE), retention("governance", FUTURE), retention("GOVERNANCE", "soon"), "junk",
    "<Retention><Mode>GOVERNANCE</Mode></Retention>", f"<Retention><RetainUntilDate>{FUTURE}</RetainUntilDate></Retention>"])
def test_retention_that_is_no_document(ask, locked, body):
    ask("PUT", f"/{locked}/k", body="x")
    assert said(ask("PUT", f"/{locked}/k", "retention", body)) == (400, "MalformedXML")
    assert said(ask("GET", f"/{locked}/k", "retention", digest=False)) == (404, "NoSuchObjectLockConfiguration")


def test_event_holds_are_not_offered(ask, locked):
    assert said(ask("PUT", f"/{locked}/k", body="x", **{"x-amz-object-lock-event-hold": "ON"})) == (501, "NotImplemented")
    ask("PUT", f"/{locked}/k", body="x")
    for body in ("<Retention><EventHold>OFF</EventHold></Retention>",
                 retention("GOVERNANCE", FUTURE).replace("</Retention>", "<EventHold>ON</EventHold></Retention>"),
                 "<Retention><EventHoldDuration><Days>3</Days></EventHoldDuration></Retention>"):
        assert said(ask("PUT", f"/{locked}/k", "retention", body)) == (501, "NotImplemented"), body
    assert said(ask("GET", f"/{locked}/k", "retention", digest=False)) == (404, "NoSuchObjectLockConfiguration")


@pytest.mark.parametrize("body", ["<LegalHold><Status>on</Status></LegalHold>", "<LegalHold/>", "junk"])
def test_legal_hold_that_is_no_document(ask, locked, body):
    ask("PUT", f"/{locked}/k", body="x")
    assert said(ask("PUT", f"/{locked}/k", "legal-hold", body)) == (400, "MalformedXML")
    assert said(ask("GET", f"/{locked}/k", "legal-hold", digest=False)) == (404, "NoSuchObjectLockConfiguration")


def test_a_change_of_a_lock_needs_a_digest(ask, locked):
    ask("PUT", f"/{locked}/k", body="x")
    for path, query, body in ((f"/{locked}/k", "retention", retention("GOVERNANCE", FUTURE)),
                              (f"/{locked}/k", "legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"),
                              (f"/{locked}", "object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled"
                                                            "</ObjectLockEnabled></ObjectLockConfiguration>")):
        assert said(ask("PUT", path, query, body, digest=False)) == (400, "InvalidRequest"), query
        assert ask("PUT", path, query, body).status == 200


def test_without_lock_on_the_bucket(ask, bucket):
    ask("PUT", f"/{bucket}/k", body="x")
    for sub, body in (("retention", retention("GOVERNANCE", FUTURE)), ("legal-hold", "<LegalHold><Status>ON</Status></LegalHold>")):
        assert said(ask("GET", f"/{bucket}/k", sub, digest=False)) == (400, "InvalidRequest")
        assert said(ask("PUT", f"/{bucket}/k", sub, body)) == (400, "InvalidRequest")
    assert said(ask("PUT", f"/{bucket}/k", body="y", **{"x-amz-object-lock-legal-hold": "ON"})) == (400, "InvalidRequest")


def test_governance_yields_to_the_bypass_alone(ask, locked):
    version = ask("PUT", f"/{locked}/k", body="x").headers["x-amz-version-id"]
    put = lambda body, **h: said(ask("PUT", f"/{locked}/k", "retention", body, **h))  # noqa: E731
    assert put(retention("GOVERNANCE", PAST)) == (400, "InvalidArgument")
    assert put(retention("GOVERNANCE", FUTURE)) == (200, None)
    assert put(retention("GOVERNANCE", LATER)) == (200, None)
    for change in (retention("GOVERNANCE", FUTURE), retention("COMPLIANCE", LATER), "<Retention/>"):
        assert put(change) == (403, "AccessDenied"), change
    one = f"/{locked}/k", f"versionId={version}"
    assert said(ask("DELETE", *one, digest=False)) == (403, "AccessDenied")
    body = f"<Delete><Object><Key>k</Key><VersionId>{version}</VersionId></Object><Object><Key>other</Key></Object></Delete>"
    several = ask("POST", f"/{locked}", "delete", body).body
    assert b"<Code>AccessDenied</Code>" in several and b"<Deleted><Key>other</Key>" in several
    assert ask("DELETE", f"/{locked}/k", digest=False).status == 204, "a marker hides, it removes nothing"
    assert ask("GET", *one, digest=False).body == b"x"
    assert ask("DELETE", *one, digest=False, **BYPASS).status == 204
    assert said(ask("GET", *one, digest=False)) == (404, "NoSuchVersion")


def test_compliance_yields_to_nobody(ask, locked):
    version = ask("PUT", f"/{locked}/k", body="x", **{
        "x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": FUTURE}).headers["x-amz-version-id"]
    for change in (retention("COMPLIANCE", "2034-01-01T00:00:00Z"), retention("GOVERNANCE", LATER), "<Retention/>"):
        assert said(ask("PUT", f"/{locked}/k", "retention", change, **BYPASS)) == (403, "AccessDenied"), change
    assert said(ask("DELETE", f"/{locked}/k", f"versionId={version}", digest=False, **BYPASS)) == (403, "AccessDenied")
    assert ask("PUT", f"/{locked}/k", "retention", retention("COMPLIANCE", LATER)).status == 200


def test_versioning_stays_on(ask, locked):
    body = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    assert said(ask("PUT", f"/{locked}", "versioning", body)) == (409, "InvalidBucketState")


def test_policies_speak_of_locks_in_headers_and_in_bodies(cluster, ask, locked):
    """Rule: S3 User Guide, "Object Lock considerations", limits on retention periods by a bucket's policy."""
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectRetention"],
         "Resource": f"arn:aws:s3:::{locked}/*",
         "Condition": {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}},
        {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectLegalHold"],
         "Resource": f"arn:aws:s3:::{locked}/*", "Condition": {"StringEquals": {"s3:object-lock-legal-hold": "ON"}}}]}
    assert ask("PUT", f"/{locked}", "policy", json.dumps(policy)).status == 204
    now = datetime.datetime.now(datetime.timezone.utc)
    short, long = ((now + datetime.timedelta(days=d)).strftime("%Y-%m-%dT%H:%M:%SZ") for d in (10, 12))
    def write(until):
        return said(ask("PUT", f"/{locked}/k", body="x", **{
            "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until}))
    assert write(long) == (403, "AccessDenied") and write(short) == (200, None)
    assert said(ask("PUT", f"/{locked}/k", "retention", retention("GOVERNANCE", long))) == (403, "AccessDenied")
    assert said(ask("PUT", f"/{locked}/k", "retention", retention("GOVERNANCE", short))) == (200, None)
    hold = "<LegalHold><Status>{}</Status></LegalHold>"
    assert said(ask("PUT", f"/{locked}/k", "legal-hold", hold.format("ON"))) == (403, "AccessDenied")
    assert said(ask("PUT", f"/{locked}/k", "legal-hold", hold.format("OFF"))) == (200, None)
    assert said(ask("PUT", f"/{locked}/k", body="x", **{"x-amz-object-lock-legal-hold": "ON"})) == (403, "AccessDenied")


def test_the_default_retention_comes_with_completion_beside_a_legal_hold_too(ask, locked):
    rule = ("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
            "<Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>")
    assert ask("PUT", f"/{locked}", "object-lock", rule).status == 200
    created = ask("POST", f"/{locked}/k", "uploads", **{"x-amz-object-lock-legal-hold": "ON"})
    upload = created.body.decode().split("<UploadId>")[1].split("<")[0]
    etag = ask("PUT", f"/{locked}/k", f"partNumber=1&uploadId={upload}", "part").headers["etag"]
    parts = ("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
             f"<ETag>{etag}</ETag></Part></CompleteMultipartUpload>")
    late = ask("POST", f"/{locked}/k", f"uploadId={upload}", parts, **{"x-amz-object-lock-legal-hold": "OFF"})
    assert said(late) == (501, "NotImplemented")  # it was to be said when the upload was created
    assert ask("POST", f"/{locked}/k", f"uploadId={upload}", parts).status == 200
    headers = ask("HEAD", f"/{locked}/k", digest=False).headers
    assert headers["x-amz-object-lock-mode"] == "GOVERNANCE" and headers["x-amz-object-lock-legal-hold"] == "ON"
