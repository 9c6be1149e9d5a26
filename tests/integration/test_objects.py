# SPDX-License-Identifier: Apache-2.0
"""PutObject, GetObject, HeadObject, DeleteObject(s), CopyObject: what a client sees."""
import base64
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from ledger import payload
from rawhttp import UNSIGNED, Raw, read_response


def error(call, **kw):
    """The error code and HTTP status of a call that must fail."""
    with pytest.raises(ClientError) as e:
        call(**kw)
    return e.value.response["Error"]["Code"], e.value.response["ResponseMetadata"]["HTTPStatusCode"]


SIZES = [0, 1, 4095, 4096, 65_536, 262_143, 262_144, 262_145, 1_000_000, 8_388_608, 20_000_001]


@pytest.mark.parametrize("size", SIZES)
def test_what_went_in_comes_out(s3, bucket, size):
    body = payload("x", 1, size)[:size]
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["ContentLength"] == size and got["Body"].read() == body and got["ETag"] == put["ETag"]
    assert got["AcceptRanges"] == "bytes" and got["ContentType"] == "binary/octet-stream"
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == size and head["LastModified"] == got["LastModified"]


@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize("header, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=5-9", 5, 9), ("bytes=9990-", 9990, None), ("bytes=-1", -1, None),
    ("bytes=-99999999", 0, None), ("bytes=100-99999999", 100, None)])
def test_ranges(s3, bucket, size, header, first, last):
    body = payload("r", 1, size)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    first = first if first >= 0 else size + first
    last = size - 1 if last is None else last
    got = s3.get_object(Bucket=bucket, Key="k", Range=header)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{last}/{size}"
    assert got["Body"].read() == body[first:last + 1]


def test_ranges_that_cannot_be(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert error(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == ("InvalidRange", 416)
    assert error(s3.get_object, Bucket=bucket, Key="k", Range="bytes=-0") == ("InvalidRange", 416)
    for odd in ("bytes=5-3", "lines=1-2", "bytes=a-b", "bytes=0-1,3-4"):  # not a range we serve: the whole object
        got = s3.get_object(Bucket=bucket, Key="k", Range=odd)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and got["Body"].read() == b"0123456789", odd


def test_overwriting_is_seen_at_once_and_never_half(s3, cluster, bucket):
    stop, bad = threading.Event(), []
    bodies = [payload("o", i, 300_000) for i in range(2)]
    s3.put_object(Bucket=bucket, Key="k", Body=bodies[0])

    def look():
        client = cluster.boto3()
        while not stop.is_set():
            if client.get_object(Bucket=bucket, Key="k")["Body"].read() not in bodies:
                bad.append("a mixture")

    readers = [threading.Thread(target=look) for _ in range(3)]
    for r in readers:
        r.start()
    for i in range(40):
        s3.put_object(Bucket=bucket, Key="k", Body=bodies[i % 2])
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == bodies[i % 2]
    stop.set()
    for r in readers:
        r.join()
    assert not bad


def test_missing_things_have_their_errors(s3, bucket):
    assert error(s3.get_object, Bucket=bucket, Key="no") == ("NoSuchKey", 404)
    assert error(s3.head_object, Bucket=bucket, Key="no")[1] == 404
    assert error(s3.get_object, Bucket="no-such-bucket-here", Key="k") == ("NoSuchBucket", 404)
    assert error(s3.put_object, Bucket="no-such-bucket-here", Key="k", Body=b"x") == ("NoSuchBucket", 404)
    assert error(s3.list_objects_v2, Bucket="no-such-bucket-here") == ("NoSuchBucket", 404)
    assert s3.delete_object(Bucket=bucket, Key="no")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_conditions_of_reads(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"
    assert error(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert error(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)[1] == 304
    assert error(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=when)[1] == 304
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=when)["Body"].read() == b"x"


def test_not_modified_says_how_long_it_may_be_kept(cluster, s3, bucket):
    """What a cache needs to make its copy fresh again: RFC 9110, 15.4.5."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x", CacheControl="max-age=5", ContentLanguage="de",
                         Expires="Thu, 01 Jan 2032 00:00:00 GMT")["ETag"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for method in ("GET", "HEAD"):
        a = Raw(cluster).request(method, f"/{bucket}/k", headers={"If-None-Match": etag})
        assert (a.status, a.headers["etag"], a.headers["cache-control"], a.headers["expires"]) == (
            304, etag, "max-age=5", "Thu, 01 Jan 2032 00:00:00 GMT")
        assert a.headers["x-amz-version-id"] == "null" and "content-language" not in a.headers
        assert a.headers["content-length"] == "1", "of the object, or caches take theirs for an empty one"
        a = Raw(cluster).request(method, f"/{bucket}/k", headers={"If-None-Match": etag},
                                 query=[("response-cache-control", "no-store")])
        assert a.headers["cache-control"] == "no-store"


def test_deletions_judge_size_time_and_version(cluster, s3, bucket):
    """Size, LastModifiedTime and ETag of an entry are conditions, of a version too."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"abc")
    modified = Raw(cluster).request("HEAD", f"/{bucket}/k").headers["last-modified"]

    def delete(conditions):
        body = f"<Delete><Object><Key>k</Key>{conditions}</Object></Delete>".encode()
        digest = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        answer = Raw(cluster).request("POST", f"/{bucket}", query=[("delete", "")], headers=digest, body=body)
        assert answer.status == 200, answer
        return answer.code
    version = f"<VersionId>{put['VersionId']}</VersionId>"
    good = f"<Size>3</Size><LastModifiedTime>{modified}</LastModifiedTime><ETag>{put['ETag']}</ETag>"
    for bad in ("<Size>2</Size>", "<LastModifiedTime>2020-01-01T00:00:00Z</LastModifiedTime>",
                "<LastModifiedTime>Wed, 01 Jan 2020 00:00:00 GMT</LastModifiedTime>",
                good.replace("3", "4", 1), "<ETag>0123456789abcdef0123456789abcdef</ETag>"):
        assert delete(bad) == delete(version + bad) == "PreconditionFailed", bad
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == put["VersionId"]
    assert delete(good) is None and delete(good) == "NoSuchKey"  # a marker is on top now
    assert delete(version + good) is None
    assert len(s3.list_object_versions(Bucket=bucket).get("Versions", [])) == 0


def test_a_part_is_not_taken_for_the_whole(cluster, bucket):
    """Rule: RFC 9110, 14.5. An uploader that sends a file piece by piece would be left with the last piece."""
    raw, piece = Raw(cluster), {"Content-Range": "bytes 5-9/10"}
    for method, path in [("PUT", f"/{bucket}/k"), ("POST", f"/{bucket}")]:
        answer = raw.request(method, path, body=b"piece", headers=piece)
        assert (answer.status, answer.code) == (501, "NotImplemented") and b"<Header>content-range</Header>" in answer.body, answer
    assert raw.request("HEAD", f"/{bucket}/k").status == 404
    upload = cluster.boto3().create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    answer = raw.request("PUT", f"/{bucket}/k", query=[("partNumber", "2"), ("uploadId", upload)], body=b"piece", headers=piece)
    assert answer.status == 200, answer


def test_the_annotation_directive_is_judged(cluster, bucket):
    Raw(cluster).request("PUT", f"/{bucket}/k", body=b"x")
    for value, status in ("COPY", 200), ("EXCLUDE", 200), ("REPLACE", 400):
        assert Raw(cluster).request("PUT", f"/{bucket}/to", headers={
            "x-amz-copy-source": f"/{bucket}/k", "x-amz-object-annotation-directive": value}).status == status


def test_of_racing_creators_exactly_one_wins(cluster, bucket):
    def create(i):
        try:
            s3 = cluster.boto3()
            s3.meta.events.register("before-sign.s3.PutObject",
                                    lambda request, **kw: request.headers.__setitem__("If-None-Match", "*"))
            s3.put_object(Bucket=bucket, Key="once", Body=b"%d" % i)
            return i
        except ClientError as e:
            assert e.response["Error"]["Code"] == "PreconditionFailed", e
            return None

    with ThreadPoolExecutor(12) as pool:
        winners = [i for i in pool.map(create, range(24)) if i is not None]
    assert len(winners) == 1
    assert cluster.boto3().get_object(Bucket=bucket, Key="once")["Body"].read() == b"%d" % winners[0]


def test_compare_and_swap_loses_no_update(cluster, bucket):
    """A counter raised by many clients through If-Match ends at exactly the number of successes."""
    cluster.boto3().put_object(Bucket=bucket, Key="counter", Body=b"0")

    def raise_it(_):
        s3 = cluster.boto3()
        while True:
            got = s3.get_object(Bucket=bucket, Key="counter")
            value, etag = int(got["Body"].read()), got["ETag"]
            s3.meta.events.register_last(
                "before-sign.s3.PutObject", lambda request, etag=etag, **kw: request.headers.__setitem__("If-Match", etag),
                unique_id="if-match")
            try:
                s3.put_object(Bucket=bucket, Key="counter", Body=b"%d" % (value + 1))
                return
            except ClientError as e:
                assert e.response["Error"]["Code"] == "PreconditionFailed", e
            finally:
                s3.meta.events.unregister("before-sign.s3.PutObject", unique_id="if-match")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(raise_it, range(18)))
    assert cluster.boto3().get_object(Bucket=bucket, Key="counter")["Body"].read() == b"18"


def test_many_deletes_at_once(s3, bucket):
    keys = [f"k{i:04}" for i in range(1000)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: s3.put_object(Bucket=bucket, Key=k, Body=b"x"), keys))
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
    assert len(done["Deleted"]) == 1000 and "Errors" not in done
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert error(s3.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": "k"}] * 1001}) == ("MalformedXML", 400)


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_copies(s3, bucket, size):
    body = payload("c", 1, size)
    etag = s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"m": "1"}, ContentType="a/b")["ETag"]
    copy = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    assert copy["CopyObjectResult"]["ETag"] == etag
    s3.delete_object(Bucket=bucket, Key="from")
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == body and got["Metadata"] == {"m": "1"} and got["ContentType"] == "a/b"
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "to"}, MetadataDirective="REPLACE",
                   Metadata={"m": "2"})
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == body and got["Metadata"] == {"m": "2"}
    assert error(s3.copy_object, Bucket=bucket, Key="to",
                 CopySource={"Bucket": bucket, "Key": "to"}) == ("InvalidRequest", 400)
    assert error(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "no"})[0] == "NoSuchKey"
    assert error(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "to"},
                 CopySourceIfMatch='"no"') == ("PreconditionFailed", 412)


def test_a_plus_of_a_copy_source_is_a_space(cluster, s3, bucket):
    """As at AWS: s5cmd sends it so, and rclone escapes the pluses of its keys for that reason."""
    for key in ("a b", "a+b"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for source, body in (("a+b", b"a b"), ("a%20b", b"a b"), ("a%2Bb", b"a+b")):
        done = Raw(cluster).request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"/{bucket}/{source}"})
        assert done.status == 200, done
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body


def test_no_line_of_a_header_is_passed_over(cluster, s3, bucket):
    """Lists are joined: the SDK for Java says aws-chunked in a line of its own. Of what is said once, nothing may differ."""
    raw = Raw(cluster)

    def put(*lines):
        whole = raw.build("PUT", f"/{bucket}/k", body=b"x", payload=UNSIGNED)
        return raw.send(whole.replace(b"\r\n\r\n", b"".join(b"\r\n" + line for line in lines) + b"\r\n\r\n", 1))
    assert put(b"Content-Encoding: aws-chunked", b"Content-Encoding: gzip", b"Cache-Control: no-cache", b"Cache-Control: private").status == 200
    got = s3.head_object(Bucket=bucket, Key="k")
    assert (got["ContentEncoding"], got["CacheControl"]) == ("gzip", "no-cache,private")
    for lines in ((b"Content-Type: a/b", b"Content-Type: a/c"), (b'If-None-Match: "x"', b"If-None-Match: *")):
        answer = put(*lines)
        assert (answer.status, answer.code) == (400, "InvalidRequest"), answer
    assert put(b"Content-Type: a/b", b"Content-Type: a/b").status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_copy_has_no_body_of_its_own(cluster, s3, bucket, chunked):
    """Which of the two was meant? The connection goes on. As at AWS; an empty body in chunks is none."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"source")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    raw = Raw(cluster)
    with cluster.socket() as sock:
        for query in ([], [("partNumber", "1"), ("uploadId", upload)]):
            for body, want in ((b"a body", (400, "InvalidRequest")), (b"", (200, None))):
                headers = {"x-amz-copy-source": f"/{bucket}/k", **({"Transfer-Encoding": "chunked"} if chunked else {})}
                whole = raw.build("PUT", f"/{bucket}/to", query, headers, b"" if chunked else body, UNSIGNED, length=not chunked)
                if chunked:
                    whole += (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
                sock.sendall(whole)
                answer = read_response(sock)
                assert (answer.status, answer.code) == want, answer
                if body and not query:
                    assert raw.request("HEAD", f"/{bucket}/to").status == 404


def test_a_copy_outlives_overwrites_and_deletes_of_its_source(s3, bucket, cluster):
    body = payload("c", 2, 400_000)
    s3.put_object(Bucket=bucket, Key="a", Body=body)
    for i in range(5):
        s3.copy_object(Bucket=bucket, Key=f"copy{i}", CopySource={"Bucket": bucket, "Key": "a" if i == 0 else f"copy{i - 1}"})
        s3.put_object(Bucket=bucket, Key="a" if i == 0 else f"copy{i - 1}", Body=b"new")
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_object(Bucket=bucket, Key="copy4")["Body"].read() == body


def test_metadata_limits_and_odd_values(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 1500})
    assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2100}) == ("MetadataTooLarge", 400)
    assert error(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError", 400)


def test_content_md5_is_checked(s3, bucket):
    good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=good)
    assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5=good) == ("BadDigest", 400)
    assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5="short") == ("InvalidDigest", 400)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
