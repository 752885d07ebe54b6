/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf mirror add|set|del`: a sentence of what is watched, which frames of it, and where to.
 * `anyvf capture` is such a sentence without an end.
 */
#include <errno.h>
#include <string.h>

#include "cli/noun.h"

#define FILTER_ROWS                                                                                \
	(BIT(MIRROR_FIELD_VLANS) | BIT(MIRROR_FIELD_ETHER) | BIT(MIRROR_FIELD_PCAP))
#define CAPTURE_SNAP_MAX 262144u /* tcpdump's */

/* What the line has said so far. */
struct sentence {
	struct mirror_config m;
	uint32_t changed; /* bits by enum mirror_field */
	uint32_t typed;	  /* of them, those that were given a value */
};

/* One word through its row of the table. */
static int read_field(struct cli *cli, struct sentence *s, enum mirror_field row)
{
	const char *value = cli_next(cli);
	struct err e = { 0 };

	if (!value)
		return cli_incomplete();
	if (s->typed & BIT(row))
		return cli_duplicate(
			row == MIRROR_FIELD_DIR ? "direction" : mirror_fields[row].word, value);
	if (field_parse(&mirror_fields[row], &s->m, value, &e)) {
		cli_error(&e);
		return CLI_USAGE;
	}
	s->changed |= BIT(row);
	s->typed |= BIT(row);
	return CLI_OK;
}

/* A kind of source or destination: one of the first @n names of its row. */
static int read_kind(struct cli *cli, struct sentence *s, enum mirror_field row, unsigned int n)
{
	const char *const *names = mirror_fields[row].names, *word = *cli->words;
	char expected[128];
	int len = snprintf(expected, sizeof(expected), "expected");

	for (unsigned int i = 0; i < n; i++) {
		if (!word || !strcmp(word, names[i]))
			return read_field(cli, s, row);
		len += snprintf(expected + len, sizeof(expected) - (size_t)len, "%s \"%s\"",
				!i ? "" : i + 1 < n ? "," : " or", names[i]);
	}
	return cli_wrong(word, expected);
}

/* The words of @rows, in their order; stops at the first refusal. */
static int read_rows(struct cli *cli, struct sentence *s, uint32_t rows)
{
	int rc = CLI_OK;

	for (enum mirror_field row = 0; !rc && row < MIRROR_FIELD_N; row++)
		if (rows & BIT(row))
			rc = read_field(cli, s, row);
	return rc;
}

static int read_from_kind(struct cli *cli, struct sentence *s)
{
	return read_kind(cli, s, MIRROR_FIELD_FROM, MIRROR_FROM_VLAN + 1);
}

/* from vf PF N | pf PF | uplink PF | vlan PF V */
static int read_from(struct cli *cli, struct sentence *s)
{
	static const uint32_t number[] = {
		[MIRROR_FROM_VF] = BIT(MIRROR_FIELD_FROM_VF),
		[MIRROR_FROM_VLAN] = BIT(MIRROR_FIELD_FROM_VLAN),
	};
	int rc = read_from_kind(cli, s);

	return rc ? rc : read_rows(cli, s, BIT(MIRROR_FIELD_FROM_PF) | number[s->m.from]);
}

/* to vf PF N | tap NAME | ...: all destinations but the last, which is our own */
static int read_to(struct cli *cli, struct sentence *s)
{
	int rc = read_kind(cli, s, MIRROR_FIELD_TO, MIRROR_TO_CAPTURE);

	return rc ? rc : read_rows(cli, s, mirror_to_needs(s->m.to));
}

/* filter vlan LIST | ether TYPE | pcap EXPR | none */
static int read_filter(struct cli *cli, struct sentence *s)
{
	const char *kind = cli_next(cli);

	if (!kind)
		return cli_incomplete();
	if (!strcmp(kind, "vlan"))
		return read_field(cli, s, MIRROR_FIELD_VLANS);
	if (!strcmp(kind, "ether"))
		return read_field(cli, s, MIRROR_FIELD_ETHER);
	if (!strcmp(kind, "pcap"))
		return read_field(cli, s, MIRROR_FIELD_PCAP);
	if (strcmp(kind, "none"))
		return cli_wrong(kind, "expected \"vlan\", \"ether\", \"pcap\" or \"none\"");
	if (s->typed & FILTER_ROWS)
		return cli_wrong(kind, "no filter, after one was given");
	s->changed |= FILTER_ROWS;
	return CLI_OK;
}

static int read_snap(struct cli *cli, struct sentence *s)
{
	return read_field(cli, s, MIRROR_FIELD_SNAP);
}

static int read_id(struct cli *cli, struct sentence *s)
{
	return read_field(cli, s, MIRROR_FIELD_ID);
}

static int read_version(struct cli *cli, struct sentence *s)
{
	return read_field(cli, s, MIRROR_FIELD_VERSION);
}

static int read_sentence(struct cli *cli, struct sentence *s)
{
	static const struct {
		const char *word;
		int (*read)(struct cli *cli, struct sentence *s);
	} parts[] = {
		{ "from", read_from }, { "filter", read_filter }, { "to", read_to },
		{ "snap", read_snap }, { "id", read_id },	  { "version", read_version }
	};

	while (*cli->words) {
		const char *word = *cli->words;
		unsigned int i = 0;
		int rc;

		while (i < ARRAY_LEN(parts) && !cli_accept(cli, parts[i].word))
			i++;
		if (i < ARRAY_LEN(parts))
			rc = parts[i].read(cli, s);
		else if (!strcmp(word, "in") || !strcmp(word, "out") || !strcmp(word, "both"))
			rc = read_field(cli, s, MIRROR_FIELD_DIR);
		else
			rc = cli_wrong(
				word,
				"expected from, in, out, both, filter, snap, to, id or version");
		if (rc)
			return rc;
	}
	return CLI_OK;
}

/* Is there such a mirror? @out gets its PF where that is a NIC's; else it is the switch's: "". */
static bool find(struct cli *cli, const char *name, char out[PF_NAME_LEN + 1])
{
	auto_of(json_decref) json_t *list = NULL;
	bool there = false;
	json_t *one;
	size_t i;

	*out = '\0';
	if (cli_call_all(cli, "mirror.list", &list, &(struct err){ 0 }))
		return false;
	json_array_foreach (list, i, one) {
		const char *is = json_string_value(json_object_get(one, "name"));
		const char *pf = json_string_value(json_object_get(one, "from_pf"));

		if (!is || !pf || strcmp(is, name) != 0)
			continue;
		there = true;
		if (json_object_get(one, "by"))
			snprintf(out, PF_NAME_LEN + 1, "%s", pf);
	}
	return there;
}

/* @pf: whose daemon is asked; "": the software switch. */
static int call(struct cli *cli, const char *pf, const char *method, const char *name,
		json_t *params)
{
	struct err e = { 0 };
	int rc;

	json_object_set_new(params, "name", json_string(name));
	rc = *pf ? cli_call_of(cli, pf, method, params, NULL, &e)
		 : cli_call_any(cli, method, params, NULL, &e);
	return rc ? cli_error(&e) : CLI_OK;
}

static int mirror_change(struct cli *cli, const char *method, uint32_t need)
{
	const char *name = cli_next(cli);
	struct sentence s = { .changed = 0 };
	char pf[PF_NAME_LEN + 1];
	struct err e = { 0 };
	int rc;

	if (!name)
		return cli_incomplete();
	rc = read_sentence(cli, &s);
	if (rc)
		return rc;
	if (!s.changed)
		return cli_incomplete();
	if (need & ~s.changed)
		return cli_missing(need & ~s.changed & BIT(MIRROR_FIELD_FROM) ? "from" : "to");
	if (find(cli, name, pf) && need) {
		err_set(&e, -EEXIST, "mirror %s exists", name);
		return cli_error(&e);
	}
	return call(cli, *pf ? pf : s.m.from_pf, method, name,
		    cli_fields_json(mirror_fields, &s.m, s.changed));
}

static int mirror_add(struct cli *cli)
{
	return mirror_change(cli, "mirror.add", BIT(MIRROR_FIELD_FROM) | BIT(MIRROR_FIELD_TO));
}

static int mirror_set(struct cli *cli)
{
	return mirror_change(cli, "mirror.set", 0);
}

static int mirror_del(struct cli *cli)
{
	const char *name = cli_next(cli);
	char pf[PF_NAME_LEN + 1];

	if (!name)
		return cli_incomplete();
	if (cli_end(cli))
		return CLI_USAGE;
	find(cli, name, pf);
	return call(cli, pf, "mirror.del", name, json_object());
}

/* PF {vf N | pf | uplink | vlan V} */
static int read_watched(struct cli *cli, struct sentence *s)
{
	int rc = CLI_OK;

	if (*cli->words && **cli->words == '-')
		return cli_wrong(*cli->words, "expected a PF, -c, -s, -w or -q");
	rc = read_field(cli, s, MIRROR_FIELD_FROM_PF);
	if (!rc)
		rc = read_from_kind(cli, s);
	if (!rc && s->m.from == MIRROR_FROM_VF)
		rc = read_field(cli, s, MIRROR_FIELD_FROM_VF);
	if (!rc && s->m.from == MIRROR_FROM_VLAN)
		rc = read_field(cli, s, MIRROR_FIELD_FROM_VLAN);
	return rc;
}

static bool is_option(const char *word)
{
	return !strcmp(word, "-q") || (word[0] == '-' && word[1] && strchr("csw", word[1]));
}

/*
 * -q | -c N | -s BYTES | -w FILE: as tcpdump has them, with a blank before the value or without.
 * Bytes above any frame's are all.
 */
static int read_option(struct cli *cli, struct sentence *s, struct noun_capture *want)
{
	const char *option = cli_next(cli), *value;
	uint32_t n;

	if (option[1] == 'q') {
		want->quiet = true;
		return CLI_OK;
	}
	value = option[2] ? option + 2 : cli_next(cli);
	if (!value)
		return cli_incomplete();
	if (option[1] == 'w') {
		want->path = strcmp(value, "-") ? value : NULL;
		return CLI_OK;
	}
	if (!cli_u32(value, &n) || *value == '-')
		return cli_wrong(value, option[1] == 'c' ? "not a number of packets"
							 : "not a number of bytes");
	if (option[1] == 'c') {
		want->count = n;
		return n ? CLI_OK : cli_wrong(value, "a capture of no packets");
	}
	if (n > CAPTURE_SNAP_MAX || (n && n < MIRROR_SNAP_MIN))
		return cli_wrong(value, "a packet's bytes are 14 to 262144, or 0 for all");
	s->m.snap = (uint16_t)(n <= UINT16_MAX ? n : 0);
	s->changed |= BIT(MIRROR_FIELD_SNAP);
	return CLI_OK;
}

static int read_options(struct cli *cli, struct sentence *s, struct noun_capture *want)
{
	int rc = CLI_OK;

	while (!rc && *cli->words && is_option(*cli->words))
		rc = read_option(cli, s, want);
	return rc;
}

static int read_capture(struct cli *cli, struct sentence *s, struct noun_capture *want)
{
	int rc = read_options(cli, s, want);

	if (!rc)
		rc = read_watched(cli, s);
	while (!rc && *cli->words) {
		const char *word = *cli->words;

		if (!strcmp(word, "in") || !strcmp(word, "out") || !strcmp(word, "both")) {
			rc = read_field(cli, s, MIRROR_FIELD_DIR);
		} else if (cli_accept(cli, "filter")) {
			rc = read_field(cli, s, MIRROR_FIELD_PCAP);
		} else if (cli_accept(cli, "drops")) {
			s->m.drops = true;
			s->changed |= BIT(MIRROR_FIELD_DROPS);
		} else if (is_option(word)) {
			rc = read_options(cli, s, want);
		} else {
			rc = cli_wrong(word,
				       "expected in, out, both, drops, filter, -c, -s, -w or -q");
		}
	}
	return rc;
}

/**
 * cli_capture() - anyvf capture
 * @cli: words start behind `capture`
 *
 * Return: the exit code.
 */
int cli_capture(struct cli *cli)
{
	auto_of(json_decref) json_t *params = NULL;
	struct noun_capture want = { 0 };
	struct sentence s = { 0 };
	int rc = read_capture(cli, &s, &want);

	if (rc)
		return rc;
	params = cli_fields_json(mirror_fields, &s.m, s.changed);
	want.pf = s.m.from_pf;
	want.params = params;
	return capture_run(cli, &want);
}

const struct cli_command cli_mirror_commands[] = {
	{ "add", mirror_add },	      { "set", mirror_set }, { "del", mirror_del },
	{ "show", noun_show_mirror }, { NULL, NULL },
};
