/* Computing ahead: a directory was listed, and now the same thread asks for the
 * size of one of its derived files. Then all of them are wanted, and may as
 * well be computed side by side. Anybody else may want this one alone: with
 * default_permissions the kernel asks before every open.
 *
 * What is computed ahead has nobody who waits for it. So when whoever asked is
 * interrupted (`ls -l` and Ctrl-C), what was begun for the directory is given
 * up, unless somebody else waits for it.
 */
#include "fs/fs.h"

#include <errno.h>

#include "core/clock.h"

#define LISTED_NS (10 * NSEC_PER_SEC)

/* One file that is computed ahead. */
struct ahead {
	struct eval_wait *wait;
	struct ahead **prev, *next;
};

struct listing {
	int64_t when_ns; /* 0: the listing has been used */
	pid_t pid;	 /* who listed last */
	struct ahead *first;
};

static struct listing *listing_of(struct fs *fs, uint64_t dir)
{
	struct listing *l = map_get_u64(fs->listed, dir);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (l && map_put_u64(fs->listed, dir, l) < 0) {
		free(l);
		l = NULL;
	}
	return l;
}

void ahead_listed(struct fs *fs, uint64_t dir, pid_t pid)
{
	struct listing *l = listing_of(fs, dir);

	if (!l)
		return;
	l->when_ns = clock_mono_ns();
	l->pid = pid;
}

static void ahead_remove(struct ahead *a)
{
	*a->prev = a->next;
	if (a->next)
		a->next->prev = a->prev;
	free(a);
}

static void computed(void *ctx, int rc, const struct eval_value *value)
{
	(void)rc;
	(void)value;
	ahead_remove(ctx);
}

struct want {
	struct fs *fs;
	uint64_t dir;
	struct listing *listing;
};

static int want_one(void *ctx, const char *name, size_t len, bool dir)
{
	struct want *w = ctx;
	struct eval_value value;
	struct ahead *a;
	int r;

	if (dir)
		return 0; /* to ask for its size computes nothing */
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->prev = &w->listing->first;
	a->next = w->listing->first;
	if (a->next)
		a->next->prev = &a->next;
	w->listing->first = a;
	r = eval_want(w->fs->eval, NS_NOW, w->dir, name, len, computed, a,
		      &value, &a->wait);
	if (r)
		ahead_remove(a);
	return MIN(r, 0);
}

void ahead_wanted(struct fs *fs, const struct node *n, pid_t pid)
{
	struct want w = {fs, n->name->dir, NULL};

	w.listing = map_get_u64(fs->listed, w.dir);
	if (!w.listing || n->name->at != NS_NOW || !w.listing->when_ns ||
	    w.listing->pid != pid)
		return;
	if (w.listing->when_ns + LISTED_NS > clock_mono_ns() &&
	    eval_list(fs->eval, NS_NOW, w.dir, want_one, &w) < 0)
		log_warn("%s: its neighbours cannot be computed ahead",
			 n->name->text);
	w.listing->when_ns = 0;
}

void ahead_interrupted(struct fs *fs, uint64_t dir)
{
	struct listing *l = map_get_u64(fs->listed, dir);

	while (l && l->first) {
		eval_cancel(fs->eval, l->first->wait);
		ahead_remove(l->first);
	}
}

/* After the evaluation is closed, which has called back for all of them. */
void ahead_free(struct fs *fs)
{
	size_t it = 0;
	void *v;

	while (fs->listed && map_next(fs->listed, &it, NULL, NULL, &v))
		free(v);
	map_free(fs->listed);
}
