/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nouns that are anyvf's own: pf, vf and svc; mirror has a grammar of its
 * own in noun_mirror.c. A command reads its names by position and everything
 * else as pairs of word and value through the model's field tables, then is one
 * control call. What `show` prints is in noun_show.c.
 */
#include "cli/noun.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int usage(const struct err *e)
{
	cli_error(e);
	return CLI_USAGE;
}

/* "host-if" is the row "host_if": people type dashes. */
static bool same_word(const char *typed, const char *word)
{
	for (; *typed && *word; typed++, word++)
		if (*typed != *word && !(*typed == '-' && *word == '_'))
			return false;
	return *typed == *word;
}

static const struct field *find_word(const struct field *fields, uint32_t allowed, const char *word)
{
	for (unsigned int i = 0; fields[i].word; i++)
		if (allowed >> i & 1 && same_word(word, fields[i].word))
			return &fields[i];
	return NULL;
}

static int unknown_word(const struct field *fields, uint32_t allowed, const char *word)
{
	const char *sep = "";

	fprintf(stderr, "Error: \"%s\" is not a word of this command; it takes ", word);
	for (unsigned int i = 0; fields[i].word; i++) {
		if (!(allowed >> i & 1))
			continue;
		fprintf(stderr, "%s%s", sep, fields[i].word);
		sep = ", ";
	}
	fputs(".\n", stderr);
	return CLI_USAGE;
}

/* uplink none | dev NETDEV [force] | dpdk DEVARGS: three members by one word */
static int read_uplink(struct cli *cli, struct pf_config *pf, uint32_t *changed, struct err *e)
{
	const char *kind = cli_next(cli), *arg = "";

	if (!kind)
		return cli_incomplete();
	if (field_parse(&pf_fields[PF_FIELD_UPLINK], pf, kind, e))
		return usage(e);
	if (pf->uplink != UPLINK_NONE)
		arg = cli_next(cli);
	if (!arg)
		return cli_incomplete();
	if (field_parse(&pf_fields[PF_FIELD_UPLINK_ARG], pf, arg, e))
		return usage(e);
	pf->force = pf->uplink == UPLINK_DEV && cli_accept(cli, "force");
	*changed |= BIT(PF_FIELD_UPLINK) | BIT(PF_FIELD_UPLINK_ARG) | BIT(PF_FIELD_FORCE);
	return CLI_OK;
}

/* storm {broadcast | multicast} {RATE | off} ...: as many as there are */
static int read_storm(struct cli *cli, struct vf_config *config, uint32_t *changed)
{
	static const char *const kinds[] = { "broadcast", "multicast" };
	struct err e = { 0 };
	unsigned int n = 0, i;

	for (;; n++) {
		const char *value;

		for (i = 0; i < ARRAY_LEN(kinds) && !cli_accept(cli, kinds[i]); i++)
			;
		if (i == ARRAY_LEN(kinds))
			break;
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		if (*changed & BIT(VF_FIELD_STORM_BROADCAST + i))
			return cli_duplicate(kinds[i], value);
		if (field_parse(&vf_fields[VF_FIELD_STORM_BROADCAST + i], config,
				strcmp(value, "off") ? value : "0", &e))
			return usage(&e);
		*changed |= BIT(VF_FIELD_STORM_BROADCAST + i);
	}
	if (n)
		return CLI_OK;
	return *cli->words ? cli_wrong(*cli->words, "expected \"broadcast\" or \"multicast\"")
			   : cli_incomplete();
}

/* A list of VLANs or addresses, to add or to remove; not one of the words that stand for a list. */
static int read_some(struct cli *cli, bool macs, struct vf_change *c, bool add)
{
	const char *text = cli_next(cli);
	struct vlan_set vlans;
	struct mac_list list;
	struct err e = { 0 };

	if (!text)
		return cli_incomplete();
	if (!strcmp(text, "any") || !strcmp(text, "none"))
		return cli_wrong(text, macs ? "expected a list of addresses"
					    : "expected a list of VLANs");
	if (macs ? mac_list_parse(text, &list, &e) : vlan_set_parse(text, &vlans, &e)) {
		err_prefix(&e, "%s", macs ? "allowed" : "trunk");
		return usage(&e);
	}
	if (!macs)
		vlan_set_merge(add ? &c->trunk_add : &c->trunk_rem, &vlans, true);
	else if (mac_list_merge(add ? &c->allowed_add : &c->allowed_rem, &list, true, &e))
		return usage(&e);
	return 0;
}

/* Behind "trunk" and "allowed": add or rem LIST, for the daemon to do; false: the list itself. */
static bool read_list(struct cli *cli, const struct field *f, void *want, int *rc)
{
	bool macs = f == &vf_fields[VF_FIELD_ALLOWED];
	bool add;

	if (!macs && f != &vf_fields[VF_FIELD_TRUNK])
		return false;
	add = cli_accept(cli, "add");
	if (!add && !cli_accept(cli, "rem"))
		return false;
	*rc = read_some(cli, macs, container_of(want, struct vf_change, want), add);
	return true;
}

/* Pairs of word and value to the line's end, each once; VFs' are words of a struct vf_change. */
static int read_words(struct cli *cli, const struct field *fields, uint32_t allowed, void *obj,
		      uint32_t *changed)
{
	struct err e = { 0 };
	const char *word;

	while ((word = cli_next(cli))) {
		const struct field *f = find_word(fields, allowed, word);
		const char *value;
		int rc;

		if (fields == vf_fields && !strcmp(word, "storm")) {
			rc = read_storm(cli, obj, changed);
			if (rc)
				return rc;
			continue;
		}
		if (!f)
			return unknown_word(fields, allowed, word);
		rc = CLI_OK;
		if (read_list(cli, f, obj, &rc)) {
			if (rc)
				return rc;
			continue;
		}
		if (*changed & BIT(f - fields) && *cli->words)
			return cli_duplicate(f->word, *cli->words);
		if (f == &pf_fields[PF_FIELD_UPLINK]) {
			rc = read_uplink(cli, obj, changed, &e);
			if (rc)
				return rc;
			continue;
		}
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		if ((f == &vf_fields[VF_FIELD_NATIVE] && !strcmp(value, "none")) ||
		    (f == &vf_fields[VF_FIELD_LEARNING] && !strcmp(value, "off")))
			value = "0";
		if ((f == &vf_fields[VF_FIELD_GROUP] || f == &pf_fields[PF_FIELD_GROUPS]) &&
		    !strcmp(value, "none"))
			value = "";
		if (field_parse(f, obj, value, &e))
			return usage(&e);
		*changed |= BIT(f - fields);
		if (f == &pf_fields[PF_FIELD_NUMVFS] && cli_accept(cli, "force"))
			*changed |= BIT(PF_FIELD_FORCE); /* of a NIC: though VFs are in use */
	}
	return CLI_OK;
}

static int answer(int rc, const struct err *e)
{
	return rc ? cli_error(e) : CLI_OK;
}

static int pf_add(struct cli *cli)
{
	const char *name = cli_next(cli);
	struct err e = { 0 };
	uint32_t changed = BIT(PF_FIELD_NAME);
	struct pf_config pf;
	json_t *params;
	bool hw;
	int rc;

	if (!name)
		return cli_incomplete();
	pf_config_default(&pf);
	if (field_parse(&pf_fields[PF_FIELD_NAME], &pf, name, &e))
		return usage(&e);
	hw = cli_accept(cli, "hw"); /* of a NIC, whose name it is */
	rc = read_words(cli, pf_fields, PF_SET_WORDS, &pf, &changed);
	if (rc)
		return rc;
	if (pf_config_check(&pf, &e))
		return cli_error(&e);
	params = cli_fields_json(pf_fields, &pf, changed);
	rc = hw ? cli_call_hw(cli, "pf.add", params, NULL, &e)
		: cli_call_any(cli, "pf.add", params, NULL, &e);
	return answer(rc, &e);
}

static int pf_set(struct cli *cli)
{
	const char *name = cli_next(cli);
	struct err e = { 0 };
	struct pf_config pf;
	uint32_t changed = 0;
	json_t *params;
	int rc;

	if (!name)
		return cli_incomplete();
	pf_config_default(&pf);
	rc = read_words(cli, pf_fields, PF_SET_WORDS, &pf, &changed);
	if (rc)
		return rc;
	if (!changed)
		return cli_incomplete();
	params = json_pack("{s:o}", "set", cli_fields_json(pf_fields, &pf, changed));
	return answer(cli_call_pf(cli, name, "pf.set", params, NULL, &e), &e);
}

static int pf_del(struct cli *cli)
{
	const char *name = cli_next(cli);
	struct err e = { 0 };
	json_t *params = json_object();

	if (!name)
		return cli_incomplete();
	if (cli_accept(cli, "reset"))
		json_object_set_new(params, "reset", json_true());
	if (cli_end(cli)) {
		json_decref(params);
		return CLI_USAGE;
	}
	return answer(cli_call_pf(cli, name, "pf.del", params, NULL, &e), &e);
}

/* Pairs that follow a kind of attachment; the others stand alone or have words of their own. */
static const uint32_t attach_words[] = {
	[VF_ATTACH_TAP] = BIT(VF_ATTACH_FIELD_NETNS),
	[VF_ATTACH_NETDEV] = BIT(VF_ATTACH_FIELD_NETNS) | BIT(VF_ATTACH_FIELD_NAME),
	[VF_ATTACH_MACVTAP] = BIT(VF_ATTACH_FIELD_NAME),
};

/* vhost [socket PATH] [client] | tap NAME [netns NS], or a NIC's; see attach_words */
static int read_attach(struct cli *cli, struct vf_attach *a, uint32_t *changed)
{
	const char *kind = cli_next(cli), *value;
	struct err e = { 0 };

	*changed = BIT(VF_ATTACH_FIELD_KIND);
	if (!kind)
		return cli_incomplete();
	if (!strcmp(kind, "none"))
		return cli_wrong(kind, "use: anyvf vf detach");
	if (field_parse(&vf_attach_fields[VF_ATTACH_FIELD_KIND], a, kind, NULL))
		return cli_wrong(kind, "expected \"vhost\" or \"tap\", of a NIC's VF \"vfio\", "
				       "\"netdev\" or \"macvtap\"");
	if (a->kind == VF_ATTACH_TAP) {
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		if (field_parse(&vf_attach_fields[VF_ATTACH_FIELD_TAP], a, value, &e))
			return usage(&e);
		*changed |= BIT(VF_ATTACH_FIELD_TAP);
	}
	if (a->kind == VF_ATTACH_VFIO)
		return cli_end(cli) ? CLI_USAGE : CLI_OK;
	if (a->kind != VF_ATTACH_VHOST)
		return read_words(cli, vf_attach_fields, attach_words[a->kind], a, changed);
	while (*cli->words) { /* client stands alone, so this is no list of pairs */
		if (cli_accept(cli, "client")) {
			a->client = true;
			*changed |= BIT(VF_ATTACH_FIELD_CLIENT);
			continue;
		}
		if (!cli_accept(cli, "socket"))
			return cli_wrong(*cli->words, "expected \"socket PATH\" or \"client\"");
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		if (field_parse(&vf_attach_fields[VF_ATTACH_FIELD_SOCKET], a, value, &e))
			return usage(&e);
		*changed |= BIT(VF_ATTACH_FIELD_SOCKET);
	}
	return CLI_OK;
}

/* Prints the vhost socket's path: the one thing the caller may not know. */
static int vf_attach(struct cli *cli)
{
	auto_of(json_decref) json_t *result = NULL;
	struct vf_attach a = { 0 };
	struct err e = { 0 };
	uint32_t vf, changed;
	json_t *params;
	const char *pf;
	int rc = noun_read_vf(cli, &pf, &vf);

	if (!rc)
		rc = read_attach(cli, &a, &changed);
	if (rc)
		return rc;
	params = cli_fields_json(vf_attach_fields, &a, changed);
	json_object_set_new(params, "vf", json_integer(vf));
	rc = cli_call_pf(cli, pf, "vf.attach", params, &result, &e);
	if (rc)
		return cli_error(&e);
	if (cli->json)
		return cli_print_json(cli, result);
	if (a.kind == VF_ATTACH_VHOST)
		puts(json_string_value(json_object_get(result, "socket")));
	return CLI_OK;
}

static int vf_do(struct cli *cli, const char *method)
{
	const char *pf;
	uint32_t vf;

	return noun_call_vf(cli, method, &pf, &vf, NULL);
}

static int vf_detach(struct cli *cli)
{
	return vf_do(cli, "vf.detach");
}

static int vf_release(struct cli *cli)
{
	return vf_do(cli, "vf.release");
}

static int vf_set(struct cli *cli)
{
	struct vf_change c = { 0 };
	struct err e = { 0 };
	json_t *params;
	const char *pf;
	int rc = noun_read_vf(cli, &pf, &c.vf);

	vf_config_default(&c.want);
	if (!rc)
		rc = read_words(cli, vf_fields, VF_SET_WORDS, &c.want, &c.changed);
	if (rc)
		return rc;
	if (!c.changed && !c.trunk_add.set && !c.trunk_rem.set && !c.allowed_add.n &&
	    !c.allowed_rem.n)
		return cli_incomplete();
	params = json_pack("{s:[o]}", "vfs", ctl_vf_change_to_json(&c));
	return answer(cli_call_pf(cli, pf, "pf.set", params, NULL, &e), &e);
}

/* The words behind "svc add|set PF NAME" as @method's parameters. */
static int svc_words(struct cli *cli, const char *method, uint32_t words, uint32_t need)
{
	const char *pf = cli_next(cli), *name = cli_next(cli);
	struct svc_config svc = { 0 };
	struct err e = { 0 };
	uint32_t changed = 0;
	json_t *params;
	int rc;

	if (!pf || !name)
		return cli_incomplete();
	rc = read_words(cli, svc_fields, words, &svc, &changed);
	if (rc)
		return rc;
	if (need & ~changed)
		return cli_incomplete();
	params = cli_fields_json(svc_fields, &svc, changed);
	json_object_set_new(params, "name", json_string(name));
	return answer(cli_call_pf(cli, pf, method, params, NULL, &e), &e);
}

static int svc_add(struct cli *cli)
{
	return svc_words(cli, "svc.add", SVC_ADD_WORDS, 0);
}

static int svc_set(struct cli *cli)
{
	return svc_words(cli, "svc.set", SVC_SET_WORDS, SVC_SET_WORDS);
}

static int svc_del(struct cli *cli)
{
	const char *pf = cli_next(cli), *name = cli_next(cli);
	struct err e = { 0 };

	if (!pf || !name)
		return cli_incomplete();
	if (cli_end(cli))
		return CLI_USAGE;
	return answer(cli_call_pf(cli, pf, "svc.del", json_pack("{s:s}", "name", name), NULL, &e),
		      &e);
}

const struct cli_command cli_pf_commands[] = {
	{ "add", pf_add },
	{ "set", pf_set },
	{ "del", pf_del },
	{ "show", noun_show_pf },
	{ "discover", cli_pf_discover },
	{ "drift", noun_show_drift },
	{ NULL, NULL },
};

const struct cli_command cli_vf_commands[] = {
	{ "attach", vf_attach }, { "detach", vf_detach },  { "release", vf_release },
	{ "set", vf_set },	 { "show", noun_show_vf }, { "drops", noun_show_drops },
	{ NULL, NULL },
};

const struct cli_command cli_svc_commands[] = {
	{ "add", svc_add },	   { "del", svc_del }, { "set", svc_set },
	{ "show", noun_show_svc }, { NULL, NULL },
};
