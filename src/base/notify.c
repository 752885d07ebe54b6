/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3) without libsystemd: one datagram to $NOTIFY_SOCKET, where there is one. */
#include "base/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/sock.h"
#include "base/util.h"

#define TELL_MAX_MS 5000 /* also of a long watchdog, so that one late turn costs nothing */

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
 * notify_fd() - Tell the service manager, and give it a descriptor
 * @words: as notify()
 * @fd:    descriptor; stays ours, too
 *
 * Context: any.
 */
void notify_fd(const char *words, int fd)
{
	send_words(words, &fd, 1);
}

static void tell_alive(void *arg)
{
	notify(NOTIFY_ALIVE);
}

/**
 * notify_alive() - Have the service manager told again and again that a loop turns
 * @loop: the daemon's; says it four times in the time of WatchdogSec=, or each TELL_MAX_MS
 * @tell: says so where this process may not; NULL: notify()
 * @e:    error text, may be NULL
 *
 * Nothing happens where the service manager does not want to hear it ($WATCHDOG_USEC).
 *
 * Return: 0 or -ENOMEM. Context: the loop's thread, once.
 */
int notify_alive(struct loop *loop, loop_fn tell, struct err *e)
{
	const char *usec = getenv("WATCHDOG_USEC");
	uint64_t ms = usec ? strtoull(usec, NULL, 10) / 4000 : 0;

	if (!ms)
		return 0;
	ms = MIN(ms, (uint64_t)TELL_MAX_MS);
	if (!loop_timer_add(loop, 0, ms, tell ?: tell_alive, NULL))
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}
