/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf: the command line people and scripts use; see anyvf(8). */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
