/* core/pages.h - the database's pages as bytes on disk (permanent).
 *
 * A page ends in 8 bytes, the page's sum: the first 8 bytes of BLAKE3 in
 * derive-key mode, context "deriva page v1", over the whole page with its own
 * number (little-endian, counted from 1) in the place of the sum. So a page
 * that lies where another one belongs does not match either.
 *
 * SQLite's log (the WAL) is a header and frames; each frame has a header and
 * the image of one page, and carries a checksum that continues that of the
 * frame before. Source: https://sqlite.org/fileformat2.html, section 4.
 *
 * A mark says how much of a log is known to be on the disk. Marks, 32 bytes
 * each, lie in a file of their own beside the database: two such, two with the
 * logs begun last, one with how far the rows had come (core/vfs_mark.c).
 */
#ifndef CORE_PAGES_H
#define CORE_PAGES_H

#include "core/macros.h"

#include <stdbool.h>

#define PAGE_SUM  8
#define PAGE_MIN  512
#define PAGE_MAX  65536
#define LOG_HEAD  32
#define LOG_FRAME 24

/* A power of two from PAGE_MIN to PAGE_MAX. */
bool page_size_valid(int64_t size);
/* Puts the sum in. */
void page_seal(uint8_t *page, size_t size, uint64_t pgno);
/* Whether the sum matches; the page is the same afterwards. */
bool page_ok(uint8_t *page, size_t size, uint64_t pgno);

struct log_head {
	uint32_t page_size;
	uint8_t salt[8]; /* another one each time the log starts over */
	uint32_t sum[2];
	bool big; /* the order of bytes that the sums are made in */
};
/* False: no valid header of a log. */
bool log_head_parse(const uint8_t p[LOG_HEAD], struct log_head *ret);
/* Continues a sum over n bytes, a multiple of 8. */
void log_sum(bool big, const uint8_t *p, size_t n, uint32_t sum[2]);
/* Makes a frame continue the sum of the one before. */
void log_frame_seal(bool big, const uint32_t before[2], uint8_t *frame,
		    size_t page_size);
/* Whether the frame belongs to that log and continues sum, which becomes its
 * own. */
bool log_frame_ok(const struct log_head *h, const uint8_t *frame,
		  uint32_t sum[2]);

#define MARK_LEN 32
struct log_mark {
	uint8_t salt[8]; /* of the log */
	uint32_t frames; /* so many, from its start, are on the disk */
};
void log_mark_encode(const struct log_mark *m, uint8_t ret[MARK_LEN]);
bool log_mark_decode(const uint8_t p[MARK_LEN], struct log_mark *ret);

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}
static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
