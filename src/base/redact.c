/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes secrets out of texts. What a text is need not be known: INI, JSON, shell, YAML, XML, HTTP's
 * headers, command lines and logs all have a name that tells what follows it, and what has no name
 * is known by its looks. In doubt more is taken out than has to be.
 */
#include "base/redact.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* What is in the name of a secret, in any case. */
static const char *const names[] = {
	"password",   "passwd",	     "passphrase",   "adminpass", "token",	   "secret",
	"credential", "user_data",   "user-data",    "userdata",  "authorization", "cookie",
	"privatekey", "private_key", "private-key",  "apikey",	  "api_key",	   "api-key",
	"access_key", "access-key",  "config_drive",
};

/*
 * How secrets begin that need no name: our tokens of hosts, Fernet; and as base64 JSON (JWT), PEM,
 * "#cloud-config", "#!/" and gzip (user data).
 */
static const char *const looks[] = { "anyvf1.",		  "gAAAA", "eyJ",  "LS0tLS1CRUdJTi",
				     "I2Nsb3VkLWNvbmZpZ", "IyEv",  "H4sIA" };
#define LOOKS_LEN 40  /* shorter ones are words */
#define LABEL_LEN 64U /* of PEM */

/* What says that the word behind it is the secret. */
static const char *const schemes[] = { "Bearer", "Basic", "Digest" };

struct scan {
	const char *text, *at, *end;
	struct buf *out;
	size_t max;
	unsigned int n;
	int rc;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* Hands on what was read up to @to. */
static void keep(struct scan *s, const char *to)
{
	if (!s->rc)
		s->rc = buf_add(s->out, s->at, (size_t)(to - s->at), s->max);
	s->at = to;
}

/* @json: what goes had no quotes, and something has to be there. */
static void drop(struct scan *s, const char *to, bool json)
{
	const char *instead = json ? "\"" REDACTED "\"" : REDACTED;

	if (!s->rc)
		s->rc = buf_add(s->out, instead, strlen(instead), s->max);
	s->at = to;
	s->n++;
}

static bool begins(const struct scan *s, const char *p, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(s->end - p) >= n && !memcmp(p, with, n);
}

/* The label of a private key's PEM (RFC 7468). */
static bool is_key(const struct scan *s, const char *p)
{
	static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY";
	const char *label = p + strlen(begin), *eol;
	size_t n;

	if (!begins(s, p, begin))
		return false;
	n = MIN((size_t)(s->end - label), LABEL_LEN);
	eol = memchr(label, '\n', n) ?: label + n;
	return memmem(label, (size_t)(eol - label), key, strlen(key));
}

/* JSON may break its lines anywhere. */
static const char *skip_space(const struct scan *s, const char *p, bool lines)
{
	while (p < s->end && (is_blank(*p) || (lines && *p == '\n')))
		p++;
	return p;
}

static const char *skip_name(const struct scan *s, const char *p)
{
	/* A key in a JSON string stands behind "\n". */
	for (const char *from = p; p < s->end && is_name(*p); p++)
		if (p > from && is_key(s, p))
			break;
	return p;
}

static const char *line_end(const struct scan *s, const char *p)
{
	const char *nl = memchr(p, '\n', (size_t)(s->end - p));

	return nl ? nl : s->end;
}

static const char *word_end(const struct scan *s, const char *p)
{
	while (p < s->end && !is_blank(*p) && *p != '\n')
		p++;
	return p;
}

static bool is_secret(const char *name, size_t len)
{
	for (unsigned int i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);

		for (size_t at = 0; at + n <= len; at++)
			if ((name[at] | 32) == *names[i] && !strncasecmp(name + at, names[i], n))
				return true;
	}
	return false;
}

/* With the lines below that are deeper, as INI, YAML and HTTP go on. */
static const char *lines_end(const struct scan *s, const char *p)
{
	for (p = line_end(s, p); p + 1 < s->end && is_blank(p[1]); p = line_end(s, p + 1))
		;
	return p;
}

/* Of what begins with @slashes and a quote: those of JSON within JSON are escaped. */
static const char *quoted_end(const struct scan *s, const char *p, size_t slashes)
{
	char quote = p[slashes];
	size_t run = 0;

	for (p += slashes + 1; p < s->end; p++) {
		if (*p == quote && (slashes ? run <= slashes : run % 2 == 0))
			return p - (slashes ? run : 0);
		run = *p == '\\' ? run + 1 : 0;
	}
	return s->end;
}

/* Of a list or an object, with all in it. */
static const char *nested_end(const struct scan *s, const char *p)
{
	unsigned int depth = 0;

	for (; p < s->end; p++) {
		if (*p == '"')
			p = quoted_end(s, p, 0);
		else if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && !--depth)
			return p + 1;
		if (p == s->end)
			break;
	}
	return s->end;
}

/* The backslashes before a quote; -1: no quote is there. */
static long quote_at(const struct scan *s, const char *p)
{
	const char *from = p;

	while (p < s->end && *p == '\\')
		p++;
	return p < s->end && is_quote(*p) ? p - from : -1;
}

/* Only blanks, the dash of a YAML list, or a shell's export are before it in its line. */
static bool is_first(const struct scan *s, const char *name)
{
	const char *p = name;

	while (p > s->text && (is_blank(p[-1]) || p[-1] == '-'))
		p--;
	if (p - s->text >= 6 && p < name && !memcmp(p - 6, "export", 6))
		p -= 6;
	return p == s->text || p[-1] == '\n';
}

/* A value that nothing encloses, behind @name. @json: that has quotes; @tight: only "=" between. */
static const char *bare_end(const struct scan *s, const char *name, const char *p, bool json,
			    bool tight)
{
	if (json) {
		while (p < s->end && !strchr(",}] \t\r\n", *p))
			p++;
		return p;
	}
	if (is_first(s, name))
		return lines_end(s, p);
	if (tight && name > s->text && is_quote(name[-1])) /* "NAME=some words" */
		return quoted_end(s, name - 1, 0);
	return tight ? word_end(s, p) : line_end(s, p);
}

/* Drops the value of the secret @name, whose end is @p, if it has one there. */
static void value_of(struct scan *s, const char *name, const char *p)
{
	long slashes = quote_at(s, p);
	bool json = slashes >= 0, tight;
	const char *sep;

	if (p < s->end && *p == '>' && name > s->text && name[-1] != '/') { /* XML's */
		const char *tag = memchr(p, '<', (size_t)(s->end - p));

		keep(s, p + 1);
		drop(s, tag ? tag : s->end, false);
		return;
	}
	sep = skip_space(s, json ? p + slashes + 1 : p, json);
	if (sep < s->end &&
	    (*sep == '=' || *sep == ':' || (json && *sep == ',' && begins(s, name, "--")))) {
		const char *value =
			skip_space(s, sep + 1 + (sep + 1 < s->end && sep[1] == '>'), json);

		tight = sep == p && value == sep + 1;
		p = value;
	} else if (!json && begins(s, name, "--") && sep > p && sep < s->end && *sep != '\n') {
		tight = true; /* --token VALUE */
		p = sep;
	} else {
		keep(s, p);
		return;
	}
	keep(s, p);
	slashes = quote_at(s, p);
	if (is_key(s, p)) /* which has an end of its own */
		return;
	if (slashes >= 0) {
		keep(s, p + slashes + 1);
		drop(s, quoted_end(s, p, (size_t)slashes), false);
		if (!json && s->at + 1 < s->end && word_end(s, s->at + 1) > s->at + 1) {
			keep(s, s->at + 1); /* a shell's next piece of the same word */
			drop(s, word_end(s, s->at), false);
		}
	} else if (p < s->end && (*p == '{' || *p == '[')) {
		drop(s, nested_end(s, p), json);
	} else if (bare_end(s, name, p, json, tight) > p) {
		drop(s, bare_end(s, name, p, json, tight), json);
	}
}

/* The end of what looks like a secret; NULL: it does not. */
static const char *look_end(const struct scan *s, const char *name)
{
	const char *p = name;
	unsigned int i = 0;

	while (i < ARRAY_LEN(looks) && !begins(s, name, looks[i]))
		i++;
	if (i == ARRAY_LEN(looks))
		return NULL;
	while (p < s->end && (is_name(*p) || strchr("+/=", *p)))
		p++;
	return p - name >= LOOKS_LEN ? p : NULL;
}

/* A word, and what it says of what follows. */
static void name_read(struct scan *s)
{
	const char *name = s->at, *end = skip_name(s, name), *look = look_end(s, name);

	if (look) {
		drop(s, look, false);
		return;
	}
	for (unsigned int i = 0; i < ARRAY_LEN(schemes); i++) {
		const char *next = skip_space(s, end, false);

		if ((size_t)(end - name) == strlen(schemes[i]) && begins(s, name, schemes[i]) &&
		    word_end(s, next) - next >= 8) {
			keep(s, next);
			drop(s, word_end(s, next), false);
			return;
		}
	}
	if (is_secret(name, (size_t)(end - name)))
		value_of(s, name, end);
	else
		keep(s, end);
}

/* "://NAME:PASSWORD@": what stands before the last @ of the authority, which may be a list. */
static void url_read(struct scan *s)
{
	const char *from = s->at + 3, *at = NULL;

	for (const char *p = from; p < s->end && !strchr("/?# \t\r\n\"'<>", *p); p++)
		if (*p == '@')
			at = p;
	keep(s, from);
	if (at)
		drop(s, at, false);
}

/* A key without an end is all that is left. */
static bool key_read(struct scan *s)
{
	static const char end[] = "-----END ";
	const char *last;

	if (!is_key(s, s->at))
		return false;
	last = memmem(s->at, (size_t)(s->end - s->at), end, strlen(end));
	drop(s, last ? last : s->end, false);
	if (last)
		keep(s, s->at + strlen(end));
	return true;
}

/**
 * redact() - Take the secrets out of a text
 * @text: any bytes; NULs are bytes as others
 * @len:  how many
 * @max:  most bytes @out may then hold
 * @out:  the text is added to it, with REDACTED in the place of each secret
 * @n:    gets how many these were; may be NULL
 *
 * Pure. Context: any thread.
 *
 * Return: 0, -EMSGSIZE or -ENOMEM; @out then has a part of the text, without secrets.
 */
int redact(const char *text, size_t len, size_t max, struct buf *out, unsigned int *n)
{
	struct scan s = { .text = text, .at = text, .end = text + len, .out = out, .max = max };

	while (s.at < s.end && !s.rc) {
		if (*s.at == '-' && key_read(&s))
			continue;
		if (begins(&s, s.at, "://"))
			url_read(&s);
		else if (is_name(*s.at))
			name_read(&s);
		else
			keep(&s, s.at + 1);
	}
	if (n)
		*n = s.n;
	return s.rc;
}
