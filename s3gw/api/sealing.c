/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/sealing.h"

#include "s3gw/core/gw.h"

struct sealing {
    struct s3_sealer *sealer;
    struct s3_budget *budget;
};

static void sealing_free(void *arg)
{
    struct sealing *s = arg;
    s3_sealer_free(&s->sealer);
    s3_budget_give(s->budget, s3_sealer_memory());
    free(s);
}

static int sealing_push(void *arg, struct str piece, int (*write)(void *f, struct str bytes),
                        void *f)
{
    struct sealing *s = arg;
    return piece.p ? s3_sealer_push(s->sealer, piece, write, f)
                   : s3_sealer_finish(s->sealer, write, f);
}

static void sealing_again(void *arg)
{
    struct sealing *s = arg;
    s3_sealer_again(s->sealer);
}

int s3_sealing_new(struct s3_gw *gw, const struct s3_seal *seal, struct s3_upload_file_options *o)
{
    if (!s3_budget_take(&gw->small, s3_sealer_memory()))
        return -EAGAIN;
    struct sealing *s = dfs_zalloc(sizeof(*s));
    int r = s ? s3_sealer_new(seal->dek, seal->part, &s->sealer) : -ENOMEM;
    if (r < 0) {
        free(s);
        s3_budget_give(&gw->small, s3_sealer_memory());
        return r;
    }
    s->budget = &gw->small;
    o->seal = sealing_push;
    o->seal_free = sealing_free;
    o->seal_again = sealing_again;
    o->sealer = s;
    return 0;
}
