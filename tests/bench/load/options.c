/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/options.h"

#include <getopt.h>
#include <netdb.h>
#include <stdio.h>

static const char help[] =
    "usage: load WORK --endpoint HOST:PORT --bucket B [OPTIONS]\n"
    "\n"
    "WORK: put get head delete list copy multipart    one kind of request (multipart: create, "
    "parts,\n"
    "                            complete, each with its own line)\n"
    "      mixed                 --mix put=20,get=70,head=5,delete=3,list=2 by weight, random "
    "keys\n"
    "      idle                  each connection asks HEAD once, then stays open\n"
    "      bucket                create the bucket, once\n"
    "      native-put native-get FastDFS upload and download; the endpoint is a storage server\n"
    "      files                 write the objects as files below --folder, for a plain web "
    "server\n"
    "      sync-cost             pairs of 4 KiB append and fdatasync below --folder: the bare "
    "cost\n"
    "      md5-cost              MD5 speed of one core\n"
    "\n"
    "server:\n"
    "  --endpoint HOST:PORT      plain HTTP unless --tls is given\n"
    "  --tls                     HTTPS; the certificate is not judged\n"
    "  --bucket B                path style (bench)\n"
    "  --region R                (us-east-1)\n"
    "  --access-key A --secret-key S   or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n"
    "  --no-sign                 no signatures: nginx and other plain servers\n"
    "  --sign-payload            sign the body's SHA-256 too, instead of UNSIGNED-PAYLOAD\n"
    "  --congestion NAME         TCP congestion control of our side (the system's)\n"
    "  --group G                 native: group of the files (group1)\n"
    "  --id-file FILE            native-put writes the file ids there, native-get reads them\n"
    "\n"
    "load:\n"
    "  --connections N           keep-alive, all in one thread, one request at a time each (1)\n"
    "  --seconds S               measure so long (10, unless --count is given)\n"
    "  --count N                 or: so many requests (uploads with multipart)\n"
    "  --warmup S                the same load before, not counted (0)\n"
    "  --size BYTES              of an object; k, m, g are binary (4k)\n"
    "  --part-size BYTES         multipart (8m)\n"
    "  --range BYTES             get: that many bytes at a random offset (0: whole objects)\n"
    "  --prefix P                keys are P and 8 digits (k/)\n"
    "  --keys N --first N        keys are numbered first to first + keys - 1 (1024, 0)\n"
    "  --random                  keys in random order, else in turn\n"
    "  --max-keys N              list: keys a page, from a random key on (1000)\n"
    "  --verify                  compare each byte of what GET brings\n"
    "\n"
    "figures:\n"
    "  --pid PID                 CPU and memory of this process; may be repeated\n"
    "  --pid-tree PID            with all its descendants; may be repeated\n"
    "  --json                    one JSON object on standard output\n"
    "\n"
    "Contents are made from key and size, so that any process can check what another wrote.\n"
    "Exit status: 0, 1 when a request failed, 2 for a wrong command line.\n";

static const char *const op_names[] = {
    [OP_PUT] = "put",
    [OP_GET] = "get",
    [OP_HEAD] = "head",
    [OP_DELETE] = "delete",
    [OP_LIST] = "list",
    [OP_COPY] = "copy",
    [OP_CREATE] = "create",
    [OP_PART] = "part",
    [OP_COMPLETE] = "complete",
    [OP_BUCKET] = "bucket",
    [OP_NATIVE_PUT] = "native-put",
    [OP_NATIVE_GET] = "native-get",
};

static const char *const work_names[] = {
    [WORK_PUT] = "put",
    [WORK_GET] = "get",
    [WORK_HEAD] = "head",
    [WORK_DELETE] = "delete",
    [WORK_LIST] = "list",
    [WORK_COPY] = "copy",
    [WORK_MULTIPART] = "multipart",
    [WORK_MIXED] = "mixed",
    [WORK_IDLE] = "idle",
    [WORK_BUCKET] = "bucket",
    [WORK_NATIVE_PUT] = "native-put",
    [WORK_NATIVE_GET] = "native-get",
    [WORK_FILES] = "files",
    [WORK_SYNC_COST] = "sync-cost",
    [WORK_MD5_COST] = "md5-cost",
};

const char *load_op_name(enum load_op op)
{
    return op_names[op];
}

const char *load_work_name(enum load_work work)
{
    return work_names[work];
}

/* --- values ----------------------------------------------------------------------------------- */

static int take_number(struct str s, uint64_t least, uint64_t most, uint64_t *ret)
{
    uint64_t v;
    unsigned shift = 0;
    if (s.n > 0) {
        switch (s.p[s.n - 1] | 0x20) {
        case 'k':
            shift = 10;
            break;
        case 'm':
            shift = 20;
            break;
        case 'g':
            shift = 30;
            break;
        default:
            break;
        }
    }
    if (shift)
        s.n--;
    if (str_u64(s, most >> shift, &v) < 0 || v << shift < least)
        return -EINVAL;
    *ret = v << shift;
    return 0;
}

static int take_seconds(const char *text, double *ret)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= 0 && v <= 86400))
        return -EINVAL;
    *ret = v;
    return 0;
}

static int take_unsigned(const char *text, uint64_t most, unsigned *ret)
{
    uint64_t v;
    if (take_number(str_c(text), 1, most, &v) < 0)
        return -EINVAL;
    *ret = (unsigned)v;
    return 0;
}

static int take_mix(const char *text, unsigned mix[OP_COUNT_])
{
    struct str rest = str_c(text), piece, name, weight;
    while (str_split(&rest, ',', &piece)) {
        uint64_t v;
        int op = 0;
        if (!str_cut(piece, '=', &name, &weight) || str_u64(weight, 1000000, &v) < 0)
            return -EINVAL;
        while (op <= OP_LIST && !str_eq(name, str_c(op_names[op])))
            op++;
        if (op > OP_LIST)
            return -EINVAL;
        mix[op] = (unsigned)v;
    }
    return 0;
}

static int take_pid(const char *text, bool tree, struct load_options *o)
{
    uint64_t v;
    if (o->npid == LOAD_PIDS_MAX || take_number(str_c(text), 1, INT32_MAX, &v) < 0)
        return -EINVAL;
    o->pid[o->npid] = (pid_t)v;
    o->tree[o->npid++] = tree;
    return 0;
}

static int take_endpoint(const char *text, struct load_options *o)
{
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[256];
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0 || n >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, n);
    host[n] = 0;
    const char *name = host;
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') { /* [::1]:9000 */
        host[n - 1] = 0;
        name++;
    }
    if (getaddrinfo(name, colon + 1, &hints, &found) != 0)
        return -EINVAL;
    memcpy(&o->addr, found->ai_addr, found->ai_addrlen);
    o->addr_n = found->ai_addrlen;
    o->endpoint = text;
    freeaddrinfo(found);
    return 0;
}

/* --- options ---------------------------------------------------------------------------------- */

enum {
    O_ENDPOINT = 256,
    O_BUCKET,
    O_REGION,
    O_ACCESS,
    O_SECRET,
    O_NO_SIGN,
    O_SIGN_PAYLOAD,
    O_TLS,
    O_CONGESTION,
    O_GROUP,
    O_ID_FILE,
    O_CONNECTIONS,
    O_SECONDS,
    O_COUNT,
    O_WARMUP,
    O_SIZE,
    O_PART_SIZE,
    O_RANGE,
    O_PREFIX,
    O_KEYS,
    O_FIRST,
    O_RANDOM,
    O_MAX_KEYS,
    O_VERIFY,
    O_MIX,
    O_FOLDER,
    O_PID,
    O_PID_TREE,
    O_JSON,
    O_HELP
};

static const struct option long_options[] = {
    {"endpoint", required_argument, NULL, O_ENDPOINT},
    {"bucket", required_argument, NULL, O_BUCKET},
    {"region", required_argument, NULL, O_REGION},
    {"access-key", required_argument, NULL, O_ACCESS},
    {"secret-key", required_argument, NULL, O_SECRET},
    {"no-sign", no_argument, NULL, O_NO_SIGN},
    {"sign-payload", no_argument, NULL, O_SIGN_PAYLOAD},
    {"tls", no_argument, NULL, O_TLS},
    {"congestion", required_argument, NULL, O_CONGESTION},
    {"group", required_argument, NULL, O_GROUP},
    {"id-file", required_argument, NULL, O_ID_FILE},
    {"connections", required_argument, NULL, O_CONNECTIONS},
    {"seconds", required_argument, NULL, O_SECONDS},
    {"count", required_argument, NULL, O_COUNT},
    {"warmup", required_argument, NULL, O_WARMUP},
    {"size", required_argument, NULL, O_SIZE},
    {"part-size", required_argument, NULL, O_PART_SIZE},
    {"range", required_argument, NULL, O_RANGE},
    {"prefix", required_argument, NULL, O_PREFIX},
    {"keys", required_argument, NULL, O_KEYS},
    {"first", required_argument, NULL, O_FIRST},
    {"random", no_argument, NULL, O_RANDOM},
    {"max-keys", required_argument, NULL, O_MAX_KEYS},
    {"verify", no_argument, NULL, O_VERIFY},
    {"mix", required_argument, NULL, O_MIX},
    {"folder", required_argument, NULL, O_FOLDER},
    {"pid", required_argument, NULL, O_PID},
    {"pid-tree", required_argument, NULL, O_PID_TREE},
    {"json", no_argument, NULL, O_JSON},
    {"help", no_argument, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

/* What takes its argument as it is; NULL for the others. */
static const char **text_of(struct load_options *o, int c)
{
    switch (c) {
    case O_BUCKET:
        return &o->bucket;
    case O_REGION:
        return &o->region;
    case O_ACCESS:
        return &o->access_key;
    case O_SECRET:
        return &o->secret_key;
    case O_CONGESTION:
        return &o->congestion;
    case O_GROUP:
        return &o->group;
    case O_ID_FILE:
        return &o->id_file;
    case O_PREFIX:
        return &o->prefix;
    case O_FOLDER:
        return &o->folder;
    default:
        return NULL;
    }
}

static int take_flag(struct load_options *o, int c)
{
    switch (c) {
    case O_NO_SIGN:
        o->sign = false;
        return 0;
    case O_SIGN_PAYLOAD:
        o->sign_payload = true;
        return 0;
    case O_TLS:
        o->tls = true;
        return 0;
    case O_RANDOM:
        o->random = true;
        return 0;
    case O_VERIFY:
        o->verify = true;
        return 0;
    case O_JSON:
        o->json = true;
        return 0;
    default:
        return -EINVAL;
    }
}

static int take_option(struct load_options *o, int c, const char *arg)
{
    const char **text = text_of(o, c);
    if (text) {
        *text = arg;
        return 0;
    }
    switch (c) {
    case O_ENDPOINT:
        return take_endpoint(arg, o);
    case O_CONNECTIONS:
        return take_unsigned(arg, 60000, &o->connections);
    case O_SECONDS:
        return take_seconds(arg, &o->seconds);
    case O_WARMUP:
        return take_seconds(arg, &o->warmup);
    case O_COUNT:
        return take_number(str_c(arg), 1, UINT64_MAX, &o->count);
    case O_SIZE:
        return take_number(str_c(arg), 0, 5ull << 40, &o->size);
    case O_PART_SIZE:
        return take_number(str_c(arg), 1, 5ull << 30, &o->part_size);
    case O_RANGE:
        return take_number(str_c(arg), 0, 5ull << 40, &o->range);
    case O_KEYS:
        return take_number(str_c(arg), 1, 100000000, &o->keys);
    case O_FIRST:
        return take_number(str_c(arg), 0, 99999999, &o->first);
    case O_MAX_KEYS:
        return take_unsigned(arg, 1000, &o->max_keys);
    case O_MIX:
        return take_mix(arg, o->mix);
    case O_PID:
        return take_pid(arg, false, o);
    case O_PID_TREE:
        return take_pid(arg, true, o);
    default:
        return take_flag(o, c);
    }
}

static bool needs_server(enum load_work work)
{
    return work < WORK_FILES;
}

static const char *what_is_missing(const struct load_options *o)
{
    bool native = o->work == WORK_NATIVE_PUT || o->work == WORK_NATIVE_GET;
    if (needs_server(o->work) && !o->endpoint)
        return "--endpoint is missing";
    if (needs_server(o->work) && !native && o->sign && (!o->access_key || !o->secret_key))
        return "--access-key and --secret-key are missing (or --no-sign)";
    if (o->work == WORK_NATIVE_GET && !o->id_file)
        return "--id-file is missing";
    if ((o->work == WORK_FILES || o->work == WORK_SYNC_COST) && !o->folder)
        return "--folder is missing";
    if (o->range > o->size)
        return "--range is larger than --size";
    if (o->work == WORK_MULTIPART && o->size > o->part_size * 10000)
        return "more than 10,000 parts";
    if (strlen(o->prefix) > 200 || strlen(o->bucket) > 63)
        return "--prefix of at most 200 bytes, --bucket of at most 63";
    if (strlen(o->region) > 64 || (o->access_key && strlen(o->access_key) > 128))
        return "--region of at most 64 bytes, --access-key of at most 128";
    return NULL;
}

static int find_work(const char *name, enum load_work *ret)
{
    for (size_t i = 0; name && i < ARRAY_LEN(work_names); i++) {
        if (strcmp(work_names[i], name) == 0) {
            *ret = (enum load_work)i;
            return 0;
        }
    }
    return -EINVAL;
}

int options_read(int argc, char **argv, struct load_options *ret)
{
    struct load_options o = {
        .bucket = "bench",
        .prefix = "k/",
        .region = "us-east-1",
        .group = "group1",
        .access_key = getenv("AWS_ACCESS_KEY_ID"),
        .secret_key = getenv("AWS_SECRET_ACCESS_KEY"),
        .sign = true,
        .connections = 1,
        .size = 4096,
        .part_size = 8 << 20,
        .keys = 1024,
        .max_keys = 1000,
        .mix = {[OP_PUT] = 20, [OP_GET] = 70, [OP_HEAD] = 5, [OP_DELETE] = 3, [OP_LIST] = 2}};
    int c, index = 0;
    while ((c = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (c == O_HELP)
            return fputs(help, stdout) < 0 ? -EIO : 1;
        if (c == '?')
            return -EINVAL; /* getopt has said why */
        if (take_option(&o, c, optarg) < 0) {
            fprintf(stderr, "load: bad value for --%s: %s\n", long_options[index].name, optarg);
            return -EINVAL;
        }
    }
    if (optind + 1 != argc || find_work(argv[optind], &o.work) < 0) {
        fprintf(stderr, "load: one WORK is needed (see load --help)\n");
        return -EINVAL;
    }
    const char *missing = what_is_missing(&o);
    if (missing) {
        fprintf(stderr, "load: %s\n", missing);
        return -EINVAL;
    }
    if (o.work == WORK_BUCKET)
        o.count = o.connections = 1;
    if (o.seconds <= 0 && o.count == 0)
        o.seconds = 10;
    *ret = o;
    return 0;
}
