/* SPDX-License-Identifier: Apache-2.0 */
/* VF leases: see lease.h. Which VF of a host a port has, its wish tells: it is there as long. */
#include "hosts/lease.h"

#include <errno.h>
#include <string.h>

#include "hosts/usage.h"
#include "hosts/wishes.h"

#define PFS_MAX 64 /* of one host */

/* The VF for one port of the host, as placement chooses it for those of a server. */
static int choose(struct call *c, const char *host, const struct place_port *want,
		  struct place_vf *out, struct err *why)
{
	auto_of(json_decref) json_t *homes = usage_homes(c, host);
	struct place_pf pfs[PFS_MAX];
	struct place_host h = { .pfs = pfs, .homes = homes };

	h.n_pfs = usage_pfs(c, host, pfs, PFS_MAX);
	return placement_assign(&h, want, 1, out, why);
}

/* The one the port has there, or had and has not returned yet. */
static int keep(const json_t *have, const struct place_port *want, struct place_vf *out,
		struct err *why)
{
	*out = (struct place_vf){ doc_str(have, "pf"), (unsigned int)doc_int(have, "vf"),
				  doc_text(have, "pci_slot") };
	if (!want->pci_slot || doc_is(have, "pci_slot", want->pci_slot))
		return 0;
	return err_set(why, -EBUSY, "the port's VF %u of PF %s is not returned yet", out->vf,
		       out->pf);
}

/**
 * lease_take() - Lease a VF of a host to a port: the one it has there, else @vf, else a free one
 * @c:       call
 * @host:    host
 * @port_id: port
 * @server:  whom it serves; NULL: none of ours
 * @want:    what the port needs
 * @vf:      a free VF that placement chose; NULL: any that suits
 * @out:     the VF; strings are borrowed from documents of the call
 * @why:     the reason of a refusal
 *
 * Return: 0; -ENOSPC, -ENXIO as placement_assign(); -EBUSY when its former VF is not returned
 * and is not the one its profile names; -EEXIST when @vf is taken; as call_put().
 */
int lease_take(struct call *c, const char *host, const char *port_id, const char *server,
	       const struct place_port *want, const struct place_vf *vf, struct place_vf *out,
	       struct err *why)
{
	const json_t *have = wish_get(c, host, "port", port_id);
	json_t *row;
	int rc = 0;

	if (have)
		rc = keep(have, want, out, why);
	else if (vf)
		*out = *vf;
	else
		rc = choose(c, host, want, out, why);
	if (rc)
		return rc;
	row = json_pack("{s:s,s:s?}", "port", port_id, "server", server);
	return have ? call_put(c, row, "/vf/%s/%s/%u", host, out->pf, out->vf)
		    : call_claim(c, row, "/vf/%s/%s/%u", host, out->pf, out->vf);
}

/**
 * lease_get() - The lease of a VF
 * @c:    call
 * @host: host
 * @pf:   its PF
 * @vf:   number
 *
 * Return: {"port", "server"}, borrowed; NULL if it is free. What older versions leased has no
 * `server`.
 */
const json_t *lease_get(struct call *c, const char *host, const char *pf, unsigned int vf)
{
	return call_get(c, "/vf/%s/%s/%u", host, pf, vf);
}

/**
 * lease_end() - A VF is back at its defaults
 * @c:       call
 * @host:    host
 * @port_id: port that had it
 * @pf:      its PF
 * @vf:      number
 *
 * Return: 0, also when another port has it by now; as call_delete().
 */
int lease_end(struct call *c, const char *host, const char *port_id, const char *pf,
	      unsigned int vf)
{
	if (!doc_is(lease_get(c, host, pf, vf), "port", port_id))
		return 0;
	return call_delete(c, "/vf/%s/%s/%u", host, pf, vf);
}
