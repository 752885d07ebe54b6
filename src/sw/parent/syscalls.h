/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that the switch process may make; all others end it. */
#ifndef ANYVF_SW_PARENT_SYSCALLS_H
#define ANYVF_SW_PARENT_SYSCALLS_H

#include "base/err.h"

int syscalls_lock(int *refused, struct err *e);
char *syscalls_name(int nr);

#endif
