/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/admin/client.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "s3gw/admin/socket.h"

enum {
    DONE = 0,
    FAILED = 1,
    USAGE = 2,
    NOBODY = 3,
    FILE_MAX = 64 * 1024,
    ANSWER_MAX = 64 * 1024 * 1024,
    WAIT_S = 30
};

static const char help[] =
    "usage: s3gw admin (--data DIR | --socket PATH) [--json] COMMAND\n"
    "\n"
    "  user create ID [--display-name N] [--email E] [--access-key A --secret-key S]\n"
    "  user list\n"
    "  user show|disable|enable|delete ID\n"
    "  key create USER [--access-key A --secret-key S]\n"
    "  key list USER\n"
    "  key delete [USER] ACCESS-KEY\n"
    "  policy put USER NAME FILE     give the user a policy (JSON; - is standard input)\n"
    "  policy list USER\n"
    "  policy show|delete USER NAME\n"
    "  explain USER ACTION RESOURCE [--source-ip IP] [--tls yes]\n"
    "                   what would be decided, and by what; USER may be anonymous\n"
    "  limit set user|bucket NAME [--max-bytes N] [--max-objects N]\n"
    "            [--requests-per-second N] [--bytes-per-second N]   0: no limit; rates are of "
    "users\n"
    "  limit show user|bucket NAME\n"
    "  kms key create|rotate|disable|enable NAME   keys of SSE-S3 (sse-s3) and SSE-KMS\n"
    "  kms key list\n"
    "  bucket list [--owner USER]\n"
    "  bucket show NAME\n"
    "  bucket group NAME             where its new objects go\n"
    "  bucket group NAME GROUP...    ... from now on: to the first of these that has room\n"
    "  rebalance start GROUP[/M01] [--to GROUP] [--dry-run]\n"
    "                   move what the gateway stored out of a drained group (dfs admin drain)\n"
    "  rebalance [stop]              how far it is\n"
    "  adopt GROUP --bucket NAME [--prefix P] [--appenders] [--dry-run]\n"
    "                   files that FastDFS clients stored become keys, where they lie; again: the "
    "new ones\n"
    "  status\n"
    "  reclaim          delete files that nothing names now, without the usual grace\n"
    "  lifecycle        progress of the lifecycle rules, and what their last pass did\n"
    "  lifecycle run    begin a pass now instead of after midnight\n"
    "  version\n"
    "\n"
    "  --data DIR     data folder of the server; its socket is DIR/admin.sock\n"
    "  --socket PATH  the socket itself\n"
    "  --json         the answer as one line of JSON\n"
    "\n"
    "Secret keys are shown once, by the command that made them.\n"
    "Exit status: 0 done, 1 refused or failed, 2 used wrongly, 3 no server.\n";

/*
 * What may follow a verb, in order; a name that begins with '?' may be left out when others follow, one with '*' takes all
 * that is left, or nothing.
 */
static const struct verb {
    const char *words[3];
    const char *args[3];    /* "@policy": the text of that file */
    const char *options[4]; /* without "--"; another one is refused */
} verbs[] = {
    {{"user", "create"}, {"id"}, {"display-name", "email", "access-key", "secret-key"}},
    {{"user", "list"}, {NULL}, {NULL}},
    {{"user", "show"}, {"id"}, {NULL}},
    {{"user", "disable"}, {"id"}, {NULL}},
    {{"user", "enable"}, {"id"}, {NULL}},
    {{"user", "delete"}, {"id"}, {NULL}},
    {{"key", "create"}, {"user"}, {"access-key", "secret-key"}},
    {{"key", "list"}, {"user"}, {NULL}},
    {{"key", "delete"}, {"?user", "access_key"}, {NULL}},
    {{"bucket", "list"}, {NULL}, {"owner"}},
    {{"bucket", "show"}, {"name"}, {NULL}},
    {{"bucket", "group"}, {"name", "*group"}, {NULL}},
    {{"rebalance", "start"}, {"group"}, {"to", "dry-run"}},
    {{"rebalance", "stop"}, {NULL}, {NULL}},
    {{"rebalance", NULL}, {NULL}, {NULL}},
    {{"status", NULL}, {NULL}, {NULL}},
    {{"reclaim", NULL}, {NULL}, {NULL}},
    {{"version", NULL}, {NULL}, {NULL}},
    {{"lifecycle", "run"}, {NULL}, {NULL}},
    {{"lifecycle", NULL}, {NULL}, {NULL}},
    {{"policy", "put"}, {"user", "name", "@policy"}, {NULL}},
    {{"policy", "list"}, {"user"}, {NULL}},
    {{"policy", "show"}, {"user", "name"}, {NULL}},
    {{"policy", "delete"}, {"user", "name"}, {NULL}},
    {{"explain", NULL}, {"user", "action", "resource"}, {"source-ip", "tls"}},
    {{"kms", "key", "create"}, {"name"}, {NULL}},
    {{"kms", "key", "list"}, {NULL}, {NULL}},
    {{"kms", "key", "rotate"}, {"name"}, {NULL}},
    {{"kms", "key", "disable"}, {"name"}, {NULL}},
    {{"kms", "key", "enable"}, {"name"}, {NULL}},
    {{"adopt", NULL}, {"group"}, {"bucket", "prefix", "appenders", "dry-run"}},
    {{"limit", "set"},
     {"what", "name"},
     {"max-bytes", "max-objects", "requests-per-second", "bytes-per-second"}},
    {{"limit", "show"}, {"what", "name"}, {NULL}},
};

enum { OPT_DATA = 256, OPT_SOCKET, OPT_JSON, OPT_HELP, OPT_ARG };

static const struct option options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {"display-name", required_argument, NULL, OPT_ARG},
    {"email", required_argument, NULL, OPT_ARG + 1},
    {"access-key", required_argument, NULL, OPT_ARG + 2},
    {"secret-key", required_argument, NULL, OPT_ARG + 3},
    {"owner", required_argument, NULL, OPT_ARG + 4},
    {"source-ip", required_argument, NULL, OPT_ARG + 5},
    {"tls", required_argument, NULL, OPT_ARG + 6},
    {"max-bytes", required_argument, NULL, OPT_ARG + 7},
    {"max-objects", required_argument, NULL, OPT_ARG + 8},
    {"requests-per-second", required_argument, NULL, OPT_ARG + 9},
    {"bytes-per-second", required_argument, NULL, OPT_ARG + 10},
    {"bucket", required_argument, NULL, OPT_ARG + 11},
    {"prefix", required_argument, NULL, OPT_ARG + 12},
    {"appenders", no_argument, NULL, OPT_ARG + 13},
    {"dry-run", no_argument, NULL, OPT_ARG + 14},
    {"to", required_argument, NULL, OPT_ARG + 15},
    {NULL, 0, NULL, 0},
};
static const char *const option_fields[] = {"display_name",
                                            "email",
                                            "access_key",
                                            "secret_key",
                                            "owner",
                                            "source_ip",
                                            "tls",
                                            "max_bytes",
                                            "max_objects",
                                            "requests_per_second",
                                            "bytes_per_second",
                                            "bucket",
                                            "prefix",
                                            "appenders",
                                            "dry_run",
                                            "to"};

/* --- the question ----------------------------------------------------------------------------- */

/* How many of them @words are; 0: another verb. */
static int match(const struct verb *v, char **words, int n)
{
    int i = 0;
    for (; i < (int)ARRAY_LEN(v->words) && v->words[i]; i++)
        if (i >= n || strcmp(words[i], v->words[i]) != 0)
            return 0;
    return i;
}

static const struct verb *find_verb(char **words, int n, int *used)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        *used = match(&verbs[i], words, n);
        if (*used > 0)
            return &verbs[i];
    }
    return NULL;
}

/* The text of a file, or of standard input; NULL, and a line that says why. */
static json_t *file_text(const char *path)
{
    bool input = strcmp(path, "-") == 0;
    FILE *f = input ? stdin : fopen(path, "re");
    if (!f) {
        fprintf(stderr, "s3gw admin: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    AUTO(buf_free) struct buf text = BUF(FILE_MAX);
    size_t n = 1;
    while (n > 0 && !buf_err(&text)) {
        char *room = buf_room(&text, 4096);
        n = room ? fread(room, 1, 4096, f) : 0;
        buf_used(&text, n);
    }
    bool bad = ferror(f) || buf_err(&text);
    if (!input)
        (void)fclose(f);
    json_t *j = bad ? NULL : json_stringn(text.p ? text.p : "", text.n);
    if (!j)
        fprintf(stderr, "s3gw admin: %s: not a text of at most %d bytes\n", path, FILE_MAX);
    return j;
}

static int words_of(const struct verb *v)
{
    int n = 0;
    while (n < (int)ARRAY_LEN(v->args) && v->args[n])
        n++;
    return n;
}

/* "user create ID": what the verb takes, in a line. */
static void wrong_words(const struct verb *v)
{
    fputs("s3gw admin: wrong number of words:", stderr);
    for (size_t i = 0; i < ARRAY_LEN(v->words) && v->words[i]; i++)
        fprintf(stderr, " %s", v->words[i]);
    for (int i = 0; i < words_of(v); i++) {
        const char *name = v->args[i];
        if (*name == '?')
            fprintf(stderr, " [%s]", name + 1);
        else if (*name == '*')
            fprintf(stderr, " [%s...]", name + 1);
        else
            fprintf(stderr, " <%s>", *name == '@' ? "file" : name);
    }
    fputs(" (see s3gw admin --help)\n", stderr);
}

/* The words with commas between. */
static json_t *join(char **words, int n)
{
    AUTO(buf_free) struct buf text = BUF(FILE_MAX);
    for (int i = 0; i < n; i++)
        buf_addf(&text, "%s%s", i ? "," : "", words[i]);
    return buf_err(&text) ? NULL : json_stringn(text.p, text.n);
}

/* Positional arguments into fields; false, and a line that says why, when there are too few or too
 * many, or a file cannot be read. */
static bool take_words(const struct verb *v, char **words, int n, json_t *request)
{
    int wanted = words_of(v), at = 0;
    for (int i = 0; i < wanted; i++) {
        const char *name = v->args[i];
        if (*name == '?' && n < wanted)
            continue;
        if (at >= n)
            break;
        bool rest = *name == '*';
        json_t *value = rest           ? join(words + at, n - at)
                        : *name == '@' ? file_text(words[at])
                                       : json_string(words[at]);
        if (!value)
            return false;
        json_object_set_new(request, name + (strchr("?@*", *name) != NULL), value);
        at = rest ? n : at + 1;
    }
    bool less = wanted > 0 && (*v->args[0] == '?' || *v->args[wanted - 1] == '*');
    bool all = at == n && at >= wanted - less;
    if (!all)
        wrong_words(v);
    return all;
}

static int ask(const char *path, json_t *request, json_t **ret)
{
    AUTO(dfs_close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const struct timeval limit = {.tv_sec = WAIT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    int r = s3_admin_connect(fd, path);
    if (r < 0)
        return r;
    AUTO(dfs_free_ptr) char *line = json_dumps(request, JSON_COMPACT);
    if (!line)
        return -ENOMEM;
    AUTO(buf_free) struct buf b = BUF(ANSWER_MAX);
    buf_addf(&b, "%s\n", line);
    if (send(fd, b.p, b.n, MSG_NOSIGNAL) != (ssize_t)b.n)
        return -EIO;
    buf_reset(&b);
    while (!buf_err(&b) && (b.n == 0 || b.p[b.n - 1] != '\n')) {
        char *room = buf_room(&b, 65536);
        ssize_t n = room ? recv(fd, room, 65536, 0) : -1;
        if (n <= 0)
            return n == 0 ? -ECONNRESET : -errno;
        buf_used(&b, (size_t)n);
    }
    *ret = json_loadb(b.p, b.n, 0, NULL);
    return *ret ? 0 : -EBADMSG;
}

/* Whole numbers of @slice are added to those of @sum. */
static void add_counts(json_t *sum, json_t *slice)
{
    const char *name;
    json_t *v;
    json_object_foreach(slice, name, v)
    {
        json_int_t before = json_integer_value(json_object_get(sum, name));
        if (json_is_integer(v))
            json_object_set_new(sum, name, json_integer(before + json_integer_value(v)));
    }
}

/*
 * A long command is answered a slice at a time: "next" is where to go on, "adopt" what has been done. The
 * answer that is returned has the sums; a terminal sees them grow.
 */
static int ask_all(const char *path, json_t *request, json_t **ret)
{
    json_t *sum = json_object();
    bool watched = isatty(STDERR_FILENO), more = true;
    int r = 0;
    while (r == 0 && more) {
        json_decref(*ret);
        *ret = NULL;
        r = ask(path, request, ret);
        json_t *slice = json_object_get(*ret, "adopt"), *next = json_object_get(*ret, "next");
        add_counts(sum, slice);
        more = json_is_object(next);
        if (more && watched)
            fprintf(stderr, "\r%" JSON_INTEGER_FORMAT " files ",
                    json_integer_value(json_object_get(sum, "files")));
        if (more)
            json_object_set(request, "at", next);
        else if (json_is_object(slice))
            json_object_set(*ret, "adopt", sum);
    }
    if (watched && json_object_size(sum) > 0)
        fputs("\r", stderr);
    json_decref(sum);
    return r;
}

/* --- the answer, for people ------------------------------------------------------------------- */

static void print_value(const char *name, const json_t *v, int indent);

static void print_joined(const json_t *texts, const char *between)
{
    for (size_t i = 0; i < json_array_size(texts); i++)
        printf("%s%s", i ? between : "", json_string_value(json_array_get(texts, i)));
}

static void print_fields(json_t *object, int indent)
{
    const char *name;
    json_t *v;
    json_object_foreach(object, name, v)
    {
        if (strcmp(name, "ok") != 0)
            print_value(name, v, indent);
    }
}

static void print_rows(const json_t *objects, int indent)
{
    size_t i;
    json_t *row;
    json_array_foreach(objects, i, row)
    {
        if (i > 0)
            printf("\n");
        print_fields(row, indent);
    }
}

static void print_value(const char *name, const json_t *v, int indent)
{
    if (json_is_object(v)) {
        printf("%*s%s:\n", indent, "", name);
        print_fields((json_t *)v, indent + 2);
        return;
    }
    if (json_is_array(v) && !json_is_string(json_array_get(v, 0))) {
        printf("%*s%s:\n", indent, "", name);
        print_rows(v, indent + 2);
        return;
    }
    printf("%*s%-*s ", indent, "", 16 - indent, name);
    if (json_is_string(v))
        printf("%s\n", json_string_value(v));
    else if (json_is_integer(v))
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(v));
    else if (json_is_boolean(v))
        printf("%s\n", json_is_true(v) ? "yes" : "no");
    else if (json_is_array(v)) {
        print_joined(v, " ");
        printf("\n");
    } else {
        printf("-\n");
    }
}

/* Lists as one line per entry, so that grep and awk can work on them. */
static bool print_list(json_t *answer)
{
    static const struct {
        const char *list;
        const char *columns[4];
    } lists[] = {
        {"users", {"id", "display_name", "email", "created"}},
        {"keys", {"access_key", "user", "created"}},
        {"buckets", {"name", "owner", "groups", "created"}},
        {"policies", {"name"}},
        {"kms_keys", {"name", "generations", "created"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        json_t *list = json_object_get(answer, lists[i].list), *row;
        size_t at;
        if (!json_is_array(list))
            continue;
        json_array_foreach(list, at, row)
        {
            for (size_t col = 0; col < ARRAY_LEN(lists[i].columns) && lists[i].columns[col];
                 col++) {
                const json_t *v = json_object_get(row, lists[i].columns[col]);
                const char *cell = json_string_value(v);
                printf("%s", col ? "\t" : "");
                if (json_is_integer(v))
                    printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
                else if (json_is_array(v))
                    print_joined(v, ",");
                else
                    printf("%s", cell && *cell ? cell : "-");
            }
            printf("%s\n", json_is_true(json_object_get(row, "disabled")) ? "\tdisabled" : "");
        }
        return true;
    }
    return false;
}

static void print_answer(json_t *answer)
{
    if (print_list(answer))
        return;
    const char *policy = json_string_value(json_object_get(answer, "policy"));
    if (policy) { /* as it was given, to be put again */
        puts(policy);
        return;
    }
    /* one object that names what it is: its fields are enough */
    static const char *const single[] = {"user",   "key",   "bucket",   "decision",
                                         "limits", "adopt", "rebalance"};
    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        json_t *v = json_object_get(answer, single[i]);
        if (json_is_object(v)) {
            print_fields(v, 0);
            return;
        }
    }
    print_fields(answer, 0);
}

static int show(json_t *answer, bool json)
{
    bool ok = json_is_true(json_object_get(answer, "ok"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    const char *code = json_string_value(json_object_get(answer, "code"));
    if (json) {
        AUTO(dfs_free_ptr) char *line = json_dumps(answer, JSON_COMPACT);
        puts(line ? line : "{}");
    } else if (ok) {
        print_answer(answer);
    } else {
        fprintf(stderr, "s3gw admin: %s\n", error ? error : "failed");
    }
    return ok ? DONE : code && strcmp(code, "usage") == 0 ? USAGE : FAILED;
}

/* --- main ------------------------------------------------------------------------------------- */

struct asked {
    const char *data, *socket;
    bool json;
    json_t *request;
    unsigned given; /* bit i: option_fields[i] */
};

static bool takes(const struct verb *v, const char *option)
{
    for (size_t i = 0; i < ARRAY_LEN(v->options) && v->options[i]; i++)
        if (strcmp(v->options[i], option) == 0)
            return true;
    return false;
}

/* An option that the verb does not know would be passed over, and --dry-run not be dry. False, and a line that says so. */
static bool options_fit(const struct verb *v, unsigned given)
{
    for (const struct option *o = options; o->name; o++) {
        if (o->val < OPT_ARG || !(given & 1u << (o->val - OPT_ARG)) || takes(v, o->name))
            continue;
        fprintf(stderr, "s3gw admin: --%s is no option of '%s%s%s' (see s3gw admin --help)\n",
                o->name, v->words[0], v->words[1] ? " " : "", v->words[1] ? v->words[1] : "");
        return false;
    }
    return true;
}

/* Reads the command line; DONE to go on, else the exit status, -1 for "help was printed". */
static int parse(int argc, char **argv, struct asked *a)
{
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == OPT_DATA)
            a->data = optarg;
        else if (c == OPT_SOCKET)
            a->socket = optarg;
        else if (c == OPT_JSON)
            a->json = true;
        else if (c >= OPT_ARG) {
            json_object_set_new(a->request, option_fields[c - OPT_ARG],
                                json_string(optarg ? optarg : "yes"));
            a->given |= 1u << (c - OPT_ARG);
        } else if (c == OPT_HELP) {
            fputs(help, stdout);
            return -1;
        } else
            return USAGE; /* getopt has said why */
    }
    if (!a->data == !a->socket) {
        fprintf(
            stderr,
            "s3gw admin: one of --data DIR and --socket PATH is needed (see s3gw admin --help)\n");
        return USAGE;
    }
    int used = 0;
    const struct verb *v = find_verb(argv + optind, argc - optind, &used);
    if (!v && optind == argc)
        fputs("s3gw admin: a command is needed (see s3gw admin --help)\n", stderr);
    else if (!v)
        fprintf(stderr, "s3gw admin: unknown command '%s%s%s' (see s3gw admin --help)\n",
                argv[optind], optind + 1 < argc ? " " : "",
                optind + 1 < argc ? argv[optind + 1] : "");
    if (!v || !options_fit(v, a->given) ||
        !take_words(v, argv + optind + used, argc - optind - used, a->request))
        return USAGE;
    char verb[32];
    size_t at = 0;
    for (int i = 0; i < used && at < sizeof(verb); i++)
        at += (size_t)snprintf(verb + at, sizeof(verb) - at, "%s%s", i ? " " : "", v->words[i]);
    json_object_set_new(a->request, "verb", json_string(verb));
    return DONE;
}

int s3_admin_main(int argc, char **argv)
{
    argv[0] = "s3gw admin"; /* the name getopt's messages begin with */
    struct asked a = {.request = json_object()};
    json_t *answer = NULL;
    int status = parse(argc, argv, &a);
    if (status == DONE) {
        AUTO(buf_free) struct buf path = BUF(8192);
        buf_addf(&path, "%s%s", a.socket ? a.socket : a.data, a.socket ? "" : "/admin.sock");
        buf_addc(&path, 0);
        int r = buf_err(&path) ? buf_err(&path) : ask_all(path.p, a.request, &answer);
        if (r < 0) {
            fprintf(stderr, "s3gw admin: %s: %s\n", buf_err(&path) ? "socket" : path.p,
                    r == -ENOENT || r == -ECONNREFUSED ? "no server is running there"
                                                       : strerror(-r));
            status = NOBODY;
        } else {
            status = show(answer, a.json);
        }
    }
    json_decref(answer);
    json_decref(a.request);
    return status < 0 ? DONE : status;
}
