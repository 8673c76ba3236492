/* recipes/machine.h - what of the machine a command's result depended on.
 *
 * For people (`deriva why`), not for addresses: the kernel, and the programs
 * that the command calls by name, with their sizes and dates. What these call
 * in their turn is not known.
 *
 * Threads: any.
 */
#ifndef RECIPES_MACHINE_H
#define RECIPES_MACHINE_H

#include "core/buf.h"
#include "recipes/file.h"
#include "recipes/tools.h"

/* Lines, one a program. */
int machine_note(const struct tools *t, const struct recipe_def *d,
		 struct buf *ret) MUST_USE;

#endif
