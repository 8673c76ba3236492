/* Pack files: any bytes are walked to their end, every record lies where it
 * says, and what is none is counted. The first byte says whether the checks of
 * what looks like records are made right, which no fuzzer guesses. */
#include "tests/fuzz/input.h"

#include <errno.h>
#include <sys/mman.h>

#include "cas/pack.h"

#define CHECK_AT 48

static const uint8_t id[PACK_ID_LEN] = "sixteen byte id";

static void make_checks_right(uint8_t *p, size_t n)
{
	uint8_t in[PACK_ID_LEN + CHECK_AT];
	uint8_t *at = p, *end = p + n;
	struct addr sum;

	memcpy(in, id, sizeof(id));
	while ((at = memmem(at, (size_t)(end - at), RECORD_MAGIC,
			    RECORD_MAGIC_LEN))) {
		if (end - at < RECORD_HEADER_LEN)
			return;
		memcpy(in + sizeof(id), at, CHECK_AT);
		addr_of(OBJ_CHUNK, in, sizeof(in), &sum);
		memcpy(at + CHECK_AT, sum.b, 4);
		at++;
	}
}

static void check_record(const uint8_t *p, uint64_t size, uint64_t off,
			 const struct record *r)
{
	uint8_t header[RECORD_HEADER_LEN];

	REQUIRE(off + RECORD_HEADER_LEN + r->stored <= size);
	REQUIRE(record_length_valid(r->kind, r->raw));
	REQUIRE(r->stored <= r->raw);
	record_encode(id, r, header);
	REQUIRE(!memcmp(header, p + off, sizeof(header)));
}

static void walk(int fd, const uint8_t *p, uint64_t size)
{
	CLEANUP(pack_scan_freep) struct pack_scan *s = NULL;
	struct pack_damage damage;
	struct record r;
	uint64_t off, next = PACK_HEADER_LEN, records = 0;
	int rc = pack_scan_new(fd, id, &s);

	REQUIRE(rc == 0 || rc == -EPROTONOSUPPORT);
	if (rc < 0)
		return;
	while ((rc = pack_scan_next(s, &r, &off)) > 0) {
		REQUIRE(off >= next);
		check_record(p, size, off, &r);
		next = off + RECORD_HEADER_LEN + r.stored;
		records += RECORD_HEADER_LEN + r.stored;
	}
	REQUIRE(rc == 0);
	pack_scan_damage(s, &damage);
	if (size >= PACK_HEADER_LEN)
		REQUIRE(PACK_HEADER_LEN + records + damage.bytes +
				damage.torn ==
			size);
	REQUIRE(pack_scan_next(s, &r, &off) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_CLOSE int fd = memfd_create("pack", MFD_CLOEXEC);
	CLEANUP_FREE uint8_t *p = malloc(size + 1);

	REQUIRE(fd >= 0 && p);
	if (!size)
		return 0;
	memcpy(p, data + 1, size - 1);
	if ((data[0] & 1) && size > PACK_HEADER_LEN)
		pack_header(id, p);
	if (data[0] & 2)
		make_checks_right(p, size - 1);
	REQUIRE(write(fd, p, size - 1) == (ssize_t)size - 1);
	walk(fd, p, size - 1);
	return 0;
}
