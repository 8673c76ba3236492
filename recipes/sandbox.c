/* The daemon's side: frames out under a lock, answers in by one thread, which
 * is started with the first run (a daemon may still fork between sandbox_open
 * and that).
 *
 * A helper that was killed takes its runs with it; the next run has another one
 * started. That is this program anew (sandbox_helper.h), since a fork of many
 * threads has the locks of those that are not in it, and the daemon's memory.
 * Runs belong to a generation, that of their helper. */
#include "recipes/sandbox.h"

#include "core/map.h"
#include "recipes/sandbox_helper.h"
#include "recipes/sandbox_remedy.h"
#include "recipes/sandbox_wire.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct pending {
	void (*done)(void *ctx, const struct sandbox_status *st);
	void *ctx;
	unsigned generation;
};

struct sandbox {
	pthread_mutex_t send_lock; /* one frame at a time; before lock */
	pthread_mutex_t lock;	   /* guards what follows; sock and generation
				    * change with both held */
	pthread_cond_t revived;	   /* or closing */
	int sock;
	pid_t helper;
	unsigned generation;
	struct map *pending; /* by id */
	uint64_t last_id;
	pthread_t reader;
	bool has_reader, closing;
	bool dead;		    /* the helper of this generation */
	pthread_mutex_t check_lock; /* guards what follows */
	bool checked;
	int check_rc;
	struct err check_message;
};

/* With all signals blocked, until the helper has said what it does with them:
 * one for the whole process group must not end it meanwhile. */
static pid_t fork_helper(int sock)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (!pid)
		helper_main(sock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

/* The same while there are threads. The link leads to this program also when
 * its file was replaced or removed. */
static pid_t spawn_helper(int sock)
{
	char name[] = HELPER_NAME;
	char *argv[] = {name, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all;
	pid_t pid = -1;
	int rc;

	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	rc = posix_spawn_file_actions_adddup2(&files, sock, HELPER_FD);
	if (!rc)
		rc = posix_spawnattr_setsigmask(&attr, &all);
	if (!rc)
		rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = posix_spawn(&pid, "/proc/self/exe", &files, &attr, argv,
				 environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	errno = rc;
	return rc ? -1 : pid;
}

static int start_helper(struct sandbox *s, pid_t (*start)(int sock),
			struct err *err)
{
	int fds[2], rc = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set(err, -errno, "socketpair: %s", err_name(errno));
	s->helper = start(fds[1]);
	if (s->helper < 0) {
		rc = err_set(err, -errno, "a process: %s", err_name(errno));
		close(fds[0]);
	}
	close(fds[1]);
	s->sock = fds[0];
	return rc;
}

int sandbox_open(struct sandbox **ret, struct err *err)
{
	struct sandbox *s = calloc(1, sizeof(*s));
	int rc;

	if (s)
		s->pending = map_new();
	rc = s && s->pending ? start_helper(s, fork_helper, err)
			     : err_set(err, -ENOMEM, "out of memory");
	if (rc) {
		if (s)
			map_free(s->pending);
		free(s);
		return rc;
	}
	pthread_mutex_init(&s->send_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->revived, NULL);
	pthread_mutex_init(&s->check_lock, NULL);
	*ret = s;
	return 0;
}

/* Until it has ended, and with it all that it ran; it is left to be waited
 * for. */
static void await_helper(pid_t helper)
{
	siginfo_t si;
	int rc;

	do
		rc = waitid(P_PID, (id_t)helper, &si, WEXITED | WNOWAIT);
	while (rc < 0 && errno == EINTR);
}

/* The helper itself may be a child of a process that has ended (a daemon that
 * forked after opening): then there is nothing to wait for. */
static void end_helper(pid_t helper)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(helper, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid > 0 && status)
		log_error("the sandbox's helper failed (wait status %d)",
			  status);
}

void sandbox_close(struct sandbox *s)
{
	bool has_reader;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	has_reader = s->has_reader;
	shutdown(s->sock, SHUT_WR);
	pthread_cond_broadcast(&s->revived);
	pthread_mutex_unlock(&s->lock);
	if (has_reader)
		pthread_join(s->reader, NULL);
	if (s->helper > 0)
		end_helper(s->helper);
	close(s->sock);
	map_free(s->pending);
	pthread_cond_destroy(&s->revived);
	pthread_mutex_destroy(&s->send_lock);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->check_lock);
	free(s);
}

static void finish(struct sandbox *s, uint64_t id,
		   const struct sandbox_status *st)
{
	struct pending *p;

	pthread_mutex_lock(&s->lock);
	p = map_del_u64(s->pending, id);
	pthread_mutex_unlock(&s->lock);
	if (!p)
		return;
	p->done(p->ctx, st);
	free(p);
}

static bool any_pending(struct sandbox *s, unsigned generation, uint64_t *ret)
{
	const void *key;
	size_t it = 0, len;
	void *value;
	bool any = false;

	pthread_mutex_lock(&s->lock);
	while (!any && map_next(s->pending, &it, &key, &len, &value))
		any = ((struct pending *)value)->generation == generation;
	if (any)
		memcpy(ret, key, sizeof(*ret));
	pthread_mutex_unlock(&s->lock);
	return any;
}

/* The helper is gone, and with it all that it ran. */
static void finish_all(struct sandbox *s, unsigned generation)
{
	struct sandbox_status st = {.error = -ECANCELED, .exit_code = -1};
	uint64_t id;

	pthread_mutex_lock(&s->lock);
	if (s->generation == generation)
		s->dead = true;
	if (!s->closing) {
		st.error = -EPIPE;
		snprintf(st.message, sizeof(st.message),
			 "the sandbox's helper died");
	}
	pthread_mutex_unlock(&s->lock);
	if (st.error == -EPIPE)
		log_error("the sandbox's helper died");
	while (any_pending(s, generation, &id))
		finish(s, id, &st);
}

static void read_to_the_end(struct sandbox *s, int sock)
{
	struct wire_in in = {0};
	struct sandbox_status st;
	enum wire_kind kind;
	struct cur body;
	uint64_t id;
	int rc = 0;

	while (rc >= 0 && wire_fill(&in, sock) > 0)
		while ((rc = wire_next(&in, &kind, &id, &body)) > 0) {
			rc = wire_get_status(&body, &st);
			if (rc < 0)
				break;
			finish(s, id, &st);
		}
	wire_in_done(&in);
}

static void *read_answers(void *arg)
{
	struct sandbox *s = arg;
	unsigned generation;
	pid_t helper;
	int sock;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		sock = s->sock;
		generation = s->generation;
		helper = s->helper;
		pthread_mutex_unlock(&s->lock);
		read_to_the_end(s, sock);
		shutdown(sock, SHUT_RDWR);
		await_helper(helper);
		finish_all(s, generation);
		pthread_mutex_lock(&s->lock);
		while (!s->closing && s->generation == generation)
			pthread_cond_wait(&s->revived, &s->lock);
		if (s->generation == generation)
			break;
		pthread_mutex_unlock(&s->lock);
		end_helper(helper);
		close(sock);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Another helper in place of that generation's, unless that was done. */
static int revive(struct sandbox *s, unsigned generation)
{
	struct sandbox fresh = {.sock = -1};
	struct err err = {{0}};
	int rc = 0;

	pthread_mutex_lock(&s->send_lock);
	pthread_mutex_lock(&s->lock);
	if (s->closing) {
		rc = -EPIPE;
	} else if (s->generation == generation) {
		rc = start_helper(&fresh, spawn_helper, &err);
		if (rc) {
			log_error("the sandbox's helper: %s", err.msg);
		} else {
			/* the reader comes to its end, and closes it */
			shutdown(s->sock, SHUT_RDWR);
			s->sock = fresh.sock;
			s->helper = fresh.helper;
			s->generation++;
			s->dead = false;
			pthread_cond_broadcast(&s->revived);
		}
	}
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->send_lock);
	return rc;
}

/* With all signals blocked: they are the main thread's. */
static int start_reader(struct sandbox *s)
{
	sigset_t all, old;
	int rc;

	if (s->has_reader)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&s->reader, NULL, read_answers, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->has_reader = !rc;
	return -rc;
}

static int send_frame(struct sandbox *s, const struct buf *b,
		      unsigned generation)
{
	size_t at = 0;
	ssize_t n;
	int rc = buf_err(b);

	pthread_mutex_lock(&s->send_lock);
	if (!rc && s->generation != generation)
		rc = -EPIPE;
	while (!rc && at < b->len) {
		n = send(s->sock, b->data + at, b->len - at, MSG_NOSIGNAL);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			rc = -EPIPE;
	}
	pthread_mutex_unlock(&s->send_lock);
	return rc;
}

/* Takes p when it succeeds: the reader may have freed it by then. */
static int expect(struct sandbox *s, struct pending *p, uint64_t *ret_id,
		  unsigned *ret_generation)
{
	uint64_t id;
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = s->closing ? -ECANCELED : s->dead ? -EPIPE : start_reader(s);
	*ret_generation = p->generation = s->generation;
	if (!rc) {
		id = s->last_id + 1;
		rc = map_put_u64(s->pending, id, p);
	}
	if (!rc)
		*ret_id = s->last_id = id;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* -EPIPE: that generation's helper is gone. */
static int try_start(struct sandbox *s, const struct sandbox_run *run,
		     struct pending like, uint64_t *ret_id,
		     unsigned *ret_generation)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct pending *p = malloc(sizeof(*p));
	uint64_t id;
	int rc;

	if (!p)
		return -ENOMEM;
	*p = like;
	rc = expect(s, p, &id, ret_generation);
	if (rc) {
		free(p);
		return rc;
	}
	wire_put_start(&b, id, run);
	rc = b.len > WIRE_MAX ? -E2BIG : send_frame(s, &b, *ret_generation);
	if (rc) {
		pthread_mutex_lock(&s->lock);
		p = map_del_u64(s->pending, id);
		pthread_mutex_unlock(&s->lock);
		/* Else done was called, by the reader at the end. */
		if (p) {
			free(p);
			return rc;
		}
	}
	*ret_id = id;
	return 0;
}

int sandbox_start(struct sandbox *s, const struct sandbox_run *run,
		  void (*done)(void *ctx, const struct sandbox_status *st),
		  void *ctx, uint64_t *ret_id)
{
	struct pending like = {.done = done, .ctx = ctx};
	unsigned generation;
	int rc = try_start(s, run, like, ret_id, &generation);

	if (rc != -EPIPE)
		return rc;
	rc = revive(s, generation);
	return rc ? rc : try_start(s, run, like, ret_id, &generation);
}

void sandbox_stop(struct sandbox *s, uint64_t id)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	unsigned generation;

	pthread_mutex_lock(&s->lock);
	generation = s->generation;
	pthread_mutex_unlock(&s->lock);
	wire_put_stop(&b, id);
	if (send_frame(s, &b, generation))
		log_debug("stop %llu: the sandbox's helper is gone",
			  (unsigned long long)id);
}

struct check {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	struct sandbox_status st;
};

static void check_done(void *ctx, const struct sandbox_status *st)
{
	struct check *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->st = *st;
	c->done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static int run_check(struct sandbox *s, struct err *err)
{
	char name[] = "true";
	char *argv[] = {name, NULL};
	struct sandbox_run run = {.argv = argv,
				  .timeout_ns = 10 * NSEC_PER_SEC};
	struct check c = {.lock = PTHREAD_MUTEX_INITIALIZER,
			  .cond = PTHREAD_COND_INITIALIZER};
	uint64_t id;
	int rc = sandbox_start(s, &run, check_done, &c, &id);

	if (rc)
		return err_set(err, rc, "the sandbox's helper: %s",
			       err_name(rc));
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.cond, &c.lock);
	pthread_mutex_unlock(&c.lock);
	if (c.st.error || c.st.exit_code)
		return sandbox_remedy(&c.st, err);
	return 0;
}

int sandbox_check(struct sandbox *s, struct err *err)
{
	int rc;

	pthread_mutex_lock(&s->check_lock);
	if (!s->checked) {
		s->check_rc = run_check(s, &s->check_message);
		s->checked = true;
	}
	rc = s->check_rc;
	if (rc)
		err_set(err, rc, "%s", s->check_message.msg);
	pthread_mutex_unlock(&s->check_lock);
	return rc;
}
