/* cli/explain.h - print and write a mount's control files about one path. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli/command.h"
#include "cli/where.h"

/* .deriva/DIR/PATH on standard output. -ENOENT: the path is no derived file. */
int ctl_print(const struct place *p, const char *dir) MUST_USE;

/* All of a command whose operands are paths that the control file `name` is
 * told, one by one; the exit status. */
int ctl_tell_all(const struct command *c, const char *name, struct cli *cli,
		 int argc, char **argv);

#endif
