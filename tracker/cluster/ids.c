/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/cluster/ids.h"

#include <fcntl.h>
#include <netdb.h>
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/net/addr.h"

enum { FILE_MAX_BYTES = 4 << 20, DEFAULT_PORT = 23000 };

struct mode_word {
    const char *word;
    uint8_t mode;
};

static const struct mode_word modes[] = {
    {"none", DFS_RW_NONE},   {"read", DFS_RW_READ},       {"readonly", DFS_RW_READ},
    {"write", DFS_RW_WRITE}, {"writeonly", DFS_RW_WRITE}, {"both", DFS_RW_BOTH},
    {"all", DFS_RW_BOTH},
};

/* Next word of *rest, blanks and tabs between; absent at the end. */
static struct str word(struct str *rest)
{
    struct str s = str_trim(*rest);
    size_t n = 0;
    while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
        n++;
    *rest = str_from(s, n);
    return n ? str_head(s, n) : STR_NULL;
}

/* No legacy number: getaddrinfo takes "10.0.1" and "0x7f.1" for addresses. */
static bool is_name(struct str s)
{
    size_t label = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
        if (c == '.')
            label = i + 1;
    }
    return label < s.n && (s.p[label] < '0' || s.p[label] > '9');
}

static int parse_address(struct str s, trk_look_up_fn *look_up, char ip[DFS_IP_MAX])
{
    char name[256];
    if (dfs_text_set(ip, DFS_IP_MAX, s) == 0 && dfs_ip_text(ip, ip))
        return 0;
    if (!look_up || !is_name(s) || dfs_text_set(name, sizeof(name), s) < 0)
        return -EINVAL;
    return look_up(name, ip);
}

/* "ip[,ip2][:port]", "[ip6[,ip2]][:port]". */
static int parse_addresses(struct str s, trk_look_up_fn *look_up, struct trk_id *ret)
{
    struct str hosts, port = STR_NULL, piece;
    size_t count = 0;
    if (str_starts(s, STR("["))) {
        struct str tail;
        if (!str_cut(str_from(s, 1), ']', &hosts, &tail))
            return -EINVAL;
        if (tail.n && tail.p[0] != ':')
            return -EINVAL;
        port = tail.n ? str_from(tail, 1) : STR_NULL;
    } else {
        str_cut(s, ':', &hosts, &port);
    }
    uint64_t number = DEFAULT_PORT;
    if (port.p && (str_u64(port, 65535, &number) < 0 || number == 0))
        return -EINVAL;
    ret->port = (uint16_t)number;
    while (str_split(&hosts, ',', &piece)) {
        piece = str_trim(piece);
        if (count == 2 || parse_address(piece, look_up, ret->ip[count]) < 0)
            return -EINVAL;
        count++;
    }
    return count ? 0 : -EINVAL;
}

/* Two addresses are of different kinds, the inner one first. */
static int order_addresses(struct trk_id *id)
{
    if (!id->ip[1][0])
        return 0;
    if (dfs_ip_kind(id->ip[0]) == dfs_ip_kind(id->ip[1]))
        return -EINVAL;
    if (dfs_ip_kind(id->ip[0]) == DFS_IP_OUTER) {
        char tmp[DFS_IP_MAX];
        memcpy(tmp, id->ip[0], sizeof(tmp));
        memcpy(id->ip[0], id->ip[1], sizeof(tmp));
        memcpy(id->ip[1], tmp, sizeof(tmp));
    }
    return 0;
}

static int parse_mode(struct str s, uint8_t *ret)
{
    if (!s.p) {
        *ret = DFS_RW_BOTH;
        return 0;
    }
    if (!str_starts(s, STR("rw=")))
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (str_eq(str_from(s, 3), str_c(modes[i].word))) {
            *ret = modes[i].mode;
            return 0;
        }
    }
    return -EINVAL;
}

/* NULL, or what is wrong with the line. */
static const char *parse_line(struct str line, trk_look_up_fn *look_up, struct trk_id *ret)
{
    struct str id = word(&line), group = word(&line), addr = word(&line), mode = word(&line);
    uint64_t number;
    memset(ret, 0, sizeof(*ret));
    if (str_u64(id, TRK_ID_NUMBER_MAX, &number) < 0 || number == 0 || str_starts(id, STR("0")) ||
        dfs_text_set(ret->id, sizeof(ret->id), id) < 0)
        return "the id must be a number from 1 to 16777215 without leading zeros";
    if (!dfs_group_ok(group) || dfs_text_set(ret->group, sizeof(ret->group), group) < 0)
        return "bad group name";
    if (!addr.p || parse_addresses(addr, look_up, ret) < 0)
        return "bad address: expected ip[,ip2][:port], [ip6][:port] or a known host name";
    if (order_addresses(ret) < 0)
        return "two addresses must be of different kinds";
    if (parse_mode(mode, &ret->rw_mode) < 0 || word(&line).p)
        return "bad mode: expected rw=none, read, write or both";
    return NULL;
}

static bool shares_address(const struct trk_id *a, const struct trk_id *b)
{
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            if (a->ip[i][0] && strcmp(a->ip[i], b->ip[j]) == 0 && a->port == b->port)
                return true;
        }
    }
    return false;
}

static bool taken(const struct trk_ids *ids, const struct trk_id *id)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (strcmp(ids->v[i].id, id->id) == 0 || shares_address(&ids->v[i], id))
            return true;
    }
    return false;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct trk_id *)a)->id, ((const struct trk_id *)b)->id);
}

static int add(struct trk_ids *ids, const struct trk_id *id)
{
    if (ids->n >= TRK_IDS_MAX)
        return -ENOSPC;
    if ((ids->n & (ids->n - 1)) == 0) { /* at each power of two the room doubles */
        struct trk_id *v = dfs_realloc(ids->v, (ids->n ? ids->n * 2 : 1) * sizeof(*v));
        if (!v)
            return -ENOMEM;
        ids->v = v;
    }
    ids->v[ids->n++] = *id;
    return 0;
}

int trk_ids_parse(struct str text, const char *name, trk_look_up_fn *look_up, struct trk_ids *ret,
                  struct buf *err)
{
    AUTO(trk_ids_fini) struct trk_ids ids = {NULL, 0};
    struct str line;
    for (unsigned number = 1; str_split(&text, '\n', &line); number++) {
        if (str_ends(line, STR("\r")))
            line = str_head(line, line.n - 1);
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        struct trk_id id;
        const char *wrong = parse_line(line, look_up, &id);
        int r = wrong ? -EINVAL : 0;
        if (r == 0 && taken(&ids, &id)) {
            wrong = "this id or address is given twice";
            r = -EEXIST;
        }
        if (r == 0)
            r = add(&ids, &id);
        if (r < 0) {
            buf_addf(err, "%s:%u: %s", name, number, wrong ? wrong : "too many entries");
            return r;
        }
    }
    if (ids.n)
        qsort(ids.v, ids.n, sizeof(*ids.v), by_id);
    *ret = ids;
    ids.v = NULL;
    return 0;
}

static int look_up_host(const char *host, char ip[DFS_IP_MAX])
{
    const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct addrinfo hints = {.ai_family = families[i], .ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        if (getaddrinfo(host, NULL, &hints, &found) != 0 || !found)
            continue;
        struct dfs_addr a;
        dfs_addr_of(found->ai_addr, &a);
        freeaddrinfo(found);
        return dfs_text_set(ip, DFS_IP_MAX, str_c(a.host));
    }
    return -ENOENT;
}

int trk_ids_load(const char *path, struct trk_ids *ret, struct buf *err)
{
    AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(buf_free) struct buf text = BUF(FILE_MAX_BYTES);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        char *room = buf_room(&text, 65536);
        if (!room) {
            buf_addf(err, "%s: too large", path);
            return -EFBIG;
        }
        n = read(fd, room, 65536);
        if (n > 0)
            buf_used(&text, (size_t)n);
    }
    if (n < 0) {
        int r = -errno;
        buf_addf(err, "%s: %s", path, strerror(-r));
        return r;
    }
    return trk_ids_parse(buf_str(&text), path, look_up_host, ret, err);
}

void trk_ids_fini(struct trk_ids *ids)
{
    free(ids->v);
    ids->v = NULL;
    ids->n = 0;
}

const struct trk_id *trk_ids_find(const struct trk_ids *ids, const char *id)
{
    for (size_t lo = 0, hi = ids->n; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        int d = strcmp(ids->v[mid].id, id);
        if (d == 0)
            return &ids->v[mid];
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct trk_id *trk_ids_find_ip(const struct trk_ids *ids, const char *group, const char *ip,
                                     uint16_t port)
{
    for (size_t i = 0; i < ids->n; i++) {
        const struct trk_id *e = &ids->v[i];
        if (group && strcmp(e->group, group) != 0)
            continue;
        if (port && e->port != port)
            continue;
        if (ip[0] && (strcmp(e->ip[0], ip) == 0 || strcmp(e->ip[1], ip) == 0))
            return e;
    }
    return NULL;
}

bool trk_ids_any_ipv6(const struct trk_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (strchr(ids->v[i].ip[0], ':') || strchr(ids->v[i].ip[1], ':'))
            return true;
    }
    return false;
}

void trk_id_line(const struct trk_id *id, struct buf *out)
{
    bool brackets = strchr(id->ip[0], ':') || strchr(id->ip[1], ':');
    buf_addf(out, "%s %s %s%s", id->id, id->group, brackets ? "[" : "", id->ip[0]);
    if (id->ip[1][0])
        buf_addf(out, ",%s", id->ip[1]);
    buf_addf(out, "%s:%u", brackets ? "]" : "", id->port);
    if (id->rw_mode != DFS_RW_BOTH)
        buf_addf(out, " rw=%s",
                 id->rw_mode == DFS_RW_READ    ? "read"
                 : id->rw_mode == DFS_RW_WRITE ? "write"
                                               : "none");
    buf_addc(out, '\n');
}
