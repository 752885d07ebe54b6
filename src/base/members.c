/* SPDX-License-Identifier: Apache-2.0 */
/* See members.h. Pure. Grammar: RFC 8259; what is within a member is only looked through. */
#include "base/members.h"

#include <errno.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Of numbers, true, false and null. */
static bool is_of_word(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
	       c == '+' || c == '.';
}

static void skip_space(struct members *it)
{
	while (it->at < it->end && is_space(*it->at))
		it->at++;
}

static bool pass(struct members *it, char c)
{
	skip_space(it);
	if (it->at == it->end || *it->at != c)
		return false;
	it->at++;
	return true;
}

/* Behind the opening quote; leaves it behind the closing one. */
static bool skip_string(struct members *it)
{
	const char *from = it->at, *quote = from, *slash;

	while ((quote = memchr(quote, '"', (size_t)(it->end - quote)))) {
		for (slash = quote; slash > from && slash[-1] == '\\';)
			slash--;
		quote++;
		if ((quote - slash) % 2)
			break;
	}
	it->at = quote ?: it->end;
	return quote;
}

/* Behind the opening bracket of an object or list; leaves it behind the closing one. */
static bool skip_nested(struct members *it)
{
	unsigned int depth = 1;

	while (depth && it->at < it->end) {
		char c = *it->at++;

		if (c == '"' && !skip_string(it))
			return false;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
	}
	return !depth;
}

static bool skip_word(struct members *it)
{
	const char *from = it->at;

	while (it->at < it->end && is_of_word(*it->at))
		it->at++;
	return it->at > from;
}

static bool skip_value(struct members *it)
{
	if (it->at == it->end)
		return false;
	switch (*it->at) {
	case '"':
		it->at++;
		return skip_string(it);
	case '{':
	case '[':
		it->at++;
		return skip_nested(it);
	default:
		return skip_word(it);
	}
}

/**
 * members_of() - Begin to walk the members of an object
 * @text: JSON, borrowed for the walk
 * @len:  its bytes
 */
struct members members_of(const char *text, size_t len)
{
	return (struct members){ text, text + len, false };
}

static int end(struct members *it)
{
	it->past = true;
	skip_space(it);
	return it->at == it->end ? 0 : -EBADMSG;
}

/**
 * members_next() - Step to the next member
 * @it:  the walk; over after anything but 1
 * @out: set to it; borrowed from the text
 *
 * Return: 1; 0 behind the last one and the object's end; -EBADMSG: that is no object, or one that
 * was cut off.
 */
int members_next(struct members *it, struct member *out)
{
	bool first = !it->past;

	if (first && !pass(it, '{'))
		return -EBADMSG;
	if (pass(it, '}'))
		return end(it);
	if ((!first && !pass(it, ',')) || !pass(it, '"'))
		return -EBADMSG;
	it->past = true;
	out->name = it->at;
	if (!skip_string(it))
		return -EBADMSG;
	out->name_len = (size_t)(it->at - 1 - out->name);
	if (!pass(it, ':'))
		return -EBADMSG;
	skip_space(it);
	out->value = it->at;
	if (!skip_value(it))
		return -EBADMSG;
	out->value_len = (size_t)(it->at - out->value);
	return 1;
}

/**
 * member_named() - Has a member this name?
 * @m:    the member
 * @name: as a program spells it, without anything that JSON escapes
 */
bool member_named(const struct member *m, const char *name)
{
	return *m->name == *name && !strncmp(m->name, name, m->name_len) && !name[m->name_len];
}
