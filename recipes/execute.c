/* Executing: a canonical computation to a result.
 *
 * A function runs here, in the thread that calls; a command in the sandbox,
 * while this thread waits. Output goes to a private scratch directory in the
 * store and becomes a blob only when the command succeeded, so nothing
 * half-made can be seen or found.
 */
#include "recipes/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "cas/blob.h"
#include "core/clock.h"
#include "recipes/dir_out.h"
#include "recipes/dir_take.h"
#include "recipes/function.h"
#include "recipes/machine.h"
#include "recipes/run_env.h"
#include "recipes/scratch_pool.h"

/* Of what a command prints, the first and the last part are kept. */
#define TEXT_HEAD KIB(64)
#define TEXT_TAIL KIB(192)

/* --- what the command said ---------------------------------------------- */

static int add_part(struct buf *out, int fd, off_t off, size_t n)
{
	uint8_t *p = buf_room(out, n);
	ssize_t got;

	if (!p)
		return -ENOMEM;
	got = pread(fd, p, n, off);
	if (got < 0)
		return -errno;
	out->len += (size_t)got;
	return 0;
}

static int add_text(struct buf *out, int dirfd, const char *name)
{
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((uint64_t)st.st_size <= TEXT_HEAD + TEXT_TAIL)
		return add_part(out, fd, 0, (size_t)st.st_size);
	r = add_part(out, fd, 0, TEXT_HEAD);
	if (r < 0)
		return r;
	buf_fmt(out, "\n[... %llu bytes left out ...]\n",
		(unsigned long long)((uint64_t)st.st_size - TEXT_HEAD -
				     TEXT_TAIL));
	return add_part(out, fd, st.st_size - (off_t)TEXT_TAIL, TEXT_TAIL);
}

/* The last line that says something, for one-line messages. */
static void last_words(const struct buf *text, char *ret, size_t size)
{
	const char *p = buf_cstr(text), *end = p + text->len, *start;

	while (end > p && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	for (start = end; start > p && start[-1] != '\n'; start--)
		;
	snprintf(ret, size, "%.*s", (int)MIN(end - start, (ptrdiff_t)200),
		 start);
	/* it goes to terminals, which must not obey it */
	for (; *ret; ret++)
		if ((unsigned char)*ret < 0x20 || *ret == 0x7f)
			*ret = '?';
}

static int keep_text(struct eval *ev, const struct buf *text,
		     struct result *ret)
{
	if (!text->len)
		return 0;
	ret->text_size = text->len;
	return blob_put(ev->store, text->data, text->len, &ret->text);
}

/* Objects are put from now on, and the rows come later. */
static void take_in(struct eval *ev, struct task *j)
{
	j->ticket = store_enter(ev->store);
	j->taking = true;
}

/* --- functions ---------------------------------------------------------- */

/* Its inputs, without those that stand for an empty list. */
static struct fn_input *fn_inputs(const struct task *j, size_t *ret_count)
{
	struct fn_input *v = calloc(j->ninputs + 1, sizeof(*v));
	const struct canon_input *in;
	size_t i, n = 0;

	for (i = 0; v && i < j->ninputs; i++) {
		in = &j->inputs[i];
		if (!in->empty)
			v[n++] = (struct fn_input){
				.name = in->name,
				.path = in->path,
				.addr = in->addr,
				.size = in->size,
				.dir = in->dir,
				.executable = in->executable,
			};
	}
	*ret_count = n;
	return v;
}

/* Of this thread, which computes functions. */
static int64_t thread_cpu_ns(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static bool was_stopped(const struct task *j)
{
	return __atomic_load_n(&j->stop, __ATOMIC_ACQUIRE);
}

static int run_function_in(struct eval *ev, struct task *j, int scratch,
			   struct result *ret, struct err *err)
{
	const struct function *f = function_find(j->def->fn);
	CLEANUP(blob_writer_freep)
	struct blob_writer *out = blob_writer_new(ev->store);
	CLEANUP(dir_out_freep) struct dir_out *dir = dir_out_new(ev->store);
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err why = {{0}};
	int64_t cpu = thread_cpu_ns();
	char limit[32];
	struct fn_call call = {
		.fn = f,
		.store = ev->store,
		.params = j->params,
		.nparams = j->nparams,
		.out = out,
		.dir = dir,
		.stop = &j->stop,
		.deadline_ns = clock_mono_ns() + j->def->timeout_ns,
		.text = &text,
	};
	CLEANUP_FREE struct fn_input *inputs = fn_inputs(j, &call.ninputs);
	int r = inputs && out && dir ? 0 : -ENOMEM;

	take_in(ev, j);
	call.inputs = inputs;
	call.scratch_fd = scratch;
	if (r >= 0)
		r = f->run(&call, &why);
	if (r >= 0 && f->makes_dir)
		r = dir_out_finish(dir, &ret->addr, &ret->size);
	else if (r >= 0)
		r = blob_finish(out, &ret->addr, &ret->size);
	ret->is_dir = f->makes_dir;
	ret->cpu_ns = thread_cpu_ns() - cpu;
	ret->reproducible = true;
	if (r == -ECANCELED && !was_stopped(j)) {
		duration_format(j->def->timeout_ns, limit, sizeof(limit));
		ret->error = ETIMEDOUT;
		snprintf(ret->message, sizeof(ret->message),
			 "%s:%u: `%s` ran longer than its timeout of %s",
			 j->label, j->def->run_line, f->name, limit);
		return 0;
	}
	if (r == -EINVAL || r == -EILSEQ || r == -E2BIG) {
		/* the input's fault: a result like any other */
		ret->error = EIO;
		snprintf(ret->message, sizeof(ret->message), "%s:%u: %s: %s",
			 j->label, j->def->run_line, f->name, why.msg);
		buf_fmt(&text, "%s: %s\n", f->name, why.msg);
		return keep_text(ev, &text, ret);
	}
	if (r < 0)
		return err_set(err, r, "%s: %s", f->name,
			       why.msg[0] ? why.msg : err_name(r));
	return keep_text(ev, &text, ret);
}

/* Its files have no names: nothing is left to be removed. */
static int run_function(struct eval *ev, struct task *j, struct result *ret,
			struct err *err)
{
	struct scratch s = SCRATCH_INIT(ev->store);
	int r = scratch_take(ev->scratches, j->number, &s);

	if (r < 0)
		return err_set(err, r, "scratch directory: %s", err_name(r));
	r = run_function_in(ev, j, s.fd, ret, err);
	scratch_put_back(ev->scratches, &s);
	return r;
}

/* --- commands ----------------------------------------------------------- */

struct finished {
	struct sandbox_status status;
	bool done;
	pthread_mutex_t lock;
	pthread_cond_t cond;
};

static void on_done(void *ctx, const struct sandbox_status *status)
{
	struct finished *f = ctx;

	pthread_mutex_lock(&f->lock);
	f->status = *status;
	f->done = true;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

static int run_sandboxed(struct eval *ev, struct task *j,
			 const struct sandbox_run *run, const char *scratch,
			 struct sandbox_status *ret)
{
	struct finished f = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER,
	};
	uint64_t id;
	int r = sandbox_start(ev->sandbox, run, on_done, &f, &id);

	if (r < 0)
		return r;
	db_lock(ev->db);
	j->run_id = id;
	j->started = true;
	j->scratch = scratch;
	if (__atomic_load_n(&j->stop, __ATOMIC_ACQUIRE))
		sandbox_stop(ev->sandbox, id);
	db_unlock(ev->db);
	pthread_mutex_lock(&f.lock);
	while (!f.done)
		pthread_cond_wait(&f.cond, &f.lock);
	pthread_mutex_unlock(&f.lock);
	db_lock(ev->db);
	j->started = false;
	j->scratch = NULL;
	db_unlock(ev->db);
	*ret = f.status;
	return 0;
}

/* What lies at $out is not what the recipe says. */
static void wrong_type(const struct task *j, mode_t mode, struct result *ret)
{
	const char *what = S_ISREG(mode)   ? "a regular file"
			   : S_ISDIR(mode) ? "a directory"
			   : S_ISLNK(mode) ? "a symbolic link"
					   : "a special file";

	ret->error = EIO;
	snprintf(ret->message, sizeof(ret->message),
		 "%s:%u: the command left %s at $out; %s", j->label,
		 j->def->run_line, what,
		 j->def->out_dir ? "`out: dir` wants a directory: begin with "
				   "`mkdir \"$out\"`"
		 : S_ISDIR(mode) ? "write a file there, or say `out: dir`"
				 : "write a file there");
}

static int take_directory(struct eval *ev, struct task *j, int out,
			  struct result *ret)
{
	CLEANUP_CLOSE int fd = -1;
	struct err err = {{0}};
	int r;

	fchmodat(out, j->out_name, 0700, 0);
	fd = openat(out, j->out_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = dir_take(ev->store, fd, &ret->addr, &ret->size, &err);
	ret->is_dir = true;
	if (r != -EINVAL && r != -E2BIG)
		return r;
	ret->error = EIO;
	snprintf(ret->message, sizeof(ret->message), "%s:%u: %s", j->label,
		 j->def->run_line, err.msg);
	return 0;
}

static int take_file(struct eval *ev, int out, const char *name,
		     const struct stat *st, struct addr *ret,
		     uint64_t *ret_size)
{
	CLEANUP_CLOSE int fd = -1;

	if (!(st->st_mode & 0400) && fchmodat(out, name, 0600, 0) < 0)
		return -errno;
	fd = openat(out, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : blob_put_fd(ev->store, fd, ret, ret_size);
}

/* What is wrong with one of several outputs; st NULL: it is not there. */
static void wrong_output(const struct task *j, size_t i, const struct stat *st,
			 struct result *ret)
{
	const struct recipe_out *o = &j->def->outs[i];

	ret->error = EIO;
	if (st)
		snprintf(ret->message, sizeof(ret->message),
			 "%s:%u: the command left no regular file at $%s, "
			 "which is to become `%s`",
			 j->label, o->line, o->name, o->file);
	else
		snprintf(ret->message, sizeof(ret->message),
			 "%s:%u: the command did not make `%s`: write it to "
			 "$%s",
			 j->label, o->line, o->file, o->name);
}

static int take_several(struct eval *ev, struct task *j, int out,
			struct result *ret)
{
	struct task_out *o;
	struct stat st;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && !ret->error && i < j->def->nouts; i++) {
		o = &j->outs[i];
		if (fstatat(out, o->file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return -errno;
			wrong_output(j, i, NULL, ret);
		} else if (!S_ISREG(st.st_mode)) {
			wrong_output(j, i, &st, ret);
		} else {
			o->executable = st.st_mode & 0100;
			r = take_file(ev, out, o->file, &st, &o->addr,
				      &o->size);
		}
	}
	return r;
}

/* The command wrote nothing at $out: what it printed is the output, unless
 * that should be a directory. */
static int take_printed(struct eval *ev, struct task *j, struct scratch *s,
			struct result *ret)
{
	CLEANUP_CLOSE int fd = -1;

	if (j->def->out_dir) {
		ret->error = EIO;
		snprintf(ret->message, sizeof(ret->message),
			 "%s:%u: the command made no directory at $out, as "
			 "`out: dir` says; begin with `mkdir \"$out\"`",
			 j->label, j->def->run_line);
		return 0;
	}
	fd = openat(s->fd, "stdout", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno
		      : blob_put_fd(ev->store, fd, &ret->addr, &ret->size);
}

/* The output: $out when the command made it, else what it printed. It may
 * have changed the modes of both. */
static int take_output(struct eval *ev, struct task *j, struct scratch *s,
		       struct result *ret, struct buf *text)
{
	CLEANUP_CLOSE int out = -1;
	struct stat st;
	int r;

	fchmodat(s->fd, "o", 0700, 0);
	out = openat(s->fd, "o", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out < 0)
		return -errno;
	if (j->def->nouts) {
		r = take_several(ev, j, out, ret);
		return r < 0 ? r : add_text(text, s->fd, "stdout");
	}
	if (fstatat(out, j->out_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? take_printed(ev, j, s, ret) : -errno;
	if (j->def->out_dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)) {
		wrong_type(j, st.st_mode, ret);
		return 0;
	}
	if (!j->def->out_dir)
		ret->executable = st.st_mode & 0100;
	r = j->def->out_dir ? take_directory(ev, j, out, ret)
			    : take_file(ev, out, j->out_name, &st, &ret->addr,
					&ret->size);
	return r < 0 ? r : add_text(text, s->fd, "stdout");
}

/* What became of the command, as the reader will get to know it. */
static void judge(const struct task *j, const struct sandbox_status *st,
		  const struct buf *text, struct result *ret)
{
	char words[256], what[300], limit[32];

	last_words(text, words, sizeof(words));
	switch (st->error) {
	case -ETIMEDOUT:
		ret->error = ETIMEDOUT;
		duration_format(j->def->timeout_ns, limit, sizeof(limit));
		snprintf(what, sizeof(what),
			 "the command ran longer than its timeout of %s",
			 limit);
		break;
	case 0:
		if (!st->exit_code)
			return;
		ret->error = EIO;
		if (st->exit_code < 0)
			snprintf(what, sizeof(what),
				 "the command was killed by signal %d (%s)",
				 st->exit_signal,
				 sigdescr_np(st->exit_signal)
					 ? sigdescr_np(st->exit_signal)
					 : "?");
		else
			snprintf(what, sizeof(what),
				 "the command failed with exit status %d",
				 st->exit_code);
		break;
	default: /* the message names the limit */
		ret->error = EIO;
		snprintf(what, sizeof(what), "%s", st->message);
	}
	snprintf(ret->message, sizeof(ret->message), "%s:%u: %s%s%s", j->label,
		 j->def->run_line, what, *words ? "; it said: " : "", words);
}

/* Whether that is an outcome of the command: it ran, or was killed at one of
 * its limits, or cannot ever be started. */
static bool is_its_fault(const struct sandbox_status *st)
{
	switch (st->error) {
	case 0:
	case -ETIMEDOUT:
	case -ENOMEM:
	case -E2BIG: /* its arguments are too long */
		return true;
	case -EAGAIN: /* too many processes; the machine's are no outcome */
		return st->wall_ns > 0;
	default:
		return false;
	}
}

/* Where no command runs at all, the message says what to do about that. */
static int not_run(struct eval *ev, const struct sandbox_status *st,
		   struct err *err)
{
	if (!ev->options.no_sandbox && st->error != -ECANCELED &&
	    sandbox_check(ev->sandbox, err) < 0)
		return st->error;
	return err_set(err, st->error, "%s",
		       st->message[0] ? st->message : err_name(st->error));
}

static uint64_t memory_limit(const struct task *j)
{
	if (j->def->memory)
		return j->def->memory;
	return (uint64_t)sysconf(_SC_PHYS_PAGES) *
	       (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

/* Half of the free space: what the command writes is there twice when its
 * output is taken in, and others need room, too. */
static uint64_t scratch_limit(struct eval *ev)
{
	struct statvfs st;

	if (fstatvfs(store_drafts_fd(ev->store), &st) < 0)
		return 0;
	return MAX((uint64_t)st.f_bavail * st.f_frsize / 2, MIB(1));
}

static int run_in_scratch(struct eval *ev, struct task *j, struct scratch *s,
			  const char *work, const char *root,
			  struct sandbox_status *ret)
{
	CLEANUP(strings_done) struct strings env = {0}, argv = {0};
	CLEANUP_BUF struct buf o = BUF_INIT, so = BUF_INIT, se = BUF_INIT;
	struct places at = {"/r", "/o"};
	struct sandbox_run run = {
		.inputs = work,
		.root = root,
		.depth = j->depth,
		.timeout_ns = j->def->timeout_ns,
		.memory = memory_limit(j),
		.scratch_max = scratch_limit(ev),
		.network = j->def->network,
		.unsafe = ev->options.no_sandbox,
	};
	int r;

	buf_fmt(&o, "%s/o", s->path);
	buf_fmt(&so, "%s/stdout", s->path);
	buf_fmt(&se, "%s/stderr", s->path);
	if (buf_err(&o) < 0 || buf_err(&so) < 0 || buf_err(&se) < 0)
		return -ENOMEM;
	if (ev->options.no_sandbox)
		at = (struct places){root, buf_cstr(&o)};
	r = run_environment(j, &at, &env);
	if (r >= 0)
		r = run_arguments(j, &at, &env, &argv);
	if (r < 0)
		return r;
	run.scratch = buf_cstr(&o);
	run.stdout_path = buf_cstr(&so);
	run.stderr_path = buf_cstr(&se);
	run.argv = argv.v;
	run.envp = env.v;
	return run_sandboxed(ev, j, &run, s->path, ret);
}

static int show_inputs(struct eval *ev, struct task *j, char **work,
		       uint64_t *work_id, char **root, uint64_t *root_id)
{
	const struct eval_host *h = &ev->host;
	int r;

	if (j->observe && !h->show_live)
		return -EOPNOTSUPP;
	r = j->observe ? h->show_live(h->ctx, j->observe, OBSERVE_WORK, work,
				      work_id)
		       : h->show(h->ctx, j->work, work, work_id);
	if (r < 0)
		return r;
	if (j->observe)
		return h->show_live(h->ctx, j->observe, OBSERVE_ROOT, root,
				    root_id);
	/* in the sandbox an empty directory does as well */
	if (!j->root->count && !j->root->tree && !ev->options.no_sandbox)
		return 0;
	return h->show(h->ctx, j->root, root, root_id);
}

/* -EPIPE: the helper was killed, and the command with it. */
static int try_command(struct eval *ev, struct task *j, struct scratch *s,
		       struct result *ret, struct err *err)
{
	CLEANUP_FREE char *work = NULL, *root = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct sandbox_status st = {0};
	uint64_t work_id = 0, root_id = 0;
	int r = machine_note(ev->tools, j->def, &j->machine);
	if (r < 0)
		return r;
	r = show_inputs(ev, j, &work, &work_id, &root, &root_id);
	if (r >= 0)
		r = run_in_scratch(ev, j, s, work, root, &st);
	if (work_id)
		ev->host.hide(ev->host.ctx, work_id);
	if (root_id)
		ev->host.hide(ev->host.ctx, root_id);
	if (r < 0)
		return err_set(err, r, "cannot start the command: %s",
			       err_name(r));
	if (st.error == -EFBIG) /* the limit is another one tomorrow */
		return err_set(err, -ENOSPC,
			       "%s, half of what is free on the store's disk",
			       st.message);
	if (!is_its_fault(&st))
		return not_run(ev, &st, err);
	ret->wall_ns = st.wall_ns;
	ret->cpu_ns = st.cpu_ns;
	ret->memory = st.memory;
	take_in(ev, j);
	r = add_text(&text, s->fd, "stderr");
	if (r >= 0)
		judge(j, &st, &text, ret);
	if (r >= 0 && !ret->error)
		r = take_output(ev, j, s, ret, &text);
	else if (r >= 0)
		r = add_text(&text, s->fd, "stdout");
	if (r >= 0)
		r = keep_text(ev, &text, ret);
	return r < 0 ? err_set(err, r, "output: %s", err_name(r)) : 0;
}

static int run_command(struct eval *ev, struct task *j, struct result *ret,
		       struct err *err)
{
	unsigned tries = 3;
	int r;

	do {
		struct scratch s = SCRATCH_INIT(ev->store);

		r = scratch_take(ev->scratches, j->number, &s);
		if (r < 0)
			return err_set(err, r, "scratch directory: %s",
				       err_name(r));
		r = try_command(ev, j, &s, ret, err);
		/* through the network a command may hand on what it has open,
		 * and without the sandbox it can do anything */
		if (j->def->network || ev->options.no_sandbox || r < 0)
			scratch_done(&s);
		else
			scratch_give(ev->scratches, &s);
	} while (r == -EPIPE && --tries && !was_stopped(j));
	return r;
}

int execute(struct eval *ev, struct task *j, struct result *ret,
	    struct err *err)
{
	struct result res = {.recipe = j->recipe, .keep = (int)j->def->keep};
	int64_t start = clock_mono_ns();
	int r;

	if (__atomic_load_n(&j->stop, __ATOMIC_ACQUIRE))
		return -ECANCELED;
	if (j->def->kind == RECIPE_FN)
		r = run_function(ev, j, &res, err);
	else
		r = run_command(ev, j, &res, err);
	if (r < 0)
		return r;
	if (!res.wall_ns)
		res.wall_ns = clock_mono_ns() - start;
	res.when_ns = clock_now_ns();
	if (res.error) {
		memset(&res.addr, 0, sizeof(res.addr));
		res.size = 0;
		res.executable = res.is_dir = false;
	}
	*ret = res;
	return 0;
}

void execute_stop(struct eval *ev, struct task *j)
{
	__atomic_store_n(&j->stop, true, __ATOMIC_RELEASE);
	if (j->started)
		sandbox_stop(ev->sandbox, j->run_id);
}
