/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/identity.h"

#include <inttypes.h>

#include "storage/disk/savefile.h"

enum { IDENTITY_TEXT_MAX = 64 * 1024 };

enum kind { NUMBER, FLAG, TEXT };

#define NUM(key, field)                                                                            \
    {                                                                                              \
        STR_INIT(key), NUMBER, offsetof(struct sto_identity, field), 0                             \
    }
#define BIT(key, field)                                                                            \
    {                                                                                              \
        STR_INIT(key), FLAG, offsetof(struct sto_identity, field), 0                               \
    }
#define TXT(key, field)                                                                            \
    {                                                                                              \
        STR_INIT(key), TEXT, offsetof(struct sto_identity, field),                                 \
            sizeof(((struct sto_identity *)0)->field)                                              \
    }

static const struct row {
    struct str key;
    enum kind kind;
    size_t at, cap;
} rows[] = {
    NUM("storage_join_time", join_time_s),
    BIT("sync_old_done", sync_negotiated),
    TXT("sync_src_server", sync_source),
    NUM("sync_until_timestamp", sync_until_s),
    TXT("last_ip_addr", ip),
    NUM("last_server_port", port),
    TXT("storage_id", id),
    BIT("data_complete", complete),
    BIT("data_whole", whole),
    BIT("group_alone", alone),
};

void sto_identity_parse(struct str text, struct sto_identity *ret)
{
    struct str line, key, value;
    bool ours = false, knows_whole = false;
    memset(ret, 0, sizeof(*ret));
    while (str_split(&text, '\n', &line)) {
        if (!str_cut(str_trim(line), '=', &key, &value))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            void *field = (char *)ret + rows[i].at;
            uint64_t n;
            if (!str_eq(key, rows[i].key))
                continue;
            ours = ours || field == &ret->complete;
            knows_whole = knows_whole || field == &ret->whole;
            if (rows[i].kind == TEXT && value.n < rows[i].cap) {
                memset(field, 0, rows[i].cap);
                memcpy(field, value.p, value.n);
            } else if (rows[i].kind == FLAG) {
                *(bool *)field = str_eq(value, STR("1"));
            } else if (rows[i].kind == NUMBER && str_u64(value, INT64_MAX, &n) == 0) {
                *(int64_t *)field = (int64_t)n;
            }
        }
    }
    /* FastDFS wrote it. One that never had to copy has everything; another looks at the others first. */
    if (!ours)
        ret->complete = ret->sync_negotiated && !ret->sync_source[0];
    if (!knows_whole) /* an earlier build */
        ret->whole = ret->complete;
}

static void print_identity(const struct sto_identity *id, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const void *field = (const char *)id + rows[i].at;
        buf_addf(out, STR_F "=", STR_A(rows[i].key));
        if (rows[i].kind == TEXT)
            buf_addf(out, "%s\n", (const char *)field);
        else if (rows[i].kind == FLAG)
            buf_addf(out, "%d\n", *(const bool *)field ? 1 : 0);
        else
            buf_addf(out, "%" PRId64 "\n", *(const int64_t *)field);
    }
}

int sto_identity_load(const char *path, struct sto_identity *ret)
{
    AUTO(buf_free) struct buf text = BUF(IDENTITY_TEXT_MAX);
    int r = sto_savefile_read(path, &text);
    if (r < 0 && r != -ENOENT)
        return r;
    sto_identity_parse(buf_str(&text), ret);
    return 0;
}

int sto_identity_save(const char *path, const struct sto_identity *id)
{
    AUTO(buf_free) struct buf text = BUF(IDENTITY_TEXT_MAX);
    print_identity(id, &text);
    if (buf_err(&text))
        return buf_err(&text);
    return sto_savefile_write(path, buf_str(&text));
}
