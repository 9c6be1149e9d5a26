/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/keyring.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/dirs.h"

enum { KEY_BYTES = 32, GENERATION_BYTES = 4 };

struct key {
    char name[S3_SSE_NAME_MAX + 1];
    int64_t created_ms;
    bool disabled;
    size_t n;                    /* generations, >= 1 */
    uint8_t (*bytes)[KEY_BYTES]; /* heap */
};

struct s3_keyring {
    struct s3_kms kms; /* first: a kms of ours is a ring */
    unsigned magic;
#define KEYRING_MAGIC 0x4b52494eu
    char *path; /* NULL: from the environment */
    pthread_rwlock_t lock;
    struct key *keys; /* under lock; so below */
    size_t n;
};

/* ---- keys in memory ---- */

static struct key *find(const struct s3_keyring *k, struct str name)
{
    for (size_t i = 0; i < k->n; i++)
        if (str_eq(str_c(k->keys[i].name), name))
            return &k->keys[i];
    return NULL;
}

static int add_generation(struct key *key, const uint8_t bytes[KEY_BYTES])
{
    if (key->n == S3_KEYRING_GENERATIONS_MAX)
        return -ENOSPC;
    uint8_t(*grown)[KEY_BYTES] = dfs_alloc((key->n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    if (key->n > 0) {
        memcpy(grown, key->bytes, key->n * sizeof(*grown));
        explicit_bzero(key->bytes, key->n * sizeof(*grown));
    }
    memcpy(grown[key->n++], bytes, KEY_BYTES);
    free(key->bytes);
    key->bytes = grown;
    return 0;
}

/* The newest one goes again: it could not be written down. */
static void drop_generation(struct key *key)
{
    explicit_bzero(key->bytes[--key->n], KEY_BYTES);
}

/* Without a generation yet. */
static int add_key(struct s3_keyring *k, struct str name, int64_t now_ms, struct key **ret)
{
    if (!s3_key_name_ok(name))
        return -EINVAL;
    if (find(k, name))
        return -EEXIST;
    if (k->n == S3_KEYRING_KEYS_MAX)
        return -ENOSPC;
    struct key *grown = dfs_realloc(k->keys, (k->n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    k->keys = grown;
    struct key *key = &grown[k->n++];
    *key = (struct key){.created_ms = now_ms};
    memcpy(key->name, name.p, name.n);
    *ret = key;
    return 0;
}

static void drop_key(struct s3_keyring *k)
{
    struct key *key = &k->keys[--k->n];
    if (key->bytes)
        explicit_bzero(key->bytes, key->n * KEY_BYTES);
    free(key->bytes);
}

static int new_generation(struct key *key)
{
    uint8_t bytes[KEY_BYTES];
    int r = getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes) ? add_generation(key, bytes) : -EIO;
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

static int new_key(struct s3_keyring *k, struct str name, int64_t now_ms)
{
    struct key *key;
    int r = add_key(k, name, now_ms, &key);
    if (r < 0)
        return r;
    r = new_generation(key);
    if (r < 0)
        drop_key(k);
    return r;
}

static int add_base64(struct key *key, struct str text)
{
    uint8_t bytes[KEY_BYTES];
    size_t n;
    int r = str_unbase64(text, bytes, sizeof(bytes), &n);
    r = r == 0 && n == sizeof(bytes) ? add_generation(key, bytes) : -EBADMSG;
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

/* ---- as a key management service ---- */

/* A change under way is being written to disk; who may not wait for that comes again. */
static int lock_shared(struct s3_keyring *k, bool wait)
{
    CHECK_OBJ(k, KEYRING_MAGIC);
    if (wait)
        pthread_rwlock_rdlock(&k->lock);
    else if (pthread_rwlock_tryrdlock(&k->lock) != 0)
        return -EAGAIN;
    return 0;
}

static int wrap(struct s3_kms *kms, struct str name, struct str aad,
                const uint8_t dek[S3_DEK_BYTES], bool wait, struct buf *wrapped)
{
    struct s3_keyring *k = (struct s3_keyring *)kms;
    uint8_t bytes[S3_WRAPPED_BYTES];
    int r = lock_shared(k, wait);
    if (r < 0)
        return r;
    const struct key *key = find(k, name);
    r = !key ? -ENOKEY : key->disabled ? -EKEYREVOKED : 0;
    if (r == 0)
        r = s3_key_wrap(key->bytes[key->n - 1], aad, dek, bytes);
    if (r == 0)
        buf_u32(wrapped, (uint32_t)key->n);
    pthread_rwlock_unlock(&k->lock);
    if (r == 0)
        buf_add(wrapped, bytes, sizeof(bytes));
    return r < 0 ? r : buf_err(wrapped);
}

static int unwrap(struct s3_kms *kms, struct str name, struct str aad, struct str wrapped,
                  bool wait, uint8_t dek[S3_DEK_BYTES])
{
    struct s3_keyring *k = (struct s3_keyring *)kms;
    struct rd in = rd_of(wrapped);
    uint32_t generation = rd_u32(&in);
    if (in.bad || generation == 0)
        return -EBADMSG;
    int r = lock_shared(k, wait);
    if (r < 0)
        return r;
    const struct key *key = find(k, name);
    r = !key || generation > key->n ? -ENOKEY : key->disabled ? -EKEYREVOKED : 0;
    if (r == 0)
        r = s3_key_unwrap(key->bytes[generation - 1], aad, str_from(wrapped, GENERATION_BYTES),
                          dek);
    pthread_rwlock_unlock(&k->lock);
    return r;
}

struct s3_kms *s3_keyring_kms(struct s3_keyring *k)
{
    return &k->kms;
}

/* ---- life ---- */

static int make(const char *path, struct s3_keyring **ret)
{
    AUTO(s3_keyring_free) struct s3_keyring *k = dfs_zalloc(sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->magic = KEYRING_MAGIC;
    k->kms = (struct s3_kms){.wrap = wrap, .unwrap = unwrap};
    pthread_rwlock_init(&k->lock, NULL);
    if (path && !(k->path = str_dup(str_c(path))))
        return -ENOMEM;
    *ret = TAKE(k);
    return 0;
}

void s3_keyring_free(struct s3_keyring **kp)
{
    struct s3_keyring *k = TAKE(*kp);
    if (!k)
        return;
    CHECK_OBJ(k, KEYRING_MAGIC);
    while (k->n > 0)
        drop_key(k);
    free(k->keys);
    free(k->path);
    pthread_rwlock_destroy(&k->lock);
    free(k);
}

static int has_both(const struct s3_keyring *k)
{
    return find(k, STR(S3_KEY_OF_SSE_S3)) && find(k, STR(S3_KEY_OF_KMS)) ? 0 : -ENOKEY;
}

int s3_keyring_parse(struct str text, struct s3_keyring **ret)
{
    AUTO(s3_keyring_free) struct s3_keyring *k = NULL;
    struct str item, name, list, one;
    int r = make(NULL, &k);
    while (r == 0 && str_split(&text, ' ', &item)) {
        struct key *key;
        if (item.n == 0)
            continue;
        if (!str_cut(item, '=', &name, &list))
            return -EINVAL;
        r = add_key(k, name, 0, &key);
        while (r == 0 && str_split(&list, ',', &one))
            r = add_base64(key, one);
    }
    if (r == -EBADMSG || r == -EEXIST)
        r = -EINVAL;
    if (r == 0)
        r = has_both(k);
    if (r == 0)
        *ret = TAKE(k);
    return r;
}

/* ---- the file ---- */

static json_t *key_to_json(const struct key *key)
{
    json_t *list = json_array();
    for (size_t i = 0; i < key->n; i++) {
        char text[4 * (KEY_BYTES / 3 + 1)];
        size_t n = str_base64(key->bytes[i], KEY_BYTES, text);
        json_array_append_new(list, json_stringn(text, n));
        explicit_bzero(text, sizeof(text));
    }
    return json_pack("{s:s, s:I, s:b, s:o}", "name", key->name, "created_ms",
                     (json_int_t)key->created_ms, "disabled", (int)key->disabled, "generations",
                     list);
}

static int write_text(const char *path, struct str text)
{
    AUTO(dfs_close_fd)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    while (text.n > 0) {
        ssize_t w = write(fd, text.p, text.n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return w < 0 ? -errno : -EIO;
        text = str_from(text, (size_t)w);
    }
    return fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int replace_file(const char *path, struct str text)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
        return -ENAMETOOLONG;
    int r = write_text(temporary, text);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary); /* the reason is what the caller hears of */
    return r < 0 ? r : dfs_sync_folder_of(path);
}

/* Under the lock, or before anybody else knows the ring. */
static int save(const struct s3_keyring *k)
{
    if (!k->path)
        return -EROFS;
    json_t *keys = json_array();
    for (size_t i = 0; i < k->n; i++)
        json_array_append_new(keys, key_to_json(&k->keys[i]));
    json_t *root = json_pack("{s:i, s:o}", "version", 1, "keys", keys);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    int r = text ? replace_file(k->path, str_c(text)) : -ENOMEM;
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return r;
}

static struct str text_of(const json_t *j)
{
    return json_is_string(j) ? str_of(json_string_value(j), json_string_length(j)) : STR_NULL;
}

static int key_from_json(struct s3_keyring *k, const json_t *j)
{
    const json_t *list = json_object_get(j, "generations"),
                 *created = json_object_get(j, "created_ms");
    struct key *key;
    if (!json_is_array(list) || json_array_size(list) == 0 || !json_is_integer(created))
        return -EBADMSG;
    int r = add_key(k, text_of(json_object_get(j, "name")), json_integer_value(created), &key);
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = add_base64(key, text_of(json_array_get(list, i)));
    if (r == 0)
        key->disabled = json_is_true(json_object_get(j, "disabled"));
    return r == -ENOMEM ? r : r < 0 ? -EBADMSG : 0;
}

static int ring_from_json(struct s3_keyring *k, const json_t *root)
{
    const json_t *keys = json_object_get(root, "keys");
    if (json_integer_value(json_object_get(root, "version")) != 1 || !json_is_array(keys))
        return -EBADMSG;
    int r = 0;
    for (size_t i = 0; r == 0 && i < json_array_size(keys); i++)
        r = key_from_json(k, json_array_get(keys, i));
    return r == 0 ? has_both(k) : r;
}

static int read_fd(int fd, struct buf *text)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_mode & 077)
        return -EPERM;
    for (;;) {
        char *room = buf_room(text, 65536);
        ssize_t n = room ? read(fd, room, 65536) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : buf_err(text);
        buf_used(text, (size_t)n);
    }
}

static int load(struct s3_keyring *k, int fd)
{
    struct buf text = BUF(S3_KEYRING_FILE_MAX);
    int r = read_fd(fd, &text);
    if (r == 0) {
        json_t *root = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);
        r = root ? ring_from_json(k, root) : -EBADMSG;
        json_decref(root);
    }
    if (text.p)
        explicit_bzero(text.p, text.n);
    buf_free(&text);
    return r == -ENOKEY ? -EBADMSG : r;
}

int s3_keyring_open(const char *path, struct s3_keyring **ret)
{
    AUTO(s3_keyring_free) struct s3_keyring *k = NULL;
    AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return -errno;
    int r = make(path, &k);
    if (r == 0 && fd >= 0)
        r = load(k, fd);
    if (r == 0 && fd < 0) {
        r = new_key(k, STR(S3_KEY_OF_SSE_S3), dfs_now_ms());
        if (r == 0)
            r = new_key(k, STR(S3_KEY_OF_KMS), dfs_now_ms());
        if (r == 0)
            r = save(k);
    }
    if (r == 0)
        *ret = TAKE(k);
    return r;
}

/* ---- changes ---- */

int s3_keyring_create(struct s3_keyring *k, struct str name, int64_t now_ms)
{
    CHECK_OBJ(k, KEYRING_MAGIC);
    pthread_rwlock_wrlock(&k->lock);
    int r = k->path ? new_key(k, name, now_ms) : -EROFS;
    if (r == 0) {
        r = save(k);
        if (r < 0)
            drop_key(k);
    }
    pthread_rwlock_unlock(&k->lock);
    return r;
}

int s3_keyring_rotate(struct s3_keyring *k, struct str name)
{
    CHECK_OBJ(k, KEYRING_MAGIC);
    pthread_rwlock_wrlock(&k->lock);
    struct key *key = find(k, name);
    int r = !k->path ? -EROFS : key ? new_generation(key) : -ENOKEY;
    if (r == 0) {
        r = save(k);
        if (r < 0)
            drop_generation(key);
    }
    pthread_rwlock_unlock(&k->lock);
    return r;
}

int s3_keyring_disable(struct s3_keyring *k, struct str name, bool disable)
{
    CHECK_OBJ(k, KEYRING_MAGIC);
    pthread_rwlock_wrlock(&k->lock);
    struct key *key = find(k, name);
    int r = !k->path ? -EROFS : key ? 0 : -ENOKEY;
    if (r == 0) {
        bool before = key->disabled;
        key->disabled = disable;
        r = save(k);
        if (r < 0)
            key->disabled = before;
    }
    pthread_rwlock_unlock(&k->lock);
    return r;
}

int s3_keyring_list(struct s3_keyring *k, struct arena *a, struct s3_key_state **ret, size_t *ret_n)
{
    CHECK_OBJ(k, KEYRING_MAGIC);
    pthread_rwlock_rdlock(&k->lock);
    size_t n = k->n;
    struct s3_key_state *states = arena_alloc(a, MAX(n, (size_t)1) * sizeof(*states));
    int r = states ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct key *key = &k->keys[i];
        states[i] = (struct s3_key_state){.name = arena_str(a, str_c(key->name)),
                                          .created_ms = key->created_ms,
                                          .generations = key->n,
                                          .disabled = key->disabled};
        r = states[i].name.p ? 0 : -ENOMEM;
    }
    pthread_rwlock_unlock(&k->lock);
    if (r == 0) {
        *ret = states;
        *ret_n = n;
    }
    return r;
}
