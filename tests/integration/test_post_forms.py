# SPDX-License-Identifier: Apache-2.0
"""PostObject: what browsers send, byte by byte, and what a form's policy allows."""
import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import socket
import urllib.parse

import pytest
from cluster import Cluster
from ledger import payload
from rawhttp import Raw, read_response, request_bytes
from test_objects import error

LATER = "2999-01-01T00:00:00.000Z"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


def part(name, value, filename=None, kind=None, quote='"'):
    head = f"Content-Disposition: form-data; name={quote}{name}{quote}".encode()
    if filename is not None:
        head += b'; filename="' + (filename if isinstance(filename, bytes) else filename.encode()) + b'"'
    if kind:
        head += f"\r\nContent-Type: {kind}".encode()
    return head + b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode())


def body_of(parts, boundary=BOUNDARY, preamble=b"", epilogue=b"\r\n"):
    out = preamble
    for p in parts:
        out += b"--" + boundary.encode() + b"\r\n" + p + b"\r\n"
    return out + b"--" + boundary.encode() + b"--" + epilogue


def fields_and_file(fields, data=b"content", filename="f.txt", after=()):
    return ([part(k, v) for k, v in (fields.items() if isinstance(fields, dict) else fields)] +
            [part("file", data, filename, "text/plain")] + [part(k, v) for k, v in after])


class Forms(Raw):
    def __init__(self, cluster, bucket, **kw):
        super().__init__(cluster, **kw)
        self.bucket = bucket

    def post(self, body, headers=None, target=None, boundary=BOUNDARY, shut=False):
        """Of bytes, or of parts."""
        body = body if isinstance(body, bytes) else body_of(body, boundary)
        h = {"Host": self.host, "Content-Type": f"multipart/form-data; boundary={boundary}",
             "Content-Length": str(len(body)), **(headers or {})}
        return self.send(request_bytes("POST", target or f"/{self.bucket}", h, body), shut=shut)

    def policy(self, conditions, expiration=LATER):
        text = json.dumps({"expiration": expiration, "conditions": conditions})
        return base64.b64encode(text.encode()).decode()

    def v4(self, conditions=(), expiration=LATER, **fields):
        """Fields of a form signed by version 4; every field given is in the policy, and so is the bucket."""
        s = self.signer()
        signing = {"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": f"{s.access_key}/{s.scope}",
                   "x-amz-date": s.stamp}
        conditions = [{"bucket": self.bucket}, *conditions, *({k: v} for k, v in signing.items())]
        policy = self.policy(conditions, expiration)
        signature = hmac.new(s.key(), policy.encode(), hashlib.sha256).hexdigest()
        return {**fields, **signing, "policy": policy, "x-amz-signature": signature}

    def v2(self, conditions=(), expiration=LATER, **fields):
        policy = self.policy([{"bucket": self.bucket}, *conditions], expiration)
        signature = hmac.new(self.secret_key.encode(), policy.encode(), hashlib.sha1).digest()
        return {**fields, "AWSAccessKeyId": self.access_key, "policy": policy,
                "signature": base64.b64encode(signature).decode()}


@pytest.fixture
def forms(cluster, bucket):
    return Forms(cluster, bucket)


@pytest.fixture
def open_forms(cluster, s3, bucket):
    """Anybody may write to the bucket."""
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    return Forms(cluster, bucket)


def content(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


# ---- signed ----

@pytest.mark.parametrize("size", [0, 1, 4096, 262_143, 262_144, 262_145, 1_000_000, 9_000_001])
@pytest.mark.parametrize("sign", ["v4", "v2"])
def test_what_the_form_held_comes_out(s3, forms, bucket, size, sign):
    data = payload("form", 1, size)[:size]
    fields = getattr(forms, sign)([["starts-with", "$key", "up/"]], key="up/k")
    r = forms.post(fields_and_file(fields, data))
    assert r.status == 204 and r.body == b"", r
    assert r.headers["etag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert r.headers["location"] == f"http://{forms.host}/{bucket}/up%2Fk"
    got = s3.get_object(Bucket=bucket, Key="up/k")
    assert got["Body"].read() == data and got["ContentType"] == "binary/octet-stream"
    assert got["ETag"] == r.headers["etag"]


def test_boto3s_presigned_post(cluster, s3, bucket):
    url = s3.generate_presigned_post(bucket, "up/${filename}", Fields={"acl": "private", "Content-Type": "text/css"},
                                     Conditions=[{"acl": "private"}, ["starts-with", "$Content-Type", "text/"],
                                                 ["content-length-range", 1, 100]])
    forms = Forms(cluster, bucket)
    r = forms.post(fields_and_file(url["fields"], b"a{}", "C:\\pages\\s.css"), target=urllib.parse.urlsplit(url["url"]).path)
    assert r.status == 204, r
    assert s3.get_object(Bucket=bucket, Key="up/s.css")["ContentType"] == "text/css"


def test_options_of_the_object(s3, forms, bucket):
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1 2</Value></Tag></TagSet></Tagging>"
    crc = crc32(b"")
    named = {"key": "k", "acl": "public-read", "Content-Type": "text/x; charset=utf-8", "Cache-Control": "no-cache",
             "Content-Disposition": "inline", "Content-Encoding": "x", "Content-Language": "de", "Expires": "Thu, 01 Jan 2032 00:00:00 GMT",
             "x-amz-meta-Colour": "rot", "x-amz-storage-class": "STANDARD_IA", "tagging": tags,
             "x-amz-website-redirect-location": "/there", "x-amz-checksum-crc32": crc}
    conditions = [["eq", f"${k}", v] for k, v in named.items()]
    r = forms.post(fields_and_file(forms.v4(conditions, **named), b""))
    assert r.status == 204 and r.headers["x-amz-checksum-crc32"] == crc, r
    got = s3.get_object(Bucket=bucket, Key="k")
    headers = got["ResponseMetadata"]["HTTPHeaders"]
    for name, value in [("content-type", "text/x; charset=utf-8"), ("cache-control", "no-cache"),
                        ("content-disposition", "inline"), ("content-encoding", "x"), ("content-language", "de"),
                        ("expires", "Thu, 01 Jan 2032 00:00:00 GMT"), ("x-amz-meta-colour", "rot"), ("x-amz-storage-class", "STANDARD_IA"),
                        ("x-amz-website-redirect-location", "/there")]:
        assert headers[name] == value
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1 2"}]
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert any(g["Grantee"].get("URI", "").endswith("AllUsers") and g["Permission"] == "READ" for g in grants)


def crc32(data):
    return base64.b64encode(binascii.crc32(data).to_bytes(4, "big")).decode()


def test_digests_are_judged(s3, forms, bucket):
    for name, value, want in [("content-md5", base64.b64encode(hashlib.md5(b"content").digest()).decode(), None),
                              ("content-md5", base64.b64encode(b"0" * 16).decode(), "BadDigest"),
                              ("content-md5", "x", "InvalidDigest"),
                              ("x-amz-checksum-sha256", base64.b64encode(b"0" * 32).decode(), "BadDigest"),
                              ("x-amz-checksum-sha256", "x", "InvalidRequest")]:
        key = secrets.token_hex(4)
        r = forms.post(fields_and_file(forms.v4([{"key": key}, {name: value}], **{"key": key, name: value})))
        assert (r.status, r.code) == ((204, None) if want is None else (400, want)), (name, value, r)
        if want:
            assert error(s3.get_object, Bucket=bucket, Key=key)[0] == "NoSuchKey"
    # ... and those of large files as well
    r = forms.post(fields_and_file(forms.v4([{"key": "l"}, ["starts-with", "$content-md5", ""]], key="l",
                                            **{"content-md5": base64.b64encode(b"0" * 16).decode()}), b"x" * 1_000_000))
    assert (r.status, r.code) == (400, "BadDigest")


def test_options_that_are_refused(s3, forms, bucket):
    for name, value, want in [("x-amz-storage-class", "WARM", (400, "InvalidStorageClass")),
                              ("acl", "nobody", (400, "InvalidArgument")),
                              ("tagging", "a=b", (400, "MalformedXML")),
                              ("x-amz-copy-source", "/a/b", (501, "NotImplemented")),
                              ("x-amz-object-lock-event-hold", "ON", (501, "NotImplemented")),
                              ("x-amz-object-lock-event-hold-duration-days", "3", (501, "NotImplemented")),
                              ("x-amz-if-match-size", "3", (501, "NotImplemented")),
                              ("x-amz-server-side-encryption-kms-key-id", "k", (501, "NotImplemented")),
                              ("x-amz-website-redirect-location", "there", (400, "InvalidRedirectLocation")),
                              ("x-amz-meta-long", "x" * 3000, (400, "MetadataTooLarge")),
                              ("x-amz-object-lock-mode", "GOVERNANCE", (400, "InvalidArgument"))]:
        r = forms.post(fields_and_file(forms.v4([{"key": "k"}, {name: value}], **{"key": "k", name: value})))
        assert (r.status, r.code) == want, (name, r)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_object_lock_fields(cluster, s3):
    bucket = "b" + secrets.token_hex(6)
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    forms = Forms(cluster, bucket)
    lock = {"key": "k", "x-amz-checksum-crc32": crc32(b"content"), "x-amz-object-lock-mode": "GOVERNANCE",
            "x-amz-object-lock-retain-until-date": "2998-01-01T00:00:00Z", "x-amz-object-lock-legal-hold": "OFF"}
    digest = lock.pop("x-amz-checksum-crc32")
    r = forms.post(fields_and_file(forms.v4([{k: v} for k, v in lock.items()], **lock)))
    assert (r.status, r.code) == (400, "InvalidRequest")  # what is locked needs a digest, as with PUT
    lock["x-amz-checksum-crc32"] = digest
    r = forms.post(fields_and_file(forms.v4([{k: v} for k, v in lock.items()], **lock)))
    assert r.status == 204 and r.headers["x-amz-version-id"], r
    assert s3.get_object_retention(Bucket=bucket, Key="k")["Retention"]["Mode"] == "GOVERNANCE"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=r.headers["x-amz-version-id"], BypassGovernanceRetention=True)


@pytest.mark.parametrize("size", [0, 10, 262_144, 262_145, 1_500_000])
def test_encryption_fields(cluster, s3, forms, bucket, size):
    data = payload("sse", 3, size)[:size]
    for kind in ("AES256", "aws:kms"):
        named = {"key": "k", "x-amz-server-side-encryption": kind}
        r = forms.post(fields_and_file(forms.v4([{k: v} for k, v in named.items()], **named), data))
        assert r.status == 204 and r.headers["x-amz-server-side-encryption"] == kind, r
        got = s3.get_object(Bucket=bucket, Key="k")
        assert got["ServerSideEncryption"] == kind and got["Body"].read() == data
        assert got["ETag"] == r.headers["etag"]
        assert (got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"') == (kind == "AES256")
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    r = forms.post(fields_and_file(forms.v4([{"key": "d"}], key="d"), data))
    assert r.status == 204 and r.headers["x-amz-server-side-encryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="d")["Body"].read() == data


def test_customer_keys_in_forms(s3, forms, bucket):
    key = b"k" * 32
    named = {"key": "c", "x-amz-server-side-encryption-customer-algorithm": "AES256",
             "x-amz-server-side-encryption-customer-key": base64.b64encode(key).decode(),
             "x-amz-server-side-encryption-customer-key-md5": base64.b64encode(hashlib.md5(key).digest()).decode()}
    r = forms.post(fields_and_file(forms.v4([{k: v} for k, v in named.items()], **named)))
    assert r.status == 204 and r.headers["x-amz-server-side-encryption-customer-algorithm"] == "AES256", r
    assert error(s3.get_object, Bucket=bucket, Key="c") == ("InvalidRequest", 400)
    got = s3.get_object(Bucket=bucket, Key="c", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    assert got["Body"].read() == b"content"
    named["x-amz-server-side-encryption-customer-key-md5"] = base64.b64encode(b"0" * 16).decode()
    r = forms.post(fields_and_file(forms.v4([{k: v} for k, v in named.items()], **named)))
    assert (r.status, r.code) == (400, "InvalidArgument")


# ---- refused ----

def test_the_policy_is_kept(s3, forms, bucket):
    K = {"key": "k"}
    for conditions, expiration, fields, want in [
            ([K], "2020-01-01T00:00:00Z", {}, (403, "AccessDenied", "Policy expired")),
            ([K], "tomorrow", {}, (400, "InvalidPolicyDocument", "expiration")),
            ([{"key": "other"}], LATER, {}, (403, "AccessDenied", "Policy Condition failed")),
            ([["starts-with", "$key", "up/"]], LATER, {}, (403, "AccessDenied", "Policy Condition failed")),
            ([], LATER, {}, (403, "AccessDenied", "Extra input fields: key")),
            ([K], LATER, {"x-amz-meta-a": "1"}, (403, "AccessDenied", "Extra input fields: x-amz-meta-a")),
            ([K, {"x-amz-meta-a": "2"}], LATER, {"x-amz-meta-a": "1"}, (403, "AccessDenied", "Condition failed")),
            ([K, ["content-length-range", 0, 6]], LATER, {}, (400, "EntityTooLarge", "<MaxSizeAllowed>6<")),
            ([K, ["content-length-range", 8, 100]], LATER, {}, (400, "EntityTooSmall", "<MinSizeAllowed>8<")),
            ([K, ["content-length-range", 9]], LATER, {}, (400, "InvalidPolicyDocument", "")),
            ([K, ["like", "$key", "k"]], LATER, {}, (400, "InvalidPolicyDocument", "")),
            ([K, {}], LATER, {}, (400, "InvalidPolicyDocument", "")),
            ([K, ["content-length-range", 7, 7]], LATER, {}, (204, None, "")),
            ([["StArTs-WiTh", "$KeY", "k"]], LATER, {}, (204, None, "")),
            ([["starts-with", "$key", ""]], LATER, {"x-ignore-me": "1"}, (204, None, ""))]:
        for sign in (forms.v4, forms.v2):
            r = forms.post(fields_and_file(sign(conditions, expiration, key="k", **fields)))
            assert (r.status, r.code) == want[:2] and want[2].encode() in r.body, (conditions, want, r)
    assert content(s3, bucket, "k") == b"content"


def test_a_dollar_sign_is_escaped(forms, s3, bucket):
    """As AWS's "POST Policy" has it, which is no JSON."""
    fields, s = forms.v4([{"key": "k"}], key="to $5/k"), forms.signer()
    policy = base64.b64decode(fields["policy"]).decode().replace('{"key": "k"}', r'["starts-with", "$key", "to \$5/"]')
    fields["policy"] = base64.b64encode(policy.encode()).decode()
    fields["x-amz-signature"] = hmac.new(s.key(), fields["policy"].encode(), hashlib.sha256).hexdigest()
    assert r"\$5" in policy and forms.post(fields_and_file(fields)).status == 204
    assert content(s3, bucket, "to $5/k") == b"content"


def test_policies_that_are_none(forms):
    good = forms.v4([{"key": "k"}], key="k")
    s = forms.signer()
    for policy, want in [("", (400, "InvalidPolicyDocument")), ("%%%", (400, "InvalidPolicyDocument")),
                         (base64.b64encode(b"{").decode(), (400, "InvalidPolicyDocument")),
                         (base64.b64encode(b'{"expiration":"%s"}' % LATER.encode()).decode(), (400, "InvalidPolicyDocument")),
                         (base64.b64encode(b'{"conditions":[]}').decode(), (400, "InvalidPolicyDocument"))]:
        signature = hmac.new(s.key(), policy.encode(), hashlib.sha256).hexdigest()
        r = forms.post(fields_and_file({**good, "policy": policy, "x-amz-signature": signature}))
        assert (r.status, r.code) == want, (policy, r)


def test_signatures_are_judged(forms):
    good = forms.v4([{"key": "k"}], key="k")
    for change, want in [({"x-amz-signature": "0" * 64}, (403, "SignatureDoesNotMatch")),
                         ({"policy": good["policy"][:-4] + "AAAA"}, (403, "SignatureDoesNotMatch")),
                         ({"x-amz-credential": "nobody/" + forms.signer().scope}, (403, "InvalidAccessKeyId")),
                         ({"x-amz-credential": "nobody"}, (400, "InvalidArgument")),
                         ({"x-amz-algorithm": "AWS5"}, (400, "InvalidArgument")),
                         ({"x-amz-date": "yesterday"}, (400, "InvalidArgument")),
                         ({"x-amz-security-token": "x"}, (400, "InvalidToken"))]:
        r = forms.post(fields_and_file({**good, **change}))
        assert (r.status, r.code) == want, (change, r)
    for lost in ("x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm", "policy"):
        r = forms.post(fields_and_file({k: v for k, v in good.items() if k != lost}))
        assert (r.status, r.code) == (400, "InvalidArgument") and f"named '{lost}'".encode() in r.body, (lost, r)
    good = forms.v2([{"key": "k"}], key="k")
    r = forms.post(fields_and_file({**good, "signature": "x"}))
    assert (r.status, r.code) == (403, "SignatureDoesNotMatch")
    assert f"<StringToSign>{good['policy']}</StringToSign>".encode() in r.body
    assert f"<StringToSignBytes>{good['policy'].encode().hex(' ')}</StringToSignBytes>".encode() in r.body
    r = forms.post(fields_and_file({k: v for k, v in good.items() if k != "signature"}))
    assert (r.status, r.code) == (400, "InvalidArgument")
    # a signature in the head is not the form's
    signed = forms.signer().headers("POST", f"/{forms.bucket}", (), {"Host": forms.host}, "UNSIGNED-PAYLOAD")
    r = forms.post(fields_and_file({"key": "k"}), headers={k: v for k, v in signed.items() if k != "host"})
    assert (r.status, r.code) == (400, "InvalidArgument")


def test_the_query_is_not_part_of_a_signed_form(s3, forms, bucket):
    r = forms.post(fields_and_file(forms.v4([{"key": "k"}], key="k")),
                   target=f"/{bucket}?x-amz-acl=public-read&x-amz-meta-a=1")
    assert r.status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}
    assert len(s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == 1


def test_nobody_writes_without_permission(cluster, s3, forms, bucket):
    r = forms.post(fields_and_file({"key": "k"}))
    assert (r.status, r.code) == (403, "AccessDenied")
    # large ones are read to their end and refused all the same
    r = forms.post(fields_and_file({"key": "k"}, b"x" * 3_000_000))
    assert (r.status, r.code) == (403, "AccessDenied")
    other = cluster.admin("user", "create", "formuser")["user"]["keys"][0]
    theirs = Forms(cluster, bucket, access_key=other["access_key"], secret_key=other["secret_key"])
    r = theirs.post(fields_and_file(theirs.v4([{"key": "k"}], key="k")))
    assert (r.status, r.code) == (403, "AccessDenied")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/in/*",
         "Condition": {"StringEquals": {"s3:authType": "POST"}}}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert theirs.post(fields_and_file(theirs.v4([{"key": "in/k"}], key="in/k"))).status == 204
    r = theirs.post(fields_and_file(theirs.v4([{"key": "k"}], key="k")))
    assert (r.status, r.code) == (403, "AccessDenied")
    assert forms.post(fields_and_file({"key": "in/anonymous"})).status == 204
    # what needs a right of its own needs it here too
    r = forms.post(fields_and_file({"key": "in/t", "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value>"
                                    "</Tag></TagSet></Tagging>"}))
    assert (r.status, r.code) == (403, "AccessDenied")


# ---- anonymous, and every way to write a form ----

def test_forms_as_browsers_write_them(s3, open_forms, bucket):
    f = open_forms
    key = part("key", "k")
    file = part("file", b"data", "f")
    for name, body in {
            "preamble": body_of([key, file], preamble=b"This is a form.\r\n"),
            "preamble without line": body_of([key, file], preamble=b"\r\n"),
            "epilogue": body_of([key, file], epilogue=b"\r\nthe end\r\n"),
            "no last line end": body_of([key, file], epilogue=b""),
            "names not quoted": body_of([part("key", "k", quote=""), file]),
            "more headers": body_of([b"X-Other: 1\r\n" + key + b"", file]),
            "other case": body_of([key.replace(b"Content-Disposition", b"CONTENT-disposition"), part("FILE", b"data", "f")]),
            "fields after it": body_of([key, file, part("key", "other"), part("acl", "nonsense")]),
            "file without a name": body_of([key, part("file", b"data")]),
            "submit button": body_of([key, part("submit", "Upload"), file])}.items():
        s3.delete_object(Bucket=bucket, Key="k")
        r = f.post(body)
        assert r.status == 204, (name, r)
        assert content(s3, bucket, "k") == b"data", name


@pytest.mark.parametrize("boundary", ["x", "-" * 60, "a--b", "'()+_,-./:=?", "\"quoted one\""])
def test_boundaries(s3, open_forms, bucket, boundary):
    inner = boundary.strip('"')
    data = b"\r\n--" + inner.encode()[:-1] + b"\r\n-" + b"\r\n--\r\r\n\n" if len(inner) > 1 else b"\r\n--\r\n-"
    body = body_of([part("key", "k"), part("file", data, "f")], inner)
    named = boundary if re.fullmatch(r'[\w-]+|".*"', boundary) else f'"{boundary}"'
    r = open_forms.post(body, boundary=named)
    assert r.status == 204, r
    assert content(s3, bucket, "k") == data


@pytest.mark.parametrize("sent, key", [
    (b"plain.txt", "plain.txt"), ("ümläut € 文.txt".encode(), "ümläut € 文.txt"), (b'a\\"b.txt', 'a"b.txt'),
    (b"C:\\Documents\\file.txt", "file.txt"), (b"/home/x/file.txt", "file.txt"), (b"a;b=c.txt", "a;b=c.txt"),
    (b"a%22b.txt", "a%22b.txt"), (b"../../up", "up")])
def test_file_names(s3, open_forms, bucket, sent, key):
    r = open_forms.post(fields_and_file({"key": "up/${filename}"}, b"x", sent))
    assert r.status == 204, r
    assert content(s3, bucket, "up/" + key) == b"x"


def test_the_file_name_stands_in_every_field_before_conditions_are_asked(s3, forms, bucket):
    """Rule: S3 API Reference, "HTML Form Fields" and "POST Policy": recognized by all fields, expanded before validation."""
    name = "dir/My Notes.txt"
    fields = {"key": "up/${filename}", "x-amz-meta-name": "<${filename}>", "success_action_redirect": "http://page/${filename}?a=1"}
    conditions = [{"key": "up/My Notes.txt"}, {"x-amz-meta-name": "<My Notes.txt>"},
                  {"success_action_redirect": "http://page/My%20Notes.txt?a=1"}]
    r = forms.post(fields_and_file(forms.v4(conditions, **fields), filename=name))
    assert r.status == 303 and r.headers["location"].startswith("http://page/My%20Notes.txt?a=1&bucket="), r
    assert s3.head_object(Bucket=bucket, Key="up/My Notes.txt")["Metadata"] == {"name": "<My Notes.txt>"}
    as_sent = [{"key": "up/My Notes.txt"}, {"x-amz-meta-name": "<${filename}>"}, ["starts-with", "$success_action_redirect", ""]]
    r = forms.post(fields_and_file(forms.v4(as_sent, **fields), filename=name))
    assert (r.status, r.code) == (403, "AccessDenied")
    often = {"key": "k", "x-amz-meta-name": "${filename}" * 1000}
    r = forms.post(fields_and_file(forms.v4([["starts-with", f"${k}", ""] for k in often], **often), filename="n" * 60))
    assert (r.status, r.code) == (400, "MetadataTooLarge")
    many = {"key": "k", **{f"x-ignore-{i}": "${filename}" * 100 for i in range(10)}}
    r = forms.post(fields_and_file(many, filename="n" * 100))
    assert (r.status, r.code) == (400, "MaxPostPreDataLengthExceededError")


def test_a_form_without_a_key_is_told_so_before_its_policy_is_judged(forms):
    fields = forms.v4([{"key": "k"}])
    r = forms.post(fields_and_file(fields))
    assert (r.status, r.code) == (400, "InvalidArgument") and b"<ArgumentName>key</ArgumentName>" in r.body, r


def test_forms_cut_anywhere_read_the_same(cluster, s3, open_forms, bucket):
    """The boundary at every place of a TCP segment."""
    data = b"\r\n--" + BOUNDARY.encode()[:-2] + b"\r\n" * 3
    body = body_of(fields_and_file({"key": "k"}, data))
    head = request_bytes("POST", f"/{bucket}", {"Host": open_forms.host, "Content-Length": str(len(body)),
                                                "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    with cluster.socket(30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for step in (1, 7, 64):
            sock.sendall(head)
            for i in range(0, len(body), step):
                sock.sendall(body[i:i + step])
            assert read_response(sock).status == 204
            assert content(s3, bucket, "k") == data


def test_a_large_file_streams(cluster, s3, open_forms, bucket):
    data = payload("large", 7, 60_000_000)
    before = cluster.memory_kib()
    r = open_forms.post(fields_and_file({"key": "big"}, data, after=[("late", "x" * 100_000)]))
    assert r.status == 204 and r.headers["etag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert content(s3, bucket, "big") == data
    assert cluster.memory_kib() - before < 60_000


def test_what_is_no_form(open_forms, bucket):
    f = open_forms
    parts = fields_and_file({"key": "k"})
    good = body_of(parts)
    for name, body, headers, want in [
            ("no type", good, {"Content-Type": "text/plain"}, (412, "PreconditionFailed")),
            ("urlencoded", b"key=k", {"Content-Type": "application/x-www-form-urlencoded"}, (412, "PreconditionFailed")),
            ("no boundary", good, {"Content-Type": "multipart/form-data"}, (400, "MalformedPOSTRequest")),
            ("empty", b"", {}, (400, "MalformedPOSTRequest")),
            ("other boundary", good.replace(BOUNDARY.encode(), b"other"), {}, (400, "MalformedPOSTRequest")),
            ("cut off", good[:-20], {}, (400, "MalformedPOSTRequest")),
            ("no name", body_of([b"Content-Disposition: form-data\r\n\r\nx"]), {}, (400, "MalformedPOSTRequest")),
            ("no file", body_of([part("key", "k")]), {}, (400, "InvalidArgument")),
            ("two files", body_of([*parts, part("file", b"2", "g")]), {}, (400, "InvalidArgument")),
            ("no key", body_of(fields_and_file({})), {}, (400, "InvalidArgument")),
            ("two keys", body_of(fields_and_file([("key", "k"), ("key", "l")])), {}, (400, "InvalidArgument")),
            ("key behind the file", body_of(fields_and_file({}, after=[("key", "k")])), {}, (400, "InvalidArgument")),
            ("empty key", body_of(fields_and_file({"key": ""})), {}, (400, "UserKeyMustBeSpecified")),
            ("no file name for the key", body_of(fields_and_file({"key": "${filename}"}, filename="")), {}, (400, "UserKeyMustBeSpecified")),
            ("long key", body_of(fields_and_file({"key": "k" * 1025})), {}, (400, "KeyTooLongError")),
            ("bad key", body_of([part("key", b"\xff"), part("file", b"x", "f")]), {}, (400, "InvalidArgument")),
            ("long fields", body_of(fields_and_file({"key": "k", "x-ignore-a": "x" * 21_000})), {}, (400, "MaxPostPreDataLengthExceededError")),
            ("many fields", body_of(fields_and_file([("key", "k")] + [("x", "")] * 300)), {}, (400, "MaxPostPreDataLengthExceededError")),
            ("a header that is none", body_of(fields_and_file({"key": "k", "x-amz-meta-a b": "1"})), {}, (400, "InvalidArgument")),
            ("a digest of the form", good, {"Content-MD5": base64.b64encode(hashlib.md5(good).digest()).decode()}, (501, "NotImplemented")),
            ("too much", good, {"Content-Length": str(6 << 30), "Expect": "100-continue"}, (400, "EntityTooLarge"))]:
        r = f.post(b"" if name == "too much" else body, headers=headers)
        assert (r.status, r.code) == want, (name, r)
    for headers, want in [({"Transfer-Encoding": "chunked"}, (501, "NotImplemented")), ({}, (411, "MissingContentLength"))]:
        h = {"Host": f.host, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
        r = f.send(request_bytes("POST", f"/{bucket}", h))
        assert (r.status, r.code) == want
    r = f.post(good, target="/no-such-bucket-here")
    assert (r.status, r.code) == (404, "NoSuchBucket")


def test_a_refused_form_leaves_the_connection_usable(cluster, open_forms, bucket):
    bad = body_of(fields_and_file({"nokey": "k"}, b"x" * 500_000))
    good = body_of(fields_and_file({"key": "k"}, b"y"))
    with cluster.socket(30) as sock:
        for body, want in ((bad, 400), (good, 204), (bad, 400), (good, 204)):
            h = {"Host": open_forms.host, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
                 "Content-Length": str(len(body))}
            sock.sendall(request_bytes("POST", f"/{bucket}", h, body))
            assert read_response(sock).status == want


def test_what_is_broken_off_leaves_nothing(cluster, s3, open_forms, bucket):
    body = body_of(fields_and_file({"key": "k"}, b"x" * 2_000_000))
    h = {"Host": open_forms.host, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
         "Content-Length": str(len(body))}
    for cut in (50, 1000, 300_000, 1_500_000):
        with cluster.socket(30) as sock:
            sock.sendall(request_bytes("POST", f"/{bucket}", h, body[:cut]))
    assert open_forms.post(fields_and_file({"key": "other"})).status == 204
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["other"]


# ---- the answer ----

def test_the_answer_is_the_forms_choice(s3, open_forms, bucket):
    r = open_forms.post(fields_and_file({"key": "a b/c", "success_action_status": "201"}))
    assert r.status == 201 and r.headers["content-type"] == "application/xml"
    etag = hashlib.md5(b"content").hexdigest()
    location = f"http://{open_forms.host}/{bucket}/a%20b%2Fc"
    for element in (f"<Location>{location}</Location>", f"<Bucket>{bucket}</Bucket>", "<Key>a b/c</Key>"):
        assert element.encode() in r.body, r
    assert re.search(b'<ETag>(&quot;|")%s(&quot;|")</ETag>' % etag.encode(), r.body)
    assert r.headers["location"] == location and r.headers["etag"] == f'"{etag}"'
    assert content(s3, bucket, "a b/c") == b"content"
    assert open_forms.post(fields_and_file({"key": "k", "success_action_status": "200"})).status == 200
    assert open_forms.post(fields_and_file({"key": "k", "success_action_status": "307"})).status == 204
    r = open_forms.post(fields_and_file({"key": "k/1", "success_action_redirect": "http://page/${filename}?a=1",
                                         "success_action_status": "201"}))
    assert r.status == 303 and r.headers["location"] == \
        f"http://page/f.txt?a=1&bucket={bucket}&key=k%2F1&etag=%22{etag}%22", r
    assert open_forms.post(fields_and_file({"key": "k", "success_action_redirect": "not a url"})).status == 204


@pytest.mark.parametrize("headers, want", [
    ({}, (412, "PreconditionFailed")), ({"Content-Type": "application/xml"}, (412, "PreconditionFailed")),
    ({"Content-Type": "multipart/form-data; boundary=xx"}, (400, "InvalidArgument"))])
def test_a_signed_head_makes_no_form(cluster, bucket, headers, want):
    """What is no form is refused for that; a form is signed in its fields, not in its head."""
    answer = Raw(cluster).request("POST", f"/{bucket}", headers=headers, body=b"<a/>")
    assert (answer.status, answer.code) == want, answer
    assert (b"<Condition>" in answer.body) == (want[0] == 412)


def test_versions(s3, open_forms, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = [open_forms.post(fields_and_file({"key": "k"}, bytes([65 + i]))).headers["x-amz-version-id"] for i in range(2)]
    assert len(set(ids)) == 2
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=ids[0])["Body"].read() == b"A"


def test_conditions(s3, open_forms, bucket):
    assert open_forms.post(fields_and_file({"key": "k", "if-none-match": "*"})).status == 204
    r = open_forms.post(fields_and_file({"key": "k", "if-none-match": "*"}))
    assert (r.status, r.code) == (412, "PreconditionFailed")


def test_cors_headers_on_every_answer(s3, open_forms, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [
        {"AllowedMethods": ["POST"], "AllowedOrigins": ["http://page"], "ExposeHeaders": ["ETag"]}]})
    for parts, status in [(fields_and_file({"key": "k"}), 204), (fields_and_file({}), 400)]:
        r = open_forms.post(parts, headers={"Origin": "http://page"})
        assert r.status == status and r.headers["access-control-allow-origin"] == "http://page"
        assert r.headers["access-control-expose-headers"] == "ETag" and "Origin" in r.headers["vary"]
        r = open_forms.post(parts, headers={"Origin": "http://elsewhere"})
        assert r.status == status and "access-control-allow-origin" not in r.headers
    r = open_forms.post(b"", headers={"Origin": "http://page", "Content-Type": "text/plain"})
    assert r.status == 412 and r.headers["access-control-allow-origin"] == "http://page"


def test_expect_is_answered(cluster, open_forms, bucket):
    body = body_of(fields_and_file({"key": "k"}))
    h = {"Host": open_forms.host, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
         "Content-Length": str(len(body)), "Expect": "100-continue"}
    with cluster.socket(30) as sock:
        sock.sendall(request_bytes("POST", f"/{bucket}", h))
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert read_response(sock).status == 204


def test_rebuilt_index_keeps_objects_of_forms(tmp_path):
    c = Cluster()
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="forms")
        f = Forms(c, "forms")
        for key, size in (("small", 10), ("large", 1_000_000)):
            assert f.post(fields_and_file(f.v4([{"key": key}], key=key), b"x" * size)).status == 204
        assert c.stop() == 0
        c.args = [*c.args, "--rebuild-index"]
        c.start()
        assert {o["Key"]: o["Size"] for o in c.boto3().list_objects_v2(Bucket="forms")["Contents"]} == \
            {"small": 10, "large": 1_000_000}
        assert c.stop() == 0
    finally:
        c.remove()
