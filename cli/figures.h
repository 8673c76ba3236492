/* cli/figures.h - the figures of a store, as a mount's .deriva/status has them.
 */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#include "cli/command.h"
#include "core/buf.h"

/* A JSON object: of the mount that holds the working directory; with --store of
 * the store's mount, or, without one, those fields that the store's rows give.
 * A message is given on failure. */
int figures_read(const struct cli *cli, struct buf *ret) MUST_USE;
/* For people; an exit status. */
int figures_print(const char *json);

#endif
