/* SPDX-License-Identifier: Apache-2.0 */
/* What a server's console said last. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/kinds/question/question.h"
#include "base/file.h"

#define CONSOLE_MAX 65536

/* The file's last bytes, at most CONSOLE_MAX and the wanted number of lines, as ASCII. */
static char *read_tail(const char *path, unsigned int lines)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = calloc(1, CONSOLE_MAX + 1);
	struct stat st;
	ssize_t n = 0;

	if (!text || fd < 0 || fstat(fd, &st))
		return text;
	n = pread(fd, text, CONSOLE_MAX, MAX(st.st_size - CONSOLE_MAX, (off_t)0));
	n = MAX(n, 0);
	for (ssize_t i = 0; i < n; i++) /* what a JSON string carries as it is */
		if (!text[i] || (signed char)text[i] < 0)
			text[i] = '?';
	/* Clients count what follows a newline as a line: the last one wanted ends without. */
	if (lines && n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	for (ssize_t i = n; lines && i > 0; i--)
		if (text[i - 1] == '\n' && !--lines)
			memmove(text, text + i, (size_t)(n - i) + 1);
	return text;
}

/**
 * question_console() - The end of a server's console
 * @job: a question's; path, lines
 *
 * The answer is {"output": text}, at most 64 KiB. Context: blocks; a work queue.
 */
void question_console(void *job)
{
	struct question_job *j = job;
	auto_free char *output = read_tail(j->path, j->lines);

	j->answer = output ? json_pack("{s:s}", "output", output) : NULL;
	if (!j->answer)
		j->step.rc = err_set(&j->step.e, -ENOMEM, "out of memory");
}
