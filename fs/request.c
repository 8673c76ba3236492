/* .deriva/build: a request for all below some paths, in one question.
 *
 * Whoever opens it writes what is wanted and then reads what comes of it, until
 * the end; closing it gives the rest up. Both are strings, each ended by a NUL.
 *
 *	request: OPTIONS PATH...
 *		paths from the mount's root; options are letters: `n` run
 *		nothing, `p` tell how far it is, and a number: so many at a time
 *	answer, any number of
 *		total TOTAL CURRENT KNOWN REST JOBS	to be looked at; up to
 *			date beside those; of how many it is known what they
 *			took the last time; that, in ms; runs at a time
 *		moved DONE RUNNING REST
 *		failed PATH MESSAGE	also where there is no such path
 *		blocked PATH		a recipe
 *		todo STATE PATH
 *		end COMPUTED FAILED CURRENT
 *
 * A read waits until there is something, without a thread.
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "recipes/build.h"

#define REQUEST_MAX MIB(64)
#define EVERY_NS    (NSEC_PER_SEC / 10)

struct request {
	struct fs *fs;
	struct request *next;
	struct buf request;
	struct build *build; /* since the first read */
	bool begun, ended, progress;
	int64_t moved_ns;
	struct buf out; /* what was not read yet */
	uint64_t base;	/* where in the answer that begins */

	uint64_t id;	  /* of the read that waits or is about to */
	bool interrupted; /* it was, before it waited */
	fuse_req_t req;	  /* that waits, or NULL */
	size_t size;
};

/* --- strings ---------------------------------------------------------------
 */

static void put(struct request *a, const char *s)
{
	buf_add(&a->out, s, strlen(s) + 1);
}

static void put_number(struct request *a, double n)
{
	char text[32];

	snprintf(text, sizeof(text), "%.0f", n);
	put(a, text);
}

static void put_path(struct request *a, uint64_t dir, const char *name)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	const char *p;

	if (dir != NS_ROOT && ns_path(a->fs->ns, NS_NOW, dir, &path) < 0)
		buf_reset(&path); /* it is gone */
	if (*name) {
		buf_u8(&path, '/');
		buf_str(&path, name);
	}
	p = buf_cstr(&path);
	put(a, p + (*p == '/'));
}

/* --- reading ---------------------------------------------------------------
 */

/* Whether there is something to answer with. */
static bool is_ready(const struct request *a)
{
	return a->out.len || a->ended;
}

static void answer(struct request *a, fuse_req_t req, size_t size)
{
	size_t n = MIN(size, a->out.len);

	if (buf_err(&a->out) < 0) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	fuse_reply_buf(req, (char *)a->out.data, n);
	memmove(a->out.data, a->out.data + n, a->out.len - n);
	a->out.len -= n;
	a->base += n;
}

static void answer_waiting(struct request *a)
{
	fuse_req_t req = a->req;

	if (!req || !is_ready(a))
		return;
	a->req = NULL;
	a->id = 0;
	answer(a, req, a->size);
}

static void interrupted(fuse_req_t req, void *data)
{
	struct fs *fs = fs_of(req);
	struct request *a;

	db_lock(fs->db);
	for (a = fs->requests; a && a->id != (uint64_t)(uintptr_t)data;)
		a = a->next;
	if (a && a->req) {
		fuse_reply_err(a->req, EINTR);
		a->req = NULL;
		a->id = 0;
	} else if (a) {
		a->interrupted = true;
	}
	fs_unlock(fs);
}

/* --- what comes of it ------------------------------------------------------
 */

static void moved(struct request *a, const struct build_counts *n)
{
	int64_t now;

	if (!a->progress)
		return;
	now = clock_mono_ns();
	if (now - a->moved_ns < EVERY_NS)
		return;
	a->moved_ns = now;
	put(a, "moved");
	put_number(a, (double)n->done);
	put_number(a, (double)n->running);
	put_number(a, n->rest_s * 1000);
}

static void told(void *ctx, const struct build_news *n)
{
	struct request *a = ctx;
	const struct build_counts *c = n->counts;
	unsigned running, waiting, jobs;

	switch (n->event) {
	case BUILD_BEGUN:
		eval_counts(a->fs->eval, &running, &waiting, &jobs);
		put(a, "total");
		put_number(a, (double)c->total);
		put_number(a, (double)c->current);
		put_number(a, (double)c->known);
		put_number(a, c->rest_s * 1000);
		put_number(a, jobs);
		break;
	case BUILD_MOVED:
		moved(a, c);
		break;
	case BUILD_FAILED:
		put(a, "failed");
		put_path(a, n->dir, n->name);
		put(a, n->message);
		break;
	case BUILD_BLOCKED:
		put(a, "blocked");
		put_path(a, n->dir, n->name);
		break;
	case BUILD_TODO:
		put(a, "todo");
		put(a, eval_state_name(n->state));
		put_path(a, n->dir, n->name);
		break;
	case BUILD_ENDED:
		put(a, "end");
		put_number(a, (double)c->computed);
		put_number(a, (double)c->failed);
		put_number(a, (double)(c->current + c->total - c->computed -
				       c->failed));
		a->ended = true;
		break;
	}
	answer_waiting(a);
}

/* --- the request -----------------------------------------------------------
 */

static int put_failed(struct request *a, uint64_t dir, const char *path,
		      int error)
{
	put(a, "failed");
	put_path(a, dir, path);
	put(a, strerror(error));
	return 0;
}

/* A path leads to a directory, or to a name, perhaps of a derived directory
 * that the rest of the path goes on in. That it leads nowhere is told. */
static int add_path(struct request *a, const char *path)
{
	uint64_t dir = NS_ROOT, ino;
	struct ns_attr attr;
	size_t n;
	int r;

	for (;; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			return build_add_dir(a->build, dir);
		r = ns_lookup(a->fs->ns, NS_NOW, dir, path, n, &ino, NULL);
		if (r >= 0)
			r = ns_getattr(a->fs->ns, NS_NOW, ino, &attr);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == -ENOENT && eval_defined(a->fs->eval, NS_NOW, dir, path,
						 n, &attr) == -ENOENT)
			return put_failed(a, dir, path, ENOENT);
		if (r >= 0 && !S_ISDIR(attr.mode) && path[n])
			return put_failed(a, dir, path, ENOTDIR);
		if (r < 0 || !S_ISDIR(attr.mode))
			return build_add_name(a->build, dir, path, n);
		dir = ino;
	}
}

static int parse_options(struct request *a, const char *text,
			 struct build_options *o)
{
	char *end;

	for (; *text; text++)
		switch (*text) {
		case 'n':
			o->dry = true;
			break;
		case 'p':
			o->costs = a->progress = true;
			break;
		default:
			if (*text < '1' || *text > '9')
				return -EINVAL;
			o->at_once = (unsigned)MIN(strtoul(text, &end, 10),
						   (unsigned long)100000);
			text = end - 1;
		}
	return 0;
}

static int begin(struct request *a)
{
	struct build_options o = {.tell = told, .ctx = a};
	const char *p, *end;
	int r;

	a->begun = true;
	buf_u8(&a->request, '\0');
	if (buf_err(&a->request) < 0)
		return -ENOMEM;
	p = buf_cstr(&a->request);
	end = p + a->request.len - 1;
	r = parse_options(a, p, &o);
	if (r >= 0)
		r = build_new(a->fs->eval, &o, &a->build);
	for (p += strlen(p) + 1; r >= 0 && p < end; p += strlen(p) + 1)
		r = add_path(a, p);
	if (r >= 0)
		build_start(a->build);
	return r;
}

void request_read(struct fs *fs, struct handle *h, fuse_req_t req, size_t size,
		  uint64_t off)
{
	struct request *a = h->request;
	int r = 0;

	db_lock(fs->db);
	if (a->id)
		r = -EBUSY;
	else
		a->id = ++fs->next_id;
	a->interrupted = false;
	db_unlock(fs->db);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	/* may call back at once, so before it waits and without lock */
	fuse_req_interrupt_func(req, interrupted, (void *)(uintptr_t)a->id);
	db_lock(fs->db);
	if (!a->begun) {
		a->base = off; /* behind what was written */
		r = begin(a);
	}
	if (r >= 0 && off != a->base)
		r = -ESPIPE; /* each part is told once */
	if (r >= 0 && !is_ready(a) && a->interrupted)
		r = -EINTR;
	if (r >= 0 && !is_ready(a)) {
		a->size = size;
		a->req = req;
	} else {
		a->id = 0;
		if (r < 0)
			reply_err(req, r);
		else
			answer(a, req, size);
	}
	fs_unlock(fs);
}

int request_write(struct handle *h, const char *p, size_t n)
{
	struct request *a = h->request;

	if (a->begun)
		return -EBUSY;
	if (n > REQUEST_MAX - a->request.len)
		return -E2BIG;
	buf_add(&a->request, p, n);
	return buf_err(&a->request);
}

/* --- life ------------------------------------------------------------------
 */

int request_open(struct fs *fs, struct handle *h)
{
	struct request *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->fs = fs;
	a->next = fs->requests;
	fs->requests = a;
	h->request = a;
	return 0;
}

static void request_free(struct request *a)
{
	build_free(a->build);
	if (a->req)
		fuse_reply_err(a->req, EIO);
	buf_done(&a->request);
	buf_done(&a->out);
	free(a);
}

void request_close(struct fs *fs, struct handle *h)
{
	struct request **p;

	if (!h->request)
		return;
	for (p = &fs->requests; *p != h->request; p = &(*p)->next)
		;
	*p = h->request->next;
	request_free(h->request);
	h->request = NULL;
}

void requests_end(struct fs *fs)
{
	struct request *a;

	for (a = fs->requests; a; a = a->next) {
		build_free(a->build);
		a->build = NULL;
		a->begun = a->ended = true;
		answer_waiting(a);
	}
}

void requests_free(struct fs *fs)
{
	struct request *a;

	while ((a = fs->requests)) {
		fs->requests = a->next;
		a->req = NULL; /* the session is gone */
		request_free(a);
	}
}
