/* SPDX-License-Identifier: Apache-2.0 */
/* verbs_kms - the keys that wrap data keys: made, listed, rotated, disabled. Never shown. */
#include "dfscore/log/log.h"
#include "s3gw/admin/call.h"
#include "s3gw/sse/keyring.h"

static json_t *no_ring(void)
{
    return s3_call_failure("refused", "this server has no key ring (setting key_ring)");
}

static json_t *result(int r, struct str name)
{
    switch (r) {
    case 0:
        return s3_call_done(NULL, NULL);
    case -EEXIST:
        return s3_call_failure("exists", "there is already a key '" STR_F "'", STR_A(name));
    case -ENOKEY:
        return s3_call_failure("missing", "there is no key '" STR_F "'", STR_A(name));
    case -EINVAL:
        return s3_call_failure("usage", "name must be 1 to %d of A-Z a-z 0-9 - _ . /",
                               S3_SSE_NAME_MAX);
    case -EROFS:
        return s3_call_failure("refused", "the key ring is from the environment (S3GW_KEY_RING)");
    case -ENOSPC:
        return s3_call_failure(
            "refused", "a ring holds %d keys of %d generations, and needs space on its disk",
            S3_KEYRING_KEYS_MAX, S3_KEYRING_GENERATIONS_MAX);
    default:
        return s3_call_failed("writing the key ring", r);
    }
}

static json_t *change(struct call *c, const char *event,
                      int (*fn)(struct s3_keyring *k, struct str name, int64_t now_ms))
{
    struct str name;
    json_t *bad = s3_call_want(c, "name", S3_SSE_NAME_MAX, &name);
    if (bad)
        return bad;
    if (!c->c->gw->keyring)
        return no_ring();
    int r = fn(c->c->gw->keyring, name, c->now_ms);
    if (r == 0)
        dfs_log(LOG_INFO, event, KV_STR("key", name));
    return result(r, name);
}

json_t *s3_verb_kms_create(struct call *c)
{
    return change(c, "admin.kms_key_created", s3_keyring_create);
}

static int rotate(struct s3_keyring *k, struct str name, int64_t now_ms)
{
    (void)now_ms;
    return s3_keyring_rotate(k, name);
}

json_t *s3_verb_kms_rotate(struct call *c)
{
    return change(c, "admin.kms_key_rotated", rotate);
}

static int disable(struct s3_keyring *k, struct str name, int64_t now_ms)
{
    (void)now_ms;
    return s3_keyring_disable(k, name, true);
}

json_t *s3_verb_kms_disable(struct call *c)
{
    return change(c, "admin.kms_key_disabled", disable);
}

static int enable(struct s3_keyring *k, struct str name, int64_t now_ms)
{
    (void)now_ms;
    return s3_keyring_disable(k, name, false);
}

json_t *s3_verb_kms_enable(struct call *c)
{
    return change(c, "admin.kms_key_enabled", enable);
}

json_t *s3_verb_kms_list(struct call *c)
{
    struct s3_key_state *keys;
    size_t n;
    if (!c->c->gw->keyring)
        return no_ring();
    int r = s3_keyring_list(c->c->gw->keyring, &c->arena, &keys, &n);
    if (r < 0)
        return s3_call_failed("listing the keys", r);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:o, s:b}", "name", s3_call_text(keys[i].name),
                            "generations", (json_int_t)keys[i].generations, "created",
                            s3_call_time(keys[i].created_ms), "disabled", (int)keys[i].disabled));
    return s3_call_done("kms_keys", list);
}
