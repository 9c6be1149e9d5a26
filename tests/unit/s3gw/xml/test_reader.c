/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/xml/reader.h"

struct fixture {
    struct arena arena;
    struct s3_node *root;
};

static int parse(struct fixture *f, const char *text, const char *root)
{
    arena_init(&f->arena, 1 << 20);
    f->root = NULL;
    return s3_xml_parse(str_c(text), root, &f->arena, &f->root);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int r;
    } rows[] = {
        {"", -ENODATA},
        {" \r\n\t", -ENODATA},
        {"x", -EBADMSG},
        {"<A>", -EBADMSG},
        {"<A></B>", -EBADMSG},
        {"<A/><A/>", -EBADMSG},
        {"<A>&unknown;</A>", -EBADMSG},
        {"<A>&#0;</A>", -EBADMSG},
        {"<A>\x80</A>", -EBADMSG},
        {"<Other/>", -EBADMSG},
        {"<!DOCTYPE A><A/>", -EBADMSG},
        {"<!DOCTYPE A [<!ENTITY e 'x'>]><A>&e;</A>", -EBADMSG},
        {"<!DOCTYPE A SYSTEM 'file:///etc/passwd'><A/>", -EBADMSG},
        {"<A><A><A><A><A><A><A><A><A><A><A><A><A><A><A><A><A/></A></A></A></A></A></A></A></A></"
         "A></A></A></A></A>"
         "</A></A></A>",
         -EBADMSG},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        int r = parse(&f, rows[i].text, "A");
        if (r != rows[i].r)
            print_error("row %zu: %s: %d\n", i, rows[i].text, r);
        assert_int_equal(r, rows[i].r);
        arena_fini(&f.arena);
    }
}

static void a_dtd_in_another_encoding_is_refused_too(void **state)
{
    (void)state;
    static const char ascii[] = "<!DOCTYPE A [<!ENTITY e 'x'>]><A>&e;</A>";
    char utf16[2 + 2 * sizeof(ascii)] = "\xFF\xFE";
    for (size_t i = 0; i < sizeof(ascii) - 1; i++)
        utf16[2 + 2 * i] = ascii[i];
    struct arena a;
    struct s3_node *root;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_xml_parse(str_of(utf16, 2 * sizeof(ascii)), "A", &a, &root), -EBADMSG);
    arena_fini(&a);
}

static void blanks_of_a_key_survive(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(
        parse(
            &f,
            "<A>\n  <Key>  a b </Key>\n  <Key>  </Key><Key>&#x20;&lt;<![CDATA[&x]]>\r\n</Key></A>",
            "A"),
        0);
    const struct s3_node *k = s3_node_child(f.root, "Key");
    assert_true(str_eq(k->text, STR("  a b ")));
    k = s3_node_find(k->next, "Key");
    assert_true(str_eq(k->text, STR("  ")));
    k = s3_node_find(k->next, "Key");
    assert_true(str_eq(k->text, STR(" <&x\n")));
    assert_null(s3_node_find(k->next, "Key"));
    assert_int_equal(s3_node_count(f.root, "Key"), 3);
    arena_fini(&f.arena);
}

static void namespaces_and_unknown_children_are_tolerated(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(parse(&f,
                           "<?xml version='1.0'?><!-- c --><s:A "
                           "xmlns:s='http://s3.amazonaws.com/doc/2006-03-01/' x='1'>"
                           "<s:What><s:Ever/></s:What><s:Status>On</s:Status></s:A>",
                           "A"),
                     0);
    assert_true(str_eq(s3_node_text(f.root, "Status"), STR("On")));
    assert_true(str_eq(s3_node_text(f.root, "What"), STR("")));
    assert_null(s3_node_text(f.root, "Ever").p);
    arena_fini(&f.arena);
}

static void the_type_of_a_grantee_is_read(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(
        parse(&f, "<A xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:type='Group'/>", NULL),
        0);
    assert_true(str_eq(f.root->type, STR("Group")));
    arena_fini(&f.arena);
}

static void a_ceiling_of_memory_is_an_error(void **state)
{
    (void)state;
    struct arena a;
    struct s3_node *root;
    AUTO(buf_free) struct buf b = BUF(1 << 20);
    buf_adds(&b, STR("<A>"));
    for (int i = 0; i < 10000; i++)
        buf_adds(&b, STR("<B>text</B>"));
    buf_adds(&b, STR("</A>"));
    arena_init(&a, 64 * 1024);
    assert_int_equal(s3_xml_parse(buf_str(&b), "A", &a, &root), -ENOMEM);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_dtd_in_another_encoding_is_refused_too),
        cmocka_unit_test(blanks_of_a_key_survive),
        cmocka_unit_test(namespaces_and_unknown_children_are_tolerated),
        cmocka_unit_test(the_type_of_a_grantee_is_read),
        cmocka_unit_test(a_ceiling_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
