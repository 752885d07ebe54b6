/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told: sd_notify(3). */
#ifndef ANYVF_BASE_NOTIFY_H
#define ANYVF_BASE_NOTIFY_H

void notify(const char *words);
void notify_fd(const char *words, int fd);

#endif
