/* cas/pack.h - pack files: objects one behind the other (permanent).
 *
 *	pack	header (32 bytes), then records
 *	header	"DERIVPK1", u32 version 1, u32 0, id (16 bytes, random)
 *	record	header (52 bytes), then the payload
 *
 *	0	u32	magic	bytes f6 44 56 52
 *	4	u8	kind	enum obj_kind
 *	5	u8	codec	enum codec_id
 *	6	u16	0
 *	8	u32	stored	length of the payload
 *	12	u32	raw	length of the object
 *	16	32 b	address
 *	48	u32	check	first four bytes of BLAKE3 over the pack's id
 *and the 48 bytes before
 *
 * The id is part of the check, so that the bytes of a pack that somebody keeps
 * as a file are never taken for records of the pack they lie in.
 *
 * Threads: each object here is used by one at a time.
 * Errors:  -EBADMSG what is no pack or record.
 */
#ifndef CAS_PACK_H
#define CAS_PACK_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/objects.h"

#define OBJ_MAX		  MIB(16) /* before compression */
#define PACK_SEAL	  MIB(256)
#define PACK_RUN	  32 /* records that are appended with one write */
#define PACK_HEADER_LEN	  32
#define PACK_NAME_LEN	  38 /* 32 digits, ".pack" and NUL */
#define RECORD_HEADER_LEN 52
#define RECORD_MAGIC	  "\xf6\x44\x56\x52" /* 0xf6 is in no UTF-8 text */
#define RECORD_MAGIC_LEN  4

struct record {
	enum obj_kind kind;
	uint8_t codec;
	uint32_t stored, raw;
	struct addr addr;
};

/* Whether an object of that kind may be so long. */
bool record_length_valid(enum obj_kind kind, uint64_t raw);
void record_encode(const uint8_t id[PACK_ID_LEN], const struct record *r,
		   uint8_t ret[RECORD_HEADER_LEN]);
int record_decode(const uint8_t id[PACK_ID_LEN],
		  const uint8_t p[RECORD_HEADER_LEN],
		  struct record *ret) MUST_USE;

void pack_name(const uint8_t id[PACK_ID_LEN], char ret[PACK_NAME_LEN]);
bool pack_parse_name(const char *name, uint8_t ret[PACK_ID_LEN]);
void pack_header(const uint8_t id[PACK_ID_LEN], uint8_t ret[PACK_HEADER_LEN]);
/* -EPROTONOSUPPORT: of a newer version. */
int pack_header_check(const uint8_t id[PACK_ID_LEN],
		      const uint8_t p[PACK_HEADER_LEN]) MUST_USE;
/* The same of a file, for which a header that says so above records of this
 * version is a damaged one: unless it is the next version, which no flipped
 * bit makes of this one. */
int pack_header_look(const uint8_t id[PACK_ID_LEN], int fd) MUST_USE;

/* --- appending ---------------------------------------------------------- */

/* A new pack; its file is locked (flock) as long as it is open, and visible
 * under its name only with its header written. */
struct pack_writer {
	uint8_t id[PACK_ID_LEN];
	int fd;
	uint64_t end;	 /* where the next record goes */
	uint64_t synced; /* up to here it survives a power cut */
	uint64_t begun;	 /* up to here the system has been asked to write */
};

int pack_create(int packs_fd, struct pack_writer **ret) MUST_USE;
/* Closes; says nothing about what is on disk. */
void pack_writer_free(struct pack_writer *w);
CLEANUP_FN(struct pack_writer, pack_writer_free)
/* n records, at most PACK_RUN, one behind the other; the place of the first. A
 * failure leaves the pack as it was. */
int pack_append(struct pack_writer *w, const struct record *r,
		const void *const *payloads, size_t n,
		uint64_t *ret_offset) MUST_USE;

/* --- walking ------------------------------------------------------------- */

/* Every record of a pack in order, also of a damaged one: what is no record, or
 * cannot be read from the disk, is stepped over up to the next that is.
 * Payloads are not looked at. */
struct pack_scan;

/* id: from the file's name. The descriptor stays the caller's. */
int pack_scan_new(int fd, const uint8_t id[PACK_ID_LEN],
		  struct pack_scan **ret) MUST_USE;
void pack_scan_free(struct pack_scan *s);
CLEANUP_FN(struct pack_scan, pack_scan_free)
/* Goes on at that place, where a record begins or the file ends. */
void pack_scan_seek(struct pack_scan *s, uint64_t off);
/* 1 a record, 0 the end. */
int pack_scan_next(struct pack_scan *s, struct record *ret,
		   uint64_t *ret_offset) MUST_USE;
/* What was stepped over so far: bytes that are no record; bytes of an
 * unfinished record at the end (a writer that died). */
struct pack_damage {
	bool header; /* the pack's own is damaged */
	uint64_t bytes, torn;
	uint64_t unreadable; /* the disk failed; what was looked at of them */
};
void pack_scan_damage(const struct pack_scan *s, struct pack_damage *ret);

#endif
