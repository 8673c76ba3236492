/* Why: thousands of random changes against a model too simple to be wrong,
 * which keeps the whole tree as text after every change. The present, moments
 * of the past, error numbers and link counts have to agree, over commits,
 * rollbacks and new openings. And a database that is made from the journals
 * alone has to agree with it at every moment, too. */
#include "core/ns.h"

#include <stdio.h>
#include <sys/stat.h>

#include "core/check.h"
#include "core/rebuild.h"
#include "tests/core/fixture.h"

#define MAX_NODES 4000
#define MAX_NAMES 200
#define MAX_SEQ	  8000
#define CHANGES	  2500

struct node {
	struct ns_attr a;
	char target[16];
};

struct name {
	int dir, node;
	char name[8];
};

struct model {
	struct node nodes[MAX_NODES]; /* of which 0 is the root */
	struct name names[MAX_NAMES];
	int n_nodes, n_names;
};

static struct fixture f;
static struct model m, committed;
static char *moments[MAX_SEQ]; /* the tree after that change */
static uint64_t committed_seq;
static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

/* --- the model ----------------------------------------------------------- */

static int find(int dir, const char *name)
{
	int i;

	for (i = 0; i < m.n_names; i++)
		if (m.names[i].dir == dir && !strcmp(m.names[i].name, name))
			return i;
	return -1;
}

static bool is_dir(int node)
{
	return S_ISDIR(m.nodes[node].a.mode);
}

static bool empty(int dir)
{
	int i;

	for (i = 0; i < m.n_names; i++)
		if (m.names[i].dir == dir)
			return false;
	return true;
}

static bool below(int node, int top)
{
	int i;

	if (node == top)
		return true;
	for (i = 0; i < m.n_names; i++)
		if (m.names[i].node == node && is_dir(node))
			return below(m.names[i].dir, top);
	return false;
}

static void name_add(int dir, const char *name, int node)
{
	struct name *n = &m.names[m.n_names++];

	ck_assert_int_le(m.n_names, MAX_NAMES);
	n->dir = dir;
	n->node = node;
	snprintf(n->name, sizeof(n->name), "%s", name);
	m.nodes[dir].a.mtime_ns = f.now;
	if (is_dir(node))
		m.nodes[dir].a.nlink++;
}

static void name_del(int i)
{
	struct name n = m.names[i];

	m.names[i] = m.names[--m.n_names];
	m.nodes[n.dir].a.mtime_ns = f.now;
	if (is_dir(n.node))
		m.nodes[n.dir].a.nlink--;
}

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->dir != y->dir ? x->dir - y->dir : strcmp(x->name, y->name);
}

static void print_dir(struct buf *b, const char *path, int dir, bool past)
{
	char below_path[256];
	struct node n;
	int i;

	for (i = 0; i < m.n_names; i++) {
		if (m.names[i].dir != dir)
			continue;
		n = m.nodes[m.names[i].node];
		if (past)
			n.a.nlink = 1;
		snprintf(below_path, sizeof(below_path), "%s/%s", path,
			 m.names[i].name);
		dump_line(b, below_path, &n.a, n.target);
		if (S_ISDIR(n.a.mode))
			print_dir(b, below_path, m.names[i].node, past);
	}
}

static void print_model(struct buf *b, bool past)
{
	struct ns_attr root = m.nodes[0].a;

	if (past)
		root.nlink = 1;
	qsort(m.names, (size_t)m.n_names, sizeof(m.names[0]), compare_names);
	buf_reset(b);
	dump_line(b, "/", &root, "");
	print_dir(b, "", 0, past);
}

/* --- one change on both -------------------------------------------------- */

static int random_dir(void)
{
	int i, dir;

	for (i = 0; m.n_names && i < 20; i++) {
		dir = m.names[rnd((unsigned)m.n_names)].node;
		if (is_dir(dir))
			return rnd(4) ? dir : 0;
	}
	return 0;
}

static const char *random_name(void)
{
	static const char *const names[] = {"a", "b", "ab", "c",
					    "d", "e", "x-y"};

	return names[rnd(ARRAY_LEN(names))];
}

static void do_create(void)
{
	static const uint32_t modes[] = {S_IFREG | 0644, S_IFDIR | 0755,
					 S_IFLNK | 0777, S_IFREG | 0600,
					 S_IFDIR | 0700, S_IFIFO | 0600};
	uint32_t mode = modes[rnd(ARRAY_LEN(modes))];
	const char *name = random_name();
	struct node *n = &m.nodes[m.n_nodes];
	int dir = random_dir(), rc;

	if (m.n_names >= MAX_NAMES / 4)
		return;
	ck_assert_int_lt(m.n_nodes, MAX_NODES);
	memset(n, 0, sizeof(*n));
	if (S_ISLNK(mode))
		snprintf(n->target, sizeof(n->target), "t%u", rnd(100));
	rc = ns_create(f.ns, &by, m.nodes[dir].a.ino, name, strlen(name), mode,
		       rnd(3), 8, 0, S_ISLNK(mode) ? n->target : NULL, &n->a);
	ck_assert_int_eq(rc, find(dir, name) >= 0 ? -EEXIST : 0);
	if (rc == 0)
		name_add(dir, name, m.n_nodes++);
}

static void do_write(void)
{
	struct node *n;
	struct addr addr;
	char text[16];
	int rc;

	if (!m.n_names)
		return;
	n = &m.nodes[m.names[rnd((unsigned)m.n_names)].node];
	snprintf(text, sizeof(text), "%u", rnd(5000));
	addr_of(OBJ_CHUNK, text, strlen(text), &addr);
	rc = ns_write(f.ns, &by, n->a.ino, &addr, strlen(text), 0, &n->a);
	ck_assert_int_eq(rc, S_ISREG(n->a.mode)	  ? 0
			     : S_ISDIR(n->a.mode) ? -EISDIR
						  : -EINVAL);
	if (rc == 0) {
		ck_assert(addr_eq(&n->a.addr, &addr));
		ck_assert_int_eq(n->a.mtime_ns, f.now);
	}
}

static void do_setattr(void)
{
	struct ns_attr set = {.mode = rnd(01000),
			      .uid = rnd(3),
			      .gid = rnd(3),
			      .mtime_ns = rnd(1000)};
	unsigned which = rnd(32);
	struct ns_attr old, got;
	struct node *n;

	if (!m.n_names)
		return;
	n = &m.nodes[rnd(5) ? m.names[rnd((unsigned)m.n_names)].node : 0];
	old = n->a;
	if (which & NS_SET_MODE)
		n->a.mode = (n->a.mode & S_IFMT) | set.mode;
	if (which & NS_SET_UID)
		n->a.uid = set.uid;
	if (which & NS_SET_GID)
		n->a.gid = set.gid;
	if (which & NS_SET_MTIME)
		n->a.mtime_ns = set.mtime_ns;
	ck_assert_int_eq(ns_setattr(f.ns, &by, old.ino, which, &set, &got), 0);
}

static void do_link(void)
{
	const char *name = random_name();
	int dir = random_dir(), node, rc;
	struct ns_attr got;

	if (!m.n_names || m.n_names >= MAX_NAMES / 2)
		return;
	node = m.names[rnd((unsigned)m.n_names)].node;
	rc = ns_link(f.ns, &by, m.nodes[node].a.ino, m.nodes[dir].a.ino, name,
		     strlen(name), &got);
	ck_assert_int_eq(rc, is_dir(node)	    ? -EPERM
			     : find(dir, name) >= 0 ? -EEXIST
						    : 0);
	if (rc < 0)
		return;
	m.nodes[node].a.nlink++;
	name_add(dir, name, node);
}

static void drop_node(int node)
{
	struct ns_attr *a = &m.nodes[node].a;

	a->nlink = is_dir(node) ? 0 : a->nlink - 1;
	if (!a->nlink && rnd(2))
		ck_assert_int_eq(ns_reap(f.ns, a->ino), 0);
}

static void do_unlink(void)
{
	int dir = random_dir(), i, rc, want = 0;
	const char *name = random_name();
	bool rmdir = rnd(2);
	struct ns_attr gone;

	i = find(dir, name);
	if (i < 0)
		want = -ENOENT;
	else if (is_dir(m.names[i].node))
		want = !rmdir			? -EISDIR
		       : empty(m.names[i].node) ? 0
						: -ENOTEMPTY;
	else if (rmdir)
		want = -ENOTDIR;
	rc = ns_unlink(f.ns, &by, m.nodes[dir].a.ino, name, strlen(name), rmdir,
		       &gone);
	ck_assert_int_eq(rc, want);
	if (rc < 0)
		return;
	dir = m.names[i].node;
	name_del(i);
	drop_node(dir);
}

static int want_rename(int i, int to_dir, int j, unsigned flags)
{
	int node, other;

	if (i < 0 || (j < 0 && flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (j >= 0 && flags & RENAME_NOREPLACE)
		return -EEXIST;
	node = m.names[i].node;
	other = j < 0 ? -1 : m.names[j].node;
	if (node == other)
		return 0;
	if (is_dir(node) && below(to_dir, node))
		return -EINVAL;
	if (flags & RENAME_EXCHANGE)
		return is_dir(other) && below(m.names[i].dir, other) ? -EINVAL
								     : 0;
	if (j < 0)
		return 0;
	if (is_dir(node) != is_dir(other))
		return is_dir(node) ? -ENOTDIR : -EISDIR;
	return is_dir(other) && !empty(other) ? -ENOTEMPTY : 0;
}

static void do_rename(void)
{
	static const unsigned kinds[] = {0, 0, 0, RENAME_NOREPLACE,
					 RENAME_EXCHANGE};
	unsigned flags = kinds[rnd(ARRAY_LEN(kinds))];
	int dir = random_dir(), to = random_dir(), i, j, rc, node, other = -1;
	const char *name = random_name(), *to_name = random_name();
	struct ns_attr gone;

	i = find(dir, name);
	j = find(to, to_name);
	rc = ns_rename(f.ns, &by, m.nodes[dir].a.ino, name, strlen(name),
		       m.nodes[to].a.ino, to_name, strlen(to_name), flags,
		       &gone);
	ck_assert_int_eq(rc, want_rename(i, to, j, flags));
	if (rc < 0)
		return;
	node = m.names[i].node;
	if (j >= 0)
		other = m.names[j].node;
	if (node == other)
		return;
	name_del(i);
	if (other >= 0)
		name_del(find(to, to_name));
	name_add(to, to_name, node);
	if (other >= 0 && flags & RENAME_EXCHANGE)
		name_add(dir, name, other);
	else if (other >= 0)
		drop_node(other);
}

/* Not in the model: these are asked for in the rows, see below. */
static void do_xattr(void)
{
	const char *name = rnd(2) ? "user.a" : "user.b";
	char value[16];
	uint64_t ino;
	int rc;

	if (!m.n_names)
		return;
	ino = m.nodes[m.names[rnd((unsigned)m.n_names)].node].a.ino;
	snprintf(value, sizeof(value), "%u", rnd(1000));
	rc = ns_xattr_set(f.ns, &by, ino, name, rnd(3) ? value : NULL,
			  strlen(value), 0);
	ck_assert(rc == 0 || rc == -ENODATA);
}

static void random_change(void)
{
	static void (*const changes[])(
		void) = {do_create, do_create, do_write,  do_setattr, do_link,
			 do_unlink, do_unlink, do_rename, do_rename,  do_xattr};

	changes[rnd(ARRAY_LEN(changes))]();
}

/* --- comparing ----------------------------------------------------------- */

static void check_present(void)
{
	CLEANUP_BUF struct buf want = BUF_INIT, got = BUF_INIT;

	print_model(&want, false);
	dump_tree(f.ns, NS_NOW, &got);
	ck_assert_str_eq(buf_cstr(&got), buf_cstr(&want));
}

static void check_moment(uint64_t seq)
{
	CLEANUP_BUF struct buf got = BUF_INIT;

	if (!moments[seq])
		return;
	dump_tree(f.ns, seq, &got);
	ck_assert_str_eq(buf_cstr(&got), moments[seq]);
}

static void remember(uint64_t seq)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	ck_assert_uint_lt(seq, MAX_SEQ);
	if (moments[seq])
		return;
	print_model(&b, true);
	moments[seq] = strdup(buf_cstr(&b));
}

static void end_batch(bool keep)
{
	uint64_t seq;

	if (keep) {
		commit(&f);
		committed = m;
		committed_seq = ns_last_change(f.ns);
		return;
	}
	db_rollback(f.db);
	m = committed;
	for (seq = committed_seq + 1; seq < MAX_SEQ; seq++) {
		free(moments[seq]);
		moments[seq] = NULL;
	}
}

static void check_totals(void)
{
	uint64_t files = 0, dirs = 1, links = 0, bytes = 0;
	struct totals t;
	int i;

	for (i = 1; i < m.n_nodes; i++) {
		const struct ns_attr *a = &m.nodes[i].a;

		if (!a->nlink)
			continue;
		files += S_ISREG(a->mode);
		bytes += S_ISREG(a->mode) ? a->size : 0;
		dirs += S_ISDIR(a->mode);
		links += S_ISLNK(a->mode);
	}
	ck_assert_int_eq(ns_totals(f.ns, &t), 0);
	ck_assert_uint_eq(t.files, files);
	ck_assert_uint_eq(t.bytes, bytes);
	ck_assert_uint_eq(t.dirs, dirs);
	ck_assert_uint_eq(t.links, links);
}

/* --- from the journals alone -----------------------------------------------
 */

static const struct buf *object(const struct addr *a)
{
	const struct buf *b = map_get(f.objects, a->b, ADDR_LEN);

	ck_assert_ptr_nonnull(b);
	return b;
}

static void found(void *ctx, const char *what)
{
	ck_abort_msg("%s", what);
}

/* From the newest journal back; the oldest is applied first. */
static void apply_from(struct rebuild *r, struct journal_check *j,
		       const struct addr *at)
{
	const struct buf *journal = object(at), *clear;
	struct journal_info info;

	ck_assert_int_eq(journal_decode(journal->data, journal->len, &info,
					NULL, NULL),
			 0);
	if (!addr_is_zero(&info.prev))
		apply_from(r, j, &info.prev);
	clear = object(&info.clear);
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

/* All that can be asked of rows by themselves and by their journals. */
static void check_all_rows(struct db *db, const struct addr *head)
{
	struct check c = {.db = db, .found = found};
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

static void dump_xattrs(struct db *db, struct buf *ret)
{
	int rc;
	struct stmt *st = db_prepare(
		db,
		"SELECT x.ino || ' ' || CAST(x.name AS TEXT) || ' ' || x.born"
		" || ' ' || CAST(x.value AS TEXT) FROM xattr AS x"
		" JOIN inode AS i ON i.ino = x.ino AND i.nlink > 0"
		" WHERE died IS NULL ORDER BY x.ino, x.name",
		&rc);
	const char *p;
	size_t n;

	ck_assert_ptr_nonnull(st);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &n);
		buf_fmt(ret, "%.*s\n", (int)n, p);
	}
	ck_assert_int_eq(rc, 0);
	stmt_free(st);
}

static int put_object(void *ctx, enum obj_kind kind, const void *p, size_t n,
		      struct addr *ret)
{
	struct buf *b = calloc(1, sizeof(*b));
	void *old;

	addr_of(kind, p, n, ret);
	buf_add(b, p, n);
	ck_assert_int_eq(map_put(f.objects, ret->b, ADDR_LEN, b, &old), 0);
	ck_assert_ptr_null(old);
	return 0;
}

/* A database of that name from the chain that ends there, which must be as the
 * model; then a chain of its own: its newest journal. */
static struct addr rebuild_as(const char *name, const struct addr *head)
{
	CLEANUP_BUF struct buf path = BUF_INIT, want = BUF_INIT, got = BUF_INIT;
	struct fixture mine = f;
	struct rebuild_sums sums;
	struct rebuild *r;
	struct journal *j;
	struct addr ret;
	uint64_t seq;

	buf_fmt(&path, "%s/%s", f.dir, name);
	ck_assert_int_eq(db_open(buf_cstr(&path), DB_CREATE, &f.db, NULL), 0);
	db_lock(f.db);
	ck_assert_int_eq(rebuild_new(f.db, &r), 0);
	apply_from(r, NULL, head);
	ck_assert_int_eq(rebuild_end(r, head, 0, &sums), 0);
	ck_assert_uint_eq(sums.odd + sums.unknown + sums.adopted, 0);
	rebuild_free(r);
	check_all_rows(f.db, head);
	ck_assert_int_eq(ns_open(f.db, 0, 0, &f.ns, NULL), 0);
	check_present();
	check_totals();
	for (seq = 1; seq <= ns_last_change(f.ns); seq++)
		check_moment(seq);
	dump_xattrs(mine.db, &want);
	dump_xattrs(f.db, &got);
	ck_assert_str_eq(buf_cstr(&got), buf_cstr(&want));
	ns_close(f.ns);
	ck_assert_int_eq(journal_open(f.db, &j), 0);
	journal_set_put(j, put_object, NULL);
	ck_assert_int_eq(rebuild_journals(f.db, j, NULL, NULL), 0);
	ck_assert_int_eq(journal_head(j, &ret, NULL), 0);
	check_all_rows(f.db, &ret);
	journal_close(j);
	db_unlock(f.db);
	db_close(f.db);
	f = mine;
	return ret;
}

static void check_rebuilt(void)
{
	struct addr head;

	ck_assert_int_eq(journal_head(f.journal, &head, NULL), 0);
	check_all_rows(f.db, &head);
	head = rebuild_as("again.db", &head);
	rebuild_as("third.db", &head);
}

static void run_model(uint64_t s)
{
	uint64_t seq;
	int i;

	seed = s * UINT64_C(0x9e3779b97f4a7c15) + 1;
	memset(&m, 0, sizeof(m));
	m.n_nodes = 1;
	m.nodes[0].a = attr_of(&f, NS_ROOT);
	committed = m;
	committed_seq = 1;
	remember(1);
	for (i = 0; i < CHANGES; i++) {
		random_change();
		remember(ns_last_change(f.ns));
		if (!rnd(20))
			check_present();
		if (!rnd(10))
			check_moment(1 + rnd((unsigned)ns_last_change(f.ns)));
		if (!rnd(12))
			end_batch(rnd(5));
		if (!rnd(400)) {
			end_batch(true);
			fixture_reopen(&f);
		}
	}
	check_present();
	check_totals();
	for (seq = 1; seq <= ns_last_change(f.ns); seq++)
		check_moment(seq);
	end_batch(true);
	check_rebuilt();
	for (seq = 0; seq < MAX_SEQ; seq++) {
		free(moments[seq]);
		moments[seq] = NULL;
	}
}

START_TEST(ns_agrees_with_a_model_now_and_at_every_moment)
{
	fixture_open(&f);
	run_model((uint64_t)_i + 1);
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ns_model");
	TCase *tc = tcase_create("ns_model");

	tcase_add_loop_test(tc, ns_agrees_with_a_model_now_and_at_every_moment,
			    0, 4);
	tcase_set_timeout(tc, 300);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
