/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent, who opens files of captures, and the sink that continues them ask of a pcapng file. */
#ifndef ANYVF_SW_PARENT_PCAPNG_READ_H
#define ANYVF_SW_PARENT_PCAPNG_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Types of the blocks we write; the first one of a file is a section. */
#define PCAPNG_SECTION	 0x0a0d0d0au
#define PCAPNG_INTERFACE 1u
#define PCAPNG_STATS	 5u
#define PCAPNG_PACKET	 6u
#define PCAPNG_BLOCK_MAX 131072u /* more bytes than any block of ours has */

int pcapng_check(int fd, const char *path, struct err *e);
ssize_t pcapng_whole(const uint8_t *bytes, size_t size, bool all);

#endif
