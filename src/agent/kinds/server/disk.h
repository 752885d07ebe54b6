/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of servers, on top of images. Calls block. */
#ifndef ANYVF_AGENT_KINDS_SERVER_DISK_H
#define ANYVF_AGENT_KINDS_SERVER_DISK_H

#include "agent/kinds/server/cache.h"

void disk_path(const char *dir, const char *name, unsigned int n, char out[PATH_MAX]);
int disk_sweep(const char *dir, const char *name, const unsigned int keep[], unsigned int n,
	       struct err *e);
int disk_copy(const char *from, unsigned int size_gb, const char *path, struct err *e);
int disk_make(const struct cache_file *base, const char *driver, unsigned int size_gb,
	      const char *path, struct err *e);

#endif
