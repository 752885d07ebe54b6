/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3) without libsystemd: one datagram to $NOTIFY_SOCKET, where there is one. */
#include "base/notify.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/sock.h"
#include "base/util.h"

#define KEPT_FD 3 /* SD_LISTEN_FDS_START */

static void send_words(const char *words, const int *fds, unsigned int n_fds)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	auto_close int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (*path == '@')
		to.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&to,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)))
		sock_send_fds(fd, words, strlen(words), fds, n_fds);
}

/**
 * notify() - Tell the service manager
 * @words: as "READY=1"; lines as sd_notify(3) has them
 *
 * Nothing happens where there is none, or it does not listen. Context: any.
 */
void notify(const char *words)
{
	send_words(words, NULL, 0);
}

/**
 * notify_keep() - Have the service manager keep a descriptor for the unit's processes
 * @name: to know it by
 * @fd:   descriptor; stays ours, too
 *
 * Context: any.
 */
void notify_keep(const char *name, int fd)
{
	char words[64];

	snprintf(words, sizeof(words), "FDSTORE=1\nFDNAME=%s", name);
	send_words(words, &fd, 1);
}

/**
 * notify_kept() - The descriptor that was kept
 * @name: as it was given to notify_keep()
 *
 * Return: the descriptor, close-on-exec and ours from now on; -1 when none of that name came, or
 * others came with it. Context: once, early: programs we start shall not take it for theirs.
 */
int notify_kept(const char *name)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	const char *names = getenv("LISTEN_FDNAMES");
	bool ours = n && pid && names && !strcmp(n, "1") && atoi(pid) == getpid() &&
		    !strcmp(names, name);

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return ours && !fcntl(KEPT_FD, F_SETFD, FD_CLOEXEC) ? KEPT_FD : -1;
}
