/* recipes/sandbox_seccomp.h - the system calls that a command is refused.
 *
 * Made once, with libseccomp, as the program that bwrap --seccomp takes.
 */
#ifndef RECIPES_SANDBOX_SECCOMP_H
#define RECIPES_SANDBOX_SECCOMP_H

#include "core/buf.h"

#include <stdbool.h>

/* network: for commands that share the machine's network. -ENOSYS: libseccomp
 * does not know a call that is to be refused. */
int seccomp_program(bool network, struct buf *ret) MUST_USE;

#endif
