/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces by words: "" is the process's own, NAME is one under
 * /run/netns, PID:BORN that of a process, whose number alone would come to be
 * another's. Users: the parent's files alone.
 */
#ifndef ANYVF_SW_PARENT_NETNS_H
#define ANYVF_SW_PARENT_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/vf.h"

/* Looks at one namespace, of which @fd is a descriptor; true: it was the one, no more are wanted. */
typedef bool (*netns_fn)(void *arg, int fd, const char *word);

int netns_enter(const char *word, int *back, struct err *e);
int netns_enter_fd(int fd, int *back);
void netns_leave(int back);
uint64_t netns_id(const char *word);
uint64_t netns_id_fd(int fd);
uint64_t netns_born(const char *pid);
bool netns_any(netns_fn fn, void *arg);
bool netns_find(uint64_t id, char out[VF_NAME_LEN + 1]);

#endif
