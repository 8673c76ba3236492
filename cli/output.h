/* cli/output.h - results on standard output, messages on standard error.
 *
 * A message is one write(2), "deriva: " and the text, in which bytes that a
 * terminal would obey stand as \ooo: names come from anybody.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "core/buf.h"

#define EXIT_USAGE 2

void complain(const char *fmt, ...) PRINTF(1, 2);
/* The same, and EXIT_FAILURE comes back, so that `return fail(...)` does. */
int fail(const char *fmt, ...) PRINTF(1, 2);

/* A name for people to read: control characters as \ooo. */
void print_name(const char *name);
/* Columns of it on a terminal. */
size_t name_width(const char *name);
void print_buf(const struct buf *b);
/* Everything a descriptor gives, to standard output. */
int print_fd(int fd) MUST_USE;

/* Flushes standard output. EXIT_FAILURE when anything written to it was lost:
 * with a message, but for a reader that has gone, which is none's business. */
int finish_output(void);

/* Sends standard output through $PAGER (or less) when it is a terminal. The
 * pager's own end decides when pager_wait() returns; one that its reader left
 * early is no failure. */
struct pager {
	pid_t pid; /* 0: none */
	int out;   /* the terminal */
};
void pager_start(struct pager *p);
/* Instead of finish_output(). */
int pager_wait(struct pager *p);

#endif
