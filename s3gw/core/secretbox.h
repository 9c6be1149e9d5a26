/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secretbox - secrets of access keys where others can read: the logs of storages. AES-256-GCM; the name
 * the secret belongs to is authenticated with it.
 *
 *   sealed: u8 version (1), 12 bytes nonce (random), 16 bytes tag, then as many bytes as the secret
 *
 * Threads: any.
 */
#ifndef S3_SECRETBOX_H
#define S3_SECRETBOX_H

#include "dfscore/base/buf.h"

enum { S3_SECRETBOX_KEY_LEN = 32 };

/* 0, -ENOMEM, -EIO (no randomness). */
int s3_secretbox_seal(const uint8_t key[S3_SECRETBOX_KEY_LEN], struct str name, struct str secret,
                      struct buf *out) MUST_CHECK;
/* 0; -EBADMSG: sealed with another key, for another name, or changed. */
int s3_secretbox_open(const uint8_t key[S3_SECRETBOX_KEY_LEN], struct str name, struct str sealed,
                      struct buf *out) MUST_CHECK;

/* The key in file @path: 64 hex digits; a new one, mode 0600, synced, when there is none.
 * 0; 1: it is new; negative errno. */
int s3_secretbox_key_load(const char *path, uint8_t (*key)[S3_SECRETBOX_KEY_LEN]) MUST_CHECK;

#endif
