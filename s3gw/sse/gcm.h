/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gcm - AES-256-GCM of whole messages, by one of two libraries that do the same: OpenSSL, always
 * there; and Intel's Multi-Buffer Crypto (ipsec-mb), where it was there to build with, on processors
 * with VAES: OpenSSL uses that from 3.1 on, and is a third as fast without.
 *
 * Rule:    NIST SP 800-38D; OpenSSL's CHANGES, 3.1.0.
 * Threads: a struct s3_gcm belongs to one at a time; the rest: any.
 */
#ifndef S3_GCM_H
#define S3_GCM_H

#include "dfscore/base/str.h"

enum { S3_GCM_KEY = 32, S3_GCM_NONCE = 12, S3_GCM_TAG = 16 };

/* One of the libraries, a row of the table in gcm.c. */
struct s3_gcm_by;

/* The one that everything is done by: the fastest here. */
const struct s3_gcm_by *s3_gcm_best(void);
/* Those that work here, @n from 0; NULL: no more. For tests. */
const struct s3_gcm_by *s3_gcm_each(size_t n);
const char *s3_gcm_name(const struct s3_gcm_by *by);

/* Room for a key, ready to use. Zeroed, fini does nothing. */
struct s3_gcm {
    const struct s3_gcm_by *by;
    void *state; /* the library's */
    bool seals;  /* what the key in it is for */
};

int s3_gcm_init(struct s3_gcm *g, const struct s3_gcm_by *by) MUST_CHECK; /* 0, -ENOMEM */
void s3_gcm_fini(struct s3_gcm *g);                                       /* wipes the key */
/* This thread's, by the best, for what is done in one go; goes with the thread. NULL: no memory. */
struct s3_gcm *s3_gcm_of_thread(void);
/* A key for messages that are sealed, or that are opened. 0; -ENOMEM, and when @g is NULL. */
int s3_gcm_key(struct s3_gcm *g, const uint8_t key[S3_GCM_KEY], bool seals) MUST_CHECK;

struct s3_gcm_message {
    const uint8_t *nonce; /* S3_GCM_NONCE bytes */
    struct str aad;
    struct str in; /* at most 2^30 bytes */
    uint8_t *out;  /* as many; may be where @in is, else they do not overlap */
};

/* 0, -ENOMEM. */
int s3_gcm_seal(struct s3_gcm *g, const struct s3_gcm_message *m,
                uint8_t tag[S3_GCM_TAG]) MUST_CHECK;
/* 0; -EBADMSG: not what was sealed under that key, nonce and aad, and @out holds zeros; -ENOMEM. */
int s3_gcm_open(struct s3_gcm *g, const struct s3_gcm_message *m,
                const uint8_t tag[S3_GCM_TAG]) MUST_CHECK;

#endif
