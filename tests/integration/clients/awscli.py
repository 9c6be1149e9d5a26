# SPDX-License-Identifier: Apache-2.0
"""awscli - what users do with aws-cli, whichever version: called by test_awscli."""
import json

from clientlib import assert_same_tree, content, make_tree, run


class Aws:
    def __init__(self, program, cluster, home):
        self.cluster, self.env = cluster, cluster.client_env(home)
        self.base = [program, "--endpoint-url", cluster.endpoint]
        # path style, as with any server that is not Amazon's
        self.env["AWS_CONFIG_FILE"] = str(home / "aws-config")
        (home / "aws-config").write_text("[default]\ns3 =\n  addressing_style = path\n  multipart_threshold = 8MB\n"
                                         "  multipart_chunksize = 8MB\n")

    def __call__(self, *words, check=True, data=None):
        return run(self.base + list(words), self.env, check=check, data=data)

    def api(self, *words):
        out = self("s3api", *words, "--output", "json").stdout
        return json.loads(out) if out.strip() else {}


def make_and_remove_bucket(aws):
    aws("s3", "mb", "s3://cli-mb")
    assert b"cli-mb" in aws("s3", "ls").stdout
    assert aws("s3", "mb", "s3://cli-mb", check=False).returncode in (0, 1)
    aws("s3", "rb", "s3://cli-mb")
    assert b"cli-mb" not in aws("s3", "ls").stdout
    gone = aws("s3", "ls", "s3://cli-mb", check=False)
    assert gone.returncode != 0 and b"NoSuchBucket" in gone.stderr


def sync_a_tree_there_and_back(aws, tmp):
    aws("s3", "mb", "s3://cli-sync")
    tree = make_tree(tmp / "up", big=20_000_000)
    aws("s3", "sync", str(tree), "s3://cli-sync/pre fix+/")
    assert aws("s3", "sync", str(tree), "s3://cli-sync/pre fix+/").stdout == b"", "the second sync has nothing to do"
    aws("s3", "sync", "s3://cli-sync/pre fix+/", str(tmp / "down"))
    assert_same_tree(tree, tmp / "down")
    aws("s3", "rm", "--recursive", "s3://cli-sync/pre fix+/")
    assert aws("s3", "ls", "--recursive", "s3://cli-sync/").stdout == b""
    aws("s3", "rb", "s3://cli-sync")


def multipart_copy_and_presign(aws, tmp, cluster):
    aws("s3", "mb", "s3://cli-big")
    data = content(25_000_000)
    (tmp / "big").write_bytes(data)
    aws("s3", "cp", str(tmp / "big"), "s3://cli-big/big", "--metadata", "who=me,note=two words")
    head = aws.api("head-object", "--bucket", "cli-big", "--key", "big")
    assert head["ContentLength"] == len(data) and head["ETag"].endswith('-3"')
    assert head["Metadata"] == {"who": "me", "note": "two words"}
    aws("s3", "cp", "s3://cli-big/big", "s3://cli-big/copy")
    aws("s3", "cp", "s3://cli-big/copy", str(tmp / "copy"))
    assert (tmp / "copy").read_bytes() == data
    if b"aws-cli/2" in aws("--version").stdout:  # version 1 leaves metadata out of copies in parts
        assert aws.api("head-object", "--bucket", "cli-big", "--key", "copy")["Metadata"] == head["Metadata"]
    part = aws.api("get-object", "--bucket", "cli-big", "--key", "big", "--range", "bytes=9999999-10000008",
                   str(tmp / "part"))
    assert part["ContentRange"] == f"bytes 9999999-10000008/{len(data)}"
    assert (tmp / "part").read_bytes() == data[9999999:10000009]
    url = aws("s3", "presign", "s3://cli-big/big", "--expires-in", "60").stdout.decode().strip()
    got = run(["curl", "-sS", "--fail", url] + (["--cacert", str(cluster.certificate)] if cluster.tls else []),
              aws.env).stdout
    assert got == data
    aws("s3", "rb", "--force", "s3://cli-big")


def encrypts_three_ways(aws, tmp):
    aws("s3", "mb", "s3://cli-sse")
    data = content(9_000_000, 5)
    (tmp / "clear").write_bytes(data)
    (tmp / "key").write_bytes(content(32, 6))
    customer = ["--sse-c", "AES256", "--sse-c-key", f"fileb://{tmp / 'key'}"]
    for name, words, read in (("s3", ["--sse", "AES256"], []), ("kms", ["--sse", "aws:kms"], []),
                              ("customer", customer, customer)):
        aws("s3", "cp", str(tmp / "clear"), f"s3://cli-sse/{name}", *words)
        aws("s3", "cp", f"s3://cli-sse/{name}", str(tmp / name), *read)
        assert (tmp / name).read_bytes() == data
    assert aws("s3", "cp", "s3://cli-sse/customer", str(tmp / "none"), check=False).returncode != 0
    aws("s3", "cp", "s3://cli-sse/s3", "s3://cli-sse/copy", "--sse", "aws:kms")
    assert aws.api("head-object", "--bucket", "cli-sse", "--key", "copy")["ServerSideEncryption"] == "aws:kms"
    rule = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    aws.api("put-bucket-encryption", "--bucket", "cli-sse", "--server-side-encryption-configuration", json.dumps(rule))
    aws("s3", "cp", str(tmp / "clear"), "s3://cli-sse/default")
    assert aws.api("head-object", "--bucket", "cli-sse", "--key", "default")["ServerSideEncryption"] == "AES256"
    aws("s3", "rb", "--force", "s3://cli-sse")


def streams_through_pipes(aws):
    aws("s3", "mb", "s3://cli-pipe")
    data = content(9_000_000, 3)
    aws("s3", "cp", "-", "s3://cli-pipe/piped", data=data)
    assert aws("s3", "cp", "s3://cli-pipe/piped", "-").stdout == data
    aws("s3", "mv", "s3://cli-pipe/piped", "s3://cli-pipe/moved")
    assert aws("s3", "ls", "s3://cli-pipe/").stdout.split()[-1] == b"moved"
    aws("s3", "rb", "--force", "s3://cli-pipe")


def the_api_commands(aws, tmp):
    aws.api("create-bucket", "--bucket", "cli-api")
    (tmp / "body").write_bytes(b"hello")
    put = aws.api("put-object", "--bucket", "cli-api", "--key", "k", "--body", str(tmp / "body"), "--content-type",
                  "text/x-test", "--cache-control", "max-age=5", "--checksum-algorithm", "SHA256")
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert put["ChecksumSHA256"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    head = aws.api("head-object", "--bucket", "cli-api", "--key", "k", "--checksum-mode", "ENABLED")
    assert (head["ContentType"], head["CacheControl"]) == ("text/x-test", "max-age=5")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"]
    listed = aws.api("list-objects-v2", "--bucket", "cli-api")
    assert [o["Key"] for o in listed["Contents"]] == ["k"] and listed["Contents"][0]["Size"] == 5
    upload = aws.api("create-multipart-upload", "--bucket", "cli-api", "--key", "m")["UploadId"]
    part = aws.api("upload-part", "--bucket", "cli-api", "--key", "m", "--part-number", "1", "--upload-id", upload,
                   "--body", str(tmp / "body"))
    parts = aws.api("list-parts", "--bucket", "cli-api", "--key", "m", "--upload-id", upload)["Parts"]
    assert [(p["PartNumber"], p["ETag"]) for p in parts] == [(1, part["ETag"])]
    assert len(aws.api("list-multipart-uploads", "--bucket", "cli-api")["Uploads"]) == 1
    aws.api("abort-multipart-upload", "--bucket", "cli-api", "--key", "m", "--upload-id", upload)
    assert "Uploads" not in aws.api("list-multipart-uploads", "--bucket", "cli-api")
    deleted = aws.api("delete-objects", "--bucket", "cli-api", "--delete",
                      '{"Objects":[{"Key":"k"},{"Key":"never"}]}')
    assert sorted(d["Key"] for d in deleted["Deleted"]) == ["k", "never"]
    assert aws.api("get-bucket-location", "--bucket", "cli-api")["LocationConstraint"] in (None, "us-east-1")
    aws.api("delete-bucket", "--bucket", "cli-api")


def lists_many(aws, cluster):
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="cli-many")
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: s3.put_object(Bucket="cli-many", Key=f"d{i % 7}/k{i:05}", Body=b"x"), range(2100)))
    lines = aws("s3", "ls", "--recursive", "s3://cli-many").stdout.splitlines()
    assert len(lines) == 2100
    assert len(aws("s3", "ls", "s3://cli-many").stdout.splitlines()) == 7
    aws("s3", "rm", "--recursive", "--quiet", "s3://cli-many")
    aws("s3", "rb", "s3://cli-many")


def everything(aws, tmp, cluster):
    """All of the above, for a module's parametrised test."""
    make_and_remove_bucket(aws)
    sync_a_tree_there_and_back(aws, tmp)
    multipart_copy_and_presign(aws, tmp, cluster)
    streams_through_pipes(aws)
    the_api_commands(aws, tmp)
