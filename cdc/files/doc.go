// Package files is the source of a folder: every regular file below a path is a row, keyed by its
// path relative to the folder.
//
// It belongs here if it finds out what stands in a folder or what has changed there. What a file
// means (its format, its paragraphs) is the business of steps.
//
// Of Freshet's packages it may import cdc, internal/blob, internal/idle and internal/realpath.
//
// # Nouns
//
//   - [Source]: a folder with globs; [Options] says which files and how to look for changes.
//   - note: what was seen of a file when it was read last (times, size, inode, hash of the content),
//     kept in the ledger. A file whose note still fits is neither read nor told.
//   - pass: a comparison of the folder with the ledger, both in byte order of the paths, in flat memory.
//   - watch: the notices of the system between two passes, collected into a bounded set of paths.
//
// # What is read, and what never is
//
// The source reads with the rights of the process and needs to read and search the folder, nothing
// else; it never writes. Files and directories are opened relative to their directory, never through
// a symbolic link: links are ignored, whether they lead to files or to directories. FIFOs, sockets
// and devices are never opened. Dot files are ordinary files. Directories that no include can match
// or that an exclude covers whole (`**/node_modules/**`) are neither read nor watched.
//
// A file over Options.MaxSize is rejected (too_large), as is one that cannot be read (unreadable) or
// whose name is not valid UTF-8 (bad_name; the key is the name behind "./", with the odd bytes as
// \xFF, which no file's path looks like). A rejected file that becomes good is put. An unreadable
// directory keeps the rows that are known of it, and is told as a problem.
//
// # Invariants
//
//   - A path is watched before it is read, so that nothing falls between a pass and the notices.
//     Notices that the system or the bound lost lead to a new pass, never to silence.
//
//   - A file is racy when it changed so shortly before it was read that a later change could carry the
//     same times; its content is hashed again at the next pass. Systems stamp times in steps: 20 ms are
//     taken for the usual ones, 2 s where the stamps are whole seconds (FAT, some network mounts).
//
//   - A missing folder is a fault, never an empty one. A pass that finds more than Options.MaxDelete of
//     the known files gone (of 20 or more; files that only moved within the folder are not gone, nor are
//     those that the globs leave out) deletes none of them.
//
//   - The ledger lags what was put: until it shows a note, the source remembers it, so that a file
//     made and removed meanwhile is deleted.
//
//   - Positions count the transactions; one file is one transaction, a file renamed while it is watched
//     is one of a delete and an update.
//
//   - A file with several names (hard links) is a row under each. The system tells of a change under the
//     name that it came by; the other rows follow at the next pass.
//
// # Concurrency
//
// Run works in the goroutine that calls it, but for one that drains the notices while Put waits. A
// Source has no state of its own; each Run stands for itself.
package files
