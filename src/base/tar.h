/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of small files, as POSIX has them (pax, ustar interchange format). */
#ifndef ANYVF_BASE_TAR_H
#define ANYVF_BASE_TAR_H

#include <stdint.h>

#include "base/buf.h"

#define TAR_NAME_MAX 99 /* bytes */

int tar_add(struct buf *tar, size_t max, const char *name, int64_t mtime_s, const void *data,
	    size_t size);
int tar_end(struct buf *tar, size_t max);

#endif
