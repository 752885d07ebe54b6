/* SPDX-License-Identifier: Apache-2.0 */
/* base/imghdr: what images are by their bytes, and forty that lie, name other files or are absurd. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/imghdr.h"
#include "base/spawn.h"

#define SIZE	(3 << 16) /* header, L1 table, refcount table: a cluster each */
#define VIRTUAL (64ULL << 20)
#define OTHER	"refers to another file"

enum base { NOTHING, V2, V3, VMDK };

/* Bytes written over a good image. */
struct patch {
	size_t at;
	unsigned int bytes; /* 1, 4 or 8, big-endian; 0: text */
	uint64_t value;
	const char *text;
};
#define BYTE(at, v)                                                                                \
	{                                                                                          \
		at, 1, v, NULL                                                                     \
	}
#define U32(at, v)                                                                                 \
	{                                                                                          \
		at, 4, v, NULL                                                                     \
	}
#define U64(at, v)                                                                                 \
	{                                                                                          \
		at, 8, v, NULL                                                                     \
	}
#define LE64(at, v)                                                                                \
	{                                                                                          \
		at, 8, __builtin_bswap64(v), NULL                                                  \
	}
#define TEXT(at, t)                                                                                \
	{                                                                                          \
		at, 0, sizeof(t) - 1, t                                                            \
	}
#define APPEND(t)    TEXT(619, t) /* behind good_vmdk[]'s descriptor */
#define EXT(type, n) U32(104, type), U32(108, n)

static uint8_t image[SIZE];

static void put(const struct patch *p)
{
	if (p->text)
		memcpy(image + p->at, p->text, p->value);
	for (unsigned int i = 0; i < p->bytes; i++)
		image[p->at + i] = (uint8_t)(p->value >> 8 * (p->bytes - 1 - i));
}

static void put_all(const struct patch *p, size_t n)
{
	for (; n; p++, n--)
		put(p);
}

static const struct patch good_qcow2[] = {
	TEXT(0, "QFI\xfb"), U32(4, 2),	      U32(20, 16),	U64(24, VIRTUAL),
	U32(36, 1),	    U64(40, 1 << 16), U64(48, 2 << 16), U32(56, 1),
};
static const struct patch good_v3[] = { U32(4, 3), U32(96, 4), U32(100, 104) };
static const struct patch good_vmdk[] = {
	TEXT(0, "KDMV"),
	LE64(12, VIRTUAL / 512),
	LE64(28, 1),
	LE64(36, 20),
	TEXT(512, "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n"
		  "createType=\"monolithicSparse\"\nRW 131072 SPARSE \"a.vmdk\"\n"),
};

static void make(enum base base)
{
	memset(image, 0, sizeof(image));
	if (base == V2 || base == V3)
		put_all(good_qcow2, ARRAY_LEN(good_qcow2));
	if (base == V3)
		put_all(good_v3, ARRAY_LEN(good_v3));
	if (base == VMDK)
		put_all(good_vmdk, ARRAY_LEN(good_vmdk));
}

static int judge(size_t size, const char *disk_format, uint64_t *virtual_size, struct err *e)
{
	struct imghdr h = { .head = image,
			    .head_size = MIN(size, (size_t)IMGHDR_HEAD),
			    .tail_size = size < IMGHDR_TAIL ? 0 : IMGHDR_TAIL,
			    .size = size };

	h.tail = image + size - h.tail_size;
	return imghdr_judge(&h, disk_format, virtual_size, e);
}

static const struct hostile {
	const char *what;
	enum base base;
	const char *as; /* disk_format */
	struct patch patch[4];
	int rc;
	const char *says;
	size_t size; /* 0: all of it */
} hostile[] = {
	/* They name other files. */
	{ "backing file",
	  V2,
	  "qcow2",
	  { U64(8, 200), U32(16, 11), TEXT(200, "/etc/shadow") },
	  -EINVAL,
	  OTHER },
	{ "backing file in v3", V3, "qcow2", { U64(8, 200), U32(16, 6) }, -EINVAL, OTHER },
	{ "backing file as JSON",
	  V3,
	  "qcow2",
	  { U64(8, 200), U32(16, 40), TEXT(200, "json:{\"driver\":\"raw\"}") },
	  -EINVAL,
	  OTHER },
	{ "a backing file's place alone", V3, "qcow2", { U64(8, 200) }, -EINVAL, OTHER },
	{ "a backing file's length alone", V3, "qcow2", { U32(16, 6) }, -EINVAL, OTHER },
	{ "backing format", V3, "qcow2", { EXT(0xe2792aca, 3), TEXT(112, "raw") }, -EINVAL, OTHER },
	{ "data file by its bit", V3, "qcow2", { U64(72, 4) }, -EINVAL, OTHER },
	{ "data file by its name",
	  V3,
	  "qcow2",
	  { EXT(0x44415441, 11), TEXT(112, "/etc/shadow") },
	  -EINVAL,
	  OTHER },
	{ "data file behind another extension",
	  V3,
	  "qcow2",
	  { EXT(0x6803f857, 5), U32(120, 0x44415441), U32(124, 4) },
	  -EINVAL,
	  OTHER },
	{ "data file's name in v2",
	  V2,
	  "qcow2",
	  { U32(72, 0x44415441), U32(76, 11) },
	  -EINVAL,
	  OTHER },
	{ "VMDK of text",
	  NOTHING,
	  "vmdk",
	  { TEXT(0, "# Disk DescriptorFile\nversion=1\nRW 1 FLAT \"/etc/shadow\" 0\n") },
	  -EINVAL,
	  OTHER },
	{ "VMDK with a flat extent",
	  VMDK,
	  "vmdk",
	  { APPEND("RW 9 FLAT \"/etc/shadow\" 0\n") },
	  -EINVAL,
	  OTHER },
	{ "VMDK with a second extent",
	  VMDK,
	  "vmdk",
	  { APPEND("RW 9 SPARSE \"b.vmdk\"\n") },
	  -EINVAL,
	  OTHER },
	{ "VMDK whose extent is elsewhere",
	  VMDK,
	  "vmdk",
	  { TEXT(593, "RW 131072 SPARSE \"/etc/x\"\n") },
	  -EINVAL,
	  OTHER },
	{ "VMDK with a parent",
	  VMDK,
	  "vmdk",
	  { APPEND("parentFileNameHint=\"/etc/shadow\"\n") },
	  -EINVAL,
	  OTHER },
	{ "VMDK with a parent's CID",
	  VMDK,
	  "vmdk",
	  { APPEND("parentCID=00000001\n") },
	  -EINVAL,
	  OTHER },
	{ "VMDK of many files",
	  VMDK,
	  "vmdk",
	  { TEXT(574, "\"twoGbMaxExtentFlat\"") },
	  -EINVAL,
	  NULL },
	{ "VMDK of ESX", NOTHING, "vmdk", { TEXT(0, "COWD") }, -EINVAL, OTHER },
	/* They are not what they are called. */
	{ "qcow2 as raw", V3, "raw", { { 0 } }, -EMEDIUMTYPE, "are qcow2, not raw" },
	{ "qcow2 as a kernel", V3, "aki", { { 0 } }, -EMEDIUMTYPE, "are qcow2" },
	{ "qcow2 as a ramdisk", V3, "ari", { { 0 } }, -EMEDIUMTYPE, "are qcow2" },
	{ "qcow2 as Amazon's disk", V3, "ami", { { 0 } }, -EMEDIUMTYPE, "are qcow2" },
	{ "qcow2 as ISO, and both",
	  V3,
	  "iso",
	  { TEXT(32769, "CD001") },
	  -EMEDIUMTYPE,
	  "are qcow2" },
	{ "raw as qcow2", NOTHING, "qcow2", { { 0 } }, -ENOMSG, "are of no format" },
	{ "raw as ISO", NOTHING, "iso", { TEXT(32768, "CD001") }, -ENOMSG, "are of no format" },
	{ "ISO as a kernel", NOTHING, "aki", { TEXT(32769, "CD001") }, -EMEDIUMTYPE, "are iso" },
	{ "VMDK as raw", VMDK, "raw", { { 0 } }, -EMEDIUMTYPE, "are vmdk" },
	{ "VMDK's text as raw",
	  NOTHING,
	  "raw",
	  { TEXT(0, "#\n \n# x\r\nversion=3\n") },
	  -EMEDIUMTYPE,
	  "are vmdk" },
	{ "VHDX as raw", NOTHING, "raw", { TEXT(0, "vhdxfile") }, -EMEDIUMTYPE, "are vhdx" },
	{ "VHD as raw", NOTHING, "raw", { TEXT(0, "conectix") }, -EMEDIUMTYPE, "are vhd" },
	{ "VHD by its footer as raw",
	  NOTHING,
	  "raw",
	  { TEXT(SIZE - 512, "conectix") },
	  -EMEDIUMTYPE,
	  "are vhd" },
	{ "VDI as raw", NOTHING, "raw", { U32(64, 0xbeda107f) }, -EMEDIUMTYPE, "are vdi" },
	{ "QED as raw", NOTHING, "raw", { TEXT(0, "QED\0") }, -EMEDIUMTYPE, "are qed" },
	{ "LUKS as raw", NOTHING, "raw", { TEXT(0, "LUKS\xba\xbe") }, -EMEDIUMTYPE, "are luks" },
	{ "Parallels as raw",
	  NOTHING,
	  "raw",
	  { TEXT(0, "WithoutFreeSpace") },
	  -EMEDIUMTYPE,
	  "are ploop" },
	{ "Bochs as raw",
	  NOTHING,
	  "raw",
	  { TEXT(0, "Bochs Virtual HD Image") },
	  -EMEDIUMTYPE,
	  "are bochs" },
	{ "cloop as raw",
	  NOTHING,
	  "raw",
	  { TEXT(0, "#!/bin/sh\n#V2.0 Format\nmodprobe") },
	  -EMEDIUMTYPE,
	  "are cloop" },
	{ "DMG by its trailer as raw",
	  NOTHING,
	  "raw",
	  { TEXT(SIZE - 512, "koly") },
	  -EMEDIUMTYPE,
	  "are dmg" },
	{ "user-mode Linux's cow as raw",
	  NOTHING,
	  "raw",
	  { TEXT(0, "OOOM") },
	  -EMEDIUMTYPE,
	  "are cow" },
	{ "a format that is none", NOTHING, "floppy", { { 0 } }, -EMEDIUMTYPE, "not floppy" },
	/* They make no sense. */
	{ "qcow version 1", V2, "qcow2", { U32(4, 1) }, -EINVAL, "version 2 or 3" },
	{ "qcow version 4", V2, "qcow2", { U32(4, 4) }, -EINVAL, "version 2 or 3" },
	{ "half a header", V2, "qcow2", { { 0 } }, -EINVAL, "version 2 or 3", 71 },
	{ "half a header of version 3", V3, "qcow2", { { 0 } }, -EINVAL, "version 2 or 3", 103 },
	{ "a magic and no more", V2, "qcow2", { { 0 } }, -EINVAL, "version 2 or 3", 4 },
	{ "an unknown feature",
	  V3,
	  "qcow2",
	  { U64(72, 1 << 5) },
	  -EINVAL,
	  "unknown features (0x20)" },
	{ "the last feature there can be",
	  V3,
	  "qcow2",
	  { U64(72, 1ULL << 63) },
	  -EINVAL,
	  "unknown features" },
	{ "marked corrupt", V3, "qcow2", { U64(72, 2) }, -EINVAL, "corrupt" },
	{ "refcounts of 128 bits", V3, "qcow2", { U32(96, 7) }, -EINVAL, "2^7 bits" },
	{ "a header without an end",
	  V3,
	  "qcow2",
	  { U32(100, 0xfffffff8) },
	  -EINVAL,
	  "a header of" },
	{ "a header that is too short", V3, "qcow2", { U32(100, 72) }, -EINVAL, "a header of" },
	{ "compression by its byte alone",
	  V3,
	  "qcow2",
	  { U32(100, 112), BYTE(104, 1) },
	  -EINVAL,
	  "compression" },
	{ "clusters of 256 bytes", V2, "qcow2", { U32(20, 8) }, -EINVAL, "clusters of 2^8" },
	{ "clusters of 4 MiB", V2, "qcow2", { U32(20, 22) }, -EINVAL, "clusters of 2^22" },
	{ "clusters of 2^64 bytes", V2, "qcow2", { U32(20, 64) }, -EINVAL, "clusters of 2^64" },
	{ "encrypted with AES", V2, "qcow2", { U32(32, 1) }, -EINVAL, "encrypted" },
	{ "encrypted with LUKS", V3, "qcow2", { EXT(0x0537be77, 16) }, -EINVAL, "encrypted" },
	{ "snapshots inside", V2, "qcow2", { U32(60, 1) }, -EINVAL, "snapshots" },
	{ "a disk of 16 EiB", V2, "qcow2", { U64(24, UINT64_MAX) }, -EINVAL, "a disk of" },
	{ "a disk of 1 PiB", V2, "qcow2", { U64(24, 1ULL << 50) }, -EINVAL, "a disk of" },
	{ "more disk than the L1 table maps",
	  V2,
	  "qcow2",
	  { U64(24, (512ULL << 20) + 1) },
	  -EINVAL,
	  "L1 table of 1 entries" },
	{ "an L1 table of 32 GiB", V2, "qcow2", { U32(36, UINT32_MAX) }, -EINVAL, "L1 table of" },
	{ "an L1 table past the end",
	  V2,
	  "qcow2",
	  { U64(40, 3 << 16) },
	  -EINVAL,
	  "L1 table is not" },
	{ "an L1 table that is cut",
	  V2,
	  "qcow2",
	  { U32(36, 16385), U64(40, 1 << 16) },
	  -EINVAL,
	  "L1 table is not" },
	{ "an L1 table whose end wraps",
	  V2,
	  "qcow2",
	  { U64(40, 0xffffffffffff0000) },
	  -EINVAL,
	  "L1 table is not" },
	{ "an L1 table between clusters",
	  V2,
	  "qcow2",
	  { U64(40, 0x10008) },
	  -EINVAL,
	  "L1 table is not" },
	{ "an L1 table over the header", V2, "qcow2", { U64(40, 0) }, -EINVAL, "L1 table is not" },
	{ "no refcount table", V2, "qcow2", { U32(56, 0) }, -EINVAL, "refcount table" },
	{ "a refcount table of 256 TiB",
	  V2,
	  "qcow2",
	  { U32(56, UINT32_MAX) },
	  -EINVAL,
	  "refcount table" },
	{ "a refcount table past the end",
	  V2,
	  "qcow2",
	  { U64(48, 3 << 16) },
	  -EINVAL,
	  "refcount table" },
	{ "an extension of 4 GiB",
	  V3,
	  "qcow2",
	  { EXT(0x6803f857, UINT32_MAX) },
	  -EINVAL,
	  "does not fit" },
	{ "extensions past what is read",
	  V3,
	  "qcow2",
	  { U32(20, 21), EXT(0x6803f857, 65424) },
	  -EINVAL,
	  "no end" },
	{ "VMDK of 16 EiB", VMDK, "vmdk", { LE64(12, UINT64_MAX) }, -EINVAL, "a disk of" },
	{ "VMDK's text past the end",
	  VMDK,
	  "vmdk",
	  { LE64(28, UINT64_MAX) },
	  -EINVAL,
	  "descriptor" },
	{ "VMDK's text of 16 EiB", VMDK, "vmdk", { LE64(36, UINT64_MAX) }, -EINVAL, "descriptor" },
	{ "VMDK without a text", VMDK, "vmdk", { LE64(28, 0) }, -EINVAL, "descriptor" },
	{ "half a VMDK", VMDK, "vmdk", { { 0 } }, -EINVAL, OTHER, 511 },
};

static void hostile_images_are_refused_with_the_reason(void **state)
{
	assert_true(ARRAY_LEN(hostile) >= 40);
	for (const struct hostile *row = hostile; row < hostile + ARRAY_LEN(hostile); row++) {
		uint64_t size = 7;
		struct err e = { 0 };

		make(row->base);
		put_all(row->patch, ARRAY_LEN(row->patch));
		if (judge(row->size ? row->size : SIZE, row->as, &size, &e) != row->rc ||
		    size != 7 || (row->says && !strstr(e.msg, row->says)))
			fail_msg("%s: \"%s\"", row->what, e.msg);
	}
}

static const struct good {
	const char *what;
	enum base base;
	const char *as;
	struct patch patch[4];
	uint64_t virtual_size;
} good[] = {
	{ "qcow2 version 2", V2, "qcow2", { { 0 } }, VIRTUAL },
	{ "qcow2 version 3", V3, "qcow2", { { 0 } }, VIRTUAL },
	{ "named features and a dirty bit",
	  V3,
	  "qcow2",
	  { U64(72, 1), EXT(0x6803f857, 48) },
	  VIRTUAL },
	{ "zstd", V3, "qcow2", { U64(72, 8), U32(100, 112), BYTE(104, 1) }, VIRTUAL },
	{ "extended L2 entries",
	  V3,
	  "qcow2",
	  { U64(72, 16), U32(36, 2), U64(24, 512 << 20) },
	  512 << 20 },
	{ "a disk as large as the L1 table", V2, "qcow2", { U64(24, 512 << 20) }, 512 << 20 },
	{ "an L1 table as large as its cluster", V2, "qcow2", { U32(36, 16384) }, VIRTUAL },
	{ "VMDK of one file", VMDK, "vmdk", { { 0 } }, VIRTUAL },
	{ "a disk with a partition table",
	  NOTHING,
	  "raw",
	  { TEXT(510, "\x55\xaa"), TEXT(512, "EFI PART") },
	  SIZE },
	{ "ISO", NOTHING, "iso", { TEXT(32769, "CD001") }, SIZE },
	{ "ISO as a disk", NOTHING, "raw", { TEXT(32769, "CD001") }, SIZE },
	{ "a kernel", NOTHING, "aki", { TEXT(510, "\x55\xaa"), TEXT(514, "HdrS") }, SIZE },
	{ "a script", NOTHING, "ari", { TEXT(0, "#!/bin/sh\nexit 0\n") }, SIZE },
	{ "VHD", NOTHING, "vhd", { TEXT(SIZE - 512, "conectix") }, SIZE },
};

static void good_images_pass_with_their_size(void **state)
{
	for (const struct good *row = good; row < good + ARRAY_LEN(good); row++) {
		uint64_t size = 0;
		struct err e = { 0 };

		make(row->base);
		put_all(row->patch, ARRAY_LEN(row->patch));
		if (judge(SIZE, row->as, &size, &e) || size != row->virtual_size)
			fail_msg("%s: \"%s\" %llu", row->what, e.msg, (unsigned long long)size);
	}
}

static void every_length_is_survived(void **state)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk", "iso" };
	uint64_t size;

	for (enum base base = NOTHING; base <= VMDK; base++) {
		make(base);
		for (size_t n = 0; n < 1200; n++)
			for (size_t f = 0; f < ARRAY_LEN(formats); f++)
				judge(n, formats[f], &size, NULL);
	}
	assert_int_equal(judge(0, "raw", &size, NULL), 0);
	assert_int_equal(size, 0);
}

/* What QEMU itself makes must pass. */
static void qemu_img_and_we_agree(void **state)
{
	static const char *const options[] = { "compat=0.10",		"cluster_size=512",
					       "cluster_size=2M",	"extended_l2=on",
					       "compression_type=zstd", "refcount_bits=1",
					       "lazy_refcounts=on" };
	char path[] = "/tmp/anyvf-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const char *const argv[] = { "qemu-img", "create",   "-q", "-f", "qcow2",
					     "-o",	 options[i], path, "5G", NULL };
		uint64_t size = 0;
		struct err e = { 0 };

		if (spawn_run(argv, 10000, NULL, 0, &e))
			fail_msg("%s", e.msg);
		close(fd);
		fd = open(path, O_RDONLY);
		if (imghdr_judge_file(fd, "qcow2", &size, &e) || size != 5ULL << 30)
			fail_msg("%s: \"%s\" %llu", options[i], e.msg, (unsigned long long)size);
		assert_int_equal(imghdr_judge_file(fd, "raw", &size, NULL), -EMEDIUMTYPE);
	}
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_images_are_refused_with_the_reason),
		cmocka_unit_test(good_images_pass_with_their_size),
		cmocka_unit_test(every_length_is_survived),
		cmocka_unit_test(qemu_img_and_we_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
