/* recipes/sandbox.h - run a command in bubblewrap, from a helper process.
 *
 * The helper is started before the daemon grows and spawns from its main
 * thread (--die-with-parent fires when the spawning thread ends; a fork of a
 * large process is slow). The daemon talks to it over a socketpair; any number
 * of runs at once. When the helper is killed so is what it runs, and the next
 * run starts another one.
 *
 * A command sees: the machine's programs (/usr and its links), a few named
 * files of /etc, an empty /tmp (a tmpfs), /proc of its own pid namespace, a
 * minimal /dev, its inputs read-only under /w (working directory: /w and one
 * /d for each level) and /r, and its scratch at /o. Nothing else: no network,
 * no home, no other process, no capability, the environment that is given;
 * and no system call that reaches beyond that (recipes/sandbox_seccomp.h).
 * With the network, also the few files of /etc that resolving and TLS take.
 *
 * Limits kept by sampling (recipes/sandbox_watch.h): memory, bytes written,
 * number of processes. Kept by the kernel: time, no core files, 1024 open
 * files (the hard limit lets a command raise it), size of one file, of /tmp
 * and of /dev/shm.
 *
 * Threads: start, stop and check from any thread; open and close from one.
 * `done` may start and stop runs, not close.
 */
#ifndef RECIPES_SANDBOX_H
#define RECIPES_SANDBOX_H

#include "core/err.h"

#include <stdbool.h>

struct sandbox;

/* Forks the helper. Call while the process is small and single-threaded, and
 * after the environment's PATH is final: bwrap is looked for there. The
 * helper leaves the session and keeps no inherited descriptor, standard error
 * included. */
int sandbox_open(struct sandbox **ret, struct err *err) MUST_USE;
/* Kills what runs, calls every done that is due (-ECANCELED), ends the
 * helper. */
void sandbox_close(struct sandbox *s);
CLEANUP_FN(struct sandbox, sandbox_close)

/* Whether bubblewrap works here, found out once by running `true`; the
 * message names the remedy. */
int sandbox_check(struct sandbox *s, struct err *err) MUST_USE;

/* Paths are absolute, or the run ends with -EINVAL. */
struct sandbox_run {
	const char *inputs;	 /* directory bound to /w, NULL: an empty one */
	const char *root;	 /* directory bound to /r, NULL: empty */
	unsigned depth;		 /* levels of /d below /w */
	const char *scratch;	 /* directory bound to /o, writable; or NULL */
	const char *stdout_path; /* files made or truncated by the helper; */
	const char *stderr_path; /* the same path: one file; NULL: nowhere */
	char *const *argv;	 /* NULL-terminated, no string over 128 KiB */
	char *const *envp;	 /* NAME=VALUE; PWD is added */
	int64_t timeout_ns;	 /* 0: none */
	uint64_t memory;	 /* bytes of the whole process tree; 0: none */
	uint64_t scratch_max;	 /* bytes under /o, stdout, stderr; 0: none */
	bool network;
	bool unsafe; /* no bubblewrap: the command runs with all rights of
		      * this process, in inputs/d/d..., or in scratch when
		      * there are no inputs. Limits, environment and the
		      * end of strays are as ever. */
};

struct sandbox_status {
	int error;	 /* 0: it ran. Else -errno: could not be started,
			  * -ETIMEDOUT, -ENOMEM over memory, -EFBIG over
			  * scratch_max, -EAGAIN too many processes,
			  * -E2BIG arguments too long, -ECANCELED stopped,
			  * -EPIPE the helper died */
	int exit_code;	 /* -1: killed by signal, or error is set; 127: argv[0]
			  * was not found, 126: it is no program (message) */
	int exit_signal; /* 0: none. bubblewrap reports signal N as exit
			  * 128+N, as a shell does: the two are one here */
	int64_t wall_ns, cpu_ns;
	uint64_t memory;   /* peak resident bytes of the largest process */
	char message[256]; /* why it could not be started or was killed; ""
			    * when there is nothing to say */
};

/* Starts a run; `done` is called once, from the sandbox's own thread, when no
 * process of the run is left. Returns an id for sandbox_stop. The strings are
 * copied. -E2BIG: all strings together pass 64 MiB; -EPIPE: the helper died,
 * and so did the next; -ECANCELED: it is being closed; what else is wrong with
 * a run comes through `done`, with a message. */
int sandbox_start(struct sandbox *s, const struct sandbox_run *run,
		  void (*done)(void *ctx, const struct sandbox_status *st),
		  void *ctx, uint64_t *ret_id) MUST_USE;
/* SIGKILL for the whole pid namespace; done still comes (-ECANCELED). An id
 * whose run has ended is ignored. */
void sandbox_stop(struct sandbox *s, uint64_t id);

#endif
