/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrored frames into a file, as pcapng. A file that is there is continued by a
 * section of its own. Each write holds whole blocks, so several mirrors may write
 * to one file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "sw/parent/parent.h"
#include "sw/port/pcapng.h"

#define BUFFER_SIZE    (256u << 10)
#define MEND_SIZE      (1u << 20) /* bytes of a file's end that are looked at; some blocks */

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
	uint8_t start[PCAPNG_START_MAX];

	return write_whole(fd, start, pcapng_start(start, &(struct pcapng_if){ NULL }));
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

static void file_frame(struct sink *s, const struct sink_frame *sf)
{
	struct file *f = container_of(s, struct file, sink);

	if (f->used + PCAPNG_EXTRA + FRAME_HDR_MAX + sf->frame.data.len > sizeof(f->buffer))
		file_flush(s);
	f->slot = sf->slot;
	f->used += pcapng_packet(f->buffer + f->used, sf, 0, NULL);
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

/*
 * A crash in the middle of a write left part of a block: without it what we write can be read.
 * Not while another mirror writes to the file: each holds a lock on it.
 */
static void file_mend(int fd, const char *path)
{
	auto_free uint8_t *end = malloc(MEND_SIZE);
	struct stat st;
	off_t from;
	ssize_t n, whole;

	if (!end || flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st))
		return;
	from = st.st_size > MEND_SIZE ? (st.st_size - MEND_SIZE + 3) & ~(off_t)3 : 0;
	n = pread(fd, end, MEND_SIZE, from);
	whole = n > 0 && from + n == st.st_size ? pcapng_whole(end, (size_t)n, !from) : -1;
	if (whole >= 0 && whole < n && !ftruncate(fd, from + whole))
		log_warn("mirror's file ended in the middle of a block, which is cut off",
			 "file=%s bytes=%zd", path, n - whole);
}

/**
 * sink_file_open() - A destination that is a file
 * @s:   the thread
 * @p:   the root parent, which opens the file; NULL: with our own rights
 * @m:   mirror with an absolute path
 * @out: the port, for dp_port_add()
 * @e:   names the file
 *
 * A disk that is full later costs frames.
 *
 * Return: 0, -ENOMEM, or as parent_mirror_open(), pcapng_check() and write().
 * Context: control.
 */
int sink_file_open(struct sinks *s, struct parent *p, const struct mirror_config *m,
		   struct port **out, struct err *e)
{
	auto_free struct file *f = calloc(1, sizeof(*f));
	auto_close int fd = -1;
	int rc = parent_mirror_open(p, m->file, &fd, e);

	rc = rc ?: pcapng_check(fd, m->file, e);
	if (rc)
		return rc;
	file_mend(fd, m->file);
	(void)flock(fd, LOCK_SH | LOCK_NB);
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
