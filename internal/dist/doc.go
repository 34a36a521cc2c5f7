// Command dist makes what is given to users: static binaries in archives, packages for Debian and its kin, bills of
// materials and their sums. `make dist` runs it.
//
// It belongs here if it turns a commit into files that somebody installs. What is in them is said elsewhere: the unit of
// systemd and the pages lie in docs, the scripts of the package in the folder debian beside this file.
//
// # Nouns
//
//   - release: a commit, checked out into a folder of its own, and its date. Files that differ in the working tree have no
//     part in it.
//   - target: a system and a processor. binary: what was built for one, with what the toolchain has noted in it.
//   - tree: files and folders with their modes, as an archive holds them.
//   - notice: a module that is linked into a binary, with the text and the name of its licence.
//
// # Invariants
//
// The same commit and the same Go give the same bytes, on any machine and in any folder: no path, name, time or order of
// the machine is in them. Every time is that of the commit, or SOURCE_DATE_EPOCH where that is set. A module whose licence
// is not known ends the work: nothing is given away whose terms nobody has read.
//
// # Concurrency
//
// There is none: the compiler takes every core by itself.
package main
