/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets (RFC 3986): percent decoding and query arguments, for the HTTP server. */
#include "http/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/**
 * url_decode() - Decode %XX in place
 * @text:          a path segment or an argument
 * @plus_is_space: as in query arguments
 *
 * Return: false for a broken escape or one that hides a NUL (@text is then of no use).
 */
bool url_decode(char *text, bool plus_is_space)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (*in == '%') {
			int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);

			if (low < 0 || !(high | low))
				return false;
			*out++ = (char)(high << 4 | low);
			in += 2;
		} else {
			*out++ = *in == '+' && plus_is_space ? ' ' : *in;
		}
	}
	*out = '\0';
	return true;
}

/**
 * url_encode() - Encode all but unreserved characters
 * @text: a segment or argument
 *
 * Return: an allocated string; NULL without memory.
 */
char *url_encode(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(text) + 1), *p = out;

	if (!out)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c)) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = digits[c >> 4];
			*p++ = digits[c & 15];
		}
	}
	*p = '\0';
	return out;
}

/* Marks repeated names, so that nobody has to look for them again for each document. */
static void mark_repeated(struct args *args)
{
	for (unsigned int i = 1; i < args->n; i++)
		for (unsigned int j = 0; j < i && !args->all[i].again; j++)
			args->all[i].again = !args->all[j].again &&
					     !strcmp(args->all[i].name, args->all[j].name);
}

/**
 * args_parse() - Take a query apart
 * @query: what stands behind '?', or NULL
 * @out:   to be freed with args_free()
 *
 * Empty arguments ("a&&b") are skipped; the order and repetitions are kept.
 *
 * Return: 0; -EINVAL for a broken escape; -E2BIG for more than 512 arguments; -ENOMEM.
 */
int args_parse(const char *query, struct args *out)
{
	auto_free char *text = strdup(query ? query : "");
	auto_free struct arg *all = NULL;
	struct args args = { .n = 0 };
	size_t room = 1;
	char *save = NULL;

	for (const char *p = text; p && *p; p++)
		room += *p == '&';
	all = calloc(MIN(room, (size_t)ARGS_MAX), sizeof(*all));
	if (!text || !all)
		return -ENOMEM;
	for (char *word = strtok_r(text, "&", &save); word; word = strtok_r(NULL, "&", &save)) {
		char *value = strchr(word, '=');

		if (args.n == ARGS_MAX)
			return -E2BIG;
		if (value)
			*value++ = '\0';
		else
			value = word + strlen(word);
		if (!url_decode(word, true) || !url_decode(value, true))
			return -EINVAL;
		all[args.n++] = (struct arg){ word, value, false };
	}
	args.text = take(text);
	args.all = take(all);
	mark_repeated(&args);
	*out = args;
	return 0;
}

/**
 * args_free() - Free what args_parse() made
 * @args: parsed or zeroed
 */
void args_free(struct args *args)
{
	free(args->text);
	free(args->all);
	*args = (struct args){ 0 };
}

/**
 * args_get() - The value of an argument
 * @args: parsed arguments
 * @name: exact name
 * @i:    0 for its first value, 1 for its second...
 *
 * Return: the value; NULL if there are not so many.
 */
const char *args_get(const struct args *args, const char *name, unsigned int i)
{
	for (unsigned int n = 0; n < args->n; n++)
		if (strcmp(args->all[n].name, name) == 0 && i-- == 0)
			return args->all[n].value;
	return NULL;
}
