/* Why: collection takes away for good. A store at work is collected at random
 * moments and compared with a model of what must be readable then, and of what
 * must be gone; it is killed, fails and loses the power at every step of it,
 * and then what must be there is there, and the next one finishes the work.
 *
 * GC_ROUNDS (default 6) says how many stores the model is compared with,
 * GC_SEED which is the first; GC_EVERY=1 makes every step of a collection fail,
 * and GC_SEEDS says how many ways a power cut goes. */
#include "cas/gc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cas/blob.h"
#include "cas/node.h"
#include "core/keepsakes.h"
#include "core/settings.h"
#include "tests/cas/util.h"
#include "tests/cas/world.h"
#include "tests/lib/disk.h"
#include "tests/lib/harness.h"
#include "tests/lib/power.h"

#define CONTENTS 24
#define NAMES	 7
#define STATES	 4000
#define HANDLES	 4

static const struct ns_by by = {.uid = 7, .pid = 42, .program = "gc"};

static unsigned from_environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* --- a store, and what must be in it ---------------------------------------
 */

struct content {
	uint8_t *bytes;
	size_t size;
	struct addr addr;
	struct addr parts[64];
	unsigned n;
	bool wanted; /* something must have it */
};

static struct content contents[CONTENTS];

/* What a name held from a change on; -1: nothing. */
struct state {
	unsigned name;
	uint64_t seq;
	int content;
	bool let_go; /* a setting may have let go of it */
};

static struct model {
	struct state states[STATES];
	unsigned n;
	int now[NAMES];
	uint64_t snapshots[16];
	unsigned n_snapshots;
	struct {
		unsigned name;
		uint64_t seq;
	} pins[16];
	unsigned n_pins;
	struct blob *open[HANDLES];
	int open_content[HANDLES];
	uint64_t last; /* retention; 0: all */
} m;

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	return splitmix(&seed) % n;
}

static void name_of(unsigned i, char ret[16])
{
	snprintf(ret, 16, "f%u", i);
}

static int add_part(void *ctx, enum obj_kind kind, const struct addr *a,
		    uint64_t size)
{
	struct content *c = ctx;

	(void)kind;
	(void)size;
	ck_assert_uint_lt(c->n, ARRAY_LEN(c->parts));
	c->parts[c->n++] = *a;
	return 0;
}

/* Small ones, some of many chunks, and two that share most of theirs. */
static void make_contents(void)
{
	static const size_t sizes[] = {40, 3000, 15000, 90000, 400000, 1400000};
	struct content *c;
	struct store *s;
	char *dir;
	int i;

	s = new_store(&dir);
	for (i = 0; i < CONTENTS; i++) {
		c = &contents[i];
		free(c->bytes);
		*c = (struct content){.size = sizes[i % 6] + (size_t)i};
		c->bytes = i % 12 == 10 && i > 12
				   ? random_bytes(c->size, 1000 + (i - 12))
				   : random_bytes(c->size, 1000 + i);
		ck_assert_int_eq(blob_put(s, c->bytes, c->size, &c->addr), 0);
		ck_assert_int_eq(blob_walk(s, &c->addr, add_part, c), 0);
	}
	drop_store(s, dir);
}

static uint64_t now(struct world *w)
{
	return ns_last_change(w->ns);
}

static void set_state(struct world *w, unsigned name, int content)
{
	if (m.now[name] == content)
		return;
	ck_assert_uint_lt(m.n, STATES);
	m.states[m.n++] = (struct state){name, now(w), content, false};
	m.now[name] = content;
}

static void commit(struct world *w)
{
	ck_assert_int_eq(db_commit(store_db(w->store)), 0);
}

static void set_retention(struct world *w, uint64_t last)
{
	char value[32];
	struct err err;

	snprintf(value, sizeof(value), last ? "last %ju" : "all",
		 (uintmax_t)last);
	ck_assert_int_eq(settings_set(w->ns, &by, "retention", value, &err), 0);
	m.last = last;
}

/* --- operations ------------------------------------------------------------
 */

static void write_one(struct world *w)
{
	unsigned name = (unsigned)rnd(NAMES);
	int c = (int)rnd(CONTENTS);
	char text[16];

	name_of(name, text);
	if (rnd(3)) { /* in place */
		world_write(w, text, contents[c].bytes, contents[c].size);
		set_state(w, name, c);
		return;
	}
	world_write(w, "new", contents[c].bytes, contents[c].size);
	world_rename(w, "new", text);
	set_state(w, name, c);
}

static void rename_one(struct world *w)
{
	unsigned from = (unsigned)rnd(NAMES), to = (unsigned)rnd(NAMES);
	char text[16], to_text[16];
	int c = m.now[from];

	if (from == to || c < 0)
		return;
	name_of(from, text);
	name_of(to, to_text);
	world_rename(w, text, to_text);
	set_state(w, from, -1);
	set_state(w, to, c);
}

static void unlink_one(struct world *w)
{
	unsigned name = (unsigned)rnd(NAMES);
	char text[16];

	name_of(name, text);
	world_unlink(w, text);
	set_state(w, name, -1);
}

static void snapshot_one(struct world *w)
{
	char name[32];

	if (m.n_snapshots == ARRAY_LEN(m.snapshots))
		return;
	snprintf(name, sizeof(name), "s%u", m.n_snapshots);
	m.snapshots[m.n_snapshots++] = now(w);
	ck_assert_int_eq(snapshot_add(w->ns, &by, name, now(w), 1), 0);
}

static void pin_one(struct world *w)
{
	unsigned name = (unsigned)rnd(NAMES), i;
	struct pin p = {.dir = NS_ROOT, .seq = now(w), .time_ns = 1};
	char text[16];

	name_of(name, text);
	p.path = p.name = text;
	for (i = 0; i < m.n_pins; i++)
		if (m.pins[i].name == name)
			break;
	if (i < m.n_pins) {
		m.pins[i] = m.pins[--m.n_pins];
		ck_assert_int_eq(pin_remove(w->ns, &by, text), 0);
	} else if (m.now[name] >= 0) {
		ck_assert_int_eq(ns_lookup(w->ns, NS_NOW, NS_ROOT, text,
					   strlen(text), &p.ino, NULL),
				 0);
		m.pins[m.n_pins].name = name;
		m.pins[m.n_pins++].seq = p.seq;
		ck_assert_int_eq(pin_add(w->ns, &by, &p), 0);
	}
}

static void check_open(unsigned i)
{
	const struct content *c = &contents[m.open_content[i]];
	uint8_t *p = malloc(c->size + 1);

	ck_assert_int_eq(blob_pread(m.open[i], p, c->size, 0),
			 (ssize_t)c->size);
	ck_assert_mem_eq(p, c->bytes, c->size);
	free(p);
}

static void open_one(struct world *w)
{
	unsigned i = (unsigned)rnd(HANDLES), name = (unsigned)rnd(NAMES);

	if (m.open[i]) {
		check_open(i);
		blob_close(steal(&m.open[i]));
	} else if (m.now[name] >= 0) {
		m.open_content[i] = m.now[name];
		ck_assert_int_eq(blob_open(w->store,
					   &contents[m.now[name]].addr,
					   &m.open[i]),
				 0);
	}
}

/* --- what must be -----------------------------------------------------------
 */

static int at(unsigned name, uint64_t seq)
{
	int c = -1;
	unsigned i;

	for (i = 0; i < m.n && m.states[i].seq <= seq; i++)
		if (m.states[i].name == name)
			c = m.states[i].content;
	return c;
}

static void want(int content)
{
	if (content >= 0)
		contents[content].wanted = true;
}

/* Of each name the newest states; what is not among them may be let go of, for
 * good. */
static void apply_retention(void)
{
	uint64_t rank[NAMES] = {0};
	unsigned i;

	for (i = m.n; m.last && i-- > 0;)
		if (rank[m.states[i].name]++ >= m.last)
			m.states[i].let_go = true;
}

static void mark_wanted(void)
{
	unsigned i, k;

	for (i = 0; i < CONTENTS; i++)
		contents[i].wanted = false;
	for (i = 0; i < m.n; i++)
		if (!m.states[i].let_go)
			want(m.states[i].content);
	for (i = 0; i < NAMES; i++)
		want(m.now[i]);
	for (i = 0; i < m.n_snapshots; i++)
		for (k = 0; k < NAMES; k++)
			want(at(k, m.snapshots[i]));
	for (i = 0; i < m.n_pins; i++)
		want(at(m.pins[i].name, m.pins[i].seq));
	for (i = 0; i < HANDLES; i++)
		if (m.open[i])
			want(m.open_content[i]);
}

static void read_content(struct store *s, const struct content *c)
{
	uint8_t *p = malloc(c->size + 1);
	struct blob *b;
	int rc = blob_open(s, &c->addr, &b);

	ck_assert_msg(!rc, "content %d of %zu bytes: %s", (int)(c - contents),
		      c->size, err_name(rc));
	ck_assert_int_eq(blob_pread(b, p, c->size, 0), (ssize_t)c->size);
	ck_assert_mem_eq(p, c->bytes, c->size);
	blob_close(b);
	free(p);
}

static void check_wanted(struct world *w)
{
	unsigned i;

	mark_wanted();
	for (i = 0; i < CONTENTS; i++)
		if (contents[i].wanted)
			read_content(w->store, &contents[i]);
	for (i = 0; i < HANDLES; i++)
		if (m.open[i])
			check_open(i);
}

/* Names that lead to what the model says, and the tree of each snapshot. */
static void check_names(struct world *w)
{
	struct ns_attr a;
	uint64_t ino, seq;
	unsigned i, k;
	char text[16];
	int c, rc;

	for (i = 0; i <= m.n_snapshots; i++) {
		seq = i < m.n_snapshots ? m.snapshots[i] : NS_NOW;
		for (k = 0; k < NAMES; k++) {
			c = seq == NS_NOW ? m.now[k] : at(k, seq);
			name_of(k, text);
			rc = ns_lookup(w->ns, seq, NS_ROOT, text, strlen(text),
				       &ino, NULL);
			ck_assert_int_eq(rc, c < 0 ? -ENOENT : 0);
			if (rc)
				continue;
			ck_assert_int_eq(ns_getattr(w->ns, seq, ino, &a), 0);
			ck_assert(addr_eq(&a.addr, &contents[c].addr));
			ck_assert(!a.gone);
		}
	}
}

static int is_wanted(void *ctx, const struct addr *a,
		     const struct object_loc *loc)
{
	struct addr empty;
	unsigned i, k;

	blob_empty_addr(&empty);
	if ((loc->kind != OBJ_CHUNK && loc->kind != OBJ_NODE) ||
	    addr_eq(a, &empty))
		return 0;
	for (i = 0; i < CONTENTS; i++)
		for (k = 0; contents[i].wanted && k < contents[i].n; k++)
			if (addr_eq(a, &contents[i].parts[k]))
				return 0;
	++*(unsigned *)ctx;
	return 0;
}

/* Objects that nothing must have. */
static unsigned count_waste(struct world *w)
{
	unsigned n = 0;

	mark_wanted();
	ck_assert_int_eq(objects_iterate(store_objects(w->store), is_wanted,
					 &n),
			 0);
	return n;
}

/* --- collecting -------------------------------------------------------------
 */

static struct gc_report gc(struct world *w, bool dry)
{
	const struct gc_options o = {.dry = dry, .percent = 10, .ns = w->ns};
	struct gc_report r = {0};
	struct err err = {{0}};
	int rc;

	commit(w);
	rc = gc_run(w->store, &o, &r, &err);
	ck_assert_msg(!rc, "%s", err.msg);
	return r;
}

static uint64_t bytes_of_packs(struct world *w)
{
	DIR *d = fdopendir(openat(store_packs_fd(w->store), ".",
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	struct stat st;
	uint64_t n = 0;

	while ((e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    !fstatat(dirfd(d), e->d_name, &st, 0))
			n += (uint64_t)st.st_size;
	closedir(d);
	return n;
}

static void collect(struct world *w)
{
	struct gc_report would = gc(w, true), did;
	uint64_t before = bytes_of_packs(w), after;

	did = gc(w, false);
	ck_assert_uint_eq(would.versions, did.versions);
	ck_assert_uint_eq(would.objects, did.objects);
	ck_assert_uint_eq(would.bytes, did.bytes);
	ck_assert_uint_eq(would.live, did.live);
	ck_assert_uint_eq(would.packs_removed, did.packs_removed);
	ck_assert_uint_eq(would.packs_rewritten, did.packs_rewritten);
	ck_assert_uint_eq(would.freed, did.freed);
	ck_assert_uint_eq(would.left, did.left);
	/* but for the journals of what it let go of */
	after = bytes_of_packs(w);
	ck_assert_uint_ge(before, did.freed);
	ck_assert_uint_ge(after, before - did.freed);
	ck_assert_uint_le(after, before - did.freed + 100000);
	apply_retention();
}

static void step(struct world *w)
{
	switch (rnd(16)) {
	case 0:
		rename_one(w);
		break;
	case 1:
	case 2:
		unlink_one(w);
		break;
	case 3:
		snapshot_one(w);
		break;
	case 4:
		pin_one(w);
		break;
	case 5:
	case 6:
		open_one(w);
		break;
	case 7:
		world_result(w, (unsigned)rnd(6));
		break;
	case 8:
		set_retention(w, rnd(5));
		break;
	default:
		write_one(w);
	}
	if (!rnd(3))
		commit(w);
}

static void close_handles(void)
{
	unsigned i;

	for (i = 0; i < HANDLES; i++)
		blob_close(steal(&m.open[i]));
}

static void begin(void)
{
	unsigned i;

	memset(&m, 0, sizeof(m));
	for (i = 0; i < NAMES; i++)
		m.now[i] = -1;
}

static void reopen(struct world *w, const char *dir)
{
	close_handles();
	world_close(w);
	world_open(w, dir);
}

/* How many results there are, each of one small chunk. */
static int count_result(void *ctx, const struct result *r)
{
	(void)r;
	++*(unsigned *)ctx;
	return 0;
}

static void one_store(void)
{
	char *dir = test_dir();
	unsigned i, results = 0;
	struct world w;

	begin();
	world_open(&w, dir);
	for (i = 0; i < 150; i++) {
		step(&w);
		if (!rnd(12)) {
			collect(&w);
			check_wanted(&w);
			check_names(&w);
		}
		if (!rnd(40))
			reopen(&w, dir);
	}
	close_handles();
	while (m.n_pins)
		pin_one(&w);
	set_retention(&w, 1);
	collect(&w);
	check_wanted(&w);
	check_names(&w);
	ck_assert_int_eq(results_each(w.results, count_result, &results), 0);
	ck_assert_uint_eq(count_waste(&w), results);
	world_check(&w);
	world_goes_on(&w);
	world_close(&w);
	remove_tree(dir);
	free(dir);
}

START_TEST(gc_keeps_what_the_model_says_and_nothing_else)
{
	unsigned rounds = from_environment("GC_ROUNDS", 6), i;
	uint64_t first = from_environment("GC_SEED", 1);

	make_contents();
	rounds = MAX(rounds / DISK_SPARSE, 1U);
	for (i = 0; i < rounds; i++) {
		seed = first + i;
		printf("# GC_SEED=%ju\n", (uintmax_t)seed);
		fflush(stdout);
		one_store();
	}
}
END_TEST

/* --- cut short --------------------------------------------------------------
 */

static void copy(const char *from, const char *to)
{
	char cmd[9000];

	snprintf(cmd, sizeof(cmd), "cp -a %s %s", from, to);
	ck_assert_int_eq(system(cmd), 0);
}

/* Much to collect: old versions beyond the setting, several packs, of which one
 * is mostly waste, a snapshot and a pin. */
static void make_waste(const char *dir)
{
	struct world w;
	unsigned i;

	begin();
	make_contents();
	seed = 7;
	for (i = 0; i < 4; i++) {
		world_open(&w, dir);
		while (!rnd(9) || rnd(9))
			write_one(&w);
		if (i == 1) {
			snapshot_one(&w);
			pin_one(&w);
		}
		unlink_one(&w);
		world_result(&w, i);
		if (i == 3)
			set_retention(&w, 1);
		commit(&w);
		world_close(&w);
	}
}

/* As gc() of a process of its own, in which a call fails. */
static void collect_badly(const char *dir, unsigned nth, enum disk_fault how,
			  unsigned *ret_calls)
{
	const struct gc_options o = {.percent = 10};
	struct gc_report r = {0};
	struct store *s;
	struct err err;
	int fds[2], status;
	unsigned calls = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		quiet();
		if (store_open(dir, 0, &s, &err))
			_exit(2);
		disk_watch(dir, NULL);
		disk_fail(nth, how);
		(void)!gc_run(s, &o, &r, &err);
		calls = disk_count();
		disk_rest();
		(void)!write(fds[1], &calls, sizeof(calls));
		_exit(0);
	}
	close(fds[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (read(fds[0], &calls, sizeof(calls)) == sizeof(calls) && ret_calls)
		*ret_calls = calls;
	close(fds[0]);
	ck_assert(WIFEXITED(status) ? !WEXITSTATUS(status)
				    : WTERMSIG(status) == SIGKILL);
}

/* All that must be there is; and once more collected, nothing else. */
static void check_after(const char *dir)
{
	unsigned results = 0;
	struct world w;

	world_open(&w, dir);
	check_wanted(&w);
	check_names(&w);
	world_check(&w);
	(void)gc(&w, false);
	check_wanted(&w);
	check_names(&w);
	ck_assert_int_eq(results_each(w.results, count_result, &results), 0);
	ck_assert_uint_eq(count_waste(&w), results);
	world_check(&w);
	world_goes_on(&w);
	world_close(&w);
}

static void fail_all(enum disk_fault how, unsigned every)
{
	char *dir = test_dir(), from[4200], to[4200];
	unsigned calls = 0, n;

	quiet();
	every = from_environment("GC_EVERY", every * DISK_SPARSE);
	snprintf(from, sizeof(from), "%s/from", dir);
	snprintf(to, sizeof(to), "%s/to", dir);
	make_waste(from);
	apply_retention();
	copy(from, to);
	collect_badly(to, 0, how, &calls);
	check_after(to);
	remove_tree(to);
	ck_assert_uint_gt(calls, 50);
	for (n = 1 + (unsigned)how % every; n <= calls; n += every) {
		copy(from, to);
		collect_badly(to, n, how, NULL);
		check_after(to);
		remove_tree(to);
	}
	printf("# %u calls\n", calls);
	remove_tree(dir);
	free(dir);
}

START_TEST(gc_killed_at_any_step_loses_nothing)
{
	fail_all(DISK_KILL, 5);
}
END_TEST

START_TEST(gc_that_fails_at_any_step_loses_nothing)
{
	fail_all(DISK_EIO, 17);
	fail_all(DISK_FULL, 19);
}
END_TEST

/* Changes that are not synced come before it, so that a cut may undo them: what
 * they replaced must not be gone then. */
static void overwrite_and_collect(const char *dir)
{
	struct world w;
	unsigned i;

	world_open(&w, dir);
	for (i = 0; i < 6; i++)
		write_one(&w);
	commit(&w);
	disk_mark(1);
	(void)gc(&w, false);
	world_close(&w);
	disk_mark(2);
}

static char cut[64];

static int is_readable(void *ctx, const struct ns_version *v)
{
	struct world *w = ctx;

	if (S_ISREG(v->attr.mode) && !v->attr.gone)
		ck_assert_msg(blob_complete(w->store, &v->attr.addr) == 1,
			      "%s: version %ju of inode %ju is not whole", cut,
			      (uintmax_t)v->change.seq, (uintmax_t)v->attr.ino);
	return 0;
}

/* Every name leads to a content that is whole, whichever it is. */
static void check_cut(const char *store)
{
	struct err err = {{0}};
	struct world w;
	struct ns_attr a;
	uint64_t ino;
	unsigned k;
	char text[16];
	int rc = world_try(&w, store, 0, &err);

	ck_assert_msg(!rc, "%s: %s", cut, err.msg);
	for (k = 0; k < NAMES; k++) {
		name_of(k, text);
		if (ns_lookup(w.ns, NS_NOW, NS_ROOT, text, strlen(text), &ino,
			      NULL))
			continue;
		ck_assert_int_eq(ns_getattr(w.ns, NS_NOW, ino, &a), 0);
		ck_assert_int_eq(blob_complete(w.store, &a.addr), 1);
	}
	ck_assert_int_eq(ns_versions_between(w.ns, 0, NS_NOW, is_readable, &w),
			 0);
	world_check(&w);
	(void)gc(&w, false);
	world_check(&w);
	world_goes_on(&w);
	world_close(&w);
}

START_TEST(gc_and_a_power_cut_leave_a_whole_history)
{
	char *dir = test_dir(), root[4200], store[4300], log[4200], found[4200];
	char found_store[4300];
	unsigned every, seeds, cuts = 0, s;
	struct power *p;
	size_t i;

	every = from_environment("GC_EVERY", 29 * DISK_SPARSE);
	seeds = from_environment("GC_SEEDS", 3);
	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(found, sizeof(found), "%s/found", dir);
	snprintf(store, sizeof(store), "%s/store", root);
	snprintf(found_store, sizeof(found_store), "%s/store", found);
	ck_assert_int_eq(mkdir(root, 0700), 0);
	disk_watch(root, log);
	make_waste(store);
	overwrite_and_collect(store);
	disk_rest();
	p = power_load(log);
	quiet();
	disk_lazy(true);
	for (i = 0; i < power_count(p); i++)
		if (power_record(p, i)->kind == DISK_MARK)
			break;
	for (; i < power_count(p); i += every)
		for (s = 0; s < seeds; s++, cuts++) {
			snprintf(cut, sizeof(cut), "cut %zu seed %u", i, s);
			power_cut(p, i, s < 2 ? s : i * 1000003 + s, found);
			check_cut(found_store);
			remove_tree(found);
		}
	disk_lazy(false);
	printf("# %zu records, %u cuts\n", power_count(p), cuts);
	power_free(p);
	remove_tree(dir);
	free(dir);
}
END_TEST

TESTS("gc", gc_keeps_what_the_model_says_and_nothing_else,
      gc_killed_at_any_step_loses_nothing,
      gc_that_fails_at_any_step_loses_nothing,
      gc_and_a_power_cut_leave_a_whole_history)
