/* cli/explain.h - print and write a mount's control files about one path. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli/command.h"
#include "cli/where.h"

/* .deriva/DIR/PATH on standard output. -ENOENT: the path is no derived file. */
int ctl_print(const struct place *p, const char *dir) MUST_USE;

/* All of a command whose operands are paths that the control file `name` is
 * told, one by one; the exit status. why: what is behind a negative rc, to
 * stand after the path, or NULL. */
int ctl_tell_all(const struct command *c, const char *name,
		 const char *(*why)(int rc), struct cli *cli, int argc,
		 char **argv);
/* Tells the control file of a mount one line: 0 or -errno. */
int ctl_tell(const char *root, const char *name, const char *line) MUST_USE;

#endif
