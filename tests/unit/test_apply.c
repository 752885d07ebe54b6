/* SPDX-License-Identifier: Apache-2.0 */
/* A change that waits, in a daemon that is a table: what it refuses, and where memory ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "ctl/apply.h"
#include "ctl/host.h"

#define VFS    4
#define NAME   "p"
#define NOBODY (-1)

/* Of a daemon: what it has, and what is in its state file. */
static struct table {
	struct vf_config vfs[VFS];
	json_t *kept;
	const char *dir;  /* of decisions */
	int no_memory_at; /* verbs until there is none; NOBODY */
	bool never;	  /* none at all */
	int full_at;	  /* and writes until the disk is full */
} t;

static char dir[] = "/dev/shm/test_apply.XXXXXX", elsewhere[64];

static int pf_list(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max)
{
	snprintf(out[0], PF_NAME_LEN + 1, NAME);
	return 1;
}

static int pf_get(void *ctx, const char *pf, struct pf_info *out, struct err *e)
{
	*out = (struct pf_info){ 0 };
	pf_config_default(&out->config);
	snprintf(out->config.name, sizeof(out->config.name), NAME);
	out->config.numvfs = VFS;
	return 0;
}

static int vf_get(void *ctx, const char *pf, unsigned int vf, struct vf_info *out, struct err *e)
{
	*out = (struct vf_info){ .config = t.vfs[vf] };
	return 0;
}

static int pf_set(void *ctx, const char *pf, const struct pf_change *change, struct err *e)
{
	struct pf_info info;

	pf_get(NULL, NAME, &info, NULL);
	if (!ctx && (t.never || (t.no_memory_at != NOBODY && t.no_memory_at-- == 0)))
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; !ctx && i < change->n_vfs; i++) {
		struct vf_config *is = &t.vfs[change->vfs[i].vf], was = *is;

		assert_int_equal(vf_change_apply(&was, &change->vfs[i], &info.config, is, e), 0);
	}
	return 0;
}

static int svc_get(void *ctx, unsigned int i, struct svc_config *out)
{
	return -ENOENT;
}

static int mirror_get(void *ctx, unsigned int i, struct mirror_info *out)
{
	return -ENOENT;
}

static const json_t *kept(void *ctx)
{
	return t.kept;
}

static int keep(void *ctx, const json_t *kept, struct err *e)
{
	if (t.full_at != NOBODY && t.full_at-- == 0)
		return err_set(e, -ENOSPC, "no space");
	json_decref(t.kept);
	t.kept = json_deep_copy(kept);
	return 0;
}

static void bracket(void *ctx, const json_t *back)
{
}

static json_t *own(void *ctx)
{
	return json_object();
}

static void *trial(void *ctx)
{
	return &t; /* pf_set() does nothing there */
}

static void trial_end(void *copy)
{
}

static int decide(void *ctx, const char *id, enum decision want, enum decision *is, struct err *e)
{
	return decision_take(t.dir, id, want, is, e);
}

static void attach_plain(void *ctx, const char *pf, unsigned int vf, struct vf_attach *a)
{
}

static const struct pf_batch_ops batch = { .kept = kept,
					   .keep = keep,
					   .begin = bracket,
					   .end = bracket,
					   .own = own,
					   .trial = trial,
					   .trial_end = trial_end,
					   .decide = decide,
					   .attach_plain = attach_plain };
static const struct pf_ops ops = { .kind = "fake",
				   .pf_list = pf_list,
				   .pf_get = pf_get,
				   .pf_set = pf_set,
				   .vf_get = vf_get,
				   .svc_get = svc_get,
				   .mirror_get = mirror_get,
				   .batch = &batch };

static int make(void **state)
{
	json_decref(t.kept);
	t = (struct table){ .dir = dir, .no_memory_at = NOBODY, .full_at = NOBODY };
	for (unsigned int i = 0; i < VFS; i++)
		vf_config_default(&t.vfs[i]);
	return 0;
}

/* Two VFs get VLANs, which is two verbs at most. */
static int ask_for(const char *id, bool joined, bool dry, struct err *e)
{
	auto_of(json_decref) json_t *host =
		json_pack("{s:{s:{s:i, s:{s:{s:i}, s:{s:i}}}}, s:{}}", "pfs", NAME, "numvfs", VFS,
			  "vfs", "0", "vlan", 5, "1", "vlan", 6, "mirrors");
	struct apply_ask ask = {
		.parts = 2, .seconds = 60, .joined = joined, .dry = dry, .host = host
	};

	snprintf(ask.id, sizeof(ask.id), "%s", id);
	return apply_begin(&ops, NULL, &ask, e);
}

static int begin(const char *id, bool joined, struct err *e)
{
	return ask_for(id, joined, false, e);
}

static int judge_only(const char *id, bool joined, struct err *e)
{
	return ask_for(id, joined, true, e);
}

static bool as_before(void)
{
	return !t.vfs[0].vlan && !t.vfs[1].vlan;
}

static void what_is_taken_back_without_memory_is_taken_back_later(void **state)
{
	auto_of(json_decref) json_t *told = NULL;
	struct err e = { 0 };

	assert_int_equal(begin("00000000000a", false, &e), 0);
	assert_false(as_before());
	t.no_memory_at = 0;
	assert_int_equal(apply_end(&ops, NULL, "00000000000a", false, &told, &e), 0);
	assert_false(json_is_true(json_object_get(told, "kept")));
	assert_false(as_before());
	assert_int_equal(apply_may_change(&ops, NULL, &e), -EBUSY);
	assert_int_equal(apply_settle(&ops, NULL, &e), 0);
	assert_true(as_before());
	assert_int_equal(apply_may_change(&ops, NULL, &e), 0);
}

static void what_has_never_enough_memory_is_passed_over_some_day(void **state)
{
	auto_of(json_decref) json_t *told = NULL;
	struct err e = { 0 };
	unsigned int tries = 0;

	assert_int_equal(begin("00000000000e", false, &e), 0);
	t.never = true; /* as a driver that says so of what it cannot do */
	assert_int_equal(apply_end(&ops, NULL, "00000000000e", false, &told, &e), 0);
	while (apply_may_change(&ops, NULL, &e) && tries++ < 100)
		apply_settle(&ops, NULL, &e);
	assert_in_range(tries, 2, 60);
}

static void what_fails_and_is_without_memory_is_taken_back_later(void **state)
{
	struct err e = { 0 };

	t.full_at = 1;	    /* when all is done */
	t.no_memory_at = 1; /* the verb back */
	assert_int_equal(begin("00000000000b", false, &e), -ENOSPC);
	assert_false(as_before());
	assert_int_equal(apply_may_change(&ops, NULL, &e), -EBUSY);
	assert_int_equal(apply_settle(&ops, NULL, &e), 0);
	assert_true(as_before());
	assert_int_equal(apply_may_change(&ops, NULL, &e), 0);
}

static void decisions_of_another_place_are_nobodys(void **state)
{
	struct err e = { 0 };

	assert_int_equal(begin("00000000000c", true, &e), -EXDEV);
	t.full_at = 0; /* nothing was begun */
	assert_int_equal(judge_only("0000000000cc", true, &e), -EXDEV);
	assert_int_equal(judge_only("00000000000f", false, &e), 0);
	assert_int_equal(judge_only("00000000000f", true, &e), 0);
	t.full_at = NOBODY;
	e = (struct err){ 0 };
	assert_int_equal(begin("0000000000cd", true, &e), -EXDEV);
	assert_non_null(strstr(e.msg, "--state"));
	assert_true(as_before());
	assert_int_equal(apply_may_change(&ops, NULL, &e), 0);
	/* The other daemon has begun. */
	assert_int_equal(decide(NULL, "00000000000d", DECISION_READY, &(enum decision){ 0 }, &e),
			 0);
	t.dir = elsewhere;
	assert_int_equal(begin("00000000000d", true, &e), -EXDEV);
	assert_true(as_before());
	t.dir = dir;
	assert_int_equal(begin("00000000000d", true, &e), 0);
	assert_false(as_before());
}

static void what_was_leased_since_is_asked_for_as_it_is(void **state)
{
	auto_of(json_decref) json_t *is =
		json_pack("{s:{s:{}}, s:{s:{s:s}}}", "pfs", NAME, "leased", NAME, "1", "port");
	auto_of(json_decref) json_t *was =
		json_pack("{s:{s:{}}, s:{s:{s:{s:[s], s:[s]}}}}", "pfs", NAME, "unasked", NAME,
			  "vfs", "0", "vlan", "1", "mac");

	host_align(is, was, true, NULL);
	assert_int_not_equal(host_unasked(was, NAME, "1"), 0);
	host_align(is, was, false, NULL);
	assert_int_equal(host_unasked(was, NAME, "1"), 0);
	assert_int_equal(host_unasked(was, NAME, "0"), 1U << VF_FIELD_VLAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_taken_back_without_memory_is_taken_back_later, make),
		cmocka_unit_test_setup(what_has_never_enough_memory_is_passed_over_some_day, make),
		cmocka_unit_test_setup(what_fails_and_is_without_memory_is_taken_back_later, make),
		cmocka_unit_test(what_was_leased_since_is_asked_for_as_it_is),
		cmocka_unit_test_setup(decisions_of_another_place_are_nobodys, make),
	};
	char remove[128];
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(t.kept);
	snprintf(remove, sizeof(remove), "rm -r %s", dir);
	return system(remove) ?: rc;
}
