/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image's bytes are, whatever its owner says: our own reader of headers,
 * so that no other program has to look at bytes that nobody judged.
 */
#ifndef ANYVF_BASE_IMGHDR_H
#define ANYVF_BASE_IMGHDR_H

#include <stdint.h>

#include "base/err.h"

#define IMGHDR_HEAD	65536		     /* bytes of the beginning that are looked at */
#define IMGHDR_TAIL	512		     /* and of the end */
#define IMGHDR_SIZE_MAX ((uint64_t)64 << 40) /* largest virtual size that makes sense, bytes */

/* The parts of a file that tell. */
struct imghdr {
	const uint8_t *head, *tail;
	size_t head_size; /* the smaller of the file and IMGHDR_HEAD */
	size_t tail_size; /* IMGHDR_TAIL, 0 when the file is smaller */
	uint64_t size;	  /* of the file, bytes */
};

const char *imghdr_format(const struct imghdr *h);
int imghdr_judge(const struct imghdr *h, const char *disk_format, uint64_t *virtual_size,
		 struct err *e);
int imghdr_judge_file(int fd, const char *disk_format, uint64_t *virtual_size, struct err *e);
const char *imghdr_driver(const char *disk_format);

#endif
