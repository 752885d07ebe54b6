/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A struct with a field table in few bytes: of its members those that are not at their defaults,
 * each as short as its value is. For who keeps many of which most say little. A value: made whole,
 * never changed.
 */
#ifndef ANYVF_BASE_PACK_H
#define ANYVF_BASE_PACK_H

#include "base/field.h"

struct pack;

struct pack *pack_of(const struct field *fields, const void *obj, const void *defaults);
void pack_read(const struct pack *p, const struct field *fields, void *obj);

#endif
