/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_ledger - what clients of a simulated group of storages (cluster_sim.h) were told, and what must follow
 * from it: every file with its content, its metadata, the members that had it when it was acknowledged; and the
 * changes that wait for their copies.
 *
 * One at a time in a process, for the fibers of one schedule. What is wrong is noted, not asserted: cmocka's
 * assertions are not for fibers. Whoever runs the schedule looks at ledger.wrong.
 */
#ifndef TEST_CLUSTER_LEDGER_H
#define TEST_CLUSTER_LEDGER_H

#include <stdio.h>

#include "tests/lib/cluster_sim.h"

enum { LED_FILES = 400, LED_PREFIX = 16 };

enum led_state {
    UNKNOWN, /* it may be there or not: whoever asked for it, or for its deletion, was not answered */
    THERE,
    GONE,
};

struct led_file {
    char name[STO_NAME_MAX + 1];
    enum led_state state;
    bool packed, appender;
    bool unheard;           /* the name was never told to anybody */
    bool busy;              /* a change has not been answered yet */
    bool vague, meta_vague; /* one never was: the content may be of before or after, or between */
    unsigned home;          /* the member that made it, and makes it a normal file */
    bool elsewhere;         /* edited at another one since */
    int64_t version;        /* of an appender's bytes */
    unsigned edit_open;     /* bits: members that edited it, which was not acknowledged */
    bool ahead; /* such a one lost its disk: another may have some of that, and nobody the record */
    unsigned holders;      /* bits: had it when it was acknowledged, and lost no disk since */
    unsigned meta_holders; /* the same of its metadata */
    unsigned
        meta_open; /* bits: members that changed them, or deleted the file, which was not acknowledged */
    bool
        meta_ahead; /* such a one lost its disk: another may have the text, and nobody the record */
    uint64_t acked_us;
    char *bytes; /* owned */
    size_t n;
    char meta[32];
    int64_t
        meta_ms; /* their time where they were set last, whether that was acknowledged or not; 0: never */
    const struct led_file *target; /* of a link */
    const struct led_file *master; /* of a slave, and its */
    char prefix[LED_PREFIX];
    unsigned makers; /* bits: members that have made it */
    /* A slave that is GONE: who has heard of it, led_knows_gone(). */
    uint8_t gone_log[STO_LOG_ID_LEN];
    uint64_t gone_end, gone_us;
    unsigned gone_from; /* bits: had it when it was acknowledged, and lost no disk since */
};

struct ledger {
    struct led_file files[LED_FILES];
    unsigned count, serial;
    unsigned pending; /* fibers and changes that have not ended */
    bool quiet;       /* clients and faults are to end */
    bool disks_fail;
    /* what is there is changed by the file's member alone, and not where disks fail; as again */
    bool at_home;
    bool again;    /* slaves are deleted and made again; set after led_start() */
    unsigned lost; /* bits: members that lost a disk */
    unsigned faults, acked, refused, made_again, read, not_read;
    char wrong[400]; /* the first thing that was; "" */
};
extern struct ledger ledger;

#define WRONG(...)                                                                                 \
    do {                                                                                           \
        if (!ledger.wrong[0])                                                                      \
            (void)snprintf(ledger.wrong, sizeof(ledger.wrong), __VA_ARGS__);                       \
    } while (0)

/* An empty one. */
void led_start(bool disks_fail);
void led_stop(void);

/* Has @n the file, with the right content? */
bool led_has(const struct sim_node *n, const struct led_file *f);

/* The version of what @n has. */
int64_t led_version(const struct sim_node *n, const struct led_file *f);
/* Has @n the right metadata of it? */
bool led_has_meta(const struct sim_node *n, const struct led_file *f);

/* A file that @n has just made; busy. */
struct led_file *led_new_file(const struct sim_node *n, const char *name);
/* Does @n know that it is deleted, so that what it makes under that name is newer, whatever the clocks say? */
bool led_knows_gone(const struct sim_node *n, const struct led_file *f);
/* Its content is a copy of @p. */
void led_set_bytes(struct led_file *f, const void *p, size_t n);

enum led_kind { LED_MADE, LED_EDITED, LED_MARKED, LED_DELETED, LED_RENAMED };

/* A change that was made on a member's disk and waits for its copies. */
struct led_change {
    struct sto_copies_wait wait; /* first */
    struct sim_node *n;
    uint64_t session;
    struct led_file *f, *old; /* old: what a regenerated one was */
    enum led_kind kind;
    bool unsure; /* LED_MADE: a deletion that was not known there may be later */
    char *bytes; /* owned; LED_EDITED: what it then is */
    size_t size;
    int64_t version; /* LED_EDITED: of that */
    char meta[32];   /* LED_MARKED */
};

/* @f is busy until it is answered. The caller fills in the rest by kind, then gives it to led_wait(). */
struct led_change *led_new_change(struct led_file *f, enum led_kind kind);
/* It is on the disk of @n: wait for the others, then write down what the client is told. Takes @c. */
void led_wait(struct sim_node *n, struct led_change *c);

#endif
