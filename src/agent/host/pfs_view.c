/* SPDX-License-Identifier: Apache-2.0 */
/* What one look at the PFs found. Pure. */
#include <string.h>

#include "agent/host/pfs.h"

/**
 * pfs_mapping_next() - Walk the mappings
 * @at:  where it stands in their text; moved behind the next one
 * @out: gets it; points into the text
 *
 * Return: false at the end. Pure.
 */
bool pfs_mapping_next(const char **at, struct pfs_mapping *out)
{
	for (const char *p = *at; p[strspn(p, ", ")];) {
		size_t len, net_len;

		p += strspn(p, ", ");
		len = strcspn(p, ", ");
		net_len = strcspn(p, ":, ");
		*at = p + len;
		if (net_len < len) {
			*out = (struct pfs_mapping){ p, p + net_len + 1, net_len,
						     len - net_len - 1 };
			return true;
		}
		p += len;
	}
	return false;
}

/**
 * pfs_find() - A PF of a view
 * @view: view, may be NULL
 * @pf:   name
 *
 * Return: the PF; NULL when the view lacks it.
 */
const struct pfs_pf *pfs_find(const struct pfs_view *view, const char *pf)
{
	for (unsigned int i = 0; view && i < view->n_pfs; i++)
		if (!strcmp(view->pfs[i].info.config.name, pf))
			return &view->pfs[i];
	return NULL;
}

/**
 * pfs_is_hw() - Is it the PF of a NIC?
 * @pf: PF of a view, may be NULL
 */
bool pfs_is_hw(const struct pfs_pf *pf)
{
	return pf && !strcmp(pf->info.status.kind, "hw");
}

/**
 * pfs_svc() - A service port of a view
 * @pf:   PF of a view, may be NULL
 * @name: interface name
 *
 * Return: the port, or NULL.
 */
const struct svc_config *pfs_svc(const struct pfs_pf *pf, const char *name)
{
	for (unsigned int i = 0; pf && i < pf->n_svcs; i++)
		if (!strcmp(pf->svcs[i].name, name))
			return &pf->svcs[i];
	return NULL;
}

/**
 * pfs_mirror() - A mirror of a view
 * @view: view, may be NULL
 * @name: its name
 *
 * Return: the mirror; NULL when the view lacks it.
 */
const struct mirror_config *pfs_mirror(const struct pfs_view *view, const char *name)
{
	for (unsigned int i = 0; view && i < view->n_pfs; i++)
		for (unsigned int n = 0; n < view->pfs[i].n_mirrors; n++)
			if (!strcmp(view->pfs[i].mirrors[n].name, name))
				return &view->pfs[i].mirrors[n];
	return NULL;
}
