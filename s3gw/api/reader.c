/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/reader.h"

#include <pthread.h>

#include "dfscore/wire/internal.h"
#include "s3gw/core/ahead.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/sse/section.h"

struct s3_reader {
    struct s3_object o; /* its arrays are the request's */
    const uint8_t *dek; /* NULL: extents are the content itself */
    bool first_whole;   /* of an encrypted one: sse/section.h */
    uint64_t first, n;
    /* Where the last read was: the next one goes on there. */
    size_t at;       /* extent */
    uint64_t begins; /* first byte of its content within the object */
    bool open;       /* @opener is of that extent */
    struct s3_opener opener;
    struct s3_dfs_run read; /* of an extent that is not encrypted: checked at its end */
    struct s3_ahead *ahead; /* NULL: none */
    size_t step;            /* at most so much is asked for at a time */
};

/* ---- the thread's buffer ---- */

_Static_assert((int)S3_RUN_BYTES >= (int)DFS_PACK_MAX, "a packed file is read whole");

static pthread_key_t buffer_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    ASSERT(pthread_key_create(&buffer_key, free) == 0);
}

/* NULL: no memory. */
static uint8_t *buffer_of_thread(void)
{
    pthread_once(&once, make_key);
    uint8_t *b = pthread_getspecific(buffer_key);
    if (!b && (b = dfs_alloc(S3_RUN_BYTES)) != NULL)
        pthread_setspecific(buffer_key, b);
    return b;
}

/* ---- extents ---- */

/* Bytes of content in extent @i. 0 or -EBADMSG. */
static int content_of(const struct s3_reader *rd, size_t i, uint64_t *ret)
{
    const struct s3_extent *e = &rd->o.extents[i];
    if (rd->dek)
        return s3_plain_size(e->length, ret);
    *ret = e->length;
    return 0;
}

int s3_reader_new(struct s3_req *q, const struct s3_object *o, const uint8_t *dek, uint64_t first,
                  uint64_t n, struct s3_reader **ret)
{
    struct s3_reader *rd = arena_alloc(&q->arena, sizeof(*rd));
    if (!rd)
        return -ENOMEM;
    struct s3_sse sse = {0};
    int r = dek ? s3_sse_decode(o->sse, &sse) : 0;
    if (r < 0)
        return r;
    *rd = (struct s3_reader){
        .o = *o, .dek = dek, .first_whole = sse.first_whole, .first = first, .n = n};
    if (dek && !(rd->opener.key = s3_req_secret(q)))
        return -ENOMEM;
    uint64_t left = o->size, content;
    for (size_t i = 0; i < o->nextents; i++) {
        r = content_of(rd, i, &content);
        if (r < 0 || content > left)
            return -EBADMSG;
        left -= content;
    }
    if (left > 0 || first > o->size || n > o->size - first)
        return -EBADMSG;
    *ret = rd;
    return 0;
}

/* To the extent with byte @pos of the object, which is inside it. */
static int seek(struct s3_reader *rd, uint64_t pos, uint64_t *ret_content)
{
    if (pos < rd->begins) {
        rd->at = 0;
        rd->begins = 0;
        rd->open = false;
    }
    for (;; rd->at++, rd->open = false) {
        int r = rd->at < rd->o.nextents ? content_of(rd, rd->at, ret_content) : -EBADMSG;
        if (r < 0)
            return r;
        if (pos - rd->begins < *ret_content)
            return 0;
        rd->begins += *ret_content;
    }
}

/* ---- frames ---- */

/* The part whose file extent rd->at is: parts without content have none. */
static uint32_t part_number(const struct s3_reader *rd)
{
    size_t file = 0;
    if (rd->at == 0 && rd->first_whole)
        return 0;
    for (size_t i = 0; i < rd->o.nparts; i++)
        if (rd->o.parts[i].size > 0 && file++ == rd->at)
            return rd->o.parts[i].number;
    return 0;
}

/* @whole: the file, NULL when it is not in memory. */
static int open_file(struct s3_reader *rd, struct s3_dfs *d, uint8_t *whole, bool wait)
{
    uint8_t header[S3_STREAM_HEADER];
    if (rd->open)
        return 0;
    const struct s3_extent *e = &rd->o.extents[rd->at];
    int r = 0;
    if (whole)
        memcpy(header, whole, sizeof(header));
    else
        r = s3_dfs_read(d, e->file_id, e->offset, header, sizeof(header), wait);
    if (r == 0)
        r = s3_opener_init(&rd->opener, rd->dek, part_number(rd), header, e->length);
    rd->open = r == 0;
    if (r == -EBADMSG)
        s3_dfs_doubt(d, e->file_id);
    return r;
}

/* Frames of a file that are read, and opened, in one go: some whole ones, or a part of one. */
struct run {
    uint64_t first, count;
    size_t skip, take; /* content before what is wanted, and what is */
    bool whole;        /* all of their content is wanted */
};

/* What of content [from, from + n) comes first. */
static struct run run_of(const struct s3_opener *o, uint64_t from, size_t n)
{
    struct run run = {.first = from / S3_FRAME_PLAIN, .skip = (size_t)(from % S3_FRAME_PLAIN)};
    size_t content = s3_frame_sealed(o, run.first) - S3_FRAME_TAG;
    run.whole = run.skip == 0 && n >= content;
    if (!run.whole) {
        run.count = 1;
        run.take = MIN(n, content - run.skip);
    } else if (n >= S3_RUN_FRAMES * S3_FRAME_PLAIN) {
        run.count = S3_RUN_FRAMES;
        run.take = S3_RUN_FRAMES * S3_FRAME_PLAIN;
    } else if (from + n == o->plain) {
        run.count = o->frames - run.first;
        run.take = n;
    } else {
        run.count = n / S3_FRAME_PLAIN;
        run.take = (size_t)run.count * S3_FRAME_PLAIN;
    }
    return run;
}

static size_t sealed_of(const struct s3_opener *o, const struct run *run)
{
    return (size_t)(run->count - 1) * S3_FRAME_SEALED +
           s3_frame_sealed(o, run->first + run->count - 1);
}

/* The content wanted of a run, which is at @sealed and not left as it is. */
static int open_run(const struct s3_opener *o, const struct run *run, uint8_t *sealed, uint8_t *out)
{
    if (run->whole)
        return s3_opener_frames(o, run->first, run->count, sealed, out);
    int r = s3_opener_frames(o, run->first, 1, sealed, sealed);
    if (r == 0)
        memcpy(out, sealed + run->skip, run->take);
    return r;
}

/* The frames of a run of the extent @e, in @buffer or elsewhere, written over by who opens them. */
static int fetch(struct s3_reader *rd, struct s3_dfs *d, const struct run *run, uint8_t *buffer,
                 bool wait, uint8_t **ret)
{
    const struct s3_extent *e = &rd->o.extents[rd->at];
    uint64_t at = e->offset + s3_frame_at(run->first);
    size_t n = sealed_of(&rd->opener, run);
    *ret = rd->ahead ? s3_ahead_take(rd->ahead, e->file_id, at, n) : NULL;
    if (*ret)
        return 0;
    *ret = buffer;
    return s3_dfs_read(d, e->file_id, at, buffer, n, wait);
}

/* What comes behind byte @from of this file's content, @left of it in this read. */
static void begin_next(struct s3_reader *rd, uint64_t from, size_t left)
{
    const struct s3_extent *e = &rd->o.extents[rd->at];
    uint64_t end = MIN(rd->opener.plain, rd->first + rd->n - rd->begins);
    if (!rd->ahead || from >= end)
        return;
    struct run run =
        run_of(&rd->opener, from, (size_t)MIN(end - from, (uint64_t)(left ? left : rd->step)));
    if (run.whole)
        s3_ahead_begin(rd->ahead, e->file_id, e->offset + s3_frame_at(run.first),
                       sealed_of(&rd->opener, &run));
}

struct opening {
    const struct s3_opener *o;
    const struct run *run;
    uint8_t *sealed; /* where the bytes are put that are to be judged */
    uint8_t *out;
};

static int opens(const void *bytes, void *arg)
{
    const struct opening *a = arg;
    ASSERT(bytes == a->sealed);
    return open_run(a->o, a->run, a->sealed, a->out);
}

/* The bytes that were had are not right: those of another server. */
static int open_another(struct s3_reader *rd, struct s3_dfs *d, const struct run *run,
                        uint8_t *buffer, uint8_t *out, bool wait)
{
    const struct s3_extent *e = &rd->o.extents[rd->at];
    struct opening a = {&rd->opener, run, buffer, out};
    return wait ? s3_dfs_read_right(d, e->file_id, e->offset + s3_frame_at(run->first), buffer,
                                    sealed_of(&rd->opener, run), opens, &a)
                : -EAGAIN;
}

/* Bytes [from, from + n) of one file's content. */
static int read_frames(struct s3_reader *rd, struct s3_dfs *d, uint64_t from, uint8_t *out,
                       size_t n, bool wait)
{
    const struct s3_extent *e = &rd->o.extents[rd->at];
    uint8_t *buffer = buffer_of_thread(), *whole = NULL;
    if (!buffer)
        return -ENOMEM;
    int r = 0;
    if (e->length <= DFS_PACK_MAX) { /* may be in a pack, which is read and checked in one go */
        whole = buffer;
        r = s3_dfs_read(d, e->file_id, e->offset, whole, (size_t)e->length, wait);
    }
    if (r == 0)
        r = open_file(rd, d, whole, wait);
    while (r == 0 && n > 0) {
        struct run run = run_of(&rd->opener, from, n);
        uint8_t *sealed = whole ? whole + s3_frame_at(run.first) : NULL;
        from += run.take;
        n -= run.take;
        if (!whole) {
            r = fetch(rd, d, &run, buffer, wait, &sealed);
            if (r == 0)
                begin_next(rd, from, n);
        }
        if (r == 0)
            r = open_run(&rd->opener, &run, sealed, out);
        if (r == -EBADMSG) {
            whole = NULL;
            r = open_another(rd, d, &run, buffer, out, wait);
        }
        out += run.take;
    }
    return r;
}

int s3_reader_read(struct s3_reader *rd, struct s3_dfs *d, uint64_t at, void *out, size_t n,
                   bool wait)
{
    uint8_t *to = out;
    if (at > rd->n || n > rd->n - at)
        return -ERANGE;
    for (uint64_t pos = rd->first + at; n > 0;) {
        uint64_t content;
        int r = seek(rd, pos, &content);
        if (r < 0)
            return r;
        const struct s3_extent *e = &rd->o.extents[rd->at];
        uint64_t from = pos - rd->begins;
        size_t some = (size_t)MIN(content - from, (uint64_t)n);
        r = rd->dek ? read_frames(rd, d, from, to, some, wait)
                    : s3_dfs_read_on(d, &rd->read, e->file_id, e->offset + from, to, some, wait);
        if (r < 0)
            return r;
        to += some;
        pos += some;
        n -= some;
    }
    return 0;
}

size_t s3_reader_step(struct s3_reader *rd, uint64_t at, size_t max)
{
    uint64_t content;
    if (at >= rd->n)
        return 0;
    rd->step = max;
    max = (size_t)MIN(rd->n - at, (uint64_t)max);
    if (!rd->dek || seek(rd, rd->first + at, &content) < 0) /* read() says why */
        return max;
    uint64_t from = rd->first + at - rd->begins;
    size_t rest = S3_FRAME_PLAIN - (size_t)(from % S3_FRAME_PLAIN);
    return max <= rest ? max : max - (max - rest) % S3_FRAME_PLAIN;
}

void s3_reader_ahead(struct s3_reader *rd, struct s3_ahead *a)
{
    rd->ahead = a;
}
