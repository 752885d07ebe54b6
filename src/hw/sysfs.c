/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 255 /* bytes that are read of a file */

AUTO_DEFINE(DIR *, closedir)

/**
 * hw_sys_path() - A path by a format
 * @out: gets it
 * @fmt: as printf's
 *
 * Return: 0 or -ENAMETOOLONG; then @out is "". Context: any; pure.
 */
int hw_sys_path(char out[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, PATH_MAX, fmt, ap);
	va_end(ap);
	if (n >= 0 && n < PATH_MAX)
		return 0;
	*out = '\0';
	return -ENAMETOOLONG;
}

/* One word that may be shown on a terminal and put into a path. */
static int take_word(const char *text, char *out, size_t size)
{
	size_t len = strlen(text);

	if (!len || len >= size || strchr(text, '/') || !strcmp(text, ".") || !strcmp(text, ".."))
		return -EINVAL;
	for (const char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p))
			return -EINVAL;
	memcpy(out, text, len + 1);
	return 0;
}

/**
 * hw_sys_word() - The word that a file holds
 * @path: directory
 * @name: file in it
 * @out:  gets the word; untouched on failure
 * @size: bytes of @out
 *
 * Return: 0; -EINVAL: it holds no single printable word that fits; or what open() and read() say
 * (-ENOENT, -EACCES, a driver's -EOPNOTSUPP). Context: any.
 */
int hw_sys_word(const char *path, const char *name, char *out, size_t size)
{
	char file[PATH_MAX], text[WORD_MAX + 1];
	auto_close int fd = -1;
	ssize_t n;

	if (hw_sys_path(file, "%s/%s", path, name))
		return -ENAMETOOLONG;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	do
		n = read(fd, text, sizeof(text) - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return strlen(text) + 1 < (size_t)n ? -EINVAL : take_word(text, out, size);
}

/**
 * hw_sys_number() - The number that a file holds
 * @path: directory
 * @name: file in it
 * @out:  gets it, decimal or 0x...; untouched on failure
 *
 * Return: 0; -EINVAL: it holds no number of 32 bits; or as hw_sys_word(). Context: any.
 */
int hw_sys_number(const char *path, const char *name, uint32_t *out)
{
	char text[32], *end;
	unsigned long n;
	int rc = hw_sys_word(path, name, text, sizeof(text));

	if (rc)
		return rc;
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, text[1] == 'x' ? 16 : 10);
	if (*end || errno || n > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

/**
 * hw_sys_target() - Where a link leads: the last part of it
 * @path: directory
 * @name: link in it
 * @out:  gets the name; untouched on failure
 * @size: bytes of @out
 *
 * Return: 0; -ENOENT: no link, or one that leads nowhere; -EINVAL: no link, or a name that does
 * not fit; or a negative errno. Context: any.
 */
int hw_sys_target(const char *path, const char *name, char *out, size_t size)
{
	char link[PATH_MAX], text[PATH_MAX];
	const char *last;
	ssize_t n;

	if (hw_sys_path(link, "%s/%s", path, name))
		return -ENAMETOOLONG;
	n = readlink(link, text, sizeof(text) - 1);
	if (n < 0 || access(link, F_OK))
		return -errno;
	text[n] = '\0';
	last = strrchr(text, '/');
	return take_word(last ? last + 1 : text, out, size);
}

/**
 * hw_sys_put() - Write a word into a file
 * @path: directory
 * @name: file in it, which is there
 * @text: word
 *
 * Return: 0 or the kernel's errno. Context: blocks as long as the driver takes.
 */
int hw_sys_put(const char *path, const char *name, const char *text)
{
	size_t len = strlen(text);
	char file[PATH_MAX];
	auto_close int fd = -1;
	ssize_t n;

	if (hw_sys_path(file, "%s/%s", path, name))
		return -ENAMETOOLONG;
	fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/**
 * hw_sys_each() - Go through the names in a directory
 * @dir: directory
 * @fn:  takes each name that is one printable word, in no order
 * @arg: handed to @fn
 *
 * Return: 0, what @fn said, or what opendir() says (-ENOENT, ...). Context: any.
 */
int hw_sys_each(const char *dir, hw_sys_fn fn, void *arg)
{
	auto_of(closedir) DIR *d = opendir(dir);
	const struct dirent *ent;
	int rc = 0;

	if (!d)
		return -errno;
	while (!rc && (ent = readdir(d))) {
		char name[NAME_MAX + 1];

		if (!take_word(ent->d_name, name, sizeof(name)))
			rc = fn(arg, dir, name);
	}
	return rc;
}
