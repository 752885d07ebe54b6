/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line `anyvf`: what all its objects share. Options, the words
 * still to read, the texts iproute2 refuses with, and the way to the daemons.
 */
#ifndef ANYVF_CLI_CLI_H
#define ANYVF_CLI_CLI_H

#include "ctl/ctl.h"

/* Exit codes, iproute2's. */
enum { CLI_OK = 0, CLI_FAIL = 1, CLI_KERNEL = 2, CLI_USAGE = 255 };

/* `ip link set`: what of a line is for the netdev of a PF. Words are borrowed from the line. */
struct netdev_words {
	bool there; /* the PF has one */
	char **words;
	unsigned int n;
	json_t *told; /* the request that the switch was sent, NULL: none */
};

/* One run of the program: its options, and its words in order. */
struct cli {
	bool json, pretty, details, oneline, brief;
	bool human, iec,
		numeric; /* ip's alone: numbers with a prefix, of 1024; no names of numbers */
	struct netdev_words *netdev; /* NULL: words for a netdev are refused */
	unsigned int stats;	     /* how often -s was given */
	char *const *words;	     /* next word; ends with NULL */
	const char *run_dir;	     /* of the daemons' sockets */
	char *const *argv;	     /* the whole line, as main() has it */
};

/* A command of an object: `anyvf pf add ...`. */
struct cli_command {
	const char *word;
	int (*run)(struct cli *cli); /* words start behind it; answers the exit code */
};

/* An object of the command line: `anyvf pf ...`. Help and completion are read from the rows. */
struct cli_object {
	const char *word;
	const struct cli_command *commands; /* ends with word NULL; "show" if none is given */
	int (*run)(struct cli *cli);	    /* instead of commands: words start behind the object */
	const char *help;		    /* one line */
	const char *usage;		    /* `anyvf OBJECT help` */
	const struct field *fields;	    /* table of its words, may be NULL */
	uint32_t words;			    /* bit i: row i is one of them */
	const char *more;		    /* further words, for completion; may be NULL */
	bool own_options;		    /* what begins with a dash behind it is a word */
	bool abbreviates;		    /* object and commands, as iproute2 does */
	bool verbatim;			    /* "help" behind it is a word as well */
};
extern const struct cli_object cli_objects[]; /* ends with word NULL */
extern const struct cli_command cli_pf_commands[], cli_vf_commands[], cli_mirror_commands[],
	cli_svc_commands[];

int cli_main(int argc, char *const argv[]);

/* args.c: words and refusals */
const char *cli_next(struct cli *cli);
bool cli_accept(struct cli *cli, const char *word);
bool cli_matches(const char *prefix, const char *word);
bool cli_u32(const char *text, uint32_t *out);
bool cli_int(const char *text, int *out);
size_t cli_lladdr(const char *text, uint8_t out[32]);
int cli_incomplete(void);
int cli_wrong(const char *arg, const char *why);
int cli_end(struct cli *cli);
int cli_missing(const char *key);
int cli_garbage(const char *key, const char *arg);
int cli_duplicate(const char *key, const char *arg);
int cli_unknown(const char *object, const char *command);
int cli_error(const struct err *e);

/* reach.c: the daemons */
int cli_call_pf(struct cli *cli, const char *pf, const char *method, json_t *params,
		json_t **result, struct err *e);
int cli_call_of(struct cli *cli, const char *pf, const char *method, json_t *params,
		json_t **result, struct err *e);
int cli_call_any(struct cli *cli, const char *method, json_t *params, json_t **result,
		 struct err *e);
int cli_call_hw(struct cli *cli, const char *method, json_t *params, json_t **result,
		struct err *e);
int cli_call_all(struct cli *cli, const char *method, json_t **results, struct err *e);

/* program.c */
bool cli_program(const char *name, char *out, size_t size);

/* out.c: JSON as iproute2 writes it */
int cli_print_json(const struct cli *cli, const json_t *value);
json_t *cli_fields_json(const struct field *fields, const void *obj, uint32_t changed);

/* link_words.c: words of ip-link(8) that are none of ours */
enum { LINK_WORD_REST = 1000 }; /* it takes the rest of the line */
unsigned int cli_netdev_word(const char *word);
unsigned int cli_show_word(const char *word);

/* the objects: link_set.c, link_show.c, link_vf.c, link_twins.c, noun.c, noun_mirror.c, discover.c, top.c, up.c, status.c */
int cli_link_set(struct cli *cli);
bool cli_is_vf_word(const char *word);
int cli_link_show(struct cli *cli);
int cli_link_append(struct cli *cli, const json_t *names, json_t *list);
int cli_link_vfs(struct cli *cli, const char *pf, json_t *vfinfo);
int cli_ip(struct cli *cli);
void cli_warn_twins(const struct cli *cli, const char *pf, const struct vf_info *infos, size_t n);
int cli_capture(struct cli *cli);
int cli_pf_discover(struct cli *cli);
int cli_top(struct cli *cli);
int cli_metrics(struct cli *cli); /* metrics.c */
int cli_bugreport(struct cli *cli); /* bugreport.c */
int cli_web(struct cli *cli); /* web.c */
int cli_export(struct cli *cli); /* hostfile.c */
int cli_diff(struct cli *cli);
int cli_apply(struct cli *cli); /* apply.c */
int cli_confirm(struct cli *cli);
int cli_revert(struct cli *cli);
int cli_up(struct cli *cli);
int cli_down(struct cli *cli);
int cli_status(struct cli *cli);
int cli_console(struct cli *cli);
int cli_lab(struct cli *cli); /* lab.c */
int cli_host_list(struct cli *cli); /* host.c, host_add.c */
int cli_host_add(struct cli *cli);
int cli_host_disable(struct cli *cli);
int cli_host_enable(struct cli *cli);
int cli_host_drain(struct cli *cli);
int cli_host_remove(struct cli *cli);
int cli_store_copy(struct cli *cli); /* store.c */

#endif
