/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyring - keys that wrap data keys, kept on this machine: in a file of mode 0600, or in the
 * environment. A key has a name and generations: the newest one wraps, all unwrap.
 *
 *   file: JSON {"version": 1, "keys": [{"name": "sse-s3", "created_ms": 1767322800000,
 *         "disabled": false, "generations": ["<base64 of 32 bytes>", ...]}, ...]}, oldest
 *         generation first. Replaced whole: temporary file, sync, rename, sync of the folder.
 *   environment: name=base64[,base64...] [name=...], separated by blanks; cannot be changed while
 *         running
 *   wrapped: u32 generation from 1 (big endian), then 64 bytes as section.h says
 *
 * Without its file nothing that was encrypted with its keys can be read again: back it up, apart
 * from the data.
 *
 * Threads: any. One read-write lock, a leaf; changes write the file under it.
 */
#ifndef S3_SSE_KEYRING_H
#define S3_SSE_KEYRING_H

#include "dfscore/base/arena.h"
#include "s3gw/sse/kms.h"

struct s3_keyring;

enum {
    S3_KEYRING_KEYS_MAX = 1000,
    S3_KEYRING_GENERATIONS_MAX = 1000,
    S3_KEYRING_FILE_MAX = 16 << 20
};

/*
 * The ring in @path, made with the two keys of kms.h when there is no such file. 0; -EPERM: others than its
 * owner may read or write it; -EBADMSG: not a key ring; negative errno.
 */
int s3_keyring_open(const char *path, struct s3_keyring **ret) MUST_CHECK;
/* From the text of an environment variable; a key that is there from the start must be in it.
 * -EINVAL: not shaped like that; -ENOKEY: one of the two is missing. */
int s3_keyring_parse(struct str text, struct s3_keyring **ret) MUST_CHECK;
void s3_keyring_free(struct s3_keyring **k); /* wipes the keys */

struct s3_kms *s3_keyring_kms(struct s3_keyring *k); /* lives as long as @k */

/* Changes; durable when 0. -EROFS: the ring is from the environment. -EINVAL: not a name. */
int s3_keyring_create(struct s3_keyring *k, struct str name,
                      int64_t now_ms) MUST_CHECK;                        /* -EEXIST, -ENOSPC */
int s3_keyring_rotate(struct s3_keyring *k, struct str name) MUST_CHECK; /* -ENOKEY, -ENOSPC */
int s3_keyring_disable(struct s3_keyring *k, struct str name,
                       bool disable) MUST_CHECK; /* -ENOKEY */

struct s3_key_state {
    struct str name;
    int64_t created_ms;
    size_t generations;
    bool disabled;
};
/* All keys in order of creation; arena. */
int s3_keyring_list(struct s3_keyring *k, struct arena *a, struct s3_key_state **ret,
                    size_t *ret_n) MUST_CHECK;

#endif
