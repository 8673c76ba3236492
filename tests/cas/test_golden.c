/* Addresses and bytes that will never change: who breaks one of these breaks
 * every store there is. Random bytes are those of splitmix64, little-endian
 * (tests/cas/util.h). That the values are those of the manual page, and not
 * just what this program does, is tests/format/compare.py's business. */
#include "cas/blob.h"
#include "cas/codec.h"
#include "cas/dir.h"
#include "cas/pack.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

/* Lines are not broken, so that an address is found by searching for it. */
/* clang-format off */

/* What a file consists of, piece after piece. */
struct part {
	uint64_t len;
	uint64_t seed; /* of random bytes; 0: zeros */
};

struct golden {
	const char *hex;
	struct part parts[5];
};

static void check_file(struct store *s, const struct golden *g)
{
	struct blob_writer *w = blob_writer_new(s);
	const struct part *p;
	struct addr a;
	uint8_t *bytes;

	for (p = g->parts; p->len; p++) {
		if (p->seed) {
			bytes = random_bytes(p->len, p->seed);
			ck_assert_int_eq(blob_write(w, bytes, p->len), 0);
			free(bytes);
		} else {
			ck_assert_int_eq(blob_write_zeros(w, p->len), 0);
		}
	}
	ck_assert_int_eq(blob_finish(w, &a, NULL), 0);
	blob_writer_free(w);
	ck_assert_str_eq(hex_of(&a), g->hex);
}

static void check_files(const struct golden *g, size_t n)
{
	char *dir;
	struct store *s = new_store(&dir);
	size_t i;

	for (i = 0; i < n; i++)
		check_file(s, &g[i]);
	drop_store(s, dir);
}

START_TEST(golden_files_of_random_bytes)
{
	static const struct golden g[] = {
		{"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		 {{0}}},
		{"fefef50ec0aab3da282e1998d61f032951cb147829fd49ecbda13ddc2cf90eaf",
		 {{1, 1}}},
		{"c2a735638fea18dc7633e84cadad4349894d8006c6cd02f9d2e07f74ee2881f6",
		 {{KIB(16), 1}}},
		{"b53e553211575fc335f1817adb307e8298f241f96335dd143643df3d5c634a52",
		 {{KIB(16) + 1, 1}}},
		{"7a5463e5f8b4ac2724d8a19d43efce3aa155d07fe627f6857e18a45f072070d5",
		 {{KIB(256), 1}}}, /* several chunks */
		{"fad87ad242c19cc7ebea66b8bf968170d6c57da403e72b9d59ed40edbe59995e",
		 {{MIB(100), 1}}},
	};

	check_files(g, ARRAY_LEN(g));
}
END_TEST

START_TEST(golden_files_of_zeros)
{
	static const struct golden g[] = {
		{"2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
		 {{1, 0}}},
		{"86bb2b521a10612d5a1d38204fac4fa632466d1866144d8a6a7e3afc050ce7ae",
		 {{KIB(256), 0}}},
		{"aa68c1c9af1f945e7571d013ab65cc1d18c97dd21fdc042a9d877a1bd3d35c61",
		 {{KIB(256) + 1, 0}}},
		{"3f0c7b38f0e8a0d320bad4c20a77a4d83470b644692405a1353d0753fbf695dd",
		 {{GIB(1), 0}}},
		{"2e1376f30b22a9de1cde794881c566fc09fb5c1ff8f06e52334078b95e89d71d",
		 {{INT64_MAX, 0}}},
	};

	check_files(g, ARRAY_LEN(g));
}
END_TEST

START_TEST(golden_files_with_holes)
{
	static const struct golden g[] = {
		/* at the start, the end, between; one too short */
		{"9815ee1e21e64b7645fc643babadc118f90faceea27ef5f2e32117e05ae8d0e7",
		 {{KIB(300), 0}, {KIB(100), 2}}},
		{"247a46b3ad4feea4bbe678e70f6b69cba05230412a42066ddd993b5d88942311",
		 {{KIB(100), 2}, {KIB(300), 0}}},
		{"25e9058025e8fff1c4395ff418322422ef27b2cdda2e770b33b279675c501234",
		 {{KIB(100), 2}, {MIB(700), 0}, {KIB(100), 3}}},
		{"c51619bcd069456b1066fd39bb7695450f7e9ee79c51c41d8022e45ca72d8d68",
		 {{KIB(100), 2}, {KIB(256), 0}, {KIB(100), 3}}},
		{"13588bb1dbc0b134dba7c9ed2f601059c9ab9b398ad9e83a9d2b588845665882",
		 {{KIB(256) + 1, 0}, {1, 2}, {KIB(256) + 1, 0}, {MIB(5), 3}}},
	};

	check_files(g, ARRAY_LEN(g));
}
END_TEST

static void add(struct dir_writer *w, const char *name, enum dir_type type,
		uint64_t size, uint64_t rdev, const char *target)
{
	struct dir_entry e = {
		.name = name,
		.name_len = strlen(name),
		.type = type,
		.size = size,
		.rdev = rdev,
		.target = target,
		.target_len = target ? strlen(target) : 0,
	};

	if (type <= DIR_DIR)
		addr_of(OBJ_CHUNK, name, strlen(name), &e.addr);
	ck_assert_int_eq(dir_add(w, &e), 0);
}

static void check_dir(struct dir_writer *w, const char *hex)
{
	struct addr a;

	ck_assert_int_eq(dir_finish(w, &a, NULL), 0);
	ck_assert_str_eq(hex_of(&a), hex);
	dir_writer_free(w);
}

START_TEST(golden_directories)
{
	char *dir, name[20];
	struct store *s = new_store(&dir);
	struct dir_writer *w = dir_writer_new(s);
	unsigned i;

	check_dir(w, "cef6afa529ae1155e1405be25e55ccdc47f16aa76744f4e78163b2441e6d3944");

	w = dir_writer_new(s);
	add(w, "file", DIR_FILE, 4, 0, NULL);
	add(w, "exec", DIR_EXEC, INT64_MAX, 0, NULL);
	add(w, "dir", DIR_DIR, 7, 0, NULL);
	add(w, "link", DIR_LINK, 0, 0, "../to \xff there");
	add(w, "fifo", DIR_FIFO, 0, 0, NULL);
	add(w, "sock", DIR_SOCK, 0, 0, NULL);
	add(w, "chr", DIR_CHR, 0, UINT64_C(5) << 32 | 1, NULL);
	add(w, "blk", DIR_BLK, 0, UINT64_C(8) << 32 | 17, NULL);
	add(w, "\xff\xfe", DIR_FILE, 0, 0, NULL);
	add(w, "a", DIR_FILE, 0, 0, NULL);
	add(w, "a.", DIR_FILE, 0, 0, NULL);
	add(w, "a-", DIR_FILE, 0, 0, NULL);
	add(w, "aa", DIR_FILE, 0, 0, NULL);
	add(w, "a\xc3\xa9", DIR_FILE, 0, 0, NULL);
	add(w, "B", DIR_FILE, 0, 0, NULL);
	add(w, "\x01", DIR_FILE, 0, 0, NULL);
	check_dir(w, "587a737b5be4bb373237773f3945540bf3146fd9a1fd3c64566d5f0b774d4980");

	w = dir_writer_new(s);
	for (i = 5000; i-- > 0;) {
		snprintf(name, sizeof(name), "%u.txt", i);
		add(w, name, DIR_FILE, i, 0, NULL);
	}
	check_dir(w, "6fe15be123190a18e36fcbfce9b87e265ef0c737e8da0cc5fcc6937319a3ebc3");
	drop_store(s, dir);
}
END_TEST

static void assert_hex(const uint8_t *p, size_t n, const char *hex)
{
	char is[2 * 128 + 1];
	size_t i;

	ck_assert_uint_le(n, 128);
	for (i = 0; i < n; i++)
		snprintf(is + 2 * i, 3, "%02x", p[i]);
	ck_assert_str_eq(is, hex);
}

START_TEST(golden_pack_and_record)
{
	uint8_t id[PACK_ID_LEN], p[RECORD_HEADER_LEN];
	struct record r = {.kind = OBJ_NODE,
			   .codec = CODEC_ZSTD,
			   .stored = 0x00010203,
			   .raw = 0x00fedcba};
	unsigned i;

	for (i = 0; i < PACK_ID_LEN; i++)
		id[i] = (uint8_t)(0xa0 + i);
	for (i = 0; i < ADDR_LEN; i++)
		r.addr.b[i] = (uint8_t)i;
	pack_header(id, p);
	assert_hex(p, PACK_HEADER_LEN,
		   "4445524956504b310100000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
	record_encode(id, &r, p);
	assert_hex(p, RECORD_HEADER_LEN,
		   "f64456520201000003020100badcfe00000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f5860b831");
}
END_TEST

TESTS("golden", golden_files_of_random_bytes, golden_files_of_zeros,
      golden_files_with_holes, golden_directories, golden_pack_and_record)
