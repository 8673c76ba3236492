/* Looking, and noting what was seen. */
#include "recipes/observe.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/map.h"
#include "recipes/walk.h"

/* A directory or link that was seen. */
struct place {
	uint64_t ino;
	char *path; /* "w", "w/d", "r/a/b" */
	size_t len;
	char *target;	/* of a link */
	unsigned level; /* on the way to the recipe: from the top, 1; else 0 */
};

/* One question with its answer, in order. */
struct note {
	size_t qlen, alen;
	struct seen seen;
	uint8_t bytes[]; /* question, then answer */
};

struct observe {
	struct eval *ev;
	struct target *t;
	struct task *task; /* of a run */
	struct walk *walk; /* own, or the resolving's */
	struct walk own;
	struct finder finder;
	struct ns_attr owner;
	struct resolved res;
	uint64_t derived_at; /* the moment of derived inputs */
	uint64_t *way;	     /* directories from the root to the recipe */
	unsigned depth;

	struct place *places;
	size_t nplaces, cap_places;
	struct map *by_path; /* -> place number + 1 */
	struct map *by_question;
	struct note **notes;
	size_t nnotes, cap_notes;
	struct addr state;
	bool over, damaged;
};

/* --- life ---------------------------------------------------------------- */

static int add_place(struct observe *o, const char *path, size_t len,
		     uint64_t ino, unsigned level, const char *target,
		     size_t *ret)
{
	struct place *p;
	size_t cap = o->cap_places ? o->cap_places * 2 : 16;

	if (o->nplaces == o->cap_places) {
		p = realloc(o->places, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		o->places = p;
		o->cap_places = cap;
	}
	p = &o->places[o->nplaces];
	*p = (struct place){.ino = ino, .len = len, .level = level};
	p->path = strndup(path, len);
	p->target = target ? strdup(target) : NULL;
	if (!p->path || (target && !p->target) ||
	    map_put(o->by_path, path, len, (void *)(uintptr_t)(o->nplaces + 1),
		    NULL) < 0) {
		free(p->path);
		free(p->target);
		return -ENOMEM;
	}
	*ret = o->nplaces++;
	return 0;
}

/* Whether a name is there that `d`, which leads to the recipe, would hide. */
static int check_way(struct observe *o, uint64_t parent, uint64_t child)
{
	struct walk *w = o->walk;
	struct defined d;
	uint64_t ino;
	int r = watch_name(o->ev, w->t, parent, "d", 1);

	if (r >= 0)
		r = ns_lookup(o->ev->ns, w->at, parent, "d", 1, &ino, NULL);
	if (r == 0 && ino == child)
		return 0;
	if (r == -ENOENT)
		r = define_find(w->finder, parent, "d", 1, NULL, &d);
	if (r < 0)
		return r == -ENOENT || r == -EEXIST ? 0 : r;
	return walk_fail(w, EIO, w->task->def->run_line,
			 "inputs cannot be observed: what is called `d` beside "
			 "a directory on the way to the recipe would be hidden "
			 "by that directory, which the command sees as `d`; "
			 "list the inputs with `in`, or rename it");
}

/* The directories that lead to the recipe. */
static int find_way(struct observe *o)
{
	struct walk *w = o->walk;
	uint64_t dir = w->dir, parent, *p;
	unsigned i, k;
	int r = 0;

	for (; dir != NS_ROOT; dir = parent) {
		r = watch_inode(o->ev, w->t, dir); /* fires when it is moved */
		if (r >= 0)
			r = ns_parent(o->ev->ns, w->at, dir, &parent);
		if (r < 0)
			return r;
		p = realloc(o->way, (o->depth + 2) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		o->way = p;
		o->way[o->depth++] = dir;
	}
	p = realloc(o->way, (o->depth + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	o->way = p;
	o->way[o->depth] = NS_ROOT;
	for (i = 0, k = o->depth; i < k; i++, k--) { /* from the root down */
		dir = p[i];
		p[i] = p[k];
		p[k] = dir;
	}
	for (i = 0; r >= 0 && i < o->depth; i++)
		r = check_way(o, p[i], p[i + 1]);
	return r;
}

static int start(struct observe *o)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	unsigned i;
	size_t n;
	int r;

	o->by_path = map_new();
	o->by_question = map_new();
	if (!o->by_path || !o->by_question)
		return -ENOMEM;
	r = find_way(o);
	if (r >= 0)
		r = add_place(o, "w", 1, NS_ROOT, 1, NULL, &n);
	if (r >= 0)
		r = add_place(o, "r", 1, NS_ROOT, 0, NULL, &n);
	buf_u8(&path, 'w');
	for (i = 1; r >= 0 && i <= o->depth; i++) {
		buf_str(&path, "/d");
		r = buf_err(&path);
		if (r >= 0)
			r = add_place(o, buf_cstr(&path), path.len, o->way[i],
				      i + 1, NULL, &n);
	}
	return r;
}

int observe_walk(struct walk *w, struct observe **ret)
{
	CLEANUP(observe_freep) struct observe *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->ev = w->ev;
	o->t = w->t;
	o->walk = w;
	o->derived_at = w->at;
	r = start(o);
	if (r < 0)
		return r;
	*ret = steal(&o);
	return 0;
}

int observe_run(struct eval *ev, struct target *t, struct task *j, uint64_t at,
		struct observe **ret)
{
	CLEANUP(observe_freep) struct observe *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->ev = ev;
	o->t = t;
	o->task = j;
	o->owner = j->owner;
	o->finder = (struct finder){.ev = ev, .at = at};
	o->own = (struct walk){
		.ev = ev,
		.at = at,
		.dir = t->dir,
		.finder = &o->finder,
		.owner = &o->owner,
		.label = j->label,
		.settled = true,
		.res = &o->res,
		.task = j,
		.ngroups = -1,
	};
	o->res.mark = ++ev->marks;
	o->walk = &o->own;
	/* Derived inputs are read as they are; whether that goes together is
	 * found out when it is all asked again. Where that was in vain, they
	 * are read as they were at the run's moment. */
	o->derived_at =
		t->at == NS_NOW && t->runs < OBSERVE_PATIENCE ? NS_NOW : at;
	o->state = j->key;
	r = start(o);
	if (r < 0)
		return r;
	*ret = steal(&o);
	return 0;
}

void observe_free(struct observe *o)
{
	size_t i;

	if (!o)
		return;
	for (i = 0; i < o->nplaces; i++) {
		free(o->places[i].path);
		free(o->places[i].target);
	}
	for (i = 0; i < o->nnotes; i++) {
		if (o->task && (o->notes[i]->seen.kind == SEEN_FILE ||
				o->notes[i]->seen.kind == SEEN_TREE))
			store_release(o->ev->store, &o->notes[i]->seen.addr);
		free(o->notes[i]);
	}
	free(o->places);
	free(o->notes);
	free(o->way);
	map_free(o->by_path);
	map_free(o->by_question);
	walk_done(&o->own);
	resolved_done(&o->res);
	free(o);
}

/* --- looking -------------------------------------------------------------- */

/* As in resolve_path.c: a chmod changes the answer. */
static int may(struct observe *o, const struct ns_attr *a, unsigned what)
{
	struct walk *w = o->walk;
	int r = w->owner->uid ? watch_inode(o->ev, w->t, a->ino) : 0;

	return r < 0 ? r : walk_may(w, a, what);
}

static int see_link(struct observe *o, uint64_t ino, const char *path,
		    size_t len, struct seen *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int r = ns_readlink(o->ev->ns, o->walk->at, ino, &b);

	ret->kind = SEEN_LINK;
	return r < 0 ? r
		     : add_place(o, path, len, ino, 0, buf_cstr(&b),
				 &ret->place);
}

static int see_source(struct observe *o, uint64_t ino, const char *path,
		      size_t len, struct seen *ret)
{
	struct ns_attr a;
	int r = ns_getattr(o->ev->ns, o->walk->at, ino, &a);

	if (r < 0)
		return r;
	switch (a.mode & S_IFMT) {
	case S_IFDIR:
		ret->kind = SEEN_DIR;
		return add_place(o, path, len, ino, 0, NULL, &ret->place);
	case S_IFLNK:
		return see_link(o, ino, path, len, ret);
	case S_IFREG:
		break;
	default:
		ret->kind = SEEN_OTHER;
		return 0;
	}
	r = may(o, &a, 4);
	if (r <= 0) {
		ret->kind = SEEN_DENIED;
		return r;
	}
	ret->kind = SEEN_FILE;
	ret->addr = a.addr;
	ret->size = a.size;
	ret->executable = a.mode & 0100;
	return walk_use_inode(o->walk, ino);
}

static void see_value(const struct eval_value *v, struct seen *ret)
{
	if (v->error) {
		ret->kind = SEEN_FAILED;
		ret->error = v->error;
		return;
	}
	ret->kind = v->is_dir ? SEEN_TREE : SEEN_FILE;
	ret->addr = v->addr;
	ret->size = v->size;
	ret->executable = v->executable;
}

/* Of a run, a value that was computed for it will do though it may be another
 * by now: that is found out when all is asked again. */
static bool holds(const struct observe *o, const struct target *x)
{
	return walk_holds(o->t, x) ||
	       (o->task && x->known && x->value_gen >= o->t->gen);
}

/* 1: it has to come first. */
static int see_derived(struct observe *o, uint64_t dir, const char *name,
		       size_t len, struct seen *ret)
{
	struct walk *w = o->walk;
	struct defined d;
	struct target *x;
	int r = define_find(w->finder, dir, name, len, NULL, &d);

	if (r == -ENOENT || r == -EEXIST)
		return 0; /* nothing */
	if (r >= 0)
		r = may(o, &d.recipe, 4);
	if (r <= 0) {
		ret->kind = SEEN_DENIED;
		return r;
	}
	x = target_get(o->ev, o->derived_at, dir, name, len, true);
	if (!x)
		return -ENOMEM;
	if (!holds(o, x)) {
		r = walk_need(w->res, x);
		return r < 0 ? r : 1;
	}
	if (o->task && x->dropped && !x->value.error) {
		x->need_bytes = true;
		target_touch(o->ev, x);
		r = walk_need(w->res, x);
		return r < 0 ? r : 1;
	}
	if (!o->task && !x->fresh)
		o->t->changed = true;
	if (!o->task && x->shaky)
		w->res->shaky = true;
	see_value(&x->value, ret);
	return 0;
}

static bool is_own(const struct observe *o, uint64_t dir, const char *name,
		   size_t len)
{
	return o->t->dir == dir && o->t->len == len &&
	       !memcmp(o->t->name, name, len);
}

static int look(struct observe *o, const struct place *dir, const char *name,
		size_t len, const char *path, size_t plen, struct seen *ret)
{
	struct walk *w = o->walk;
	struct ns_attr a;
	uint64_t ino;
	int r = ns_getattr(o->ev->ns, w->at, dir->ino, &a);

	if (r >= 0)
		r = may(o, &a, 1);
	if (r <= 0) {
		ret->kind = SEEN_DENIED;
		return r;
	}
	if (is_own(o, dir->ino, name, len))
		return 0;
	r = watch_name(o->ev, w->t, dir->ino, name, len);
	if (r >= 0)
		r = ns_lookup(o->ev->ns, w->at, dir->ino, name, len, &ino,
			      NULL);
	if (r == -ENOENT)
		return see_derived(o, dir->ino, name, len, ret);
	return r < 0 ? r : see_source(o, ino, path, plen, ret);
}

struct listing {
	struct observe *o;
	uint64_t dir;
	int (*fn)(void *ctx, const char *name, size_t len, uint32_t mode);
	void *ctx;
};

static int list_source(void *ctx, const struct ns_entry *e)
{
	struct listing *l = ctx;

	return l->fn(l->ctx, e->name, e->len, e->mode & S_IFMT);
}

static int list_derived(void *ctx, const char *name, size_t len, bool is_dir)
{
	struct listing *l = ctx;

	if (is_own(l->o, l->dir, name, len))
		return 0;
	return l->fn(l->ctx, name, len, is_dir ? S_IFDIR : S_IFREG);
}

static int list(struct observe *o, const struct place *dir,
		int (*fn)(void *ctx, const char *name, size_t len,
			  uint32_t mode),
		void *ctx)
{
	struct listing l = {o, dir->ino, fn, ctx};
	struct walk *w = o->walk;
	struct ns_attr a;
	int r = ns_getattr(o->ev->ns, w->at, dir->ino, &a);

	if (r >= 0)
		r = may(o, &a, 4);
	if (r <= 0)
		return r < 0 ? r : -EACCES;
	r = watch_listing(o->ev, w->t, dir->ino);
	if (r >= 0)
		r = ns_list(o->ev->ns, w->at, dir->ino, "", 0, list_source, &l);
	if (r >= 0)
		r = define_list(w->finder, dir->ino, NULL, NULL, 0,
				list_derived, &l);
	return r;
}

static int add_line(void *ctx, const char *name, size_t len, uint32_t mode)
{
	struct buf *b = ctx;

	buf_u32(b, mode);
	buf_u32(b, (uint32_t)len);
	buf_add(b, name, len);
	return buf_err(b);
}

/* --- noting --------------------------------------------------------------- */

static void encode(const struct seen *s, const char *target, struct buf *b)
{
	static const char letters[] = {
		[SEEN_NOTHING] = 'n', [SEEN_DENIED] = 'x', [SEEN_DIR] = 'd',
		[SEEN_LINK] = 'l',    [SEEN_FILE] = 'f',   [SEEN_TREE] = 't',
		[SEEN_OTHER] = 'o',   [SEEN_FAILED] = 'b',
	};

	buf_u8(b, s->kind == SEEN_FILE && s->executable
			  ? 'e'
			  : (uint8_t)letters[s->kind]);
	if (s->kind == SEEN_LINK)
		buf_str(b, target);
	if (s->kind == SEEN_FILE || s->kind == SEEN_TREE)
		buf_add(b, s->addr.b, ADDR_LEN);
	if (s->kind == SEEN_FAILED)
		buf_u32(b, (uint32_t)s->error);
}

static struct note *add_note(struct observe *o, const void *question,
			     size_t qlen, const struct buf *answer,
			     const struct seen *seen)
{
	size_t cap = o->cap_notes ? o->cap_notes * 2 : 64;
	struct note *n, **p;

	if (o->nnotes == o->cap_notes) {
		p = realloc(o->notes, cap * sizeof(struct note *));
		if (!p)
			return NULL;
		o->notes = p;
		o->cap_notes = cap;
	}
	n = malloc(sizeof(*n) + qlen + answer->len);
	if (!n)
		return NULL;
	n->qlen = qlen;
	n->alen = answer->len;
	n->seen = *seen;
	memcpy(n->bytes, question, qlen);
	memcpy(n->bytes + qlen, answer->data, answer->len);
	if (map_put(o->by_question, question, qlen, n, NULL) < 0) {
		free(n);
		return NULL;
	}
	o->notes[o->nnotes++] = n;
	/* what was seen is there to be read until the run is over */
	if (o->task && (seen->kind == SEEN_FILE || seen->kind == SEEN_TREE))
		store_keep(o->ev->store, &seen->addr);
	observed_step(&o->state, question, qlen, answer->data, answer->len,
		      &o->state);
	return n;
}

static const struct place *place_of(const struct observe *o, const char *path,
				    size_t len)
{
	uintptr_t i = (uintptr_t)map_get(o->by_path, path, len);

	return i ? &o->places[i - 1] : NULL;
}

/* 0 and the answer; 1: something has to come first. -ENOENT: the directory is
 * not there, so the question cannot be asked. */
static int answer_lookup(struct observe *o, const char *path, size_t len,
			 struct seen *seen, struct buf *answer)
{
	const char *slash = memrchr(path, '/', len);
	const struct place *dir;
	size_t n, up;
	int r;

	if (!slash)
		return -ENOENT;
	up = (size_t)(slash - path);
	dir = place_of(o, path, up);
	n = len - up - 1;
	if (!dir || dir->target || !n || n > NS_NAME_MAX)
		return -ENOENT;
	r = look(o, dir, slash + 1, n, path, len, seen);
	if (r)
		return r;
	encode(seen,
	       seen->kind == SEEN_LINK ? o->places[seen->place].target : NULL,
	       answer);
	return buf_err(answer);
}

static int answer_list(struct observe *o, const char *path, size_t len,
		       struct buf *answer)
{
	const struct place *dir = place_of(o, path, len);
	CLEANUP_BUF struct buf lines = BUF_INIT;
	struct addr hash;
	int r = dir && !dir->target ? list(o, dir, add_line, &lines) : -ENOENT;

	if (r == -EACCES) {
		buf_u8(answer, 'x');
		return buf_err(answer);
	}
	if (r < 0)
		return r;
	addr_derive("deriva listing v1", lines.data, lines.len, &hash);
	buf_u8(answer, 's');
	buf_add(answer, hash.b, ADDR_LEN);
	return buf_err(answer);
}

static int ask(struct observe *o, const void *question, size_t len,
	       struct note **ret)
{
	struct note *n = map_get(o->by_question, question, len);
	CLEANUP_BUF struct buf answer = BUF_INIT;
	const char *q = question;
	struct seen seen = {0};
	int r;

	if (n) {
		*ret = n;
		return 0;
	}
	/* the way to the recipe, and what it makes, are no questions */
	r = len < 2	  ? -ENOENT
	    : q[0] == 'd' ? answer_list(o, q + 1, len - 1, &answer)
			  : answer_lookup(o, q + 1, len - 1, &seen, &answer);
	if (r)
		return r;
	*ret = add_note(o, question, len, &answer, &seen);
	return *ret ? 0 : -ENOMEM;
}

int observe_ask(struct observe *o, const void *question, size_t len,
		struct answer *ret)
{
	struct note *n;
	int r = ask(o, question, len, &n);

	if (!r)
		*ret = (struct answer){n->bytes + n->qlen, n->alen};
	return r;
}

/* --- for the command -------------------------------------------------------
 */

static bool is_over(struct observe *o)
{
	if (o->nnotes < OBSERVE_MAX)
		return false;
	o->over = true;
	execute_stop(o->ev, o->task);
	return true;
}

/* The next directory on the way to the recipe. */
static void step_way(const struct observe *o, const char *path, size_t len,
		     struct seen *ret)
{
	const struct place *p = place_of(o, path, len);

	ret->kind = SEEN_DIR;
	ret->place = (size_t)(p - o->places);
}

int observe_lookup(struct observe *o, size_t dir, const char *name, size_t len,
		   struct seen *ret)
{
	CLEANUP_BUF struct buf q = BUF_INIT;
	const struct place *p = &o->places[dir];
	struct note *n;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (is_own(o, p->ino, name, len))
		return 0;
	buf_u8(&q, 'l');
	buf_add(&q, p->path, p->len);
	buf_u8(&q, '/');
	buf_add(&q, name, len);
	if (buf_err(&q) < 0)
		return -ENOMEM;
	if (p->level && p->level <= o->depth && len == 1 && *name == 'd') {
		step_way(o, buf_cstr(&q) + 1, q.len - 1, ret);
		return 0;
	}
	if (is_over(o))
		return -ECANCELED;
	r = ask(o, q.data, q.len, &n);
	if (r > 0) {
		execute_stop(o->ev, o->task);
		return -ECANCELED;
	}
	if (!r)
		*ret = n->seen;
	return r;
}

int observe_list(struct observe *o, size_t dir,
		 int (*fn)(void *ctx, const char *name, size_t len,
			   uint32_t mode),
		 void *ctx)
{
	CLEANUP_BUF struct buf q = BUF_INIT;
	const struct place *p = &o->places[dir];
	struct note *n;
	int r;

	buf_u8(&q, 'd');
	buf_add(&q, p->path, p->len);
	if (buf_err(&q) < 0)
		return -ENOMEM;
	if (is_over(o))
		return -ECANCELED;
	r = ask(o, q.data, q.len, &n);
	return r < 0 ? r : list(o, &o->places[dir], fn, ctx);
}

const char *observe_link(const struct observe *o, size_t place)
{
	return o->places[place].target;
}

/* --- for the evaluation -----------------------------------------------------
 */

unsigned observe_depth(const struct observe *o)
{
	return o->depth;
}

const struct addr *observe_state(const struct observe *o)
{
	return &o->state;
}

int observe_keep(struct observe *o)
{
	struct addr state = o->task->key;
	const struct note *n;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < o->nnotes; i++) {
		n = o->notes[i];
		r = observed_put(o->ev->observed, &state, n->bytes, n->qlen,
				 n->bytes + n->qlen, n->alen);
		observed_step(&state, n->bytes, n->qlen, n->bytes + n->qlen,
			      n->alen, &state);
	}
	return r;
}

int observe_again(struct observe *now, const struct observe *then)
{
	const struct note *n;
	struct answer a;
	size_t i;
	int r;

	for (i = 0; i < then->nnotes; i++) {
		n = then->notes[i];
		r = observe_ask(now, n->bytes, n->qlen, &a);
		if (r == -ENOENT || r == 1)
			return 0;
		if (r < 0)
			return r;
		if (a.len != n->alen ||
		    memcmp(a.bytes, n->bytes + n->qlen, a.len) != 0)
			return 0;
	}
	return 1;
}

struct target **observe_needs(struct observe *o, size_t *ret_count)
{
	*ret_count = o->res.nneeds;
	return o->res.needs;
}

void observe_damaged(struct observe *o)
{
	o->damaged = true;
}

bool observe_is_damaged(const struct observe *o)
{
	return o->damaged;
}

bool observe_saw(const struct observe *o, const struct addr *a)
{
	size_t i;

	for (i = 0; i < o->nnotes; i++)
		if (o->notes[i]->seen.kind == SEEN_FILE &&
		    addr_eq(&o->notes[i]->seen.addr, a))
			return true;
	return false;
}

bool observe_is_over(const struct observe *o)
{
	return o->over;
}
