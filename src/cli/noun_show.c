/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf pf|vf|mirror|svc show`. With -j the daemons' own answers, always as a
 * list; as text the same facts in lines for people, defaults left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/noun.h"

static int done(void)
{
	return fflush(stdout) || ferror(stdout) ? CLI_FAIL : CLI_OK;
}

/* " word value" of each row that is not as @plain has it; how many there were. */
static unsigned int print_changes(const struct field *fields, uint32_t skip, const void *obj,
				  const void *plain)
{
	unsigned int n = 0;
	char text[512];

	for (unsigned int i = 0; fields[i].word; i++) {
		if (skip >> i & 1 || field_equal(&fields[i], obj, plain))
			continue;
		if (field_format(&fields[i], obj, text, sizeof(text)) < 0)
			strcpy(text, "...");
		printf("%s%s %s", n++ ? ", " : "", fields[i].word, text);
	}
	return n;
}

static void print_drops(const struct vf_stats *s)
{
	for (unsigned int i = 0; i < DROP_N; i++)
		if (s->drops[i])
			printf("    dropped %" PRIu64 " %s: %s\n", s->drops[i], drop_names[i],
			       drop_help[i]);
}

static void print_counts(const char *what, const struct vf_stats *s, const struct vf_untold *untold)
{
	if (untold->counts >> VF_COUNT_RX_PACKETS & 1)
		printf("    %s: not told %s\n", what, untold->why);
	else
		printf("    %s: rx %" PRIu64 " packets %" PRIu64 " bytes, tx %" PRIu64
		       " packets %" PRIu64 " bytes\n",
		       what, s->rx_packets, s->rx_bytes, s->tx_packets, s->tx_bytes);
}

static void print_pf(const struct pf_info *pf)
{
	const struct pf_config *c = &pf->config;
	const char *const *uplinks = pf_fields[PF_FIELD_UPLINK].names;
	const char *const *modes = pf_fields[PF_FIELD_MODE].names;
	const char *const *unknown = pf_fields[PF_FIELD_UNKNOWN_UNICAST].names;
	char mac[MAC_STR_LEN];

	printf("%s: %s, %s, %s, uplink %s%s%s\n", c->name, pf->status.kind, c->up ? "up" : "down",
	       pf->status.carrier ? "carrier" : "no carrier", uplinks[c->uplink],
	       *c->uplink_arg ? " " : "", c->uplink_arg);
	printf("    numvfs %u, mode %s, mtu %u, mac %s, host-if %s, unknown-unicast %s, pci %s\n",
	       c->numvfs, modes[c->mode], c->mtu, mac_format(&c->mac, mac),
	       c->host_if ? "on" : "off", unknown[c->unknown_unicast], pf->status.pci_slot);
	if (c->eswitch)
		printf("    eswitch %s\n", pf_fields[PF_FIELD_ESWITCH].names[c->eswitch]);
	if (*c->groups)
		printf("    groups %s\n", c->groups);
	if (c->uplink != UPLINK_NONE || !strcmp(pf->status.kind, "hw"))
		print_counts("wire", &pf->status.uplink, &pf->status.uplink_untold);
	if (c->host_if)
		print_counts("host", &pf->status.host, &pf->status.host_untold);
	print_drops(&pf->status.uplink);
}

/* Of a process's namespace its number alone; when the process began tells it from later ones. */
static void print_place(const char *tap, const char *netns)
{
	size_t pid = strspn(netns, "0123456789");

	printf("%s%s%.*s", tap, *netns ? " netns " : "",
	       (int)(netns[pid] == ':' ? pid : strlen(netns)), netns);
}

/* A netdev, or a macvtap on it: what was asked for, and what there is. */
static void print_netdev(const struct vf_attach *a, const struct vf_status *s)
{
	printf("%s", vf_attach_fields[VF_ATTACH_FIELD_KIND].names[a->kind]);
	if (*a->name)
		printf(" %s", a->name);
	if (*a->netns)
		printf(" netns %s", a->netns);
	printf(", %s", s->connected ? "there" : "missing");
	if (!*s->netdev || (!strcmp(s->netdev, a->name) && !strcmp(s->netns, a->netns)))
		return;
	printf("%s", s->connected ? " as " : ": its netdev is ");
	print_place(s->netdev, s->netns);
	if (!s->connected && !*s->netns)
		printf(" here");
}

static void print_attachment(const struct vf_info *vf)
{
	const struct vf_attach *a = &vf->attach;
	const struct vf_status *s = &vf->status;

	switch ((enum vf_attach_kind)a->kind) {
	case VF_ATTACH_NONE:
		printf("not attached");
		break;
	case VF_ATTACH_VHOST:
		printf("vhost %s %s, %s", a->client ? "client" : "server", a->socket,
		       s->connected ? "connected" : "waiting for its guest");
		if (s->connected)
			printf(", %u queue pair%s, features 0x%" PRIx64, s->n_queues,
			       s->n_queues == 1 ? "" : "s", s->features);
		break;
	case VF_ATTACH_TAP:
		printf("tap ");
		print_place(a->tap, a->netns);
		printf(", %s", s->connected ? "there" : "missing");
		if (!*s->tap || (!strcmp(s->tap, a->tap) && !strcmp(s->netns, a->netns)))
			break;
		printf(" as ");
		print_place(s->tap, s->netns);
		break;
	case VF_ATTACH_VFIO:
		printf("vfio %s, %s%s", s->pci_slot,
		       s->connected ? "in the hands of " : "missing: it has driver ",
		       *s->driver ? s->driver : "none");
		break;
	case VF_ATTACH_NETDEV:
	case VF_ATTACH_MACVTAP:
		print_netdev(a, s);
		break;
	}
	printf(", link %s, mtu %u\n", s->link_up ? "up" : "down", s->mtu);
}

static void print_macs(const char *what, const struct mac *macs, unsigned int n)
{
	unsigned int shown = MIN(n, (unsigned int)VF_MACS_UNTRUSTED);
	char text[MAC_STR_LEN];

	if (!n)
		return;
	printf("    %s", what);
	for (unsigned int i = 0; i < shown; i++)
		printf(" %s", mac_format(&macs[i], text));
	if (n > shown)
		printf(" and %u more", n - shown);
	putchar('\n');
}

/* How well flows are spread. */
static void print_queues(const struct vf_status *s)
{
	if (s->n_rx_queues < 2)
		return;
	printf("    frames by receive queue");
	for (unsigned int i = 0; i < s->n_rx_queues; i++)
		printf(" %" PRIu64, s->rx_queues[i]);
	putchar('\n');
}

static const char *const faults[] = {
	[VF_FAULT_RING] = "the guest broke a ring, which is stopped until it resets its NIC",
	[VF_FAULT_GONE] =
		"the guest's memory was taken away: its NIC is stopped until it has other",
	[VF_FAULT_NOT_SHARED] = "the guest's memory is not shared: nothing comes or goes "
				"(libvirt: <access mode='shared'/>, QEMU: share=on)",
};

static void print_vf(const char *pf, unsigned int n, const struct vf_info *vf)
{
	const struct vf_status *s = &vf->status;
	struct vf_config plain;

	printf("%s vf %u: ", pf, n);
	print_attachment(vf);
	if (s->fault)
		printf("    %s\n", faults[s->fault]);
	vf_config_default(&plain);
	printf("    set: ");
	if (!print_changes(vf_fields, 1U << VF_FIELD_PORT_ID | 1U << VF_FIELD_SERVER, &vf->config,
			   &plain))
		printf("nothing");
	printf("; pci %s\n", s->pci_slot);
	if (*s->overridden)
		printf("    set by hand since the agent wrote: %s\n", s->overridden);
	if (*vf->config.port_id)
		printf("    port %s, server %s\n", vf->config.port_id,
		       *vf->config.server ? vf->config.server : "none");
	print_macs("guest's addresses", s->accepted, s->n_accepted);
	print_macs("refused to the guest", s->refused, s->n_refused);
	print_macs("learned behind the guest", s->learned, s->n_learned);
	if (s->filter_known)
		printf("    guest's filter: %u multicast groups%s\n", s->n_mcasts,
		       s->allmulti ? ", all multicast" : "");
	if (s->promisc)
		printf("    promiscuous: %s\n", s->promisc == VF_PROMISC_TRUE
							? "all unicast of its VLANs"
							: "unicast from the wire for nobody");
	print_counts("traffic", &vf->stats, &vf->untold);
	print_queues(s);
	if (vf->stats.mirrored)
		printf("    mirrored %" PRIu64 "\n", vf->stats.mirrored);
	print_drops(&vf->stats);
	if (vf->stats.rx_dropped | vf->stats.tx_dropped &&
	    vf->untold.counts >> VF_COUNT_DROPS & 1) {
		printf("    ");
		noun_print_dropped(&vf->stats, &vf->untold);
	}
}

/* The names to show: the one given, or all. */
static int read_pfs(struct cli *cli, json_t **names)
{
	const char *name = cli_next(cli);
	struct err e = { 0 };

	if (name)
		*names = json_pack("[s]", name);
	else if (cli_call_all(cli, "pf.list", names, &e))
		return cli_error(&e);
	return *names ? CLI_OK : cli_wrong(name, "not the name of a PF");
}

static void print_drift(const char *pf, const json_t *d)
{
	const json_t *vf = json_object_get(d, "vf"), *mirror = json_object_get(d, "mirror");
	time_t since = (time_t)json_integer_value(json_object_get(d, "since"));
	const char *word, *asked, *is;
	char when[32] = "";
	struct tm tm;

	if (json_unpack((json_t *)(uintptr_t)d, "{s:s, s:s, s:s}", "word", &word, "asked", &asked,
			"is", &is))
		return;
	if (gmtime_r(&since, &tm))
		strftime(when, sizeof(when), "%FT%TZ", &tm);
	printf("%s", pf);
	if (vf)
		printf(" vf %lld", (long long)json_integer_value(vf));
	printf(" %s%s%s: asked for %s, is %s, since %s\n", word, mirror ? " " : "",
	       mirror ? json_string_value(mirror) : "", asked, is, when);
}

/**
 * noun_show_drift() - anyvf pf drift [PF]: what somebody else has changed
 * @cli: words start behind `drift`
 *
 * Return: the exit code.
 */
int noun_show_drift(struct cli *cli)
{
	auto_of(json_decref) json_t *names = NULL, *list = json_array();
	const json_t *name, *d;
	size_t i, k;
	int rc = read_pfs(cli, &names);

	if (!rc)
		rc = cli_end(cli);
	if (rc)
		return rc;
	json_array_foreach (names, i, name) {
		auto_of(json_decref) json_t *all = NULL;
		const char *pf = json_string_value(name);
		struct err e = { 0 };

		if (cli_call_pf(cli, pf, "pf.drift", json_object(), &all, &e)) {
			rc = cli_error(&e); /* of the others it is told all the same */
			continue;
		}
		json_array_foreach (all, k, d) {
			json_object_set_new((json_t *)(uintptr_t)d, "pf", json_string(pf));
			if (!cli->json)
				print_drift(pf, d);
		}
		json_array_extend(list, all);
	}
	return (cli->json ? cli_print_json(cli, list) : done()) ?: rc;
}

/**
 * noun_show_pf() - anyvf pf show [PF]
 * @cli: words start behind `show`
 *
 * Return: the exit code.
 */
int noun_show_pf(struct cli *cli)
{
	auto_of(json_decref) json_t *names = NULL, *list = json_array();
	const json_t *name;
	size_t i;
	int rc = read_pfs(cli, &names);

	if (!rc)
		rc = cli_end(cli);
	if (rc)
		return rc;
	json_array_foreach (names, i, name) {
		json_t *pf = NULL;
		struct pf_info info;
		struct err e = { 0 };

		if (cli_call_pf(cli, json_string_value(name), "pf.get", json_object(), &pf, &e)) {
			rc = cli_error(&e); /* of the others it is told all the same */
			continue;
		}
		json_array_append_new(list, pf);
		if (cli->json)
			continue;
		if (ctl_pf_info_from_json(pf, &info, &e))
			return cli_error(&e);
		print_pf(&info);
	}
	return (cli->json ? cli_print_json(cli, list) : done()) ?: rc;
}

static int show_vf(const struct cli *cli, const char *pf, const json_t *vf, json_t *list)
{
	struct err e = { 0 };
	struct vf_info info;

	if (cli->json) {
		json_t *j = json_pack("{s:s}", "pf", pf);

		json_object_update(j, (json_t *)(uintptr_t)vf);
		json_array_append_new(list, j);
		return CLI_OK;
	}
	if (ctl_vf_info_from_json(vf, &info, &e))
		return cli_error(&e);
	print_vf(pf, (unsigned int)json_integer_value(json_object_get(vf, "vf")), &info);
	return CLI_OK;
}

static int show_one_vf(struct cli *cli, json_t *list)
{
	auto_of(json_decref) json_t *got = NULL;
	const char *pf;
	uint32_t vf;
	int rc = noun_call_vf(cli, "vf.get", &pf, &vf, &got);

	if (rc)
		return rc;
	return show_vf(cli, pf, got, list);
}

static int show_all_vfs(struct cli *cli, json_t *list)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name, *vf;
	size_t i, k;
	int rc = read_pfs(cli, &names);

	if (rc)
		return rc;
	json_array_foreach (names, i, name) {
		const char *pf = json_string_value(name);
		auto_of(json_decref) json_t *got = NULL;
		struct err e = { 0 };

		if (cli_call_pf(cli, pf, "pf.get", json_pack("{s:b}", "vfs", 1), &got, &e))
			rc = cli_error(&e); /* of the others it is told all the same */
		json_array_foreach (json_object_get(got, "vfs"), k, vf)
			rc = show_vf(cli, pf, vf, list) ?: rc;
	}
	return rc;
}

/**
 * noun_show_vf() - anyvf vf show [PF [N]]
 * @cli: words start behind `show`
 *
 * Return: the exit code.
 */
int noun_show_vf(struct cli *cli)
{
	auto_of(json_decref) json_t *list = json_array();
	bool one = cli->words[0] && cli->words[1];
	int rc = one ? show_one_vf(cli, list) : show_all_vfs(cli, list);

	if (rc && (one || rc == CLI_USAGE))
		return rc;
	return (cli->json ? cli_print_json(cli, list) : done()) ?: rc;
}

/* Of a PF there may be nothing to show, of a name not. */
static int nothing(struct cli *cli, const char *key, const char *value, struct err *e)
{
	if (!strcmp(key, "pf"))
		return cli_call_pf(cli, value, "pf.get", json_object(), NULL, e);
	return err_set(e, -ENOENT, "there is nothing with the %s %s", key, value);
}

/* Prints the elements of @list whose member @key is @value, or all. */
static int show_list(struct cli *cli, const char *method, const char *key,
		     void (*print)(const json_t *item))
{
	auto_of(json_decref) json_t *list = NULL, *chosen = json_array();
	const char *value = cli_next(cli);
	struct err e = { 0 };
	json_t *item;
	size_t i;

	if (cli_end(cli))
		return CLI_USAGE;
	if (cli_call_all(cli, method, &list, &e))
		return cli_error(&e);
	json_array_foreach (list, i, item) {
		if (value && strcmp(json_string_value(json_object_get(item, key)), value))
			continue;
		json_array_append(chosen, item);
		if (!cli->json)
			print(item);
	}
	if (value && !json_array_size(chosen) && nothing(cli, key, value, &e))
		return cli_error(&e);
	return cli->json ? cli_print_json(cli, chosen) : done();
}

/* "vf p2p1 3": the source as it is typed. */
static void print_source(const struct mirror_config *m)
{
	printf("from %s %s", mirror_fields[MIRROR_FIELD_FROM].names[m->from], m->from_pf);
	if (m->from == MIRROR_FROM_VF)
		printf(" %u", m->from_vf);
	if (m->from == MIRROR_FROM_VLAN)
		printf(" %u", m->from_vlan);
	printf(" %s", mirror_fields[MIRROR_FIELD_DIR].names[m->dir]);
}

static void print_filter(const struct mirror_config *m)
{
	char list[512];

	if (m->vlans.set) {
		if (vlan_set_format(&m->vlans, list, sizeof(list)) < 0)
			strcpy(list, "...");
		printf(" filter vlan %s", list);
	}
	if (m->ether)
		printf(" filter ether 0x%04x", m->ether);
	if (*m->pcap)
		printf(" filter pcap \"%s\"", m->pcap);
	if (m->snap)
		printf(" snap %u", m->snap);
}

static void print_destination(const struct mirror_config *m)
{
	printf(" to %s ", mirror_fields[MIRROR_FIELD_TO].names[m->to]);
	if (m->to == MIRROR_TO_VF)
		printf("%s %u", m->to_pf, m->to_vf);
	else
		printf("%s%s%s", m->tap, m->file, m->remote); /* two are empty */
	if (m->id)
		printf(" id %u", m->id);
	if (m->version)
		printf(" version %u", m->version);
}

/**
 * noun_mirror_strip() - Of a mirror, leave what was asked for
 * @j: as mirror.list tells it; loses counters, and what a NIC says of it
 *
 * Context: any.
 */
void noun_mirror_strip(json_t *j)
{
	static const char *const told[] = { "mirrored", "dropped", "by", "lacks" };

	for (unsigned int i = 0; i < ARRAY_LEN(told); i++)
		json_object_del(j, told[i]);
}

static void print_mirror(const json_t *j)
{
	auto_of(json_decref) json_t *words = json_copy((json_t *)(uintptr_t)j);
	struct mirror_config m = { 0 };
	const char *by, *lacks;

	noun_mirror_strip(words);
	if (fields_from_json(mirror_fields, &m, words, NULL, NULL))
		return;
	printf("%s: ", m.name);
	print_source(&m);
	print_filter(&m);
	print_destination(&m);
	if (json_unpack((json_t *)(uintptr_t)j, "{s:s, s:s}", "by", &by, "lacks", &lacks) == 0) {
		printf(", by %s%s%s\n", by, *lacks ? ": " : "", lacks);
		return;
	}
	printf(", mirrored %lld, dropped %lld\n",
	       (long long)json_integer_value(json_object_get(j, "mirrored")),
	       (long long)json_integer_value(json_object_get(j, "dropped")));
}

/**
 * noun_show_mirror() - anyvf mirror show [NAME]
 * @cli: words start behind `show`
 *
 * Return: the exit code.
 */
int noun_show_mirror(struct cli *cli)
{
	return show_list(cli, "mirror.list", "name", print_mirror);
}

static void print_svc(const json_t *s)
{
	struct svc_config svc = { 0 }, plain = { 0 };

	if (fields_from_json(svc_fields, &svc, s, NULL, NULL))
		return;
	printf("%s: %s: ", svc.pf, svc.name);
	print_changes(svc_fields, 3, &svc, &plain);
	putchar('\n');
}

/**
 * noun_show_svc() - anyvf svc show [PF]
 * @cli: words start behind `show`
 *
 * Return: the exit code.
 */
int noun_show_svc(struct cli *cli)
{
	return show_list(cli, "svc.list", "pf", print_svc);
}
