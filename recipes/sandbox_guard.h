/* recipes/sandbox_guard.h - the parent of the process that starts commands.
 *
 * It does nothing but outlive its child, and is the next reaper of all that
 * came from it: whatever the child leaves behind when it is killed is ended.
 * The child in turn learns when the guard is killed, and ends by itself.
 */
#ifndef RECIPES_SANDBOX_GUARD_H
#define RECIPES_SANDBOX_GUARD_H

#include "core/macros.h"

/* Forks; the caller becomes the guard and never returns, the child does.
 * Signals are as both want them: SIGCHLD blocked. `drop` is a descriptor that
 * is the child's alone. *ret becomes readable when the guard is gone. */
int guard_start(int drop, int *ret) MUST_USE;

#endif
