/* SPDX-License-Identifier: Apache-2.0 */
/* Images, fetched once a host, and the disks of servers on top of them. Calls block. */
#ifndef ANYVF_AGENT_DISK_H
#define ANYVF_AGENT_DISK_H

#include "agent/door.h"

int disk_image(struct door *door, const char *dir, const char *image, const char *format,
	       char *path, size_t size, struct err *e);
int disk_make(const char *base, const char *format, unsigned int size_gb, const char *path,
	      struct err *e);

#endif
