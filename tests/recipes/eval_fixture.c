#include "tests/recipes/eval_fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "cas/blob.h"
#include "core/journal.h"
#include "recipes/target.h" /* how many have run */

static const struct ns_by somebody = {.program = "test"};

/* --- the host ------------------------------------------------------------ */

static bool writing(void *ctx, uint64_t ino)
{
	struct lab *l = ctx;

	return l->writer.ino == ino;
}

static int settle(void *ctx, uint64_t ino)
{
	struct lab *l = ctx;

	ck_assert_uint_eq(ino, l->writer.ino);
	l->writer.settled++;
	if (l->writer.settle)
		l->writer.settle(l->writer.ctx);
	return 0;
}

static void stale(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct lab *l = ctx;

	(void)dir;
	(void)name;
	(void)len;
	l->stale++;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static int show(void *ctx, const struct view_node *view, char **ret_path,
		uint64_t *ret_id)
{
	(void)ctx;
	(void)view;
	(void)ret_path;
	(void)ret_id;
	return -EOPNOTSUPP; /* no commands here */
}

static void hide(void *ctx, uint64_t id)
{
	(void)ctx;
	(void)id;
}

/* --- life ---------------------------------------------------------------- */

void lab_setup(struct lab *l)
{
	const struct eval_host host = {
		.ctx = l,
		.writing = writing,
		.settle = settle,
		.stale = stale,
		.told = nothing,
		.wrote = nothing,
		.show = show,
		.hide = hide,
	};
	const struct eval_options options = {.jobs = 2};
	struct err err = {""};
	char *path = NULL;

	*l = (struct lab){.dir = test_dir()};
	ck_assert_int_gt(asprintf(&path, "%s/store", l->dir), 0);
	ck_assert_msg(store_open(path, STORE_CREATE, &l->store, &err) == 0,
		      "%s", err.msg);
	free(path);
	l->db = store_db(l->store);
	db_lock(l->db);
	ck_assert_int_eq(ns_open(l->db, 0, 0, &l->ns, &err), 0);
	ck_assert_int_eq(results_open(l->db, l->ns, &l->results), 0);
	db_unlock(l->db);
	ck_assert_int_eq(eval_open(l->store, l->ns, l->results, NULL, &host,
				   &options, &l->ev),
			 0);
}

void lab_teardown(struct lab *l)
{
	eval_close(l->ev);
	db_lock(l->db);
	ck_assert_int_eq(db_commit(l->db), 0);
	db_unlock(l->db);
	results_close(l->results);
	ns_close(l->ns);
	ck_assert_int_eq(store_close(l->store), 0);
	remove_tree(l->dir);
	free(l->dir);
}

/* --- files --------------------------------------------------------------- */

static void set_content(struct lab *l, uint64_t ino, const struct addr *a,
			uint64_t size)
{
	struct ns_attr attr;

	ck_assert_int_eq(ns_write(l->ns, &somebody, ino, a, size, 0, &attr), 0);
	eval_inode_changed(l->ev, ino);
}

static uint64_t make(struct lab *l, uint64_t dir, const char *name,
		     uint32_t mode, const char *target)
{
	size_t n = strlen(name);
	struct ns_attr attr;
	uint64_t ino;
	int r = ns_lookup(l->ns, NS_NOW, dir, name, n, &ino, NULL);

	if (!r)
		return ino;
	ck_assert_int_eq(r, -ENOENT);
	ck_assert_int_eq(ns_create(l->ns, &somebody, dir, name, n, mode, 0, 0,
				   0, target, &attr),
			 0);
	eval_name_changed(l->ev, dir, name, n);
	return attr.ino;
}

uint64_t lab_write(struct lab *l, uint64_t dir, const char *name,
		   const char *text)
{
	struct addr a;
	uint64_t ino;

	ck_assert_int_eq(blob_put(l->store, text, strlen(text), &a), 0);
	db_lock(l->db);
	ino = make(l, dir, name, S_IFREG | 0644, NULL);
	set_content(l, ino, &a, strlen(text));
	db_unlock(l->db);
	return ino;
}

void lab_write_zeros(struct lab *l, const char *name, uint64_t n)
{
	struct blob_writer *w = blob_writer_new(l->store);
	struct addr a;

	ck_assert_int_eq(blob_write_zeros(w, n), 0);
	ck_assert_int_eq(blob_finish(w, &a, NULL), 0);
	blob_writer_free(w);
	db_lock(l->db);
	set_content(l, make(l, NS_ROOT, name, S_IFREG | 0644, NULL), &a, n);
	db_unlock(l->db);
}

uint64_t lab_mkdir(struct lab *l, uint64_t dir, const char *name)
{
	uint64_t ino;

	db_lock(l->db);
	ino = make(l, dir, name, S_IFDIR | 0755, NULL);
	db_unlock(l->db);
	return ino;
}

void lab_symlink(struct lab *l, uint64_t dir, const char *name,
		 const char *target)
{
	db_lock(l->db);
	make(l, dir, name, S_IFLNK | 0777, target);
	db_unlock(l->db);
}

void lab_unlink(struct lab *l, uint64_t dir, const char *name)
{
	struct ns_attr gone;

	db_lock(l->db);
	ck_assert_int_eq(ns_unlink(l->ns, &somebody, dir, name, strlen(name),
				   false, &gone),
			 0);
	eval_name_changed(l->ev, dir, name, strlen(name));
	eval_inode_changed(l->ev, gone.ino);
	db_unlock(l->db);
}

void lab_own(struct lab *l, uint64_t ino, uint32_t uid, uint32_t mode)
{
	const struct ns_attr set = {.uid = uid, .gid = uid, .mode = mode};
	struct ns_attr attr;

	db_lock(l->db);
	ck_assert_int_eq(ns_setattr(l->ns, &somebody, ino,
				    NS_SET_UID | NS_SET_GID | NS_SET_MODE, &set,
				    &attr),
			 0);
	eval_inode_changed(l->ev, ino);
	db_unlock(l->db);
}

/* --- questions ----------------------------------------------------------- */

static void answered(void *ctx, int rc, const struct eval_value *value)
{
	struct asked *a = ctx;

	pthread_mutex_lock(&a->lock);
	ck_assert(!a->done);
	a->done = true;
	a->rc = rc;
	a->value = *value;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->lock);
}

bool lab_ask(struct lab *l, struct asked *a, uint64_t at, const char *name,
	     bool dry)
{
	int r;

	*a = (struct asked){.lab = l,
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .cond = PTHREAD_COND_INITIALIZER};
	db_lock(l->db);
	r = (dry ? eval_check : eval_want)(l->ev, at, NS_ROOT, name,
					   strlen(name), answered, a, &a->value,
					   &a->wait);
	db_unlock(l->db);
	if (r) {
		a->done = true;
		a->rc = MIN(r, 0);
	}
	return r;
}

void lab_await(struct asked *a)
{
	pthread_mutex_lock(&a->lock);
	while (!a->done)
		pthread_cond_wait(&a->cond, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

void lab_cancel(struct asked *a)
{
	db_lock(a->lab->db);
	ck_assert(!a->done);
	eval_cancel(a->lab->ev, a->wait);
	db_unlock(a->lab->db);
}

int lab_value(struct lab *l, uint64_t at, const char *name,
	      struct eval_value *ret)
{
	struct asked a;

	lab_ask(l, &a, at, name, false);
	lab_await(&a);
	*ret = a.value;
	return a.rc;
}

void lab_expect(struct lab *l, uint64_t at, const char *name, const char *text)
{
	CLEANUP(blob_closep) struct blob *blob = NULL;
	CLEANUP_BUF struct buf got = BUF_INIT;
	struct eval_value v;
	ssize_t n;

	ck_assert_int_eq(lab_value(l, at, name, &v), 0);
	ck_assert_msg(!v.error, "%s: %s", name, err_name(v.error));
	ck_assert_uint_eq(v.size, strlen(text));
	ck_assert_int_eq(blob_open(l->store, &v.addr, &blob), 0);
	n = blob_pread(blob, buf_room(&got, v.size + 1), v.size, 0);
	ck_assert_int_eq(n, (ssize_t)v.size);
	ck_assert_mem_eq(got.data, text, v.size);
}

void lab_expect_error(struct lab *l, const char *name, int error,
		      const char *words)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	enum eval_state state;
	struct eval_value v;
	bool now;

	ck_assert_int_eq(lab_value(l, NS_NOW, name, &v), 0);
	ck_assert_int_eq(v.error, error);
	db_lock(l->db);
	ck_assert_int_eq(eval_peek(l->ev, NS_NOW, NS_ROOT, name, strlen(name),
				   &state, &v, &now, &message),
			 0);
	db_unlock(l->db);
	ck_assert_int_eq(state, EVAL_FAILED);
	ck_assert(now);
	ck_assert_msg(strstr(buf_cstr(&message), words), "%s",
		      buf_cstr(&message));
}

uint64_t lab_runs(struct lab *l)
{
	uint64_t n;

	db_lock(l->db);
	n = l->ev->jobs_made;
	db_unlock(l->db);
	return n;
}

unsigned lab_running(struct lab *l)
{
	unsigned running, waiting, jobs;

	db_lock(l->db);
	eval_counts(l->ev, &running, &waiting, &jobs);
	db_unlock(l->db);
	return running;
}

void lab_until_running(struct lab *l, unsigned n)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	while (lab_running(l) != n)
		nanosleep(&moment, NULL);
}

bool lab_current(struct lab *l, const char *name)
{
	bool yes;

	db_lock(l->db);
	yes = eval_current(l->ev, NS_NOW, NS_ROOT, name, strlen(name));
	db_unlock(l->db);
	return yes;
}
