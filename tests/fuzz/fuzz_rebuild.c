/* Rebuilding the namespace from journals that are in form and say anything:
 * names that come twice or go unmade, inodes that are missing or lead in
 * circles, values that were forgotten. What comes out may have any fault: it is
 * found, and the process goes on. */
#include "tests/fuzz/input.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/check.h"
#include "core/journal.h"
#include "core/ns.h"
#include "core/rebuild.h"
#include "core/results.h"

#define OBJECTS 32

/* Where journals are made: its database keeps nothing else. */
static struct {
	struct db *db;
	struct journal *journal;
	struct buf objects[OBJECTS]; /* clear and journal, turn by turn */
	struct addr head;
	unsigned count;
	uint64_t seq;
} w;

static int keep(void *ctx, enum obj_kind kind, const void *p, size_t n,
		struct addr *ret)
{
	REQUIRE(w.count < OBJECTS);
	buf_reset(&w.objects[w.count]);
	buf_add(&w.objects[w.count++], p, n);
	addr_of(kind, p, n, ret);
	w.head = *ret;
	return 0;
}

static int salt(void *ctx, void *p, size_t n)
{
	memset(p, 3, n);
	return 0;
}

static void open_writer(void)
{
	char path[4200];
	struct err err;

	snprintf(path, sizeof(path), "%s/writer", work_dir());
	REQUIRE(db_open(path, DB_CREATE, &w.db, &err) == 0);
	REQUIRE(journal_open(w.db, &w.journal) == 0);
	journal_set_put(w.journal, keep, NULL);
	journal_set_salt(w.journal, salt, NULL);
	db_lock(w.db);
	log_set_level(LOG_NONE);
}

/* --- journals ------------------------------------------------------------- */

static const char *take_name(struct cur *c, char to[8])
{
	uint8_t v = take_u8(c);

	snprintf(to, 8, "%c", v < 250 ? 'a' + v % 4 : v == 250 ? '/' : '.');
	if (v == 255)
		*to = '\0';
	return to;
}

static void put_inode(struct cur *c)
{
	static const uint32_t modes[] = {
		S_IFDIR | 0755, S_IFREG | 0644,	 S_IFLNK | 0777,
		S_IFIFO,	S_IFCHR | 07777, 0,
	};
	struct ns_attr a = {
		.ino = (uint64_t)take_number(c) % 8,
		.mode = modes[take_u8(c) % ARRAY_LEN(modes)],
		.size = (uint64_t)take_number(c),
		.mtime_ns = take_number(c),
	};
	const char *target = NULL;

	if (take_u8(c) < 200 && S_ISREG(a.mode))
		addr_of(OBJ_CHUNK, "", 0, &a.addr);
	else if (S_ISLNK(a.mode))
		target = take_u8(c) & 1 ? "target" : "";
	journal_inode(w.journal, &a, target);
}

static void put_effect(struct cur *c)
{
	struct result r = {.recipe = {{7}}};
	char name[8];
	uint64_t dir = take_u8(c) % 8, ino = (uint64_t)take_number(c);
	uint8_t how = take_u8(c);

	take_name(c, name);
	switch (how % 6) {
	case 0:
	case 1:
		journal_name(w.journal, how % 6, dir, name, strlen(name),
			     how < 250 ? ino % 8 : ino);
		return;
	case 2:
	case 3:
		put_inode(c);
		return;
	case 4:
		journal_xattr(w.journal, ino % 8, name, how & 8 ? "v" : NULL,
			      how & 8 ? 1 : 0);
		return;
	case 5:
		r.error = how & 8;
		r.size = (uint64_t)take_number(c);
		r.wall_ns = take_number(c);
		if (!r.error)
			addr_of(OBJ_CHUNK, "", 0, &r.addr);
		journal_result(w.journal, dir, name, strlen(name), &r);
		return;
	}
}

static void put_change(struct cur *c)
{
	struct ns_by by = {.uid = take_u8(c), .program = "fuzz"};
	unsigned effects = take_u8(c) % 8;

	w.seq += 1 + take_u8(c) % 3;
	journal_change(w.journal, w.seq, (int64_t)w.seq * 1000,
		       take_u8(c) % 10 + 1, &by);
	while (effects--)
		put_effect(c);
}

/* A batch is one journal here. */
static void put_batch(struct cur *c)
{
	unsigned changes = 1 + take_u8(c) % 5;

	REQUIRE(db_begin(w.db) == 0);
	while (changes--)
		put_change(c);
	REQUIRE(db_commit(w.db) == 0);
}

/* --- what comes of them
 * -------------------------------------------------------- */

static void found(void *ctx, const char *what)
{
	REQUIRE(*what);
}

static int on_entry(void *ctx, const struct ns_entry *e)
{
	REQUIRE(e->len && !memchr(e->name, '/', e->len));
	return 0;
}

static void look(struct db *db)
{
	struct check check = {.db = db, .found = found};
	CLEANUP(ns_closep) struct ns *ns = NULL;
	struct err err;
	uint64_t at;
	int rc;

	REQUIRE(check_namespace(&check) == 0);
	rc = ns_open(db, 0, 0, &ns, &err);
	REQUIRE(rc == 0 || rc == -EUCLEAN);
	for (at = 0; !rc && at <= w.seq; at++)
		REQUIRE(ns_list(ns, at, NS_ROOT, NULL, 0, on_entry, ns) <= 0);
	if (!rc)
		REQUIRE(ns_list(ns, NS_NOW, NS_ROOT, NULL, 0, on_entry, ns) <=
			0);
	db_rollback(db);
}

static void rebuild(struct cur *c, const char *path)
{
	CLEANUP(rebuild_freep) struct rebuild *r = NULL;
	struct rebuild_sums sums;
	struct db *db = NULL;
	struct err err;
	unsigned i;
	int rc = 0;

	REQUIRE(db_open(path, DB_CREATE, &db, &err) == 0);
	db_lock(db);
	REQUIRE(rebuild_new(db, &r) == 0);
	for (i = 0; !rc && i < w.count; i += 2) {
		const struct buf *clear = &w.objects[i], *journal = clear + 1;
		uint8_t how = take_u8(c);

		rc = rebuild_add(r, journal->data, journal->len,
				 how > 240 ? NULL : clear->data,
				 how > 240 ? 0 : clear->len, how == 240);
		REQUIRE(rc == 0 || rc == -EBADMSG);
	}
	REQUIRE(rebuild_end(r, w.count ? &w.head : NULL, w.seq, &sums) == 0);
	rebuild_free(steal(&r));
	look(db);
	db_unlock(db);
	db_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(data, size);
	char path[4200], file[4300];
	const char *const tails[] = {"", "-wal", "-shm", "-mark"};
	size_t i;

	if (!w.db)
		open_writer();
	w.count = 0;
	w.seq = 0;
	while (cur_left(&c) > 8 && w.count < OBJECTS)
		put_batch(&c);
	snprintf(path, sizeof(path), "%s/rebuilt", work_dir());
	rebuild(&c, path);
	for (i = 0; i < ARRAY_LEN(tails); i++) {
		snprintf(file, sizeof(file), "%s%s", path, tails[i]);
		remove(file);
	}
	return 0;
}
