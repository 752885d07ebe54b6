/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text. Whatever a label says, it stays inside its quotes: a backslash, a quote and a
 * newline are escaped, and what is not UTF-8 becomes U+FFFD: a scraper refuses the
 * whole page for it.
 */
#include "base/prom.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX (64u << 20) /* bytes of one page */

static void put(struct prom *p, const char *text, size_t len)
{
	if (!p->rc)
		p->rc = buf_add(&p->text, text, len, TEXT_MAX);
}

static void puts_(struct prom *p, const char *text)
{
	put(p, text, strlen(text));
}

/* Bytes of the UTF-8 character at @s, which ends with a NUL (RFC 3629, 4); 0: it is none. */
static unsigned int utf8_len(const unsigned char *s)
{
	unsigned int n = *s < 0x80   ? 1
			 : *s < 0xc2 ? 0
			 : *s < 0xe0 ? 2
			 : *s < 0xf0 ? 3
			 : *s < 0xf5 ? 4
				     : 0;

	for (unsigned int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* One character of a label's value; returns bytes written, at most 4. @s is moved on. */
static unsigned int escape(const char **s, char out[4])
{
	unsigned int n = utf8_len((const unsigned char *)*s);

	if (!n) {
		memcpy(out, "\xef\xbf\xbd", 3);
		(*s)++;
		return 3;
	}
	memcpy(out, *s, n);
	*s += n;
	if (*out != '\\' && *out != '"' && *out != '\n')
		return n;
	out[1] = *out == '\n' ? 'n' : *out;
	out[0] = '\\';
	return 2;
}

/**
 * prom_label() - Add a label
 * @l:	   labels; one for which there is no room is left out
 * @name:  as the format allows; ours
 * @value: any text
 */
void prom_label(struct prom_labels *l, const char *name, const char *value)
{
	size_t n = strlen(name), at = l->len;

	if (at + n + 8 > sizeof(l->text))
		return;
	if (at)
		l->text[at++] = ',';
	memcpy(l->text + at, name, n); /* no snprintf(): of 256 VFs it is a tenth of their page */
	at += n;
	l->text[at++] = '=';
	l->text[at++] = '"';
	while (*value && at + 6 < sizeof(l->text))
		at += escape(&value, l->text + at);
	if (*value || at + 2 > sizeof(l->text)) {
		l->text[l->len] = '\0';
		return;
	}
	l->text[at++] = '"';
	l->text[at] = '\0';
	l->len = (unsigned int)at;
}

/**
 * prom_label_number() - Add a label that is a number
 * @l:	   labels
 * @name:  ours
 * @value: number
 */
void prom_label_number(struct prom_labels *l, const char *name, uint64_t value)
{
	char text[24];

	*decimal_put(text, value, 1) = '\0';
	prom_label(l, name, text);
}

static const char *suffix(enum prom_type type)
{
	return type == PROM_COUNTER ? "_total" : type == PROM_INFO ? "_info" : "";
}

/**
 * prom_family() - Begin a family of samples
 * @p:	  page
 * @name: without _total or _info, which come with the type; borrowed until the next
 * @type: kind
 * @help: a phrase; no backslash, no newline
 *
 * In OpenMetrics a family is called without what its samples end with, in 0.0.4 with it.
 */
void prom_family(struct prom *p, const char *name, enum prom_type type, const char *help)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "info", "counter" };
	const char *end = p->open ? "" : suffix(type);
	const char *word = type == PROM_INFO && !p->open  ? "gauge"
			   : type == PROM_BARE && p->open ? "unknown"
							  : types[type];
	char line[512];

	snprintf(line, sizeof(line), "# HELP %s%s %s\n# TYPE %s%s %s\n", name, end, help, name, end,
		 word);
	p->name = name;
	p->type = type;
	puts_(p, line);
}

#define REST_MAX 64 /* of a sample: what stands around its labels, and its number */

/* Where the number of a sample goes, which is then to be ended; NULL: there is no room. */
static char *sample_begin(struct prom *p, const char *end, const char *labels, const char *more)
{
	size_t name = strlen(p->name), n = strlen(labels), n_more = strlen(more);
	char *at;

	if (!p->rc)
		p->rc = buf_room(&p->text, name + n + n_more + REST_MAX, TEXT_MAX);
	if (p->rc)
		return NULL;
	at = mempcpy(p->text.data + p->text.len, p->name, name);
	at = stpcpy(at, end);
	if (n || n_more) {
		*at++ = '{';
		at = mempcpy(at, labels, n);
		if (n && n_more)
			*at++ = ',';
		at = mempcpy(at, more, n_more);
		*at++ = '}';
	}
	*at++ = ' ';
	return at;
}

static void sample_end(struct prom *p, char *at)
{
	*at++ = '\n';
	*at = '\0';
	p->text.len = (size_t)(at - p->text.data);
}

static void put_line(struct prom *p, const char *end, const char *labels, const char *more,
		     uint64_t n)
{
	char *at = sample_begin(p, end, labels, more);

	if (at)
		sample_end(p, decimal_put(at, n, 1));
}

static void put_seconds(struct prom *p, const char *end, const char *labels, uint64_t ns)
{
	char *at = sample_begin(p, end, labels, "");

	if (!at)
		return;
	at = decimal_put(at, ns / 1000000000, 1);
	*at++ = '.';
	sample_end(p, decimal_put(at, ns % 1000000000, 9));
}

/**
 * prom_put() - A sample of the family
 * @p:	    page
 * @labels: its labels
 * @more:   further ones
 * @value:  number
 */
void prom_put(struct prom *p, const char *labels, const char *more, uint64_t value)
{
	put_line(p, suffix(p->type), labels, more, value);
}

/**
 * prom_put_ns() - A sample in seconds
 * @p:	    page
 * @labels: its labels
 * @ns:	    nanoseconds
 */
void prom_put_ns(struct prom *p, const char *labels, uint64_t ns)
{
	put_seconds(p, suffix(p->type), labels, ns);
}

/**
 * prom_put_histogram() - A histogram's samples: they add up, and the last is all of them
 * @p:	    page
 * @labels: its labels
 * @b:	    counts
 * @sum:    of what was counted
 * @in_ns:  it is nanoseconds, and the metric's unit seconds
 */
void prom_put_histogram(struct prom *p, const char *labels, const struct prom_buckets *b,
			uint64_t sum, bool in_ns)
{
	uint64_t all = 0;
	char le[48];

	for (unsigned int i = 0; i < b->n; i++) {
		const char *end = i + 1 < b->n ? b->les[i] : "+Inf";

		all += b->counts[i];
		/* Source: OpenMetrics 1.0, "Considerations: Canonical Numbers": floats, as 1.0. */
		snprintf(le, sizeof(le), "le=\"%s%s\"", end,
			 p->open && !strpbrk(end, ".eI") ? ".0" : "");
		put_line(p, "_bucket", labels, le, all);
	}
	if (in_ns)
		put_seconds(p, "_sum", labels, sum);
	else
		put_line(p, "_sum", labels, "", sum);
	put_line(p, "_count", labels, "", all);
}

/**
 * prom_end() - End a page
 * @p: page
 *
 * Return: 0, -ENOMEM, -EMSGSIZE; the text is the caller's in any case.
 */
int prom_end(struct prom *p)
{
	if (p->open)
		puts_(p, "# EOF\n");
	return p->rc;
}

static unsigned int thousandths(const char *text)
{
	double q = strtod(text, NULL);

	return q > 0 ? (unsigned int)(MIN(q, 1.0) * 1000) : 0;
}

/* The q of a media range's parameters, in thousandths (RFC 9110, 12.4.2); without: 1. */
static unsigned int quality(const char *range, const char *end)
{
	for (const char *at = range; at + 2 < end; at++)
		if (*at == ';') {
			do
				at++;
			while (at < end && (*at == ' ' || *at == '\t'));
			if (at + 2 < end && (*at == 'q' || *at == 'Q') && at[1] == '=')
				return thousandths(at + 2);
			at--;
		}
	return 1000;
}

static bool is_range(const char *at, const char *end, const char *type)
{
	size_t n = strlen(type);

	return (size_t)(end - at) >= n && !strncasecmp(at, type, n) &&
	       (at + n == end || strchr(" \t;", at[n]));
}

/**
 * prom_accepts_open() - Does who asks want OpenMetrics?
 * @accept: his Accept header; NULL: none
 *
 * Source: RFC 9110, 12.5.1. Only if he names it, and likes it no less than text/plain.
 *
 * Return: true if so.
 */
bool prom_accepts_open(const char *accept)
{
	unsigned int open = 0, plain = 0;

	for (const char *at = accept; at && *at;) {
		const char *end = at + strcspn(at, ",");

		at += strspn(at, " \t");
		if (at < end && is_range(at, end, "application/openmetrics-text"))
			open = MAX(open, quality(at, end));
		else if (at < end && is_range(at, end, "text/plain"))
			plain = MAX(plain, quality(at, end));
		at = *end ? end + 1 : end;
	}
	return open && open >= plain;
}

/**
 * prom_content_type() - What a page is called
 * @open: OpenMetrics
 *
 * Return: a media type with its version.
 */
const char *prom_content_type(bool open)
{
	return open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		    : "text/plain; version=0.0.4; charset=utf-8";
}
