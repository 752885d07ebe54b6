/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told: sd_notify(3). */
#ifndef ANYVF_BASE_NOTIFY_H
#define ANYVF_BASE_NOTIFY_H

#include "base/loop.h"

#define NOTIFY_ALIVE "WATCHDOG=1"

void notify(const char *words);
void notify_fd(const char *words, int fd);
int notify_alive(struct loop *loop, loop_fn tell, struct err *e);

#endif
