#include "cas/pack.h"

#include "cas/codec.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct record raw_record(const void *p, uint32_t n)
{
	struct record r = {.kind = OBJ_CHUNK,
			   .codec = CODEC_RAW,
			   .stored = n,
			   .raw = n};

	addr_of(OBJ_CHUNK, p, n, &r.addr);
	return r;
}

static int append(struct pack_writer *w, const struct record *r,
		  const void *payload, uint64_t *ret_offset)
{
	return pack_append(w, r, &payload, 1, ret_offset);
}

/* A pack of the objects "object 0", "object 1", ..., and where they lie. */
static int new_pack(const char *dir, unsigned count, uint64_t *ret_at,
		    uint8_t ret_id[PACK_ID_LEN])
{
	struct pack_writer *w;
	struct record r;
	char text[32];
	unsigned i;
	int fd, packs;

	packs = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(packs, 0);
	ck_assert_int_eq(pack_create(packs, &w), 0);
	for (i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "object %u", i);
		r = raw_record(text, (uint32_t)strlen(text));
		ck_assert_int_eq(append(w, &r, text, &ret_at[i]), 0);
	}
	memcpy(ret_id, w->id, PACK_ID_LEN);
	fd = dup(w->fd);
	pack_writer_free(w);
	close(packs);
	return fd;
}

/* Counts the records; their places and contents have to be those of new_pack
 * where they are said to be there. */
static unsigned scan(int fd, const uint8_t id[PACK_ID_LEN], const uint64_t *at,
		     const bool *there, unsigned count,
		     struct pack_damage *ret_damage)
{
	struct pack_scan *s;
	struct record r;
	unsigned i = 0, found = 0;
	uint64_t off;
	int rc;

	ck_assert_int_eq(pack_scan_new(fd, id, &s), 0);
	while ((rc = pack_scan_next(s, &r, &off)) > 0) {
		while (i < count && there && !there[i])
			i++;
		ck_assert_uint_lt(i, count);
		ck_assert_uint_eq(off, at[i]);
		i++;
		found++;
	}
	ck_assert_int_eq(rc, 0);
	pack_scan_damage(s, ret_damage);
	pack_scan_free(s);
	return found;
}

START_TEST(pack_names_are_read_back_and_nothing_else)
{
	uint8_t id[PACK_ID_LEN], again[PACK_ID_LEN];
	char name[PACK_NAME_LEN];

	fill_random(id, sizeof(id), 1);
	pack_name(id, name);
	ck_assert(pack_parse_name(name, again));
	ck_assert_mem_eq(id, again, sizeof(id));
	name[0] = 'A';
	ck_assert(!pack_parse_name(name, again));
	ck_assert(!pack_parse_name("", again));
	ck_assert(!pack_parse_name("0123456789abcdef0123456789abcdef.tmp",
				   again));
	ck_assert(!pack_parse_name("0123456789abcdef0123456789abcdef.packs",
				   again));
	ck_assert(!pack_parse_name("0123456789abcdef0123456789abcdeg.pack",
				   again));
}
END_TEST

START_TEST(record_with_any_bit_changed_is_ebadmsg)
{
	uint8_t id[PACK_ID_LEN], p[RECORD_HEADER_LEN];
	struct record r = raw_record("text", 4), again;
	unsigned bit;

	fill_random(id, sizeof(id), 1);
	record_encode(id, &r, p);
	ck_assert_int_eq(record_decode(id, p, &again), 0);
	ck_assert_int_eq(again.kind, OBJ_CHUNK);
	ck_assert_uint_eq(again.stored, 4);
	ck_assert_uint_eq(again.raw, 4);
	ck_assert(addr_eq(&again.addr, &r.addr));
	for (bit = 0; bit < 8 * RECORD_HEADER_LEN; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(record_decode(id, p, &again), -EBADMSG);
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	id[3] ^= 1; /* of another pack */
	ck_assert_int_eq(record_decode(id, p, &again), -EBADMSG);
}
END_TEST

START_TEST(record_that_no_writer_makes_is_ebadmsg)
{
	static const struct record bad[] = {
		{.kind = 0, .raw = 1, .stored = 1},
		{.kind = OBJ_JOURNAL + 1, .raw = 1, .stored = 1},
		{.kind = OBJ_CHUNK, .codec = 2, .raw = 9, .stored = 1},
		{.kind = OBJ_CHUNK, .raw = 2, .stored = 1},
		{.kind = OBJ_CHUNK, .raw = 1, .stored = 2},
		{.kind = OBJ_CHUNK, .codec = CODEC_ZSTD, .raw = 9, .stored = 9},
		{.kind = OBJ_CHUNK,
		 .codec = CODEC_ZSTD,
		 .raw = CHUNK_MAX + 1,
		 .stored = 9},
		{.kind = OBJ_NODE,
		 .codec = CODEC_ZSTD,
		 .raw = OBJ_MAX + 1,
		 .stored = 9},
	};
	uint8_t id[PACK_ID_LEN] = {0}, p[RECORD_HEADER_LEN];
	struct record again;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		record_encode(id, &bad[i], p);
		ck_assert_int_eq(record_decode(id, p, &again), -EBADMSG);
	}
}
END_TEST

START_TEST(pack_scan_finds_every_record)
{
	char *dir = test_dir();
	struct pack_damage d;
	uint8_t id[PACK_ID_LEN];
	uint64_t at[1000];
	int fd = new_pack(dir, 1000, at, id);

	ck_assert_uint_eq(scan(fd, id, at, NULL, 1000, &d), 1000);
	ck_assert(!d.header && !d.bytes && !d.torn);
	close(fd);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(pack_scan_steps_over_a_torn_tail_of_any_length)
{
	char *dir = test_dir();
	struct pack_damage d;
	uint8_t id[PACK_ID_LEN];
	uint64_t at[3], len;
	struct stat st;
	int fd = new_pack(dir, 3, at, id);

	ck_assert_int_eq(fstat(fd, &st), 0);
	for (len = (uint64_t)st.st_size - 1; len >= at[2]; len--) {
		ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
		ck_assert_uint_eq(scan(fd, id, at, NULL, 3, &d), 2);
		ck_assert_uint_eq(d.torn, len - at[2]);
		ck_assert(!d.header && !d.bytes);
	}
	close(fd);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(pack_scan_goes_on_behind_damage)
{
	bool there[5] = {true, true, true, true, true};
	char *dir = test_dir();
	struct pack_damage d;
	uint8_t id[PACK_ID_LEN];
	uint64_t at[5];
	int fd = new_pack(dir, 5, at, id);
	unsigned i;

	for (i = 0; i < RECORD_HEADER_LEN; i++) {
		there[2] = false;
		flip_byte(fd, at[2] + i, 0x10);
		ck_assert_uint_eq(scan(fd, id, at, there, 5, &d), 4);
		ck_assert_uint_eq(d.bytes, at[3] - at[2]);
		flip_byte(fd, at[2] + i, 0x10);
	}
	/* the payload is the business of who reads it */
	flip_byte(fd, at[2] + RECORD_HEADER_LEN, 1);
	ck_assert_uint_eq(scan(fd, id, at, NULL, 5, &d), 5);
	ck_assert_uint_eq(d.bytes, 0);
	/* the pack's own header */
	flip_byte(fd, 1, 1);
	ck_assert_uint_eq(scan(fd, id, at, NULL, 5, &d), 5);
	ck_assert(d.header);
	close(fd);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(pack_scan_takes_no_records_out_of_a_payload)
{
	struct buf inner = BUF_INIT;
	char *dir = test_dir();
	struct pack_scan *scan;
	uint8_t id[PACK_ID_LEN];
	struct pack_writer *w;
	uint64_t at[50], off;
	struct record r;
	struct stat st;
	int fd, packs;

	/* a pack that somebody keeps as a file, in a record that is damaged */
	fd = new_pack(dir, 50, at, id);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_ptr_nonnull(buf_room(&inner, (size_t)st.st_size));
	ck_assert_int_eq(pread(fd, inner.data, (size_t)st.st_size, 0),
			 st.st_size);
	inner.len = (size_t)st.st_size;
	close(fd);
	packs = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(pack_create(packs, &w), 0);
	r = raw_record(inner.data, (uint32_t)inner.len);
	ck_assert_int_eq(append(w, &r, inner.data, &off), 0);
	flip_byte(w->fd, off + 20, 1);
	ck_assert_int_eq(pack_scan_new(w->fd, w->id, &scan), 0);
	ck_assert_int_eq(pack_scan_next(scan, &r, &off), 0);
	pack_scan_free(scan);
	pack_writer_free(w);
	close(packs);
	buf_done(&inner);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(pack_of_a_newer_version_is_not_read)
{
	uint8_t id[PACK_ID_LEN] = {1}, p[PACK_HEADER_LEN];

	pack_header(id, p);
	ck_assert_int_eq(pack_header_check(id, p), 0);
	p[8] = 2;
	ck_assert_int_eq(pack_header_check(id, p), -EPROTONOSUPPORT);
	p[8] = 0;
	ck_assert_int_eq(pack_header_check(id, p), -EBADMSG);
	p[8] = 1;
	p[12] = 1;
	ck_assert_int_eq(pack_header_check(id, p), -EBADMSG);
	p[12] = 0;
	id[0] = 2;
	ck_assert_int_eq(pack_header_check(id, p), -EBADMSG);
}
END_TEST

TESTS("pack", pack_names_are_read_back_and_nothing_else,
      record_with_any_bit_changed_is_ebadmsg,
      record_that_no_writer_makes_is_ebadmsg, pack_scan_finds_every_record,
      pack_scan_steps_over_a_torn_tail_of_any_length,
      pack_scan_goes_on_behind_damage,
      pack_scan_takes_no_records_out_of_a_payload,
      pack_of_a_newer_version_is_not_read)
