/* recipes/sandbox_bwrap.h - how bubblewrap is asked, and what it answers.
 *
 * Everything that a command can see is decided in sandbox_bwrap.c; whoever
 * changes it raises SANDBOX_VERSION (recipes/canon.h).
 */
#ifndef RECIPES_SANDBOX_BWRAP_H
#define RECIPES_SANDBOX_BWRAP_H

#include "core/buf.h"
#include "recipes/sandbox.h"

#include <sys/types.h>

/* What is the same for all runs: the program, and the arguments that describe
 * this machine. */
struct bwrap {
	char *path; /* NULL: not in PATH */
	struct buf args, net_args;
	struct buf filter[2]; /* of system calls; [1] with the network */
	int filter_error;     /* it could not be made: nothing runs */
	int nice; /* of commands; the helper may have raised its own */
};

int bwrap_init(struct bwrap *b) MUST_USE;
void bwrap_done(struct bwrap *b);

/* Wrong paths, environment or arguments: -EINVAL, -E2BIG with a message. */
int bwrap_check_run(const struct sandbox_run *run, struct err *err) MUST_USE;

struct bwrap_command {
	char **argv; /* of bwrap itself; the strings are the run's or `text` */
	char text[2][16];
	int fds[8]; /* to be kept open in it, and closed here */
	size_t n_fds;
	int status_fd; /* bwrap's reports, without waiting */
};

/* Takes a checked run. */
int bwrap_command(const struct bwrap *b, const struct sandbox_run *run,
		  struct bwrap_command *ret) MUST_USE;
void bwrap_command_done(struct bwrap_command *c);

struct bwrap_report {
	pid_t init;    /* first process of the pid namespace; 0: none yet */
	int exit_code; /* -1: none, so the command has not been started */
	char text[512];
	size_t len;
};

/* Reads what there is. */
void bwrap_read_report(int status_fd, struct bwrap_report *r);

/* Bytes that /tmp and /dev/shm may take each; 0: the system's default. */
uint64_t bwrap_tmp_size(const struct sandbox_run *run);

#endif
