/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/walk.h"

#include <unistd.h>

#include "dfscore/wire/internal.h"

enum {
    WINDOW = 128 * 1024,
    PEEK = 4096,
    WINDOW_MAX = DFS_DESC_MAX + STO_REC_NAME_MAX + STO_REC_EXTRA_MAX + STO_REC_ALIGN,
    REREADS = 3,
};

void sto_walk_init(struct sto_walk *w, const struct sto_io *io, int fd, uint32_t number,
                   uint32_t salt, uint32_t at, uint32_t end)
{
    *w = (struct sto_walk){
        .io = io, .fd = fd, .number = number, .salt = salt, .at = at, .end = end, .ahead = WINDOW};
}

void sto_walk_fini(struct sto_walk *w)
{
    free(w->win);
    w->win = NULL;
    w->win_cap = w->win_n = 0;
}

/* @n bytes at @at, or NULL with *ret_err; -ENODATA when the pack ends before. */
static const uint8_t *window(struct sto_walk *w, uint32_t at, size_t n, int *ret_err)
{
    if (at >= w->win_at && (uint64_t)at + n <= (uint64_t)w->win_at + w->win_n)
        return w->win + (at - w->win_at);
    if ((uint64_t)at + n > w->end || n > WINDOW_MAX) {
        *ret_err = -ENODATA;
        return NULL;
    }
    size_t want = MAX(n, MIN(w->ahead, (size_t)(w->end - at)));
    if (want > w->win_cap) {
        size_t cap = MAX(want, (size_t)WINDOW);
        uint8_t *p = dfs_realloc(w->win, cap);
        if (!p) {
            *ret_err = -ENOMEM;
            return NULL;
        }
        w->win = p;
        w->win_cap = cap;
    }
    w->win_n = 0;
    ssize_t got = sto_read_all(w->io, w->fd, w->win, want, at);
    if (got < 0) {
        *ret_err = (int)got;
        return NULL;
    }
    w->win_at = at;
    w->win_n = (size_t)got;
    if ((size_t)got < n) {
        *ret_err = -ENODATA;
        return NULL;
    }
    return w->win;
}

int sto_walk_head(struct sto_walk *w, struct sto_rec *ret)
{
    int err = 0;
    for (int tries = 0; tries < REREADS; tries++) {
        const uint8_t *p = window(w, w->at, STO_REC_HEAD, &err);
        if (!p)
            return err;
        err = sto_rec_decode(p, w->salt, STO_POS(w->number, w->at), w->end - w->at, ret);
        if (err != -EBADMSG)
            return err;
        w->win_n = 0; /* the sweeper may have been writing this very header: look again */
    }
    return err;
}

static int find_valid(struct sto_walk *w, struct sto_rec *ret)
{
    uint32_t from = w->at;
    while (w->end - w->at > STO_REC_ALIGN) {
        w->at += STO_REC_ALIGN;
        int err = 0;
        const uint8_t *p = window(w, w->at, STO_REC_HEAD, &err);
        if (!p && err != -ENODATA)
            return err;
        if (!p)
            break;
        if (sto_rec_decode(p, w->salt, STO_POS(w->number, w->at), w->end - w->at, ret) == 0) {
            w->damaged += w->at - from;
            return 1;
        }
    }
    w->damaged += w->end - from;
    w->at = w->end;
    return 0;
}

int sto_walk_next(struct sto_walk *w, struct sto_rec *ret)
{
    if (w->at >= w->end)
        return 0;
    int r = sto_walk_head(w, ret);
    if (r == -ENODATA || r == -EBADMSG) {
        r = find_valid(w, ret);
        if (r <= 0)
            return r;
    } else if (r < 0) {
        return r;
    }
    w->at += ret->total;
    w->ahead = ret->total > WINDOW / 4 ? PEEK : WINDOW;
    return 1;
}

int sto_walk_body(struct sto_walk *w, const struct sto_rec *rec, bool want_desc,
                  struct sto_body *ret)
{
    uint32_t at = STO_POS_OFF(rec->position) + sto_rec_body_at(rec);
    size_t names = (size_t)rec->name_len + rec->extra_len;
    size_t n = names + (want_desc ? rec->desc_len : 0);
    int err = 0;
    const uint8_t *p = window(w, at, n, &err);
    if (!p)
        return err == -ENODATA ? -EBADMSG : err;
    /* The checksum covers the description too; without it the header's checksum must do. */
    if (n == names + rec->desc_len && sto_rec_crc(w->salt, p, n) != rec->body_crc)
        return -EBADMSG;
    ret->name = str_of(p, rec->name_len);
    ret->extra = str_of(p + rec->name_len, rec->extra_len);
    ret->desc = str_of(p + names, n - names);
    return 0;
}

int sto_walk_emptied(struct sto_walk *w, const struct sto_rec *rec)
{
    int err = 0;
    const uint8_t *slot = window(w, STO_POS_OFF(rec->position) + STO_REC_HEAD, STO_REC_SLOT, &err);
    if (!slot)
        return err == -ENODATA ? -EBADMSG : err;
    return slot[0] == 0;
}

int sto_walk_content(struct sto_walk *w, const struct sto_rec *rec)
{
    ASSERT(rec->kind == STO_REC_OBJECT);
    uint32_t at = STO_POS_OFF(rec->position) + STO_REC_HEAD;
    uint32_t crc;
    int r = sto_crc_range(w->io, w->fd, at + STO_REC_SLOT, rec->data_len, &crc);
    if (r < 0)
        return r;
    return crc == rec->data_crc ? 0 : -EBADMSG;
}
