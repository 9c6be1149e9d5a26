/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/params.h"

enum kind { FLAG, NUMBER, WIDTH, PATH_MODE, RESERVED };

#define ROW(key, kind, field)                                                                      \
    {                                                                                              \
        STR_INIT(key), kind, offsetof(struct sto_params, field)                                    \
    }

static const struct row {
    struct str key;
    enum kind kind;
    size_t at;
} rows[] = {
    ROW("use_storage_id", FLAG, use_storage_id),
    ROW("response_ip_addr_size", WIDTH, wide_addresses),
    ROW("storage_sync_file_max_delay", NUMBER, sync_max_delay_s),
    ROW("check_active_interval", NUMBER, check_active_s),
    ROW("store_path", PATH_MODE, path_most_free),
    ROW("reserved_storage_space", RESERVED, reserved_mb),
    ROW("use_trunk_file", FLAG, use_trunk),
    ROW("slot_min_size", NUMBER, slot_min),
    ROW("slot_max_size", NUMBER, slot_max),
    ROW("trunk_alloc_alignment_size", NUMBER, slot_align),
    ROW("trunk_file_size", NUMBER, trunk_size),
    ROW("store_slave_file_use_link", FLAG, slave_by_link),
};

void sto_params_init(struct sto_params *p)
{
    *p = (struct sto_params){
        .reserved_mb = 1024,
        .sync_max_delay_s = 86400,
        .check_active_s = 100,
        .slot_min = 256,
        .slot_max = 64 * 1024 * 1024 / 8,
        .trunk_size = 64 * 1024 * 1024,
    };
}

/* "1024MB" or "20.00%": the only two forms a tracker sends (6.11). */
static int parse_reserved(struct str v, struct sto_params *p)
{
    uint64_t whole, hundredths = 0;
    if (str_ends(v, STR("%"))) {
        struct str head, tail;
        bool fraction = str_cut(str_head(v, v.n - 1), '.', &head, &tail);
        if (str_u64(head, 99, &whole) < 0)
            return -EINVAL;
        if (fraction) {
            if (tail.n < 1 || tail.n > 2 || str_u64(tail, 99, &hundredths) < 0)
                return -EINVAL;
            if (tail.n == 1)
                hundredths *= 10;
        }
        p->reserved_permyriad = (unsigned)(whole * 100 + hundredths);
        return p->reserved_permyriad > 0 ? 0 : -EINVAL;
    }
    if (str_ends(v, STR("MB")))
        v.n -= 2;
    if (str_u64(v, UINT64_MAX >> 20, &whole) < 0)
        return -EINVAL;
    p->reserved_mb = whole;
    p->reserved_permyriad = 0;
    return 0;
}

static int parse_value(const struct row *row, struct str v, struct sto_params *p)
{
    void *field = (char *)p + row->at;
    uint64_t n = 0;
    if (row->kind == RESERVED)
        return parse_reserved(v, p);
    if (str_u64(v, INT64_MAX, &n) < 0)
        return -EINVAL;
    switch (row->kind) {
    case NUMBER:
        memcpy(field, &n, sizeof(n));
        return 0;
    case WIDTH:
        if (n != 16 && n != 46)
            return -EINVAL;
        n = n == 46;
        break;
    case PATH_MODE:
        n = n == 2;
        break;
    default:
        n = n != 0;
        break;
    }
    *(bool *)field = n != 0;
    return 0;
}

bool sto_params_eq(const struct sto_params *a, const struct sto_params *b)
{
    if (a->id_in_name != b->id_in_name)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n =
            rows[i].kind == NUMBER || rows[i].kind == RESERVED ? sizeof(uint64_t) : sizeof(bool);
        if (memcmp((const char *)a + rows[i].at, (const char *)b + rows[i].at, n) != 0)
            return false;
    }
    return a->reserved_permyriad == b->reserved_permyriad;
}

int sto_params_parse(struct str text, struct sto_params *p)
{
    struct sto_params next = *p;
    struct str line;
    if (text.n > STO_PARAMS_TEXT_MAX)
        return -EINVAL;
    while (str_split(&text, '\n', &line)) {
        struct str key, value;
        if (!str_cut(line, '=', &key, &value))
            continue;
        if (str_eq(key, STR("id_type_in_filename")))
            next.id_in_name = str_eq(value, STR("id"));
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (str_eq(key, rows[i].key) && parse_value(&rows[i], value, &next) < 0)
                return -EINVAL;
    }
    *p = next;
    return 0;
}
