/* SPDX-License-Identifier: Apache-2.0 */
/* Files and links of sysfs: one word each, read with a bound; what they hold is judged here, once. */
#ifndef ANYVF_HW_SYSFS_H
#define ANYVF_HW_SYSFS_H

#include <limits.h>
#include <stdint.h>

#include "base/err.h"

int hw_sys_path(char out[PATH_MAX], const char *fmt, ...) PRINTF_LIKE(2, 3);
int hw_sys_word(const char *path, const char *name, char *out, size_t size);
int hw_sys_number(const char *path, const char *name, uint32_t *out);
int hw_sys_target(const char *path, const char *name, char *out, size_t size);
int hw_sys_put(const char *path, const char *name, const char *text);

/* Takes one name in a directory; a negative errno ends it. */
typedef int (*hw_sys_fn)(void *arg, const char *dir, const char *name);
int hw_sys_each(const char *dir, hw_sys_fn fn, void *arg);

#endif
