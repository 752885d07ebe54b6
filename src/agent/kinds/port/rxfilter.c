/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest's driver asked of its NIC, as QEMU tells it (QMP query-rx-filter), turned into
 * what the switch takes. The bytes come from QEMU, hence from a process the guest may own.
 */
#include "agent/kinds/port/rxfilter.h"

#include <errno.h>
#include <string.h>

#define MACS_MAX 1024 /* QEMU's table has 64; the switch's quota for trusted VFs */

static bool has_word(const json_t *filter, const char *key, const char *word)
{
	const char *text = json_string_value(json_object_get(filter, key));

	return text && !strcmp(text, word);
}

static bool is_on(const json_t *filter, const char *key)
{
	return json_is_true(json_object_get(filter, key));
}

static int parse_table(const json_t *list, struct mac **out, unsigned int *n, struct err *e)
{
	size_t len = MIN(json_array_size(list), (size_t)MACS_MAX);
	struct mac *macs = calloc(len ? len : 1, sizeof(*macs));

	if (!macs)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < len; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || mac_parse(text, &macs[i], NULL)) {
			free(macs);
			return err_set(e, -EINVAL, "rx filter: no address in a table");
		}
	}
	*out = macs;
	*n = (unsigned int)len;
	return 0;
}

/**
 * rxfilter_parse() - The guest's wishes from QEMU's answer
 * @data: QMP reply, {"return": [{...}]}
 * @size: bytes in @data
 * @out:  gets the filter, freed with rxfilter_fini(); untouched on failure
 * @e:    error text, may be NULL
 *
 * Before the guest's driver is up a virtio-net reports itself promiscuous on all VLANs
 * (virtio_net_reset in QEMU's hw/net/virtio-net.c), which says nothing about the guest's wishes.
 *
 * Return: 0; -EAGAIN the driver is not up yet; -EINVAL not an answer; -ENOMEM.
 * Context: any thread. Pure.
 */
int rxfilter_parse(const char *data, size_t size, struct vf_filter *out, struct err *e)
{
	auto_of(json_decref) json_t *reply = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *filter = json_array_get(json_object_get(reply, "return"), 0);
	const char *main_mac = json_string_value(json_object_get(filter, "main-mac"));
	struct vf_filter f = { .n_macs = 0 };
	int rc;

	if (!main_mac || mac_parse(main_mac, &f.main_mac, NULL))
		return err_set(e, -EINVAL, "rx filter: no main-mac");
	if (is_on(filter, "promiscuous") && has_word(filter, "vlan", "all"))
		return err_set(e, -EAGAIN, "rx filter: the guest's driver is not up");
	f.promisc = is_on(filter, "promiscuous") || is_on(filter, "unicast-overflow") ||
		    has_word(filter, "unicast", "all");
	f.allmulti = is_on(filter, "promiscuous") || is_on(filter, "multicast-overflow") ||
		     has_word(filter, "multicast", "all");
	rc = parse_table(json_object_get(filter, "unicast-table"), &f.macs, &f.n_macs, e);
	if (!rc)
		rc = parse_table(json_object_get(filter, "multicast-table"), &f.mcasts, &f.n_mcasts,
				 e);
	if (rc)
		rxfilter_fini(&f);
	else
		*out = f;
	return rc;
}

/**
 * rxfilter_fini() - Free a filter's tables
 * @f: filter; zeroed afterwards
 */
void rxfilter_fini(struct vf_filter *f)
{
	free(f->macs);
	free(f->mcasts);
	*f = (struct vf_filter){ .n_macs = 0 };
}

static json_t *macs_to_json(const struct mac *macs, unsigned int n)
{
	json_t *list = json_array();
	char text[MAC_STR_LEN];

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_string(mac_format(&macs[i], text)));
	return list;
}

/**
 * rxfilter_to_json() - The filter as vf.filter's parameter (ctl/ctl.h)
 * @f: filter
 *
 * Return: a new object, or NULL when out of memory.
 */
json_t *rxfilter_to_json(const struct vf_filter *f)
{
	char text[MAC_STR_LEN];

	return json_pack("{s:s,s:o,s:o,s:b,s:b}", "main_mac", mac_format(&f->main_mac, text),
			 "macs", macs_to_json(f->macs, f->n_macs), "mcasts",
			 macs_to_json(f->mcasts, f->n_mcasts), "promisc", f->promisc, "allmulti",
			 f->allmulti);
}
