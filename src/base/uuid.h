/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs, version 4, as OpenStack spells them: lower case with dashes. */
#ifndef ANYVF_BASE_UUID_H
#define ANYVF_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>

#define UUID_STR_LEN 37 /* 36 characters and a NUL */

void uuid_new(char out[UUID_STR_LEN]);
void uuid_new_hex(char out[33]); /* Keystone's form: 32 hex digits */
bool uuid_valid(const char *text);
void rand_bytes(void *out, size_t size);

#endif
