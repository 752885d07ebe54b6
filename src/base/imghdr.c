/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges images by their headers. QEMU opens what a header names (a backing file, a data file, an
 * extent), and a format is guessed from the first bytes: so bytes must be what their owner says,
 * name no other file, and describe a disk that makes sense. No number of a header is used before
 * it was compared with what there is.
 *
 * Formats: qcow2 by QEMU's docs/interop/qcow2.txt, VMDK by VMware's "Virtual Disk Format 1.1".
 */
#include "base/imghdr.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ISO_AT 32769 /* of the first volume descriptor's identifier (ECMA-119, 8.4) */

/* What a file of a format begins with (tail: what its last 512 bytes begin with). */
static const struct mark {
	const char *format;
	bool tail;
	unsigned int at;
	const char *bytes;
	size_t n;
} marks[] = {
#define MARK(format, at, bytes)                                                                    \
	{                                                                                          \
		format, false, at, bytes, sizeof(bytes) - 1                                        \
	}
	MARK("qcow2", 0, "QFI\xfb"),
	MARK("vmdk", 0, "KDMV"),
	MARK("vmdk", 0, "COWD"),
	MARK("vhdx", 0, "vhdxfile"),
	MARK("vhd", 0, "conectix"),
	MARK("vdi", 64, "\xbe\xda\x10\x7f"),
	MARK("qed", 0, "QED\0"),
	MARK("luks", 0, "LUKS\xba\xbe"),
	MARK("ploop", 0, "WithoutFreeSpace"),
	MARK("ploop", 0, "WithouFreSpacExt"),
	MARK("cow", 0, "OOOM"),
	MARK("bochs", 0, "Bochs Virtual HD Image"),
	MARK("cloop", 0, "#!/bin/sh\n#V2.0 Format"),
	{ "vhd", true, 0, "conectix", 8 },
	{ "dmg", true, 0, "koly", 4 },
	MARK("iso", ISO_AT, "CD001"),
};

/* What may stand behind Glance's disk_format, and QEMU's driver when a guest boots from it. */
static const struct word {
	const char *disk_format;
	const char *format, *or_format; /* or_format: may be NULL */
	const char *driver;		/* NULL: no disk of ours */
} words[] = {
	{ "raw", "raw", "iso", "raw" },	  { "ami", "raw", "iso", "raw" },
	{ "iso", "iso", NULL, "raw" },	  { "qcow2", "qcow2", NULL, "qcow2" },
	{ "aki", "raw", NULL, NULL },	  { "ari", "raw", NULL, NULL },
	{ "vmdk", "vmdk", NULL, NULL },	  { "vhd", "vhd", NULL, NULL },
	{ "vhdx", "vhdx", NULL, NULL },	  { "vdi", "vdi", NULL, NULL },
	{ "ploop", "ploop", NULL, NULL },
};

static const struct word *word_of(const char *disk_format)
{
	for (const struct word *w = words; w < words + ARRAY_LEN(words); w++)
		if (!strcmp(w->disk_format, disk_format))
			return w;
	return NULL;
}

/**
 * imghdr_driver() - How QEMU is to read a disk
 * @disk_format: Glance's word
 *
 * Return: "raw" or "qcow2"; NULL for what no guest boots from here. Pure.
 */
const char *imghdr_driver(const char *disk_format)
{
	const struct word *w = word_of(disk_format);

	return w ? w->driver : NULL;
}

static uint32_t be32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return be32toh(n);
}

static uint64_t be64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return be64toh(n);
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return le64toh(n);
}

/* VMDK's text: comments and blank lines, then "version=N" (as QEMU's vmdk_probe() sees it). */
static bool is_descriptor(const struct imghdr *h)
{
	const char *p = (const char *)h->head, *end = p + h->head_size;

	if (p == end || *p != '#')
		return false;
	while (p < end && (*p == '#' || *p == ' ' || *p == '\r' || *p == '\n')) {
		const char *line = memchr(p, '\n', (size_t)(end - p));

		p = line ? line + 1 : end;
	}
	return end - p > 8 && !memcmp(p, "version=", 8);
}

/**
 * imghdr_format() - What the bytes are
 * @h: parts of a file
 *
 * Return: a format's name, "raw" when no other is known. Pure.
 */
const char *imghdr_format(const struct imghdr *h)
{
	for (const struct mark *m = marks; m < marks + ARRAY_LEN(marks); m++) {
		const uint8_t *at = (m->tail ? h->tail : h->head) + m->at;
		size_t have = m->tail ? h->tail_size : h->head_size;

		if (m->at + m->n <= have && !memcmp(at, m->bytes, m->n))
			return m->format;
	}
	return is_descriptor(h) ? "vmdk" : "raw";
}

/* A table of n entries of 8 bytes begins at a cluster and lies in the file. */
static bool table_fits(const struct imghdr *h, uint64_t at, uint64_t n, uint64_t cluster)
{
	return at && !(at & (cluster - 1)) && at < h->size && n <= (h->size - at) / 8;
}

/*
 * Header extensions: type, length, data padded to 8 bytes. All of them lie in the first cluster;
 * those we do not see are refused.
 */
static int check_extensions(const struct imghdr *h, uint64_t at, uint64_t cluster, struct err *e)
{
	uint64_t end = MIN(cluster, (uint64_t)h->head_size);

	while (at + 8 <= end) {
		uint32_t type = be32(h->head + at), len = be32(h->head + at + 4);

		if (!type)
			return 0;
		if (type == 0xe2792aca || type == 0x44415441)
			return err_set(e, -EINVAL, "the image refers to another file (%s)",
				       type == 0x44415441 ? "data file" : "backing format");
		if (type == 0x0537be77)
			return err_set(e, -EINVAL, "the image is encrypted");
		if (len > end - at - 8)
			return err_set(e, -EINVAL, "a header extension of %u bytes does not fit",
				       len);
		at += 8 + (((uint64_t)len + 7) & ~(uint64_t)7);
	}
	return end == cluster ? 0 : err_set(e, -EINVAL, "the header extensions have no end");
}

#define QCOW2_DIRTY	1
#define QCOW2_CORRUPT	2
#define QCOW2_DATA_FILE 4
#define QCOW2_ZSTD	8
#define QCOW2_BIG_L2	16

static int check_features(const struct imghdr *h, struct err *e)
{
	uint64_t bits = be64(h->head + 72);
	uint32_t order = be32(h->head + 96), len = be32(h->head + 100);

	if (bits & QCOW2_DATA_FILE)
		return err_set(e, -EINVAL, "the image refers to another file (data file)");
	if (bits & QCOW2_CORRUPT)
		return err_set(e, -EINVAL, "the image is marked corrupt");
	if (bits & ~(uint64_t)(QCOW2_DIRTY | QCOW2_ZSTD | QCOW2_BIG_L2))
		return err_set(e, -EINVAL, "the image has unknown features (%#llx)",
			       (unsigned long long)bits);
	if (order > 6)
		return err_set(e, -EINVAL, "refcounts of 2^%u bits", order);
	if (len < 104 || len % 8 || len > h->head_size)
		return err_set(e, -EINVAL, "a header of %u bytes", len);
	if (len > 104 && (h->head[104] > 1 || !h->head[104] != !(bits & QCOW2_ZSTD)))
		return err_set(e, -EINVAL, "compression type %u", h->head[104]);
	return 0;
}

/* The tables must be able to hold the disk, and no larger ones are loaded than QEMU does. */
static int check_tables(const struct imghdr *h, uint64_t size, unsigned int bits, bool big_l2,
			struct err *e)
{
	uint64_t cluster = 1ULL << bits, l1_size = be32(h->head + 36),
		 refs = (uint64_t)be32(h->head + 56) << bits >> 3;
	unsigned int per_entry = 2 * bits - (big_l2 ? 4 : 3); /* log2 of bytes an L1 entry covers */
	uint64_t need = (size >> per_entry) + !!(size & ((1ULL << per_entry) - 1));

	if (l1_size < need || l1_size > (32U << 20) / 8)
		return err_set(e, -EINVAL, "a disk of %llu bytes with an L1 table of %llu entries",
			       (unsigned long long)size, (unsigned long long)l1_size);
	if (l1_size && !table_fits(h, be64(h->head + 40), l1_size, cluster))
		return err_set(e, -EINVAL, "the L1 table is not in the file");
	if (!refs || refs > (8U << 20) / 8 || !table_fits(h, be64(h->head + 48), refs, cluster))
		return err_set(e, -EINVAL, "the refcount table is not in the file");
	return 0;
}

static int judge_qcow2(const struct imghdr *h, uint64_t *virtual_size, struct err *e)
{
	uint32_t version = h->head_size < 72 ? 0 : be32(h->head + 4), bits;
	bool v3 = version == 3;
	uint64_t size;
	int rc;

	if ((version != 2 && !v3) || (v3 && h->head_size < 104))
		return err_set(e, -EINVAL, "the header is not one of qcow2 version 2 or 3");
	if (be64(h->head + 8) || be32(h->head + 16))
		return err_set(e, -EINVAL, "the image refers to another file (backing file)");
	rc = v3 ? check_features(h, e) : 0;
	if (rc)
		return rc;
	bits = be32(h->head + 20);
	if (bits < 9 || bits > 21)
		return err_set(e, -EINVAL, "clusters of 2^%u bytes", bits);
	if (be32(h->head + 32))
		return err_set(e, -EINVAL, "the image is encrypted");
	if (be32(h->head + 60))
		return err_set(e, -EINVAL, "the image has snapshots inside");
	size = be64(h->head + 24);
	if (size > IMGHDR_SIZE_MAX)
		return err_set(e, -EINVAL, "a disk of %llu bytes", (unsigned long long)size);
	rc = check_extensions(h, v3 ? be32(h->head + 100) : 72, 1ULL << bits, e);
	if (!rc)
		rc = check_tables(h, size, bits, v3 && be64(h->head + 72) & QCOW2_BIG_L2, e);
	if (!rc)
		*virtual_size = size;
	return rc;
}

/* Is the line `key=value`, the value perhaps in quotes? Blanks around `=` are allowed. */
static bool line_says(const char *line, size_t len, const char *key, const char *value)
{
	char bare[128], *p = bare;

	for (size_t i = 0; i < len && p < bare + sizeof(bare) - 1; i++)
		if (!strchr(" \t\r\"", line[i])) /* nor a NUL */
			*p++ = line[i];
	*p = '\0';
	len = strlen(key);
	return !strncasecmp(bare, key, len) && bare[len] == '=' &&
	       !strcasecmp(bare + len + 1, value);
}

static bool begins(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && !strncasecmp(line, with, strlen(with));
}

/* A descriptor inside the file: one sparse extent (the file itself), no parent. */
static int check_descriptor(const char *text, size_t size, struct err *e)
{
	unsigned int n_sparse = 0;
	bool whole = false;

	if (memmem(text, size, "parentFileNameHint", 18)) /* QEMU looks for it anywhere */
		return err_set(e, -EINVAL, "the image refers to another file (parent)");
	for (size_t at = 0, len; at < size && text[at]; at += len + 1) {
		const char *line = text + at, *end = memchr(line, '\n', size - at);

		len = end ? (size_t)(end - line) : strnlen(line, size - at);
		whole |= line_says(line, len, "createType", "monolithicSparse") ||
			 line_says(line, len, "createType", "streamOptimized");
		if (begins(line, len, "parentCID") &&
		    !line_says(line, len, "parentCID", "ffffffff"))
			return err_set(e, -EINVAL, "the image refers to another file (parent)");
		if (!begins(line, len, "RW ") && !begins(line, len, "RDONLY ") &&
		    !begins(line, len, "NOACCESS "))
			continue;
		if (!memmem(line, len, " SPARSE ", 8) || memchr(line, '/', len) || n_sparse++)
			return err_set(e, -EINVAL, "the image refers to another file (extent)");
	}
	return whole && n_sparse ? 0
				 : err_set(e, -EINVAL,
					   "only VMDKs of one file are taken (monolithicSparse, "
					   "streamOptimized)");
}

static int judge_vmdk(const struct imghdr *h, uint64_t *virtual_size, struct err *e)
{
	uint64_t sectors, at, n;
	int rc;

	if (h->head_size < 512 || memcmp(h->head, "KDMV", 4) != 0)
		return err_set(e, -EINVAL, "the image refers to another file (extent)");
	sectors = le64(h->head + 12);
	at = le64(h->head + 28);
	n = le64(h->head + 36);
	if (sectors > IMGHDR_SIZE_MAX / 512)
		return err_set(e, -EINVAL, "a disk of %llu sectors", (unsigned long long)sectors);
	if (!at || at > h->head_size / 512 || !n || n > h->head_size / 512 - at)
		return err_set(e, -EINVAL, "the descriptor is not at the beginning of the file");
	rc = check_descriptor((const char *)h->head + at * 512, n * 512, e);
	if (!rc)
		*virtual_size = sectors * 512;
	return rc;
}

/**
 * imghdr_judge() - May an image be what its owner says?
 * @h:            parts of the file
 * @disk_format:  Glance's word
 * @virtual_size: gets the size of the disk a guest sees, bytes; the file's for formats whose
 *                headers nobody reads here; untouched on failure
 * @e:            why not, may be NULL
 *
 * Raw bytes must not begin as another format does, lest somebody takes them for it; a partition
 * table or an ISO file system is no other format.
 *
 * Return: 0; -EMEDIUMTYPE: the bytes are of another format (or the word is none); -ENOMSG: they
 * are of no format at all, and should be; -EINVAL: they name other files, or describe no disk that
 * makes sense. Pure.
 */
int imghdr_judge(const struct imghdr *h, const char *disk_format, uint64_t *virtual_size,
		 struct err *e)
{
	const struct word *w = word_of(disk_format);
	const char *is = imghdr_format(h);

	if (w && !strcmp(is, "raw") && strcmp(w->format, "raw") != 0)
		return err_set(e, -ENOMSG, "the bytes are of no format, not %s", disk_format);
	if (!w || (strcmp(is, w->format) != 0 && (!w->or_format || strcmp(is, w->or_format) != 0)))
		return err_set(e, -EMEDIUMTYPE, "the bytes are %s, not %s", is, disk_format);
	if (!strcmp(is, "qcow2"))
		return judge_qcow2(h, virtual_size, e);
	if (!strcmp(is, "vmdk"))
		return judge_vmdk(h, virtual_size, e);
	if (h->size > IMGHDR_SIZE_MAX)
		return err_set(e, -EINVAL, "a file of %llu bytes", (unsigned long long)h->size);
	*virtual_size = h->size;
	return 0;
}

static int read_at(int fd, void *buf, size_t size, uint64_t at)
{
	for (size_t have = 0; have < size;) {
		ssize_t n = pread(fd, (char *)buf + have, size - have, (off_t)(at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		have += (size_t)n;
	}
	return 0;
}

/**
 * imghdr_judge_file() - imghdr_judge() of a file
 * @fd:           open for reading; nobody else writes to it
 * @disk_format:  as imghdr_judge()
 * @virtual_size: as imghdr_judge()
 * @e:            as imghdr_judge()
 *
 * Return: as imghdr_judge(), -ENOMEM, or the errno of a failed read. Context: blocks.
 */
int imghdr_judge_file(int fd, const char *disk_format, uint64_t *virtual_size, struct err *e)
{
	auto_free uint8_t *buf = malloc(IMGHDR_HEAD + IMGHDR_TAIL);
	struct imghdr h = { .head = buf };
	struct stat st;
	int rc;

	if (!buf)
		return err_set(e, -ENOMEM, "out of memory");
	if (fstat(fd, &st))
		return err_errno(e, "the image");
	h.size = (uint64_t)st.st_size;
	h.head_size = (size_t)MIN(h.size, (uint64_t)IMGHDR_HEAD);
	h.tail_size = h.size < IMGHDR_TAIL ? 0 : IMGHDR_TAIL;
	h.tail = buf + IMGHDR_HEAD;
	rc = read_at(fd, buf, h.head_size, 0);
	if (!rc && h.tail_size)
		rc = read_at(fd, buf + IMGHDR_HEAD, IMGHDR_TAIL, h.size - IMGHDR_TAIL);
	if (rc)
		return err_set(e, rc, "the image cannot be read: %s", strerror(-rc));
	return imghdr_judge(&h, disk_format, virtual_size, e);
}
