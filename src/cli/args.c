/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of a command line, numbers in them, and the refusals of iproute2 6.1,
 * byte for byte (lib/utils.c there): each prints to stderr and answers the exit code.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/**
 * cli_next() - Take the next word
 * @cli: run
 *
 * Return: the word, NULL at the end of the line.
 */
const char *cli_next(struct cli *cli)
{
	return *cli->words ? *cli->words++ : NULL;
}

/**
 * cli_accept() - Take the next word if it is this one
 * @cli:  run
 * @word: in full
 */
bool cli_accept(struct cli *cli, const char *word)
{
	if (!*cli->words || strcmp(*cli->words, word))
		return false;
	cli->words++;
	return true;
}

/**
 * cli_matches() - Is this an abbreviation of a word?
 * @prefix: what was typed; the empty string abbreviates nothing
 * @word:   in full
 */
bool cli_matches(const char *prefix, const char *word)
{
	return *prefix && !strncmp(prefix, word, strlen(prefix));
}

/**
 * cli_u32() - Read a number as iproute2's get_unsigned() does
 * @text: decimal, 0x or octal
 * @out:  untouched on failure
 *
 * Return: false if this is no number or one above 32 bits.
 */
bool cli_u32(const char *text, uint32_t *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (!*text || *end || errno || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

/**
 * cli_int() - Read a number as iproute2's get_integer() does
 * @text: decimal, 0x or octal, with a sign or not
 * @out:  untouched on failure
 */
bool cli_int(const char *text, int *out)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 0);
	if (!*text || *end || errno || n < INT_MIN || n > INT_MAX)
		return false;
	*out = (int)n;
	return true;
}

/**
 * cli_lladdr() - Read a link-layer address as iproute2's ll_addr_a2n() does
 * @text: hexadecimal numbers up to ff between colons, or four decimal bytes between dots
 * @out:  its bytes
 *
 * Return: how many bytes; 0: refused, and told.
 */
size_t cli_lladdr(const char *text, uint8_t out[32])
{
	const char *part = text;
	struct in_addr ip;
	size_t n = 0;

	if (strchr(text, '.')) {
		if (inet_aton(text, &ip)) {
			memcpy(out, &ip, sizeof(ip));
			return sizeof(ip);
		}
		fprintf(stderr, "\"%s\" is invalid lladdr.\n", text);
		return 0;
	}
	while (part && n < 32) {
		const char *end = strchrnul(part, ':');
		auto_free char *one = strndup(part, (size_t)(end - part));
		unsigned int byte;

		if (!one || sscanf(one, "%x", &byte) != 1 || byte > 255) {
			fprintf(stderr, "\"%s\" is invalid lladdr.\n", one ? one : "");
			return 0;
		}
		out[n++] = (uint8_t)byte;
		part = *end ? end + 1 : NULL;
	}
	return n;
}

/**
 * cli_incomplete() - The line ends too early
 *
 * Return: CLI_USAGE.
 */
int cli_incomplete(void)
{
	fputs("Command line is not complete. Try option \"help\"\n", stderr);
	return CLI_USAGE;
}

/**
 * cli_wrong() - A value cannot be
 * @arg: the word
 * @why: text; iproute2's own ends some with a newline of their own
 *
 * Return: CLI_USAGE.
 */
int cli_wrong(const char *arg, const char *why)
{
	fprintf(stderr, "Error: argument \"%s\" is wrong: %s\n", arg, why);
	return CLI_USAGE;
}

/**
 * cli_end() - Is the line read to its end?
 * @cli: run
 *
 * Return: CLI_OK, or CLI_USAGE after printing the word too many.
 */
int cli_end(struct cli *cli)
{
	return *cli->words ? cli_wrong(*cli->words, "one word too many") : CLI_OK;
}

/**
 * cli_missing() - A word that has to come first did not
 * @key: its name
 *
 * Return: CLI_USAGE.
 */
int cli_missing(const char *key)
{
	fprintf(stderr, "Error: argument \"%s\" is required\n", key);
	return CLI_USAGE;
}

/**
 * cli_garbage() - A word that can only be a second name
 * @key: what it would name
 * @arg: the word
 *
 * Return: CLI_USAGE.
 */
int cli_garbage(const char *key, const char *arg)
{
	fprintf(stderr, "Error: either \"%s\" is duplicate, or \"%s\" is a garbage.\n", key, arg);
	return CLI_USAGE;
}

/**
 * cli_duplicate() - A setting given twice
 * @key: its word
 * @arg: the second value
 *
 * Return: CLI_USAGE.
 */
int cli_duplicate(const char *key, const char *arg)
{
	fprintf(stderr, "Error: duplicate \"%s\": \"%s\" is the second value.\n", key, arg);
	return CLI_USAGE;
}

/**
 * cli_unknown() - No such command
 * @object:  the object it was given to
 * @command: the word; NULL: there is none
 *
 * Return: CLI_USAGE.
 */
int cli_unknown(const char *object, const char *command)
{
	if (command)
		fprintf(stderr, "Command \"%s\" is unknown", command);
	else
		fputs("A command is missing", stderr);
	fprintf(stderr, ", try \"anyvf %s help\".\n", object);
	return CLI_USAGE;
}

/**
 * cli_error() - Our own words about what went wrong
 * @e: a sentence without its full stop
 *
 * Return: CLI_FAIL.
 */
int cli_error(const struct err *e)
{
	size_t len = strlen(e->msg); /* the API's sentences end with a full stop */

	fprintf(stderr, "Error: %s%s\n", e->msg, len && e->msg[len - 1] == '.' ? "" : ".");
	return CLI_FAIL;
}
