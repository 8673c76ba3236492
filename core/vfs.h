/* core/vfs.h - a layer between SQLite and its files that sums every page.
 *
 * Every page that goes to the database or its log is sealed (core/pages.h) in
 * the 8 bytes that the database reserves in each, and checked each time it
 * comes back. A page that does not match is SQLITE_IOERR_DATA, with a line in
 * the log that names it. A log that a crash left is checked before SQLite
 * recovers from it: frames known to have reached the disk must all be there,
 * and it must be the log that was begun last.
 *
 * Threads: as SQLite's connections, but vfs_point(), vfs_durable() and
 *          vfs_unsynced(): any.
 */
#ifndef CORE_VFS_H
#define CORE_VFS_H

#include "core/pages.h"

#define VFS_MARK_SUFFIX "-mark"

/* Makes it known to SQLite under the name that comes back. */
int vfs_register(const char **ret_name) MUST_USE;

struct sqlite3_file;

/* The errno of the last call on its files that failed, once; 0: none did.
 * SQLite itself forgets it when a COMMIT fails. */
int vfs_error(struct sqlite3_file *main);

/* The errno of a sync of its files that failed, ever; 0: none did. */
int vfs_unsynced(struct sqlite3_file *main);

/* The end of the log as of now, of a database's file (its main file, opened
 * through this layer); false when there is none. Once that much of the log is
 * on the disk, vfs_durable() notes it: what is missing of it after a crash is
 * damage, what is missing behind it a torn end. */
bool vfs_point(struct sqlite3_file *main, struct log_mark *ret);
int vfs_durable(struct sqlite3_file *main, const struct log_mark *m) MUST_USE;

/* How many of the marks beside the database of that path do not read, also
 * when others write them meanwhile; -ENOENT: there is no such file. */
int vfs_marks_damaged(const char *db) MUST_USE;
/* Forgets them all: only of a database that nobody has open, and that has no
 * log. */
int vfs_marks_reset(const char *db) MUST_USE;

/* A number that rows have, and that only rises, as far as it is on the disk;
 * kept beside the database, so that one that has less is known to be older than
 * what somebody was told is safe. 0: not known. */
int vfs_reached(struct sqlite3_file *main, uint64_t n) MUST_USE;
uint64_t vfs_last_reached(struct sqlite3_file *main);

#endif
