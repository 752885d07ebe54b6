/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the control protocol: what each method takes, and what it answers. */
#include <stdio.h>

#include "ctl/method.c" /* methods[] is its own */
#include "lib/words.h"

static void print_fields(const char *method, const struct field *fields, uint32_t rows)
{
	for (const struct field *f = fields; f && f->word; f++) {
		if (!(rows >> (f - fields) & 1))
			continue;
		printf("control %s %s\n", method, f->word);
		for (unsigned int i = 0; f->type == FIELD_ENUM && f->names[i]; i++)
			printf("control %s %s %s\n", method, f->word, f->names[i]);
	}
}

static void print_methods(void)
{
	for (const struct method *m = methods; m < methods + ARRAY_LEN(methods); m++) {
		printf("control %s\n", m->name);
		print_fields(m->name, target_fields, m->need | m->may);
		print_fields(m->name, m->body, UINT32_MAX);
		for (unsigned int i = 0; m->own && m->own[i]; i++)
			printf("control %s %s\n", m->name, m->own[i]);
	}
	print_fields("pf.set", pf_fields, UINT32_MAX); /* below "set" */
	print_fields("pf.set", vf_fields, UINT32_MAX); /* below "vfs", "set" */
}

/* The members of an answer, those of objects in it behind their names. */
static void print_answer(const char *method, const json_t *answer)
{
	const json_t *value;
	const char *name;
	char below[100];

	if (json_is_array(answer))
		print_answer(method, json_array_get(answer, 0));
	json_object_foreach ((json_t *)(uintptr_t)answer, name, value) {
		printf("answer %s %s\n", method, name);
		snprintf(below, sizeof(below), "%s %s", method, name);
		print_answer(below, value);
	}
}

static void print_answers(void)
{
	static const struct vf_info vf, untold = { .untold.counts = 1U << VF_COUNT_DROPS };
	static const struct pf_info pf = { .status.kind = "hw" };
	struct vf_drop drops[DROP_N] = { { .count = 1, .seen = true, .len = 60, .head_len = 18 } };
	auto_of(json_decref) json_t *v = ctl_vf_info_to_json(0, &vf), *p = ctl_pf_info_to_json(&pf),
				    *d = ctl_vf_drops_to_json(0, drops),
				    *nic = ctl_vf_info_to_json(0, &untold),
				    *nic_drops = ctl_vf_dropped_to_json(0, &untold);

	print_answer("vf.get", v);
	print_answer("pf.get", p);
	print_answer("vf.drops", d);
	print_answer("vf.get", nic);
	print_answer("vf.drops", nic_drops);
}

/**
 * words_print_control() - Print the control protocol's words
 */
void words_print_control(void)
{
	print_methods();
	print_answers();
}
