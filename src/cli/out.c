/* SPDX-License-Identifier: Apache-2.0 */
/* JSON with the line breaks of iproute2 (lib/json_writer.c there), and parts of field tables. */
#include <stdio.h>

#include "cli/cli.h"

static void put_indent(const struct cli *cli, unsigned int depth)
{
	if (cli->pretty)
		printf("\n%*s", (int)depth * 4, "");
}

/* Recursion is as deep as the value, which we built. */
static void put(const struct cli *cli, const json_t *v, unsigned int depth)
{
	const char *key, *sep = "";
	const json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		putchar('{');
		json_object_foreach ((json_t *)(uintptr_t)v, key, item) {
			auto_of(json_decref) json_t *name = json_string(key);

			fputs(sep, stdout);
			put_indent(cli, depth + 1);
			put(cli, name, 0);
			fputs(cli->pretty ? ": " : ":", stdout);
			put(cli, item, depth + 1);
			sep = ",";
		}
		if (*sep)
			put_indent(cli, depth);
		putchar('}');
		return;
	case JSON_ARRAY:
		fputs(cli->pretty ? "[ " : "[", stdout);
		json_array_foreach (v, i, item) {
			fputs(sep, stdout);
			put(cli, item, depth + 1);
			sep = ",";
		}
		fputs(cli->pretty && *sep ? " ]" : "]", stdout);
		return;
	case JSON_STRING:
	case JSON_INTEGER:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		json_dumpf(v, stdout, JSON_ENCODE_ANY);
		return;
	}
}

/**
 * cli_print_json() - Write a value and a line's end to stdout
 * @cli:   -p decides on line breaks
 * @value: object members come in the order they were set
 *
 * Return: CLI_OK, or CLI_FAIL when stdout does not take it.
 */
int cli_print_json(const struct cli *cli, const json_t *value)
{
	put(cli, value, 0);
	putchar('\n');
	return fflush(stdout) || ferror(stdout) ? CLI_FAIL : CLI_OK;
}

/**
 * cli_fields_json() - Some members of a struct as a JSON object
 * @fields:  table
 * @obj:     struct
 * @changed: bit i: row i is wanted
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *cli_fields_json(const struct field *fields, const void *obj, uint32_t changed)
{
	json_t *j = fields_to_json(fields, obj);

	for (unsigned int i = 0; fields[i].word; i++)
		if (!(changed >> i & 1))
			json_object_del(j, fields[i].word);
	return j;
}
