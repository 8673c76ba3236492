/* recipes/sandbox_helper.h - the process that starts commands. */
#ifndef RECIPES_SANDBOX_HELPER_H
#define RECIPES_SANDBOX_HELPER_H

#include "core/macros.h"

/* The whole life of the helper, just forked: serves the socket until its other
 * end is closed, then kills what runs. */
NORETURN void helper_main(int sock);

#endif
