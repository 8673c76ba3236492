/* recipes/sandbox_remedy.h - what to do where bubblewrap does not work. */
#ifndef RECIPES_SANDBOX_REMEDY_H
#define RECIPES_SANDBOX_REMEDY_H

#include "recipes/sandbox.h"

/* From how a run of `true` failed. Returns -errno, with cause and remedy. */
int sandbox_remedy(const struct sandbox_status *st, struct err *err);

#endif
