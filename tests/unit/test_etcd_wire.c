/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd says, and what others say in its place: every row of the judge, and answers of bytes. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "store/etcd.h"

static void etcd_judge_knows_its_answers(void **state)
{
	static const struct {
		int status;
		const char *why;
		uint64_t revision;
		enum etcd_verdict verdict;
	} rows[] = {
		{ 0, "", 5, ETCD_OK },
		{ 0, "", 0, ETCD_AGAIN },
		{ -1, "", 5, ETCD_AGAIN }, /* cut off, or another program */
		{ 14, "etcdserver: no leader", 0, ETCD_AGAIN },
		{ 14, "etcdserver: request timed out", 0, ETCD_AGAIN },
		{ 8, "etcdserver: mvcc: database space exceeded", 0, ETCD_NO_SPACE },
		{ 8, "grpc: received message larger than max (3 vs. 2)", 0, ETCD_TOO_LARGE },
		{ 8, "etcdserver: too many requests", 0, ETCD_AGAIN },
		{ 3, "etcdserver: request is too large", 0, ETCD_TOO_LARGE },
		{ 3, "etcdserver: too many operations in txn request", 0, ETCD_TOO_LARGE },
		{ 3, "etcdserver: key is not provided", 0, ETCD_REFUSED },
		{ 11, "etcdserver: mvcc: required revision has been compacted", 0, ETCD_COMPACTED },
		{ 11, "etcdserver: mvcc: required revision is a future revision", 0, ETCD_AGAIN },
		{ 5, "etcdserver: requested lease not found", 0, ETCD_REFUSED },
		{ 12, "unknown method Range for service etcdserverpb.KV", 0, ETCD_REFUSED },
		{ 7, "etcdserver: permission denied", 0, ETCD_AGAIN },
		{ 16, "etcdserver: invalid auth token", 0, ETCD_AGAIN },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(etcd_judge(rows[i].status, rows[i].why, rows[i].revision),
				 rows[i].verdict);
}

#define RANGE "\x0a\x02\x18\x05\x12\x08\x0a\x01\x61\x18\x04\x2a\x01\x62" /* header 5; a = b of 4 */

static void etcd_answer_takes_what_is_one(void **state)
{
	static const struct {
		int status;
		const char *message;
		size_t size;
		enum etcd_verdict verdict;
	} rows[] = {
#define ROW(status, message, verdict) { status, message, sizeof(message) - 1, verdict }
		ROW(0, RANGE, ETCD_OK),
		ROW(-1, RANGE, ETCD_AGAIN),
		ROW(14, RANGE, ETCD_AGAIN),
		ROW(0, "", ETCD_AGAIN),
		ROW(0, "<html>", ETCD_AGAIN),
		ROW(0, RANGE "x", ETCD_AGAIN),
		ROW(0, "\x0a\x02\x18\0", ETCD_AGAIN),	/* of no revision */
		ROW(0, "\x0a\x7f\x18\x05", ETCD_AGAIN), /* cut off */
		{ 0, NULL, 0, ETCD_AGAIN },
		{ 12, NULL, 0, ETCD_REFUSED },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *message = malloc(rows[i].size + 1);
		struct grpc_answer got = { rows[i].status, "words",
					   rows[i].message ? message : NULL, rows[i].size };

		memcpy(message, rows[i].message ?: "", rows[i].size);
		auto_etcd_answer struct etcd_answer a =
			etcd_answer(&pb__range_response__descriptor, 0, &got, "");

		assert_int_equal(a.verdict, rows[i].verdict);
		assert_string_equal(a.why, "words");
		if (rows[i].verdict == ETCD_OK) {
			assert_int_equal(a.revision, 5);
			assert_int_equal(a.range->kvs[0]->mod_revision, 4);
			assert_memory_equal(a.range->kvs[0]->value.data, "b", 1);
		} else {
			assert_null(a.range);
		}
	}
}

static void etcd_answer_has_the_transports_words(void **state)
{
	auto_etcd_answer struct etcd_answer a =
		etcd_answer(&pb__range_response__descriptor, -EIO, NULL, "broken");

	assert_int_equal(a.verdict, ETCD_AGAIN);
	assert_string_equal(a.why, "broken");
	assert_null(a.range);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(etcd_judge_knows_its_answers),
		cmocka_unit_test(etcd_answer_takes_what_is_one),
		cmocka_unit_test(etcd_answer_has_the_transports_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
