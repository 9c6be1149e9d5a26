// SPDX-License-Identifier: Apache-2.0
// Unmodified FastDFS clients from npm against our tracker:
// native_steps.cjs PACKAGE TRACKER-PORT FOLDER {"file id of an S3 object": "hex MD5", ...}
"use strict";
const assert = require("assert");
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");

const [name, port, folder, s3Files] = process.argv.slice(2);
const Client = require(name);
const quiet = { log() {}, info() {}, debug() {}, warn() {}, error() {} };
const client = new Client({ trackers: [{ host: "127.0.0.1", port: Number(port) }], timeout: 20000, logger: quiet });

// fdfs-client takes callbacks, fdfs gives promises
function call(method, ...args) {
    if (name === "fdfs") return client[method](...args);
    return new Promise((resolve, reject) => client[method](...args, (e, value) => (e ? reject(e) : resolve(value))));
}

function content(n) {
    const b = Buffer.alloc(n);
    for (let i = 0; i < n; i++) b[i] = (i * 7 + (i >> 8)) & 255;
    return b;
}

async function fetch(id, options) {
    const file = path.join(folder, "down-" + crypto.randomBytes(4).toString("hex"));
    const target = fs.createWriteStream(file);
    // fdfs-client says it is done when everything was given to the stream, not when the file has it
    const written = new Promise((resolve, reject) => target.on("finish", resolve).on("error", reject));
    await call("download", id, options ? { target, ...options } : target);
    target.end();
    await written;
    return fs.readFileSync(file);
}

async function main() {
    for (const size of [1, 5000, 300000, 3000000]) {
        const data = content(size);
        const id = await call("upload", data, { ext: "bin" });
        assert.match(id, /^group1\/M00\/.*\.bin$/);
        assert((await fetch(id)).equals(data), "whole file of " + size);
        if (size > 1000) assert((await fetch(id, { offset: 100, bytes: 200 })).equals(data.subarray(100, 300)));
        const info = await call("getFileInfo", id);
        assert.equal(Number(info.size), size);
        await call("setMetaData", id, { width: "7", height: "8" }, "O");
        assert.deepEqual({ ...(await call("getMetaData", id)) }, { width: "7", height: "8" });
        await call("setMetaData", id, { width: "1", depth: "9" }, "M");
        assert.deepEqual({ ...(await call("getMetaData", id)) }, { width: "1", height: "8", depth: "9" });
        await call("del", id);
        await assert.rejects(fetch(id));
    }
    for (const [id, md5] of Object.entries(JSON.parse(s3Files)))
        assert.equal(crypto.createHash("md5").update(await fetch(id)).digest("hex"), md5);
    console.log("ok");
    process.exit(0); // some of these clients keep connections open
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
