/* SPDX-License-Identifier: Apache-2.0 */
/* A host's PFs, VFs, service ports and mirrors in the form of its file (host.h). */
#include "ctl/host.h"

#include <stdio.h>
#include <string.h>

#include "base/sha512.h"

#define VF_LEASE (1U << VF_FIELD_PORT_ID | 1U << VF_FIELD_SERVER)

/**
 * host_pf_form() - A PF without what hangs on it
 * @pf: PF
 *
 * Return: a new reference; NULL when out of memory. Context: any.
 */
json_t *host_pf_form(const struct host_pf *pf)
{
	struct pf_config plain;
	uint32_t rows;
	json_t *j;

	pf_config_default(&plain);
	rows = fields_diff(pf_fields, &pf->config, &plain);
	if (pf->hw)
		rows |= pf->said;
	if (pf->config.mtu > pf_fields[PF_FIELD_MTU].max) /* a NIC has it; no word asks for it */
		rows &= ~(1U << PF_FIELD_MTU);
	j = fields_to_json_masked(pf_fields, &pf->config, rows & ~(1U << PF_FIELD_NAME));
	if (pf->hw && json_object_set_new(j, "kind", json_string("hw")))
		return NULL;
	return j;
}

/**
 * host_vf_form() - A VF
 * @c: settings; leases are not said
 * @a: what it is plugged into
 *
 * Return: a new reference, an empty object where all is as by default; NULL when out of memory.
 * Context: any.
 */
json_t *host_vf_form(const struct vf_config *c, const struct vf_attach *a)
{
	const struct vf_attach loose = { 0 };
	auto_of(json_decref) json_t *j = NULL;
	struct vf_config plain;

	vf_config_default(&plain);
	j = fields_to_json_masked(vf_fields, c, fields_diff(vf_fields, c, &plain) & ~VF_LEASE);
	if (a->kind != VF_ATTACH_NONE &&
	    json_object_set_new(j, "attach",
				fields_to_json_masked(vf_attach_fields, a,
						      fields_diff(vf_attach_fields, a, &loose))))
		return NULL;
	return take(j);
}

/**
 * host_svc_form() - A service port, without its names
 * @s: port
 *
 * Return: a new reference; NULL when out of memory. Context: any.
 */
json_t *host_svc_form(const struct svc_config *s)
{
	const struct svc_config plain = { 0 };

	return fields_to_json_masked(svc_fields, s, fields_diff(svc_fields, s, &plain) & ~3U);
}

/**
 * host_mirror_form() - A mirror, without its name
 * @m: mirror
 *
 * Return: a new reference; NULL when out of memory. Context: any.
 */
json_t *host_mirror_form(const struct mirror_config *m)
{
	const struct mirror_config plain = { 0 };
	/* What its ends are has to be said, also where that is VF 0. */
	const uint32_t kinds = 1U << MIRROR_FIELD_FROM | 1U << MIRROR_FIELD_TO;
	uint32_t rows = mirror_config_rows(m) & ~(1U << MIRROR_FIELD_NAME);

	return fields_to_json_masked(mirror_fields, m,
				     rows & (fields_diff(mirror_fields, m, &plain) | ~kinds));
}

/**
 * host_root() - A file of parts
 * @pfs:     taken
 * @mirrors: taken
 *
 * Return: a new reference; NULL when out of memory. Context: any.
 */
json_t *host_root(json_t *pfs, json_t *mirrors)
{
	return json_pack("{s:i, s:o, s:o}", "anyvf", HOST_VERSION, "pfs", pfs, "mirrors", mirrors);
}

/**
 * host_hash() - By what two files that say the same are known
 * @root: file, or a daemon's part; in the form of this room
 * @out:  gets the first half of the SHA-512 of its text, members sorted, as hex
 *
 * Context: any.
 */
void host_hash(const json_t *root, char out[HOST_HASH_LEN])
{
	auto_free char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	uint8_t hash[SHA512_LEN];
	struct sha512 s;

	sha512_init(&s);
	sha512_update(&s, text ?: "", text ? strlen(text) : 0);
	sha512_final(&s, hash);
	for (unsigned int i = 0; i < HOST_HASH_LEN / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}
