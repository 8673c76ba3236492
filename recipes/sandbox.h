/* recipes/sandbox.h - run a command in bubblewrap, from a helper process.
 *
 * The helper is started before the daemon grows and spawns from its main
 * thread (--die-with-parent fires when the spawning thread ends; a fork of a
 * large process is slow). The daemon talks to it over a socketpair; any number
 * of runs at once.
 *
 * A command sees: the machine's programs (/usr and its links), a few named
 * files of /etc, an empty /tmp (a tmpfs), /proc of its own pid namespace, a
 * minimal /dev, its inputs read-only under /w (working directory: /w and one
 * /d for each level) and /r, and its scratch at /o. Nothing else: no network,
 * no home, no other process, no capability, the environment that is given.
 *
 * Threads: sandbox_start from any thread.
 */
#ifndef RECIPES_SANDBOX_H
#define RECIPES_SANDBOX_H

#include "core/err.h"

#include <stdbool.h>

struct sandbox;

/* Forks the helper. Call while the process is small and single-threaded. */
int sandbox_open(struct sandbox **ret, struct err *err) MUST_USE;
/* Kills what runs, ends the helper. */
void sandbox_close(struct sandbox *s);
CLEANUP_FN(struct sandbox, sandbox_close)

/* Whether bubblewrap works here, found out once by running `true`; the
 * message names the remedy. */
int sandbox_check(struct sandbox *s, struct err *err) MUST_USE;

struct sandbox_run {
	const char *inputs;	 /* directory bound to /w, NULL: an empty one */
	const char *root;	 /* directory bound to /r, NULL: none */
	unsigned depth;		 /* levels of /d below /w */
	const char *scratch;	 /* directory bound to /o, writable */
	const char *stdout_path; /* files made or truncated by the helper */
	const char *stderr_path;
	char *const *argv; /* NULL-terminated */
	char *const *envp;
	int64_t timeout_ns;   /* 0: none */
	uint64_t memory;      /* bytes of the whole process tree; 0: none */
	uint64_t scratch_max; /* bytes under /o and of stdout; 0: none */
	bool network;
};

struct sandbox_status {
	int error;	 /* 0: it ran. Else -errno: could not be started,
			  * -ETIMEDOUT, -ENOMEM over memory, -EFBIG over scratch_max,
			  * -ECANCELED stopped */
	int exit_code;	 /* -1: killed by signal */
	int exit_signal; /* 0: none */
	int64_t wall_ns, cpu_ns;
	uint64_t memory;   /* peak resident bytes of the largest process */
	char message[256]; /* why it could not be started */
};

/* Starts a run; `done` is called once, from the sandbox's own thread, when no
 * process of the run is left. Returns an id for sandbox_stop. The strings are
 * copied. */
int sandbox_start(struct sandbox *s, const struct sandbox_run *run,
		  void (*done)(void *ctx, const struct sandbox_status *st),
		  void *ctx, uint64_t *ret_id) MUST_USE;
/* SIGKILL for the whole pid namespace; done still comes (-ECANCELED). */
void sandbox_stop(struct sandbox *s, uint64_t id);

#endif
