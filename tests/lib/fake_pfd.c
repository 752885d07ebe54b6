/* SPDX-License-Identifier: Apache-2.0 */
/* fake_pfd SOCKET: a daemon of fake PFs for tests of the CLI and the agent. Ends with SIGTERM. */
#include <signal.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "lib/fake_pf.h"

static void on_term(void *arg)
{
	loop_stop(arg);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	auto_of(fake_pfs_free) struct fake_pfs *pfs = fake_pfs_new();
	auto_of(loop_free) struct loop *loop = loop_new(&e);
	auto_of(ctl_server_free) struct ctl_server *srv = NULL;

	if (argc != 2 || !loop || ctl_serve(loop, argv[1], &fake_pf_ops, pfs, &srv, &e) ||
	    loop_signal_add(loop, SIGTERM, on_term, loop)) {
		fprintf(stderr, "usage: fake_pfd SOCKET\n%s\n", e.msg);
		return 1;
	}
	return loop_run(loop) ? 1 : 0;
}
