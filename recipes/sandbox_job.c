/* The life of a run.
 *
 * bwrap's outer process tells the number of the namespace's first process
 * (init), waits for the command, reports its exit status and ends, without
 * having waited for init. --die-with-parent then kills init, the kernel kills
 * and reaps the rest of the namespace, and only when all are gone can init
 * itself be reaped: by the helper, which is a subreaper and so init's new
 * parent. Hence a run has ended when both have been waited for, and init's
 * resource usage is that of the command and all it waited for.
 *
 * The outer process must not be killed before it told init's number: at that
 * time init waits for a word from it that would never come, and nothing kills
 * it. A stop that comes so early waits for the number.
 */
#include "recipes/sandbox_job.h"

#include "core/clock.h"
#include "recipes/sandbox_direct.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define MSEC	   (NSEC_PER_SEC / 1000)
#define WATCH_NS   (10 * MSEC) /* a shorter run is not watched */
#define RETRY_NS   MSEC
#define PATIENCE   NSEC_PER_SEC /* for init's number, when killing */
#define SIGNAL_MAX 64

static int64_t time_ns(const struct timeval *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_usec * 1000;
}

static void add_usage(struct job *j, const struct rusage *u)
{
	j->cpu_ns += time_ns(&u->ru_utime) + time_ns(&u->ru_stime);
	j->memory = (uint64_t)u->ru_maxrss << 10;
}

static int start_bwrap(struct job *j, const struct bwrap *b,
		       const struct streams *s, struct err *err)
{
	const struct sandbox_run *run = &j->asked.run;
	struct bwrap_command c;
	int rc;

	if (!b->path)
		return err_set(err, -ENOENT, "bwrap is not in PATH");
	if (b->filter_error)
		return err_set(err, b->filter_error,
			       "the filter of system calls cannot be made: "
			       "libseccomp: %s",
			       err_name(b->filter_error));
	rc = bwrap_command(b, run, &c);
	if (rc)
		return err_set(err, rc, "cannot prepare the sandbox: %s",
			       err_name(rc));
	j->report_fd = c.status_fd;
	rc = spawn_bwrap(b->path, c.argv, s, run->scratch_max, c.fds, c.n_fds,
			 &j->pid);
	bwrap_command_done(&c);
	return rc ? err_set(err, rc, "cannot start %s: %s", b->path,
			    err_name(rc))
		  : 0;
}

static int start_direct(struct job *j, const struct streams *s, struct err *err)
{
	struct direct d;
	int rc = direct_start(&j->asked.run, s, &d);

	if (rc)
		return err_set(err, rc, "cannot start a process: %s",
			       err_name(rc));
	j->pid = d.pid;
	j->report_fd = d.report_fd;
	j->control_fd = d.control_fd;
	return 0;
}

static int start(struct job *j, const struct bwrap *b, struct err *err)
{
	const struct sandbox_run *run = &j->asked.run;
	struct streams s;
	int rc = bwrap_check_run(run, err);

	if (!rc)
		rc = streams_open(run, &s, err);
	if (rc)
		return rc;
	s.nice = b->nice;
	j->start_ns = clock_mono_ns();
	j->watch_ns = j->start_ns + WATCH_NS;
	if (run->timeout_ns > 0 &&
	    __builtin_add_overflow(j->start_ns, run->timeout_ns,
				   &j->deadline_ns))
		j->deadline_ns = 0;
	rc = run->unsafe ? start_direct(j, &s, err)
			 : start_bwrap(j, b, &s, err);
	j->err_fd = steal_fd(&s.err);
	streams_close(&s);
	return rc;
}

int job_start(const struct bwrap *b, uint64_t id, struct wire_run *asked,
	      int wake, struct job **ret, struct err *err)
{
	struct job *j = calloc(1, sizeof(*j));
	int rc;

	if (!j) {
		wire_run_done(asked);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*j = (struct job){.id = id,
			  .asked = *asked,
			  .err_fd = -1,
			  .report_fd = -1,
			  .control_fd = -1,
			  .wake = wake};
	*asked = (struct wire_run){0};
	rc = start(j, b, err);
	if (rc) {
		job_free(j);
		return rc;
	}
	*ret = j;
	return 0;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	watch_free(j->watch);
	wire_run_done(&j->asked);
	close_fdp(&j->err_fd);
	close_fdp(&j->report_fd);
	close_fdp(&j->control_fd);
	free(j);
}

static void learn_init(struct job *j)
{
	if (j->init || j->asked.run.unsafe || j->report_fd < 0)
		return;
	bwrap_read_report(j->report_fd, &j->report);
	j->init = j->report.init;
}

static void kill_now(struct job *j)
{
	if (!j->pid)
		return;
	if (j->asked.run.unsafe) {
		close_fdp(&j->control_fd);
		j->control_fd = -1;
		return;
	}
	learn_init(j);
	if (j->init || clock_mono_ns() > j->kill_ns + PATIENCE)
		kill(j->pid, SIGKILL);
}

void job_kill(struct job *j, int why, const struct err *message)
{
	if (j->why)
		return;
	j->why = why;
	j->kill_ns = clock_mono_ns();
	if (message)
		j->message = *message;
	kill_now(j);
}

/* Its parent has ended, so it is this process's to wait for, if it was not
 * waited for already. */
static void end_init(struct job *j)
{
	struct rusage usage;
	pid_t pid;

	learn_init(j);
	if (!j->init || j->init_gone)
		return;
	pid = wait4(j->init, NULL, WNOHANG, &usage);
	if (!pid) {
		kill(j->init, SIGKILL);
		return;
	}
	if (pid > 0)
		add_usage(j, &usage);
	j->init_gone = true;
}

bool job_reaped(struct job *j, pid_t pid, int status,
		const struct rusage *usage)
{
	if (pid != j->pid) {
		learn_init(j);
		if (pid != j->init || j->init_gone)
			return false;
		add_usage(j, usage);
		j->init_gone = true;
		return true;
	}
	j->end_ns = clock_mono_ns();
	j->pid = 0;
	j->wait_status = status;
	if (!j->asked.run.unsafe) {
		if (!j->init_gone)
			add_usage(j, usage);
		else
			j->cpu_ns += time_ns(&usage->ru_utime) +
				     time_ns(&usage->ru_stime);
		end_init(j);
	}
	if (j->watch)
		watch_stop(j->watch, !j->why);
	return true;
}

static struct watch_spec watch_spec(const struct job *j)
{
	const struct sandbox_run *run = &j->asked.run;

	return (struct watch_spec){.top = run->unsafe ? j->pid : j->init,
				   .memory = run->memory,
				   .bytes = run->scratch_max,
				   .written = {run->scratch, run->stdout_path,
					       run->stderr_path},
				   .own_root = !run->unsafe,
				   .wake = j->wake};
}

static void begin_watch(struct job *j, int64_t now)
{
	struct watch_spec spec;
	struct err e;
	int rc;

	learn_init(j);
	if (!j->init && !j->asked.run.unsafe) {
		j->watch_ns = now + RETRY_NS;
		return;
	}
	spec = watch_spec(j);
	rc = watch_start(&spec, &j->watch);
	if (rc == -ENOTSUP)
		err_set(&e, rc,
			"limits cannot be kept: this kernel has no "
			"/proc/PID/task/TID/children");
	else if (rc)
		err_set(&e, rc, "limits cannot be kept: %s", err_name(rc));
	if (rc)
		job_kill(j, rc, &e);
}

void job_tick(struct job *j, int64_t now)
{
	char limit[32];
	struct err e;
	int rc;

	if (!j->pid)
		return;
	rc = j->watch ? watch_verdict(j->watch, &e) : 0;
	if (rc)
		job_kill(j, rc, &e);
	if (j->deadline_ns && now >= j->deadline_ns && !j->why) {
		duration_format(j->asked.run.timeout_ns, limit, sizeof(limit));
		err_set(&e, 0, "ran longer than %s", limit);
		job_kill(j, -ETIMEDOUT, &e);
	}
	if (j->why)
		kill_now(j);
	else if (!j->watch && now >= j->watch_ns)
		begin_watch(j, now);
}

int64_t job_next_ns(const struct job *j)
{
	int64_t next = INT64_MAX;

	if (!j->pid)
		return next;
	if (j->why) /* until the number is there, or the kill has worked */
		return clock_mono_ns() + RETRY_NS;
	if (j->deadline_ns)
		next = j->deadline_ns;
	return j->watch ? next : MIN(next, j->watch_ns);
}

bool job_settled(struct job *j)
{
	return !j->pid && (!j->init || j->init_gone) &&
	       (!j->watch || watch_ended(j->watch));
}

static void set_message(struct sandbox_status *st, const char *text)
{
	size_t n = MIN(strlen(text), sizeof(st->message) - 1);

	memcpy(st->message, text, n);
	st->message[n] = '\0';
}

static void exec_failed(struct job *j, const char *reason, bool absent,
			struct sandbox_status *st)
{
	struct err e;

	st->error = 0;
	st->exit_code = absent ? 127 : 126;
	err_set(&e, 0, "cannot execute %.150s: %s", j->asked.run.argv[0],
		reason);
	set_message(st, e.msg);
	if (ftruncate(j->err_fd, 0) < 0 || lseek(j->err_fd, 0, SEEK_SET) < 0 ||
	    dprintf(j->err_fd, "%s\n", st->message) < 0)
		return; /* nobody but the reader of that file could be told */
}

/* The command was never started, so all of standard error is bwrap's. */
static void bwrap_failed(struct job *j, struct sandbox_status *st)
{
	static const int codes[] = {ENOENT, EPERM, EACCES, EINVAL,
				    ENOSPC, E2BIG, ENOMEM};
	char text[1024], *reason;
	ssize_t n = pread(j->err_fd, text, sizeof(text) - 1, 0);
	size_t i;

	text[MAX(n, 0)] = '\0';
	n = (ssize_t)strlen(text);
	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	st->error = -EIO;
	reason = strrchr(text, ':');
	reason = reason ? reason + 1 + (reason[1] == ' ') : text;
	for (i = 0; i < ARRAY_LEN(codes); i++)
		if (!strcmp(reason, err_name(codes[i])))
			st->error = -codes[i];
	if (!strncmp(text, "bwrap: execvp ", 14) && st->error != -E2BIG)
		exec_failed(j, reason, st->error == -ENOENT, st);
	else if (n)
		set_message(st, text);
	else if (WIFSIGNALED(j->wait_status))
		snprintf(st->message, sizeof(st->message),
			 "bwrap was killed by signal %d",
			 WTERMSIG(j->wait_status));
	else
		set_message(st, "bwrap ended without a word");
}

static void bwrap_ended(struct job *j, struct sandbox_status *st)
{
	int code;

	bwrap_read_report(j->report_fd, &j->report);
	code = j->report.exit_code;
	if (code < 0) {
		bwrap_failed(j, st);
	} else if (code > 128 && code <= 128 + SIGNAL_MAX) {
		st->exit_signal = code - 128;
	} else {
		st->exit_code = code;
	}
}

static void direct_ended(struct job *j, struct sandbox_status *st)
{
	struct direct_report r;

	if (read(j->report_fd, &r, sizeof(r)) != sizeof(r)) {
		st->error = -EIO;
		set_message(st, "the command's supervisor died");
		return;
	}
	add_usage(j, &r.usage);
	if (r.exec_error) {
		exec_failed(j, err_name(r.exec_error), r.exec_error == -ENOENT,
			    st);
	} else if (r.error) {
		st->error = r.error;
		snprintf(st->message, sizeof(st->message),
			 "cannot start the command: %s", err_name(r.error));
	} else if (WIFSIGNALED(r.status)) {
		st->exit_signal = WTERMSIG(r.status);
	} else {
		st->exit_code = WEXITSTATUS(r.status);
	}
}

/* A command that reached the limit of a file may have been killed for it, or
 * have ended by itself. */
static void judge_bytes(struct job *j, struct sandbox_status *st)
{
	uint64_t max = j->asked.run.scratch_max, used = 0;
	struct watch_spec spec = watch_spec(j);
	bool failed = st->exit_code != 0;
	struct err e;
	int rc;

	if (!max || st->error)
		return;
	rc = j->watch ? watch_verdict(j->watch, &e) : 0;
	if (!rc && (failed || !j->watch) &&
	    written_bytes(&spec.written, NULL, &used) == -EOVERFLOW)
		used = UINT64_MAX;
	if (!rc && (used > max || (failed && used >= max) ||
		    st->exit_signal == SIGXFSZ))
		rc = written_too_much(max, &e);
	if (!rc)
		return;
	st->error = rc;
	set_message(st, e.msg);
}

void job_status(struct job *j, struct sandbox_status *ret)
{
	struct sandbox_status st = {.exit_code = -1};

	if (j->asked.run.unsafe)
		direct_ended(j, &st);
	else
		bwrap_ended(j, &st);
	judge_bytes(j, &st);
	if (j->why) {
		st.error = j->why;
		set_message(&st, j->message.msg);
	}
	if (st.error)
		st.exit_code = -1;
	st.wall_ns = j->end_ns - j->start_ns;
	st.cpu_ns = j->cpu_ns;
	st.memory = j->memory;
	*ret = st;
}
