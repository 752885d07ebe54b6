/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told, and what it kept for us: sd_notify(3), sd_listen_fds(3). */
#ifndef ANYVF_BASE_NOTIFY_H
#define ANYVF_BASE_NOTIFY_H

void notify(const char *words);
void notify_keep(const char *name, int fd);
int notify_kept(const char *name);

#endif
