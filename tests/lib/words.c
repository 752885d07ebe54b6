/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what programs and people say to the daemons, as their tables have it, one word a line: the
 * control protocol's methods with what they take and answer, reasons of drops, members of the API's
 * resources, Neutron's extensions. For tests/lint/words.py. "words absent" prints what is not served
 * on purpose, for tests/lint/absent.py.
 */
#include <stdio.h>
#include <string.h>

#include "daemons/feature_list.h"
#include "lib/words.h"
#include "model/vf.h"

static void print_rows(const char *kind, const struct rfield *rows)
{
	for (const struct rfield *f = rows; f && f->name; f++)
		if (!(f->flags & R_SECRET))
			printf("field %s %s\n", kind, f->name);
}

static void print_feature(const struct feature *f)
{
	for (const struct resource *const *r = f->resources; r && *r; r++)
		print_rows((*r)->kind ? (*r)->kind : (*r)->one, (*r)->fields);
	for (const struct more_fields *m = f->fields; m && m->of; m++)
		print_rows(m->of, m->rows);
	for (const struct extension *e = f->extensions; e && e->alias; e++)
		printf("extension %s\n", e->alias);
}

static void print_absent(const struct feature *f)
{
	for (const struct absent *a = f->absent; a && a->path; a++)
		printf("%s\t%s\t%s%s\t%s\t%u\t%s\n", f->service->name, a->method ?: "",
		       f->service->prefix, a->path, a->word ?: "", a->status, a->why);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "absent")) {
		for (const struct feature *const *f = features; *f; f++)
			print_absent(*f);
		return 0;
	}
	words_print_control();
	for (unsigned int i = 0; i < DROP_N; i++)
		printf("drop %s\n", drop_names[i]);
	for (const struct feature *const *f = features; *f; f++)
		print_feature(*f);
	return 0;
}
