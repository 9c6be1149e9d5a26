# SPDX-License-Identifier: Apache-2.0
"""Every error that a client can provoke, once: status, code, and the elements that go with it.

tests/lint/errors.py compares this table with s3gw/core/s3err.def: a new error comes with its row here, or
with the name of the test that provokes it.

Rule: s3-behaviours 8, the table of codes.
"""
import base64
import datetime
import hashlib
import hmac
import re

import pytest

from cluster import running
from rawhttp import STREAMING_UNSIGNED_TRAILER, UNSIGNED, Raw, Signer, request_bytes

VIEW = {"x-amz-acl": "public-read"}


class World:
    """A server with something of everything; w(METHOD, TARGET) asks as root, w.ann as a user without rights."""

    def __init__(self, cluster):
        self.cluster, self.raw = cluster, Raw(cluster)
        key = cluster.admin("user", "create", "ann")["user"]["keys"][0]
        self._ann = Raw(cluster, key["access_key"], key["secret_key"])
        cluster.admin("kms", "key", "create", "off")
        cluster.admin("kms", "key", "disable", "off")
        s3 = cluster.boto3()
        for name in ("bucket", "bare", "full"):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": cluster.region})
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True,
                         CreateBucketConfiguration={"LocationConstraint": cluster.region})
        s3.create_bucket(Bucket="enforced", ObjectOwnership="BucketOwnerEnforced",
                         CreateBucketConfiguration={"LocationConstraint": cluster.region})
        self.etag = s3.put_object(Bucket="bucket", Key="k", Body=b"content")["ETag"]
        s3.put_object(Bucket="locked", Key="k", Body=b"content")
        cluster.admin("limit", "set", "bucket", "full", "--max-objects", "0", "--max-bytes", "1")
        self.upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
        for number in (1, 2):
            s3.upload_part(Bucket="bucket", Key="parts", UploadId=self.upload, PartNumber=number, Body=b"part")
        self.part = f'"{hashlib.md5(b"part").hexdigest()}"'

    def __call__(self, method, target, headers=None, body=b"", by=None, **how):
        path, _, query = target.partition("?")
        pairs = [tuple((p + "=").split("=")[:2]) for p in query.split("&")] if query else []
        return (by or self.raw).request(method, path, query=pairs, headers=headers, body=body, **how)

    def ann(self, *arguments):
        return self(*arguments, by=self._ann)

    def unsigned(self, method, target, headers=None, body=b""):
        return self.raw.send(request_bytes(method, target, {
            "Host": self.raw.host, **({"Content-Length": str(len(body))} if body else {}), **(headers or {})}, body))

    def signed_by(self, **other):
        """As root, with another region, secret or time."""
        signer = Signer(self.raw.access_key, other.pop("secret", self.raw.secret_key),
                        **{"region": self.cluster.region, **other})
        return self("GET", "/bucket/k", signer=signer)

    def spare(self):
        """A new object's key."""
        assert self("PUT", "/bucket/spare", None, b"x").status == 200
        return "spare"

    def complete(self, *parts):
        text = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
        return self("POST", f"/bucket/parts?uploadId={self.upload}",
                    body=f"<CompleteMultipartUpload>{text}</CompleteMultipartUpload>".encode())

    def streamed(self, framed, length, **headers):
        return self("PUT", "/bucket/s", {"x-amz-decoded-content-length": str(length), **headers}, framed,
                    payload=STREAMING_UNSIGNED_TRAILER)

    def head_only(self, method, target, headers):
        """A head whose body never comes."""
        h = {"Host": self.raw.host, "Expect": "100-continue", **headers}
        path, _, name = target.partition("?")
        query = [(name, "")] if name else []
        return self.raw.send(request_bytes(method, target, self.raw.signer().headers(method, path, query, h, UNSIGNED)))


@pytest.fixture(scope="module")
def w():
    with running("sse_c_over_http = yes\n", region="eu-test-1") as c:
        yield World(c)


def sse_c(algorithm):
    key = b"k" * 32
    return {"x-amz-server-side-encryption-customer-algorithm": algorithm,
            "x-amz-server-side-encryption-customer-key": base64.b64encode(key).decode(),
            "x-amz-server-side-encryption-customer-key-md5": base64.b64encode(hashlib.md5(key).digest()).decode()}


def location(name):
    return f"<CreateBucketConfiguration><LocationConstraint>{name}</LocationConstraint></CreateBucketConfiguration>".encode()


def status(value):
    return f"<VersioningConfiguration><Status>{value}</Status></VersioningConfiguration>".encode()


def tags(key):
    return f"<Tagging><TagSet><Tag><Key>{key}</Key><Value>v</Value></Tag></TagSet></Tagging>".encode()


def logging_to(bucket):
    return (f"<BucketLoggingStatus><LoggingEnabled><TargetBucket>{bucket}</TargetBucket><TargetPrefix>p</TargetPrefix>"
            "</LoggingEnabled></BucketLoggingStatus>").encode()


def form(name, value, more="", boundary="xx"):
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, (
        f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n{more}'
        '--xx\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--xx--\r\n').encode()


def signed_form(w, policy):
    """A form whose policy is any text."""
    s = w.raw.signer()
    text = base64.b64encode(policy.encode()).decode()
    fields = {"policy": text, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": s.stamp,
              "x-amz-credential": f"{s.access_key}/{s.scope}",
              "x-amz-signature": hmac.new(s.key(), text.encode(), hashlib.sha256).hexdigest()}
    more = "".join(f'--xx\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    return form("key", "k", more)


def kms(key):
    return {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": key}


ISSUED_LONG_AGO = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)

# code: (status, elements beside Code, Message, Resource, RequestId and HostId, request)
ROWS = {
    # who, and what may they
    "AccessControlListNotSupported": (400, "", lambda w: w("PUT", "/enforced?acl", VIEW)),
    "AccessDenied": (403, "", lambda w: w.ann("GET", "/bucket/k")),
    "AccessForbidden": (403, "Method ResourceType", lambda w: w.unsigned("OPTIONS", "/bucket/k", {
        "Origin": "http://a", "Access-Control-Request-Method": "GET"})),
    "AuthorizationHeaderMalformed": (400, "Region", lambda w: w.signed_by(region="elsewhere")),
    "AuthorizationQueryParametersError": (400, "", lambda w: w.unsigned("GET", "/bucket/k?X-Amz-Algorithm=AWS4-HMAC-SHA256")),
    "InvalidAccessKeyId": (403, "AWSAccessKeyId", lambda w: w("GET", "/bucket/k", by=Raw(w.cluster, "nobody", "x"))),
    "InvalidToken": (400, "Token-0", lambda w: w("GET", "/bucket/k", {"x-amz-security-token": "t"})),
    "MissingSecurityHeader": (400, "MissingHeaderName", lambda w: w("PUT", "/bucket?acl")),
    "RequestTimeTooSkewed": (403, "RequestTime ServerTime MaxAllowedSkewMilliseconds",
                             lambda w: w.signed_by(when=ISSUED_LONG_AGO)),
    "SignatureDoesNotMatch": (403, "AWSAccessKeyId StringToSign SignatureProvided StringToSignBytes CanonicalRequest "
                                   "CanonicalRequestBytes", lambda w: w.signed_by(secret="wrong")),
    # buckets
    "BucketAlreadyExists": (409, "BucketName", lambda w: w.ann("PUT", "/bucket", None, location("eu-test-1"))),
    "BucketAlreadyOwnedByYou": (409, "BucketName", lambda w: w("PUT", "/bucket", None, location("eu-test-1"))),
    "BucketNotEmpty": (409, "BucketName", lambda w: w("DELETE", "/bucket")),
    "IllegalLocationConstraintException": (400, "", lambda w: w("PUT", "/new", None, location("eu-west-1"))),
    "InvalidBucketAclWithObjectOwnership": (400, "", lambda w: w(
        "PUT", "/new", {"x-amz-object-ownership": "BucketOwnerEnforced", **VIEW}, location("eu-test-1"))),
    "InvalidBucketName": (400, "BucketName", lambda w: w("PUT", "/No_Bucket")),
    "InvalidBucketOwnerAWSAccountID": (400, "ExpectedBucketOwner", lambda w: w(
        "GET", "/bucket", {"x-amz-expected-bucket-owner": "o" * 129})),
    "InvalidBucketState": (409, "", lambda w: w("PUT", "/locked?versioning", None, status("Suspended"))),
    "InvalidLocationConstraint": (400, "LocationConstraint", lambda w: w("PUT", "/new", None, location(":nogroup"))),
    "NoSuchBucket": (404, "BucketName", lambda w: w("GET", "/no-such-bucket/k")),
    "QuotaExceeded": (403, "", lambda w: w("PUT", "/full/k", None, b"xx")),
    # their configuration
    "IllegalVersioningConfigurationException": (400, "", lambda w: w("PUT", "/bare?versioning", None, status(""))),
    "InvalidPolicyDocument": (400, "", lambda w: w.unsigned("POST", "/bucket", *signed_form(w, "no policy"))),
    "InvalidTag": (400, "TagKey TagValue", lambda w: w("PUT", "/bucket/k?tagging", None, tags("a*b"))),
    "InvalidTargetBucketForLogging": (400, "TargetBucket", lambda w: w("PUT", "/bare?logging", None, logging_to("none-at-all"))),
    "KMS.DisabledException": (400, "", lambda w: w("PUT", "/bucket/e", kms("off"))),
    "KMS.NotFoundException": (400, "", lambda w: w("PUT", "/bucket/e", kms("none"))),
    "MalformedACLError": (400, "", lambda w: w("PUT", "/bucket?acl", None, b"<AccessControlPolicy/>")),
    "MalformedPolicy": (400, "Detail", lambda w: w("PUT", "/bucket?policy", None, b"{}")),
    "NoLoggingStatusForKey": (400, "", lambda w: w("GET", "/bucket/k?logging")),
    "NoSuchBucketPolicy": (404, "BucketName", lambda w: w("GET", "/bare?policy")),
    "NoSuchCORSConfiguration": (404, "BucketName", lambda w: w("GET", "/bare?cors")),
    "NoSuchLifecycleConfiguration": (404, "BucketName", lambda w: w("GET", "/bare?lifecycle")),
    "NoSuchObjectLockConfiguration": (404, "", lambda w: w("GET", "/locked/k?retention")),
    "NoSuchPublicAccessBlockConfiguration": (404, "BucketName", lambda w: w("GET", "/bare?publicAccessBlock")),
    "NoSuchTagSet": (404, "BucketName", lambda w: w("GET", "/bare?tagging")),
    "NoSuchWebsiteConfiguration": (404, "BucketName", lambda w: w("GET", "/bare?website")),
    "ObjectLockConfigurationNotFoundError": (404, "BucketName", lambda w: w("GET", "/bare?object-lock")),
    "OwnershipControlsNotFoundError": (404, "BucketName", lambda w: w("GET", "/bare?ownershipControls")),
    "ServerSideEncryptionConfigurationNotFoundError": (404, "BucketName", lambda w: w("GET", "/bare?encryption")),
    "UnresolvableGrantByEmailAddress": (400, "", lambda w: w(
        "PUT", "/bucket?acl", {"x-amz-grant-read": 'emailAddress="nobody@example.org"'})),
    # objects, versions, uploads
    "EncryptionTypeMismatch": (400, "", lambda w: w("PUT", "/bucket/k", {"x-amz-write-offset-bytes": "7", **sse_c("AES256")}, b"x")),
    "EntityTooLarge": (400, "ProposedSize MaxSizeAllowed", lambda w: w.head_only("PUT", "/bucket/k", {"Content-Length": "6000000000000"})),
    "EntityTooSmall": (400, "ProposedSize MinSizeAllowed PartNumber ETag", lambda w: w.complete((1, w.part), (2, w.part))),
    "InvalidEncryptionAlgorithmError": (400, "ArgumentName ArgumentValue", lambda w: w("PUT", "/bucket/e", sse_c("DES"))),
    "InvalidPart": (400, "UploadId PartNumber ETag", lambda w: w.complete((7, w.part))),
    "InvalidPartNumber": (416, "ActualPartCount PartNumberRequested", lambda w: w("GET", "/bucket/k?partNumber=2")),
    "InvalidPartOrder": (400, "UploadId", lambda w: w.complete((2, w.part), (1, w.part))),
    "InvalidRange": (416, "RangeRequested ActualObjectSize", lambda w: w("GET", "/bucket/k", {"Range": "bytes=7-"})),
    "InvalidRedirectLocation": (400, "", lambda w: w("PUT", "/bucket/r", {"x-amz-website-redirect-location": "there"})),
    "InvalidStorageClass": (400, "StorageClassRequested", lambda w: w("PUT", "/bucket/c", {"x-amz-storage-class": "COLD"})),
    "InvalidWriteOffset": (400, "ObjectSize", lambda w: w("PUT", "/bucket/k", {"x-amz-write-offset-bytes": "9"}, b"x")),
    "MetadataTooLarge": (400, "Size MaxSizeAllowed", lambda w: w("PUT", "/bucket/m", {"x-amz-meta-m": "m" * 2100})),
    "NoSuchKey": (404, "Key", lambda w: w("GET", "/bucket/none")),
    "NoSuchUpload": (404, "UploadId", lambda w: w("GET", "/bucket/k?uploadId=none")),
    "NoSuchVersion": (404, "Key VersionId", lambda w: w("GET", "/bucket/k?versionId=00000000000000ff")),
    "NotModified": (304, None, lambda w: w("GET", "/bucket/k", {"If-None-Match": w.etag})),
    "PreconditionFailed": (412, "Condition", lambda w: w("GET", "/bucket/k", {"If-Match": '"other"'})),
    # how the request is built
    "BadRequest": (400, "", lambda w: w.unsigned("OPTIONS", "/bucket/k")),
    "IdempotencyParameterMismatch": (400, "", lambda w: [w(
        "PUT", "/bucket/moved?renameObject", {"x-amz-rename-source": source, "x-amz-client-token": "t"})
        for source in (w.spare(), "other")][-1]),
    "InvalidArgument": (400, "ArgumentName ArgumentValue", lambda w: w("GET", "/bucket?max-keys=x")),
    "InvalidRequest": (400, "", lambda w: w("GET", "/bucket/k?uploads")),
    "InvalidURI": (400, "URI", lambda w: w.unsigned("GET", "/bucket/%zz")),
    "KeyTooLongError": (400, "Size MaxSizeAllowed", lambda w: w("PUT", "/bucket/" + "k" * 1025)),
    "MethodNotAllowed": (405, "Method ResourceType", lambda w: w("PUT", "/bucket?versions")),
    "NotImplemented": (501, "Header", lambda w: w.head_only("PUT", "/bucket/k", {"Transfer-Encoding": "chunked"})),
    "RequestHeaderSectionTooLarge": (400, "MaxSizeAllowed", lambda w: w("GET", "/bucket/k", {"x-long": "x" * 9000})),
    "UnexpectedContent": (400, "", lambda w: w("PUT", "/bucket?acl", VIEW, b"<AccessControlPolicy/>")),
    # bodies
    "BadDigest": (400, "ExpectedDigest CalculatedDigest", lambda w: w(
        "PUT", "/bucket/d", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, b"x")),
    "IncompleteBody": (400, "", lambda w: w.streamed(b"5\r\nab\r\n0\r\n\r\n", 5)),
    "InvalidChunkSizeError": (400, "Chunk BadChunkSize", lambda w: w.streamed(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", 2)),
    "InvalidDigest": (400, "Content-MD5", lambda w: w("PUT", "/bucket/d", {"Content-MD5": "x"}, b"x")),
    "MalformedTrailerError": (400, "", lambda w: w.streamed(
        b"1\r\na\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", 1, **{"x-amz-trailer": "x-amz-checksum-crc32"})),
    "MalformedXML": (400, "", lambda w: w("PUT", "/bare?cors", None, b"<CORSConfiguration>")),
    "MaxMessageLengthExceeded": (400, "MaxMessageLengthBytes", lambda w: w.head_only("PUT", "/bare?cors", {"Content-Length": "9000000"})),
    "MissingContentLength": (411, "", lambda w: w("PUT", "/bucket/l", length=False)),
    "MissingRequestBodyError": (400, "", lambda w: w("PUT", "/bare?policy")),
    "XAmzContentSHA256Mismatch": (400, "ClientComputedContentSHA256 S3ComputedContentSHA256", lambda w: w(
        "PUT", "/bucket/d", None, b"x", payload="0" * 64)),
    # forms
    "MalformedPOSTRequest": (400, "", lambda w: w.unsigned("POST", "/bucket", *form("key", "k", boundary="yy"))),
    "MaxPostPreDataLengthExceededError": (400, "", lambda w: w.unsigned("POST", "/bucket", *form("key", "k" * 21_000))),
    "UserKeyMustBeSpecified": (400, "", lambda w: w.unsigned("POST", "/bucket", *form("key", ""))),
}

# What no client can provoke at will: where it is, with status and code.
ELSEWHERE = {
    "InsufficientStorage": "unit/s3gw/api/test_errors.c what_the_storage_says_becomes_an_s3_error",
    "InternalError": "unit/s3gw/api/test_errors.c what_the_storage_says_becomes_an_s3_error",
    "OperationAborted": "unit/s3gw/api/test_errors.c a_rename_gives_up_on_a_source_that_keeps_changing",
    "RequestTimeout": "integration/test_http.py test_an_upload_that_stands_still_is_told_so",
    "ServiceUnavailable": "unit/s3gw/api/test_errors.c what_the_storage_says_becomes_an_s3_error",
    "SlowDown": "unit/s3gw/api/test_errors.c what_the_storage_says_becomes_an_s3_error",
    "TooManyParts": "unit/s3gw/api/test_errors.c an_object_of_ten_thousand_parts_takes_no_more",
}


@pytest.mark.parametrize("code", ROWS)
def test_an_error_is_what_aws_sends(w, code):
    want, elements, ask = ROWS[code]
    answer = ask(w)
    assert answer is not None and answer.status == want, answer
    if elements is None:
        assert answer.body == b""
        return
    assert answer.code == code, answer
    assert answer.headers["content-type"] == "application/xml"
    assert answer.headers["x-amz-request-id"] == re.search(rb"<RequestId>(.*?)</RequestId>", answer.body).group(1).decode()
    found = re.findall(r"<([A-Za-z0-9-]+)>", answer.body.decode())
    assert found[:3] == ["Error", "Code", "Message"] and found[-3:] == ["Resource", "RequestId", "HostId"], found
    assert found[3:-3] == elements.split(), found


SSE = "x-amz-server-side-encryption"

# request, of what is not there: the error of the request itself
WRONG_ANYHOW = [
    ("GET", "/bucket/none?partNumber=0", {}, (400, "InvalidArgument")),
    ("HEAD", "/bucket/none?partNumber=x", {}, (400, None)),
    ("GET", "/bucket/none?partNumber=1", {"Range": "bytes=0-1"}, (400, "InvalidRequest")),
    ("GET", "/bucket/none?partNumber=2", {}, (404, "NoSuchKey")),
    ("GET", "/bucket/none?versionId=junk", {}, (400, "InvalidArgument")),
    ("GET", "/bucket/none?attributes", {"x-amz-object-attributes": "Foo"}, (400, "InvalidArgument")),
    ("GET", "/bucket/k?uploadId=none&max-parts=x", {}, (400, "InvalidArgument")),
    ("GET", "/bucket/k?uploadId=none&part-number-marker=-1", {}, (400, "InvalidArgument")),
    ("PUT", "/bucket/k?uploadId=none&partNumber=0", {}, (400, "InvalidArgument")),
    ("PUT", "/bucket/k?uploadId=none&partNumber=1", {"x-amz-copy-source": "/bucket/none", "x-amz-copy-source-range": "bytes=1-"},
     (400, "InvalidArgument")),
    ("PUT", "/bucket/k?uploadId=none&partNumber=1", {"x-amz-copy-source": "/bucket/none", "x-amz-copy-source-range": "bytes=1-2"},
     (404, "NoSuchUpload")),
    ("PUT", "/bucket/new", {"x-amz-copy-source": "/bucket/none", "x-amz-metadata-directive": "MOVE"}, (400, "InvalidArgument")),
    ("DELETE", "/bucket/none?versionId=junk", {}, (400, "InvalidArgument")),
    ("GET", "/bucket/none", {f"{SSE}-customer-algorithm": "DES"}, (400, "InvalidEncryptionAlgorithmError")),
    ("HEAD", "/bucket/none", {f"{SSE}-customer-algorithm": "AES256"}, (400, None)),
    ("GET", "/bucket/none", {SSE: "AES256"}, (400, "InvalidArgument")),
    ("GET", "/bucket/none?attributes", {"x-amz-object-attributes": "ETag", f"{SSE}-customer-key": "short"}, (400, "InvalidArgument")),
    *[("PUT", "/bucket/new", {"x-amz-copy-source": "/bucket/none", **headers}, (400, code)) for headers, code in [
        ({"x-amz-storage-class": "FAST"}, "InvalidStorageClass"), ({"x-amz-acl": "mine"}, "InvalidArgument"), ({SSE: "rot13"}, "InvalidArgument"),
        ({"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "a=1&a=2"}, "InvalidArgument"),
        ({"x-amz-metadata-directive": "REPLACE", "x-amz-website-redirect-location": "x"}, "InvalidRedirectLocation"),
        ({"x-amz-copy-source-server-side-encryption-customer-key": "short"}, "InvalidArgument"),
        ({"x-amz-object-lock-mode": "HARD", "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z"}, "InvalidArgument")]],
    ("PUT", "/bucket/none?acl", {}, (400, "MissingSecurityHeader")),
    ("PUT", "/bucket/none?acl", {"x-amz-acl": "mine"}, (400, "InvalidArgument")),
    ("PUT", "/bucket/none?acl", {"x-amz-acl": "private"}, (404, "NoSuchKey")),
    ("PUT", "/bucket/none?tagging", {}, (400, "MissingRequestBodyError")),
]


@pytest.mark.parametrize("method, target, headers, want", WRONG_ANYHOW)
def test_what_is_wrong_with_a_request_is_said_before_what_is_missing(w, method, target, headers, want):
    """Rule: s3-behaviours 8, "Order of checks"."""
    answer = w(method, target, headers)
    assert (answer.status, answer.code) == want, answer
    denied = w.ann(method, target, headers)
    assert denied.status == 403 and denied.code in ("AccessDenied", None), denied
