/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/wire/status.h"

/* Linux errno numbers of the wire, whatever numbers this platform uses. Protocol 2.2. */
static const struct {
    uint8_t wire;
    int err;
} rows[] = {
    {1, EPERM},        {2, ENOENT},         {4, EINTR},         {5, EIO},
    {6, ENXIO},        {9, EBADF},          {11, EAGAIN},       {12, ENOMEM},
    {13, EACCES},      {14, EFAULT},        {16, EBUSY},        {17, EEXIST},
    {18, EXDEV},       {19, ENODEV},        {20, ENOTDIR},      {21, EISDIR},
    {22, EINVAL},      {23, ENFILE},        {24, EMFILE},       {27, EFBIG},
    {28, ENOSPC},      {30, EROFS},         {31, EMLINK},       {32, EPIPE},
    {34, ERANGE},      {36, ENAMETOOLONG},  {39, ENOTEMPTY},    {40, ELOOP},
    {61, ENODATA},     {62, ETIME},         {64, ENONET},       {66, EREMOTE},
    {71, EPROTO},      {74, EBADMSG},       {75, EOVERFLOW},    {90, EMSGSIZE},
    {95, EOPNOTSUPP},  {100, ENETDOWN},     {101, ENETUNREACH}, {103, ECONNABORTED},
    {104, ECONNRESET}, {105, ENOBUFS},      {107, ENOTCONN},    {108, ESHUTDOWN},
    {110, ETIMEDOUT},  {111, ECONNREFUSED}, {112, EHOSTDOWN},   {113, EHOSTUNREACH},
    {114, EALREADY},   {115, EINPROGRESS},  {116, ESTALE},      {122, EDQUOT},
    {125, ECANCELED},
};

int dfs_status_errno(uint8_t status)
{
    if (status == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].wire == status)
            return -rows[i].err;
    return -EREMOTEIO;
}

uint8_t dfs_status_byte(int r)
{
    if (r >= 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].err == -r)
            return rows[i].wire;
    return 5;
}
