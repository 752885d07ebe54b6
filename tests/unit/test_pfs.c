/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent knows of PFs whose daemon restarts, is busy, or has gone. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "agent/host/pfs.h"
#include "lib/fake_pf.h"

#define MAPPINGS "physnet1:nic0,physnet2:soft0"

static char dir[] = "/tmp/anyvf-pfs-XXXXXX";
static char path[64];
static struct fake_pfs *pfs;
static struct loop *loop;
static struct ctl_server *server;
static pthread_t thread;

static uint64_t later_ms;	/* than it is */
static const char *silent = ""; /* the PF whose daemon fails: */
static int fails;

uint64_t __real_loop_now_ms(void);
uint64_t __wrap_loop_now_ms(void);
uint64_t __wrap_loop_now_ms(void)
{
	return __real_loop_now_ms() + later_ms;
}

int __real_ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e);
int __wrap_ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e);
int __wrap_ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e)
{
	return strcmp(pf, silent) ? __real_ctl_open_pf(run_dir, pf, out, e)
				  : err_set(e, fails, "it says nothing");
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void add_pf(const char *name)
{
	struct pf_config pf;

	pf_config_default(&pf);
	snprintf(pf.name, sizeof(pf.name), "%s", name);
	pf.numvfs = 4;
	assert_int_equal(fake_pf_ops.pf_add(pfs, &pf, 0, NULL), 0);
}

static int setup(void **state)
{
	if (!mkdtemp(dir) || !(pfs = fake_pfs_new()) || !(loop = loop_new(NULL)))
		return -1;
	snprintf(path, sizeof(path), "%s/swd.sock", dir);
	add_pf("nic0");
	add_pf("soft0");
	return ctl_serve(loop, path, &fake_pf_ops, pfs, &server, NULL)
		       ?: pthread_create(&thread, NULL, run_loop, loop);
}

static int teardown(void **state)
{
	loop_post(loop, stop_loop, loop);
	pthread_join(thread, NULL);
	ctl_server_free(server);
	loop_free(loop);
	fake_pfs_free(pfs);
	return rmdir(dir);
}

/* A look at PFs of which nothing, or what the look before told, is known. */
static struct pfs_view *look(const struct pfs_view *before)
{
	struct pfs_view *view = NULL;

	assert_int_equal(pfs_observe(dir, MAPPINGS, before, &view, NULL), 0);
	return view;
}

static void what_a_daemon_told_holds_while_it_says_nothing(void **state)
{
	static const struct {
		int rc;
		uint64_t known_ms, gone_ms;
	} rows[] = {
		{ -ECONNREFUSED, 9000, 11000 }, /* it restarts, */
		{ -ECONNRESET, 9000, 11000 },
		{ -ETIMEDOUT, 110000, 121000 }, /* is busy, */
		{ -ENODEV, 0, 0 },		/* has no such PF any more */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(pfs_view_free) struct pfs_view *first = NULL, *kept = NULL, *last = NULL;
		const struct pfs_pf *was, *is;

		silent = "";
		later_ms = 0;
		first = look(NULL);
		assert_int_equal(first->n_pfs, 2);
		was = pfs_find(first, "nic0");
		silent = "nic0";
		fails = rows[i].rc;
		later_ms = rows[i].known_ms;
		kept = look(first);
		is = pfs_find(kept, "nic0");
		assert_int_equal(is != NULL, rows[i].known_ms > 0);
		if (is) {
			assert_int_equal(is->n_vfs, 4);
			assert_memory_equal(is->vfs, was->vfs, 4 * sizeof(*is->vfs));
			assert_int_equal(is->seen_ms, was->seen_ms);
		}
		later_ms = rows[i].gone_ms;
		last = look(kept);
		assert_null(pfs_find(last, "nic0"));
		/* Who answers is seen anew each time. */
		assert_true(pfs_find(last, "soft0")->seen_ms >= was->seen_ms + rows[i].gone_ms);
	}
	silent = "";
	later_ms = 0;
}

static void a_host_none_of_whose_pfs_is_known_is_told_why(void **state)
{
	struct pfs_view *view = NULL;
	struct err e = { 0 };

	silent = "nic0";
	fails = -ECONNREFUSED;
	assert_int_equal(pfs_observe(dir, "physnet1:nic0", NULL, &view, &e), -ECONNREFUSED);
	assert_string_equal(e.msg, "it says nothing");
	assert_null(view);
	silent = "";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_daemon_told_holds_while_it_says_nothing),
		cmocka_unit_test(a_host_none_of_whose_pfs_is_known_is_told_why),
	};

	return cmocka_run_group_tests_name("pfs", tests, setup, teardown);
}
