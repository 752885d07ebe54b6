/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf vf drops`: by reasons and with the last frames of a software PF's VF, sums of a NIC's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/noun.h"

/* "rx 7", "rx not told" */
static void print_dropped(const char *way, uint64_t n, bool told)
{
	if (told)
		printf("%s %" PRIu64, way, n);
	else
		printf("%s not told", way);
}

/**
 * noun_print_dropped() - Drops whose reasons nobody tells
 * @stats:  counters
 * @untold: those of them that are not known
 */
void noun_print_dropped(const struct vf_stats *stats, const struct vf_untold *untold)
{
	bool rx = !(untold->counts >> VF_COUNT_RX_DROPPED & 1);
	bool tx = !(untold->counts >> VF_COUNT_TX_DROPPED & 1);

	if (!rx && !tx) {
		printf("drops are not told %s\n", untold->why);
		return;
	}
	print_dropped("dropped rx", stats->rx_dropped, rx);
	print_dropped(", tx", stats->tx_dropped, tx);
	printf("; reasons are not told %s\n", untold->why);
}

/* How long ago, in the unit a person would choose. */
static void print_age(json_int_t ms)
{
	if (ms < 10000)
		printf("%lld ms", (long long)ms);
	else
		printf("%lld s", (long long)ms / 1000);
}

/* The last frame dropped for a reason, as far as its header is known. */
static void print_last(const json_t *last)
{
	const char *dst = json_string_value(json_object_get(last, "dst"));
	const char *src = json_string_value(json_object_get(last, "src"));
	const char *type = json_string_value(json_object_get(last, "ethertype"));
	const json_t *tag;
	size_t i;

	printf("        last ");
	print_age(json_integer_value(json_object_get(last, "age_ms")));
	printf(" ago: ");
	if (!dst) {
		puts("its header could not be read");
		return;
	}
	printf("to %s", dst);
	if (src)
		printf(" from %s", src);
	json_array_foreach (json_object_get(last, "tags"), i, tag)
		printf(", %s vlan %lld priority %lld",
		       json_string_value(json_object_get(tag, "protocol")) ?: "",
		       (long long)json_integer_value(json_object_get(tag, "vlan")),
		       (long long)json_integer_value(json_object_get(tag, "priority")));
	if (type)
		printf(", ethertype %s", type);
	printf(", %lld bytes\n", (long long)json_integer_value(json_object_get(last, "length")));
}

static const char *help_of(const char *reason)
{
	for (unsigned int i = 0; i < DROP_N; i++)
		if (!strcmp(drop_names[i], reason))
			return drop_help[i];
	return "";
}

static void print_drop_list(const char *pf, uint32_t vf, const json_t *drops)
{
	const json_t *d, *last;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach (drops, i, d)
		sum += json_integer_value(json_object_get(d, "count"));
	printf("%s vf %u: %lld dropped\n", pf, vf, (long long)sum);
	json_array_foreach (drops, i, d) {
		const char *reason = json_string_value(json_object_get(d, "reason")) ?: "";
		json_int_t count = json_integer_value(json_object_get(d, "count"));

		if (!count)
			continue;
		printf("    %s %lld: %s\n", reason, (long long)count, help_of(reason));
		last = json_object_get(d, "last");
		if (last)
			print_last(last);
	}
}

/* Of a NIC's VF. */
static void print_drop_sums(const char *pf, uint32_t vf, const json_t *got)
{
	const json_t *rx = json_object_get(got, "rx_dropped");
	const json_t *tx = json_object_get(got, "tx_dropped");
	const struct vf_stats stats = { .rx_dropped = (uint64_t)json_integer_value(rx),
					.tx_dropped = (uint64_t)json_integer_value(tx) };
	struct vf_untold untold = { .counts = (rx ? 0 : 1U << VF_COUNT_RX_DROPPED) |
					      (tx ? 0 : 1U << VF_COUNT_TX_DROPPED) };

	snprintf(untold.why, sizeof(untold.why), "%s",
		 json_string_value(json_object_get(got, "not_told")) ?: "");
	printf("%s vf %u: ", pf, vf);
	noun_print_dropped(&stats, &untold);
}

/**
 * noun_show_drops() - anyvf vf drops PF N
 * @cli: words start behind `drops`
 *
 * Return: the exit code.
 */
int noun_show_drops(struct cli *cli)
{
	auto_of(json_decref) json_t *got = NULL, *list = NULL;
	const char *pf;
	uint32_t vf;
	int rc = noun_call_vf(cli, "vf.drops", &pf, &vf, &got);

	if (rc)
		return rc;
	if (!cli->json) {
		if (json_object_get(got, "drops"))
			print_drop_list(pf, vf, json_object_get(got, "drops"));
		else
			print_drop_sums(pf, vf, got);
		return fflush(stdout) || ferror(stdout) ? CLI_FAIL : CLI_OK;
	}
	json_object_set_new(got, "pf", json_string(pf));
	list = json_pack("[O]", got);
	return cli_print_json(cli, list);
}
