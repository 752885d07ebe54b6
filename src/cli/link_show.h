/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of `link show` share: link_show.c has the PFs, link_vf.c their VFs. */
#ifndef ANYVF_CLI_LINK_SHOW_H
#define ANYVF_CLI_LINK_SHOW_H

#include "cli/cli.h"

/* Line break, or what -o prints instead. */
static inline const char *eol(const struct cli *cli)
{
	return cli->oneline ? "\\" : "\n";
}

/* With -N, names of numbers are not told. */
static inline const char *link_type(const struct cli *cli)
{
	return cli->numeric ? "[1]" : "ether"; /* ARPHRD_ETHER */
}

static inline void put_int(json_t *j, const char *key, uint64_t value)
{
	json_object_set_new(j, key, json_integer((json_int_t)value));
}

static inline void put_str(json_t *j, const char *key, const char *value)
{
	json_object_set_new(j, key, json_string(value));
}

void link_print_num(const struct cli *cli, int width, uint64_t n);
void link_print_vf(const struct cli *cli, unsigned int vf, const struct vf_info *info);
json_t *link_vf_json(const struct cli *cli, unsigned int vf, const struct vf_info *info);

#endif
