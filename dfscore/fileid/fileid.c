/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/fileid/fileid.h"

#include <stdio.h>

/* Bits of the 64-bit size field, semantics 2.2. */
#define BIT_MASKED   (UINT64_C(1) << 63) /* low 32 bits are the size */
#define BIT_TRUNK    (UINT64_C(1) << 59)
#define BIT_APPENDER (UINT64_C(1) << 58)
#define RANDOM_MASK  UINT32_C(0x7FFFFF)
#define RANDOM_SHIFT 32

enum {
    RAW_LEN = 20,   /* bytes behind the 27 characters */
    TRUNK_RAW = 12, /* bytes behind a trunk file's 16 characters */
    TRUNK_CHARS = 16,
    DIR_PART = 6,      /* "HH/HH/" */
    PATH_PART = 4,     /* "Mxx/" */
    LONGEST_NAME = 10, /* a filename must be longer than this */
    SOURCE_ID_MAX = 16777215,
    SMALL_IS_BELOW = 32, /* sizes below 2^32 are masked */
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* One more than the value of a character of the alphabet; 0: it is none. */
static const uint8_t one_more[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64};

/* @chars characters to @n bytes without padding; bits left over must be 0 so that ids are unique. */
static bool base64_decode(const char *text, size_t chars, uint8_t *out, size_t n)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < chars; i++) {
        unsigned v = one_more[(uint8_t)text[i]];
        if (v == 0)
            return false;
        acc = (acc << 6 | (v - 1)) & 0xFFFFFF;
        bits += 6;
        if (bits >= 8 && at < n) {
            bits -= 8;
            out[at++] = (uint8_t)(acc >> bits);
        }
    }
    return at == n && (acc & ((1u << bits) - 1)) == 0;
}

static void base64_encode(const uint8_t *in, size_t n, char *out)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = (acc << 8 | in[i]) & 0xFFFFFF;
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            *out++ = alphabet[acc >> bits & 63];
        }
    }
    if (bits)
        *out = alphabet[acc << (6 - bits) & 63];
}

static uint64_t get_be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_chars(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!one_more[(uint8_t)s.p[i]] && s.p[i] != '.')
            return false;
    return true;
}

bool dfs_ext_ok(struct str ext)
{
    return ext.n <= DFS_EXT_MAX && name_chars(ext);
}

bool dfs_group_ok(struct str group)
{
    for (size_t i = 0; i < group.n; i++)
        if (!alnum(group.p[i]))
            return false;
    return group.n >= 1 && group.n <= DFS_GROUP_MAX;
}

/* Two upper-case hex digits, or -1: "0a" is another directory than "0A". */
static int hex2(const char *p)
{
    int v = 0;
    for (int i = 0; i < 2; i++) {
        if (p[i] >= 'a' && p[i] <= 'f')
            return -1;
        int d = str_hexval(p[i]);
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

static bool base_ok(struct str base)
{
    for (size_t i = 0; i < base.n; i++) {
        unsigned char c = (unsigned char)base.p[i];
        if (c < 0x20 || c == 0x7F || c == '/')
            return false;
    }
    return base.n > 0 && !str_eq(base, STR(".")) && !str_eq(base, STR(".."));
}

int dfs_logical_parse(struct str filename, struct dfs_logical *ret)
{
    struct dfs_logical l = {0};
    if (filename.n > DFS_FILENAME_MAX || filename.n <= LONGEST_NAME)
        return -EINVAL;
    struct str rest = filename;
    if (rest.p[0] == 'M') {
        int path = hex2(rest.p + 1);
        if (path < 0 || rest.p[3] != '/')
            return -EINVAL;
        l.path_index = (unsigned)path;
        rest = str_from(rest, PATH_PART);
    }
    if (rest.n <= DIR_PART)
        return -EINVAL;
    int high = hex2(rest.p), low = hex2(rest.p + 3);
    if (high < 0 || low < 0 || rest.p[2] != '/' || rest.p[5] != '/')
        return -EINVAL;
    l.high = (uint8_t)high;
    l.low = (uint8_t)low;
    l.base = str_from(rest, DIR_PART);
    if (!base_ok(l.base))
        return -EINVAL;
    *ret = l;
    return 0;
}

void dfs_path_name(unsigned path, char out[4])
{
    ASSERT(path < 256);
    (void)snprintf(out, 4, "M%02X", (uint8_t)path);
}

int dfs_path_named(struct str name, unsigned *ret)
{
    int path = name.n == 3 && name.p[0] == 'M' ? hex2(name.p + 1) : -1;
    if (path < 0)
        return -EINVAL;
    *ret = (unsigned)path;
    return 0;
}

void dfs_logical_path(const struct dfs_logical *l, const char *suffix, char *out)
{
    ASSERT(l->base.n + strlen(suffix) <= DFS_FILENAME_MAX);
    int n = snprintf(out, DFS_LOCAL_PATH_MAX, "data/%02X/%02X/" STR_F "%s", l->high, l->low,
                     STR_A(l->base), suffix);
    ASSERT(n > 0 && n < DFS_LOCAL_PATH_MAX);
}

static void decode_size(uint64_t field, struct dfs_fileid *f)
{
    f->size_known = !f->slave;
    if (field & BIT_MASKED || field & (BIT_TRUNK | BIT_APPENDER))
        f->random23 = (uint32_t)(field >> RANDOM_SHIFT) & RANDOM_MASK;
    if (field & BIT_APPENDER) {
        f->kind = DFS_FILE_APPENDER;
        f->size_known = false;
    } else if (field & BIT_TRUNK) {
        f->kind = DFS_FILE_TRUNK;
        f->size = field & UINT32_MAX;
    } else {
        f->size = field & BIT_MASKED ? field & UINT32_MAX : field;
    }
    if (!f->size_known)
        f->size = 0;
}

/* The extension of a whole base name: behind the last dot of its last seven characters. */
static struct str find_ext(struct str base)
{
    struct str end = str_from(base, base.n - DFS_TAIL7);
    size_t dot = str_chr(end, '.');
    return dot == SIZE_MAX ? str_from(base, base.n) : str_from(end, dot + 1);
}

static bool decode_trunk(struct str chars, struct dfs_trunk_loc *t)
{
    uint8_t raw[TRUNK_RAW];
    if (!base64_decode(chars.p, TRUNK_CHARS, raw, sizeof(raw)))
        return false;
    t->file_id = (uint32_t)get_be(raw, 4);
    t->offset = (uint32_t)get_be(raw + 4, 4);
    t->slot_size = (uint32_t)get_be(raw + 8, 4);
    return true;
}

int dfs_filename_parse(struct str filename, struct dfs_fileid *ret)
{
    struct dfs_fileid f = {.filename = filename};
    uint8_t raw[RAW_LEN];
    int r = dfs_logical_parse(filename, &f.at);
    if (r < 0)
        return r;
    struct str base = f.at.base;
    if (base.n < DFS_NAME27 + DFS_TAIL7 || !name_chars(base))
        return -EINVAL;
    if (!base64_decode(base.p, DFS_NAME27, raw, sizeof(raw)))
        return -EBADMSG;
    uint64_t field = get_be(raw + 8, 8);
    bool trunk = (field & (BIT_TRUNK | BIT_APPENDER)) == BIT_TRUNK;
    size_t plain = DFS_NAME27 + DFS_TAIL7 + (trunk ? TRUNK_CHARS : 0);
    if (base.n < plain)
        return -EBADMSG;
    f.slave = base.n > plain;
    memcpy(f.source, raw, sizeof(f.source));
    f.created_s = (int64_t)get_be(raw + 4, 4);
    f.crc32 = (uint32_t)get_be(raw + 16, 4);
    decode_size(field, &f);
    if (trunk && !decode_trunk(str_from(base, DFS_NAME27), &f.trunk))
        return -EBADMSG;
    f.tail = str_head(str_from(base, plain - DFS_TAIL7), DFS_TAIL7);
    f.ext = find_ext(base);
    *ret = f;
    return 0;
}

int dfs_fileid_parse(struct str text, struct dfs_fileid *ret)
{
    struct str group, filename;
    if (!str_cut(text, '/', &group, &filename) || !dfs_group_ok(group))
        return -EINVAL;
    struct dfs_fileid f;
    int r = dfs_filename_parse(filename, &f);
    if (r < 0)
        return r;
    f.group = group;
    *ret = f;
    return 0;
}

uint32_t dfs_fileid_source_id(const struct dfs_fileid *f)
{
    uint32_t v = (uint32_t)f->source[0] | (uint32_t)f->source[1] << 8 |
                 (uint32_t)f->source[2] << 16 | (uint32_t)f->source[3] << 24;
    return v <= SOURCE_ID_MAX ? v : 0;
}

void dfs_fileid_source_text(const struct dfs_fileid *f, char out[16])
{
    uint32_t id = dfs_fileid_source_id(f);
    if (id)
        snprintf(out, 16, "%u", id);
    else
        snprintf(out, 16, "%u.%u.%u.%u", f->source[0], f->source[1], f->source[2], f->source[3]);
}

void dfs_source_from_id(uint32_t id, uint8_t out[4])
{
    ASSERT(id >= 1 && id <= SOURCE_ID_MAX);
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(id >> 8 * i);
}

void dfs_source_from_ip(uint32_t ip_host_order, uint8_t out[4])
{
    put_be(out, ip_host_order, 4);
}

void dfs_trunk_path(uint8_t high, uint8_t low, uint32_t id, char *out)
{
    snprintf(out, DFS_LOCAL_PATH_MAX, "data/%02X/%02X/%06u", high, low, id);
}

void dfs_fileid_path(const struct dfs_fileid *f, char *out)
{
    if (f->kind == DFS_FILE_TRUNK && !f->slave)
        dfs_trunk_path(f->at.high, f->at.low, f->trunk.file_id, out);
    else
        dfs_logical_path(&f->at, "", out);
}

static uint64_t size_field(const struct dfs_fileid_parts *p)
{
    uint64_t random = (uint64_t)(p->random23 & RANDOM_MASK) << RANDOM_SHIFT;
    if (p->kind == DFS_FILE_APPENDER)
        return BIT_MASKED | BIT_APPENDER | random;
    if (p->kind == DFS_FILE_TRUNK) {
        ASSERT(p->size <= UINT32_MAX);
        return BIT_MASKED | BIT_TRUNK | random | p->size;
    }
    if (p->size >> SMALL_IS_BELOW == 0)
        return BIT_MASKED | random | p->size;
    ASSERT(p->size < BIT_APPENDER); /* larger ones would read as flags */
    return p->size;
}

static void name27(const struct dfs_fileid_parts *p, char out[DFS_NAME27])
{
    uint8_t raw[RAW_LEN];
    memcpy(raw, p->source, 4);
    put_be(raw + 4, (uint64_t)p->created_s, 4);
    put_be(raw + 8, size_field(p), 8);
    put_be(raw + 16, p->crc32, 4);
    base64_encode(raw, sizeof(raw), out);
}

size_t dfs_filename_build(const struct dfs_fileid_parts *p, char *out)
{
    ASSERT(p->path_index <= UINT8_MAX);
    char head[PATH_PART + DIR_PART + 1];
    snprintf(head, sizeof(head), "M%02X/%02X/%02X/", (uint8_t)p->path_index, p->high, p->low);
    memcpy(out, head, PATH_PART + DIR_PART);
    size_t n = PATH_PART + DIR_PART;
    name27(p, out + n);
    n += DFS_NAME27;
    if (p->kind == DFS_FILE_TRUNK) {
        uint8_t raw[TRUNK_RAW];
        put_be(raw, p->trunk.file_id, 4);
        put_be(raw + 4, p->trunk.offset, 4);
        put_be(raw + 8, p->trunk.slot_size, 4);
        base64_encode(raw, sizeof(raw), out + n);
        n += TRUNK_CHARS;
    }
    memcpy(out + n, p->tail, DFS_TAIL7);
    return n + DFS_TAIL7;
}

void dfs_tail7(struct str ext, uint64_t random, char out[DFS_TAIL7])
{
    ASSERT(dfs_ext_ok(ext));
    size_t digits = ext.n ? DFS_EXT_MAX - ext.n : DFS_TAIL7;
    for (size_t i = 0; i < digits; i++) {
        out[i] = (char)('0' + random % 10);
        random /= 10;
    }
    if (ext.n) {
        out[digits] = '.';
        memcpy(out + digits + 1, ext.p, ext.n);
    }
}

int dfs_slave_name(struct str master, struct str prefix, struct str ext, char *out, size_t *ret_n)
{
    struct dfs_fileid f;
    if (dfs_filename_parse(master, &f) < 0)
        return -EINVAL;
    if (prefix.n < 1 || prefix.n > DFS_PREFIX_MAX || !name_chars(prefix) || !dfs_ext_ok(ext))
        return -EINVAL;
    if (ext.n == 0 && str_eq(prefix, STR("-m")))
        return -EINVAL; /* that is the name of the metadata file */
    size_t stem = master.n - f.ext.n;
    if (stem < master.n || master.p[master.n - 1] == '.')
        stem--; /* the dot goes too */
    size_t n = stem + prefix.n + (ext.n ? 1 + ext.n : 0);
    if (n > DFS_FILENAME_MAX)
        return -ENAMETOOLONG;
    memcpy(out, master.p, stem);
    memcpy(out + stem, prefix.p, prefix.n);
    if (ext.n) {
        out[stem + prefix.n] = '.';
        memcpy(out + stem + prefix.n + 1, ext.p, ext.n);
    }
    *ret_n = n;
    return 0;
}

uint32_t dfs_pjw(struct str s)
{
    uint32_t h = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint32_t c = (uint8_t)s.p[i];
        h = (h << 4) + (c < 0x80 ? c : c - 0x100); /* char is signed in the rule, the sum wraps */
        uint32_t top = h & UINT32_C(0xF0000000);
        if (top) {
            uint32_t sign = top & UINT32_C(0x80000000) ? UINT32_C(0xFFFFFF00) : 0;
            h = (h ^ (top >> 24 | sign)) & UINT32_C(0x0FFFFFFF);
        }
    }
    return h;
}

void dfs_ipv6_short_code(struct str address, char out[13])
{
    uint32_t crc = UINT32_MAX; /* no final xor: semantics 2.9 */
    for (size_t i = 0; i < address.n; i++) {
        crc ^= (uint8_t)address.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xEDB88320) : crc >> 1;
    }
    uint8_t raw[8] = {0};
    for (unsigned i = 0; i < 4; i++)
        raw[i] = (uint8_t)(crc >> 8 * i);
    base64_encode(raw, sizeof(raw), out);
    out[11] = '.';
    out[12] = '\0';
}
