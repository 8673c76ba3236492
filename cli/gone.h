/* cli/gone.h - the path of what need not be there any more.
 *
 * Of what is gone, directories too, the nearest directory that is there tells
 * the mount.
 */
#ifndef CLI_GONE_H
#define CLI_GONE_H

#include "core/macros.h"

/* ret_root: of the mount; ret_rel: below it, without leading slash. A message
 * is given. */
int gone_find(const char *path, char **ret_root, char **ret_rel) MUST_USE;

#endif
