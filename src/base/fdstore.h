/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that outlive us: a service manager keeps them over a restart and gives them to our next
 * life (FDSTORE=1 of sd_notify(3), sd_listen_fds(3)). A name says what one is for; what it is, who
 * takes it looks at. Without a service manager that keeps any there are none, and nothing happens.
 */
#ifndef ANYVF_BASE_FDSTORE_H
#define ANYVF_BASE_FDSTORE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

#define FDSTORE_NAME_LEN 31 /* of what is put there */

void fdstore_open(void);
void fdstore_close(void);
bool fdstore_keeps(void);
int fdstore_take(const char *name);
int fdstore_next(const char *prefix, char name[FDSTORE_NAME_LEN + 1]);
void fdstore_put(const char *name, int fd);
void fdstore_remove(const char *name);

int fdstore_listener(const char *name, const struct sockaddr *at, socklen_t size, int backlog);
int fdstore_listen_unix(const char *path, mode_t mode, struct err *e);
void fdstore_unlink(const char *path);

#endif
