/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A NIC's words that nobody asked for, beside those of a host's file (host.h): what the file says
 * and the NIC has already is asked for from then on, and nothing is done to the NIC.
 *
 *   {PF: {"words": [of pf_fields[]], "vfs": {N: [of vf_fields[]]}}}
 */
#include <stdio.h>

#include "ctl/host.h"

/**
 * host_unasked_get() - Which words of a PF and its VFs nobody asked for
 * @ops: verbs
 * @ctx: theirs
 * @pf:  PF
 * @n:   of its VFs
 * @out: gets a member of that name, where there are any
 *
 * Return: 0 or -1: out of memory. Context: the verbs'.
 */
int host_unasked_get(const struct pf_ops *ops, void *ctx, const char *pf, unsigned int n,
		     json_t *out)
{
	auto_of(json_decref) json_t *vfs = json_object(), *of_pf = json_object();
	uint32_t rows;

	if (!ops->batch || !ops->batch->unasked)
		return 0;
	if (!vfs || !of_pf)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		char key[12];

		rows = ops->batch->unasked(ctx, pf, (int)i);
		snprintf(key, sizeof(key), "%u", i);
		if (rows && json_object_set_new(vfs, key, fields_mask_to_json(vf_fields, rows)))
			return -1;
	}
	rows = ops->batch->unasked(ctx, pf, -1);
	if (rows && json_object_set_new(of_pf, "words", fields_mask_to_json(pf_fields, rows)))
		return -1;
	if (json_object_size(vfs) && json_object_set(of_pf, "vfs", vfs))
		return -1;
	return json_object_size(of_pf) ? json_object_set(out, pf, of_pf) : 0;
}

/**
 * host_unasked() - Those of one PF, or one VF
 * @root: has a member "unasked", or none
 * @pf:   PF
 * @vf:   number as it stands in a file; NULL: the PF itself
 *
 * Return: bits by enum vf_field, enum pf_field. Context: any.
 */
uint32_t host_unasked(const json_t *root, const char *pf, const char *vf)
{
	const json_t *of_pf = json_object_get(json_object_get(root, "unasked"), pf);
	uint32_t rows = 0;

	if (vf)
		fields_mask_from_json(vf_fields, json_object_get(json_object_get(of_pf, "vfs"), vf),
				      &rows, NULL);
	else
		fields_mask_from_json(pf_fields, json_object_get(of_pf, "words"), &rows, NULL);
	return rows;
}

/* Of a list of words those that both objects have alike; @said: and that are there. */
static void keep_same(json_t *words, const json_t *is, const json_t *want, bool said)
{
	for (size_t i = json_array_size(words); i-- > 0;) {
		const char *word = json_string_value(json_array_get(words, i));
		const json_t *a = json_object_get(is, word), *b = json_object_get(want, word);

		if (!(a && b ? json_equal(a, b) : !a && !b && !said))
			json_array_remove(words, i);
	}
}

/* What is gone back to says nothing of VFs that were leased since. */
static void forget_leased(json_t *want, const char *name, const json_t *leased)
{
	json_t *vfs =
		json_object_get(json_object_get(json_object_get(want, "unasked"), name), "vfs");
	const char *key;
	json_t *port;

	json_object_foreach ((json_t *)(uintptr_t)leased, key, port)
		json_object_del(vfs, key);
}

static void align_pf(json_t *of_pf, const json_t *is, const json_t *want, const json_t *not_vfs)
{
	const json_t *is_vfs = json_object_get(is, "vfs"), *want_vfs = json_object_get(want, "vfs");
	json_t *vfs = json_object_get(of_pf, "vfs"), *words = json_object_get(of_pf, "words");
	const char *key;
	json_t *list;
	void *next;

	keep_same(words, is, want, true);
	if (!json_array_size(words))
		json_object_del(of_pf, "words");
	json_object_foreach_safe(vfs, next, key, list)
	{
		keep_same(list, json_object_get(is_vfs, key), json_object_get(want_vfs, key),
			  false);
		if (!json_array_size(list) || json_object_get(not_vfs, key))
			json_object_del(vfs, key);
	}
	if (!json_object_size(vfs))
		json_object_del(of_pf, "vfs");
}

/**
 * host_unasked_align() - Leave those that a file has as they are
 * @is:    of host_get(), aligned with @want but for this
 * @want:  file, or what is gone back to, which loses what it says so of leased VFs
 * @force: VFs that are leased are compared
 *
 * What a file says of a VF is all its words: what it does not name is as by default.
 *
 * Context: any.
 */
void host_unasked_align(json_t *is, json_t *want, bool force)
{
	json_t *of_leased;
	const json_t *is_pfs = json_object_get(is, "pfs"), *pfs = json_object_get(want, "pfs");
	json_t *all = json_object_get(is, "unasked"), *of_pf;
	const char *name;
	void *next;

	json_object_foreach (json_object_get(is, "leased"), name, of_leased)
		if (!force)
			forget_leased(want, name, of_leased);
	json_object_foreach_safe(all, next, name, of_pf)
	{
		const json_t *pf = json_object_get(pfs, name);
		const json_t *leased = json_object_get(json_object_get(is, "leased"), name);

		if (pf)
			align_pf(of_pf, json_object_get(is_pfs, name), pf, force ? NULL : leased);
		if (!pf || !json_object_size(of_pf))
			json_object_del(all, name);
	}
}
