/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file, as state.c writes it and state_read.c reads it: one JSON document with a version,
 * and behind it a journal, a line a change: eight hex digits, the CRC-32 of the rest, a space, and
 * a JSON Merge Patch (RFC 7396) of what comes before. Members are the words of the field tables;
 * what is at its default is left out of VFs, and such VFs altogether.
 *
 *   {"version": 4,
 *    "pfs": {"0": {"config": {...}, "svcs": {"dhcp0": {...}},
 *                  "wire": {"ifindex": 3, "mac": "52:..."},
 *                  "vfs": {"2": {"config": {...}, "attach": {...}, "by_agent": ["mac"],
 *                                "overridden": [], "accepted": "02:... 02:...* 02:...~"}}}},
 *    "mirrors": {"0": {...}},
 *    "kept": {...}}
 *   1b5a3f02 {"pfs":{"0":{"vfs":{"2":{"config":{"vlan":7}}}}}}
 *
 * "kept" is a record of the last change of many verbs (ctl/apply.h), if there was one. Accepted addresses are one text a VF, those of a grant with a star, those the guest chose with a
 * tilde. PFs are by slot, VFs by number, service ports by name, mirrors by slot; in versions 1 to 3
 * these were lists, and there was no journal. In 1 and 2 the addresses of a VF without
 * administrative MAC were chosen. A file of a newer version is refused.
 *
 * The document is replaced as a whole, and the journal with it, when the journal is longer. Of a
 * writer that is killed the last line may have only a part, which does not count.
 */
#ifndef ANYVF_SW_CONTROL_STATE_H
#define ANYVF_SW_CONTROL_STATE_H

#include "sw/control/model.h"

#define STATE_VERSION	  4
#define STATE_MAX	  (64u << 20) /* bytes; 2,048 VFs of 1,024 addresses fit */
#define STATE_JOURNAL_MIN (64u << 10) /* bytes a journal may have beside any document */
#define STATE_CRC_LEN	  9	      /* with its space */

/* By enum guest_why, what stands behind an accepted address; 0: nothing. */
static const char state_marks[] = { [GUEST_BY_CHOICE] = '~', [GUEST_BY_GRANT] = '*' };

/* CRC-32 as of Ethernet (IEEE 802.3, 3.2.9), by half bytes. */
static inline uint32_t state_crc(const char *text, size_t size)
{
	uint32_t nibbles[16], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 16; i++) {
		nibbles[i] = i;
		for (unsigned int bit = 0; bit < 4; bit++)
			nibbles[i] = nibbles[i] >> 1 ^ (nibbles[i] & 1 ? 0xedb88320u : 0);
	}
	for (size_t i = 0; i < size; i++) {
		crc ^= (uint8_t)text[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return ~crc;
}

void state_keep(struct sw *sw, size_t document, size_t size);

#endif
