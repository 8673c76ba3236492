/* cas/dir_page.h - pages of a directory tree (permanent; deriva-store(5),
 * DIRECTORIES).
 *
 *	page	u32 height (0: leaf), u32 count, entries by name
 *	leaf	u8 type, u8 name_len, u16 target_len, u64 size, u64 rdev,
 *		address, name, target
 *	inner	u8 name_len, address, u64 leaf entries below, last name below
 *
 * Errors: -EBADMSG bytes that are no canonical page.
 */
#ifndef CAS_DIR_PAGE_H
#define CAS_DIR_PAGE_H

#include "cas/dir.h"

#define DIR_PAGE_MAX	1024
#define DIR_HEIGHT_MAX	63
#define DIR_PAGE_HEADER 8
#define DIR_NAME_MAX	255
#define DIR_TARGET_MAX	4095

/* An entry of an inner page. */
struct dir_child {
	const char *name; /* the last one below */
	size_t name_len;
	struct addr addr;
	uint64_t count; /* of leaf entries */
};

/* Whether a page of that height ends after its count-th entry (from 1), which
 * has (or ends with) that name. */
bool dir_cuts(uint32_t height, uint32_t count, const char *name, size_t len);

/* In the order of the bytes; a name that begins another comes first. */
int dir_name_cmp(const char *a, size_t a_len, const char *b, size_t b_len);

/* Whether it can stand in a directory. */
bool dir_entry_valid(const struct dir_entry *e);

void dir_page_begin(struct buf *b);
void dir_page_add(struct buf *b, const struct dir_entry *e);
void dir_page_add_child(struct buf *b, const struct dir_child *c);
void dir_page_end(struct buf *b, uint32_t height, uint32_t count);

/* A page whose entries are taken one by one, in order. */
struct dir_page {
	uint32_t height, count;
	struct cur cur;
	uint32_t next; /* index of the next entry */
	const char *last;
	size_t last_len; /* name before it */
};

int dir_page_open(const void *p, size_t n, struct dir_page *ret) MUST_USE;
/* 1 an entry, 0 the end of the page, which is checked as well. The entry
 * points into the page. By height: a leaf's or an inner page's. */
int dir_page_next(struct dir_page *p, struct dir_entry *ret) MUST_USE;
int dir_page_next_child(struct dir_page *p, struct dir_child *ret) MUST_USE;

#endif
