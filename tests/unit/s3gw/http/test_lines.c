/* SPDX-License-Identifier: Apache-2.0 */
/* Heads as libmicrohttpd leaves them in memory: NUL over colons and ends of lines, where '|' and '$' stand here. */
#include "s3gw/http/lines.h"

#include <string.h>

#include "tests/lib/test.h"

/* @head: "method| target|version$" and so on; a '|' behind a name or the first words, a '$' for CR and for LF. @n:
 * headers. */
static bool whole(const char *head, size_t n)
{
    char text[256];
    size_t size = strlen(head);
    assert_true(size < sizeof(text));
    memcpy(text, head, size + 1);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '|' || text[i] == '$')
            text[i] = '\0';
    char *at = text + strlen(text) + 1;
    while (*at == ' ')
        at++;
    struct str target = str_c(at);
    at += target.n + 1;
    struct s3_lines l;
    s3_lines_begin(&l, text, target, at, text + size);
    at += strlen(at);
    for (size_t i = 0; i < n; i++) {
        while (*at == '\0')
            at++;
        char *name = at, *value = at + strlen(at) + 1;
        while (*value == ' ')
            value++;
        s3_lines_header(&l, name, strlen(name), value, strlen(value));
        at = value + strlen(value);
    }
    return s3_lines_whole(&l);
}

static void heads_that_are_whole(void **state)
{
    (void)state;
    assert_true(whole("GET|/a|HTTP/1.1$$$$", 0));
    assert_true(whole("GET|/a|HTTP/1.1$$", 0));
    assert_true(whole("GET|/a |HTTP/1.1$$Host| x$$$$", 1));
    assert_true(whole("GET|  /a|HTTP/1.1$$Host| x$$$$", 1));
    assert_true(whole("GET|/a|HTTP/1.1$$Host|x$$Empty|$$$$", 2));
    assert_true(whole("GET|/a|HTTP/1.1$Host|  x$Other| y$$", 2));
    assert_true(whole("GET|/a|HTTP/1.1$$Host| x$Other| y$$$", 2));
}

static void heads_with_a_line_that_is_none(void **state)
{
    (void)state;
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x$$| a$$", 1));          /* ends at ": a" */
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x$$|$$", 1));            /* at ":" */
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x$$$y: z$$", 1));        /* at NUL */
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x$y$$Other| z$$$$", 2)); /* a value cut at NUL */
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x$y$$$$", 1));
    assert_false(whole("GET|/a|HTTP/1.1$$| a$$Host| x$$$$", 1)); /* the first line */
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x$$", 0));
    assert_false(whole("GET|/a|HTTP/1.1$$Host| x", 1));
    assert_false(whole("GET|/a$b|HTTP/1.1$$Host| x$$$$", 1)); /* the target cut */
    assert_false(whole("GE$T|/a|HTTP/1.1$$Host| x$$$$", 1));  /* the method */
    assert_false(whole("GE$$|/a|HTTP/1.1$$Host| x$$$$", 1));
}

static void what_lies_elsewhere_is_not_of_the_head(void **state)
{
    (void)state;
    static const char text[] = "GET\0/a\0HTTP/1.1\0\0Name\0 a\0\0 b\0\0\0", other[] = "Nameb",
                      none[] = "";
    const char *head = text + 4, *end = text + sizeof(text) - 1;
    const struct str target = str_of(head, 2);
    struct s3_lines l;
    s3_lines_begin(&l, text, target, head + 3, end);
    s3_lines_header(&l, other, 5, head + 19, 1); /* a continued line: the name has moved */
    assert_false(s3_lines_whole(&l));
    s3_lines_begin(&l, text, target, head + 3, end);
    s3_lines_header(&l, head + 13, 4, other, 5);
    assert_false(s3_lines_whole(&l));
    s3_lines_begin(&l, text, target, head + 3, end);
    s3_lines_header(&l, none, 0, head + 19, 1);
    assert_false(s3_lines_whole(&l));
    s3_lines_begin(&l, text, target, none, end); /* no version */
    assert_false(s3_lines_whole(&l));
    s3_lines_begin(&l, head + 13, target, head + 3, end); /* a method behind the target */
    s3_lines_header(&l, head + 13, 4, head + 19, 1);
    assert_false(s3_lines_whole(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_that_are_whole),
        cmocka_unit_test(heads_with_a_line_that_is_none),
        cmocka_unit_test(what_lies_elsewhere_is_not_of_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
