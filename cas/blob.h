/* cas/blob.h - a file's content as a Merkle tree over content-defined chunks.
 *
 * The address depends on the content alone, never on how it was written:
 * chunks are cut by FastCDC, runs of more than 256 KiB of zeros are holes, and
 * the list is grouped by what the children's addresses say (deriva-store(5)).
 * A small file's address is its b3sum.
 *
 * Threads: a writer from one thread; a blob from any number.
 */
#ifndef CAS_BLOB_H
#define CAS_BLOB_H

#include "cas/store.h"

#include <sys/types.h>

/* --- writing ------------------------------------------------------------ */

struct blob_writer;

struct blob_writer *blob_writer_new(struct store *s) MUST_USE;
void blob_writer_free(struct blob_writer *w);
CLEANUP_FN(struct blob_writer, blob_writer_free)
/* From now on what the store has already is read back, and put anew when it is
 * damaged (store_put_checked). */
void blob_writer_check(struct blob_writer *w);
/* Bytes in order. An error stays: every later call returns it. */
int blob_write(struct blob_writer *w, const void *p, size_t n) MUST_USE;
/* The same as that many zero bytes, without their cost. */
int blob_write_zeros(struct blob_writer *w, uint64_t n) MUST_USE;
/* A descriptor's bytes from offset 0 to its end; its holes are not read. Its
 * file offset moves. */
int blob_write_fd(struct blob_writer *w, int fd) MUST_USE;
/* Once. ret_size may be NULL. */
int blob_finish(struct blob_writer *w, struct addr *ret,
		uint64_t *ret_size) MUST_USE;

/* All at once. */
int blob_put(struct store *s, const void *p, size_t n,
	     struct addr *ret) MUST_USE;
/* As blob_write_fd(). */
int blob_put_fd(struct store *s, int fd, struct addr *ret,
		uint64_t *ret_size) MUST_USE;

/* --- reading ------------------------------------------------------------ */

struct blob;

/* Looks the root up. -ENOENT (also when a part is missing, on reading),
 * -EBADMSG, -EINVAL when the address is no file content. */
int blob_open(struct store *s, const struct addr *a,
	      struct blob **ret) MUST_USE;
void blob_close(struct blob *b);
CLEANUP_FN(struct blob, blob_close)
uint64_t blob_size(const struct blob *b);
void blob_addr(const struct blob *b, struct addr *ret);
/* As pread(2): short only at the end. Chunks just decoded are kept in a small
 * cache shared by all blobs of the store. */
ssize_t blob_pread(struct blob *b, void *p, size_t n, uint64_t off) MUST_USE;
/* As lseek(2) with SEEK_DATA and SEEK_HOLE; -ENXIO at or behind the end. */
int blob_seek(struct blob *b, uint64_t off, bool hole,
	      uint64_t *ret_off) MUST_USE;
/* Of its bytes those that are in no hole, as far as the first thousand entries
 * tell: a sparse file has few, however long it is. */
uint64_t blob_data(struct blob *b);
/* The chunk or hole that holds an offset; -ENXIO at or behind the end. */
struct blob_entry {
	uint64_t start, end;
	struct addr addr; /* zero: a hole */
};
int blob_entry(struct blob *b, uint64_t off, struct blob_entry *ret) MUST_USE;
/* Calls back for every entry at height 1: a chunk, or a hole (addr zero). The
 * callback's non-zero ends it and is returned. */
int blob_each(struct blob *b,
	      int (*fn)(void *ctx, const struct addr *a, uint64_t off,
			uint64_t size),
	      void *ctx) MUST_USE;
/* Calls back for every object of the tree, parents first; a chunk that occurs
 * more than once is named as often as nodes name it, each node once. The
 * callback returns 0 to go on, 1 to leave out what is below this one, or
 * -errno, which ends it. */
typedef int (*blob_walk_fn)(void *ctx, enum obj_kind kind, const struct addr *a,
			    uint64_t size);
int blob_walk(struct store *s, const struct addr *a, blob_walk_fn fn,
	      void *ctx) MUST_USE;
/* 1: every object of the tree is in the index; 0: not so. Chunks are not
 * read. */
int blob_complete(struct store *s, const struct addr *a) MUST_USE;
/* Empty file: its address. Every store has it, stored or not. */
void blob_empty_addr(struct addr *ret);

#endif
