/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are files, whole or a range of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "engine/impl.h"
#include "http/range.h"

/* Cuts a file to the range that was asked for. Return: 0; a fault. */
static int cut_range(struct call *c, struct http_answer *answer)
{
	const char *range = call_header_in(c, "Range");
	uint64_t size = answer->size, len;
	char text[80];
	int rc;

	if (!range)
		return 0;
	rc = range_parse(range, size, &answer->offset, &len);
	if (rc == -EINVAL)
		return call_fail(c, 400, NULL, "Requests with multiple ranges are not supported.");
	if (rc)
		return call_fail(c, 416, NULL, "Range passed %.100s is invalid.", range);
	answer->size = len;
	c->status = 206;
	snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)answer->offset,
		 (unsigned long long)(answer->offset + len - 1), (unsigned long long)size);
	call_header(c, "Content-Range", text);
	return 0;
}

/**
 * file_answer() - Open the file that call_reply_file() named, or as much as was asked for
 * @c:      the call; a fault is set if that cannot be
 * @answer: gets the descriptor, size and offset; .fd stays -1 with a fault
 */
void file_answer(struct call *c, struct http_answer *answer)
{
	auto_close int fd = open(c->priv->file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		call_fail(c, 500, "HTTPInternalServerError", "The file is not there.");
		return;
	}
	answer->size = (size_t)st.st_size;
	if (!cut_range(c, answer))
		answer->fd = take_fd(fd);
}
