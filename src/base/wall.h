/* SPDX-License-Identifier: Apache-2.0 */
/* A mount namespace in which a daemon can write nothing but its own directories. */
#ifndef ANYVF_BASE_WALL_H
#define ANYVF_BASE_WALL_H

#include "base/account.h"

int wall_build(const char *const dirs[], const struct account *a, struct err *e);

#endif
