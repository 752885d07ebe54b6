/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrored frames into a file, as pcapng (draft-ietf-opsawg-pcapng, 4.1 to 4.3). A
 * file that is there is continued by a section of its own. Each write holds whole
 * blocks, so several mirrors may write to one file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "sw/sink_priv.h"

#define BUFFER_SIZE    (256u << 10)
#define BLOCK_SECTION  0x0a0d0d0au
#define BLOCK_PACKET   6u
#define BLOCK_EXTRA    32u	  /* bytes of a packet block around its data */
#define SECTION_LENGTH UINT64_MAX /* not known */

struct file {
	struct sink sink; /* first */
	int fd;
	bool full;	/* said already */
	uint16_t slot;	/* of its mirror, from the last frame */
	unsigned int n; /* frames in the buffer */
	uint32_t used;	/* bytes of it */
	char path[MIRROR_FILE_LEN + 1];
	uint8_t buffer[BUFFER_SIZE];
};

/* A section and its one interface: Ethernet, times in nanoseconds. Native byte order. */
struct start {
	uint32_t type, size, magic;
	uint16_t major, minor;
	uint64_t length;
	uint32_t size_again;
	uint32_t if_type, if_size;
	uint16_t link_type, reserved;
	uint32_t snap;
	uint16_t res_code, res_len; /* option if_tsresol */
	uint8_t res[4];
	uint32_t end_of_options;
	uint32_t if_size_again;
} __attribute__((packed));

/* All of it or, after putting the file's end back, nothing. */
static int write_whole(int fd, const void *bytes, size_t size)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	n = write(fd, bytes, size);
	if (n == (ssize_t)size)
		return 0;
	if (n < 0)
		return -errno;
	return ftruncate(fd, st.st_size) ? -errno : -ENOSPC;
}

static int start_write(int fd)
{
	const struct start s = {
		.type = BLOCK_SECTION,
		.size = 28,
		.magic = 0x1a2b3c4d,
		.major = 1,
		.length = SECTION_LENGTH,
		.size_again = 28,
		.if_type = 1,
		.if_size = 32,
		.link_type = 1,
		.res_code = 9,
		.res_len = 1,
		.res = { 9 },
		.if_size_again = 32,
	};

	return write_whole(fd, &s, sizeof(s));
}

static void file_flush(struct sink *s)
{
	struct file *f = container_of(s, struct file, sink);
	int rc = f->used ? write_whole(f->fd, f->buffer, f->used) : 0;

	if (rc) {
		sink_failed(s, f->slot, f->n);
		if (!f->full)
			log_warn("mirror's file takes no more, frames are dropped", "file=%s: %s",
				 f->path, strerror(-rc));
	}
	if (f->used)
		f->full = rc;
	f->used = f->n = 0;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
	return at + sizeof(v);
}

static void file_frame(struct sink *s, const struct sink_frame *sf)
{
	struct file *f = container_of(s, struct file, sink);
	uint8_t head[FRAME_HDR_MAX], *at;
	uint32_t head_len = frame_header(&sf->frame, sf->tags, head);
	uint32_t len = head_len + sf->frame.data.len, padded = (len + 3) & ~3u;

	if (f->used + BLOCK_EXTRA + padded > sizeof(f->buffer))
		file_flush(s);
	f->slot = sf->slot;
	at = f->buffer + f->used;
	at = put32(put32(at, BLOCK_PACKET), BLOCK_EXTRA + padded);
	at = put32(put32(put32(at, 0), (uint32_t)(sf->time_ns >> 32)), (uint32_t)sf->time_ns);
	at = put32(put32(at, len), len + sf->cut);
	memcpy(at, head, head_len);
	memcpy(at + head_len, sf->frame.data.base, sf->frame.data.len);
	memset(at + len, 0, padded - len);
	put32(at + padded, BLOCK_EXTRA + padded);
	f->used += BLOCK_EXTRA + padded;
	f->n++;
}

static void file_free(struct sink *s)
{
	struct file *f = container_of(s, struct file, sink);

	file_flush(s);
	close(f->fd);
	sink_fini(s);
	free(f);
}

static const struct sink_ops file_ops = { .frame = file_frame,
					  .flush = file_flush,
					  .free = file_free };

/* Only what is a capture, or empty, is written to. */
static int file_check(int fd, const char *path, struct err *e)
{
	uint32_t first = 0;
	struct stat st;

	if (fstat(fd, &st))
		return err_errno(e, "file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "file %s is no regular file", path);
	if (st.st_size &&
	    (pread(fd, &first, sizeof(first), 0) != sizeof(first) || first != BLOCK_SECTION))
		return err_set(e, -EEXIST, "file %s is there and no pcapng capture", path);
	return 0;
}

/**
 * sink_file_open() - A destination that is a file
 * @s:   the thread
 * @m:   mirror with an absolute path
 * @out: the port, for dp_port_add()
 * @e:   names the file
 *
 * Opened with the switch's own rights, not root's. A disk that is full later costs frames.
 *
 * Return: 0, -EINVAL, -EEXIST, -ENOMEM, or what open() and write() said.
 * Context: control.
 */
int sink_file_open(struct sinks *s, const struct mirror_config *m, struct port **out, struct err *e)
{
	auto_close int fd = open(
		m->file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0640);
	auto_free struct file *f = calloc(1, sizeof(*f));
	int rc;

	if (fd < 0)
		return err_errno(e, "file %s", m->file);
	rc = file_check(fd, m->file, e);
	if (rc)
		return rc;
	rc = start_write(fd);
	if (rc)
		return err_set(e, rc, "file %s: %s", m->file, strerror(-rc));
	if (!f)
		return err_set(e, -ENOMEM, "no memory for a mirror");
	rc = sink_init(&f->sink, &file_ops, s, e);
	if (rc)
		return rc;
	f->fd = take_fd(fd);
	memcpy(f->path, m->file, sizeof(f->path));
	sink_start(&f->sink);
	*out = &take(f)->sink.port;
	return 0;
}
