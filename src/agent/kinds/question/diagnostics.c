/* SPDX-License-Identifier: Apache-2.0 */
/* What a server's domain has used of its host, by libvirt, and its VFs' frames, by the switch. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/question/question.h"

#define CPUS_MAX  1024
#define DISKS_MAX 64

static json_t *cpus(const json_t *stats)
{
	json_t *list = json_array();
	char key[32];

	for (int i = 0; i < CPUS_MAX; i++) {
		json_t *time;

		snprintf(key, sizeof(key), "vcpu.%d.time", i);
		time = json_object_get(stats, key);
		if (time)
			json_array_append_new(list, json_pack("{s:i,s:O}", "id", i, "time", time));
	}
	return list;
}

static json_t *disk(const json_t *stats, int i)
{
	static const char *const words[][2] = {
		{ "name", "name" },
		{ "read_bytes", "rd.bytes" },
		{ "read_requests", "rd.reqs" },
		{ "write_bytes", "wr.bytes" },
		{ "write_requests", "wr.reqs" },
	};
	json_t *out = json_object();
	char key[48];

	for (size_t n = 0; n < ARRAY_LEN(words); n++) {
		snprintf(key, sizeof(key), "block.%d.%s", i, words[n][1]);
		json_object_set(out, words[n][0], json_object_get(stats, key));
	}
	return out;
}

static json_t *disks(const json_t *stats)
{
	json_int_t n = json_integer_value(json_object_get(stats, "block.count"));
	json_t *list = json_array();

	for (int i = 0; i < MIN(n, (json_int_t)DISKS_MAX); i++)
		json_array_append_new(list, disk(stats, i));
	return list;
}

static json_t *memory(const json_t *stats)
{
	return json_pack("{s:O*,s:O*,s:O*}", "maximum", json_object_get(stats, "balloon.maximum"),
			 "actual", json_object_get(stats, "balloon.current"), "rss",
			 json_object_get(stats, "balloon.rss"));
}

/* Directions are the guest's, as the switch has them. What is no frame is an error of the guest's,
 * and no drop beside. What a NIC does not tell is left out: the API has null for it. */
static json_t *figures_of(const struct vf_info *info)
{
	const struct vf_stats *s = &info->stats;
	uint64_t errors = s->drops[DROP_RUNT] + s->drops[DROP_MALFORMED];
	uint64_t dropped = vf_stats_tx_dropped(s);
	const struct {
		const char *word;
		enum vf_count count;
		uint64_t n;
	} all[] = {
		{ "rx_octets", VF_COUNT_RX_BYTES, s->rx_bytes },
		{ "rx_packets", VF_COUNT_RX_PACKETS, s->rx_packets },
		{ "rx_drop", VF_COUNT_RX_DROPPED, s->rx_dropped },
		{ "rx_errors", VF_COUNT_DROPS, 0 },
		{ "tx_octets", VF_COUNT_TX_BYTES, s->tx_bytes },
		{ "tx_packets", VF_COUNT_TX_PACKETS, s->tx_packets },
		{ "tx_drop", VF_COUNT_TX_DROPPED, dropped - MIN(errors, dropped) },
		{ "tx_errors", VF_COUNT_DROPS, errors },
	};
	json_t *j = json_object();

	for (unsigned int i = 0; i < ARRAY_LEN(all); i++)
		if (!(info->untold.counts >> all[i].count & 1))
			json_object_set_new(j, all[i].word, json_integer((json_int_t)all[i].n));
	return j;
}

/* A VF that the switch does not tell of has its names alone. */
static json_t *nic(const struct question_job *j, const struct question_vf *vf)
{
	char mac[MAC_STR_LEN];
	struct vf_info info;
	json_t *out;

	out = pfs_vf_get(j->run_dir, vf->pf, vf->vf, &info, NULL) ? json_object()
								  : figures_of(&info);
	json_object_set_new(out, "name", json_sprintf("%svf%u", vf->pf, vf->vf));
	json_object_set_new(out, "mac_address", json_string(mac_format(&vf->mac, mac)));
	return out;
}

static json_t *nics(const struct question_job *j)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < j->n_vfs; i++)
		json_array_append_new(list, nic(j, &j->vfs[i]));
	return list;
}

/**
 * question_diagnostics() - What a server's domain and its VFs count
 * @job: a question's; virt, server, vfs
 *
 * The answer is docs/agent-api.md's; of a domain that is not there, that it does not run. Context:
 * blocks; a work queue.
 */
void question_diagnostics(void *job)
{
	struct question_job *j = job;
	auto_of(json_decref) json_t *stats = NULL;

	j->step.rc = virt_stats(j->virt, j->server, &stats, &j->step.e);
	if (j->step.rc == -ENOENT) {
		j->step.rc = 0;
		j->answer = json_pack("{s:b}", "running", 0);
	} else if (!j->step.rc) {
		j->answer = json_pack("{s:b,s:s,s:o,s:o,s:o,s:o}", "running", 1, "hypervisor",
				      j->kvm ? "kvm" : "qemu", "cpus", cpus(stats), "disks",
				      disks(stats), "nics", nics(j), "memory", memory(stats));
	}
	if (!j->step.rc && !j->answer)
		j->step.rc = err_set(&j->step.e, -ENOMEM, "out of memory");
}
