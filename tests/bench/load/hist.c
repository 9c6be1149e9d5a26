/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/hist.h"

/* Values below HIST_SUB have a bucket each; above, the bits behind the leading one choose. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < HIST_SUB)
        return (unsigned)ns;
    unsigned octave = 63u - (unsigned)__builtin_clzll(ns) - HIST_SUB_BITS;
    return (octave << HIST_SUB_BITS) + (unsigned)(ns >> octave);
}

static uint64_t upper_end(unsigned bucket)
{
    if (bucket < 2 * HIST_SUB)
        return bucket;
    unsigned octave = (bucket >> HIST_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(bucket - (octave << HIST_SUB_BITS)) << octave;
    return first + (1ull << octave) - 1;
}

void hist_add(struct hist *h, uint64_t ns)
{
    h->n++;
    h->sum_ns += ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->bucket[bucket_of(ns)]++;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    into->n += from->n;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    uint64_t below = 0, rank = (uint64_t)(q * (double)h->n);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        below += h->bucket[i];
        if (h->bucket[i] > 0 && below > rank)
            return upper_end(i) < h->max_ns ? upper_end(i) : h->max_ns;
    }
    return h->max_ns;
}
