/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd's gateway says, and what others say in its place. */
#include "unit.h"

#include <errno.h>

#include "store/etcd.h"

static void etcd_judge_knows_its_answers(void **state)
{
	static const struct {
		int rc, status;
		const char *answer;
		enum etcd_verdict verdict;
		const char *why;
	} rows[] = {
		{ 0, 200, "{\"header\":{\"revision\":\"5\"}}", ETCD_OK, "" },
		{ -EIO, 0, "", ETCD_AGAIN, "transport" },
		{ 0, 200, "", ETCD_AGAIN, "" },
		{ 0, 200, "<html>", ETCD_AGAIN, "" },
		{ 0, 200, "{}", ETCD_AGAIN, "" },
		{ 0, 200, "[]", ETCD_AGAIN, "" },
		{ 0, 200, "{\"header\":[]}", ETCD_AGAIN, "" },
		{ 0, 200, "{\"header\":{\"revision\":\"x\"}}", ETCD_AGAIN, "" },
		{ 0, 302, "{\"header\":{\"revision\":\"5\"}}", ETCD_AGAIN, "" },
		{ 0, 200, "{\"error\":{\"grpc_code\":14,\"message\":\"no leader\"}}", ETCD_AGAIN,
		  "no leader" },
		{ 0, 429, "{\"code\":8,\"message\":\"etcdserver: mvcc: database space exceeded\"}",
		  ETCD_NO_SPACE, NULL },
		{ 0, 429,
		  "{\"code\":8,\"message\":\"grpc: received message larger than max (3 vs. 2)\"}",
		  ETCD_TOO_LARGE, NULL },
		{ 0, 429, "{\"code\":8,\"message\":\"etcdserver: too many requests\"}", ETCD_AGAIN,
		  NULL },
		{ 0, 400, "{\"code\":3,\"message\":\"etcdserver: request is too large\"}",
		  ETCD_TOO_LARGE, NULL },
		{ 0, 400,
		  "{\"code\":3,\"message\":\"etcdserver: too many operations in txn request\"}",
		  ETCD_TOO_LARGE, NULL },
		{ 0, 400,
		  "{\"code\":11,\"message\":\"etcdserver: mvcc: required revision has been "
		  "compacted\"}",
		  ETCD_COMPACTED, NULL },
		{ 0, 400, "{\"code\":11,\"message\":\"a future revision\"}", ETCD_AGAIN, NULL },
		{ 0, 400, "{\"error\":\"key is not provided\",\"code\":3}", ETCD_REFUSED,
		  "key is not provided" },
		{ 0, 404, "{\"code\":5,\"message\":\"Not Found\"}", ETCD_REFUSED, "Not Found" },
		{ 0, 501, "{\"code\":12,\"message\":\"Not Implemented\"}", ETCD_REFUSED, NULL },
		{ 0, 503, "{\"code\":14,\"message\":\"etcdserver: request timed out\"}", ETCD_AGAIN,
		  NULL },
		{ 0, 403, "{\"code\":7,\"message\":\"etcdserver: permission denied\"}", ETCD_AGAIN,
		  NULL },
		{ 0, 400, "{\"code\":\"8\",\"message\":8}", ETCD_AGAIN, "" },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(json_decref) json_t *answer = json_loads(rows[i].answer, 0, NULL);
		const char *why = "transport";

		assert_int_equal(etcd_judge(rows[i].rc, rows[i].status, answer, &why),
				 rows[i].verdict);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(etcd_judge_knows_its_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
