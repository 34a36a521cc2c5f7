// Package testenv starts real servers for tests and examples, and breaks the network between them and the code under test.
//
// [Postgres] gives a [PostgresServer]: one per major version is shared by the tests of a process, each in a
// [PostgresDatabase] of its own; a test that stops, kills or configures the server asks for one of its own. A
// [Proxy] stands between a client and a server and cuts, stalls, slows and loses answers on demand. [RunPostgres] and
// [RunKafka] are for programs that show something.
//
// It may import all of Freshet's packages.
//
// # Which servers
//
// `.ci/servers` installs them by pinned hashes, and `make test` calls it. A test whose server is not installed
// is skipped and says how to install it; with FRESHET_REQUIRE_SERVERS=1, which `make test` sets, it fails.
//
// # Invariants
//
// Servers listen on 127.0.0.1, keep everything in a temporary folder and do not run as root, but for moto where its
// interpreter is root's own. None outlives its
// test process, however that ends: a watchdog of its own session holds the other end of a pipe to the test
// process, and when that closes it stops the server and removes the folder.
//
// # Concurrency
//
// Everything here may be called from several goroutines, but for the methods of one server that start and end it.
// The goroutines of a proxy are gone when the test that made it has ended.
package testenv
