/* recipes/sandbox_job.h - one run, as the helper keeps it.
 *
 * Threads: the helper's main thread only.
 */
#ifndef RECIPES_SANDBOX_JOB_H
#define RECIPES_SANDBOX_JOB_H

#include "recipes/sandbox_bwrap.h"
#include "recipes/sandbox_watch.h"
#include "recipes/sandbox_wire.h"

#include <sys/resource.h>

struct job {
	struct job *next; /* the helper's */
	uint64_t id;
	struct wire_run asked;
	pid_t pid;  /* bwrap, or the supervisor; 0: it has ended */
	pid_t init; /* of the pid namespace; 0: not known, or none */
	bool init_gone;
	int err_fd;	/* standard error */
	int report_fd;	/* what bwrap or the supervisor tells */
	int control_fd; /* the supervisor's life line, else -1 */
	struct bwrap_report report;
	int wait_status; /* of pid */
	int64_t start_ns, end_ns, deadline_ns, watch_ns, kill_ns;
	int64_t cpu_ns;
	uint64_t memory;
	int why; /* it was killed for: -errno, with the message */
	struct err message;
	struct watch *watch;
	int wake; /* borrowed */
};

/* Takes what `asked` owns, on failure too. */
int job_start(const struct bwrap *b, uint64_t id, struct wire_run *asked,
	      int wake, struct job **ret, struct err *err) MUST_USE;
void job_free(struct job *j);

/* SIGKILL for all its processes; the first reason counts. */
void job_kill(struct job *j, int why, const struct err *message);
/* A child was waited for. True when it was this job's. */
bool job_reaped(struct job *j, pid_t pid, int status,
		const struct rusage *usage);
/* What is due by now: the time limit, the watch, its verdict. */
void job_tick(struct job *j, int64_t now);
/* When job_tick has something to do; INT64_MAX: never. */
int64_t job_next_ns(const struct job *j);
/* No process is left, nothing looks at its files. */
bool job_settled(struct job *j);
/* How a settled job went. */
void job_status(struct job *j, struct sandbox_status *ret);

#endif
