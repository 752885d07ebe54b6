/* SPDX-License-Identifier: Apache-2.0 */
/* A port's document, checked and unpacked. What passes here is safe in paths and commands. */
#include "agent/kinds/port/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The VF's settings: the words of vf_fields[] that the document has under the same names. */
static int parse_vf_config(const json_t *doc, struct vf_config *out, struct err *e)
{
	auto_of(json_decref) json_t *set = json_object();
	uint32_t changed = 0;
	int rc;

	if (!set)
		return -ENOMEM;
	for (unsigned int i = 0; i < VF_FIELD_N; i++) {
		json_t *value = json_object_get(doc, vf_fields[i].word);

		if (value && (WANT_VF_FIELDS & 1U << i) && i != VF_FIELD_SERVER)
			json_object_set(set, vf_fields[i].word, value);
	}
	vf_config_default(out);
	rc = fields_from_json(vf_fields, out, set, &changed, e);
	return rc ? rc : vf_config_check(out, changed, e);
}

static bool vnic_is(const json_t *doc, const char *type)
{
	const char *is = want_text(doc, "vnic_type");

	return is && !strcmp(is, type);
}

/* A function's address, as libvirt is told it. */
static bool slot_valid(const char *slot)
{
	unsigned int domain, bus, device, function;
	int end = 0;

	return sscanf(slot, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) == 4 &&
	       end == (int)strlen(slot) && strspn(slot, "0123456789abcdef:.") == strlen(slot) &&
	       end == 12;
}

/* Everything that it points to. */
static void lay_out(struct want_port *p, struct want_lay *lay)
{
	p->ips = want_lay(lay, p->ips, p->n_ips * sizeof(*p->ips));
	for (unsigned int i = 0; i < p->n_ips; i++)
		p->ips[i].subnet = want_lay_text(lay, p->ips[i].subnet);
	p->id = want_lay_text(lay, p->id);
	p->network = want_lay_text(lay, p->network);
	p->pf = want_lay_text(lay, p->pf);
	p->pci_slot = want_lay_text(lay, p->pci_slot);
	p->server = want_lay_text(lay, p->server);
}

/* From the document, and who calls, to a piece of its own. */
static int move(struct want_port *p, struct err *e)
{
	struct want_lay lay = { .n = 0 };

	lay_out(p, &lay);
	p->piece = want_piece_new(&lay);
	if (!p->piece)
		return err_set(e, -ENOMEM, "out of memory");
	lay = (struct want_lay){ .to = p->piece->bytes };
	lay_out(p, &lay);
	return 0;
}

/**
 * want_port_parse() - A port's document as a struct, and what its VF is to be set to
 * @doc: the document
 * @out: gets the port, given back with want_piece_put(&out->piece); untouched on failure
 * @config: gets the settings: WANT_VF_FIELDS, but for the server's name; on failure anything
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM. Context: any thread.
 */
int want_port_parse(const json_t *doc, struct want_port *out, struct vf_config *config,
		    struct err *e)
{
	struct want_ip room[WANT_IPS_MAX];
	struct want_port p = { .ips = room };
	json_int_t generation;
	json_t *ips = NULL;
	int released = 0, vf, rc;
	json_error_t why;

	if (json_unpack_ex((json_t *)(uintptr_t)doc, &why, 0, "{s:I,s:s,s:s,s:s,s:i,s?b,s?o}",
			   "generation", &generation, "id", &p.id, "network", &p.network, "pf",
			   &p.pf, "vf", &vf, "released", &released, "fixed_ips", &ips))
		return want_bad_doc(e, &why);
	p.server = want_text(doc, "server");
	p.pci_slot = want_text(doc, "pci_slot");
	rc = want_ids_check((const char *const[]){ p.id, p.network, p.server }, 3, e);
	p.macvtap = vnic_is(doc, "macvtap");
	p.whole = vnic_is(doc, "direct-physical");
	if (!rc &&
	    (vf < 0 || (p.whole ? vf != WANT_WHOLE : vf >= VF_MAX) || strlen(p.pf) > PF_NAME_LEN))
		rc = err_set(e, -EINVAL, "VF %d of %.40s cannot be", vf, p.pf);
	if (!rc && p.whole && (!p.pci_slot || !slot_valid(p.pci_slot)))
		rc = err_set(e, -EINVAL, "PF %s is to be given away, at no PCI address", p.pf);
	if (!rc)
		rc = parse_vf_config(doc, config, e);
	if (!rc)
		rc = want_ips_parse(ips, p.ips, &p.n_ips, e);
	if (rc)
		return rc;
	memcpy(config->port_id, p.id, UUID_STR_LEN);
	p.link = config->link;
	p.mtu = config->mtu;
	p.mac = config->mac;
	p.vf = (unsigned int)vf;
	p.released = released;
	rc = move(&p, e);
	if (!rc)
		*out = p;
	return rc;
}
