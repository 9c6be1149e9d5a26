// SPDX-License-Identifier: Apache-2.0
// What programs do with the AWS SDK for JavaScript v3, with its defaults; keys come from the environment.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
    S3Client, CreateBucketCommand, DeleteBucketCommand, PutObjectCommand, GetObjectCommand, HeadObjectCommand,
    DeleteObjectCommand, DeleteObjectsCommand, CopyObjectCommand, ListBucketsCommand, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const settings = JSON.parse(process.argv[2]);
const s3 = new S3Client({ endpoint: settings.endpoint, region: settings.region, forcePathStyle: true });
const Bucket = "awsjs";

function bytes(n) {
    const b = Buffer.alloc(n);
    for (let i = 0; i < n; i++) b[i] = (i * 31 + (i >> 8)) & 255;
    return b;
}
const read = async (out) => Buffer.from(await out.Body.transformToByteArray());

await s3.send(new CreateBucketCommand({ Bucket }));
assert((await s3.send(new ListBucketsCommand({}))).Buckets.some((b) => b.Name === Bucket));

const keys = ["plain", "sp ace", "pl+us", "per%cent", "grüße/日本語", "a//b", "/lead", "tail/", "q?u=e&r#y", "k".repeat(1024)];
for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: "body of " + Key, Metadata: { n: "1" } }));
for (const Key of keys) {
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal((await read(got)).toString(), "body of " + Key);
    assert.deepEqual(got.Metadata, { n: "1" });
}
const listed = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket }))
    listed.push(...page.Contents.map((o) => o.Key));
assert.deepEqual(listed, [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));

// a stream of unknown length in parts, and one of known length in one request
const big = bytes(11_000_000);
await new Upload({ client: s3, params: { Bucket, Key: "big", Body: Readable.from([big.subarray(0, 999_999), big.subarray(999_999)]) } }).done();
const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "big" }));
assert.equal(head.ContentLength, big.length);
assert.match(head.ETag, /-3"$/);
assert((await read(await s3.send(new GetObjectCommand({ Bucket, Key: "big" })))).equals(big));
await s3.send(new PutObjectCommand({ Bucket, Key: "streamed", Body: Readable.from([big.subarray(0, 500_000)]), ContentLength: 500_000 }));
const range = await s3.send(new GetObjectCommand({ Bucket, Key: "streamed", Range: "bytes=499990-" }));
assert((await read(range)).equals(big.subarray(499_990, 500_000)));
await s3.send(new PutObjectCommand({ Bucket, Key: "empty", Body: "" }));
assert.equal((await read(await s3.send(new GetObjectCommand({ Bucket, Key: "empty" })))).length, 0);

await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/${encodeURIComponent("grüße/日本語")}` }));
assert.equal((await read(await s3.send(new GetObjectCommand({ Bucket, Key: "copy" })))).toString(), "body of grüße/日本語");

// by default this SDK signs the checksum of no body into the URL; that does not judge the body. One that was given does
const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 60 });
assert.equal((await fetch(put, { method: "PUT", body: "signed" })).status, 200);
const crc = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "by url", ChecksumCRC32: "HrvYww==" }), { expiresIn: 60 });
const sha = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "by url", ChecksumAlgorithm: "SHA256", ChecksumSHA256: createHash("sha256").update("signed").digest("base64") }), { expiresIn: 60 });
for (const url of [crc, sha]) {
    assert.equal((await fetch(url, { method: "PUT", body: "signeD" })).status, 400);
    assert.equal((await fetch(url, { method: "PUT", body: "signed" })).status, 200);
}
assert.ok((await s3.send(new HeadObjectCommand({ Bucket, Key: "by url", ChecksumMode: "ENABLED" }))).ChecksumSHA256);
const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 60 });
assert.equal(await (await fetch(get)).text(), "signed");

await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: "missing" })), { name: "NoSuchKey" });
await assert.rejects(s3.send(new PutObjectCommand({ Bucket, Key: "plain", Body: "x", IfNoneMatch: "*" })), { name: "PreconditionFailed" });
await assert.rejects(s3.send(new DeleteBucketCommand({ Bucket })), { name: "BucketNotEmpty" });

const all = [...keys, "big", "streamed", "empty", "copy", "by url"];
const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: all.map((Key) => ({ Key })) } }));
assert.equal(gone.Errors, undefined);
await s3.send(new DeleteObjectCommand({ Bucket, Key: "never was" }));
await s3.send(new DeleteBucketCommand({ Bucket }));
console.log("ok");
