/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole nouns as JSON and back: vf_info, pf_info, vf_filter. Settings come from
 * the model's field tables; what is only observed has its tables here.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/rows.h"

#define R(type, word, kind, member, max)                                                           \
	{                                                                                          \
		word, kind, offsetof(struct type, member), max, NULL, NULL                         \
	}

/* Order: enum vf_count, up to drops. */
const struct field ctl_stats_fields[] = { R(vf_stats, "rx_packets", FIELD_U64, rx_packets, 0),
					  R(vf_stats, "rx_bytes", FIELD_U64, rx_bytes, 0),
					  R(vf_stats, "rx_multicast", FIELD_U64, rx_multicast, 0),
					  R(vf_stats, "rx_broadcast", FIELD_U64, rx_broadcast, 0),
					  R(vf_stats, "tx_packets", FIELD_U64, tx_packets, 0),
					  R(vf_stats, "tx_bytes", FIELD_U64, tx_bytes, 0),
					  R(vf_stats, "mirrored", FIELD_U64, mirrored, 0),
					  R(vf_stats, "rx_dropped", FIELD_U64, rx_dropped, 0),
					  R(vf_stats, "tx_dropped", FIELD_U64, tx_dropped, 0),
					  FIELD_END };
static_assert(ARRAY_LEN(ctl_stats_fields) == VF_COUNT_DROPS + 1, "a row a counter");

static const struct field errors_fields[] = {
	R(pf_errors, "rx_errors", FIELD_U64, rx_errors, 0),
	R(pf_errors, "tx_errors", FIELD_U64, tx_errors, 0),
	R(pf_errors, "collisions", FIELD_U64, collisions, 0),
	R(pf_errors, "carrier_changes", FIELD_U64, carrier_changes, 0),
	R(pf_errors, "rx_length", FIELD_U64, rx_length, 0),
	R(pf_errors, "rx_over", FIELD_U64, rx_over, 0),
	R(pf_errors, "rx_crc", FIELD_U64, rx_crc, 0),
	R(pf_errors, "rx_frame", FIELD_U64, rx_frame, 0),
	R(pf_errors, "rx_fifo", FIELD_U64, rx_fifo, 0),
	R(pf_errors, "rx_missed", FIELD_U64, rx_missed, 0),
	R(pf_errors, "tx_aborted", FIELD_U64, tx_aborted, 0),
	R(pf_errors, "tx_carrier", FIELD_U64, tx_carrier, 0),
	R(pf_errors, "tx_fifo", FIELD_U64, tx_fifo, 0),
	R(pf_errors, "tx_heartbeat", FIELD_U64, tx_heartbeat, 0),
	R(pf_errors, "tx_window", FIELD_U64, tx_window, 0),
	FIELD_END
};

const struct field ctl_vf_status_fields[] = {
	R(vf_status, "connected", FIELD_BOOL, connected, 0),
	{ "fault", FIELD_ENUM, offsetof(struct vf_status, fault), 0, vf_fault_names, NULL },
	R(vf_status, "link_up", FIELD_BOOL, link_up, 0),
	R(vf_status, "n_queues", FIELD_U32, n_queues, 0),
	R(vf_status, "features", FIELD_U64, features, 0),
	R(vf_status, "interrupts", FIELD_U64, interrupts, 0),
	R(vf_status, "rx_ring", FIELD_U32, rx_ring, 0),
	R(vf_status, "rx_free", FIELD_U32, rx_free, 0),
	R(vf_status, "tx_ring", FIELD_U32, tx_ring, 0),
	R(vf_status, "tx_wait", FIELD_U32, tx_wait, 0),
	R(vf_status, "filter_known", FIELD_BOOL, filter_known, 0),
	{ "promisc", FIELD_ENUM, offsetof(struct vf_status, promisc), 0, vf_promisc_names, NULL },
	R(vf_status, "allmulti", FIELD_BOOL, allmulti, 0),
	R(vf_status, "n_accepted", FIELD_U32, n_accepted, 0),
	R(vf_status, "n_refused", FIELD_U32, n_refused, 0),
	R(vf_status, "n_mcasts", FIELD_U32, n_mcasts, 0),
	R(vf_status, "n_learned", FIELD_U32, n_learned, 0),
	R(vf_status, "pci_slot", FIELD_STR, pci_slot, 15),
	R(vf_status, "mtu", FIELD_U16, mtu, 0),
	R(vf_status, "tap", FIELD_STR, tap, 15),
	R(vf_status, "netdev", FIELD_STR, netdev, 15),
	R(vf_status, "netns", FIELD_STR, netns, VF_NAME_LEN),
	R(vf_status, "driver", FIELD_STR, driver, 47),
	R(vf_status, "overridden", FIELD_STR, overridden, 191),
	R(vf_status, "touched", FIELD_STR, touched, 191),
	FIELD_END
};

static const struct field pf_status_fields[] = { R(pf_status, "kind", FIELD_STR, kind, 7),
						 R(pf_status, "ifindex", FIELD_U32, ifindex, 0),
						 R(pf_status, "carrier", FIELD_BOOL, carrier, 0),
						 R(pf_status, "pci_slot", FIELD_STR, pci_slot, 15),
						 R(pf_status, "driver", FIELD_STR, driver, 47),
						 R(pf_status, "vendor", FIELD_U16, vendor, 0),
						 R(pf_status, "product", FIELD_U16, product, 0),
						 R(pf_status, "vf_product", FIELD_U16, vf_product,
						   0),
						 FIELD_END };

static const struct field filter_fields[] = { R(vf_filter, "main_mac", FIELD_MAC, main_mac, 0),
					      R(vf_filter, "promisc", FIELD_BOOL, promisc, 0),
					      R(vf_filter, "allmulti", FIELD_BOOL, allmulti, 0),
					      FIELD_END };

static const struct field link_fields[] = {
	R(pf_link, "flags", FIELD_U32, flags, 0), R(pf_link, "txqlen", FIELD_U32, txqlen, 0),
	R(pf_link, "group", FIELD_U32, group, 0), R(pf_link, "oper", FIELD_U8, oper, 0),
	R(pf_link, "mode", FIELD_U8, mode, 0),	  R(pf_link, "qdisc", FIELD_STR, qdisc, 15),
	R(pf_link, "bus", FIELD_STR, bus, 15),	  FIELD_END
};

/*
 * Splits @j: the members named in @special go to out[], the others are read by table; @have, or
 * NULL, gets which.
 */
static int read_mixed(const struct field *fields, void *obj, const json_t *j,
		      const char *const special[], const json_t *out[], uint32_t *have,
		      struct err *e)
{
	auto_of(json_decref) json_t *plain = NULL;

	if (!json_is_object(j))
		return err_set(e, -EINVAL, "a JSON object is needed");
	plain = json_copy((json_t *)(uintptr_t)j);
	if (!plain)
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; special[i]; i++) {
		out[i] = json_object_get(j, special[i]);
		json_object_del(plain, special[i]);
	}
	return fields_from_json(fields, obj, plain, have, e);
}

static json_t *macs_to_json(const struct mac *macs, unsigned int n)
{
	auto_of(json_decref) json_t *list = json_array();
	char text[MAC_STR_LEN];

	for (unsigned int i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(mac_format(&macs[i], text))))
			return NULL;
	return take(list);
}

/* At most @max addresses into out[]; a missing list (NULL) is an empty one. */
static int macs_from_json(const json_t *list, const char *word, struct mac *out, size_t max,
			  struct err *e)
{
	const json_t *v;
	size_t i;

	if (list && (!json_is_array(list) || json_array_size(list) > max))
		return err_set(e, -EINVAL, "%s must be a list of at most %zu addresses", word, max);
	json_array_foreach (list, i, v) {
		const char *text = json_string_value(v);

		if (!text)
			return err_set(e, -EINVAL, "%s must be strings", word);
		if (mac_parse(text, &out[i], e))
			return -EINVAL;
	}
	return 0;
}

static json_t *drops_to_json(const struct vf_stats *stats)
{
	auto_of(json_decref) json_t *drops = json_object();

	for (unsigned int i = 0; i < DROP_N; i++)
		if (json_object_set_new(drops, drop_names[i],
					json_integer((json_int_t)stats->drops[i])))
			return NULL;
	return take(drops);
}

/* What is not told is not there; "not_told" says why. With reasons there are no sums of drops. */
static json_t *stats_to_json(const struct vf_stats *stats, const struct vf_untold *untold)
{
	bool reasons = !(untold->counts >> VF_COUNT_DROPS & 1);
	uint32_t told = ~untold->counts & ~(reasons ? 1U << VF_COUNT_TX_DROPPED : 0);
	auto_of(json_decref) json_t *j = fields_to_json_masked(ctl_stats_fields, stats, told);

	if ((reasons && json_object_set_new(j, "drops", drops_to_json(stats))) ||
	    (untold->counts && json_object_set_new(j, "not_told", json_string(untold->why))))
		return NULL;
	return take(j);
}

static int stats_from_json(const json_t *j, struct vf_stats *out, struct vf_untold *untold,
			   struct err *e)
{
	static const char *const special[] = { "drops", "not_told", NULL };
	const json_t *more[2];
	uint32_t have = 0;
	int rc = read_mixed(ctl_stats_fields, out, j, special, more, &have, e);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < DROP_N; i++)
		out->drops[i] =
			(uint64_t)json_integer_value(json_object_get(more[0], drop_names[i]));
	if (more[0])
		have |= 1U << VF_COUNT_DROPS | 1U << VF_COUNT_TX_DROPPED;
	untold->counts = VF_COUNTS_ALL & ~have;
	snprintf(untold->why, sizeof(untold->why), "%s",
		 json_string_value(more[1]) ?: "by its daemon");
	return 0;
}

static json_t *queues_to_json(const struct vf_status *s)
{
	auto_of(json_decref) json_t *list = json_array();

	for (unsigned int i = 0; s->n_rx_queues > 1 && i < s->n_rx_queues; i++)
		if (json_array_append_new(list, json_integer((json_int_t)s->rx_queues[i])))
			return NULL;
	return take(list);
}

/* Of one queue nothing is told, so there are none or several; a missing list is an empty one. */
static int queues_from_json(const json_t *list, struct vf_status *out, struct err *e)
{
	const json_t *v;
	size_t i;

	if (list && (!json_is_array(list) || json_array_size(list) > VF_QUEUES_MAX))
		return err_set(e, -EINVAL, "rx_queues must be a list of at most %u numbers",
			       VF_QUEUES_MAX);
	json_array_foreach (list, i, v)
		out->rx_queues[i] = (uint64_t)json_integer_value(v);
	out->n_rx_queues = (unsigned int)json_array_size(list);
	return 0;
}

static json_t *vf_status_to_json(const struct vf_status *s)
{
	const unsigned int shown = ARRAY_LEN(s->accepted);
	auto_of(json_decref) json_t *j = fields_to_json(ctl_vf_status_fields, s);

	if (json_object_set_new(j, "accepted",
				macs_to_json(s->accepted, MIN(s->n_accepted, shown))) ||
	    json_object_set_new(j, "untold", fields_mask_to_json(vf_fields, s->untold)) ||
	    json_object_set_new(j, "rx_queues", queues_to_json(s)) ||
	    json_object_set_new(j, "refused", macs_to_json(s->refused, MIN(s->n_refused, shown))) ||
	    json_object_set_new(j, "learned", macs_to_json(s->learned, MIN(s->n_learned, shown))))
		return NULL;
	return take(j);
}

static int vf_status_from_json(const json_t *j, struct vf_status *out, struct err *e)
{
	static const char *const special[] = { "accepted",  "refused", "learned",
					       "rx_queues", "untold",  NULL };
	const json_t *lists[5];
	int rc = read_mixed(ctl_vf_status_fields, out, j, special, lists, NULL, e);

	if (!rc)
		rc = macs_from_json(lists[0], "accepted", out->accepted, VF_MACS_UNTRUSTED, e);
	if (!rc)
		rc = macs_from_json(lists[1], "refused", out->refused, VF_MACS_UNTRUSTED, e);
	if (!rc)
		rc = macs_from_json(lists[2], "learned", out->learned, VF_MACS_UNTRUSTED, e);
	if (!rc)
		rc = queues_from_json(lists[3], out, e);
	if (!rc && lists[4])
		rc = fields_mask_from_json(vf_fields, lists[4], &out->untold, e);
	return rc;
}

/**
 * ctl_vf_info_to_json() - A VF as vf.get answers it
 * @vf:   its number
 * @info: settings and observations
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_vf_info_to_json(unsigned int vf, const struct vf_info *info)
{
	auto_of(json_decref) json_t *j = json_object();

	if (json_object_set_new(j, "vf", json_integer(vf)) ||
	    json_object_set_new(j, "config", fields_to_json(vf_fields, &info->config)) ||
	    json_object_set_new(j, "attach", fields_to_json(vf_attach_fields, &info->attach)) ||
	    json_object_set_new(j, "status", vf_status_to_json(&info->status)) ||
	    json_object_set_new(j, "stats", stats_to_json(&info->stats, &info->untold)))
		return NULL;
	return take(j);
}

/**
 * ctl_vf_info_from_json() - Read what ctl_vf_info_to_json() wrote
 * @j:   one VF
 * @out: filled on success
 * @e:   error text, may be NULL
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int ctl_vf_info_from_json(const json_t *j, struct vf_info *out, struct err *e)
{
	struct vf_info info = { 0 };
	int rc;

	vf_config_default(&info.config);
	rc = fields_from_json(vf_fields, &info.config, json_object_get(j, "config"), NULL, e);
	if (!rc)
		rc = fields_from_json(vf_attach_fields, &info.attach, json_object_get(j, "attach"),
				      NULL, e);
	if (!rc)
		rc = vf_status_from_json(json_object_get(j, "status"), &info.status, e);
	if (!rc)
		rc = stats_from_json(json_object_get(j, "stats"), &info.stats, &info.untold, e);
	if (!rc)
		*out = info;
	return rc;
}

static unsigned int head_u16(const struct vf_drop *d, unsigned int at)
{
	return (unsigned int)(d->head[at] << 8 | d->head[at + 1]);
}

/* The VLAN tags from *at on, where an ethertype is expected; *at is moved behind them. */
static json_t *head_tags(const struct vf_drop *d, unsigned int *at)
{
	auto_of(json_decref) json_t *tags = json_array();

	for (; *at + 4 <= d->head_len; *at += 4) {
		unsigned int tpid = head_u16(d, *at), tci = head_u16(d, *at + 2);

		if (tpid != 0x8100 && tpid != 0x88a8)
			break;
		if (json_array_append_new(tags, json_pack("{s:s, s:i, s:i}", "protocol",
							  tpid == 0x8100 ? "802.1Q" : "802.1ad",
							  "vlan", (int)(tci & 0xfff), "priority",
							  (int)(tci >> 13))))
			return NULL;
	}
	return take(tags);
}

/* As much of the header as is known. */
static json_t *last_to_json(const struct vf_drop *d)
{
	auto_of(json_decref) json_t *j = json_pack("{s:I, s:I}", "age_ms", (json_int_t)d->age_ms,
						   "length", (json_int_t)d->len);
	static const char *const words[] = { "dst", "src" };
	unsigned int at = 2 * MAC_LEN;
	char text[MAC_STR_LEN];
	struct mac mac;
	int rc = 0;

	for (unsigned int i = 0; i < 2 && (i + 1) * MAC_LEN <= d->head_len; i++) {
		memcpy(&mac, d->head + i * MAC_LEN, MAC_LEN);
		rc |= json_object_set_new(j, words[i], json_string(mac_format(&mac, text)));
	}
	rc |= json_object_set_new(j, "tags", head_tags(d, &at));
	if (at + 2 <= d->head_len) {
		snprintf(text, sizeof(text), "0x%04x", head_u16(d, at));
		rc |= json_object_set_new(j, "ethertype", json_string(text));
	}
	return rc ? NULL : take(j);
}

/**
 * ctl_vf_drops_to_json() - A VF's drops as vf.drops answers them
 * @vf:    its number
 * @drops: by enum drop
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_vf_drops_to_json(unsigned int vf, const struct vf_drop drops[DROP_N])
{
	auto_of(json_decref) json_t *list = json_array();

	for (unsigned int i = 0; i < DROP_N; i++) {
		json_t *one = json_pack("{s:s, s:I}", "reason", drop_names[i], "count",
					(json_int_t)drops[i].count);

		if (json_array_append_new(list, one) ||
		    (drops[i].seen && json_object_set_new(one, "last", last_to_json(&drops[i]))))
			return NULL;
	}
	return json_pack("{s:i, s:O}", "vf", (int)vf, "drops", list);
}

/**
 * ctl_vf_dropped_to_json() - A VF's drops as vf.drops answers them where nobody tells reasons
 * @vf:   its number
 * @info: its counters
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_vf_dropped_to_json(unsigned int vf, const struct vf_info *info)
{
	const uint32_t rows = 1U << VF_COUNT_RX_DROPPED | 1U << VF_COUNT_TX_DROPPED;
	auto_of(json_decref) json_t *j =
		fields_to_json_masked(ctl_stats_fields, &info->stats, rows & ~info->untold.counts);

	if (json_object_set_new(j, "vf", json_integer(vf)) ||
	    json_object_set_new(j, "not_told", json_string(info->untold.why)))
		return NULL;
	return take(j);
}

/**
 * ctl_pf_info_to_json() - A PF as pf.get answers it, without its VFs
 * @info: settings and observations
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_pf_info_to_json(const struct pf_info *info)
{
	auto_of(json_decref) json_t *j = json_object(), *status = NULL;
	const struct pf_status *s = &info->status;
	bool nic = !strcmp(s->kind, "hw");

	status = fields_to_json(pf_status_fields, s);
	if (json_object_set_new(status, "uplink", stats_to_json(&s->uplink, &s->uplink_untold)) ||
	    json_object_set_new(status, "host", stats_to_json(&s->host, &s->host_untold)) ||
	    (nic &&
	     json_object_set_new(status, "errors", fields_to_json(errors_fields, &s->errors))) ||
	    (nic && json_object_set_new(status, "link", fields_to_json(link_fields, &s->link))) ||
	    json_object_set_new(j, "config", fields_to_json(pf_fields, &info->config)) ||
	    json_object_set(j, "status", status))
		return NULL;
	return take(j);
}

/* A NIC may have an MTU that nobody may ask for. */
static int pf_config_from_json(const json_t *j, struct pf_config *out, struct err *e)
{
	auto_of(json_decref) json_t *rest = json_copy((json_t *)(uintptr_t)j);
	const json_t *mtu = json_object_get(j, "mtu");
	json_int_t n = json_integer_value(mtu);
	int rc;

	if (mtu && (!json_is_integer(mtu) || n < 0 || n > UINT16_MAX))
		return err_set(e, -EINVAL, "mtu must be a number up to %u", UINT16_MAX);
	json_object_del(rest, "mtu");
	rc = fields_from_json(pf_fields, out, rest, NULL, e);
	if (!rc && mtu)
		out->mtu = (uint16_t)n;
	return rc;
}

/**
 * ctl_pf_info_from_json() - Read what ctl_pf_info_to_json() wrote
 * @j:   one PF; its member "vfs", if any, is not looked at
 * @out: filled on success
 * @e:   error text, may be NULL
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int ctl_pf_info_from_json(const json_t *j, struct pf_info *out, struct err *e)
{
	static const char *const special[] = { "uplink", "host", "errors", "link", NULL };
	const json_t *stats[4];
	struct pf_info info = { 0 };
	struct pf_status *s = &info.status;
	int rc;

	pf_config_default(&info.config);
	rc = pf_config_from_json(json_object_get(j, "config"), &info.config, e);
	if (!rc)
		rc = read_mixed(pf_status_fields, s, json_object_get(j, "status"), special, stats,
				NULL, e);
	if (!rc)
		rc = stats_from_json(stats[0], &s->uplink, &s->uplink_untold, e);
	if (!rc)
		rc = stats_from_json(stats[1], &s->host, &s->host_untold, e);
	if (!rc && stats[2])
		rc = fields_from_json(errors_fields, &s->errors, stats[2], NULL, e);
	if (!rc && stats[3])
		rc = fields_from_json(link_fields, &s->link, stats[3], NULL, e);
	if (!rc)
		*out = info;
	return rc;
}

static const struct field change_fields[] = {
	R(vf_change, "vf", FIELD_U32, vf, 0),
	R(vf_change, "trunk_add", FIELD_VLANS, trunk_add, 0),
	R(vf_change, "trunk_rem", FIELD_VLANS, trunk_rem, 0),
	R(vf_change, "allowed_add", FIELD_MACS, allowed_add, 0),
	R(vf_change, "allowed_rem", FIELD_MACS, allowed_rem, 0),
	FIELD_END
};

/**
 * ctl_vf_change_to_json() - Settings of one VF as an element of pf.set's "vfs"
 * @change: what is to change
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_vf_change_to_json(const struct vf_change *change)
{
	const struct vf_change plain = { .vf = ~change->vf }; /* it is always told */
	json_t *j = fields_to_json_masked(change_fields, change,
					  fields_diff(change_fields, change, &plain));

	json_object_set_new(j, "set",
			    fields_to_json_masked(vf_fields, &change->want, change->changed));
	return j;
}

/**
 * ctl_vf_change_from_json() - Read an element of pf.set's "vfs"
 * @j:   {vf, set?: {...}, trunk_add?, trunk_rem?, allowed_add?, allowed_rem?}
 * @out: all zero; filled on success
 * @e:   error text that names the member, may be NULL
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int ctl_vf_change_from_json(const json_t *j, struct vf_change *out, struct err *e)
{
	static const char *const special[] = { "set", NULL };
	const json_t *set;
	int rc = read_mixed(change_fields, out, j, special, &set, NULL, e);

	vf_config_default(&out->want);
	if (!rc && !json_object_get(j, "vf"))
		rc = err_set(e, -EINVAL, "vf is missing");
	if (!rc && set)
		rc = fields_from_json(vf_fields, &out->want, set, &out->changed, e);
	return rc;
}

/**
 * ctl_vf_filter_to_json() - A guest's wishes as vf.filter's parameter
 * @filter: addresses and modes; NULL: nobody reads them any more
 *
 * Return: a new reference; NULL when out of memory.
 */
json_t *ctl_vf_filter_to_json(const struct vf_filter *filter)
{
	auto_of(json_decref) json_t *j = NULL;

	if (!filter)
		return json_null();
	j = fields_to_json(filter_fields, filter);
	if (json_object_set_new(j, "macs", macs_to_json(filter->macs, filter->n_macs)) ||
	    json_object_set_new(j, "mcasts", macs_to_json(filter->mcasts, filter->n_mcasts)))
		return NULL;
	return take(j);
}

/**
 * ctl_vf_filter_from_json() - Read a guest's wishes
 * @j:   object; its lists are as long as the line they came in allows
 * @out: filled on success; the caller's, ends with ctl_vf_filter_fini()
 * @e:   error text, may be NULL
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int ctl_vf_filter_from_json(const json_t *j, struct vf_filter *out, struct err *e)
{
	static const char *const special[] = { "macs", "mcasts", NULL };
	struct vf_filter filter = { 0 };
	const json_t *lists[2];
	int rc = read_mixed(filter_fields, &filter, j, special, lists, NULL, e);

	if (rc)
		return rc;
	filter.n_macs = (unsigned int)json_array_size(lists[0]);
	filter.n_mcasts = (unsigned int)json_array_size(lists[1]);
	filter.macs = calloc(filter.n_macs + 1U, sizeof(*filter.macs));
	filter.mcasts = calloc(filter.n_mcasts + 1U, sizeof(*filter.mcasts));
	if (!filter.macs || !filter.mcasts)
		rc = err_set(e, -ENOMEM, "out of memory");
	if (!rc)
		rc = macs_from_json(lists[0], "macs", filter.macs, filter.n_macs, e);
	if (!rc)
		rc = macs_from_json(lists[1], "mcasts", filter.mcasts, filter.n_mcasts, e);
	if (rc) {
		ctl_vf_filter_fini(&filter);
		return rc;
	}
	*out = filter;
	return 0;
}

/**
 * ctl_vf_filter_fini() - Free the lists of a filter that was read
 * @filter: filter
 */
void ctl_vf_filter_fini(struct vf_filter *filter)
{
	free(filter->macs);
	free(filter->mcasts);
	*filter = (struct vf_filter){ 0 };
}
