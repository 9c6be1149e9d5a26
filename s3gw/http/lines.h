/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines - whether a head has the lines that libmicrohttpd took from it, and no others.
 *
 * libmicrohttpd (0.9.75; 1.0 refuses them) ends a head at a line that begins with a colon or with NUL as at an empty
 * one: what follows is the body, and what is left of that the next request, which a proxy before us never saw. It cuts
 * the method, the target and values at NUL, and puts what a continued line says behind the header's name. Nothing of that is
 * seen in what it hands out. But it parses in place, with NUL over each colon and end of line, and all it hands out lies
 * there: so it is measured whether one follows the other, up to the end of the head.
 *
 * Rule: RFC 9112, 2.2, 5 and 5.2; RFC 9110, 5.5. Not told apart, as all are NUL then: CR before LF, and NUL there; at the
 * head's end CR LF CR LF, and any two to four of CR, LF, NUL and colon.
 */
#ifndef S3_LINES_H
#define S3_LINES_H

#include "dfscore/base/str.h"

struct s3_lines {
    const char *at;  /* where the text of the last line ended */
    const char *end; /* of the head */
    bool broken;
};

/*
 * The first line's three words. They, and all below, as handed out. @method and @head_end are of one piece of memory,
 * which may be read from the one to the other.
 */
void s3_lines_begin(struct s3_lines *l, const char *method, struct str target, const char *version,
                    const char *head_end);
/* The next header, in their order. */
void s3_lines_header(struct s3_lines *l, const char *name, size_t name_n, const char *value,
                     size_t value_n);
/* After the last one. */
bool s3_lines_whole(const struct s3_lines *l);

#endif
