/* SPDX-License-Identifier: Apache-2.0 */
/* "PF N", which most commands of VFs begin with, and the end of a line. */
#include "cli/noun.h"

/**
 * noun_read_vf() - Take "PF N" from the line
 * @cli: run
 * @pf:  gets the PF's name
 * @vf:  gets the VF's number
 *
 * Return: CLI_OK, or the exit code of a refusal that has been printed.
 */
int noun_read_vf(struct cli *cli, const char **pf, uint32_t *vf)
{
	const char *number;

	*pf = cli_next(cli);
	number = cli_next(cli);
	if (!*pf || !number)
		return cli_incomplete();
	if (!cli_u32(number, vf) || *vf >= VF_MAX)
		return cli_wrong(number, "not the number of a VF");
	return CLI_OK;
}

/**
 * noun_call_vf() - A verb that wants no more than "PF N", which end the line
 * @cli:    words start at PF
 * @method: the verb's, see ctl/ctl.h
 * @pf:     gets the PF's name, borrowed from the line
 * @vf:     gets N
 * @got:    gets a new reference to what was answered, or NULL if not wanted
 *
 * Return: the exit code; what was wrong is told.
 */
int noun_call_vf(struct cli *cli, const char *method, const char **pf, uint32_t *vf, json_t **got)
{
	struct err e = { 0 };
	int rc = noun_read_vf(cli, pf, vf);

	if (!rc)
		rc = cli_end(cli);
	if (rc)
		return rc;
	rc = cli_call_pf(cli, *pf, method, json_pack("{s:i}", "vf", (int)*vf), got, &e);
	return rc ? cli_error(&e) : CLI_OK;
}
