/* SPDX-License-Identifier: Apache-2.0 */
/* Unix stream sockets: listen, connect, pass descriptors. All fds are O_CLOEXEC. */
#ifndef ANYVF_BASE_SOCK_H
#define ANYVF_BASE_SOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define SOCK_BACKLOG	128	/* clients that wait for their turn */
#define SOCK_CONNECT_MS 10000 /* for a place among those who wait for a daemon that hangs */

int sock_listen_unix(const char *path, mode_t mode, struct err *e);
int sock_connect_unix_within(const char *path, unsigned int timeout_ms, struct err *e);
int sock_connect_unix(const char *path, struct err *e);
int sock_pair(int out[2], struct err *e);
int sock_send_fds(int sock, const void *data, size_t size, const int *fds, unsigned int n_fds);
ssize_t sock_recv_fds(int sock, void *data, size_t size, int *fds, unsigned int *n_fds);
uint64_t sock_netns(void);
unsigned int sock_deafen_unix(const char *path);
unsigned int sock_hurry_unix(const char *path, unsigned int ms);

#endif
