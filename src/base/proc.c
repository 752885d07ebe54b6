/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/**
 * proc_born() - When a process began
 * @dir: its directory under /proc
 *
 * Return: clock ticks since the boot (field 22 of proc(5)); 0: cannot be told. Context: any.
 */
uint64_t proc_born(int dir)
{
	auto_close int fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC);
	char text[1024], *at;
	uint64_t born;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strrchr(text, ')'); /* the program's name before it may be anything */
	return at && sscanf(at,
			    ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			    "%*s %*s %" SCNu64,
			    &born) == 1
		       ? born
		       : 0;
}

/**
 * proc_of_netns() - Is a network namespace named by a process?
 * @word: a name, its path, PID or /proc/PID/ns/net, as ip-link(8) has them; of a path to a name
 *        that alone is left
 * @pid:  gets the digits, if so
 *
 * Return: true if so. Context: any.
 */
bool proc_of_netns(char *word, char pid[PROC_PID_LEN])
{
	static const char *const dirs[] = { "/run/netns/", "/var/run/netns/" };
	int n = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(dirs); i++)
		if (!strncmp(word, dirs[i], strlen(dirs[i])))
			memmove(word, word + strlen(dirs[i]), strlen(word + strlen(dirs[i])) + 1);
	if (sscanf(word, "/proc/%11[0-9]/ns/net%n", pid, &n) != 1 || !n)
		sscanf(word, "%11[0-9]%n", pid, &n);
	return n && !word[n];
}
