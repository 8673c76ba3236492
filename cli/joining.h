/* cli/joining.h - what a merge did, for people and programs. */
#ifndef CLI_JOINING_H
#define CLI_JOINING_H

#include "cas/join.h"

/* The branch that a mount shows; `main` where it says nothing of it. */
int joining_branch(const char *root, struct buf *ret) MUST_USE;
/* Who merges, by that program. */
struct ns_by joining_by(const char *program);
void joining_print(const struct join *j, const struct join_result *r,
		   bool json);

#endif
