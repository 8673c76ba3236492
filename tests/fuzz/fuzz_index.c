/* The index of the packs: rows that say anything about a pack that holds
 * anything. What is handed out has the address that was asked for.
 *
 * The input: a number of rows, the rows, the bytes of the pack behind its
 * header. A row's address is that of what its place holds when it can be, so
 * that wrong kinds, codecs and lengths get as far as they can. */
#include "tests/fuzz/input.h"

#include <errno.h>
#include <fcntl.h>

#include "cas/blob.h"
#include "cas/dir.h"

#define ROWS 8

static struct {
	struct store *store;
	int pack_fd;
	uint8_t id[PACK_ID_LEN];
	uint32_t pack;
} w;

static void run_sql(const char *sql)
{
	struct stmt *st;
	int rc;

	st = db_prepare(store_db(w.store), sql, &rc);
	REQUIRE(st);
	REQUIRE(stmt_run(st) == 0);
	stmt_free(st);
}

static void open_store(void)
{
	char path[4200], name[PACK_NAME_LEN];
	struct err err;

	snprintf(path, sizeof(path), "%s/store", work_dir());
	REQUIRE(store_open(path, STORE_CREATE, &w.store, &err) == 0);
	log_set_level(LOG_NONE);
	memcpy(w.id, "sixteen byte id", sizeof(w.id));
	pack_name(w.id, name);
	w.pack_fd = openat(store_packs_fd(w.store), name,
			   O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(w.pack_fd >= 0);
	db_lock(store_db(w.store));
	REQUIRE(packs_add(store_objects(w.store), w.id, &w.pack) == 0);
	REQUIRE(db_commit(store_db(w.store)) == 0);
	db_unlock(store_db(w.store));
}

/* A record's header at the row's place, with a right check, so that the reader
 * goes on to the payload. */
static void make_record(uint8_t *pack, size_t n, struct object_loc *loc,
			struct addr *a)
{
	struct record r = {.kind = loc->kind,
			   .codec = loc->codec,
			   .stored = loc->stored,
			   .raw = loc->raw};
	uint64_t end = loc->offset + RECORD_HEADER_LEN + loc->stored;

	if (loc->offset > n || end > n)
		return;
	addr_of(obj_kind_valid((int)loc->kind) ? loc->kind : OBJ_CHUNK,
		pack + loc->offset + RECORD_HEADER_LEN, loc->stored, a);
	r.addr = *a;
	record_encode(w.id, &r, pack + loc->offset);
}

static void add_row(struct cur *c, uint8_t *pack, size_t n, struct addr *a)
{
	static const char *sql =
		"INSERT OR REPLACE INTO object(addr, kind, codec, pack, offset,"
		" stored, raw) VALUES (?, ?, ?, ?, ?, ?, ?)";
	int64_t v[6] = {take_number(c), take_number(c), take_number(c),
			take_number(c), take_number(c), take_number(c)};
	struct object_loc loc = {
		.kind = (enum obj_kind)v[0],
		.codec = (uint8_t)v[1],
		.offset = (uint64_t)v[3],
		.stored = (uint32_t)v[4],
		.raw = (uint32_t)v[5],
	};
	struct stmt *st;
	int rc, i;

	memset(a, take_u8(c), sizeof(*a));
	if (v[3] >= 0 && v[4] >= 0 && v[4] < (int64_t)n)
		make_record(pack, n, &loc, a);
	st = db_prepare(store_db(w.store), sql, &rc);
	REQUIRE(st);
	if (!v[2])
		v[2] = w.pack;
	stmt_blob(st, 1, a->b, ADDR_LEN);
	for (i = 0; i < 6; i++)
		stmt_int(st, i + 2, v[i]);
	REQUIRE(stmt_run(st) == 0);
	stmt_free(st);
}

static void read_object(const struct addr *a)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP(blob_closep) struct blob *blob = NULL;
	struct dir_entry e;
	enum obj_kind kind;
	struct addr is;
	char byte;
	int rc = store_get(w.store, a, &kind, &b);

	if (!rc) {
		addr_of(kind, b.data, b.len, &is);
		REQUIRE(addr_eq(&is, a));
	} else {
		REQUIRE(rc == -EBADMSG || rc == -EUCLEAN || rc == -ENOENT);
		REQUIRE(!b.len);
	}
	rc = blob_open(w.store, a, &blob);
	if (!rc && blob_size(blob))
		rc = blob_pread(blob, &byte, 1, blob_size(blob) - 1) < 0;
	rc = dir_find(w.store, a, "a", 1, &b, &e);
	REQUIRE(rc <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE uint8_t *pack = NULL;
	struct cur c = cur_of(data, size), rows;
	struct addr a[ROWS];
	unsigned count, i;
	size_t n, room;

	if (!w.store)
		open_store();
	count = take_u8(&c) % ROWS;
	take_bytes(&c, count * 12, &room);
	rows = cur_of(data + 1, size ? size - 1 : 0);
	n = PACK_HEADER_LEN + cur_left(&c);
	pack = malloc(n);
	REQUIRE(pack);
	pack_header(w.id, pack);
	memcpy(pack + PACK_HEADER_LEN, c.p, cur_left(&c));
	db_lock(store_db(w.store));
	REQUIRE(db_begin(store_db(w.store)) == 0);
	run_sql("DELETE FROM object");
	for (i = 0; i < count; i++)
		add_row(&rows, pack, n, &a[i]);
	REQUIRE(ftruncate(w.pack_fd, 0) == 0);
	REQUIRE(pwrite(w.pack_fd, pack, n, 0) == (ssize_t)n);
	REQUIRE(db_commit(store_db(w.store)) == 0);
	db_unlock(store_db(w.store));
	for (i = 0; i < count; i++)
		read_object(&a[i]);
	return 0;
}
