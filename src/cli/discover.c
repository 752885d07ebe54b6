/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf pf discover`: the host's functions with SR-IOV. The command asks sysfs, rtnetlink and
 * devlink itself, no daemon. A function is one object; as text a line, and further lines of what
 * else there is to say.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/noun.h"
#include "hw/caps.h"

static json_t *number_or_null(uint32_t n)
{
	return n == HW_UNTOLD ? json_null() : json_integer(n);
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

/* PCI's ids and classes as lspci writes them, without 0x. */
static json_t *hex_or_null(uint32_t n, int digits)
{
	char text[16];

	snprintf(text, sizeof(text), "%0*x", digits, n);
	return n == HW_UNTOLD ? json_null() : json_string(text);
}

static json_t *netdevs_json(const struct hw_netdevs *devs)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < devs->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:i}", "name", devs->list[i].name,
						      "ifindex", devs->list[i].ifindex));
	return list;
}

/* The words it takes, and the others each with the reason; null: not known. */
static void add_words(json_t *j, const struct hw_caps *caps)
{
	json_t *words = json_array(), *refused = json_object();
	char why[HW_WHY_LEN + 1];

	for (enum vf_field f = 0; HW_WORDS >> f & 1; f++) {
		if (!hw_caps_why(caps, f, why))
			json_array_append_new(words, json_string(vf_fields[f].word));
		else
			json_object_set_new(refused, vf_fields[f].word, json_string(why));
	}
	json_object_set_new(j, "words", caps->known ? words : json_null());
	json_object_set_new(j, "refused", caps->known ? refused : json_null());
	if (!caps->known) {
		json_decref(words);
		json_decref(refused);
	}
}

static json_t *notes_json(const struct hw_nic *nic, const struct hw_caps *caps)
{
	json_t *notes = json_array();

	if (!caps->known)
		json_array_append_new(
			notes, json_string("which words it takes, and the mode of its switch, "
					   "only root is told (CAP_NET_ADMIN)"));
	if (!strcmp(nic->bus, "pci") && nic->group == HW_UNTOLD)
		json_array_append_new(notes,
				      json_string("it has no IOMMU group, as the IOMMU is off: "
						  "no VM can have a VF of it by VFIO"));
	if (!caps->driver->name)
		json_array_append_new(notes,
				      json_sprintf("%s is not known here: a word that it takes may "
						   "have values that it refuses",
						   caps->name));
	else if (!caps->driver->seen)
		json_array_append_new(notes,
				      json_sprintf("%s was never seen here: its answers are known "
						   "from its sources, of Linux 6.1",
						   caps->name));
	return notes;
}

static json_t *nic_json(const struct hw_nic *nic)
{
	return json_pack(
		"{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, "
		"s:n, s:n, s:n, s:[]}",
		"name", text_or_null(nic->netdevs.n ? nic->netdevs.list[0].name : ""), "address",
		nic->address, "bus", nic->bus, "driver", text_or_null(nic->driver), "vendor",
		hex_or_null(nic->vendor, 4), "device", hex_or_null(nic->device, 4), "class",
		hex_or_null(nic->class, 6), "totalvfs", number_or_null(nic->totalvfs), "numvfs",
		number_or_null(nic->numvfs), "autoprobe",
		nic->autoprobe == HW_UNTOLD ? json_null() : json_boolean(nic->autoprobe),
		"iommu_group", number_or_null(nic->group), "numa_node", number_or_null(nic->node),
		"netdevs", netdevs_json(&nic->netdevs), "representors",
		(int)nic->netdevs.n_representors, "eswitch", "words", "refused", "notes");
}

/* A function as -j tells it; a driver is asked only where the function may serve. */
static json_t *discover(struct hw_rt *rt, const struct hw_nic *nic)
{
	char why[HW_WHY_LEN + 1];
	const char *unfit = *nic->why.msg ? nic->why.msg : NULL;
	json_t *j = nic_json(nic);
	struct err e = { 0 };
	struct hw_caps caps;

	if (!unfit && hw_caps_of(rt, nic, nic->netdevs.list[0].ifindex, &caps, &e))
		unfit = e.msg;
	if (!unfit) {
		json_object_set_new(j, "eswitch", text_or_null(hw_eswitch_names[caps.eswitch]));
		add_words(j, &caps);
		json_object_set_new(j, "notes", notes_json(nic, &caps));
		unfit = hw_caps_unfit(&caps, why);
	}
	json_object_set_new(j, "serves", json_boolean(!unfit));
	json_object_set_new(j, "why", text_or_null(unfit ?: ""));
	return j;
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key)) ?: "-";
}

/* "2 of 7 VFs"; what is untold is left out. */
static void print_vfs(const json_t *j)
{
	const json_t *made = json_object_get(j, "numvfs"), *total = json_object_get(j, "totalvfs");
	char text[32];

	if (json_is_integer(total))
		snprintf(text, sizeof(text), "%lld of %lld VFs",
			 (long long)json_integer_value(made), (long long)json_integer_value(total));
	else
		snprintf(text, sizeof(text), "%lld VFs", (long long)json_integer_value(made));
	printf(" %s", json_is_integer(made) ? text : "- VFs");
}

static void print_number(const json_t *j, const char *key, const char *what)
{
	const json_t *n = json_object_get(j, key);

	if (json_is_integer(n))
		printf(" %s %lld", what, (long long)json_integer_value(n));
}

static void print_line(const json_t *j)
{
	const char *eswitch = json_string_value(json_object_get(j, "eswitch"));

	printf("%-16s %-14s %-12s", text_of(j, "name"), text_of(j, "address"),
	       text_of(j, "driver"));
	print_vfs(j);
	if (eswitch && strcmp(eswitch, hw_eswitch_names[HW_ESWITCH_NONE]))
		printf(" %s", eswitch);
	print_number(j, "iommu_group", "iommu-group");
	print_number(j, "numa_node", "numa-node");
	putchar('\n');
}

static void print_list(const char *what, const json_t *list, const char *member)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list))
		printf("    %s", what);
	json_array_foreach (list, i, item)
		printf("%s %s", i ? "," : "",
		       json_string_value(member ? json_object_get(item, member) : item));
	if (json_array_size(list))
		putchar('\n');
}

static void print_rest(const json_t *j)
{
	json_int_t n = json_integer_value(json_object_get(j, "representors"));
	const char *why = json_string_value(json_object_get(j, "why")), *sep = "    does not take";
	const json_t *netdevs = json_object_get(j, "netdevs"), *item;
	const char *word;
	size_t i;

	if (json_array_size(netdevs) > 1)
		print_list("netdevs", netdevs, "name");
	if (n)
		printf("    %lld representors of VFs\n", (long long)n);
	if (why) {
		printf("    cannot serve: %s\n", why);
		return;
	}
	print_list("takes", json_object_get(j, "words"), NULL);
	json_object_foreach (json_object_get(j, "refused"), word, item) {
		printf("%s %s%s", sep, word, strcmp(word, "proto") ? "" : " 802.1ad");
		sep = ",";
	}
	if (*sep == ',')
		putchar('\n');
	json_array_foreach (json_object_get(j, "notes"), i, item)
		printf("    note: %s\n", json_string_value(item));
}

/**
 * cli_pf_discover() - anyvf pf discover
 * @cli: words start behind `discover`
 *
 * Return: the exit code.
 */
int cli_pf_discover(struct cli *cli)
{
	auto_of(json_decref) json_t *list = json_array();
	auto_of(hw_rt_close) struct hw_rt *rt = NULL;
	auto_free struct hw_nic *nics = NULL;
	struct err e = { 0 };
	size_t n = 0;

	if (cli_end(cli))
		return CLI_USAGE;
	if (hw_nic_list(HW_SYS, &nics, &n, &e) || hw_rt_open(&rt, &e))
		return cli_error(&e);
	for (size_t i = 0; i < n; i++) {
		json_t *j = discover(rt, &nics[i]);

		json_array_append_new(list, j);
		if (cli->json)
			continue;
		print_line(j);
		if (!cli->brief)
			print_rest(j);
	}
	if (cli->json)
		return cli_print_json(cli, list);
	if (!n)
		fputs("No function of this host has SR-IOV.\n", stderr);
	return CLI_OK;
}
