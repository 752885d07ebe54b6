/* SPDX-License-Identifier: Apache-2.0 */
/* base/fdstore: what is believed of the environment, and of descriptors that have a good name. */
#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fdstore.h"
#include "base/sock.h"

#define OURS	 "ours"
#define IN_CHILD 77 /* its exit code when all was well: no other way leads there */

/* Each life is a process: what was kept is read once. */
#define expect(what)                                                                               \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s: not so\n", __FILE__, __LINE__, #what);         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static char dir[] = "/tmp/anyvf-fdstore-XXXXXX";
static char manager_path[64], sock_path[64];

static void born(const char *pid, const char *fds, const char *names)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", getpid());
	setenv("LISTEN_PID", pid && !strcmp(pid, OURS) ? own : pid ?: "", 1);
	setenv("LISTEN_FDS", fds ?: "", 1);
	setenv("LISTEN_FDNAMES", names ?: "", 1);
	if (!pid)
		unsetenv("LISTEN_PID");
	if (!fds)
		unsetenv("LISTEN_FDS");
	if (!names)
		unsetenv("LISTEN_FDNAMES");
	fdstore_open();
}

/* Runs @life with nothing open past the standard ones. */
static void live(void (*life)(const void *arg), const void *arg)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		close_range(3, ~0u, 0);
		life(arg);
		_exit(IN_CHILD);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), IN_CHILD);
}

/* ---- the environment ---- */

static const struct env {
	const char *what, *pid, *fds, *names, *take;
	int fd; /* that comes of it; 0: none. 3 and 4 are open */
} envs[] = {
	{ "one", OURS, "1", "a", "a", 3 },
	{ "the second", OURS, "2", "a:b", "b", 4 },
	{ "the second of a name", OURS, "2", ":b", "b", 4 },
	{ "fewer names", OURS, "2", "a", "a", 3 },
	{ "more names", OURS, "1", "a:b:c", "b", 0 },
	{ "no names", OURS, "1", NULL, "a", 0 },
	{ "empty names", OURS, "2", ":", "a", 0 },
	{ "another name", OURS, "1", "ab", "a", 0 },
	{ "one that is not open", OURS, "3", "a:b:c", "c", 0 },
	{ "nothing", NULL, NULL, NULL, "a", 0 },
	{ "nobody's", NULL, "1", "a", "a", 0 },
	{ "another process's", "1", "1", "a", "a", 0 },
	{ "an empty process's", "", "1", "a", "a", 0 },
	{ "no process's", "self", "1", "a", "a", 0 },
	{ "a process of no machine", "99999999999999999999999", "1", "a", "a", 0 },
	{ "how many is not said", OURS, NULL, "a", "a", 0 },
	{ "none", OURS, "0", "a", "a", 0 },
	{ "less than none", OURS, "-1", "a", "a", 0 },
	{ "very many", OURS, "1000000", "a", "a", 0 },
	{ "more than there are numbers", OURS, "18446744073709551617", "a", "a", 0 },
	{ "a hexadecimal number", OURS, "0x1", "a", "a", 0 },
	{ "a number with a word", OURS, "1st", "a", "a", 0 },
	{ "a number with a space", OURS, " 1", "a", "a", 0 },
	{ "a number with a sign", OURS, "+1", "a", "a", 0 },
};

static void read_env(const void *arg)
{
	const struct env *v = arg;

	expect(open("/dev/null", O_RDONLY) == 3 && dup(3) == 4);
	born(v->pid, v->fds, v->names);
	expect(fdstore_take(v->take) == (v->fd ?: -1));
	expect(!v->fd || fcntl(v->fd, F_GETFD) == FD_CLOEXEC);
	expect(fdstore_take(v->take) == -1);
	expect(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	expect(!fdstore_keeps());
	fdstore_close();
}

static void the_environment_is_believed_as_far_as_it_is_ours(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(envs); i++) {
		print_message("  %s\n", envs[i].what);
		live(read_env, &envs[i]);
	}
}

static void nobodys(const void *arg)
{
	expect(open("/dev/null", O_RDONLY) == 3 && dup(3) == 4);
	born("1", "2", "a:b");
	fdstore_close();
	expect(fcntl(3, F_GETFD) == 0 && fcntl(4, F_GETFD) == 0);
}

static void what_is_not_ours_stays_as_it_is(void **state)
{
	live(nobodys, NULL);
}

static void several(const void *arg)
{
	char name[FDSTORE_NAME_LEN + 1], names[700];

	expect(open("/dev/null", O_RDONLY) == 3 && dup(3) == 4 && dup(3) == 5 && dup(3) == 6);
	snprintf(names, sizeof(names), "tap-1:%0300d:tap:tap-%0300d", 1, 2);
	born(OURS, "4", names);
	expect(fdstore_next("tap-", name) == 3 && !strcmp(name, "tap-1"));
	expect(fdstore_next("tap-", name) == -1);
	fdstore_close();
	expect(fcntl(3, F_GETFD) == FD_CLOEXEC);
	for (int fd = 4; fd < 7; fd++)
		expect(fcntl(fd, F_GETFD) == -1);
}

static void what_nobody_takes_is_closed_however_it_is_called(void **state)
{
	live(several, NULL);
}

static const struct who {
	const char *socket, *store;
	bool keeps;
} whos[] = { { NULL, NULL, false },	{ NULL, "4", false },	    { "/nowhere", NULL, false },
	     { "/nowhere", "", false }, { "/nowhere", "0", false }, { "/nowhere", "many", false },
	     { "/nowhere", "4", true } };

static void ask(const void *arg)
{
	const struct who *w = arg;

	setenv("NOTIFY_SOCKET", w->socket ?: "", 1);
	setenv("FDSTORE", w->store ?: "", 1);
	if (!w->socket)
		unsetenv("NOTIFY_SOCKET");
	if (!w->store)
		unsetenv("FDSTORE");
	born(NULL, NULL, NULL);
	expect(fdstore_keeps() == w->keeps && !getenv("FDSTORE"));
	fdstore_put("a", 0); /* nobody listens: nothing happens */
	fdstore_remove("a");
}

static void who_keeps_nothing_is_given_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(whos); i++)
		live(ask, &whos[i]);
}

/* ---- the service manager ---- */

static int manager_open(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, manager_path, sizeof(manager_path));
	unlink(manager_path);
	expect(!bind(fd, (struct sockaddr *)&at, sizeof(at)));
	setenv("NOTIFY_SOCKET", manager_path, 1);
	setenv("FDSTORE", "8", 1);
	return fd;
}

/* Whether it is told @words, with a descriptor if @with. */
static bool hears(int manager, const char *words, bool with)
{
	char got[400];
	unsigned int n_fds = 1;
	int fd = -1;
	ssize_t n = sock_recv_fds(manager, got, sizeof(got) - 1, &fd, &n_fds);

	got[MAX(n, 0)] = '\0';
	if (n_fds)
		close(fd);
	if (n > 0 && !strcmp(got, words) && n_fds == with)
		return true;
	fprintf(stderr, "heard \"%s\" with %u\n", got, n_fds);
	return false;
}

static bool silent(int manager)
{
	char byte;

	return recv(manager, &byte, 1, 0) < 0;
}

static void speak(const void *arg)
{
	int three = open("/dev/null", O_RDONLY), manager = manager_open();

	expect(three == 3);
	born(OURS, "1", "old");
	fdstore_put("new", 0);
	expect(hears(manager, "FDSTORE=1\nFDPOLL=0\nFDNAME=new", true));
	fdstore_remove("new");
	expect(hears(manager, "FDSTOREREMOVE=1\nFDNAME=new", false));
	fdstore_remove("");
	expect(silent(manager));
	fdstore_close();
	expect(hears(manager, "FDSTOREREMOVE=1\nFDNAME=old", false));
	expect(silent(manager) && fcntl(3, F_GETFD) == -1);
}

static void the_service_manager_is_told_what_to_keep_and_what_no_longer(void **state)
{
	live(speak, NULL);
}

/* ---- listeners ---- */

static struct sockaddr_in at_port(in_port_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = port,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* A socket on @port of loopback, 0: on any, which it gets. */
static int bound(int type, in_port_t *port)
{
	struct sockaddr_in at = at_port(*port);
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	expect(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	expect(!bind(fd, (struct sockaddr *)&at, sizeof(at)));
	expect(!getsockname(fd, (struct sockaddr *)&at, &size));
	*port = at.sin_port;
	return fd;
}

static int listening(in_port_t *port)
{
	int fd = bound(SOCK_STREAM, port);

	expect(!listen(fd, 1));
	return fd;
}

static bool is_reached(in_port_t port)
{
	struct sockaddr_in at = at_port(port);
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return !connect(fd, (struct sockaddr *)&at, sizeof(at));
}

static int connected(in_port_t port)
{
	struct sockaddr_in at = at_port(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(!connect(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

enum what {
	LISTENS,
	LISTENS_ELSEWHERE,
	LISTENS_V6,
	BOUND,
	DATAGRAMS,
	CONNECTED,
	ACCEPTED,
	UNIX,
	PIPE,
	FILE_,
	ABROAD
};

static int make(enum what what, in_port_t *port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	in_port_t other = 0;
	int fd, pair[2];

	switch (what) {
	case LISTENS:
		return listening(port);
	case LISTENS_ELSEWHERE:
		return listening(&other);
	case LISTENS_V6:
		v6.sin6_port = *port;
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(fd, (struct sockaddr *)&v6, sizeof(v6)) || listen(fd, 1))
			return close(fd), open("/dev/null", O_RDWR); /* no IPv6 here */
		return fd;
	case BOUND:
		return bound(SOCK_STREAM, port);
	case DATAGRAMS:
		return bound(SOCK_DGRAM, port);
	case CONNECTED:
	case ACCEPTED: /* it is at the same address and port as what accepted it */
		fd = listening(port);
		pair[0] = connected(*port);
		pair[1] = accept(fd, NULL, NULL);
		close(fd);
		return pair[what == ACCEPTED];
	case UNIX:
		return sock_listen_unix(sock_path, 0600, NULL);
	case PIPE:
		expect(!pipe(pair));
		return pair[0];
	case FILE_:
		return open("/dev/null", O_RDWR);
	case ABROAD:
		expect(!unshare(CLONE_NEWNET));
		return listening(port);
	}
	return -1;
}

/* At 3, and away from there. */
static void put_at(int fd, int want)
{
	if (fd == want)
		return;
	expect(dup2(fd, want) == want);
	close(fd);
}

static in_port_t some_port(void)
{
	in_port_t port = 0;

	close(bound(SOCK_STREAM, &port));
	return port;
}

static void look_at(const void *arg)
{
	const enum what *what = arg;
	in_port_t port = 0;
	struct sockaddr_in at;
	int manager, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	put_at(home, 10);
	put_at(make(*what, &port), 3);
	at = at_port(port = port ?: some_port());
	expect(*what != ABROAD || !setns(10, CLONE_NEWNET));
	manager = manager_open();
	born(OURS, "1", "api");
	fd = fdstore_listener("api", (struct sockaddr *)&at, sizeof(at), 7);
	if (*what == LISTENS) {
		expect(fd == 3 && fcntl(fd, F_GETFL) & O_NONBLOCK && is_reached(port));
		expect(silent(manager));
		return;
	}
	expect(fd == -1 && fcntl(3, F_GETFD) == -1);
	expect(hears(manager, "FDSTOREREMOVE=1\nFDNAME=api", false) && silent(manager));
	expect(*what == ABROAD || !is_reached(port));
	if (*what != DATAGRAMS)
		expect(listening(&port) >= 0); /* and the address is free */
}

static void only_a_listener_at_that_very_address_is_taken(void **state)
{
	for (enum what what = LISTENS; what <= ABROAD; what++) {
		if (what == ABROAD && (geteuid() || !sock_netns()))
			continue;
		print_message("  %u\n", what);
		live(look_at, &what);
	}
}

static void move(const void *arg)
{
	in_port_t old = 0, port = 0;
	struct sockaddr_in at;
	int manager;

	put_at(listening(&old), 3);
	put_at(dup(3), 11); /* as the service manager has it, until it hears that it is to go */
	put_at(listening(&port), 4);
	at = at_port(port);
	manager = manager_open();
	born(OURS, "2", "api:api");
	expect(is_reached(old));
	expect(fdstore_listener("api", (struct sockaddr *)&at, sizeof(at), 7) == 4);
	expect(!is_reached(old) && is_reached(port));
	expect(hears(manager, "FDSTOREREMOVE=1\nFDNAME=api", false));
	expect(hears(manager, "FDSTORE=1\nFDPOLL=0\nFDNAME=api", true) && silent(manager));
	expect(listening(&old) >= 0);
}

static void of_two_the_one_that_fits_is_taken_and_nobody_is_heard_at_the_other(void **state)
{
	live(move, NULL);
}

/* ---- Unix sockets ---- */

enum file { SAME, GONE, ANOTHERS, LINK, PLAIN, TYPE };

static void meet(const void *arg)
{
	const enum file *file = arg;
	char away[80];
	int manager, fd, next;
	auto_close int client = -1;
	struct stat st;

	put_at(sock_listen_unix(sock_path, 0600, NULL), 3);
	snprintf(away, sizeof(away), "%s-away", sock_path);
	if (*file != SAME && *file != TYPE)
		expect(!rename(sock_path, away));
	if (*file == ANOTHERS)
		put_at(sock_listen_unix(sock_path, 0600, NULL), 12);
	if (*file == LINK)
		expect(!symlink(away, sock_path));
	if (*file == PLAIN)
		close(open(sock_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	if (*file == TYPE)
		put_at(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 3);
	manager = manager_open();
	born(OURS, "1", "sock");
	fd = fdstore_listen_unix(sock_path, 0660, NULL);
	expect(fd >= 0 && fcntl(fd, F_GETFL) & O_NONBLOCK);
	if (*file != SAME) {
		expect(hears(manager, "FDSTOREREMOVE=1\nFDNAME=sock", false));
		expect(hears(manager, "FDSTORE=1\nFDPOLL=0\nFDNAME=sock", true));
	}
	expect(silent(manager) && (*file != SAME || fd == 3));
	expect(!lstat(sock_path, &st) && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0660);
	client = sock_connect_unix(sock_path, NULL);
	next = accept(fd, NULL, NULL);
	expect(client >= 0 && next >= 0);
	fdstore_unlink(sock_path);
	expect(!access(sock_path, F_OK)); /* it is kept, and its file with it */
}

static void who_connects_to_the_file_comes_to_the_socket_that_is_taken(void **state)
{
	char path[80];

	if (geteuid())
		skip();
	for (enum file file = SAME; file <= TYPE; file++) {
		print_message("  %u\n", file);
		unlink(sock_path);
		live(meet, &file);
	}
	unlink(sock_path);
	snprintf(path, sizeof(path), "%s-away", sock_path);
	unlink(path);
}

static void alone(const void *arg)
{
	unsetenv("NOTIFY_SOCKET");
	born(NULL, NULL, NULL);
	expect(fdstore_listen_unix(sock_path, 0600, NULL) == 3);
	fdstore_unlink(sock_path);
	expect(access(sock_path, F_OK) && errno == ENOENT);
}

static void without_a_service_manager_the_file_goes_with_the_socket(void **state)
{
	live(alone, NULL);
}

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return -1;
	snprintf(manager_path, sizeof(manager_path), "%s/notify", dir);
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(manager_path);
	unlink(sock_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_believed_as_far_as_it_is_ours),
		cmocka_unit_test(what_is_not_ours_stays_as_it_is),
		cmocka_unit_test(what_nobody_takes_is_closed_however_it_is_called),
		cmocka_unit_test(who_keeps_nothing_is_given_nothing),
		cmocka_unit_test(the_service_manager_is_told_what_to_keep_and_what_no_longer),
		cmocka_unit_test(only_a_listener_at_that_very_address_is_taken),
		cmocka_unit_test(
			of_two_the_one_that_fits_is_taken_and_nobody_is_heard_at_the_other),
		cmocka_unit_test(who_connects_to_the_file_comes_to_the_socket_that_is_taken),
		cmocka_unit_test(without_a_service_manager_the_file_goes_with_the_socket),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
