/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of blocking work: one thread a queue while it has any. Libvirt, the
 * switch and the API each answer when they like; a queue that hangs delays
 * only itself.
 */
#ifndef ANYVF_AGENT_HOST_WORK_H
#define ANYVF_AGENT_HOST_WORK_H

#include <stdbool.h>

#include "base/loop.h"

struct work_queue;
typedef void (*work_fn)(void *arg);

struct work_queue *work_queue_new(struct loop *loop);
void work_queue_free(struct work_queue *q);
AUTO_DEFINE(struct work_queue *, work_queue_free)

int work_push(struct work_queue *q, work_fn run, work_fn done, void *arg);

#endif
