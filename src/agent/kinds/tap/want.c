/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of taps, checked and unpacked. What passes here is safe in paths and commands. */
#include "agent/kinds/tap/tap.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* TAAS speaks as the VM does, and so do we: IN is what it receives. */
static const char *const tap_directions[] = { "IN", "OUT", "BOTH" };
static_assert(ARRAY_LEN(tap_directions) == WANT_LEGS, "a leg a direction");

static int parse_flow(const json_t *doc, struct want_tap *t, struct err *e)
{
	const char *word = want_text(doc, "direction"), *vlans = want_text(doc, "vlan_filter");

	t->port = want_text(doc, "port");
	if (!t->port)
		return err_set(e, -EINVAL, "port is no id");
	for (uint8_t i = MIRROR_IN; i <= MIRROR_BOTH; i++)
		if (word && !strcmp(word, tap_directions[i]))
			t->legs[MIRROR_BOTH] = (struct want_leg){ true, i };
	if (!t->legs[MIRROR_BOTH].wanted)
		return err_set(e, -EINVAL, "\"%.20s\" is no direction", word ? word : "");
	return vlans ? vlan_set_parse(vlans, &t->vlans, e) : 0;
}

/* Two directions with one tunnel id are one mirror. */
static int parse_mirror(const json_t *doc, struct want_tap *t, struct err *e)
{
	const json_t *directions = json_object_get(doc, "directions");
	const char *type = want_text(doc, "mirror_type");
	struct want_leg *in = &t->legs[MIRROR_IN], *out = &t->legs[MIRROR_OUT];

	t->remote = want_text(doc, "remote_ip");
	t->by_admin = json_is_true(json_object_get(doc, "by_admin"));
	t->to = type && !strcmp(type, "gre") ? MIRROR_TO_GRE : MIRROR_TO_ERSPAN;
	if (!t->remote || strlen(t->remote) > MIRROR_ADDR_LEN || !type ||
	    (t->to == MIRROR_TO_ERSPAN && strcmp(type, "erspanv1")))
		return err_set(e, -EINVAL, "remote_ip or mirror_type is missing or unknown");
	for (uint8_t i = MIRROR_IN; i <= MIRROR_OUT; i++) {
		const json_t *id = json_object_get(directions, tap_directions[i]);
		json_int_t n = json_integer_value(id);

		if (id && (!json_is_integer(id) || n < 0 || n > UINT32_MAX))
			return err_set(e, -EINVAL, "%s has no tunnel id", tap_directions[i]);
		if (id)
			t->legs[i] = (struct want_leg){ true, i, (uint32_t)n };
	}
	if (!in->wanted && !out->wanted)
		return err_set(e, -EINVAL, "directions are missing");
	if (in->wanted && out->wanted && in->id == out->id) {
		t->legs[MIRROR_BOTH] = (struct want_leg){ true, MIRROR_BOTH, in->id };
		in->wanted = out->wanted = false;
	}
	return 0;
}

/**
 * want_tap_parse() - The document of a tap flow or tap mirror as a struct
 * @doc: the document; @out takes a reference of its own
 * @out: gets the tap, given back with want_doc_put(&out->doc); untouched on failure
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL or -ERANGE. Context: any thread.
 */
int want_tap_parse(json_t *doc, struct want_tap *out, struct err *e)
{
	struct want_tap t = { .to = MIRROR_TO_VF };
	json_int_t generation;
	json_error_t why;
	int rc;

	if (json_unpack_ex(doc, &why, 0, "{s:I,s:s,s:s}", "generation", &generation, "id", &t.id,
			   "source_port", &t.source))
		return want_bad_doc(e, &why);
	rc = json_object_get(doc, "mirror_type") ? parse_mirror(doc, &t, e)
						 : parse_flow(doc, &t, e);
	if (!rc)
		rc = want_ids_check((const char *const[]){ t.id, t.source, t.port }, 3, e);
	if (rc)
		return rc;
	t.generation = (uint64_t)generation;
	t.doc = json_incref(doc);
	*out = t;
	return 0;
}

/**
 * want_tap_judge() - Judge by this host's configuration where a tap's frames may go
 * @t:      parsed; `refused` is set
 * @listed: the collectors this host allows
 *
 * Context: any thread.
 */
void want_tap_judge(struct want_tap *t, const struct collectors *listed)
{
	struct err e = { 0 };
	struct ip ip;

	if (t->remote && !ip_parse(t->remote, &ip, &e))
		collector_judge(listed, &ip, t->by_admin, &e);
	snprintf(t->refused, sizeof(t->refused), "%.255s", e.msg);
}
