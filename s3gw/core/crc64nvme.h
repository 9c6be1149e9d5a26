/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc64nvme - CRC-64/NVME, which S3 computes where a client sends no checksum.
 *
 * Polynomial AD93D23594C93659, reflected in and out, all ones in and out; of "123456789" it is
 * AE8B14860A799888. ISA-L has it from 2.31 ("rocksoft"), Debian 12 ships 2.30, hence our own:
 * carry-less multiplication where the processor has it, slices of eight bytes elsewhere.
 *
 * Rule: NVM Express NVM Command Set Specification, "64b CRC"; s3-behaviours 6.
 * Threads: any; no state but constant tables.
 */
#ifndef S3_CRC64NVME_H
#define S3_CRC64NVME_H

#include "dfscore/base/base.h"

#define S3_CRC64NVME_POLY 0x9A6C9329AC4BC9B5u /* reflected */

/* Continue @crc (0 at the start) over @n bytes. */
uint64_t s3_crc64nvme(uint64_t crc, const void *p, size_t n);
/* The same without special instructions; for tests and other processors. */
uint64_t s3_crc64nvme_portable(uint64_t crc, const void *p, size_t n);

#endif
