/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/names.h"

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Four numbers with dots between, whatever their size: clients would take the host for an address.
 */
static bool like_ipv4(struct str name)
{
    struct str label;
    size_t labels = 0;
    while (str_split(&name, '.', &label)) {
        for (size_t i = 0; i < label.n; i++)
            if (label.p[i] < '0' || label.p[i] > '9')
                return false;
        labels++;
    }
    return labels == 4;
}

/* "-an" (account namespaces, 2026) is left out: it means something at AWS only, and harms ordinary
 * names. */
static bool reserved(struct str name)
{
    static const struct str prefixes[] = {STR_INIT("xn--"), STR_INIT("sthree-"),
                                          STR_INIT("amzn-s3-demo-")};
    static const struct str suffixes[] = {STR_INIT("-s3alias"), STR_INIT("--ol-s3"),
                                          STR_INIT(".mrap"), STR_INIT("--x-s3"),
                                          STR_INIT("--table-s3")};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(name, prefixes[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (str_ends(name, suffixes[i]))
            return true;
    return false;
}

bool s3_name_bucket_ok(struct str name)
{
    if (name.n < 3 || name.n > S3_BUCKET_NAME_MAX)
        return false;
    struct str rest = name, label;
    while (str_split(&rest, '.', &label)) {
        /* Differs: AWS has become laxer about '-' beside '.'; such names break TLS and DNS
         * everywhere. */
        if (!label.n || !alphanumeric(label.p[0]) || !alphanumeric(label.p[label.n - 1]))
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!alphanumeric(label.p[i]) && label.p[i] != '-')
                return false;
    }
    return !like_ipv4(name) && !reserved(name);
}

bool s3_name_key_ok(struct str key)
{
    return key.n >= 1 && key.n <= S3_KEY_MAX && str_utf8_ok(key) && str_chr(key, '\0') == SIZE_MAX;
}

bool s3_name_user_ok(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if ((unsigned char)id.p[i] < ' ' || id.p[i] == 0x7F)
            return false;
    return id.n >= 1 && id.n <= S3_USER_ID_MAX;
}

bool s3_name_new_user_ok(struct str id)
{
    for (size_t i = 0; i + 1 < id.n; i++)
        if ((unsigned char)id.p[i] == 0xC2 && (unsigned char)id.p[i + 1] <= 0xA0)
            return false;
    return s3_name_user_ok(id) && str_chr(id, ' ') == SIZE_MAX;
}

bool s3_name_header_ok(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", name.p[i]))
            return false;
    return name.n > 0;
}

bool s3_name_header_value_ok(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7F)
            return false;
    return true;
}
