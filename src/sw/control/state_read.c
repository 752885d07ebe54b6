/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the state file (state.h) of this version and older ones. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/merge.h"
#include "sw/control/state.h"
#include "sw/parent/parent.h"

/* Where one reads. */
struct reader {
	struct sw *sw;
	json_int_t version;
	struct sw_pf *pf; /* whose VFs and service ports are read */
};

typedef int item_fn(struct reader *r, json_int_t number, const json_t *item, struct err *e);

static json_int_t number_of(const char *key)
{
	char *end;
	unsigned long n = strtoul(key, &end, 10);

	return *key && !*end && n < VEB_PORTS_MAX ? (json_int_t)n : -1;
}

/*
 * Calls @fn for each item of an object, by number; of a list, as older versions had it, with the
 * member of each that was its number, or where it stands.
 */
static int each(struct reader *r, const json_t *items, const char *what, const char *member,
		item_fn *fn, struct err *e)
{
	const json_t *item, *number;
	const char *key;
	size_t i;
	int rc = 0;

	json_array_foreach (items, i, item) {
		number = json_object_get(item, member);
		rc = fn(r,
			!*member		  ? (json_int_t)i
			: json_is_integer(number) ? json_integer_value(number)
						  : -1,
			item, e);
		if (rc) {
			err_prefix(e, "%s %zu", what, i);
			return rc;
		}
	}
	json_object_foreach ((json_t *)items, key, item) {
		rc = fn(r, number_of(key), item, e);
		if (rc) {
			err_prefix(e, "%s %s", what, key);
			return rc;
		}
	}
	return 0;
}

/* One address behind the @n in @macs. */
static int accepted_add(struct guest_mac *macs, unsigned int *n, const char *text, size_t len,
			enum guest_why why, struct err *e)
{
	char mac[MAC_STR_LEN];
	int rc;

	if (*n == VF_MACS_TRUSTED)
		return err_set(e, -EINVAL, "too many accepted addresses");
	if (len >= sizeof(mac))
		return err_set(e, -EINVAL, "an accepted address is too long");
	snprintf(mac, sizeof(mac), "%.*s", (int)len, text);
	rc = mac_parse(mac, &macs[*n].mac, e);
	if (rc)
		return rc;
	macs[(*n)++].why = (uint8_t)why;
	return 0;
}

static enum guest_why why_of(char mark, enum guest_why plain)
{
	return mark == '*' ? GUEST_BY_GRANT : mark == '~' ? GUEST_BY_CHOICE : plain;
}

/* A text; in version 1 a list of {"mac": ..., "trust": ...}. @plain: what has no mark. */
static int accepted_from_json(const json_t *j, enum guest_why plain, struct guest **out,
			      struct err *e)
{
	struct guest_mac macs[VF_MACS_TRUSTED];
	const char *at = json_string_value(j) ?: "";
	unsigned int n = 0;
	const json_t *item;
	int rc = 0;
	size_t i;

	if (j && !json_is_string(j) && !json_is_array(j))
		return err_set(e, -EINVAL, "accepted addresses are no text");
	while (!rc && *at) {
		size_t len = strcspn(at, " "), mark = len && strchr("*~", at[len - 1]);

		rc = accepted_add(macs, &n, at, len - mark, why_of(at[len - mark], plain), e);
		at += len + strspn(at + len, " ");
	}
	json_array_foreach (j, i, item) {
		const char *mac = json_string_value(json_object_get(item, "mac")) ?: "";

		bool trust = json_is_true(json_object_get(item, "trust"));

		rc = rc
			     ?: accepted_add(macs, &n, mac, strlen(mac),
					     trust ? GUEST_BY_GRANT : plain, e);
	}
	return rc ?: guest_restore(macs, n, out);
}

static int vf_from_json(struct reader *r, json_int_t vf, const json_t *j, struct err *e)
{
	const json_t *attach = json_object_get(j, "attach");
	struct sw_vf *v;
	int rc;

	if (vf < 0 || vf >= r->pf->config.numvfs)
		return err_set(e, -EINVAL, "a vf out of range");
	v = &r->pf->vfs[vf];
	rc = fields_from_json(vf_fields, &v->config, json_object_get(j, "config"), NULL, e);
	if (!rc)
		rc = vf_config_check(&v->config, UINT32_MAX, e);
	if (!rc && attach)
		rc = fields_from_json(vf_attach_fields, &v->attach, attach, NULL, e);
	if (!rc)
		rc = fields_mask_from_json(vf_fields, json_object_get(j, "by_agent"),
					   &v->by_agent, e);
	if (!rc)
		rc = fields_mask_from_json(vf_fields, json_object_get(j, "overridden"),
					   &v->overridden, e);
	if (!rc && !v->guest)
		rc = accepted_from_json(json_object_get(j, "accepted"),
					r->version < 3 && mac_is_zero(&v->config.mac)
						? GUEST_BY_CHOICE
						: GUEST_BY_MAC,
					&v->guest, e);
	return rc;
}

static int svc_from_json(struct reader *r, json_int_t number, const json_t *j, struct err *e)
{
	struct sw_svc *svc = &r->pf->svcs[r->pf->n_svcs];
	int rc = fields_from_json(svc_fields, &svc->config, j, NULL, e);

	if (!rc)
		rc = sw_id_take(r->sw, &svc->port.id, e);
	if (!rc)
		r->pf->n_svcs++;
	return rc;
}

static int svcs_from_json(struct reader *r, const json_t *svcs, struct err *e)
{
	size_t n = json_array_size(svcs) + json_object_size(svcs);

	r->pf->svcs = calloc(n + 1, sizeof(*r->pf->svcs));
	if (!r->pf->svcs)
		return err_set(e, -ENOMEM, "no memory");
	return each(r, svcs, "service port", "", svc_from_json, e);
}

static int ids_take(struct sw *sw, struct sw_pf *pf, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < pf->config.numvfs; i++)
		rc = sw_id_take(sw, &pf->vf_ports[i].id, e);
	if (!rc && pf->config.uplink != UPLINK_NONE)
		rc = sw_id_take(sw, &pf->uplink.id, e);
	if (!rc && pf->config.host_if)
		rc = sw_id_take(sw, &pf->host.id, e);
	return rc;
}

static int wire_from_json(const json_t *j, struct sw_wire *out, struct err *e)
{
	out->ifindex = (unsigned int)json_integer_value(json_object_get(j, "ifindex"));
	return j ? mac_parse(json_string_value(json_object_get(j, "mac")) ?: "", &out->mac, e) : 0;
}

static int pf_from_json(struct reader *r, json_int_t slot, const json_t *j, struct err *e)
{
	struct pf_config config;
	struct sw *sw = r->sw;
	int rc;

	pf_config_default(&config);
	rc = fields_from_json(pf_fields, &config, json_object_get(j, "config"), NULL, e);
	if (!rc)
		rc = pf_config_check(&config, e);
	if (rc)
		return rc;
	if (slot < 0 || slot >= PFS_MAX || sw->pfs[slot] || sw_pf_find(sw, config.name, NULL))
		return err_set(e, -EINVAL, "two PFs in one place");
	r->pf = sw->pfs[slot] = sw_pf_new(&config, (unsigned int)slot);
	if (!r->pf)
		return err_set(e, -ENOMEM, "no memory");
	rc = ids_take(sw, r->pf, e);
	if (!rc)
		rc = wire_from_json(json_object_get(j, "wire"), &r->pf->wire, e);
	if (!rc)
		rc = svcs_from_json(r, json_object_get(j, "svcs"), e);
	return rc ? rc : each(r, json_object_get(j, "vfs"), "vf", "vf", vf_from_json, e);
}

static int mirror_from_json(struct reader *r, json_int_t slot, const json_t *j, struct err *e)
{
	struct mirror_config m = { 0 };
	uint32_t changed = 0;
	int rc;

	if (slot < 0 || slot >= VEB_MIRRORS_MAX)
		return err_set(e, -EINVAL, "too many mirrors");
	rc = fields_from_json(mirror_fields, &m, j, &changed, e);
	if (!rc)
		rc = mirror_config_apply(NULL, &m, changed, &m, e);
	if (!rc)
		rc = sw_mirror_load(r->sw, (unsigned int)slot, &m, e);
	return rc ? -EINVAL : 0;
}

static int state_from_json(struct reader *r, const json_t *root, struct err *e)
{
	int rc = each(r, json_object_get(root, "pfs"), "PF", "slot", pf_from_json, e);

	return rc ? rc
		  : each(r, json_object_get(root, "mirrors"), "mirror", "", mirror_from_json, e);
}

static int version_check(json_int_t version, struct err *e)
{
	if (version > STATE_VERSION)
		return err_set(e, -EINVAL, "version %lld is newer than this program's %d",
			       (long long)version, STATE_VERSION);
	if (version < 1)
		return err_set(e, -EINVAL, "no version: not a state file of anyvf-swd");
	return 0;
}

/* A line of the journal; NULL: it is damaged. */
static json_t *line_read(const char *line, size_t len)
{
	char crc[STATE_CRC_LEN + 1];

	if (len < STATE_CRC_LEN)
		return NULL;
	snprintf(crc, sizeof(crc), "%08x ", state_crc(line + STATE_CRC_LEN, len - STATE_CRC_LEN));
	if (memcmp(crc, line, STATE_CRC_LEN))
		return NULL;
	return json_loadb(line + STATE_CRC_LEN, len - STATE_CRC_LEN, JSON_REJECT_DUPLICATES, NULL);
}

/*
 * The journal behind a document that ends at *@at, merged into that. *@at: gets the end of what
 * counts: a damaged line that is the last was not yet answered for when its writer ended.
 */
static int journal_read(const char *text, size_t size, json_t *root, size_t *at, struct err *e)
{
	while (*at < size) {
		const char *line = text + *at, *end = memchr(line, '\n', size - *at);
		auto_of(json_decref) json_t *patch =
			end ? line_read(line, (size_t)(end - line)) : NULL;

		if (!patch && end && end + 1 < text + size)
			return err_set(e, -EINVAL, "the change at byte %zu is damaged", *at);
		if (!patch)
			return 0;
		if (merge_apply(root, patch))
			return err_set(e, -ENOMEM, "no memory");
		*at = (size_t)(end + 1 - text);
	}
	return 0;
}

/* The document with all changes since. *@document, *@end: bytes of it, and with the journal. */
static int state_parse(const char *text, size_t size, json_t **out, size_t *document, size_t *end,
		       struct err *e)
{
	auto_of(json_decref) json_t *root = NULL;
	json_int_t version;
	json_error_t where;
	int rc;

	root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &where);
	if (!root)
		return err_set(e, -EINVAL, "line %d: %s", where.line, where.text);
	version = json_integer_value(json_object_get(root, "version"));
	rc = version_check(version, e);
	if (rc)
		return rc;
	*document = (size_t)where.position;
	*document += *document < size && text[*document] == '\n';
	*end = *document;
	if (version < STATE_VERSION && strspn(text + *end, " \t\r\n") < size - *end)
		return err_set(e, -EINVAL, "there is more than a document");
	rc = journal_read(text, size, root, end, e);
	if (!rc)
		*out = take(root);
	return rc;
}

/**
 * sw_state_load() - Read the state file into an empty model
 * @sw: switch; sw_close() frees what a failure leaves
 * @e:  names file and place
 *
 * No file is an empty switch. Nothing is plugged in yet.
 *
 * Return: 0, -EINVAL (damaged, or of a newer version), or errors of reading.
 * Context: control.
 */
int sw_state_load(struct sw *sw, struct err *e)
{
	auto_of(json_decref) json_t *root = NULL;
	auto_free char *text = NULL;
	struct reader r = { .sw = sw };
	size_t size, document = 0, end = 0;
	int rc;

	if (!sw->state)
		return 0;
	rc = parent_state_read(sw->opts.parent, sw->state, STATE_MAX, &text, &size, NULL);
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return err_set(e, rc, "state file %s: %s", sw->state, strerror(-rc));
	rc = state_parse(text, size, &root, &document, &end, e);
	if (!rc) {
		r.version = json_integer_value(json_object_get(root, "version"));
		sw->kept = json_incref(json_object_get(root, "kept"));
		rc = state_from_json(&r, root, e);
	}
	if (rc) {
		err_prefix(e, "state file %s", sw->state);
		return rc;
	}
	if (r.version == STATE_VERSION)
		state_keep(sw, document, end);
	for (unsigned int i = 0; !rc && i < PFS_MAX; i++) /* an older program took less care */
		if (sw->pfs[i])
			rc = sw_guests_judge(sw->pfs[i], NULL, e);
	return rc;
}
