/* recipes/sandbox_helper.h - the process that starts commands. */
#ifndef RECIPES_SANDBOX_HELPER_H
#define RECIPES_SANDBOX_HELPER_H

#include "core/macros.h"

/* A program that links this module and is started with this name, and with a
 * socket as descriptor 3, is the helper from its first moment on, whatever its
 * main() is: that is how a process with threads gets another one. */
#define HELPER_NAME "deriva-sandbox"
#define HELPER_FD   3

/* The whole life of the helper, just started: serves the socket until its other
 * end is closed, then kills what runs. */
NORETURN void helper_main(int sock);

#endif
