// Package policy holds the rules of this house as code: who may import whom, how long a file may
// grow, what an error sounds like, which promises are cited and proved. Its tests hold the house
// against them, so that a broken rule is a failing test and not a remark.
//
// A rule belongs here if it can be decided from the text of the repository alone, without a type
// checker or a network, and if its message can name the fix.
//
// It imports none of Freshet's packages.
//
// # Nouns
//
//   - [House]: the repository as text and syntax trees, read once.
//   - [Rule]: one law, a pure function from a House to findings.
//   - [Finding]: one place that breaks a rule, what is there, and the fix. A soft finding is reported
//     and fails nothing.
//   - [Room]: one row of the table of packages: what it may import, and why it exists.
//   - [Module]: one row of the table of dependencies, with the reason why it is carried.
//
// # Invariants
//
//   - Every rule has a broken house in testdata/faults that it must find, and a sound one that it must
//     not: a rule that cannot fail is no rule.
//   - Generated files, assembly and testdata are not judged as code.
package policy
