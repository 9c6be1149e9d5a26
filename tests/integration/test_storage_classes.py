# SPDX-License-Identifier: Apache-2.0
"""Storage classes: which names are taken, where they are reported, and that data lie in the class's group."""
import subprocess

import pytest
from cluster import BUILD, plain_files_below, wait_until
from ledger import payload
from test_objects import error
from twogroups import TwoGroups

MIB = 1 << 20


@pytest.fixture(scope="module")
def groups():
    c = TwoGroups("storage_class = WARM\nstorage_class = COLD=group2\nstorage_class = GLACIER=group2\n"
                  "lifecycle_seconds_per_day = 1\nreclaim_grace = 0s\n")
    try:
        c.start()
        yield c
        assert c.stop() == 0, c.tail()
    finally:
        c.remove()


@pytest.mark.parametrize("name", ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA",
                                  "INTELLIGENT_TIERING", "GLACIER_IR"])
def test_usual_names_are_taken_and_reported(s3, bucket, name):
    shown = None if name == "STANDARD" else name
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", StorageClass=name)
    assert s3.head_object(Bucket=bucket, Key="k").get("StorageClass") == shown
    assert s3.get_object(Bucket=bucket, Key="k").get("StorageClass") == shown
    assert [o["StorageClass"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == [name]
    assert [o["StorageClass"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [name]
    assert [v["StorageClass"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]] == [name]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")  # STANDARD unless it says otherwise
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="copy")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", StorageClass=name)["UploadId"]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["StorageClass"] == name
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    assert s3.list_parts(Bucket=bucket, Key="m", UploadId=upload)["StorageClass"] == name
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert s3.head_object(Bucket=bucket, Key="m").get("StorageClass") == shown


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE", "OUTPOSTS"])
def test_names_nobody_offers_are_refused(s3, bucket, name):
    refused = ("InvalidStorageClass", 400)
    s3.put_object(Bucket=bucket, Key="src", Body=b"1")
    assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"1", StorageClass=name) == refused
    assert error(s3.create_multipart_upload, Bucket=bucket, Key="k", StorageClass=name) == refused
    assert error(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/src", StorageClass=name) == refused


def group_of(s3, bucket, key):
    """The group whose file the whole object is."""
    head = s3.head_object(Bucket=bucket, Key=key)
    return head["ResponseMetadata"]["HTTPHeaders"]["x-dfs-file-id"].split("/")[0]


@pytest.mark.parametrize("size", [1, 200_000, 3_000_000])
def test_a_class_places_data_in_its_group(groups, size):
    s3, name = groups.boto3(), f"size-{size}"
    body = payload("c", 1, size)
    s3.create_bucket(Bucket=name)
    for key, cls, group in (("s", "STANDARD", "group1"), ("w", "WARM", "group1"), ("c", "COLD", "group2")):
        s3.put_object(Bucket=name, Key=key, Body=body, StorageClass=cls)
        assert group_of(s3, name, key) == group
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == body
    head = s3.head_object(Bucket=name, Key="s")
    for src, cls, group in (("s", "COLD", "group2"), ("c", "STANDARD", "group1"), ("c", "GLACIER", "group2")):
        s3.copy_object(Bucket=name, Key="to", CopySource=f"{name}/{src}", StorageClass=cls)
        assert group_of(s3, name, "to") == group
        to = s3.get_object(Bucket=name, Key="to")
        assert to["Body"].read() == body and to["ETag"] == head["ETag"] and to.get("StorageClass", "STANDARD") == cls
    assert error(s3.put_object, Bucket=name, Key="k", Body=b"1", StorageClass="STANDARD_IA") == \
        ("InvalidStorageClass", 400)


def test_parts_and_copied_parts_follow_the_upload(groups):
    s3, name = groups.boto3(), "parts"
    s3.create_bucket(Bucket=name)
    first, second = payload("p", 1, 5 * MIB), payload("p", 2, MIB)
    s3.put_object(Bucket=name, Key="src", Body=second)
    upload = s3.create_multipart_upload(Bucket=name, Key="m", StorageClass="COLD")["UploadId"]
    before = files(groups)
    a = s3.upload_part(Bucket=name, Key="m", UploadId=upload, PartNumber=1, Body=first)["ETag"]
    b = s3.upload_part_copy(Bucket=name, Key="m", UploadId=upload, PartNumber=2,
                            CopySource=f"{name}/src")["CopyPartResult"]["ETag"]
    assert new_bytes(groups, before) >= 6 * MIB
    s3.complete_multipart_upload(Bucket=name, Key="m", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": a}, {"PartNumber": 2, "ETag": b}]})
    got = s3.get_object(Bucket=name, Key="m")
    assert got["Body"].read() == first + second and got["StorageClass"] == "COLD"
    s3.copy_object(Bucket=name, Key="back", CopySource=f"{name}/m")
    back = s3.get_object(Bucket=name, Key="back")
    assert back["Body"].read() == first + second and back["ETag"] == got["ETag"] and "StorageClass" not in back
    assert s3.head_object(Bucket=name, Key="back", PartNumber=2)["ContentLength"] == MIB


def files(groups):
    """The second group's plain files: size by path; what was deleted a while ago may go at any time."""
    return plain_files_below(groups.folder / "second" / "data")


def new_bytes(groups, before):
    return sum(n for path, n in files(groups).items() if path not in before)


def test_everything_is_there_after_a_rebuild(groups):
    s3, name = groups.boto3(), "rebuilt"
    s3.create_bucket(Bucket=name)
    body = payload("r", 1, 300_000)
    s3.put_object(Bucket=name, Key="put", Body=body, StorageClass="COLD")
    s3.copy_object(Bucket=name, Key="moved", CopySource=f"{name}/put", StorageClass="WARM")
    s3.copy_object(Bucket=name, Key="small", CopySource=f"{name}/put", StorageClass="GLACIER")
    groups.stop()
    groups.args.append("--rebuild-index")
    groups.start()
    groups.args.remove("--rebuild-index")
    s3 = groups.boto3()
    assert {o["Key"]: o["StorageClass"] for o in s3.list_objects_v2(Bucket=name)["Contents"]} == \
        {"put": "COLD", "moved": "WARM", "small": "GLACIER"}
    for key in ("put", "moved", "small"):
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == body


def test_lifecycle_moves_data_between_groups(groups):
    s3, name = groups.boto3(), "moving"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    bodies = {f"k{size}": payload(f"k{size}", 1, size) for size in (1, 200_000, 3_000_000)}
    for key, body in bodies.items():
        s3.put_object(Bucket=name, Key=key, Body=b"old " + body)
        s3.put_object(Bucket=name, Key=key, Body=body, Metadata={"a": "b"}, Tagging="t=1")
    first, second = payload("m", 1, 5 * MIB), payload("m", 2, MIB)
    upload = s3.create_multipart_upload(Bucket=name, Key="multi")["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=name, Key="multi", UploadId=upload, PartNumber=n,
                                                      Body=body)["ETag"]} for n, body in ((1, first), (2, second))]
    s3.complete_multipart_upload(Bucket=name, Key="multi", UploadId=upload, MultipartUpload={"Parts": parts})
    bodies["multi"] = first + second
    s3.put_object(Bucket=name, Key="empty", Body=b"")
    bodies["empty"] = b""

    def heads():
        return {k: s3.head_object(Bucket=name, Key=k, ChecksumMode="ENABLED") for k in bodies}
    before, held = heads(), files(groups)
    deleted = groups.admin("status")["reclaim"]["deleted"]
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [
        {"ID": "t", "Status": "Enabled", "Filter": {"ObjectSizeLessThan": 1 << 40},
         "Transitions": [{"Days": 0, "StorageClass": "COLD"}],
         "NoncurrentVersionTransitions": [{"NoncurrentDays": 0, "StorageClass": "GLACIER"}]}]})

    def classes():
        return {(v["Key"], v["IsLatest"]): v["StorageClass"] for v in s3.list_object_versions(Bucket=name)["Versions"]}
    wait_until("all to move", lambda: all(c == ("COLD" if latest else "GLACIER") for (_, latest), c in classes().items()))
    assert new_bytes(groups, held) >= sum(map(len, bodies.values())) - 400_000  # what is small lies in packs
    keep = ("LastModified", "ETag", "VersionId", "Metadata", "ContentLength")
    for key, head in heads().items():
        assert {k: head[k] for k in keep} == {k: before[key][k] for k in keep} and head["StorageClass"] == "COLD"
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == bodies[key]
    for v in s3.list_object_versions(Bucket=name)["Versions"]:
        if not v["IsLatest"]:
            got = s3.get_object(Bucket=name, Key=v["Key"], VersionId=v["VersionId"])
            assert got["Body"].read() == b"old " + bodies[v["Key"]]
    assert s3.head_object(Bucket=name, Key="multi", PartNumber=2)["ContentLength"] == MIB
    wait_until("the files they left to go", lambda: groups.admin("status")["reclaim"]["deleted"] >= deleted + 8)
    groups.stop()
    groups.args.append("--rebuild-index")
    groups.start()
    groups.args.remove("--rebuild-index")
    s3 = groups.boto3()
    for key, body in bodies.items():
        got = s3.get_object(Bucket=name, Key=key)
        assert got["Body"].read() == body and got["StorageClass"] == "COLD" and got["ETag"] == before[key]["ETag"]


def test_a_group_that_is_away_delays_moves_only(groups):
    s3, name = groups.boto3(), "delayed"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    s3.put_object(Bucket=name, Key="tmp/k", Body=b"1")
    groups.second.kill()
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [
        {"ID": "t", "Status": "Enabled", "Filter": {"ObjectSizeGreaterThan": 0}, "Transitions": [{"Days": 0, "StorageClass": "COLD"}]},
        {"ID": "e", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]})
    wait_until("the expiration", lambda: [o["Key"] for o in s3.list_objects_v2(Bucket=name)["Contents"]] == ["k"])
    wait_until("a move that fails", lambda: groups.admin("lifecycle")["lifecycle"].get("last_pass", {}).get("done", {}).get("failed_moves"))
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"1"
    groups.second.start().wait_ready()
    wait_until("the move", lambda: s3.head_object(Bucket=name, Key="k").get("StorageClass") == "COLD")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"1"


@pytest.mark.parametrize("row", ["STANDARD=group2", "cold", "COLD=", "=group2", "A=g\nstorage_class = A=h"])
def test_rows_that_mean_nothing_are_refused_at_start(tmp_path, row):
    conf = tmp_path / "s3gw.conf"
    conf.write_text(f"storage_class = {row}\n")
    done = subprocess.run([str(BUILD / "s3gw"), "standalone", "--data", str(tmp_path / "data"), "--config", str(conf)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "storage_class = " in done.stderr


def test_encrypted_objects_move_between_groups_as_they_are(groups):
    s3, name = groups.boto3(), "sealed-moves"
    s3.create_bucket(Bucket=name)
    bodies = {"small": payload("s", 1, 1000), "large": payload("l", 1, 1_000_000)}
    for key, body in bodies.items():
        s3.put_object(Bucket=name, Key=key, Body=body, ServerSideEncryption="AES256")
    upload = s3.create_multipart_upload(Bucket=name, Key="multi", ServerSideEncryption="AES256")["UploadId"]
    pieces = [payload("m", n, size) for n, size in ((1, 5 * MIB + 3), (2, 5 * MIB), (3, 77))]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=name, Key="multi", UploadId=upload, PartNumber=n,
                                                      Body=piece)["ETag"]} for n, piece in enumerate(pieces, 1)]
    s3.complete_multipart_upload(Bucket=name, Key="multi", UploadId=upload, MultipartUpload={"Parts": parts})
    bodies["multi"] = b"".join(pieces)
    before = {k: s3.head_object(Bucket=name, Key=k)["ETag"] for k in bodies}
    for key in list(bodies):  # by a copy under the same key ...
        s3.copy_object(Bucket=name, Key="copy-" + key, CopySource=f"{name}/{key}", StorageClass="COLD",
                       ServerSideEncryption="AES256")
        s3.copy_object(Bucket=name, Key="clear-" + key, CopySource=f"{name}/{key}", StorageClass="COLD")
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [
        {"ID": "t", "Status": "Enabled", "Filter": {"ObjectSizeLessThan": 1 << 40},
         "Transitions": [{"Days": 0, "StorageClass": "COLD"}]}]})
    wait_until("all to move", lambda: all(o["StorageClass"] == "COLD"  # ... and by a rule
                                          for o in s3.list_objects_v2(Bucket=name)["Contents"]))

    def check():
        client = groups.boto3()
        for key, body in bodies.items():
            for prefix in ("", "copy-", "clear-"):
                got = client.get_object(Bucket=name, Key=prefix + key)
                assert got["Body"].read() == body
                assert got.get("ServerSideEncryption") == (None if prefix == "clear-" else "AES256")
                assert prefix == "clear-" or got["ETag"] == before[key]
        part = client.get_object(Bucket=name, Key="multi", Range=f"bytes={5 * MIB}-{10 * MIB + 10}")
        assert part["Body"].read() == bodies["multi"][5 * MIB:10 * MIB + 11]
    check()
    groups.stop()
    groups.args.append("--rebuild-index")
    groups.start()
    groups.args.remove("--rebuild-index")
    check()
