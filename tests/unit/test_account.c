/* SPDX-License-Identifier: Apache-2.0 */
/* base/account: who may be had, and what changes hands. What becomes of a process: test_house.py. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/account.h"
#include "base/file.h"

static const struct account some = { .name = "some", .uid = 54321, .gid = 54322 };
static const char *const names[] = { "tree", "link", "absent", NULL };

static void missing_account_is_told_with_its_command(void **state)
{
	struct account a = { .uid = 7 };
	struct err e = { 0 };

	assert_int_equal(account_find("no-such-account", &a, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "useradd"));
	assert_non_null(strstr(e.msg, "nologin no-such-account"));
	assert_int_equal(account_find("root", &a, NULL), -EINVAL);
	assert_int_equal(a.uid, 7);
	assert_int_equal(account_find("nobody", &a, NULL), 0);
	assert_string_equal(a.name, "nobody");
	assert_int_not_equal(a.uid, 0);
}

/* A directory with tree/file (root's), tree/his (another's), link -> /etc/passwd and else. */
static void make_tree(char dir[64])
{
	char path[128];

	if (geteuid())
		skip();
	strcpy(dir, "/tmp/anyvf-account-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/tree", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/tree/file", dir);
	assert_int_equal(file_replace(path, "", 0, 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/tree/his", dir);
	assert_int_equal(file_replace(path, "", 0, 0600, NULL), 0);
	assert_int_equal(chown(path, 777, 777), 0);
	snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/else", dir);
	assert_int_equal(file_replace(path, "", 0, 0600, NULL), 0);
}

static uid_t owner(const char *dir, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void remove_tree(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static void named_entries_of_roots_change_hands_and_nothing_else(void **state)
{
	char dir[64];
	struct stat st;

	make_tree(dir);
	assert_int_equal(account_give(dir, names, 0711, &some, NULL), 0);
	assert_int_equal(owner(dir, ""), some.uid);
	assert_int_equal(owner(dir, "tree"), some.uid);
	assert_int_equal(owner(dir, "tree/file"), some.uid);
	assert_int_equal(owner(dir, "tree/his"), 777);
	assert_int_equal(owner(dir, "link"), some.uid);
	assert_int_equal(owner(dir, "else"), 0);
	assert_int_equal(owner("/etc", "passwd"), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	remove_tree(dir);
	make_tree(dir);
	assert_int_equal(account_give(dir, NULL, 0711, &some, NULL), 0);
	assert_int_equal(owner(dir, "else"), some.uid);
	assert_int_equal(owner(dir, "tree/his"), 777);
	remove_tree(dir);
}

static void second_name_of_a_file_is_refused_and_the_directory_stays(void **state)
{
	char dir[64], from[128], to[128];
	struct err e = { 0 };

	make_tree(dir);
	snprintf(from, sizeof(from), "%s/else", dir);
	snprintf(to, sizeof(to), "%s/tree/second", dir);
	assert_int_equal(link(from, to), 0);
	assert_int_equal(account_give(dir, names, 0711, &some, &e), -EMLINK);
	assert_non_null(strstr(e.msg, dir));
	assert_int_equal(owner(dir, "else"), 0);
	assert_int_equal(owner(dir, ""), 0);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(account_give(dir, names, 0711, &some, NULL), 0); /* what was begun, ends */
	assert_int_equal(owner(dir, ""), some.uid);
	remove_tree(dir);
}

static void directory_of_everybody_or_another_is_not_given(void **state)
{
	char dir[64];

	make_tree(dir);
	assert_int_equal(chmod(dir, 01777), 0);
	assert_int_equal(account_give(dir, names, 0711, &some, NULL), -EPERM);
	assert_int_equal(chmod(dir, 0755) | chown(dir, 777, 777), 0);
	assert_int_equal(account_give(dir, names, 0711, &some, NULL), -EPERM);
	assert_int_equal(owner(dir, "tree/file"), 0);
	assert_int_equal(chown(dir, some.uid, 0), 0); /* had already: not walked again */
	assert_int_equal(account_give(dir, names, 0711, &some, NULL), 0);
	assert_int_equal(owner(dir, "tree/file"), 0);
	remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_account_is_told_with_its_command),
		cmocka_unit_test(named_entries_of_roots_change_hands_and_nothing_else),
		cmocka_unit_test(second_name_of_a_file_is_refused_and_the_directory_stays),
		cmocka_unit_test(directory_of_everybody_or_another_is_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
