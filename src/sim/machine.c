/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine of a simulated host: agent/host/host.h, record.h and work.h. It remembers nothing: a
 * process that starts anew is hosts that were emptied and booted.
 */
#include "agent/host/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/host/record.h"
#include "agent/host/work.h"
#include "base/field.h"

#define VCPUS	  256
#define MEMORY_MB (1024 * 1024)
#define DISK_GB	  65536

/**
 * host_boot_id() - Which boot of the host this is
 * @out: gets ""
 */
void host_boot_id(char out[HOST_BOOT_ID_LEN])
{
	out[0] = '\0';
}

/**
 * host_has_kvm() - Does KVM run guests here?
 * @scratch_dir: not used
 *
 * Return: true.
 */
bool host_has_kvm(const char *scratch_dir)
{
	return true;
}

/**
 * host_address() - The host's address as others know it
 * @out: gets one of documentation (RFC 5737)
 */
void host_address(char out[HOST_ADDRESS_LEN])
{
	snprintf(out, HOST_ADDRESS_LEN, "192.0.2.1");
}

/**
 * host_capacity() - The host's room for servers
 * @state_dir: not used
 *
 * Return: a new object {vcpus, memory_mb, disk_gb}, or NULL when out of memory.
 */
json_t *host_capacity(const char *state_dir)
{
	return json_pack("{s:i,s:i,s:i}", "vcpus", VCPUS, "memory_mb", MEMORY_MB, "disk_gb",
			 DISK_GB);
}

/**
 * record_dir() - Make a directory in the agent's own: there is none
 * @dir:  not used
 * @name: not used
 * @e:    not used
 *
 * Return: 0.
 */
int record_dir(const char *dir, const char *name, struct err *e)
{
	return 0;
}

/**
 * record_read() - What an agent before this one has kept
 * @path: not used
 *
 * Return: NULL: nothing.
 */
json_t *record_read(const char *path)
{
	return NULL;
}

/**
 * record_write() - Keep nothing
 * @path:   not used
 * @record: taken over
 */
void record_write(const char *path, json_t *record)
{
	json_decref(record);
}

/**
 * record_drop() - Keep it no longer
 * @path: not used
 */
void record_drop(const char *path)
{
}

struct done {
	struct done *next;
	struct work_queue *q;
	work_fn fn;
	void *arg;
};

/* A thousand hosts look at the same time: what a queue has to end is mostly one thing, its own. */
struct work_queue {
	struct loop *loop;
	struct done one;
	bool used, orphaned; /* ->one; freed by who holds it */
};

/* Of all queues, as all have one loop: those that are to be ended in its next turn. */
static struct done *first_done, **last_done = &first_done;

/**
 * work_queue_new() - Make a queue
 * @loop: where the done functions run
 *
 * Return: the queue, NULL when out of memory.
 */
struct work_queue *work_queue_new(struct loop *loop)
{
	struct work_queue *q = calloc(1, sizeof(*q));

	if (q)
		q->loop = loop;
	return q;
}

/**
 * work_queue_free() - Let a queue go
 * @q: queue, may be NULL
 */
void work_queue_free(struct work_queue *q)
{
	if (q && q->used)
		q->orphaned = true;
	else
		free(q);
}

static void give_back(struct done *d)
{
	struct work_queue *q = d->q;

	if (d != &q->one) {
		free(d);
		return;
	}
	q->used = false;
	if (q->orphaned)
		free(q);
}

static void call_all(void *arg)
{
	struct done *d = take(first_done), *next;

	last_done = &first_done;
	for (; d; d = next) {
		work_fn fn = d->fn;
		void *of = d->arg;

		next = d->next;
		give_back(d);
		fn(of);
	}
}

/**
 * work_push() - Do it now, as nothing of a simulated host blocks, and end it from the loop
 * @q:    queue
 * @run:  called at once
 * @done: called in a later turn of the loop
 * @arg:  for both
 *
 * Return: 0 or -ENOMEM: then neither is called. Context: the loop's thread.
 */
int work_push(struct work_queue *q, work_fn run, work_fn done, void *arg)
{
	struct done *d = q->used ? malloc(sizeof(*d)) : &q->one;

	if (!d || (!first_done && loop_post(q->loop, call_all, NULL))) {
		if (d != &q->one)
			free(d);
		return -ENOMEM;
	}
	q->used |= d == &q->one;
	*d = (struct done){ NULL, q, done, arg };
	*last_done = d;
	last_done = &d->next;
	run(arg);
	return 0;
}
