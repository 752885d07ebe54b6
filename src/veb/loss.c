/* SPDX-License-Identifier: Apache-2.0 */
/* Notes of lost frames: written beside the drop's counter, read without stopping the writer. */
#include "veb/loss.h"

#define READ_TRIES 1000 /* far above what a writer needs; it may have lost its core in the middle */

/**
 * loss_put() - Note a lost frame in place of the one before
 * @slot: of the port and the reason, this worker's
 * @what: copied
 *
 * Call it before the drop is counted: who sees the count then finds the frame.
 *
 * Context: the one worker that writes the slot. No lock.
 */
void loss_put(struct loss_slot *slot, const struct loss *what)
{
	uint64_t words[ARRAY_LEN(slot->words)], seq = slot->seq;

	memcpy(words, what, sizeof(words));
	__atomic_store_n(&slot->seq, seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
		__atomic_store_n(&slot->words[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&slot->seq, seq + 2, __ATOMIC_RELEASE);
}

/**
 * loss_note() - Note a frame that was parsed
 * @slot: as in loss_put()
 * @f:    the frame, its payload still readable
 * @tags: it has, outer first; 0: none
 * @at:   tick
 *
 * Payload is touched only to show a further tag behind these.
 *
 * Context: as loss_put().
 */
void loss_note(struct loss_slot *slot, const struct frame *f, const uint32_t tags[2], uint64_t at)
{
	struct loss l = { .at = at };
	unsigned int n = frame_header(f, tags, l.head);

	l.len = f->len + n - FRAME_HDR_LEN;
	if (unlikely(frame_is_tpid(f->type)))
		n += frame_peek(f, 0, l.head + n, sizeof(l.head) - n);
	l.head_len = (uint8_t)n;
	loss_put(slot, &l);
}

/**
 * loss_get() - Read a note whole
 * @slot: any worker's
 * @out:  filled on success
 *
 * Return: false if nothing was noted yet, or the writer stands still in the middle of a note.
 * Context: any thread.
 */
bool loss_get(const struct loss_slot *slot, struct loss *out)
{
	uint64_t words[ARRAY_LEN(slot->words)];

	for (unsigned int tries = 0; tries < READ_TRIES; tries++) {
		uint64_t seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);

		for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
			words[i] = __atomic_load_n(&slot->words[i], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (seq & 1 || seq != __atomic_load_n(&slot->seq, __ATOMIC_RELAXED))
			continue;
		if (seq)
			memcpy(out, words, sizeof(words));
		return seq;
	}
	return false;
}
