/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of servers, on top of images. Calls block. */
#ifndef ANYVF_AGENT_KINDS_SERVER_DISK_H
#define ANYVF_AGENT_KINDS_SERVER_DISK_H

#include "agent/kinds/server/cache.h"

int disk_make(const struct cache_file *base, const char *driver, unsigned int size_gb,
	      const char *path, struct err *e);

#endif
