# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads: parts in any order, replaced parts, errors, idempotent completion, many parts."""
import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from ledger import payload
from rawhttp import Raw
from test_objects import error

MIB = 1 << 20


def begin(s3, bucket, key="m", **kw):
    return dict(Bucket=bucket, Key=key, UploadId=s3.create_multipart_upload(Bucket=bucket, Key=key, **kw)["UploadId"])


def part(s3, upload, number, body):
    return {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}


def finish(s3, upload, parts):
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def etag_of(bodies):
    return f'"{hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()}-{len(bodies)}"'


def test_parts_in_any_order_make_one_object(s3, bucket):
    bodies = [payload("p", i, 5 * MIB + i) for i in range(3)] + [b"tail"]
    upload = begin(s3, bucket, Metadata={"m": "1"}, ContentType="a/b")
    parts = {i: part(s3, upload, i, bodies[i - 1]) for i in (4, 2, 1, 3)}
    listed = s3.list_parts(**upload)["Parts"]
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed] == [
        (i, len(bodies[i - 1]), parts[i]["ETag"]) for i in (1, 2, 3, 4)]
    done = finish(s3, upload, [parts[i] for i in (1, 2, 3, 4)])
    assert done["ETag"] == etag_of(bodies)
    got = s3.get_object(Bucket=bucket, Key="m")
    whole = b"".join(bodies)
    assert got["Body"].read() == whole and got["Metadata"] == {"m": "1"} and got["ContentType"] == "a/b"
    assert s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 3}")["Body"].read() == \
        whole[5 * MIB - 3:5 * MIB + 4]
    two = s3.get_object(Bucket=bucket, Key="m", PartNumber=2)
    assert two["Body"].read() == bodies[1] and two["PartsCount"] == 4
    assert error(s3.get_object, Bucket=bucket, Key="m", PartNumber=5) == ("InvalidPartNumber", 416)
    again = finish(s3, upload, [parts[i] for i in (1, 2, 3, 4)])
    assert again["ETag"] == done["ETag"], "a retried completion succeeds"


def test_a_subset_and_replaced_parts(s3, bucket):
    upload = begin(s3, bucket)
    part(s3, upload, 1, payload("old", 1, 5 * MIB))
    p1 = part(s3, upload, 1, payload("new", 1, 5 * MIB))
    part(s3, upload, 2, payload("unused", 1, 5 * MIB))
    p7 = part(s3, upload, 7, b"end")
    finish(s3, upload, [p1, p7])
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == payload("new", 1, 5 * MIB) + b"end"


def test_errors_of_completion(s3, bucket):
    upload = begin(s3, bucket)
    p1, p2 = part(s3, upload, 1, b"small"), part(s3, upload, 2, b"small too")
    assert error(finish, s3=s3, upload=upload, parts=[p1, p2]) == ("EntityTooSmall", 400)
    assert error(finish, s3=s3, upload=upload, parts=[p2, p1]) == ("InvalidPartOrder", 400)
    assert error(finish, s3=s3, upload=upload, parts=[{"PartNumber": 9, "ETag": p1["ETag"]}]) == ("InvalidPart", 400)
    assert error(finish, s3=s3, upload=upload, parts=[{"PartNumber": 1, "ETag": f'"{"0" * 32}"'}])[0] == "InvalidPart"
    assert error(finish, s3=s3, upload=upload, parts=[]) == ("MalformedXML", 400)
    assert error(s3.upload_part, **upload, PartNumber=10_001, Body=b"x") == ("InvalidArgument", 400)
    assert error(s3.upload_part, **{**upload, "UploadId": "nope"}, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    s3.abort_multipart_upload(**upload)
    assert error(s3.list_parts, **upload) == ("NoSuchUpload", 404)
    assert error(s3.get_object, Bucket=bucket, Key="m") == ("NoSuchKey", 404)


def test_a_completion_is_repeated_by_the_same_list_only(cluster, s3, bucket):
    upload = begin(s3, bucket)
    p1, p2 = part(s3, upload, 1, b"a" * 5 * MIB), part(s3, upload, 2, b"b")
    done = finish(s3, upload, [p1, p2])
    for parts in ([p1], [p2], [p1, p2, {**p2, "PartNumber": 3}], [p1, {**p2, "ETag": p1["ETag"]}], [p1, {**p2, "ETag": "x"}]):
        assert error(finish, s3=s3, upload=upload, parts=parts) == ("NoSuchUpload", 404), parts
    assert finish(s3, upload, [p1, {**p2, "ETag": p2["ETag"].strip('"')}])["ETag"] == done["ETag"]


@pytest.mark.parametrize("members", [
    "<PartNumber>1</PartNumber>", "<ETag>E</ETag>", "<PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>E</ETag>",
    "<PartNumber>1</PartNumber><ETag>E</ETag><ETag>F</ETag>", "<PartNumber>one</PartNumber><ETag>E</ETag>"])
def test_a_part_of_the_list_has_one_number_and_one_etag(cluster, s3, bucket, members):
    upload = begin(s3, bucket)
    etag = part(s3, upload, 1, b"x")["ETag"].strip('"')
    answer = Raw(cluster).request("POST", f"/{bucket}/m", query=[("uploadId", upload["UploadId"])], body=(
        f"<CompleteMultipartUpload><Part>{members.replace('E<', etag + '<')}</Part></CompleteMultipartUpload>").encode())
    assert (answer.status, answer.code) == (400, "MalformedXML"), answer
    s3.abort_multipart_upload(**upload)


def test_parts_copied_from_objects(s3, bucket):
    source = payload("s", 1, 12 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload, parts = begin(s3, bucket), []
    for i, (a, b) in enumerate(((0, 6 * MIB - 1), (6 * MIB, 12 * MIB - 1)), 1):
        copied = s3.upload_part_copy(**upload, PartNumber=i, CopySource={"Bucket": bucket, "Key": "source"},
                                     CopySourceRange=f"bytes={a}-{b}")
        parts.append({"PartNumber": i, "ETag": copied["CopyPartResult"]["ETag"]})
    s3.delete_object(Bucket=bucket, Key="source")
    finish(s3, upload, parts)
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == source


def test_a_part_answers_with_its_checksum_and_no_type(cluster, s3, bucket):
    """FULL_OBJECT or COMPOSITE is the upload's; the answer to a part has neither at AWS."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm="SHA256")["UploadId"]
    digest = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    done = Raw(cluster).request("PUT", f"/{bucket}/m", query=[("partNumber", "1"), ("uploadId", upload)], body=b"x",
                                headers={"x-amz-checksum-sha256": digest})
    assert done.status == 200 and done.headers["x-amz-checksum-sha256"] == digest, done
    assert "x-amz-checksum-type" not in done.headers
    s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId=upload)


def test_uploads_are_listed_with_pages_and_prefixes(s3, bucket):
    uploads = [begin(s3, bucket, key) for key in ("a/1", "a/1", "a/2", "b", "c/x")]
    found, kw = [], {}
    for _ in range(10):
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **kw)
        found += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        kw = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert sorted(found) == sorted((u["Key"], u["UploadId"]) for u in uploads)
    assert [k for k, _ in found] == ["a/1", "a/1", "a/2", "b", "c/x"]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a/", "c/"]
    assert [u["Key"] for u in page["Uploads"]] == ["b"]
    for u in uploads:
        s3.abort_multipart_upload(**u)


def test_who_cleans_up_aborts_page_by_page(s3, bucket):
    """The upload that a page ended with is gone when the next one is asked for."""
    for key in ("a", "a", "a", "b", "c"):
        begin(s3, bucket, key)
    pages = 0
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}):
        pages += 1
        for u in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=u["Key"], UploadId=u["UploadId"])
    assert pages == 3 and "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert error(s3.list_multipart_uploads, Bucket=bucket, KeyMarker="a", UploadIdMarker="nope") == ("InvalidArgument", 400)


def test_a_thousand_parts(s3, bucket):
    """Copied parts, so that they may be many without being much."""
    source = payload("t", 1, 5 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload = begin(s3, bucket)

    def copy(i):
        r = s3.upload_part_copy(**upload, PartNumber=i, CopySource={"Bucket": bucket, "Key": "source"})
        return {"PartNumber": i, "ETag": r["CopyPartResult"]["ETag"]}

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(copy, range(1, 1001)))
    finish(s3, upload, parts)
    head = s3.head_object(Bucket=bucket, Key="m")
    assert head["ContentLength"] == 1000 * 5 * MIB and head["ETag"].endswith('-1000"')
    got = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={777 * 5 * MIB - 5}-{777 * 5 * MIB + 4}")["Body"].read()
    assert got == source[-5:] + source[:5]
    s3.delete_object(Bucket=bucket, Key="m")


@pytest.mark.parametrize("end", ["complete", "abort"])
def test_one_ending_of_a_race_wins(cluster, bucket, end):
    s3 = cluster.boto3()
    upload = begin(s3, bucket)
    p = part(s3, upload, 1, b"x")

    def race(i):
        client = cluster.boto3()
        try:
            if i % 2 and end == "abort":
                client.abort_multipart_upload(**upload)
                return "aborted"
            finish(client, upload, [p])
            return "completed"
        except client.exceptions.ClientError as e:
            assert e.response["Error"]["Code"] == "NoSuchUpload", e
            return "too late"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(race, range(8)))
    there = "Contents" in s3.list_objects_v2(Bucket=bucket, Prefix="m")
    assert there == ("completed" in results), results
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_part_of_a_composite_object_shows_its_own_checksum(cluster, bucket):
    raw, body = Raw(cluster), [b"a" * 5 * MIB, b"tail"]
    sums = [base64.b64encode(hashlib.sha256(b).digest()).decode() for b in body]
    created = raw.request("POST", f"/{bucket}/k", query=[("uploads", "")], headers={"x-amz-checksum-algorithm": "SHA256"})
    upload = created.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    etags = [raw.request("PUT", f"/{bucket}/k", query=[("partNumber", str(i + 1)), ("uploadId", upload)], body=body[i],
                         headers={"x-amz-checksum-sha256": sums[i]}).headers["etag"] for i in range(2)]
    document = "".join(f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{etags[i]}</ETag>"
                       f"<ChecksumSHA256>{sums[i]}</ChecksumSHA256></Part>" for i in range(2))
    done = raw.request("POST", f"/{bucket}/k", query=[("uploadId", upload)],
                       body=f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>".encode())
    assert done.status == 200, done
    asked = {"x-amz-checksum-mode": "ENABLED"}
    for i in range(2):
        got = raw.request("GET", f"/{bucket}/k", query=[("partNumber", str(i + 1))], headers=asked)
        assert (got.status, got.body == body[i], got.headers.get("x-amz-checksum-sha256")) == (206, True, sums[i])
        got = raw.request("GET", f"/{bucket}/k", query=[("partNumber", str(i + 1))])
        assert "x-amz-checksum-sha256" not in got.headers


def test_all_who_complete_one_upload_get_the_same_answer(s3, bucket):
    def complete(job):
        return finish(s3, *job)["ETag"]

    with ThreadPoolExecutor(8) as pool:
        for i in range(12):
            upload = begin(s3, bucket, key=f"k{i}")
            parts = [part(s3, upload, 1, b"a" * (5 << 20)), part(s3, upload, 2, b"b")]
            assert len(set(pool.map(complete, [(upload, parts)] * 8))) == 1
