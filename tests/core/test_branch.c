/* Why: a branch shows what it was made from but for its own changes, at every
 * moment, while the others go on. Random changes on several branches, made at
 * present and past moments of each other, against a model that copies whole
 * trees; then the same for a database made from the journals alone, and after
 * going back as a power cut makes it. */
#include "core/branch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/budget.h"
#include "core/check.h"
#include "core/eager.h"
#include "core/merged.h"
#include "core/rebuild.h"
#include "core/retention.h"
#include "core/roots.h"
#include "core/trail.h"
#include "core/tree_diff.h"
#include "tests/core/fixture.h"

#define MAX_NODES    64
#define MAX_NAMES    48
#define MAX_SEQ	     3000
#define MAX_BRANCHES 7
#define STEPS	     300

/* An inode number is its place; a name leads from one to another. */
struct node {
	uint64_t ino;
	uint32_t mode;
	int content; /* of files; of links the target */
	int xattr;   /* 0: none */
};

struct name {
	int dir, node; /* places in nodes */
	char name[4];
};

struct tree {
	struct node nodes[MAX_NODES];
	struct name names[MAX_NAMES];
	int n_nodes, n_names;
};

struct line {
	uint64_t id, parent, fork;
	char name[16];
	bool gone;
	struct ns *ns;
	struct tree now;
	struct tree *at[MAX_SEQ]; /* after that change of its own */
};

static struct fixture f;
static struct line lines[MAX_BRANCHES];
static int n_lines;
static struct tree *t; /* of the branch that is changed */
static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

/* --- the model ----------------------------------------------------------- */

static int find(const struct tree *tr, int dir, const char *name)
{
	int i;

	for (i = 0; i < tr->n_names; i++)
		if (tr->names[i].dir == dir && !strcmp(tr->names[i].name, name))
			return i;
	return -1;
}

static int links(const struct tree *tr, int node)
{
	int i, n = 0;

	for (i = 0; i < tr->n_names; i++)
		n += tr->names[i].node == node;
	return n;
}

static int children(const struct tree *tr, int dir, bool dirs)
{
	int i, n = 0;

	for (i = 0; i < tr->n_names; i++)
		n += tr->names[i].dir == dir &&
		     (!dirs || S_ISDIR(tr->nodes[tr->names[i].node].mode));
	return n;
}

/* Places of nodes without a name are used again. */
static int new_node(uint64_t ino, uint32_t mode)
{
	int i;

	for (i = 1; i < t->n_nodes; i++)
		if (!links(t, i))
			break;
	ck_assert_int_lt(i, MAX_NODES);
	if (i == t->n_nodes)
		t->n_nodes++;
	t->nodes[i] = (struct node){.ino = ino, .mode = mode};
	return i;
}

static void add_name(int dir, const char *name, int node)
{
	struct name *n = &t->names[t->n_names++];

	n->dir = dir;
	n->node = node;
	snprintf(n->name, sizeof(n->name), "%s", name);
}

static void del_name(int i)
{
	t->names[i] = t->names[--t->n_names];
}

static bool below(int node, int top)
{
	int i;

	while (node) {
		if (node == top)
			return true;
		for (i = 0; t->names[i].node != node; i++)
			;
		node = t->names[i].dir;
	}
	return node == top;
}

static int any_dir(void)
{
	int tries, i;

	for (tries = 0; tries < 8; tries++) {
		i = (int)rnd((unsigned)t->n_nodes);
		if (S_ISDIR(t->nodes[i].mode) && (!i || links(t, i)))
			return i;
	}
	return 0;
}

static const char *any_name(void)
{
	static const char *const all[] = {"a", "b", "c", "d",
					  "e", "f", "%", "g%"};

	return all[rnd(ARRAY_LEN(all))];
}

/* --- changes, the same on both ------------------------------------------- */

static struct ns *ns;

static void reap(const struct ns_attr *gone)
{
	if (gone->ino && !gone->nlink)
		ck_assert_int_eq(ns_reap(ns, gone->ino), 0);
}

static void do_create(void)
{
	static const uint32_t modes[] = {S_IFREG | 0644, S_IFDIR | 0755,
					 S_IFREG | 0600, S_IFLNK | 0777};
	uint32_t mode = modes[rnd(4)];
	const char *name = any_name();
	int dir = any_dir(), node, k = (int)rnd(90) + 1;
	char target[8];
	struct ns_attr a;
	int rc;

	if (t->n_names == MAX_NAMES || t->n_nodes > MAX_NODES - 2)
		return;
	snprintf(target, sizeof(target), "%d", k);
	rc = ns_create(ns, &by, t->nodes[dir].ino, name, strlen(name), mode, 1,
		       2, 0, S_ISLNK(mode) ? target : NULL, &a);
	if (find(t, dir, name) >= 0) {
		ck_assert_int_eq(rc, -EEXIST);
		return;
	}
	ck_assert_int_eq(rc, 0);
	node = new_node(a.ino, mode);
	t->nodes[node].content = S_ISLNK(mode) ? k : 0;
	add_name(dir, name, node);
}

static void content_addr(int content, struct addr *ret)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", content);
	addr_of(OBJ_CHUNK, text, content ? strlen(text) : 0, ret);
}

static int any_named(void)
{
	return t->n_names ? (int)rnd((unsigned)t->n_names) : -1;
}

static void do_write(void)
{
	int i = any_named();
	struct node *n;
	struct addr addr;
	struct ns_attr a;

	if (i < 0)
		return;
	n = &t->nodes[t->names[i].node];
	if (!S_ISREG(n->mode))
		return;
	n->content = 1 + (int)rnd(1000);
	content_addr(n->content, &addr);
	ck_assert_int_eq(ns_write(ns, &by, n->ino, &addr, (uint64_t)n->content,
				  0, &a),
			 0);
}

static void do_setattr(void)
{
	int i = any_named();
	struct ns_attr a = {.mode = 0400 | rnd(0200)}, got;
	struct node *n;

	n = &t->nodes[i < 0 || !rnd(8) ? 0 : t->names[i].node];
	if (S_ISLNK(n->mode))
		return;
	n->mode = (n->mode & S_IFMT) | a.mode;
	ck_assert_int_eq(ns_setattr(ns, &by, n->ino, NS_SET_MODE, &a, &got), 0);
}

static void do_xattr(void)
{
	int i = any_named(), v = (int)rnd(4), rc;
	struct node *n;
	char text[8];

	n = &t->nodes[i < 0 || !rnd(8) ? 0 : t->names[i].node];
	snprintf(text, sizeof(text), "%d", v);
	rc = ns_xattr_set(ns, &by, n->ino, "user.x", v ? text : NULL,
			  strlen(text), 0);
	ck_assert_int_eq(rc, v || n->xattr ? 0 : -ENODATA);
	n->xattr = v;
}

static void do_link(void)
{
	int i = any_named(), dir = any_dir(), rc;
	const char *name = any_name();
	struct ns_attr a;
	struct node *n;

	if (i < 0 || t->n_names == MAX_NAMES)
		return;
	n = &t->nodes[t->names[i].node];
	rc = ns_link(ns, &by, n->ino, t->nodes[dir].ino, name, strlen(name),
		     &a);
	if (S_ISDIR(n->mode)) {
		ck_assert_int_eq(rc, -EPERM);
	} else if (find(t, dir, name) >= 0) {
		ck_assert_int_eq(rc, -EEXIST);
	} else {
		ck_assert_int_eq(rc, 0);
		add_name(dir, name, t->names[i].node);
		ck_assert_int_eq((int)a.nlink, links(t, t->names[i].node));
	}
}

static void do_unlink(void)
{
	int i = any_named(), rc, node;
	struct ns_attr gone;
	struct name *n;
	bool is_dir;

	if (i < 0)
		return;
	n = &t->names[i];
	node = n->node;
	is_dir = S_ISDIR(t->nodes[node].mode);
	rc = ns_unlink(ns, &by, t->nodes[n->dir].ino, n->name, strlen(n->name),
		       is_dir, &gone);
	if (is_dir && children(t, node, false)) {
		ck_assert_int_eq(rc, -ENOTEMPTY);
		return;
	}
	ck_assert_int_eq(rc, 0);
	del_name(i);
	ck_assert_int_eq((int)gone.nlink, links(t, node));
	reap(&gone);
}

static int rename_error(const struct name *n, int dir, int to, unsigned flags)
{
	int moved = n->node, there = to < 0 ? -1 : t->names[to].node;
	bool is_dir = S_ISDIR(t->nodes[moved].mode);

	if ((flags & RENAME_EXCHANGE) && to < 0)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to >= 0)
		return -EEXIST;
	if (there == moved)
		return 0;
	if (is_dir && below(dir, moved))
		return -EINVAL;
	if (flags & RENAME_EXCHANGE)
		return S_ISDIR(t->nodes[there].mode) && below(n->dir, there)
			       ? -EINVAL
			       : 0;
	if (to < 0)
		return 0;
	if (!is_dir)
		return S_ISDIR(t->nodes[there].mode) ? -EISDIR : 0;
	if (!S_ISDIR(t->nodes[there].mode))
		return -ENOTDIR;
	return children(t, there, false) ? -ENOTEMPTY : 0;
}

static void do_rename(void)
{
	static const unsigned kinds[] = {0, 0, 0, RENAME_NOREPLACE,
					 RENAME_EXCHANGE};
	unsigned flags = kinds[rnd(ARRAY_LEN(kinds))];
	int i = any_named(), dir = any_dir(), to, rc, want, moved;
	const char *name = any_name();
	struct ns_attr gone;
	struct name n;

	if (i < 0)
		return;
	n = t->names[i];
	moved = n.node;
	to = find(t, dir, name);
	want = rename_error(&n, dir, to, flags);
	rc = ns_rename(ns, &by, t->nodes[n.dir].ino, n.name, strlen(n.name),
		       t->nodes[dir].ino, name, strlen(name), flags, &gone);
	ck_assert_int_eq(rc, want);
	if (rc < 0 || (to >= 0 && t->names[to].node == moved))
		return;
	if (to >= 0 && (flags & RENAME_EXCHANGE)) {
		t->names[i].node = t->names[to].node;
		t->names[to].node = moved;
		return;
	}
	if (to >= 0) {
		t->names[to].node = moved;
		del_name(i);
		reap(&gone);
		return;
	}
	t->names[i].dir = dir;
	snprintf(t->names[i].name, sizeof(t->names[i].name), "%s", name);
}

static void random_change(void)
{
	static void (*const all[])(void) = {
		do_create, do_create, do_create,  do_write, do_write, do_unlink,
		do_rename, do_rename, do_setattr, do_link,  do_xattr,
	};

	all[rnd(ARRAY_LEN(all))]();
}

/* --- comparing ----------------------------------------------------------- */

/* The model's tree by a branch's own changes; NULL: before the first. */
static const struct tree *tree_at(const struct line *l, uint64_t at)
{
	uint64_t seq;

	if (at == NS_NOW)
		return &l->now;
	for (seq = MIN(at, (uint64_t)MAX_SEQ - 1); seq > l->fork; seq--)
		if (l->at[seq])
			return l->at[seq];
	return NULL;
}

static const struct line *line_of(uint64_t id)
{
	int i;

	for (i = 0; i < n_lines; i++)
		if (lines[i].id == id)
			return &lines[i];
	ck_abort_msg("no branch %d", (int)id);
	return NULL;
}

static const struct tree *model_at(const struct line *l, uint64_t at)
{
	const struct tree *found = tree_at(l, at);

	while (!found && l->fork) {
		at = MIN(at, l->fork);
		l = line_of(l->parent);
		found = tree_at(l, at);
	}
	return found;
}

struct listing {
	struct buf text;
	char last[8];
	int n, limit;
	bool special;
};

static int on_entry(void *ctx, const struct ns_entry *e)
{
	struct listing *l = ctx;

	buf_fmt(&l->text, "%s %d %o\n", e->name, (int)e->ino,
		l->special ? 0 : e->mode);
	snprintf(l->last, sizeof(l->last), "%s", e->name);
	return l->limit && ++l->n % l->limit == 0;
}

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void want_list(const struct tree *tr, int dir, const char *only,
		      struct buf *ret)
{
	struct name names[MAX_NAMES];
	int i, n = 0;

	for (i = 0; i < tr->n_names; i++)
		if (tr->names[i].dir == dir &&
		    (!only || strstr(tr->names[i].name, only)))
			names[n++] = tr->names[i];
	qsort(names, (size_t)n, sizeof(*names), by_name);
	for (i = 0; i < n; i++)
		buf_fmt(ret, "%s %d %o\n", names[i].name,
			(int)tr->nodes[names[i].node].ino,
			only ? 0 : tr->nodes[names[i].node].mode);
}

static void check_list(struct ns *n, const struct tree *tr, uint64_t at,
		       int dir)
{
	CLEANUP_BUF struct buf want = BUF_INIT;
	struct listing l = {.limit = rnd(2) ? 0 : 1 + (int)rnd(3)};
	uint64_t ino = tr->nodes[dir].ino;
	int rc;

	want_list(tr, dir, NULL, &want);
	do {
		rc = ns_list(n, at, ino, l.last, strlen(l.last), on_entry, &l);
		ck_assert_int_ge(rc, 0);
	} while (rc);
	ck_assert_str_eq(buf_cstr(&l.text), buf_cstr(&want));
	buf_reset(&l.text);
	buf_reset(&want);
	l.limit = 0;
	l.special = true;
	want_list(tr, dir, "%", &want);
	ck_assert_int_eq(ns_list_percent(n, at, ino, on_entry, &l), 0);
	ck_assert_str_eq(buf_cstr(&l.text), buf_cstr(&want));
	buf_done(&l.text);
	if (at == NS_NOW)
		ck_assert(ns_dir_empty(n, ino) == !children(tr, dir, false));
}

static int count_names(void *ctx, uint64_t dir, const char *name, size_t len)
{
	++*(int *)ctx;
	return 0;
}

static void check_node(struct ns *n, const struct tree *tr, uint64_t at, int i)
{
	CLEANUP_BUF struct buf b = BUF_INIT, list = BUF_INIT;
	const struct node *node = &tr->nodes[i];
	struct ns_attr a;
	struct addr addr;
	char text[8];
	int named = 0, rc;

	ck_assert_int_eq(ns_getattr(n, at, node->ino, &a), 0);
	ck_assert_uint_eq(a.mode, node->mode);
	if (S_ISREG(a.mode)) {
		content_addr(node->content, &addr);
		ck_assert(addr_eq(&a.addr, &addr));
		ck_assert_uint_eq(a.size, (uint64_t)node->content);
	}
	snprintf(text, sizeof(text), "%d", node->content);
	if (S_ISLNK(a.mode)) {
		ck_assert_int_eq(ns_readlink(n, at, node->ino, &b), 0);
		ck_assert_str_eq(buf_cstr(&b), text);
		buf_reset(&b);
	}
	if (at == NS_NOW)
		ck_assert_int_eq((int)a.nlink,
				 S_ISDIR(a.mode) ? 2 + children(tr, i, true)
						 : links(tr, i));
	snprintf(text, sizeof(text), "%d", node->xattr);
	rc = ns_xattr_get_at(n, at, node->ino, "user.x", &b);
	ck_assert_int_eq(rc, node->xattr ? 0 : -ENODATA);
	if (node->xattr)
		ck_assert_str_eq(buf_cstr(&b), text);
	ck_assert_int_eq(ns_xattr_list_at(n, at, node->ino, &list), 0);
	ck_assert_uint_eq(list.len, node->xattr ? 7 : 0);
	ck_assert_int_eq(ns_names(n, at, node->ino, count_names, &named), 0);
	ck_assert_int_eq(named, links(tr, i));
}

/* A path leads back to what it is the path of. */
static void check_path(struct ns *n, uint64_t at, uint64_t ino)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t found = NS_ROOT;
	char *rest, *part;

	ck_assert_int_eq(ns_path(n, at, ino, &b), 0);
	rest = (char *)b.data;
	while ((part = strsep(&rest, "/")))
		if (*part)
			ck_assert_int_eq(ns_lookup(n, at, found, part,
						   strlen(part), &found, NULL),
					 0);
	ck_assert_uint_eq(found, ino);
}

static void check_tree(struct ns *n, const struct tree *tr, uint64_t at)
{
	uint64_t ino;
	const struct name *e;
	int i, rc;

	ck_assert_ptr_nonnull(tr);
	for (i = 0; i < tr->n_nodes; i++) {
		if (i && !links(tr, i)) {
			struct ns_attr a;

			ck_assert_int_eq(ns_getattr(n, at, tr->nodes[i].ino,
						    &a),
					 -ENOENT);
			continue;
		}
		check_node(n, tr, at, i);
		check_path(n, at, tr->nodes[i].ino);
		if (S_ISDIR(tr->nodes[i].mode))
			check_list(n, tr, at, i);
	}
	for (i = 0; i < tr->n_names; i++) {
		e = &tr->names[i];
		ck_assert_int_eq(ns_lookup(n, at, tr->nodes[e->dir].ino,
					   e->name, strlen(e->name), &ino,
					   NULL),
				 0);
		ck_assert_uint_eq(ino, tr->nodes[e->node].ino);
	}
	rc = ns_lookup(n, at, NS_ROOT, "a", 1, &ino, NULL);
	ck_assert_int_eq(rc, find(tr, 0, "a") < 0 ? -ENOENT : 0);
}

/* --- history ------------------------------------------------------------- */

struct history {
	struct ns_interval list[400];
	int n;
};

static int on_interval(void *ctx, const struct ns_interval *i)
{
	struct history *h = ctx;

	ck_assert_int_lt(h->n, (int)ARRAY_LEN(h->list));
	h->list[h->n++] = *i;
	return 0;
}

/* What a name's history says is what a look-up finds at that moment. */
static void check_history(const struct line *l, struct ns *n)
{
	const char *name = any_name();
	struct history h = {.n = 0};
	uint64_t at, ino, said;
	int i, k, rc;

	ck_assert_int_eq(ns_name_history(n, NS_ROOT, name, strlen(name),
					 on_interval, &h),
			 0);
	for (k = 0; k < 10; k++) {
		at = 1 + rnd((unsigned)ns_last_change(n));
		for (said = 0, i = 0; i < h.n; i++)
			if (h.list[i].born <= at &&
			    (!h.list[i].died || h.list[i].died > at))
				said = said ? NS_NOW : h.list[i].ino;
		rc = ns_lookup(n, at, NS_ROOT, name, strlen(name), &ino, NULL);
		ck_assert_uint_eq(rc < 0 ? 0 : ino, said);
	}
}

static int find_path(const struct tree *tr, const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	char *rest = copy, *part;
	int dir = 0, i = -1;

	while ((part = strsep(&rest, "/"))) {
		i = find(tr, dir, part);
		if (i < 0)
			return -1;
		dir = tr->names[i].node;
	}
	return i;
}

/* What is told is so. */
static void check_told(const struct tree *a, const struct tree *b,
		       const struct tree_change *c)
{
	int from = c->from && *c->from ? find_path(a, c->from) : 0;
	int to = c->to && *c->to ? find_path(b, c->to) : 0;

	ck_assert_int_ge(from, 0);
	ck_assert_int_ge(to, 0);
	if (c->from && *c->from)
		ck_assert_uint_eq(a->nodes[a->names[from].node].ino, c->a.ino);
	if (c->to && *c->to)
		ck_assert_uint_eq(b->nodes[b->names[to].node].ino, c->b.ino);
}

/* Every file that is at one of the moments only is told of. */
static int only_in(const struct tree *a, const struct tree *b)
{
	int i, k, n = 0;

	for (i = 1; i < a->n_nodes; i++) {
		if (!links(a, i))
			continue;
		for (k = 1; k < b->n_nodes; k++)
			if (b->nodes[k].ino == a->nodes[i].ino && links(b, k))
				break;
		n += k == b->n_nodes;
	}
	return n;
}

static void check_diff(const struct line *l, struct ns *n)
{
	uint64_t last = ns_last_change(n);
	uint64_t a = 1 + rnd((unsigned)last), b = 1 + rnd((unsigned)last);
	struct tree_changes c;
	size_t i;

	ck_assert_int_eq(tree_diff(n, a, b, "", &c), 0);
	for (i = 0; i < c.n; i++)
		check_told(model_at(l, a), model_at(l, b), &c.list[i]);
	if (only_in(model_at(l, a), model_at(l, b)) >
	    only_in(model_at(l, b), model_at(l, a)))
		ck_assert_uint_gt(c.n, 0);
	if (!memcmp(model_at(l, a), model_at(l, b), sizeof(struct tree)))
		ck_assert_uint_eq(c.n, 0);
	tree_changes_done(&c);
}

/* --- branches ------------------------------------------------------------ */

static void remember(struct line *l, uint64_t seq)
{
	ck_assert_uint_lt(seq, MAX_SEQ);
	if (!l->at[seq])
		l->at[seq] = malloc(sizeof(struct tree));
	*l->at[seq] = l->now;
}

static void open_line(struct line *l)
{
	if (l == lines)
		l->ns = f.ns;
	else
		ck_assert_int_eq(ns_open_branch(f.db, l->id, 0, 0, &l->ns,
						NULL),
				 0);
	ns_set_journal(l->ns, f.journal);
}

static void make_line(void)
{
	struct line *from = &lines[rnd((unsigned)n_lines)];
	struct line *l = &lines[n_lines];
	uint64_t last = ns_last_change(from->ns), at = NS_NOW;
	struct branch b;

	if (rnd(2))
		at = 1 + rnd((unsigned)last);
	snprintf(l->name, sizeof(l->name), "b%d", n_lines);
	ck_assert_int_eq(branch_make(from->ns, &by, l->name, at, &b), 0);
	commit(&f);
	ck_assert_int_eq(branch_make(from->ns, &by, l->name, at, &b), -EEXIST);
	db_rollback(f.db);
	ck_assert_int_eq(branch_find(f.db, l->name, &b), 0);
	l->id = b.id;
	l->parent = b.parent;
	l->fork = b.forked_at;
	ck_assert_uint_eq(l->fork, at == NS_NOW ? last : at);
	l->now = *model_at(from, l->fork);
	n_lines++;
	open_line(l);
}

static void check_totals(const struct line *l)
{
	struct totals got;
	uint64_t files = 0, dirs = 1, symlinks = 0, bytes = 0;
	int i;

	ck_assert_int_eq(ns_totals(l->ns, &got), 0);
	for (i = 1; i < l->now.n_nodes; i++) {
		const struct node *n = &l->now.nodes[i];

		if (!links(&l->now, i))
			continue;
		files += S_ISREG(n->mode);
		dirs += S_ISDIR(n->mode);
		symlinks += S_ISLNK(n->mode);
		bytes += S_ISREG(n->mode) ? (uint64_t)n->content : 0;
	}
	ck_assert_uint_eq(got.files, files);
	ck_assert_uint_eq(got.dirs, dirs);
	ck_assert_uint_eq(got.links, symlinks);
	ck_assert_uint_eq(got.bytes, bytes);
}

static void check_line(const struct line *l, int moments)
{
	uint64_t at, last = ns_last_change(l->ns);

	check_tree(l->ns, &l->now, NS_NOW);
	check_totals(l);
	while (moments--) {
		at = 1 + rnd((unsigned)last);
		check_tree(l->ns, model_at(l, at), at);
		check_history(l, l->ns);
		check_diff(l, l->ns);
	}
}

static void check_all(int moments)
{
	int i;

	for (i = 0; i < n_lines; i++)
		check_line(&lines[i], moments);
}

/* --- other databases ----------------------------------------------------- */

static void found(void *ctx, const char *what)
{
	ck_abort_msg("%s", what);
}

static void apply_from(struct rebuild *r, struct journal_check *j,
		       const struct addr *at)
{
	const struct buf *journal = map_get(f.objects, at->b, ADDR_LEN);
	const struct buf *clear;
	struct journal_info info;

	ck_assert_int_eq(journal_decode(journal->data, journal->len, &info,
					NULL, NULL),
			 0);
	if (!addr_is_zero(&info.prev))
		apply_from(r, j, &info.prev);
	clear = map_get(f.objects, info.clear.b, ADDR_LEN);
	if (r)
		ck_assert_int_eq(rebuild_add(r, journal->data, journal->len,
					     clear->data, clear->len, false),
				 0);
	if (j)
		ck_assert_int_eq(journal_check_add(j, journal->data,
						   journal->len, clear->data,
						   clear->len),
				 0);
}

static void check_rows(const struct addr *head)
{
	struct check c = {.db = f.db, .found = found};
	struct journal_check *j;

	ck_assert_int_eq(check_begin(&c), 0);
	ck_assert_int_eq(check_pages(&c), 0);
	ck_assert_int_eq(check_namespace(&c), 0);
	ck_assert_int_eq(journal_check_new(&c, &j), 0);
	apply_from(NULL, j, head);
	ck_assert_int_eq(journal_check_end(j), 0);
	journal_check_free(j);
	check_end(&c);
}

static int put_object(void *ctx, enum obj_kind kind, const void *p, size_t n,
		      struct addr *ret)
{
	struct buf *b = calloc(1, sizeof(*b));

	addr_of(kind, p, n, ret);
	buf_add(b, p, n);
	return map_put(f.objects, ret->b, ADDR_LEN, b, NULL);
}

static void close_lines(void)
{
	int i;

	for (i = 1; i < n_lines; i++)
		ns_close(lines[i].ns);
}

/* From the journals that end there, and a chain of its own. */
static struct addr rebuild_as(const char *name, const struct addr *head)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	struct db *mine = f.db;
	struct rebuild_sums sums;
	struct rebuild *r;
	struct journal *j;
	struct addr ret;
	int i;

	buf_fmt(&path, "%s/%s", f.dir, name);
	ck_assert_int_eq(db_open(buf_cstr(&path), DB_CREATE, &f.db, NULL), 0);
	db_lock(f.db);
	ck_assert_int_eq(rebuild_new(f.db, &r), 0);
	apply_from(r, NULL, head);
	ck_assert_int_eq(rebuild_end(r, head, 0, &sums), 0);
	ck_assert_uint_eq(sums.odd + sums.unknown + sums.adopted, 0);
	rebuild_free(r);
	check_rows(head);
	for (i = 0; i < n_lines; i++)
		ck_assert_int_eq(ns_open_view(f.db, lines[i].id, &lines[i].ns),
				 0);
	check_all(12);
	for (i = 0; i < n_lines; i++)
		ns_close(lines[i].ns);
	ck_assert_int_eq(journal_open(f.db, &j), 0);
	journal_set_put(j, put_object, NULL);
	ck_assert_int_eq(rebuild_journals(f.db, j, NULL, NULL), 0);
	ck_assert_int_eq(journal_head(j, &ret, NULL), 0);
	check_rows(&ret);
	journal_close(j);
	db_unlock(f.db);
	db_close(f.db);
	f.db = mine;
	return ret;
}

/* What was made after a moment is not there any more. */
static void go_back(uint64_t to)
{
	struct branch b;
	int i, n = 1;

	close_lines();
	ck_assert_int_eq(ns_rollback(f.ns, to), 0);
	commit(&f);
	for (i = 1; i < n_lines; i++)
		if (branch_get(f.db, lines[i].id, &b) == 0) {
			ck_assert_uint_le(b.born, to);
			if (i != n)
				lines[n] = lines[i];
			n++;
		}
	n_lines = n;
	for (i = 0; i < n_lines; i++) {
		if (i)
			open_line(&lines[i]);
		lines[i].now = *model_at(&lines[i], to);
	}
	for (i = 0; i < n_lines; i++)
		check_line(&lines[i], 4);
}

static void one_step(void)
{
	struct line *l = &lines[rnd((unsigned)n_lines)];
	int n = 1 + (int)rnd(6);

	t = &l->now;
	ns = l->ns;
	while (n--) {
		uint64_t before = ns_last_change(ns);

		random_change();
		if (ns_last_change(ns) != before)
			remember(l, ns_last_change(ns));
	}
	commit(&f);
}

static void run_model(uint64_t s)
{
	struct addr head;
	int i;

	seed = s * UINT64_C(0x9e3779b97f4a7c15) + 1;
	memset(lines, 0, sizeof(lines));
	n_lines = 1;
	lines[0].id = BRANCH_MAIN;
	open_line(&lines[0]);
	lines[0].now.n_nodes = 1;
	lines[0].now.nodes[0] = (struct node){NS_ROOT, S_IFDIR | 0755, 0, 0};
	remember(&lines[0], 1);
	for (i = 0; i < STEPS; i++) {
		one_step();
		if (i % 45 == 30 && n_lines < MAX_BRANCHES)
			make_line();
		if (!rnd(25))
			check_line(&lines[rnd((unsigned)n_lines)], 1);
	}
	check_all(12);
	ck_assert_int_eq(journal_head(f.journal, &head, NULL), 0);
	check_rows(&head);
	close_lines();
	head = rebuild_as("again.db", &head);
	rebuild_as("third.db", &head);
	lines[0].ns = f.ns;
	for (i = 1; i < n_lines; i++)
		open_line(&lines[i]);
	go_back(ns_last_change(f.ns) * 2 / 3);
	close_lines();
}

static void free_models(void)
{
	int i, k;

	for (i = 0; i < MAX_BRANCHES; i++)
		for (k = 0; k < MAX_SEQ; k++)
			free(lines[i].at[k]);
}

START_TEST(branches_agree_with_a_model_now_and_at_every_moment)
{
	fixture_open(&f);
	run_model((uint64_t)_i + 1);
	fixture_done(&f);
	free_models();
}
END_TEST

/* --- by hand ------------------------------------------------------------- */

static int count_branch(void *ctx, const struct branch *b)
{
	++*(int *)ctx;
	return 0;
}

START_TEST(branch_names_are_checked_and_main_stays)
{
	struct branch b;
	int n = 0;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	ck_assert_int_eq(branch_make(f.ns, &by, "", NS_NOW, &b), -EINVAL);
	ck_assert_int_eq(branch_make(f.ns, &by, "-d", NS_NOW, &b), -EINVAL);
	ck_assert_int_eq(branch_make(f.ns, &by, "a,b", NS_NOW, &b), -EINVAL);
	ck_assert_int_eq(branch_make(f.ns, &by, "main", NS_NOW, &b), -EEXIST);
	ck_assert_int_eq(branch_remove(f.ns, &by, "main"), -EBUSY);
	ck_assert_int_eq(branch_rename(f.ns, &by, "main", "x"), -EBUSY);
	ck_assert_int_eq(branch_remove(f.ns, &by, "no"), -ENOENT);
	ck_assert_int_eq(branch_make(f.ns, &by, "fix/1", NS_NOW, &b), 0);
	ck_assert_int_eq(branch_rename(f.ns, &by, "fix/1", "fix/2"), 0);
	ck_assert_int_eq(branch_find(f.db, "fix/1", &b), -ENOENT);
	ck_assert_int_eq(branch_find(f.db, "fix/2", &b), 0);
	ck_assert_int_eq(branches_each(f.db, count_branch, &n), 0);
	ck_assert_int_eq(n, 2);
	fixture_done(&f);
}
END_TEST

static int64_t rows_of(const char *table)
{
	char sql[128];
	int64_t n = -1;
	struct stmt *st;
	int rc;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE branch <> 1",
		 table);
	st = db_prepare(f.db, sql, &rc);
	ck_assert_ptr_nonnull(st);
	ck_assert_int_eq(stmt_step(st), 1);
	n = stmt_col_int(st, 0);
	stmt_free(st);
	return n;
}

/* Rows go with the last that needs them, and come back before that. */
START_TEST(branch_removed_goes_when_it_is_durable_and_nobody_needs_it)
{
	struct branch b, c;
	struct ns *on_b, *on_c;
	uint64_t ino, before, last;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	ck_assert_int_eq(rows_of("entry") + rows_of("inode"), 0);
	ck_assert_int_eq(ns_open_branch(f.db, b.id, 0, 0, &on_b, NULL), 0);
	ns_set_journal(on_b, f.journal);
	f.ns = (ns = f.ns, on_b);
	remove_name(&f, NS_ROOT, "x");
	make_file(&f, NS_ROOT, "y");
	ck_assert_int_eq(branch_make(on_b, &by, "c", NS_NOW, &c), 0);
	ck_assert_uint_eq(c.parent, b.id);
	commit(&f);
	f.ns = ns;
	before = ns_last_change(f.ns);
	ck_assert_int_eq(branch_remove(f.ns, &by, "b"), 0);
	commit(&f);
	last = ns_last_change(f.ns);
	ck_assert_int_eq(branch_find(f.db, "b", &b), -ENOENT);
	ck_assert_int_eq(branches_sweep(f.db, last), 0); /* c needs it */
	commit(&f);
	ck_assert_int_eq(ns_open_view(f.db, c.id, &on_c), 0);
	ck_assert_int_eq(ns_lookup(on_c, NS_NOW, NS_ROOT, "y", 1, &ino, NULL),
			 0);
	ck_assert_int_eq(ns_lookup(on_c, NS_NOW, NS_ROOT, "x", 1, &ino, NULL),
			 -ENOENT);
	ns_close(on_c);
	ns_close(on_b);
	ck_assert_int_eq(ns_rollback(f.ns, before), 0);
	commit(&f);
	ck_assert_int_eq(branch_find(f.db, "b", &b), 0);
	ck_assert_int_eq(branch_remove(f.ns, &by, "b"), 0);
	ck_assert_int_eq(branch_remove(f.ns, &by, "c"), 0);
	commit(&f);
	ck_assert_int_eq(branches_sweep(f.db, before), 0);
	ck_assert_int_eq(branches_sweep(f.db, ns_last_change(f.ns)), 1);
	commit(&f);
	ck_assert_int_eq(rows_of("entry") + rows_of("inode") +
				 rows_of("version"),
			 0);
	fixture_done(&f);
}
END_TEST

/* Journals and changes go on naming it. */
START_TEST(branch_number_is_not_given_out_again)
{
	struct branch b, c;
	struct ns *on_b;
	uint64_t past, n;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	past = ns_last_change(f.ns);
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	ck_assert_int_eq(ns_open_branch(f.db, b.id, 0, 0, &on_b, NULL), 0);
	f.ns = (ns = f.ns, on_b);
	make_file(&f, NS_ROOT, "y");
	f.ns = ns;
	commit(&f);
	ns_close(on_b);
	ck_assert_int_eq(branch_get(f.db, b.id, &c), 0);
	ck_assert_int_eq(branch_changes(f.db, &c, &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(branch_remove(f.ns, &by, "b"), 0);
	commit(&f);
	ck_assert_int_eq(branches_sweep(f.db, ns_last_change(f.ns)), 1);
	commit(&f);
	ck_assert_int_eq(branch_get(f.db, b.id, &c), -ENOENT);
	ck_assert_int_eq(branch_make(f.ns, &by, "b", past, &c), 0);
	ck_assert_uint_gt(c.id, b.id);
	ck_assert_int_eq(branch_changes(f.db, &c, &n), 0);
	ck_assert_uint_eq(n, 0);
	fixture_done(&f);
}
END_TEST

/* After a power cut there is each one, whoever has its name by then. */
START_TEST(branch_that_comes_back_finds_its_name_taken)
{
	struct branch b, c, got;
	uint64_t before;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	ck_assert_int_eq(branch_make(f.ns, &by, "c", NS_NOW, &c), 0);
	commit(&f);
	before = ns_last_change(f.ns);
	ck_assert_int_eq(branch_remove(f.ns, &by, "b"), 0);
	ck_assert_int_eq(branch_rename(f.ns, &by, "c", "b"), 0);
	commit(&f);
	ck_assert_int_eq(ns_rollback(f.ns, before), 0);
	commit(&f);
	ck_assert_int_eq(branch_get(f.db, b.id, &got), 0);
	ck_assert_uint_eq(got.removed, 0);
	ck_assert_ptr_null(strchr(got.name, '\n'));
	ck_assert_int_eq(branch_find(f.db, got.name, &got), 0);
	ck_assert_uint_eq(got.id, b.id);
	ck_assert_int_eq(branch_get(f.db, c.id, &got), 0);
	ck_assert_uint_eq(got.removed, 0);
	fixture_done(&f);
}
END_TEST

START_TEST(branch_removed_is_not_written_to)
{
	struct branch b;
	struct ns_attr a;
	struct ns *on_b;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	ck_assert_int_eq(ns_open_branch(f.db, b.id, 0, 0, &on_b, NULL), 0);
	ck_assert_int_eq(branch_remove(f.ns, &by, "b"), 0);
	commit(&f);
	ck_assert_int_eq(ns_create(on_b, &by, NS_ROOT, "y", 1, S_IFREG | 0644,
				   0, 0, 0, NULL, &a),
			 -ESTALE);
	db_rollback(f.db);
	ck_assert_int_eq(branches_sweep(f.db, ns_last_change(f.ns)), 1);
	commit(&f);
	ck_assert_int_eq(ns_create(on_b, &by, NS_ROOT, "y", 1, S_IFREG | 0644,
				   0, 0, 0, NULL, &a),
			 -ESTALE);
	db_rollback(f.db);
	ns_close(on_b);
	ck_assert_int_eq(rows_of("inode") + rows_of("version"), 0);
	fixture_done(&f);
}
END_TEST

/* At a moment before the branch that it is asked of was made. */
START_TEST(branch_of_the_past_counts_what_there_was_then)
{
	struct branch b, c;
	struct ns *on_b, *on_c;
	struct totals got;
	uint64_t ino, past;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "x");
	set_content(&f, ino, "one");
	past = ns_last_change(f.ns);
	set_content(&f, ino, "three");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	ck_assert_int_eq(ns_open_branch(f.db, b.id, 0, 0, &on_b, NULL), 0);
	ck_assert_int_eq(branch_make(on_b, &by, "c", past, &c), 0);
	commit(&f);
	ck_assert_uint_eq(c.parent, BRANCH_MAIN);
	ck_assert_int_eq(ns_open_view(f.db, c.id, &on_c), 0);
	ck_assert_int_eq(ns_totals(on_c, &got), 0);
	ck_assert_uint_eq(got.files, 1);
	ck_assert_uint_eq(got.bytes, 3);
	ns_close(on_c);
	ns_close(on_b);
	fixture_done(&f);
}
END_TEST

static int told, totals_told;

static void tell(void *ctx, const char *what)
{
	++*(int *)ctx;
	(void)what;
}

static void tell_total(void *ctx, const char *what)
{
	(void)ctx;
	(void)what;
	totals_told++;
}

static void check_now(void)
{
	struct check c = {.db = f.db,
			  .found = tell,
			  .total = tell_total,
			  .ctx = &told};

	told = totals_told = 0;
	ck_assert_int_eq(check_namespace(&c), 0);
}

START_TEST(branch_whose_counts_are_wrong_is_found)
{
	struct branch b;
	struct ns *on_b;
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "x");
	set_content(&f, ino, "one");
	make_dir(&f, NS_ROOT, "d");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	ck_assert_int_eq(ns_open_branch(f.db, b.id, 0, 0, &on_b, NULL), 0);
	f.ns = (ns = f.ns, on_b);
	set_content(&f, ino, "three");
	make_dir(&f, NS_ROOT, "e");
	f.ns = ns;
	commit(&f);
	ns_close(on_b);
	check_now();
	ck_assert_int_eq(told + totals_told, 0);
	run_sql(&f, "UPDATE inode SET nlink = nlink + 1 WHERE branch <> 1");
	check_now();
	ck_assert_int_eq(told, 3); /* x, e, and the root */
	ck_assert_int_eq(totals_told, 0);
	run_sql(&f, "UPDATE inode SET nlink = nlink - 1 WHERE branch <> 1");
	run_sql(&f, "UPDATE branch SET bytes = bytes + 1 WHERE id <> 1");
	check_now();
	ck_assert_int_eq(told, 0);
	ck_assert_int_eq(totals_told, 1);
	ck_assert_int_eq(check_recount(f.db), 0);
	check_now();
	ck_assert_int_eq(told + totals_told, 0);
	fixture_done(&f);
}
END_TEST

static int is_root(void *ctx, const struct root *r)
{
	const struct addr *a = ctx;

	return addr_eq(&r->addr, a);
}

/* Of a moment of which some was let go of: nobody waits for that. */
START_TEST(branch_copies_of_what_was_let_go_of_are_no_roots)
{
	struct version_id v;
	struct branch b;
	struct ns_attr a = {.mode = 0600}, was;
	struct addr head;
	struct ns *on_b;
	uint64_t ino;

	fixture_open(&f);
	ino = make_file(&f, NS_ROOT, "x");
	set_content(&f, ino, "one");
	was = attr_of(&f, ino);
	v = (struct version_id){ino, ns_last_change(f.ns)};
	set_content(&f, ino, "three");
	ck_assert_int_eq(retention_let_go(f.ns, &by, &v, 1), 0);
	ck_assert_int_eq(branch_make(f.ns, &by, "b", v.born, &b), 0);
	commit(&f);
	ck_assert_int_eq(ns_open_branch(f.db, b.id, 0, 0, &on_b, NULL), 0);
	ns_set_journal(on_b, f.journal);
	ck_assert_int_eq(ns_setattr(on_b, &by, ino, NS_SET_MODE, &a, &a), 0);
	commit(&f);
	ck_assert(addr_eq(&a.addr, &was.addr));
	ck_assert_int_eq(ns_roots(f.db, is_root, &was.addr), 0);
	set_content(&f, ino, "one"); /* kept anew */
	commit(&f);
	ck_assert_int_ne(ns_roots(f.db, is_root, &was.addr), 0);
	ck_assert_int_eq(journal_head(f.journal, &head, NULL), 0);
	check_rows(&head);
	ns_close(on_b);
	fixture_done(&f);
}
END_TEST

static int count_eager(void *ctx, uint64_t dir, const char *name, size_t len)
{
	++*(int *)ctx;
	return 0;
}

static int eager_of(uint64_t branch, bool forget)
{
	struct eager *e;
	int n = 0;

	ck_assert_int_eq(eager_open(f.db, branch, &e), 0);
	if (forget)
		ck_assert_int_eq(eager_set(e, NS_ROOT, "a.recipe", 8, false),
				 1);
	ck_assert_int_eq(eager_each(e, count_eager, &n), 0);
	eager_close(e);
	return n;
}

START_TEST(branch_has_the_eager_recipes_it_was_made_with)
{
	struct branch b;
	struct eager *e;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "a.recipe");
	ck_assert_int_eq(eager_open(f.db, BRANCH_MAIN, &e), 0);
	ck_assert_int_eq(eager_set(e, NS_ROOT, "a.recipe", 8, true), 1);
	eager_close(e);
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	ck_assert_int_eq(eager_of(b.id, false), 1);
	ck_assert_int_eq(eager_of(b.id, true), 0);
	ck_assert_int_eq(eager_of(BRANCH_MAIN, false), 1);
	commit(&f);
	fixture_done(&f);
}
END_TEST

START_TEST(branch_merged_into_what_was_removed_is_not_merged)
{
	struct branch b, c;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	ck_assert_int_eq(branch_make(f.ns, &by, "c", NS_NOW, &c), 0);
	ck_assert_int_eq(merged_note(f.db, c.born, c.id, b.id, c.born), 0);
	commit(&f);
	ck_assert_int_eq(branch_get(f.db, b.id, &b), 0);
	ck_assert_uint_eq(b.merged, c.born);
	ck_assert_int_eq(branch_remove(f.ns, &by, "c"), 0);
	commit(&f);
	ck_assert_int_eq(branch_get(f.db, b.id, &b), 0);
	ck_assert_uint_eq(b.merged, 0);
	fixture_done(&f);
}
END_TEST

static int count_row(void *ctx, const struct budget_row *row)
{
	(void)row;
	++*(int *)ctx;
	return 0;
}

START_TEST(branch_pins_keep_results_from_the_budget)
{
	struct branch b;
	char sql[256];
	int n = 0;

	fixture_open(&f);
	make_file(&f, NS_ROOT, "x");
	ck_assert_int_eq(branch_make(f.ns, &by, "b", NS_NOW, &b), 0);
	commit(&f);
	run_sql(&f, "INSERT INTO result(recipe, error, executable,"
		    " reproducible, address, size, wall, cpu, memory, time,"
		    " text_size, uses, last_use, bytes) VALUES (zeroblob(32),"
		    " 0, 0, 1, zeroblob(32), 9, 1, 1, 1, 1, 0, 0, 0, 9)");
	snprintf(sql, sizeof(sql),
		 "INSERT INTO derived(branch, dir, name, seq, recipe, error,"
		 " address, size, executable, ran, since, last) VALUES (%d, 1,"
		 " x'64', 1, zeroblob(32), 0, zeroblob(32), 9, 0, 1, 1, 1)",
		 (int)b.id);
	run_sql(&f, sql);
	ck_assert_int_eq(budget_each(f.db, count_row, &n), 0);
	ck_assert_int_eq(n, 1);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO pin(branch, path, dir, name, ino, seq, time)"
		 " VALUES (%d, x'64', 1, x'64', 0, 1, 1)",
		 (int)b.id);
	run_sql(&f, sql);
	n = 0;
	ck_assert_int_eq(budget_each(f.db, count_row, &n), 0);
	ck_assert_int_eq(n, 0);
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("branch");
	TCase *tc = tcase_create("branch");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc,
			    branches_agree_with_a_model_now_and_at_every_moment,
			    0, 2);
	tcase_add_test(tc, branch_names_are_checked_and_main_stays);
	tcase_add_test(
		tc, branch_removed_goes_when_it_is_durable_and_nobody_needs_it);
	tcase_add_test(tc, branch_number_is_not_given_out_again);
	tcase_add_test(tc, branch_that_comes_back_finds_its_name_taken);
	tcase_add_test(tc, branch_removed_is_not_written_to);
	tcase_add_test(tc, branch_of_the_past_counts_what_there_was_then);
	tcase_add_test(tc, branch_whose_counts_are_wrong_is_found);
	tcase_add_test(tc, branch_copies_of_what_was_let_go_of_are_no_roots);
	tcase_add_test(tc, branch_has_the_eager_recipes_it_was_made_with);
	tcase_add_test(tc, branch_pins_keep_results_from_the_budget);
	tcase_add_test(tc, branch_merged_into_what_was_removed_is_not_merged);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
