# SPDX-License-Identifier: Apache-2.0
"""boto3_steps - what programs do with boto3, whichever version. Runs inside pytest with Debian's boto3, and as
a program of its own under the virtual environment's Python with the newest: boto3_steps.py JSON-SETTINGS."""
import io
import json
import random
import sys
import urllib.request


def content(n, seed=1):
    return random.Random(seed).randbytes(n)


def odd_keys_round_trip(s3, keys):
    s3.create_bucket(Bucket="boto-odd")
    for i, key in enumerate(keys):
        s3.put_object(Bucket="boto-odd", Key=key, Body=content(i + 1, i))
    for i, key in enumerate(keys):
        assert s3.get_object(Bucket="boto-odd", Key=key)["Body"].read() == content(i + 1, i), key
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="boto-odd", PaginationConfig={"PageSize": 7})
    listed = [o["Key"] for page in pages for o in page.get("Contents", [])]
    assert listed == sorted(keys, key=lambda k: k.encode())
    done = s3.delete_objects(Bucket="boto-odd", Delete={"Objects": [{"Key": k} for k in keys if "\x7f" != k]})
    assert "Errors" not in done and len(done["Deleted"]) == len(keys) - ("\x7f" in keys)
    s3.delete_object(Bucket="boto-odd", Key="\x7f")
    assert "Contents" not in s3.list_objects_v2(Bucket="boto-odd")
    s3.delete_bucket(Bucket="boto-odd")


def transfers(s3):
    from boto3.s3.transfer import TransferConfig
    s3.create_bucket(Bucket="boto-big")
    data = content(30_000_000)
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(data), "boto-big", "big", Config=config,
                      ExtraArgs={"Metadata": {"a": "b"}, "ContentType": "x/y"})
    head = s3.head_object(Bucket="boto-big", Key="big")
    assert head["ContentLength"] == len(data) and head["ETag"].endswith('-6"')
    assert head["Metadata"] == {"a": "b"} and head["ContentType"] == "x/y"
    out = io.BytesIO()
    s3.download_fileobj("boto-big", "big", out, Config=config)
    assert out.getvalue() == data
    s3.copy({"Bucket": "boto-big", "Key": "big"}, "boto-big", "copy", Config=config)
    assert s3.get_object(Bucket="boto-big", Key="copy", Range="bytes=-100")["Body"].read() == data[-100:]
    part = s3.get_object(Bucket="boto-big", Key="big", PartNumber=2)
    assert part["PartsCount"] == 6 and part["Body"].read() == data[5 << 20:10 << 20]
    for key in ("big", "copy"):
        s3.delete_object(Bucket="boto-big", Key=key)
    s3.delete_bucket(Bucket="boto-big")


def metadata_and_conditions(s3):
    from botocore.exceptions import ClientError
    s3.create_bucket(Bucket="boto-meta")
    put = s3.put_object(Bucket="boto-meta", Key="k", Body=b"one", ContentType="text/plain; charset=utf-8",
                        ContentEncoding="identity", ContentLanguage="de", ContentDisposition='attachment; filename="x"',
                        CacheControl="no-cache", Metadata={"x": "1", "spaced": "a  b"})
    got = s3.get_object(Bucket="boto-meta", Key="k")
    assert got["Body"].read() == b"one" and got["ETag"] == put["ETag"]
    assert got["ContentLanguage"] == "de" and got["ContentDisposition"] == 'attachment; filename="x"'
    assert got["Metadata"]["x"] == "1"
    got = s3.get_object(Bucket="boto-meta", Key="k", ResponseContentType="a/b", ResponseCacheControl="c")
    assert (got["ContentType"], got["CacheControl"]) == ("a/b", "c")
    for wrong, code in (({"IfNoneMatch": put["ETag"]}, "304"), ({"IfMatch": '"nope"'}, "412")):
        try:
            s3.head_object(Bucket="boto-meta", Key="k", **wrong)
            raise AssertionError("a failed condition must not succeed")
        except ClientError as e:
            assert e.response["Error"]["Code"] == code, e.response
    try:
        s3.get_object(Bucket="boto-meta", Key="none")
        raise AssertionError("a missing key must not be found")
    except s3.exceptions.NoSuchKey:
        pass
    s3.copy_object(Bucket="boto-meta", Key="k", CopySource="boto-meta/k", MetadataDirective="REPLACE",
                   Metadata={"new": "yes"})
    assert s3.head_object(Bucket="boto-meta", Key="k")["Metadata"] == {"new": "yes"}
    s3.delete_object(Bucket="boto-meta", Key="k")
    s3.delete_bucket(Bucket="boto-meta")


def presigned(s3, context):
    s3.create_bucket(Bucket="boto-sign")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "boto-sign", "Key": "a b+c"}, ExpiresIn=60)
    # an empty Content-Type: urllib would send one of its own, which version 2 signatures cover
    request = urllib.request.Request(url, data=b"by url", method="PUT", headers={"Content-Type": ""})
    assert urllib.request.urlopen(request, context=context, timeout=60).status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "boto-sign", "Key": "a b+c"}, ExpiresIn=60)
    assert urllib.request.urlopen(url, context=context, timeout=60).read() == b"by url"
    s3.delete_object(Bucket="boto-sign", Key="a b+c")
    s3.delete_bucket(Bucket="boto-sign")


def presigned_options(s3, context):
    """A URL of signature version 2, boto3's default in this region, has what would be headers in its query."""
    s3.create_bucket(Bucket="boto-options")
    url = s3.generate_presigned_url("put_object", ExpiresIn=60, Params={
        "Bucket": "boto-options", "Key": "a b+c", "ACL": "public-read", "Metadata": {"of": "the query"},
        "Tagging": "a=b%20c", "StorageClass": "STANDARD_IA", "ServerSideEncryption": "AES256"})
    assert "AWSAccessKeyId=" in url and "x-amz-acl=public-read" in url
    request = urllib.request.Request(url, data=b"by url", method="PUT", headers={"Content-Type": ""})
    assert urllib.request.urlopen(request, context=context, timeout=30).status == 200
    head = s3.head_object(Bucket="boto-options", Key="a b+c")
    assert (head["Metadata"], head["StorageClass"], head["ServerSideEncryption"]) == (
        {"of": "the query"}, "STANDARD_IA", "AES256")
    tags = s3.get_object_tagging(Bucket="boto-options", Key="a b+c")["TagSet"]
    assert tags == [{"Key": "a", "Value": "b c"}]
    public = urllib.request.urlopen(url.split("?")[0], context=context, timeout=30)
    assert public.read() == b"by url"
    s3.delete_object(Bucket="boto-options", Key="a b+c")
    s3.delete_bucket(Bucket="boto-options")


def checksums(s3):
    import base64
    import zlib
    s3.create_bucket(Bucket="boto-sum")
    for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256") + (("CRC64NVME",) if newest() else ()):
        try:
            put = s3.put_object(Bucket="boto-sum", Key="k", Body=b"sum me", ChecksumAlgorithm=algorithm)
        except Exception as e:  # CRC32C and CRC64NVME need awscrt, which is not everywhere
            if type(e).__name__ == "MissingDependencyException":
                continue
            raise
        got = s3.get_object(Bucket="boto-sum", Key="k", ChecksumMode="ENABLED")
        assert got["Checksum" + algorithm] == put["Checksum" + algorithm]
        assert got["Body"].read() == b"sum me"
        if algorithm == "CRC32":
            assert base64.b64decode(put["ChecksumCRC32"]) == zlib.crc32(b"sum me").to_bytes(4, "big")
    s3.delete_object(Bucket="boto-sum", Key="k")
    s3.delete_bucket(Bucket="boto-sum")


def encryption(s3):
    import io
    import os
    s3.create_bucket(Bucket="boto-sse")
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    data = os.urandom(1 << 20) * 17  # the transfer manager uploads it in parts, and downloads it in ranges
    for args, read in ((key, key), ({"ServerSideEncryption": "AES256"}, {}), ({"ServerSideEncryption": "aws:kms"}, {})):
        s3.upload_fileobj(io.BytesIO(data), "boto-sse", "k", ExtraArgs=args)
        got = io.BytesIO()
        s3.download_fileobj("boto-sse", "k", got, ExtraArgs=read)
        assert got.getvalue() == data
        assert s3.head_object(Bucket="boto-sse", Key="k", **read).get("ServerSideEncryption") == args.get(
            "ServerSideEncryption")
    s3.delete_object(Bucket="boto-sse", Key="k")
    s3.delete_bucket(Bucket="boto-sse")


def newest():
    import boto3
    return tuple(int(p) for p in boto3.__version__.split(".")[:2]) >= (1, 36)


def main():
    import ssl

    import boto3
    from botocore.config import Config
    settings = json.loads(sys.argv[1])
    # exactly what a program gets that only says where the server is: default checksums, default retries
    s3 = boto3.client("s3", endpoint_url=settings["endpoint"], region_name=settings["region"],
                      aws_access_key_id=settings["access_key"], aws_secret_access_key=settings["secret_key"],
                      verify=settings["certificate"], config=Config(s3={"addressing_style": "path"}))
    context = ssl.create_default_context(cafile=settings["certificate"]) if settings["certificate"] else None
    step = settings["step"]
    if step == "odd_keys_round_trip":
        odd_keys_round_trip(s3, settings["keys"])
    elif step in ("presigned", "presigned_options"):
        globals()[step](s3, context)
    else:
        globals()[step](s3)
    print("ok")


if __name__ == "__main__":
    main()
