/* Trees of hostile objects under their right addresses: files and directories
 * over them are read, sought and walked. The input is a list of objects: kind,
 * length, bytes; in these, REF and a number stand for the address of an object
 * before. */
#include "tests/fuzz/input.h"

#include <errno.h>

#include "cas/blob.h"
#include "cas/dir.h"

#define OBJECTS 64
#define REF	"@@@" /* then the number, and 28 bytes that do not matter */
#define EACH	1000  /* callbacks, then enough */
#define RENEW	500   /* inputs, then another store */

/* A tree in which each node has the one below twice is larger than any disk.
 * What goes through all of a file is asked only of what can be walked. */
#define WALKABLE MIB(256)

struct tree {
	struct store *s;
	struct addr addrs[OBJECTS];
	uint8_t kinds[OBJECTS];
	unsigned count, left;
};

static bool known_error(int64_t rc)
{
	return rc == -EBADMSG || rc == -ENOENT || rc == -EINVAL ||
	       rc == -ENODATA;
}

/* --- building ------------------------------------------------------------- */

static void set_references(struct tree *t, uint8_t *p, size_t n)
{
	uint8_t *at = p;

	while (t->count && (at = memmem(at, n - (size_t)(at - p), REF, 3))) {
		if (n - (size_t)(at - p) < ADDR_LEN)
			return;
		memcpy(at, t->addrs[at[3] % t->count].b, ADDR_LEN);
		at += ADDR_LEN;
	}
}

static void add_object(struct tree *t, struct cur *c)
{
	CLEANUP_FREE uint8_t *copy = NULL;
	enum obj_kind kind = take_u8(c) % 5 + 1;
	const void *p;
	size_t n;

	p = take_some(c, &n);
	copy = malloc(n + 1);
	REQUIRE(copy);
	memcpy(copy, p, n);
	set_references(t, copy, n);
	REQUIRE(store_put(t->s, kind, copy, n, &t->addrs[t->count]) == 0);
	t->kinds[t->count++] = (uint8_t)kind;
}

/* --- files ---------------------------------------------------------------- */

static int on_entry(void *ctx, const struct addr *a, uint64_t off,
		    uint64_t size)
{
	struct tree *t = ctx;

	return t->left-- ? 0 : 1;
}

static int on_object(void *ctx, enum obj_kind kind, const struct addr *a,
		     uint64_t size)
{
	struct tree *t = ctx;

	return t->left-- ? 0 : -ECANCELED;
}

static void read_at(struct blob *b, uint64_t off)
{
	static uint8_t whole[100000], part[sizeof(whole)];
	ssize_t n = blob_pread(b, whole, sizeof(whole), off), m;
	uint64_t want = off < blob_size(b) ? blob_size(b) - off : 0;

	if (n < 0) {
		REQUIRE(known_error(n));
		return;
	}
	REQUIRE((uint64_t)n == MIN(want, (uint64_t)sizeof(whole)));
	if (n < 2)
		return;
	m = blob_pread(b, part, (size_t)n / 2, off + (uint64_t)n / 2);
	REQUIRE(m == n / 2);
	REQUIRE(!memcmp(part, whole + n / 2, (size_t)m));
}

static void seek_from(struct blob *b, uint64_t off, bool hole)
{
	uint64_t at;
	int rc = blob_seek(b, off, hole, &at);

	if (!rc)
		REQUIRE(at >= off && at <= blob_size(b));
	else
		REQUIRE(rc == -ENXIO || known_error(rc));
}

static void read_blob(struct tree *t, const struct addr *a)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	uint64_t offs[4] = {0};
	size_t i;
	int rc = blob_open(t->s, a, &b);

	if (rc) {
		REQUIRE(known_error(rc));
		return;
	}
	REQUIRE(blob_size(b) <= INT64_MAX);
	offs[1] = blob_size(b) / 2;
	offs[2] = blob_size(b) - MIN(blob_size(b), UINT64_C(1000));
	offs[3] = UINT64_MAX;
	for (i = 0; i < ARRAY_LEN(offs); i++) {
		read_at(b, offs[i]);
		if (blob_size(b) > WALKABLE)
			continue;
		seek_from(b, offs[i], false);
		seek_from(b, offs[i], true);
	}
	t->left = EACH;
	rc = blob_each(b, on_entry, t);
	REQUIRE(rc >= 0 || known_error(rc));
	t->left = EACH;
	rc = blob_walk(t->s, a, on_object, t);
	REQUIRE(rc == 0 || rc == -ECANCELED || known_error(rc));
	if (blob_size(b) <= WALKABLE) {
		rc = blob_complete(t->s, a);
		REQUIRE(rc >= 0 || known_error(rc));
	}
}

/* --- directories ---------------------------------------------------------- */

struct names {
	struct tree *t;
	const struct addr *dir;
	unsigned left;
};

static int on_name(void *ctx, const struct dir_entry *e)
{
	CLEANUP_BUF struct buf page = BUF_INIT;
	struct names *n = ctx;
	struct dir_entry found;
	int rc;

	rc = dir_find(n->t->s, n->dir, e->name, e->name_len, &page, &found);
	if (!rc)
		REQUIRE(found.name_len == e->name_len &&
			!memcmp(found.name, e->name, e->name_len));
	else
		REQUIRE(known_error(rc));
	return n->left-- ? 0 : 1;
}

static void read_dir(struct tree *t, const struct addr *a)
{
	CLEANUP_BUF struct buf page = BUF_INIT;
	struct names n = {t, a, 100};
	struct dir_entry found;
	int rc = dir_each(t->s, a, on_name, &n);

	REQUIRE(rc >= 0 || known_error(rc));
	rc = dir_find(t->s, a, "name", 4, &page, &found);
	REQUIRE(rc == 0 || known_error(rc));
}

/* --- the whole ------------------------------------------------------------ */

static struct store *the_store(void)
{
	static struct store *s;
	static unsigned inputs;
	char path[4200];
	struct err err;

	snprintf(path, sizeof(path), "%s/store", work_dir());
	if (inputs++ % RENEW == 0) {
		if (s)
			REQUIRE(store_close(s) == 0);
		work_clear(path);
		REQUIRE(store_open(path, STORE_CREATE, &s, &err) == 0);
		log_set_level(LOG_NONE);
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree t = {.s = the_store()};
	struct cur c = cur_of(data, size);
	unsigned i;

	while (cur_left(&c) && t.count < OBJECTS)
		add_object(&t, &c);
	for (i = 0; i < t.count; i++) {
		read_blob(&t, &t.addrs[i]);
		read_dir(&t, &t.addrs[i]);
	}
	return 0;
}
