/* recipes/families.h - the families of functions, in the order of listings.
 *
 * Included for its lines, with FAMILY(x) defined: each stands for
 * `const struct fn_family family_x` in fn_x.c. That file, its line here and in
 * meson.build are all that a new family takes.
 */
FAMILY(text)
FAMILY(slice)
FAMILY(filter)
FAMILY(replace)
FAMILY(cut)
FAMILY(sort)
FAMILY(join)
FAMILY(template)
FAMILY(codec)
FAMILY(hash)
FAMILY(json)
FAMILY(csv)
FAMILY(sql)
FAMILY(archive)
FAMILY(unpack)
