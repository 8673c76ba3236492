/* One thread, never blocked: requests, ended children and watches are events,
 * answers wait in a buffer when the daemon does not read. No path of a run is
 * opened here but its scratch and its streams, which lie on a disk; what may
 * lie in the daemon's own mount is opened by bwrap, or by the command.
 *
 * The daemon's death is the end of the socket. The helper's death is told to
 * bwrap by PR_SET_PDEATHSIG, and to supervisors by their control pipe. In the
 * one or two milliseconds while bwrap starts that does not reach its inner
 * process, which asks to die with its parent only then; it would wait for a
 * word from bwrap for ever, and keep every mount of the machine busy. So a
 * guard stands between the daemon and the helper (sandbox_guard.h). */
#include "recipes/sandbox_helper.h"

#include "core/clock.h"
#include "recipes/sandbox_guard.h"
#include "recipes/sandbox_job.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SOCK_FD	    HELPER_FD
#define SHUT_DOWN   (2 * NSEC_PER_SEC) /* for processes that hang in a mount */
#define HELPER_LEAD 10

struct helper {
	int sig_fd, wake;
	int guard; /* readable: it is gone */
	int sock;  /* -1: shutting down */
	struct bwrap bwrap;
	struct job *jobs;
	struct wire_in in;
	struct buf out;
	size_t sent;
};

static void answer(struct helper *h, uint64_t id,
		   const struct sandbox_status *st)
{
	wire_put_status(&h->out, id, st);
}

static void start_job(struct helper *h, uint64_t id, struct cur *body)
{
	struct sandbox_status st = {.exit_code = -1};
	struct wire_run asked;
	struct err e = {0};
	struct job *j;

	st.error = wire_get_run(body, &asked);
	if (st.error)
		err_set(&e, 0, "the request did not arrive: %s",
			err_name(st.error));
	else
		st.error = job_start(&h->bwrap, id, &asked, h->wake, &j, &e);
	if (st.error) {
		snprintf(st.message, sizeof(st.message), "%.*s",
			 (int)sizeof(st.message) - 1, e.msg);
		answer(h, id, &st);
		return;
	}
	j->next = h->jobs;
	h->jobs = j;
}

static void stop_job(struct helper *h, uint64_t id)
{
	struct job *j;

	for (j = h->jobs; j; j = j->next)
		if (j->id == id)
			job_kill(j, -ECANCELED, NULL);
}

/* -EPIPE when the daemon is gone. */
static int take_requests(struct helper *h)
{
	ssize_t n = wire_fill(&h->in, h->sock);
	enum wire_kind kind;
	struct cur body;
	uint64_t id;
	int rc;

	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return -EPIPE;
	while ((rc = wire_next(&h->in, &kind, &id, &body)) > 0) {
		if (kind == WIRE_START)
			start_job(h, id, &body);
		else if (kind == WIRE_STOP)
			stop_job(h, id);
	}
	return rc;
}

static int send_answers(struct helper *h)
{
	ssize_t n;

	if (h->out.failed)
		return -ENOMEM;
	while (h->sent < h->out.len) {
		n = send(h->sock, h->out.data + h->sent, h->out.len - h->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		h->sent += (size_t)n;
	}
	buf_reset(&h->out);
	h->sent = 0;
	return 0;
}

static bool is_ours(const struct helper *h, pid_t pid)
{
	const struct job *j;

	for (j = h->jobs; j; j = j->next)
		if (j->pid == pid || j->init == pid)
			return true;
	return false;
}

/* A namespace whose bwrap was killed by somebody else before it told the
 * number (sandbox_job.c): its init waits for ever, as a child of ours. */
static void kill_orphans(const struct helper *h)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		if (!is_ours(h, pid))
			kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

static void reap(struct helper *h)
{
	struct signalfd_siginfo si;
	struct rusage usage;
	bool lost = false;
	struct job *j;
	int status;
	pid_t pid;

	if (read(h->sig_fd, &si, sizeof(si)) < 0 && errno != EAGAIN)
		return;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		for (j = h->jobs; j; j = j->next)
			if (job_reaped(j, pid, status, &usage)) {
				lost |= !j->pid && !j->init &&
					!j->asked.run.unsafe;
				break;
			}
	if (lost)
		kill_orphans(h);
}

static void settle(struct helper *h)
{
	struct sandbox_status st;
	struct job **at = &h->jobs, *j;

	while ((j = *at)) {
		if (!job_settled(j)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		job_status(j, &st);
		answer(h, j->id, &st);
		job_free(j);
	}
}

static int64_t tick(struct helper *h)
{
	int64_t now = clock_mono_ns(), next = INT64_MAX;
	struct job *j;

	for (j = h->jobs; j; j = j->next) {
		job_tick(j, now);
		next = MIN(next, job_next_ns(j));
	}
	return next;
}

static int wait_until(struct helper *h, int64_t ns, struct pollfd p[4])
{
	int64_t left = MAX(ns - clock_mono_ns(), INT64_C(0));
	struct timespec t = {.tv_sec = left / NSEC_PER_SEC,
			     .tv_nsec = left % NSEC_PER_SEC};
	eventfd_t n;

	p[0] = (struct pollfd){.fd = h->sock, .events = POLLIN};
	if (h->sent < h->out.len)
		p[0].events |= POLLOUT;
	p[1] = (struct pollfd){.fd = h->sig_fd, .events = POLLIN};
	p[2] = (struct pollfd){.fd = h->wake, .events = POLLIN};
	p[3] = (struct pollfd){.fd = h->sock < 0 ? -1 : h->guard,
			       .events = POLLIN};
	if (ppoll(p, 4, ns == INT64_MAX ? NULL : &t, NULL) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[2].revents)
		eventfd_read(h->wake, &n);
	if (p[1].revents)
		reap(h);
	return 0;
}

static void serve(struct helper *h)
{
	struct pollfd p[4];

	for (;;) {
		if (wait_until(h, tick(h), p) || p[3].revents)
			return;
		settle(h);
		if (p[0].revents & ~POLLOUT && take_requests(h))
			return;
		settle(h);
		if (send_answers(h))
			return;
	}
}

static void shut_down(struct helper *h)
{
	int64_t end = clock_mono_ns() + SHUT_DOWN, now;
	struct pollfd p[4];
	struct job *j;

	h->sock = -1;
	for (j = h->jobs; j; j = j->next)
		job_kill(j, -ECANCELED, NULL);
	while (h->jobs && (now = clock_mono_ns()) < end) {
		if (wait_until(h, MIN(tick(h), end), p))
			break;
		settle(h);
	}
	for (j = h->jobs; j; j = j->next)
		if (j->pid && !j->asked.run.unsafe)
			kill(j->pid, SIGKILL);
}

static void set_signals(void)
{
	static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,	 SIGQUIT,
				      SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t chld;
	size_t i;

	sigaction(SIGCHLD, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	for (i = 0; i < ARRAY_LEN(ignored); i++)
		sigaction(ignored[i], &sa, NULL);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
}

static int open_events(struct helper *h)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	h->sig_fd = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	h->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return h->sig_fd < 0 || h->wake < 0 ? -errno : 0;
}

/* Nothing of the daemon's stays open: neither its mount and store, nor the
 * terminal or pipe of whoever started it. */
static int leave_daemon(int sock)
{
	struct rlimit files;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	sock = fcntl(sock, F_DUPFD, SOCK_FD + 1);
	if (null < 0 || sock < 0)
		return -errno;
	for (i = 0; i < SOCK_FD; i++)
		if (dup2(null, i) < 0)
			return -errno;
	if (dup2(sock, SOCK_FD) < 0 ||
	    fcntl(SOCK_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(SOCK_FD, F_SETFL, O_NONBLOCK) < 0 ||
	    close_range(SOCK_FD + 1, ~0U, 0) < 0 || chdir("/") < 0)
		return -errno;
	setsid();
	umask(022);
	prctl(PR_SET_NAME, HELPER_NAME);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

/* A fork bomb has thousands of processes to run when the helper wants to end
 * it; where that is allowed (root) the helper goes first. */
static int raise_priority(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);

	setpriority(PRIO_PROCESS, 0, nice - HELPER_LEAD);
	return nice;
}

void helper_main(int sock)
{
	struct helper h = {.sock = SOCK_FD};

	if (leave_daemon(sock))
		_exit(1);
	set_signals();
	if (guard_start(SOCK_FD, &h.guard) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || open_events(&h) ||
	    bwrap_init(&h.bwrap))
		_exit(1);
	h.bwrap.nice = raise_priority();
	serve(&h);
	shut_down(&h);
	_exit(0);
}

/* Before main(), which knows nothing of this. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
	struct stat st;

	if (argc == 1 && !strcmp(argv[0], HELPER_NAME) &&
	    !fstat(HELPER_FD, &st) && S_ISSOCK(st.st_mode))
		helper_main(HELPER_FD);
}
