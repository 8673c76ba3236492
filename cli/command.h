/* cli/command.h - what a command is, and the options all of them share.
 *
 * One command a file, cmd_NAME.c, which defines `cmd_NAME`; main.c lists them.
 * A command returns the exit status of the program: 0 done, 1 failed. Wrong
 * usage (2) never returns: usage_error() ends the process.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "core/macros.h"

#include <getopt.h>
#include <stdbool.h>

/* What was said before and among the options of any command. */
struct cli {
	const char *store;  /* --store DIR, or NULL */
	const char *branch; /* --branch NAME, or NULL; with --store */
	bool json;
};

struct command {
	const char *name;
	const char *args;    /* as in the synopsis: "[-n] PATH..." */
	const char *summary; /* half a line */
	const char *help;    /* what --help says below the synopsis */
	const char *shorts;  /* for getopt, without --help's */
	const struct option *longs;
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* Elements of a command's `longs`; the last one ends the list. */
#define OPT_STORE                                      \
	{"store", required_argument, NULL, 'S'},       \
	{                                              \
		"branch", required_argument, NULL, 'B' \
	}
#define OPT_JSON                               \
	{                                      \
		"json", no_argument, NULL, 'J' \
	}
#define OPT_END                           \
	{"help", no_argument, NULL, 'h'}, \
	{                                 \
		NULL, 0, NULL, 0          \
	}

extern const struct command cmd_branch, cmd_build, cmd_cat, cmd_diff, cmd_drop,
	cmd_forget, cmd_fsck, cmd_functions, cmd_gc, cmd_graph, cmd_head,
	cmd_log, cmd_merge, cmd_mount, cmd_output, cmd_pin, cmd_pins, cmd_prove,
	cmd_put, cmd_resolve, cmd_restore, cmd_retry, cmd_run, cmd_snapshot,
	cmd_status, cmd_umount, cmd_unpin, cmd_verify, cmd_verify_proof,
	cmd_watch, cmd_why;

/* The next option that is the command's own, or -1: the operands start at
 * optind. --help is answered, --store and --json are noted in cli, and what is
 * unknown or lacks its argument is a usage error. */
int next_option(const struct command *c, struct cli *cli, int argc,
		char **argv);
/* Fails unless there are at least min and at most max operands (max < 0: any
 * number). Returns how many. */
int count_operands(const struct command *c, int argc, int min, int max);

void print_help(const struct command *c);
NORETURN void usage_error(const struct command *c, const char *fmt, ...)
	PRINTF(2, 3);

#endif
