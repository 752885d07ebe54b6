/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a bound, replace atomically, lock a directory. */
#ifndef ANYVF_BASE_FILE_H
#define ANYVF_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

int file_read(const char *path, size_t max_size, char **out, size_t *size, struct err *e);
int file_read_fd(int fd, const char *path, size_t max_size, char **out, size_t *size,
		 struct err *e);
int file_new(const char *path, mode_t mode, int *fd, struct err *e);
int file_copy(int from, int to);
int file_fill(int fd, const void *data, size_t size);
int file_append(int fd, const char *path, size_t size, const void *data, size_t more,
		struct err *e);
int file_put(const char *path, struct err *e);
int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *e);
void file_sweep(const char *dir);
int file_remove_tree(const char *path, struct err *e);
int file_mkdirs(const char *path, mode_t mode, struct err *e);
int file_lock(const char *path, struct err *e);

#endif
